//! Goal: every output format with every codec is read by programs that we did not write, and the table in
//! `docs/formats.md` says by which.
//! Method: records with all that is difficult become one file per format and codec, through the same pipeline and
//! encoders as in the program. `tests/lab/read_formats.py` (Python libraries, command line tools, DuckDB, Arrow, Spark)
//! and four Java programs (Hadoop, Avro, aircompressor, snappy-java, lz4-java, hadoop-lzo) read them and compare.
//! `SECOR_BLESS=1` writes the table.

#[path = "interop/avro_values.rs"]
mod avro_values;
#[path = "interop/java.rs"]
mod java;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{
    BadRecords, Compression, Content, EnvelopeBytes, Framing, Input, InputFormat, Output, OutputFormat,
    SequenceCompression, Shape, Timestamp,
};
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline};
use serde_json::{Value, json};

const BEGIN: &str = "<!-- what follows is written by `just interop` -->\n";
const END: &str = "<!-- end of what `just interop` writes -->\n";

/// One file.
struct Case {
    file: String,
    /// As the Python program knows it.
    format: &'static str,
    /// As the table says it.
    label: String,
    codec: &'static str,
    framing: Option<&'static str>,
    expected: &'static str,
    output: Output,
}

struct Owned {
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<String>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Owned {
    /// Is its time in the second of which ORC tells no fraction?
    fn is_beyond_orc(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.contains("1969-12-31T23:59:59.9"))
    }
}

#[test]
fn every_format_and_codec_is_read_by_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let records = records();
    let cases = cases();
    for case in &cases {
        fs::write(folder.path().join(&case.file), encoded(&case.output, &records)).expect("the folder takes files");
    }
    write_expectations(folder.path(), &records, &cases);
    let mut verdicts = read_with_python(folder.path());
    verdicts.extend(java::read_with_codecs(folder.path(), &cases));
    verdicts.push(java::read_with_index(folder.path(), &cases));
    verdicts.extend(java::read_with_hadoop(folder.path(), &cases, &records));
    verdicts.extend(java::read_with_avro(folder.path(), &cases));
    let wrong: Vec<_> = verdicts.iter().filter(|(.., verdict)| verdict != "ok").collect();
    assert!(wrong.is_empty(), "{} of {} cells: {wrong:#?}", wrong.len(), verdicts.len());
    check_table(&table(&cases, &verdicts));
}

// --- what is written

/// Columns of the values, one of each type.
const SCHEMA: &str = "struct<id:bigint,text:string,time:timestamp,x:struct<y:string,z:array<bigint>>,ok:boolean,\
                      small:tinyint,real:float,big:double,amount:decimal(20,2),day:date,counts:map<string,int>,bytes:binary>";

/// In front of the fields of the first value: those that the other values lack.
const TYPES: &str = r#"{"ok":true,"small":-128,"real":0.25,"big":-1e300,"amount":-12.5,"day":"2000-02-29","counts":{"b":null,"a":1},"bytes":"/wA=","#;

