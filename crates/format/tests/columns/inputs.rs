//! Rows from inputs other than JSON: lists, maps and structs of any depth are found, by the rules of each format.
//!
//! Messages of foreign writers are printed as columns. Drawn values are written by the reference libraries, and must give
//! the row that the same value gives as JSON. What libraries do not write is written by hand.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, MessageDescriptor, Value as Proto};
use secor_core::shape::{Input, InputFormat, Schema};
use secor_format::Pipeline;
use secor_format::input::schema_files;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::files::shape;
use crate::values::{json as json_input, output, record, through_a_file};

#[derive(Deserialize)]
pub struct Case {
    pub input: Input,
    value: String,
}

/// The case at `index` of a file that `testdata/inputs/inputs.py` wrote, and its value.
pub fn case(cases: &str, index: usize) -> (Case, Vec<u8>) {
    let mut cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
    let case = cases.swap_remove(index);
    let value = BASE64_STANDARD.decode(&case.value).expect("base64");
    (case, value)
}

/// The same, as columns.
fn foreign(cases: &str, index: usize, schema: &str) -> Value {
    let (case, value) = case(cases, index);
    let printed = through_a_file(case.input, schema, &[Some(&value)]);
    serde_json::from_str(&printed[0]).expect("JSON")
}

fn row(input: &Input, schema: &str, value: &[u8]) -> Result<Vec<u8>, String> {
    let mut pipeline = Pipeline::new(&shape(input.clone(), output(schema))).expect("a possible shape");
    let routed = pipeline.route(&record(Some(value)), 0).map_err(|bad| bad.to_string())?;
    Ok(routed.value.expect("a row").into_owned())
}

fn with_schema(format: InputFormat, name: &str, text: &str, message: Option<&str>) -> Input {
    let load = schema_files::load(format, "s", name, &|_| Ok(text.as_bytes().to_vec())).expect("a schema");
    Input { format, schemas: vec![load], message: message.map(str::to_owned), ..Input::default() }
}

// --- messages of foreign writers

#[test]
fn messagepack_of_python_fills_lists_and_maps() {
    let cases = include_str!("../../testdata/inputs/msgpack.json");
    let schema = "neg int, raw binary, meta map<string,int>, list array<bigint>, `3` string, none array<int>";
    let bad = row(&Input { format: InputFormat::MessagePack, ..Input::default() }, schema, &case(cases, 0).1);
    assert_eq!(bad.unwrap_err(), "column_mismatch: column `meta.value`: an object or a list does not fit int");
    let schema = "neg int, raw binary, meta struct<ts:int,`5`:map<string,string>,bin:int>, `3` string, none array<int>";
    let expected =
        json!({"neg": -7, "raw": "//4=", "meta": {"ts": 1, "5": {"deep": "x"}, "bin": 9}, "3": "three", "none": null});
    assert_eq!(foreign(cases, 0, schema), expected);
}

#[test]
fn avro_of_python_fills_lists_maps_and_decimals() {
    let schema = "list array<string>, labels map<string,string>, maybe struct<ts:timestamp,next:struct<ts:timestamp>>, \
                  price decimal(6,3), hash binary, color string, place struct<spots:array<string>>, local timestamp_ntz, \
                  day date";
    let expected = json!({
        "list": ["RED", "GRUEN"], "labels": {"a": "x", "b": null},
        "maybe": {"ts": "2024-02-29T12:34:56.789Z", "next": {"ts": "1970-01-01T00:00:00Z"}}, "price": "12.340",
        "hash": "YWJjZA==", "color": "GRUEN", "place": {"spots": ["HERE"]}, "local": "2024-02-29T12:34:56.789",
        "day": "2024-02-29"
    });
    assert_eq!(foreign(include_str!("../../testdata/inputs/avro.json"), 0, schema), expected);
}

