//! Avro schemas and data from anywhere: a datum is bad or stands in a file that gives it back; resolved to another schema
//! it is a datum of that one, and so is a JSON value that fills it.
//!
//! Input: the writer's schema, a line feed, the schema of the files or nothing, a line feed, the datum or the JSON value.

use std::sync::Arc;

use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::Shape;
use secor_format::Pipeline;
use serde_json::{Value, json};

use super::files::{Owned, assert_reads_back_by};
use super::shapes::shape;

/// Longer ones are slow to read, and no different.
const SCHEMA_BYTES_MAX: usize = 2_048;

pub fn run(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut schema = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (Some(writer), Some(reader)) = (schema(), schema()) else { return };
    let Some(datum) = parts.next() else { return };
    if writer.len().max(reader.len()) > SCHEMA_BYTES_MAX {
        return;
    }
    let reader = (!reader.is_empty()).then_some(reader);
    let avro = json!({ "format": "avro", "schemas": [{ "name": "s", "text": writer }] });
    let Some(reader) = reader else {
        let Some(stored) = stored(&values(&avro, None), datum) else { return };
        return assert_eq!(stored, datum, "data are stored as they came");
    };
    for input in [avro, json!({ "format": "json" })] {
        if let Some(stored) = stored(&values(&input, Some(reader)), datum) {
            assert_is_of(reader, &stored);
        }
    }
}

/// What was made of a value is a datum of the files' schema.
fn assert_is_of(schema: &str, datum: &[u8]) {
    let input = json!({ "format": "avro", "schemas": [{ "name": "s", "text": schema }] });
    let mut pipeline = Pipeline::new(&values(&input, None)).expect("a schema of files is one of data");
    match pipeline.route(&record(datum), 0) {
        Ok(routed) => assert_eq!(routed.value.as_deref(), Some(datum)),
        // items of arrays may have lost all their fields, and defaults may be deep
        Err(bad) => assert!(["items without bytes", "deep"].iter().any(|why| bad.detail.contains(why)), "{bad}"),
    }
}

/// What a file holds of the value; `None`: it is bad, or the schemas are.
fn stored(shape: &Shape, value: &[u8]) -> Option<Vec<u8>> {
    let mut pipeline = Pipeline::new(shape).ok()?;
    let routed = pipeline.route(&record(value), 0).ok()?;
    let value = routed.value.map(std::borrow::Cow::into_owned).expect("a datum");
    let schema: Arc<str> = pipeline.file_schema(routed.partition).expect("files of values have a schema").text;
    let owned = Owned {
        offset: Offset::ZERO,
        timestamp: None,
        key: None,
        value: Some(value.clone()),
        headers: Vec::new(),
        bad: None,
        is_flushed: false,
    };
    assert_reads_back_by(&shape.output, Some(&schema), &[owned]);
    Some(value)
}

fn values(input: &Value, reader: Option<&str>) -> Shape {
    let mut output = json!({ "format": "avro" });
    if let Some(reader) = reader {
        output["schema"] = Value::from(reader);
    }
    shape(json!({ "input": input, "output": output }))
}

fn record(datum: &[u8]) -> Record<'_> {
    Record { offset: Offset::ZERO, timestamp: None, key: None, value: Some(datum), headers: &[] }
}
