//! Avro files whose rows are the values: what of the records they hold, by their own schema and resolved to another.

use std::fs;
use std::path::Path;

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::{self, Input, InputFormat, Output, OutputFormat, Shape};
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline};
use serde_json::{Value, json};

use super::Owned;

/// Of the values: what the fields of JSON are.
const WRITER: &str = r#"{"type":"record","name":"Click","namespace":"acme","fields":[
    {"name":"id","type":["null","long"]},{"name":"text","type":["null","string"]},
    {"name":"time","type":["null","string"]},
    {"name":"x","type":["null",{"type":"record","name":"X","fields":[
        {"name":"y","type":["null","string"]},{"name":"z","type":["null",{"type":"array","items":"long"}]}]}]}]}"#;

/// Another order, a new name, one field less, two more.
const READER: &str = r#"{"type":"record","name":"Click","namespace":"acme","fields":[
    {"name":"x","type":["null",{"type":"record","name":"X","fields":[
        {"name":"z","type":["null",{"type":"array","items":"long"}]},{"name":"y","type":["null","string"]},
        {"name":"more","type":{"type":"map","values":"double"},"default":{"a":0.5}}]}]},
    {"name":"label","aliases":["text"],"type":["string","null"]},
    {"name":"id","type":["null","long"]},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]},"default":"B"}]}"#;

/// How the rows came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Data as they were.
    Values,
    /// Data resolved to another schema.
    Resolved,
    /// From JSON.
    Filled,
}

pub(super) fn output(rows: Rows) -> Output {
    let schema = match rows {
        Rows::Values => None,
        Rows::Resolved => Some(READER.to_owned()),
        Rows::Filled => Some(WRITER.to_owned()),
    };
    Output { format: OutputFormat::Avro, schema, ..Output::default() }
}

/// Of the records that are no tombstones, the values in a file.
pub(super) fn encoded(output: &Output, shape: Shape, records: &[Owned]) -> Vec<u8> {
    let schemas = vec![shape::Schema { name: "s".to_owned(), text: WRITER.to_owned(), includes: [].into() }];
    let is_filled = output.schema.as_deref() == Some(WRITER);
    let input = match is_filled {
        true => Input { format: InputFormat::Json, ..Input::default() },
        false => Input { format: InputFormat::Avro, schemas, ..Input::default() },
    };
    let shape = Shape { input, ..shape };
    let mut pipeline = Pipeline::new(&shape).expect("the shape is possible");
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder: Option<FileEncoder> = None;
    let schema = Schema::parse_str(WRITER).expect("a schema");
    let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
    for (i, owned) in records.iter().enumerate() {
        let Some(row) = row(owned) else { continue };
        let datum = datum(&row).resolve(&schema).expect("the value is of the schema");
        let datum = writer.write_value_to_vec(datum).expect("it is written");
        let offset = Offset::new(owned.offset).expect("not negative");
        let value = if is_filled { owned.value.as_ref().map(String::as_bytes) } else { Some(&datum[..]) };
        let record = Record { offset, timestamp: None, key: None, value, headers: &[] };
        let routed = pipeline.route(&record, 0).expect("all records are good");
        let encoder = encoder.get_or_insert_with(|| {
            let schema = pipeline.file_schema(routed.partition).expect("files of values have one");
            FileEncoder::of_schema(output, FileIdentity { topic: "interop".into(), partition: 7 }, schema.text)
        });
        encoder.append(&record, routed.value.as_deref(), routed.event_time, &mut codec, &mut out);
        if i == 100 {
            // as when memory is short
            encoder.flush_block(&mut codec, &mut out);
        }
    }
    let _ = encoder.expect("there are records").finish(&mut codec, &mut out);
    out
}

/// What the files hold, for the readers: a line of JSON for each row.
pub(super) fn write_expectations(folder: &Path, records: &[Owned]) {
    let rows: Vec<_> = records.iter().filter_map(row).collect();
    let lines = |rows: &mut dyn Iterator<Item = Value>| rows.map(|row| format!("{row}\n")).collect::<String>();
    let plain = lines(&mut rows.iter().cloned());
    let resolved = lines(&mut rows.iter().map(resolved));
    fs::write(folder.join("avro_values.jsonl"), plain).expect("the folder takes files");
    fs::write(folder.join("avro_resolved.jsonl"), resolved).expect("the folder takes files");
}

/// All columns of a value.
fn row(owned: &Owned) -> Option<Value> {
    let value: Value = serde_json::from_str(owned.value.as_ref()?).expect("values are JSON");
    let x = &value["x"];
    let x = if x.is_object() { json!({"y": x["y"], "z": x["z"]}) } else { Value::Null };
    Some(json!({"id": value["id"], "text": value["text"], "time": value["time"], "x": x}))
}

/// As Avro's library takes it.
fn datum(value: &Value) -> Datum {
    match value {
        Value::Null => Datum::Null,
        Value::Bool(value) => Datum::Boolean(*value),
        Value::Number(number) => Datum::Long(number.as_i64().expect("whole numbers")),
        Value::String(text) => Datum::String(text.clone()),
        Value::Array(items) => Datum::Array(items.iter().map(datum).collect()),
        Value::Object(fields) => {
            Datum::Record(fields.iter().map(|(name, value)| (name.clone(), datum(value))).collect())
        }
    }
}

fn resolved(row: &Value) -> Value {
    let x = &row["x"];
    let x = if x.is_object() { json!({"y": x["y"], "z": x["z"], "more": {"a": 0.5}}) } else { Value::Null };
    json!({"x": x, "label": row["text"], "id": row["id"], "kind": "B"})
}