#[test]
fn protobuf_of_google_fills_repeated_fields_and_maps() {
    let schema = "labels map<string,string>, metas map<string,struct<ts:bigint,name:string>>, packed array<int>, \
                  list array<string>, text string, inner struct<name:string>, times map<string,timestamp>, at timestamp, \
                  color string, next struct<id:bigint,list:array<string>>";
    let expected = json!({
        "labels": {"a": "x", "b": ""}, "metas": {"-3": {"ts": 9, "name": null}}, "packed": [1, -1, 300],
        "list": ["a", "b"], "text": null, "inner": {"name": "here"}, "times": {"true": "1969-12-31T23:59:59Z"},
        "at": "2024-02-29T12:34:56.789Z", "color": "RED", "next": {"id": 7, "list": null}
    });
    let cases = include_str!("../../testdata/inputs/protobuf.json");
    assert_eq!(foreign(cases, 0, schema), expected);
    // two halves of a message, and of a timestamp
    assert_eq!(foreign(cases, 5, "meta struct<ts:int,name:string>"), json!({"meta": {"ts": 5, "name": "x"}}));
    assert_eq!(foreign(cases, 6, "at timestamp"), json!({"at": "1970-01-01T00:00:01Z"}));
}

const THRIFT: &str = "metas map<string,struct<ts:bigint>>, metalist array<struct<ts:int,name:string>>, numbers array<int>, \
                      names map<string,string>, flags array<boolean>, meta struct<after:struct<ts:int>>, color string, \
                      either struct<text:string,number:int>";

const THRIFT_BY_ID: &str = "`5` map<string,struct<`1`:int>>, `7` array<int>, `16` array<boolean>, `4` int";

#[test]
fn thrift_of_python_fills_lists_sets_and_maps() {
    let cases = include_str!("../../testdata/inputs/thrift.json");
    let listed = vec![json!({"ts": 9, "name": null}); 20];
    let expected = json!({
        "metas": {"a": {"ts": 7}, "b": {"ts": 8}}, "metalist": listed, "numbers": [1, 2],
        "names": {"1": "one", "-1": "minus"}, "flags": [true, false], "meta": {"after": {"ts": 6}}, "color": "BLUE",
        "either": {"text": "t", "number": null}
    });
    let bare = json!({"5": {"a": {"1": 7}, "b": {"1": 8}}, "7": [1, 2], "16": [true, false], "4": 6});
    // binary, and the compact protocol
    for first in [0, 9] {
        assert_eq!(foreign(cases, first, THRIFT), expected);
        assert_eq!(foreign(cases, first + 1, THRIFT_BY_ID), bare);
    }
}

// --- drawn values

const COLUMNS: &str = "id bigint, s string, d double, flag boolean, tags array<string>, p struct<x:double,s:string,more:\
                       array<bigint>>, ps array<struct<x:double,s:string,more:array<bigint>>>, m map<string,bigint>, \
                       mp map<string,struct<x:double,s:string,more:array<bigint>>>";

const AVRO: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"unknown","type":{"type":"array","items":"long"}},
    {"name":"mp","type":["null",{"type":"map","values":{"type":"record","name":"P","fields":[
        {"name":"x","type":["null","double"]},{"name":"s","type":["null","string"]},
        {"name":"more","type":["null",{"type":"array","items":"long"}]}]}}]},
    {"name":"id","type":["null","long"]},{"name":"s","type":["null","string"]},{"name":"d","type":["null","double"]},
    {"name":"flag","type":["null","boolean"]},{"name":"tags","type":["null",{"type":"array","items":"string"}]},
    {"name":"p","type":["null","P"]},{"name":"ps","type":["null",{"type":"array","items":"P"}]},
    {"name":"m","type":["null",{"type":"map","values":"long"}]}]}"#;

const PROTO: &str = r#"syntax = "proto3";
    message R {
        optional bool flag = 4; optional int64 id = 1; optional string s = 2; optional double d = 3;
        repeated string tags = 5; P p = 6; repeated P ps = 7; map<string, int64> m = 8; map<string, P> mp = 9;
        repeated int64 unknown = 10;
    }
    message P { optional double x = 1; optional string s = 2; repeated int64 more = 3; }"#;

