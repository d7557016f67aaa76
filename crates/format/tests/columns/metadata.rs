//! Columns of the record beside those of its value: `_kafka_offset` and the others.

use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{Input, InputFormat, Output, OutputFormat};
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline, digest_file, read_file};

use crate::files::shape;
use crate::values::{json, output, output_of};

const COLUMNS: &str = "_kafka_offset bigint not null, id int, _kafka_topic string, _kafka_partition int, _kafka_timestamp \
                       timestamp, _kafka_key string, _kafka_headers array<struct<name:string,value:binary>>, s string";

fn headers() -> Vec<u8> {
    let mut block = Vec::new();
    push_header(&mut block, b"h", Some(b"\xff"));
    push_header(&mut block, b"none", None);
    push_header(&mut block, b"h", Some(b"2"));
    block
}

fn pipeline(input: Input, output: &Output) -> Pipeline {
    Pipeline::new(&shape(input, output.clone())).expect("a possible shape").of("clicks", 3)
}

fn record<'a>(timestamp: Option<i64>, key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [u8]) -> Record<'a> {
    Record { offset: Offset::new(1 << 40).expect("not negative"), timestamp, key, value, headers }
}

fn verdict(input: Input, output: &Output, record: &Record<'_>) -> String {
    pipeline(input, output).route(record, 0).map_or_else(|bad| bad.to_string(), |_| "good".to_owned())
}

/// What files of both formats give back of the records.
fn printed(input: &Input, schema: &str, records: &[Record<'_>]) -> Vec<String> {
    let through = |format| {
        let output = output_of(format, schema);
        let (mut pipeline, mut codec, mut file) = (pipeline(input.clone(), &output), Codec::new(&output), Vec::new());
        let mut encoder = FileEncoder::new(&output, FileIdentity { topic: "clicks".into(), partition: 3 }, &codec);
        for record in records {
            let routed = pipeline.route(record, 0).expect("good records");
            encoder.append(record, routed.value.as_deref(), None, &mut codec, &mut file);
        }
        let summary = encoder.finish(&mut codec, &mut file);
        let read = digest_file(&output, false, &file[..]).expect("readable");
        assert_eq!((read.records, read.values_digest), (summary.records, summary.values_digest));
        let values = read_file(&output, false, &file[..]).map(|archived| archived.expect("readable").value);
        values.map(|value| String::from_utf8(value.expect("never null")).expect("JSON")).collect::<Vec<_>>()
    };
    let parquet = through(OutputFormat::Parquet);
    assert_eq!(through(OutputFormat::Orc), parquet);
    parquet
}

#[test]
fn offset_key_and_headers_stand_beside_the_value() {
    let headers = headers();
    let records = [
        record(Some(-1_001), Some(b"k"), Some(br#"{"s":"x","id":1,"_kafka_offset":7}"#), &headers),
        record(None, None, None, b""),
    ];
    let expected = [
        r#"{"_kafka_offset":1099511627776,"id":1,"_kafka_topic":"clicks","_kafka_partition":3,"_kafka_timestamp":"1969-12-31T23:59:58.999Z","_kafka_key":"k","_kafka_headers":[{"name":"h","value":"/w=="},{"name":"none","value":null},{"name":"h","value":"Mg=="}],"s":"x"}"#,
        r#"{"_kafka_offset":1099511627776,"id":null,"_kafka_topic":"clicks","_kafka_partition":3,"_kafka_timestamp":null,"_kafka_key":null,"_kafka_headers":[],"s":null}"#,
    ];
    assert_eq!(printed(&json(), COLUMNS, &records), expected);
    let log = Input { format: InputFormat::Text, pattern: Some("(?<n>.*)".to_owned()), ..Input::default() };
    let schema = "_kafka_timestamp bigint, n int, _kafka_headers map<string,binary>";
    let records = [record(Some(i64::MIN), None, Some(b"5"), &headers)];
    let expected = [r#"{"_kafka_timestamp":-9223372036854775808,"n":5,"_kafka_headers":{"h":"Mg==","none":null}}"#];
    assert_eq!(printed(&log, schema, &records), expected);
    // a field within a struct may be called so
    let nested = [record(None, None, Some(br#"{"p":{"_kafka_offset":"x"}}"#), b"")];
    assert_eq!(printed(&json(), "p struct<_kafka_offset:string>", &nested), [r#"{"p":{"_kafka_offset":"x"}}"#]);
}

#[test]
fn what_the_columns_can_not_hold_makes_the_record_bad() {
    let headers = headers();
    let mut odd = Vec::new();
    push_header(&mut odd, b"\xff", None);
    let value = Some(&b"{}"[..]);
    let list = "a int, _kafka_headers array<struct<name:string,value:string>>";
    let map = "a int, _kafka_headers map<string,string>";
    for (schema, record, expected) in [
        (
            "a int, _kafka_key string",
            record(None, Some(b"\xff"), value, b""),
            "_kafka_key`: bytes that are no UTF-8 does not fit string",
        ),
        (
            "a int, _kafka_key string not null",
            record(None, None, value, b""),
            "_kafka_key`: there is no value, and one is required",
        ),
        (
            "a int, _kafka_timestamp timestamp",
            record(Some(i64::MAX), None, value, b""),
            "_kafka_timestamp`: a time does not fit timestamp",
        ),
        (
            list,
            record(None, None, value, &headers),
            "_kafka_headers.element.value`: bytes that are no UTF-8 does not fit string",
        ),
        (map, record(None, None, value, &odd), "_kafka_headers`: a key of the map is no text"),
    ] {
        assert_eq!(
            verdict(json(), &output(schema), &record),
            format!("column_mismatch: column `{expected}"),
            "{schema}"
        );
    }
    let last_second = record(Some(-500), None, value, b"");
    let schema = "a int, _kafka_timestamp timestamp";
    assert_eq!(verdict(json(), &output_of(OutputFormat::Parquet, schema), &last_second), "good");
    assert!(
        verdict(json(), &output_of(OutputFormat::Orc, schema), &last_second).contains("the last second before 1970")
    );
}

#[test]
fn columns_that_no_record_has_are_told() {
    let told = |schema: &str| {
        let faults = Pipeline::new(&shape(json(), output(schema))).err().expect("impossible").faults;
        faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    };
    for (schema, expected) in [
        (
            "a int, _kafka_ofset bigint",
            "column `_kafka_ofset`: of a record there are topic, partition, offset, timestamp, key and headers",
        ),
        ("a int, _kafka_offset int", "column `_kafka_offset` is `bigint`, not int"),
        (
            "a int, _kafka_timestamp timestamp_ntz",
            "column `_kafka_timestamp` is `timestamp`, or `bigint` for milliseconds, not timestamp_ntz",
        ),
        (
            "a int, _kafka_headers json",
            "column `_kafka_headers` is `array<struct<name:string,value:binary>>` or `map<string,binary>`, not json",
        ),
        (
            "a int, _kafka_headers array<struct<key:string>>",
            "column `_kafka_headers` is `array<struct<name:string,value:binary>>` or `map<string,binary>`, not array<struct>",
        ),
        ("_kafka_offset bigint", "no column is of the value"),
    ] {
        assert_eq!(told(schema), expected, "{schema}");
    }
}