fn records() -> Vec<Owned> {
    let mut records = Vec::new();
    let mut push = |timestamp, key: Option<&[u8]>, value: Option<String>, headers: Vec<(&[u8], Option<&[u8]>)>| {
        let headers = headers.into_iter().map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec))).collect();
        // gaps, as transactions leave them
        let offset = 1_000_000_007 * i64::try_from(records.len()).expect("few");
        records.push(Owned { offset, timestamp, key: key.map(<[u8]>::to_vec), value, headers });
    };
    let object = |id: i64, rest: &str| Some(format!("{{\"id\":{id}{rest}}}"));
    let full =
        |id, text: &str, time: &str| object(id, &format!(r#","text":{text},"time":"{time}","x":{{"y":"d","z":[1]}}"#));
    let plain = full(0, r#""plain""#, "2000-02-29T23:59:59.999999Z").map(|value| value.replacen('{', TYPES, 1));
    push(Some(0), Some(b"k"), plain, vec![]);
    push(Some(-1), None, full(-1, r#""""#, "1969-12-31T23:59:59.999999999Z"), vec![(b"empty", Some(b""))]);
    push(Some(951_868_799_999), Some(b""), None, vec![(b"null", None), (b"null", Some(b"2"))]);
    push(None, Some(b"\xff\0"), object(4, ""), vec![(b"\xfe", Some(b"\xff")), ("grüße".as_bytes(), Some(b"x"))]);
    push(
        Some(-62_135_596_800_000),
        Some("ключ".as_bytes()),
        full(5, r#""grüße, 日本 🎉""#, "2026-03-29T02:30:00+01:00"),
        vec![],
    );
    push(Some(1), Some(b"\"q\""), full(6, r#""a,b \"q\"\n\r\n\ttab \\ \u00e9""#, "2026-10-25T02:30:00+02:00"), vec![]);
    push(Some(2), None, Some("{\n  \"id\": 9007199254740993,\r\n  \"x\": {\"y\": null}\n}".to_owned()), vec![]);
    push(Some(3), None, object(8, r#","text":null,"time":null,"x":null"#), vec![]);
    push(
        Some(4),
        None,
        full(9, &format!("\"{}\"", "0123456789abcdef".repeat(1 << 16)), "1900-02-28T00:00:00Z"),
        vec![],
    );
    push(Some(5), None, Some("{}".to_owned()), vec![]);
    for id in 10..3_000 {
        let text = format!("\"line {id} {}\"", "text that repeats ".repeat(usize::try_from(id % 23).expect("small")));
        push(Some(1_700_000_000_000 + id), Some(b"user"), full(id, &text, "2026-11-21T04:00:00.000001Z"), vec![]);
        if id % 500 == 0 {
            push(Some(id), Some(b"user"), None, vec![]);
        }
    }
    records
}

fn encoded(output: &Output, records: &[Owned]) -> Vec<u8> {
    let needs_json = match output.format {
        OutputFormat::Csv => true,
        OutputFormat::Json | OutputFormat::Parquet | OutputFormat::Orc => output.content == Content::Value,
        _ => false,
    };
    // text must be on one line too, as line breaks are between tokens only
    let is_text = output.format == OutputFormat::Text;
    let input = Input {
        format: if needs_json || is_text { InputFormat::Json } else { InputFormat::Bytes },
        ..Input::default()
    };
    let shape = Shape {
        version: Shape::VERSION,
        input,
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output: output.clone(),
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    };
    if (output.format, output.content) == (OutputFormat::Avro, Content::Value) {
        return avro_values::encoded(output, shape, records);
    }
    let mut pipeline = Pipeline::new(&shape).expect("the shape is possible");
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "interop".into(), partition: 7 }, &codec);
    for (i, owned) in records.iter().enumerate() {
        let mut headers = Vec::new();
        for (name, value) in &owned.headers {
            push_header(&mut headers, name, value.as_deref());
        }
        let record = Record {
            offset: Offset::new(owned.offset).expect("not negative"),
            timestamp: owned.timestamp,
            key: owned.key.as_deref(),
            value: owned.value.as_deref().map(str::as_bytes),
            headers: &headers,
        };
        if output.format == OutputFormat::Orc && owned.is_beyond_orc() && output.content == Content::Value {
            assert!(pipeline.route(&record, 0).is_err(), "no column of ORC holds its time");
            continue;
        }
        let routed = pipeline.route(&record, 0).expect("all records are good");
        encoder.append(&record, routed.value.as_deref(), routed.event_time, &mut codec, &mut out);
        if i == 100 {
            // as when memory is short
            encoder.flush_block(&mut codec, &mut out);
        }
    }
    let _ = encoder.finish(&mut codec, &mut out);
    out
}

/// Name, codec, and the framing with its name.
type NamedCodec = (&'static str, Compression, Option<(&'static str, Framing)>);

const CODECS: [NamedCodec; 11] = [
    ("none", Compression::None, None),
    ("gzip", Compression::Gzip, None),
    ("zstd", Compression::Zstd, None),
    ("snappy", Compression::Snappy, Some(("hadoop", Framing::Hadoop))),
    ("snappy", Compression::Snappy, Some(("stream", Framing::Stream))),
    ("lz4", Compression::Lz4, Some(("hadoop", Framing::Hadoop))),
    ("lz4", Compression::Lz4, Some(("stream", Framing::Stream))),
    ("bzip2", Compression::Bzip2, None),
    ("deflate", Compression::Deflate, None),
    ("lzo", Compression::Lzo, None),
    ("brotli", Compression::Brotli, None),
];

/// Name for the Python program, for the table, extension, file of what is expected, output.
type Format = (&'static str, &'static str, &'static str, &'static str, Output);

fn formats() -> [Format; 15] {
    let columns = ["id", "text", "time", "x.y"].map(str::to_owned).to_vec();
    let base64 = EnvelopeBytes::Base64;
    let base64 = Output { envelope_key: base64, envelope_value: base64, envelope_headers: base64, ..Output::default() };
    let of = |format| Output { format, ..Output::default() };
    let envelope = |format, output| Output { format, content: Content::Envelope, ..output };
    let json = |output| envelope(OutputFormat::Json, output);
    let sequence = |sequence_compression| Output { sequence_compression, ..of(OutputFormat::Sequence) };
    let schema = Some(SCHEMA.to_owned());
    let filters = vec!["x.y".to_owned(), "time".to_owned()];
    let orc_columns = Output { schema: schema.clone(), ..of(OutputFormat::Orc) };
    let columns_of = Output { schema, bloom_filters: filters, row_group_rows: 1_000, ..of(OutputFormat::Parquet) };
    let csv = Output { columns, header_line: true, ..of(OutputFormat::Csv) };
    [
        ("text", "`text`", "txt", "text.txt", of(OutputFormat::Text)),
        ("json", "`json`", "json", "values.jsonl", of(OutputFormat::Json)),
        ("csv", "`csv`", "csv", "rows.jsonl", csv),
        ("envelope", "`json` envelope", "json", "envelopes.jsonl", json(Output::default())),
        ("envelope_base64", "`json` envelope in base64", "json", "envelopes.jsonl", json(base64)),
        ("avro", "`avro` envelope", "avro", "envelopes.jsonl", envelope(OutputFormat::Avro, Output::default())),
        ("avro_values", "`avro` values", "avro", "avro_values.jsonl", avro_values::output(avro_values::Rows::Values)),
        (
            "avro_resolved",
            "`avro` values, resolved",
            "avro",
            "avro_resolved.jsonl",
            avro_values::output(avro_values::Rows::Resolved),
        ),
        (
            "avro_filled",
            "`avro` values from JSON",
            "avro",
            "avro_values.jsonl",
            avro_values::output(avro_values::Rows::Filled),
        ),
        (
            "parquet",
            "`parquet` envelope",
            "parquet",
            "envelopes.jsonl",
            envelope(OutputFormat::Parquet, Output { row_group_rows: 1_000, ..Output::default() }),
        ),
        ("parquet_columns", "`parquet` columns", "parquet", "columns.jsonl", columns_of),
        ("orc", "`orc` envelope", "orc", "envelopes.jsonl", envelope(OutputFormat::Orc, Output::default())),
        ("orc_columns", "`orc` columns", "orc", "orc_columns.jsonl", orc_columns),
        ("sequence_block", "`sequence` by blocks", "seq", "", sequence(SequenceCompression::Block)),
        ("sequence_record", "`sequence` by records", "seq", "", sequence(SequenceCompression::Record)),
    ]
}

/// Codecs of lines are tried with `text`, where all readers of streams are; of the others where the format itself
/// matters to the reader.
fn is_tried(format: &str, codec: &str, framing: Option<&str>) -> bool {
    match format {
        "text" => codec != "brotli",
        "parquet" | "parquet_columns" => !matches!(codec, "bzip2" | "deflate" | "lzo") && framing != Some("hadoop"),
        "orc" | "orc_columns" => {
            matches!(codec, "none" | "deflate" | "zstd" | "snappy" | "lz4") && framing != Some("hadoop")
        }
        "avro" | "avro_values" => {
            matches!(codec, "none" | "deflate" | "zstd" | "bzip2") || (codec, framing) == ("snappy", Some("hadoop"))
        }
        "sequence_block" => !matches!(codec, "lzo" | "brotli") && framing != Some("stream"),
        "sequence_record" => !matches!(codec, "lzo" | "none" | "brotli") && framing != Some("stream"),
        "avro_resolved" | "avro_filled" => matches!(codec, "none" | "zstd"),
        _ => matches!(codec, "none" | "gzip" | "zstd"),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (format, label, extension, expected, output) in formats() {
        for (codec, compression, framing) in CODECS {
            if !is_tried(format, codec, framing.map(|(name, _)| name)) {
                continue;
            }
            let framing = framing.filter(|_| format == "text");
            // DuckDB goes by the end of the name
            let end = match codec {
                "gzip" if !matches!(extension, "seq" | "parquet" | "orc" | "avro") => ".gz",
                "zstd" if extension == "txt" || extension == "json" || extension == "csv" => ".zst",
                _ => "",
            };
            let framed = framing.map(|(name, _)| format!(".{name}")).unwrap_or_default();
            cases.push(Case {
                file: format!("{format}.{codec}{framed}.{extension}{end}"),
                format,
                label: label.to_owned(),
                codec,
                framing: framing.map(|(name, _)| name),
                expected,
                output: Output { compression, framing: framing.map(|(_, framing)| framing), ..output.clone() },
            });
        }
    }
    cases
}

// --- what is expected

fn write_expectations(folder: &Path, records: &[Owned], cases: &[Case]) {
    let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let (mut text, mut values, mut rows, mut envelopes) = (String::new(), String::new(), String::new(), String::new());
    let (mut columns, mut orc_columns) = (String::new(), String::new());
    for record in records {
        let line = record.value.as_deref().map(|value| value.replace(['\r', '\n'], " "));
        text += &format!("{}\n", line.as_deref().unwrap_or_default());
        values += &format!("{}\n", line.as_deref().unwrap_or("null"));
        let value: Value = line.map_or(Value::Null, |line| serde_json::from_str(&line).expect("values are JSON"));
        let column = |value: &Value| match value {
            Value::Null => Value::Null,
            Value::String(text) => json!(text),
            other => json!(other.to_string()),
        };
        let line = format!("{}\n", columns_of(&value));
        columns += &line;
        orc_columns += if record.is_beyond_orc() { "" } else { &line };
        let row = [&value["id"], &value["text"], &value["time"], &value["x"]["y"]].map(column);
        rows += &format!("{}\n", json!(row));
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| json!([base64(name), value.as_deref().map(base64)])).collect();
        let (key, value) = (record.key.as_deref().map(base64), record.value.as_deref().map(|it| base64(it.as_bytes())));
        envelopes += &format!("{}\n", json!([record.offset, record.timestamp, key, value, headers]));
    }
    for (file, content) in [
        ("text.txt", text),
        ("values.jsonl", values),
        ("rows.jsonl", rows),
        ("envelopes.jsonl", envelopes),
        ("columns.jsonl", columns),
        ("orc_columns.jsonl", orc_columns),
    ] {
        fs::write(folder.join(file), content).expect("the folder takes files");
    }
    avro_values::write_expectations(folder, records);
    let of_python = cases.iter().filter(|case| !case.expected.is_empty());
    let files: Vec<_> = of_python
        .map(|case| {
            let expected = folder.join(case.expected);
            json!({"file": case.file, "format": case.format, "codec": case.codec, "framing": case.framing, "expected": expected})
        })
        .collect();
    fs::write(folder.join("files.json"), json!(files).to_string()).expect("the folder takes files");
}

/// As the Python program prints the columns of a value: times in microseconds, bytes in base64, decimals as texts.
fn columns_of(value: &Value) -> Value {
    let time = value["time"].as_str().map(|time| {
        let time: jiff::Timestamp = time.parse().expect("times are ISO 8601");
        i64::try_from(time.as_nanosecond().div_euclid(1_000)).expect("of our time")
    });
    let x = &value["x"];
    let x = if x.is_object() { json!({"y": x["y"], "z": x["z"]}) } else { Value::Null };
    let amount = if value["amount"].is_null() { Value::Null } else { json!("-12.50") };
    let counts = if value["counts"].is_null() { Value::Null } else { json!([["a", 1], ["b", null]]) };
    let same = |name: &str| value[name].clone();
    json!([
        same("id"),
        same("text"),
        time,
        x,
        same("ok"),
        same("small"),
        same("real"),
        same("big"),
        amount,
        same("day"),
        counts,
        same("bytes")
    ])
}

// --- who reads

/// File, reader, `ok` or what went wrong.
type Verdict = (String, String, String);

fn read_with_python(folder: &Path) -> Vec<Verdict> {
    let mut python = Command::new(lab().join("venv/bin/python"));
    let said = run(python.arg(repository().join("tests/lab/read_formats.py")).arg(folder));
    let lines = said.lines().map(|line| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let mut part = || parts.next().expect("three parts");
        (part(), part(), part())
    });
    lines.collect()
}

// --- the table

fn table(cases: &[Case], verdicts: &[Verdict]) -> String {
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, reader, _) in verdicts {
        readers.entry(file).or_default().push(reader);
    }
    let mut table = "| output | compression | read by |\n|---|---|---|\n".to_owned();
    for case in cases {
        let readers = readers.get(case.file.as_str()).cloned().unwrap_or_default();
        let note = match readers.len() {
            0 => "no other reader here".to_owned(),
            1 => format!("{}; no second reader here", readers[0]),
            _ => readers.join(", "),
        };
        let framing = case.framing.map(|framing| format!(", framing `{framing}`")).unwrap_or_default();
        table += &format!("| {} | `{}`{framing} | {note} |\n", case.label, case.codec);
    }
    table
}

fn check_table(table: &str) {
    let path = repository().join("docs/formats.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the mark");
    let (written, after) = rest.split_once(END).expect("the page has the mark");
    if environment("SECOR_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("the page can be written");
    } else {
        assert_eq!(written, table, "run `just interop` and look at what changed");
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run tests/lab/install.sh"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("readers print text")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn lab() -> PathBuf {
    environment("SECOR_LAB").map_or_else(|| repository().join(".lab"), PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the ban is for what shapes files; this says where readers are")]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