/// Values for [`COLUMNS`]; of Protobuf, which can't tell them from none, without empty lists and maps.
fn drawn(min: usize) -> impl Strategy<Value = Value> {
    let number = || prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>(), -3..3i64].prop_map(Value::from);
    let double = || any::<f64>().prop_filter("JSON has no others", |it| it.is_finite()).prop_map(Value::from);
    let text = || prop_oneof!["", "[a-z\"\\\\\n日]{0,9}"].prop_map(Value::from);
    let list = move |item: BoxedStrategy<Value>| prop::collection::vec(item, min..4).prop_map(Value::from);
    let map = move |value: BoxedStrategy<Value>| {
        prop::collection::btree_map("[a-zß]{0,3}", value, min..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    };
    let p = move || {
        object(vec![("x", double().boxed()), ("s", text().boxed()), ("more", list(number().boxed()).boxed())]).boxed()
    };
    object(vec![
        ("id", number().boxed()),
        ("s", text().boxed()),
        ("d", double().boxed()),
        ("flag", any::<bool>().prop_map(Value::from).boxed()),
        ("tags", list(text().boxed()).boxed()),
        ("p", p()),
        ("ps", list(p()).boxed()),
        ("m", map(number().boxed()).boxed()),
        ("mp", map(p()).boxed()),
    ])
}

/// Any of the members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let values: Vec<_> = values.into_iter().map(prop::option::of).collect();
    values.prop_map(move |values| {
        let members = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(members.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messagepack_gives_the_rows_of_json(value in drawn(0), flips in flips()) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &messagepack(&value)).expect("memory");
        assert_same_rows(&Input { format: InputFormat::MessagePack, ..Input::default() }, &value, bytes, flips);
    }

    #[test]
    fn avro_gives_the_rows_of_json(value in drawn(0), flips in flips()) {
        let schema = apache_avro::Schema::parse_str(AVRO).expect("a schema");
        let mut fields = vec![("unknown".to_owned(), Avro::Array(vec![Avro::Long(1); 70]))];
        fields.extend(avro_fields(&value, &["mp", "id", "s", "d", "flag", "tags", "p", "ps", "m"]));
        let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
        let bytes = writer.write_value_to_vec(Avro::Record(fields)).expect("a datum");
        assert_same_rows(&with_schema(InputFormat::Avro, "s.avsc", AVRO, None), &value, bytes, flips);
    }

    #[test]
    fn protobuf_gives_the_rows_of_json(value in drawn(1), flips in flips()) {
        let input = with_schema(InputFormat::Protobuf, "s.proto", PROTO, Some("R"));
        let set = BASE64_STANDARD.decode(&input.schemas[0].text).expect("base64");
        let pool = DescriptorPool::decode(&set[..]).expect("descriptors");
        let message = proto_message(&pool.get_message_by_name("R").expect("declared"), &value);
        assert_same_rows(&input, &value, message.encode_to_vec(), flips);
    }

    #[test]
    fn damaged_thrift_is_bad_or_has_a_row(index in prop::sample::select(vec![0usize, 1, 9, 10]), flips in flips()) {
        let (Case { input, .. }, bytes) = case(include_str!("../../testdata/inputs/thrift.json"), index);
        let schema = if index % 9 == 0 { THRIFT } else { THRIFT_BY_ID };
        let _ = row(&input, schema, &damaged(bytes, &flips));
    }
}

fn assert_same_rows(input: &Input, value: &Value, bytes: Vec<u8>, flips: Flips) {
    let expected = row(&json_input(), COLUMNS, value.to_string().as_bytes()).expect("it fits");
    assert_eq!(row(input, COLUMNS, &bytes), Ok(expected), "{value}");
    // what is still good is walked over without a panic
    let _ = row(input, COLUMNS, &damaged(bytes, &flips));
}

type Flips = Vec<(prop::sample::Index, u8)>;

fn flips() -> impl Strategy<Value = Flips> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4)
}

fn damaged(mut bytes: Vec<u8>, flips: &Flips) -> Vec<u8> {
    for (at, byte) in flips.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

fn messagepack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().expect("a double").into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => rmpv::Value::Array(items.iter().map(messagepack).collect()),
        // in another order
        Value::Object(members) => {
            let pairs = members.iter().rev().map(|(name, value)| (name.as_str().into(), messagepack(value)));
            rmpv::Value::Map(pairs.collect())
        }
    }
}

fn avro_fields(value: &Value, names: &[&str]) -> Vec<(String, Avro)> {
    let field = |name: &&str| {
        let branch = match value.get(*name) {
            None => Avro::Union(0, Box::new(Avro::Null)),
            Some(found) => Avro::Union(1, Box::new(avro(name, found))),
        };
        ((*name).to_owned(), branch)
    };
    names.iter().map(field).collect()
}

