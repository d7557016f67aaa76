//! From values to files of JSON and CSV, held by golden files that `golden_formats.py` made.

use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{
    BadRecords, Compression, Content, EnvelopeBytes, Framing, Input, InputFormat, JsonValue, Output, OutputFormat,
    Shape, Timestamp,
};

use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary, Pipeline, digest_file, read_file};

fn shape(input: InputFormat, output: Output) -> Shape {
    Shape {
        version: Shape::VERSION,
        input: Input { format: input, ..Input::default() },
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output,
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}

/// The records of JSON values in `golden_formats.py`, in a file of `output`.
fn encoded(output: &Output) -> (Vec<u8>, FileSummary) {
    let mut pipeline = Pipeline::new(&shape(InputFormat::Json, output.clone())).expect("a possible shape");
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let identity = FileIdentity { topic: "clicks".into(), partition: 3 };
    let mut encoder = FileEncoder::new(output, identity, &codec);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    push_header(&mut one, b"h", Some(b"\0\xff"));
    push_header(&mut two, b"h", None);
    push_header(&mut two, b"h", Some(b"1"));
    let break_between = "{\n \"id\": 2,\r\n \"text\": \"a,b \\\"q\\\"\\nline\\ttab\"}";
    type Fields<'a> = (i64, Option<i64>, Option<&'a [u8]>, Option<&'a str>, &'a [u8]);
    let records: [Fields<'_>; 5] = [
        (200, Some(-1), Some(b"a"), Some(r#"{"id":1,"text":"plain","ok":true,"x":{"y":"deep"}}"#), &[]),
        (201, Some(0), None, Some(break_between), &one),
        (202, Some(951_782_400_000), Some(b""), None, &[]),
        (203, None, Some(b"\xff"), Some(r#"{"id":"3","text":"grüße","ok":null,"x":{"y":null}}"#), &two),
        (300, Some(1), Some(b"k"), Some(r#"{"id":-1.50,"text":"","ok":false,"x":{"y":"NULL"}}"#), &[]),
    ];
    for (offset, timestamp, key, value, headers) in records {
        let offset = Offset::new(offset).expect("not negative");
        let record = Record { offset, timestamp, key, value: value.map(str::as_bytes), headers };
        let routed = pipeline.route(&record, 0).expect("a folder");
        encoder.append(&record, routed.value.as_deref(), routed.event_time, &mut codec, &mut out);
    }
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

fn csv(columns: &[&str]) -> Output {
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    Output { format: OutputFormat::Csv, columns, ..Output::default() }
}

fn nested() -> Output {
    let (content, envelope_value) = (Content::Envelope, EnvelopeBytes::Json);
    Output { format: OutputFormat::Json, content, envelope_value, ..Output::default() }
}

/// Output, golden file, name of the digest of its values.
fn goldens() -> Vec<(Output, &'static [u8], &'static str)> {
    let columns = ["id", "text", "ok", "x.y"];
    let (column_separator, null_text) = ("\t".to_owned(), "NULL".to_owned());
    vec![
        (
            Output { format: OutputFormat::Json, ..Output::default() },
            include_bytes!("../testdata/values.json"),
            "json_values",
        ),
        (nested(), include_bytes!("../testdata/envelope_nested.json"), "json_values"),
        (Output { header_line: true, ..csv(&columns) }, include_bytes!("../testdata/values.csv"), "csv_values"),
        (
            Output { column_separator, null_text, ..csv(&columns) },
            include_bytes!("../testdata/values.tsv"),
            "tsv_values",
        ),
    ]
}

#[test]
fn values_are_stored_as_the_goldens_say_and_read_back() {
    let digests: serde_json::Value = serde_json::from_str(include_str!("../testdata/digests_json.json")).unwrap();
    for (output, golden, values) in goldens() {
        let (file, summary) = encoded(&output);
        assert_eq!(String::from_utf8_lossy(&file), String::from_utf8_lossy(golden));
        assert_eq!(summary.bytes, golden.len() as u64);
        assert_eq!(summary.records_digest.to_string(), digests["records"].as_str().unwrap());
        assert_eq!(summary.values_digest.to_string(), digests[values].as_str().unwrap(), "{output:?}");
        let read = digest_file(&output, false, golden).unwrap();
        assert_eq!((read.records, read.values_digest, read.records_digest), (5, summary.values_digest, None));
        for compression in [Compression::Bzip2, Compression::Snappy] {
            let output = Output { compression, ..output.clone() };
            assert_eq!(digest_file(&output, false, &encoded(&output).0[..]).unwrap(), read);
        }
    }
}

#[test]
fn tombstones_come_back_from_json() {
    for output in [Output { format: OutputFormat::Json, ..Output::default() }, nested()] {
        let values: Vec<_> =
            read_file(&output, false, &encoded(&output).0[..]).map(|it| it.unwrap().value.is_some()).collect();
        assert_eq!(values, [true, true, false, true, true]);
    }
}

#[test]
fn space_around_json_and_a_value_that_is_null_keep_the_digest_of_values() {
    for output in [Output { format: OutputFormat::Json, ..Output::default() }, nested()] {
        let mut shape = shape(InputFormat::Json, output.clone());
        shape.input.json = JsonValue::Any;
        let mut pipeline = Pipeline::new(&shape).unwrap();
        let (mut codec, mut out) = (Codec::new(&output), Vec::new());
        let mut encoder = FileEncoder::new(&output, FileIdentity { topic: "t".into(), partition: 0 }, &codec);
        for value in ["null", " null\n", "\r\n[1,\n2]\t", "\"null\"", "{} ", "1"] {
            let value = Some(value.as_bytes());
            let record = Record { offset: Offset::ZERO, timestamp: None, key: None, value, headers: &[] };
            let routed = pipeline.route(&record, 0).expect("a folder");
            encoder.append(&record, routed.value.as_deref(), None, &mut codec, &mut out);
        }
        let summary = encoder.finish(&mut codec, &mut out);
        let read = digest_file(&output, false, &out[..]).unwrap();
        assert_eq!((read.records, read.values_digest), (6, summary.values_digest), "{}", String::from_utf8_lossy(&out));
        shape.input.json = JsonValue::Lines;
        assert!(Pipeline::new(&shape).is_err());
    }
}

#[test]
fn a_column_that_is_no_scalar_makes_the_record_bad() {
    let output = csv(&["a", "b"]);
    let mut pipeline = Pipeline::new(&shape(InputFormat::Json, output)).unwrap();
    for (value, why) in [
        (r#"{"a":1,"b":[1]}"#, "column_not_scalar: column 2 is an object or an array"),
        (r#"{"a":{}}"#, "column_not_scalar: column 1 is an object or an array"),
        (r#"{"a":"\ud800"}"#, "column_not_scalar: column 1 is no text"),
        (r#"{"a":1"#, "not_json: expected `,` or `}` at byte 6"),
    ] {
        let value = Some(value.as_bytes());
        let record = Record { offset: Offset::ZERO, timestamp: None, key: None, value, headers: &[] };
        assert_eq!(pipeline.route(&record, 0).unwrap_err().to_string(), why);
    }
}

#[test]
fn impossible_outputs_are_told_with_their_keys() {
    use Compression::{Brotli, Deflate, Gzip, Lz4, Lzo, None, Snappy};
    let of = |format, compression| Output { format, compression, ..Output::default() };
    let envelope = |output: Output| Output { content: Content::Envelope, ..output };
    let framed = |framing, output: Output| Output { framing: Some(framing), ..output };
    let level = |level, output: Output| Output { level: Some(level), ..output };
    let (json, text, avro, sequence) =
        (OutputFormat::Json, OutputFormat::Text, OutputFormat::Avro, OutputFormat::Sequence);
    let parquet = OutputFormat::Parquet;
    let key_as_json = Output { envelope_key: EnvelopeBytes::Json, ..envelope(of(json, None)) };
    for (output, keys) in [
        (of(json, None), "output.format"),
        (envelope(of(json, Lzo)), ""),
        (nested(), "output.envelope_value"),
        (key_as_json, "output.envelope_key"),
        (of(avro, None), "output.content"),
        (envelope(of(avro, Gzip)), "output.compression"),
        (envelope(of(avro, Lz4)), "output.compression"),
        (framed(Framing::Hadoop, envelope(of(avro, Snappy))), "output.framing"),
        (envelope(of(text, None)), "output.content"),
        (of(sequence, Lzo), "output.compression"),
        (framed(Framing::Stream, of(sequence, Snappy)), "output.framing"),
        (framed(Framing::Hadoop, of(text, Gzip)), "output.framing"),
        (framed(Framing::Hadoop, of(text, Lz4)), ""),
        (level(9, of(text, Deflate)), ""),
        (level(10, of(text, Deflate)), "output.level"),
        (level(1, of(text, Snappy)), "output.level"),
        (csv(&[]), "output.columns"),
        (of(parquet, None), "output.schema"),
        (envelope(of(parquet, Brotli)), ""),
        (envelope(of(parquet, Deflate)), "output.compression"),
        (level(10, envelope(of(parquet, Gzip))), "output.level"),
        (of(OutputFormat::Orc, None), "output.schema"),
        (envelope(of(OutputFormat::Orc, Deflate)), ""),
        (envelope(of(OutputFormat::Orc, Gzip)), "output.compression"),
        (of(text, Brotli), "output.compression"),
        (
            Output { bloom_filters: vec!["headers".to_owned()], ..envelope(of(parquet, None)) },
            "output.bloom_filters[0]",
        ),
    ] {
        let told = Pipeline::new(&shape(InputFormat::Bytes, output.clone())).err().map(|error| error.faults);
        let told: Vec<_> = told.unwrap_or_default().into_iter().map(|fault| fault.key).collect();
        assert_eq!(told.join(" "), keys, "{output:?}");
    }
    for (output, keys) in [
        (csv(&["a", "a"]), "output.columns"),
        (csv(&["a"]), "output.null_text"),
        (csv(&["a", ""]), "output.columns[1]"),
        (Output { column_separator: "ab".to_owned(), ..csv(&["a", "b"]) }, "output.column_separator"),
        (Output { null_text: ",".to_owned(), ..csv(&["a", "b"]) }, "output.null_text"),
        (Output { null_text: "\\N".to_owned(), ..csv(&["a"]) }, ""),
    ] {
        let told = Pipeline::new(&shape(InputFormat::Json, output.clone())).err().map(|error| error.faults);
        let told: Vec<_> = told.unwrap_or_default().into_iter().map(|fault| fault.key).collect();
        assert_eq!(told.join(" "), keys, "{output:?}");
    }
}
