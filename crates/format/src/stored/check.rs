//! Which outputs there can be: what a format needs, and which codecs and levels it has.

use secor_core::shape::{
    Compression, Content, EnvelopeBytes, Framing, Input, InputFormat, JsonValue, Output, OutputFormat,
};

use super::{DELIMITER_BYTES_MAX, columns};
use crate::columns::envelope;
use crate::columns::types::has_leaf;
use crate::compress::levels;
use crate::encode::{avro_codec_name, codec_class};
use crate::resolve::{Filled, Resolver};

const EXTENSION_BYTES_MAX: usize = 32;

/// Says every mistake of `output` to `fault`: key, what is wrong, what to write instead.
pub(crate) fn check_output(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    check_format(output, input, fault);
    check_content(output, input, fault);
    check_compression(output, fault);
    check_level(output, fault);
    check_columns(output, input, fault);
    check_avro_schema(output, input, fault);
    let Some(extension) = &output.extension else { return };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = extension.is_empty() || extension.starts_with('.');
    if !starts_well || extension.len() > EXTENSION_BYTES_MAX || !extension.bytes().all(legal) {
        let hint = "empty, or a dot and up to 31 letters, digits and . _ -, such as `.log.gz`";
        fault("output.extension", format!("`{extension}` is no extension"), hint);
    }
}

fn check_format(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    match output.format {
        OutputFormat::Text if !(1..=DELIMITER_BYTES_MAX).contains(&output.delimiter.len()) => {
            let message = format!("the delimiter has {} bytes", output.delimiter.len());
            fault("output.delimiter", message, "1 to 16 bytes, such as \"\\n\"");
        }
        OutputFormat::Json if output.content == Content::Value && input.format != InputFormat::Json => {
            let message = "only `json` input has JSON values".to_owned();
            fault("output.format", message, "set `input = { format = \"json\" }`, or `content = \"envelope\"`");
        }
        OutputFormat::Json if output.content == Content::Value && input.json == JsonValue::Lines => {
            let message = "a line can't hold the several JSON texts of `lines`".to_owned();
            fault("output.format", message, "set `format = \"text\"`, or `content = \"envelope\"`");
        }
        OutputFormat::Csv => check_csv(output, fault),
        _ => {}
    }
}

fn check_csv(output: &Output, fault: &mut dyn FnMut(&str, String, &str)) {
    let (columns, separator, null) = (&output.columns, &output.column_separator, &output.null_text);
    if columns.is_empty() {
        fault("output.columns", "no column is named".to_owned(), "name fields, such as [\"id\", \"user.name\"]");
    }
    if let Some((_, twice)) = columns.iter().enumerate().find(|(i, name)| columns[..*i].contains(name)) {
        fault("output.columns", format!("column `{twice}` is named twice"), "name each field once");
    }
    if separator.len() != 1 || separator.contains(['"', '\r', '\n']) {
        let hint = "one ASCII character, such as \",\" or \"\\t\", but no quote and no line break";
        fault("output.column_separator", format!("{separator:?} can't stand between columns"), hint);
    }
    if null.contains(['"', '\r', '\n']) || null.contains(separator.as_str()) {
        let hint = "a text without separator, quotes and line breaks, such as \"\\\\N\"";
        fault("output.null_text", format!("{null:?} would have to be quoted"), hint);
    }
    if columns.len() == 1 && null.is_empty() {
        let message = "a null in the only column gives an empty line, which readers skip".to_owned();
        fault("output.null_text", message, "a text such as \"\\\\N\"");
    }
}

fn check_content(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    match (output.format, output.content) {
        (OutputFormat::Avro, Content::Value) if input.format != InputFormat::Avro && output.schema.is_none() => fault(
            "output.content",
            "values in Avro files need a schema, and only `avro` input has one".to_owned(),
            "give `schema`, an Avro schema in JSON, or set `content = \"envelope\"`",
        ),
        (OutputFormat::Json | OutputFormat::Avro | OutputFormat::Parquet | OutputFormat::Orc, _)
        | (_, Content::Value) => {}
        (OutputFormat::Text | OutputFormat::Csv | OutputFormat::Sequence, Content::Envelope) => fault(
            "output.content",
            "only `json`, `avro`, `parquet` and `orc` have an envelope".to_owned(),
            "set `format = \"json\"`, `\"avro\"`, `\"parquet\"` or `\"orc\"`, or leave `content` out",
        ),
    }
    for (key, how) in
        [("output.envelope_key", output.envelope_key), ("output.envelope_headers", output.envelope_headers)]
    {
        if how == EnvelopeBytes::Json {
            fault(key, "only values can be nested".to_owned(), "write \"string\" or \"base64\"");
        }
    }
    if output.envelope_value == EnvelopeBytes::Json && input.json == JsonValue::Lines {
        let message = "the several JSON texts of `lines` can't be nested".to_owned();
        fault("output.envelope_value", message, "write \"string\" or \"base64\"");
    } else if output.envelope_value == EnvelopeBytes::Json && input.format != InputFormat::Json {
        let message = "only `json` input has values that can be nested".to_owned();
        fault(
            "output.envelope_value",
            message,
            "set `input = { format = \"json\" }`, or write \"string\" or \"base64\"",
        );
    }
}