fn avro(name: &str, value: &Value) -> Avro {
    let p = |value: &Value| Avro::Record(avro_fields(value, &["x", "s", "more"]));
    match (name, value) {
        ("p", value) => p(value),
        ("ps", Value::Array(items)) => Avro::Array(items.iter().map(p).collect()),
        ("mp", Value::Object(members)) => {
            Avro::Map(members.iter().map(|(key, value)| (key.clone(), p(value))).collect())
        }
        ("d" | "x", value) => Avro::Double(value.as_f64().expect("a double")),
        (_, Value::Number(number)) => Avro::Long(number.as_i64().expect("a long")),
        (_, Value::Bool(value)) => Avro::Boolean(*value),
        (_, Value::String(text)) => Avro::String(text.clone()),
        (_, Value::Array(items)) => Avro::Array(items.iter().map(|item| avro("", item)).collect()),
        (_, Value::Object(members)) => {
            Avro::Map(members.iter().map(|(key, value)| (key.clone(), avro("", value))).collect())
        }
        (_, Value::Null) => Avro::Null,
    }
}

fn proto_message(message: &MessageDescriptor, value: &Value) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    for (name, value) in value.as_object().expect("an object") {
        let field = message.get_field_by_name(name).expect("declared");
        let p = || message.parent_file().messages().find(|message| message.name() == "P").expect("declared");
        let one = |value: &Value| match value {
            Value::Object(_) => Proto::Message(proto_message(&p(), value)),
            Value::Bool(value) => Proto::Bool(*value),
            Value::String(text) => Proto::String(text.clone()),
            Value::Number(number) if matches!(&**name, "d" | "x") => Proto::F64(number.as_f64().expect("a double")),
            Value::Number(number) => Proto::I64(number.as_i64().expect("a long")),
            other => panic!("{other}"),
        };
        let made_value = match value {
            Value::Array(items) => Proto::List(items.iter().map(one).collect()),
            Value::Object(members) if field.is_map() => {
                Proto::Map(members.iter().map(|(key, value)| (MapKey::String(key.clone()), one(value))).collect())
            }
            value => one(value),
        };
        made.set_field(&field, made_value);
    }
    made
}

// --- what libraries do not write

