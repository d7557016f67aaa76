//! Goal: what was learned of an id decides about the records of a batch, and about no other.
//! Method: the whole pipeline, with schemas that no registry has to give.

use secor_core::ids::Offset;
use serde_json::json;

use super::*;

fn pipeline(input: serde_json::Value, output: serde_json::Value) -> Pipeline {
    let shape = json!({
        "version": 1, "input": input, "timestamp": {}, "time_zone": "UTC", "output_partitions": ["c={field:country}"],
        "output": output, "layout": "secor", "bad_records": "dead_letter"
    });
    let shape: Shape = serde_json::from_value(shape).unwrap();
    Pipeline::new(&shape).unwrap()
}

fn confluent(format: &str) -> Pipeline {
    pipeline(json!({"format": format, "framing": "confluent", "registry": true}), json!({"format": "sequence"}))
}

fn schema(kind: &str, text: &str, references: &[(&str, &str)]) -> (SchemaHash, RegisteredSchema) {
    let references = references.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let schema = RegisteredSchema::new(kind.to_owned(), text.to_owned(), references);
    (schema.stored().0, schema)
}

fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], body].concat()
}

/// The output partition, or why the record is bad.
fn route(pipeline: &mut Pipeline, value: &[u8]) -> Result<String, String> {
    let record = record(value);
    match pipeline.route(&record, 0) {
        Ok(routed) => Ok(pipeline.output_partition(routed.partition).to_owned()),
        Err(bad) => Err(bad.to_string()),
    }
}

fn record(value: &[u8]) -> Record<'_> {
    Record { offset: Offset::ZERO, timestamp: None, key: None, value: Some(value), headers: &[] }
}

const CLICK: &str = r#"{"type":"record","name":"Click","fields":[{"name":"country","type":"string"}]}"#;

#[test]
fn a_batch_decides_once_and_lists_what_its_records_named() {
    let mut pipeline = confluent("avro");
    let (hash, click) = schema("AVRO", CLICK, &[]);
    let (good, unknown) = (framed(7, b"\x04DE"), framed(9, b"\x04DE"));
    assert_eq!(pipeline.lacks_schema(&record(&good)), Some(7));
    pipeline.learn_schema(7, Some((&hash, &click)));
    pipeline.learn_schema(9, None);
    pipeline.learn_schema(8, None);
    assert_eq!(pipeline.lacks_schema(&record(&good)), None);
    assert_eq!(pipeline.named_schemas(), []);
    assert_eq!(route(&mut pipeline, &good), Ok("c=DE".to_owned()));
    let missing = "unknown_schema: schema id 9: the registry has no such schema";
    assert_eq!(route(&mut pipeline, &unknown), Err(missing.to_owned()));
    let named = [NamedSchema { id: 7, schema: Some(hash) }, NamedSchema { id: 9, schema: None }];
    assert_eq!(pipeline.named_schemas(), named);

    pipeline.forget_partitions();
    assert_eq!(pipeline.named_schemas(), []);
    assert_eq!(pipeline.lacks_schema(&record(&good)), None, "an id keeps its meaning");
    assert_eq!(pipeline.lacks_schema(&record(&unknown)), Some(9), "it may be there now");
}

#[test]
fn values_without_a_frame_are_bad_and_ask_nobody() {
    let mut pipeline = confluent("avro");
    for value in [&b""[..], b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x07\x04DE"] {
        assert_eq!(pipeline.lacks_schema(&record(value)), None, "{value:?}");
        assert!(route(&mut pipeline, value).unwrap_err().starts_with("not_avro"), "{value:?}");
    }
    assert_eq!(pipeline.named_schemas(), []);
}

#[test]
fn a_schema_that_can_read_nothing_makes_bad_records_and_is_listed() {
    let mut pipeline = confluent("avro");
    for (id, (hash, schema), why) in [
        (1, schema("AVRO", "{", &[]), "schema id 1: "),
        (2, schema("PROTOBUF", "syntax = \"proto3\";", &[]), "schema id 2: it is a schema of type `PROTOBUF`"),
    ] {
        pipeline.learn_schema(id, Some((&hash, &schema)));
        let said = route(&mut pipeline, &framed(id, b"")).unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(pipeline.named_schemas().contains(&NamedSchema { id, schema: Some(hash) }));
    }
}

