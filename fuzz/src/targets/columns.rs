//! Schemas of columns and JSON for them, from anywhere: a schema is refused or makes columns, a value is bad or becomes a
//! row, and the files of the row give back its digest and, as JSON for the same columns, the same row.
//!
//! Input: a schema, a line feed, a value.

use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline, digest_file, read_file};
use serde_json::json;

use super::bytes::lines;
use super::shapes::shape;

/// More columns than a fuzzer needs make a slow file.
const SCHEMA_BYTES_MAX: usize = 512;

pub fn run(data: &[u8]) {
    let Some(mut lines) = lines(data) else { return };
    let (schema, value) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if schema.len() > SCHEMA_BYTES_MAX {
        return;
    }
    for format in ["parquet", "orc"] {
        through(format, schema, value);
    }
}

fn through(format: &str, schema: &str, value: &str) {
    let output = json!({"format": format, "compression": "snappy", "schema": schema});
    let shape = shape(json!({"input": {"format": "json"}, "output": output}));
    let Ok(pipeline) = Pipeline::new(&shape) else { return };
    let mut pipeline = pipeline.of("clicks", 3);
    let record = |value| Record { offset: Offset::ZERO, timestamp: None, key: None, value, headers: &[] };
    let good = record(Some(value.as_bytes()));
    let Ok(routed) = pipeline.route(&good, 0) else { return };
    let (mut codec, mut file) = (Codec::new(&shape.output), Vec::new());
    let identity = FileIdentity { topic: "clicks".into(), partition: 3 };
    let mut encoder = FileEncoder::new(&shape.output, identity, &codec);
    encoder.append(&good, routed.value.as_deref(), None, &mut codec, &mut file);
    let summary = encoder.finish(&mut codec, &mut file);
    let read = digest_file(&shape.output, false, &file[..]).expect("what was written is read");
    assert_eq!((read.records, read.values_digest), (1, summary.values_digest));
    let printed = read_file(&shape.output, false, &file[..]).next().expect("a record").expect("readable");
    let printed = printed.value.expect("columns are an object");
    let again = record(Some(&printed));
    // a text that is JSON is printed as a text, and a time that is rounded is printed rounded
    if !schema.to_ascii_lowercase().contains("json") {
        assert_eq!(pipeline.route(&again, 0).expect("what is printed fits").value, routed.value);
    }
}