/// Goal: what Protobuf lets a writer do, and no library does by itself.
/// Method: bytes by hand, for fields of [`PROTO`] and of a oneof.
#[test]
fn protobuf_is_joined_and_completed_as_its_specification_says() {
    let input = with_schema(InputFormat::Protobuf, "s.proto", PROTO, Some("R"));
    let printed = |schema: &str, bytes: &[u8]| through_a_file(input.clone(), schema, &[Some(bytes)]).remove(0);
    // numbers packed, single, and packed again, with another field between
    let parts = b"\x32\x04\x1a\x02\x01\x02\x08\x05\x32\x07\x18\x03\x1a\x01\x04\x18\x05";
    assert_eq!(printed("p struct<more:array<int>>, id int", parts), r#"{"p":{"more":[1,2,3,4,5]},"id":5}"#);
    // an entry without a key, without a value, and with nothing
    assert_eq!(printed("m map<string,int>", b"\x42\x02\x10\x07\x42\x03\x0a\x01a"), r#"{"m":{"":7,"a":0}}"#);
    assert_eq!(printed("mp map<string,struct<s:string>>", b"\x4a\x00"), r#"{"mp":{"":{"s":null}}}"#);
    // of a key that occurs twice the last counts
    let twice = b"\x42\x05\x0a\x01a\x10\x01\x42\x05\x0a\x01a\x10\x02";
    assert_eq!(printed("m map<string,int>", twice), r#"{"m":{"a":2}}"#);

    let oneof =
        "syntax = \"proto3\"; message O { oneof k { P p = 1; string s = 2; } message P { int32 a = 1; int32 b = 2; } }";
    let oneof = with_schema(InputFormat::Protobuf, "o.proto", oneof, Some("O"));
    let schema = "s string, p struct<a:int,b:int>";
    let printed = |bytes: &[u8]| through_a_file(oneof.clone(), schema, &[Some(bytes)]).remove(0);
    assert_eq!(printed(b"\x0a\x02\x08\x01\x12\x01x"), r#"{"s":"x","p":null}"#);
    assert_eq!(printed(b"\x0a\x02\x08\x01\x12\x01x\x0a\x02\x10\x02"), r#"{"s":null,"p":{"a":null,"b":2}}"#);
    assert_eq!(printed(b"\x0a\x02\x08\x01\x0a\x02\x10\x02"), r#"{"s":null,"p":{"a":1,"b":2}}"#);
}

#[test]
fn protobuf_without_a_schema_has_lists_of_what_occurs_again() {
    let input = Input { format: InputFormat::Protobuf, ..Input::default() };
    let printed =
        through_a_file(input.clone(), "`1` int, `2` array<string>", &[Some(b"\x08\x01\x12\x01a\x12\x01b\x08\x02")]);
    assert_eq!(printed, [r#"{"1":2,"2":["a","b"]}"#]);
}

#[test]
fn what_an_input_has_and_no_column_can_hold_is_told() {
    let avro = |text: &str| {
        let schema = Schema { name: "s".to_owned(), text: text.to_owned(), includes: BTreeMap::new() };
        Input { format: InputFormat::Avro, schemas: vec![schema], ..Input::default() }
    };
    let record =
        |kind: &str| avro(&format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{kind}}}]}}"#));
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    let messagepack = Input { format: InputFormat::MessagePack, ..Input::default() };
    for (input, schema, value, expected) in [
        // as many nulls as one likes, in three bytes
        (
            record(r#"{"type":"array","items":"null"}"#),
            "a array<int>",
            &b"\xfe\xff\x7f\x00"[..],
            "a`: an object or a list does not fit array<int>",
        ),
        (record(decimal), "a decimal(9,1)", b"\x02\x05", "a`: a decimal of scale 2 does not fit decimal(9,1)"),
        (record(decimal), "a decimal(3,2)", b"\x04\x7f\xff", "a`: a decimal of scale 2 does not fit decimal(3,2)"),
        (record(decimal), "a bigint", b"\x02\x64", "a`: a decimal of scale 2 does not fit bigint"),
        (record(r#"["int","string"]"#), "a int", b"\x02\x02x", "a`: a text does not fit int"),
        (messagepack.clone(), "a map<string,int>", b"\x81\xa1a\x81\xc3\x01", "a`: a key of the map is no text"),
        (messagepack.clone(), "a array<int>", b"\x81\xa1a\x92\x01\xa1x", "a.element`: a text does not fit int"),
        (messagepack.clone(), "a struct<b:int>", b"\x81\xa1a\x91\x01", "a`: an object or a list does not fit struct"),
        (messagepack, "a array<int>", b"\x81\xa1a\x80", "a`: an object or a list does not fit array<int>"),
    ] {
        assert_eq!(row(&input, schema, value).unwrap_err(), format!("column_mismatch: column `{expected}"), "{schema}");
    }
    let through =
        |kind: &str, schema: &str, value: &[u8]| through_a_file(record(kind), schema, &[Some(value)]).remove(0);
    assert_eq!(through(decimal, "a decimal(9,1)", b"\x04\xff\x9c"), r#"{"a":"-1.0"}"#);
    assert_eq!(through(decimal, "a decimal(38,10)", b"\x00"), r#"{"a":"0.0000000000"}"#);
    assert_eq!(through(r#"["int","string"]"#, "a int", b"\x00\x02"), r#"{"a":1}"#);
    // a block that says its length, and one that doesn't
    assert_eq!(
        through(r#"{"type":"array","items":"int"}"#, "a array<int>", b"\x03\x04\x02\x04\x02\x06\x00"),
        r#"{"a":[1,2,3]}"#
    );
}

/// Goal: a message can't make a row without bound: an empty item takes a byte, and a row a cell for each column below it.
#[test]
fn a_row_has_a_bound() {
    let columns: Vec<_> = (0..9_000).map(|i| format!("c{i} int")).collect();
    let schema = format!("a array<struct<{}>>", columns.join(","));
    let value = [&b"\x81\xa1a\xdc\x80\x00"[..], &[0x80; 0x8000]].concat();
    let bad = row(&Input { format: InputFormat::MessagePack, ..Input::default() }, &schema, &value).unwrap_err();
    assert_eq!(bad, "column_mismatch: column `a.element`: the row has more than 256 MiB");
}