#[test]
fn avro_schemas_take_types_from_those_that_they_refer_to() {
    let mut pipeline = confluent("avro");
    let main = r#"{"type":"record","name":"Click","namespace":"acme","fields":[{"name":"country","type":"geo.Code"}]}"#;
    let code = r#"{"type":"enum","name":"Code","namespace":"geo","symbols":["AT","DE"]}"#;
    let (hash, click) = schema("AVRO", main, &[("geo.Code", code)]);
    pipeline.learn_schema(7, Some((&hash, &click)));
    assert_eq!(route(&mut pipeline, &framed(7, b"\x02")), Ok("c=DE".to_owned()));
}

#[test]
fn protobuf_messages_are_read_with_what_their_file_imports() {
    let mut pipeline = confluent("protobuf");
    let main = "syntax = \"proto3\"; package acme; import \"acme/place.proto\"; import \"confluent/meta.proto\"; \
                import \"google/protobuf/timestamp.proto\"; import \"confluent/type/decimal.proto\"; \
                message First {} message Click { Place at = 1; google.protobuf.Timestamp on = 2; \
                confluent.type.Decimal cost = 3; message Inner { string country = 4; } string country = 5; }";
    let place = "syntax = \"proto3\"; package acme; message Place { int32 x = 1; }";
    let (hash, click) = schema("PROTOBUF", main, &[("acme/place.proto", place)]);
    pipeline.learn_schema(7, Some((&hash, &click)));
    // indexes [1], then [1, 0]
    assert_eq!(route(&mut pipeline, &framed(7, b"\x02\x02\x0a\x02\x08\x01\x2a\x02DE")), Ok("c=DE".to_owned()));
    assert_eq!(route(&mut pipeline, &framed(7, b"\x04\x02\x00\x22\x02AT")), Ok("c=AT".to_owned()));
    assert!(route(&mut pipeline, &framed(7, b"\x02\x06")).unwrap_err().starts_with("not_protobuf"));
}

#[test]
fn json_is_stored_without_its_frame_where_the_file_is_text() {
    let value = framed(7, b"{\"country\":\"DE\"}");
    let (hash, schema) = schema("JSON", "{}", &[]);
    let input = json!({"format": "json", "framing": "confluent", "registry": true});
    for (output, stored) in [
        (json!({"format": "text"}), &value[5..]),
        (json!({"format": "json"}), &value[5..]),
        (json!({"format": "sequence"}), &value[..]),
        (json!({"format": "json", "content": "envelope"}), &value[..]),
        (json!({"format": "json", "content": "envelope", "envelope_value": "json"}), &value[5..]),
    ] {
        let mut pipeline = pipeline(input.clone(), output.clone());
        assert_eq!(pipeline.lacks_schema(&record(&value)), Some(7));
        pipeline.learn_schema(7, Some((&hash, &schema)));
        let record = record(&value);
        let routed = pipeline.route(&record, 0).unwrap();
        assert_eq!(routed.value.as_deref(), Some(stored), "{output}");
        assert_eq!(pipeline.output_partition(routed.partition), "c=DE");
        assert!(route(&mut pipeline, b"{\"country\":\"DE\"}").unwrap_err().starts_with("not_json"));
    }
}

#[test]
fn given_schemas_go_first() {
    let input = json!({"format": "avro", "framing": "confluent", "registry": true,
        "schemas": [{"name": "7", "text": CLICK}]});
    let mut pipeline = pipeline(input, json!({}));
    let value = framed(7, b"\x04DE");
    assert_eq!(pipeline.lacks_schema(&record(&value)), None);
    assert_eq!(route(&mut pipeline, &value), Ok("c=DE".to_owned()));
    assert_eq!(pipeline.named_schemas(), []);
}

#[test]
fn a_batch_names_a_bounded_number_of_schemas() {
    let mut pipeline = confluent("avro");
    for id in 0..10_000 {
        assert!(!pipeline.schemas_full());
        pipeline.learn_schema(id, None);
    }
    assert!(pipeline.schemas_full());
    pipeline.forget_partitions();
    assert!(!pipeline.schemas_full());
}