fn check_compression(output: &Output, fault: &mut dyn FnMut(&str, String, &str)) {
    use Compression::{Bzip2, Deflate, Lzo};
    let compression = output.compression;
    match output.format {
        OutputFormat::Sequence if compression != Compression::None && codec_class(compression).is_none() => fault(
            "output.compression",
            "Hadoop has no codec of its own for LZO".to_owned(),
            "gzip, zstd, snappy, lz4, bzip2 or deflate",
        ),
        OutputFormat::Avro if avro_codec_name(compression).is_none() => fault(
            "output.compression",
            "Avro has no such codec".to_owned(),
            "deflate (which is what gzip holds), zstd, snappy or bzip2",
        ),
        OutputFormat::Parquet if matches!(compression, Bzip2 | Deflate | Lzo) => {
            fault("output.compression", "Parquet has no such codec".to_owned(), "zstd, snappy, gzip, lz4 or brotli")
        }
        OutputFormat::Parquet => {}
        OutputFormat::Orc if matches!(compression, Compression::Gzip | Bzip2 | Lzo | Compression::Brotli) => fault(
            "output.compression",
            "ORC has no such codec".to_owned(),
            "deflate (which is what gzip holds), zstd, snappy or lz4",
        ),
        OutputFormat::Orc => {}
        _ if compression == Compression::Brotli => fault(
            "output.compression",
            "only Parquet has brotli here".to_owned(),
            "gzip or zstd, or `format = \"parquet\"`",
        ),
        _ => {}
    }
    let has_framings = matches!(compression, Compression::Snappy | Compression::Lz4);
    match (output.framing, output.format) {
        (None, _) => {}
        (Some(_), _) if !has_framings => {
            let message = "only `snappy` and `lz4` can be framed in two ways".to_owned();
            fault("output.framing", message, "leave it out");
        }
        (Some(_), OutputFormat::Avro | OutputFormat::Parquet | OutputFormat::Orc) => {
            fault("output.framing", "such a file has its own blocks".to_owned(), "leave it out");
        }
        (Some(Framing::Stream), OutputFormat::Sequence) => {
            fault("output.framing", "SequenceFiles have Hadoop's framing".to_owned(), "leave it out");
        }
        (Some(_), _) => {}
    }
}

fn check_level(output: &Output, fault: &mut dyn FnMut(&str, String, &str)) {
    let codec = match output.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Bzip2 => "bzip2",
        Compression::Deflate => "deflate",
        Compression::Lzo => "lzo",
        Compression::Brotli => "brotli",
    };
    let levels = match (output.format, output.compression) {
        // of zlib, which Parquet's readers and writers have
        (OutputFormat::Parquet, Compression::Gzip) => Some(1..=9),
        _ => levels(output.compression),
    };
    match (output.level, levels) {
        (Some(level), None) if output.compression == Compression::None => {
            let message = format!("level {level} is set, but nothing is compressed");
            fault("output.level", message, "set `output.compression`, or leave the level out");
        }
        (Some(_), None) => fault("output.level", format!("{codec} has no levels"), "leave the level out"),
        (Some(level), Some(levels)) if !levels.contains(&level) => {
            let hint = format!("{} to {}", levels.start(), levels.end());
            fault("output.level", format!("{codec} has no level {level}"), &hint);
        }
        _ => {}
    }
}

fn check_avro_schema(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    let is_of_values = output.format == OutputFormat::Avro && output.content == Content::Value;
    let Some(schema) = output.schema.as_deref().filter(|_| is_of_values) else { return };
    if let Err(why) = Resolver::new(schema) {
        let hint = "an Avro schema in JSON, as in an .avsc file: schema = \"${file:/etc/secor/click.avsc}\"";
        return fault("output.schema", format!("it is no Avro schema: {why}"), hint);
    }
    if input.format == InputFormat::Avro {
        return;
    }
    match Filled::new(schema) {
        Ok(filled) => columns::check_input(filled.columns(), input, fault),
        Err(why) => {
            let hint = "records of single types, arrays, maps, and unions of one type with `null`";
            fault("output.schema", format!("such values can't fill it: {why}"), hint);
        }
    }
}

fn check_columns(output: &Output, input: &Input, fault: &mut dyn FnMut(&str, String, &str)) {
    if !matches!(output.format, OutputFormat::Parquet | OutputFormat::Orc) {
        return;
    }
    let fields = match output.content {
        Content::Envelope => envelope::FIELDS.clone(),
        Content::Value => columns::check(output, input, fault),
    };
    if fields.is_empty() {
        return;
    }
    for (index, path) in output.bloom_filters.iter().enumerate() {
        if !has_leaf(&fields, path) {
            let key = format!("output.bloom_filters[{index}]");
            fault(&key, format!("no column of the files is `{path}`"), "a column that is neither a list nor a struct");
        }
    }
}
