//! The keys of `archive.output`: the part of [`super::schema`] that knows formats and codecs.

use super::checks;
use super::schema::{Fallback, Key, Kind, shaping, word};

const ANY: Kind = Kind::Text(checks::any);
const STRING: Fallback = Fallback::Toml("\"string\"");

pub(super) const OUTPUT_KEYS: &[Key] = &[
    shaping(
        "archive.output.format",
        word(&["text", "json", "csv", "sequence", "avro", "parquet", "orc"]),
        Fallback::Toml("\"text\""),
        "Values with a delimiter; JSON lines; CSV from fields; Hadoop SequenceFiles; Avro container files; Parquet; ORC. \
         [Formats](formats.md) says what each keeps of a record.",
    ),
    shaping(
        "archive.output.content",
        word(&["value", "envelope"]),
        Fallback::Toml("\"value\""),
        "Of `json`, `avro`, `parquet` and `orc`. `envelope`: offset, timestamp, key, headers and value, so that nothing of a record is lost.",
    ),
    shaping(
        "archive.output.compression",
        word(&["none", "gzip", "zstd", "snappy", "lz4", "bzip2", "deflate", "lzo", "brotli"]),
        Fallback::Toml("\"none\""),
        "`lzo` is what the program `lzop` reads. SequenceFiles have all but `lzo`; Avro has `none`, `deflate`, `zstd`, \
         `snappy`, `bzip2`; Parquet has `none`, `snappy`, `gzip`, `zstd`, `lz4`, and alone `brotli`; ORC has `none`, `deflate`, `snappy`, `lz4`, `zstd`.",
    ),
    shaping(
        "archive.output.level",
        Kind::Integer { min: 1, max: 22 },
        Fallback::Absent("gzip 6, zstd 3, deflate 6, bzip2 9, brotli 4"),
        "gzip 1 to 12 (within Parquet to 9), zstd 1 to 22, deflate and bzip2 1 to 9, brotli 1 to 11; the others have none.",
    ),
    shaping(
        "archive.output.framing",
        word(&["hadoop", "stream"]),
        Fallback::Absent("snappy `hadoop`, lz4 `stream`"),
        "How the blocks of `snappy` and `lz4` are put together: as Hadoop's codecs (Spark, Hive, Trino), or as the \
         codec's own tools (`lz4`, `snzip`).",
    ),
    shaping(
        "archive.output.delimiter",
        ANY,
        Fallback::Toml("\"\\n\""),
        "After each record of `text`: at least one byte.",
    ),
    shaping(
        "archive.output.envelope_key",
        word(&["string", "base64"]),
        STRING,
        "Keys in a JSON envelope. `string`: what is no UTF-8 becomes base64, under the name `key_base64`.",
    ),
    shaping(
        "archive.output.envelope_value",
        word(&["string", "base64", "json"]),
        STRING,
        "Values in a JSON envelope: as keys, or with `json` input nested as the JSON that they are.",
    ),
    shaping(
        "archive.output.envelope_headers",
        word(&["string", "base64"]),
        STRING,
        "Values of headers in a JSON envelope: as keys.",
    ),
    shaping(
        "archive.output.columns",
        Kind::Texts(checks::not_empty),
        Fallback::Toml("[]"),
        "Of `csv`: paths of fields, one for each column, such as `[\"id\", \"user.name\"]`.",
    ),
    shaping("archive.output.column_separator", ANY, Fallback::Toml("\",\""), "Of `csv`: one ASCII character."),
    shaping(
        "archive.output.null_text",
        ANY,
        Fallback::Toml("\"\""),
        "Of `csv`: what stands for null and missing fields. A text that reads the same is quoted.",
    ),
    shaping(
        "archive.output.header_line",
        Kind::Flag,
        Fallback::Toml("false"),
        "Of `csv`: each file begins with the names of the columns.",
    ),
    shaping(
        "archive.output.sequence_compression",
        word(&["block", "record"]),
        Fallback::Toml("\"block\""),
        "How a compressed SequenceFile is laid out.",
    ),
    shaping(
        "archive.output.sequence_key",
        word(&["offset", "messagepack"]),
        Fallback::Toml("\"offset\""),
        "LongWritable offset, or a MessagePack map of offset, timestamp and Kafka key.",
    ),
    shaping(
        "archive.output.schema",
        Kind::Text(checks::not_empty),
        Fallback::Absent("none"),
        "With `content = \"value\"`. Of `parquet` and `orc`: the columns, as Hive and Spark write types, such as \
         `struct<id:bigint not null,name:string,tags:array<string>>`; [Formats](formats.md) has the types, and columns such \
         as `_kafka_offset`. Of `avro`: the schema of all files, in JSON, to which every value is resolved, or that other \
         inputs than `avro` fill; such as `${file:/etc/secor/click.avsc}`. Without it there is a file for each schema that \
         values were written by.",
    ),
    shaping(
        "archive.output.row_group_rows",
        Kind::Integer { min: 1, max: 1_000_000_000 },
        Fallback::Toml("1000000"),
        "Of `parquet`: a row group ends with this many rows, earlier when memory is short.",
    ),
    shaping(
        "archive.output.row_group_bytes",
        Kind::Size { min: 1 << 10, max: 1 << 40 },
        Fallback::Toml("\"64MiB\""),
        "Of `parquet`: or with this many bytes of rows, uncompressed. A file that is written holds the compressed pages \
         of its open row group in memory.",
    ),
    shaping(
        "archive.output.dictionary",
        Kind::Flag,
        Fallback::Toml("true"),
        "Of `parquet`: values that repeat are written once per row group.",
    ),
    shaping(
        "archive.output.statistics",
        word(&["none", "row_group", "page"]),
        Fallback::Toml("\"page\""),
        "Of `parquet`: what smallest and largest values are written of, so that readers can skip it; `page` writes the \
         page index.",
    ),
    shaping(
        "archive.output.bloom_filters",
        Kind::Texts(checks::not_empty),
        Fallback::Toml("[]"),
        "Of `parquet`: columns that have a bloom filter in each row group, such as `[\"key\"]`. The memory of one goes \
         with `row_group_rows`: 1 MiB and a half for a million.",
    ),
    shaping(
        "archive.output.extension",
        Kind::Text(checks::extension),
        Fallback::Absent(
            "the format's (`.json`, `.csv`, `.avro`, `.parquet`, `.orc`, none) and the codec's (`.gz`, `.zst` ...)",
        ),
        "Replaces the extension, with its dot; may be empty.",
    ),
];
