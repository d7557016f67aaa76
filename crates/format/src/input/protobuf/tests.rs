use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, ReflectMessage, Value};
use secor_core::shape::{self, InputFormat};

use super::super::schema_files::load;
use super::super::tests::{find, reader, steps};
use super::*;
use crate::input::Reader;

const CLICK: &str = include_str!("../../../testdata/inputs/proto/click.proto");
const COMMON: &str = include_str!("../../../testdata/inputs/proto/acme/common.proto");
const LEGACY: &str = include_str!("../../../testdata/inputs/proto/legacy.proto");

fn files(name: &str) -> Result<Vec<u8>, String> {
    match name {
        "click.proto" => Ok(CLICK.into()),
        "acme/common.proto" => Ok(COMMON.into()),
        "legacy.proto" => Ok(LEGACY.into()),
        other => Err(format!("no file {other}")),
    }
}

fn input(file: &str, message: Option<&str>) -> Input {
    let schemas: Vec<shape::Schema> = vec![load(InputFormat::Protobuf, "s", file, &files).unwrap()];
    let message = message.map(str::to_owned);
    Input { format: InputFormat::Protobuf, schemas, message, ..Input::default() }
}

fn click() -> Reader {
    reader(&input("click.proto", Some("acme.Click")))
}

fn fault(input: &Input) -> String {
    super::super::tests::fault(input)
}

#[test]
fn errors_say_where() {
    for (value, expected) in [
        (&b"\x08"[..], "an early end at byte 1"),
        (b"\x00\x01", "a field number that is none at byte 0"),
        (b"\x08\x01\x0f", "a field with a wire type that its type does not have at byte 3"),
        (b"\xc7\x3e", "a wire type that is none at byte 2"),
        (b"\x4a\x02a", "an early end at byte 2"),
        (b"\x4a\x01\xff", "a string that is no UTF-8 at byte 2"),
        (b"\xc4\x3e", "the end of a group that is not open at byte 0"),
        (b"\xc3\x3e\x08\x01", "a group without its end at byte 4"),
        (b"\x1a\x02\x08", "an early end at byte 2"),
        (b"\x1a\x01\x08", "an early end at byte 3"),
        (b"\x3a\x01\x80", "an early end at byte 3"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a number beyond 64 bits at byte 1"),
    ] {
        assert_eq!(find(&mut click(), value, &[]).unwrap_err().detail, expected, "{value:?}");
    }
}

#[test]
fn nesting_ends_where_the_official_libraries_end_it() {
    let nested = |depth: usize| {
        let mut value = Vec::new();
        for _ in 0..depth {
            let mut outer = b"\xfa\xff\xff\xff\x0f".to_vec();
            prost_reflect::prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.extend(value);
            value = outer;
        }
        value
    };
    let pool = DescriptorPool::decode(set("click.proto").as_slice()).unwrap();
    let message = pool.get_message_by_name("acme.Click").unwrap();
    for (depth, is_good) in [(100, true), (101, false)] {
        let value = nested(depth);
        assert_eq!(find(&mut click(), &value, &[]).is_ok(), is_good, "{depth}");
        assert_eq!(DynamicMessage::decode(message.clone(), &*value).is_ok(), is_good, "{depth}");
    }
}

#[test]
fn of_a_oneof_the_last_field_counts() {
    let value = b"\x4a\x01a\x52\x01b";
    assert_eq!(find(&mut click(), value, &["text", "raw"]).unwrap(), ["missing", "text b"]);
    let value = b"\x5a\x02\x08\x05\x4a\x01a";
    assert_eq!(find(&mut click(), value, &["text", "inner", "inner.ts"]).unwrap(), ["text a", "missing", "missing"]);
}

#[test]
fn maps_take_keys_and_values_in_any_order_and_the_last_of_equal_keys() {
    let value = b"\x2a\x06\x12\x01x\x0a\x01a\x2a\x06\x0a\x01a\x12\x01y\x2a\x03\x0a\x01b";
    let paths = ["labels.a", "labels.b"];
    assert_eq!(find(&mut click(), value, &paths).unwrap(), ["text y", "missing"]);
    assert!(find(&mut click(), b"\x2a\x03\x0a\x01", &paths).is_err());
}

#[test]
fn schemas_and_messages_that_are_wrong() {
    let several = "input.message: schema `s`: not said which message of several it is \
                   (set `input.message` to its full name)";
    assert_eq!(fault(&input("click.proto", None)), several);
    let none =
        "input.message: schema `s`: it has no message `Click` (write the full name, with its package: acme.Click)";
    assert_eq!(fault(&input("click.proto", Some("Click"))), none);
    let mut broken = input("legacy.proto", None);
    broken.schemas[0].text = "AAAA".to_owned();
    assert!(fault(&broken).starts_with("input.schemas[0]: schema `s`: no descriptor set"));
    let single = Input { framing: MessageFraming::SingleObject, ..input("legacy.proto", None) };
    assert!(fault(&single).starts_with("input.framing: `single_object` is Avro's"));
    let bare = Input { format: InputFormat::Protobuf, message: Some("x".to_owned()), ..Input::default() };
    assert!(fault(&bare).starts_with("input.message: a message is named, but no schema is given"));
    let error = load(InputFormat::Protobuf, "s", "missing.proto", &files).unwrap_err();
    assert_eq!(error, "no file missing.proto");
    let read = |name: &str| if name == "acme/common.proto" { Err("gone".to_owned()) } else { files(name) };
    let error = load(InputFormat::Protobuf, "s", "click.proto", &read).unwrap_err();
    assert_eq!(error, "`acme/common.proto`, which it needs: gone");
    let read = |_: &str| Ok(b"message {".to_vec());
    assert!(load(InputFormat::Protobuf, "s", "x.proto", &read).is_err());
}

const WELL_KNOWN: &str = r#"syntax = "proto3"; package acme;
    import "google/protobuf/any.proto"; import "google/protobuf/duration.proto"; import "google/protobuf/empty.proto";
    import "google/protobuf/field_mask.proto"; import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    message All {
        google.protobuf.Any any = 1; google.protobuf.Duration duration = 2; google.protobuf.Empty empty = 3;
        google.protobuf.FieldMask mask = 4; google.protobuf.Struct object = 5; google.protobuf.Value value = 6;
        google.protobuf.ListValue list = 7; google.protobuf.Timestamp at = 8; google.protobuf.DoubleValue double = 9;
        google.protobuf.FloatValue float = 10; google.protobuf.Int64Value int64 = 11;
        google.protobuf.UInt64Value uint64 = 12; google.protobuf.Int32Value int32 = 13;
        google.protobuf.UInt32Value uint32 = 14; google.protobuf.BoolValue bool = 15;
        google.protobuf.StringValue string = 16; google.protobuf.BytesValue bytes = 17;
    }"#;

/// Google's own types are messages as any other, but for the timestamp, which is a time.
#[test]
fn well_known_types() {
    let read = |_: &str| Ok(WELL_KNOWN.into());
    let schema = load(InputFormat::Protobuf, "s", "all.proto", &read).unwrap();
    use base64::Engine as _;
    let set = base64::prelude::BASE64_STANDARD.decode(&schema.text).unwrap();
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    let mut all = DynamicMessage::new(pool.get_message_by_name("acme.All").unwrap());
    let mut set = |path: &str, value: Value| {
        let (field, inner) = path.split_once('.').unwrap();
        let Value::Message(message) = all.get_field_by_name_mut(field).unwrap() else { panic!("{field}") };
        message.set_field_by_name(inner, value);
    };
    let text = |text: &str| Value::String(text.to_owned());
    let cases = [
        ("any.type_url", text("type/acme.Click"), "text type/acme.Click"),
        ("any.value", Value::Bytes(vec![0xff].into()), "binary"),
        ("duration.seconds", Value::I64(-3), "integer -3"),
        ("duration.nanos", Value::I32(-5), "integer -5"),
        ("value.bool_value", Value::Bool(true), "true"),
        ("at.seconds", Value::I64(-1), "integer -1"),
        ("at.nanos", Value::I32(999_999_999), "integer 999999999"),
        ("double.value", Value::F64(0.1), "double 0.1"),
        ("float.value", Value::F32(0.1), "single 0.1"),
        ("int64.value", Value::I64(i64::MIN), "integer -9223372036854775808"),
        ("uint64.value", Value::U64(u64::MAX), "integer 18446744073709551615"),
        ("int32.value", Value::I32(i32::MIN), "integer -2147483648"),
        ("uint32.value", Value::U32(u32::MAX), "integer 4294967295"),
        ("bool.value", Value::Bool(true), "true"),
        ("string.value", text("häh"), "text häh"),
        ("bytes.value", Value::Bytes(vec![0xc3].into()), "binary"),
    ];
    for (path, value, _) in &cases {
        set(path, value.clone());
    }
    set("mask.paths", Value::List(vec![text("a.b"), text("c")]));
    let mut number = DynamicMessage::new(pool.get_message_by_name("google.protobuf.Value").unwrap());
    number.set_field_by_name("number_value", Value::F64(1.5));
    let fields = [(MapKey::String("n".to_owned()), Value::Message(number.clone()))];
    set("object.fields", Value::Map(fields.into()));
    set("list.values", Value::List(vec![Value::Message(number)]));
    let bytes = all.encode_to_vec();
    let input = Input { format: InputFormat::Protobuf, schemas: vec![schema], ..Input::default() };
    let mut reader = reader(&input);
    for (path, _, expected) in &cases {
        assert_eq!(find(&mut reader, &bytes, &[path]).unwrap(), [*expected], "{path}");
    }
    let paths = ["at", "object.fields.n.number_value", "object.fields.x.number_value", "empty", "list", "mask"];
    let expected =
        ["time 1969-12-31T23:59:59.999999999Z", "double 1.5", "missing", "missing", "container", "container"];
    assert_eq!(find(&mut reader, &bytes, &paths).unwrap(), expected);
}

#[test]
fn paths_that_no_message_has_are_objected_to() {
    let reader = click();
    for (path, is_there) in [
        (&["at"][..], true),
        (&["at", "seconds"], true),
        (&["labels", "any"], true),
        (&["labels", "any", "more"], false),
        (&["metas", "1", "ts"], true),
        (&["next", "next", "meta", "ts"], true),
        (&["list", "x"], false),
        (&["zeit"], false),
        (&["1"], false),
    ] {
        assert_eq!(reader.objection(&steps(path)).is_none(), is_there, "{path:?}");
    }
}

fn set(file: &str) -> Vec<u8> {
    use base64::Engine as _;
    let schema = load(InputFormat::Protobuf, "s", file, &files).unwrap();
    base64::prelude::BASE64_STANDARD.decode(schema.text).unwrap()
}

/// As `find` shows it, of a message of the library that is set there.
fn shown(message: &DynamicMessage, name: &str) -> String {
    let field = message.descriptor().get_field_by_name(name).unwrap();
    if !message.has_field(&field) {
        return "missing".to_owned();
    }
    match &*message.get_field(&field) {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => format!("integer {value}"),
        Value::I64(value) => format!("integer {value}"),
        Value::U32(value) => format!("integer {value}"),
        Value::U64(value) => format!("integer {value}"),
        Value::F32(value) => format!("single {value}"),
        Value::F64(value) => format!("double {value}"),
        Value::String(text) => format!("text {text}"),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_or("binary".to_owned(), |text| format!("text {text}")),
        _ => "container".to_owned(),
    }
}

/// Whether `find` shows what the library has; a default on the wire is set here, and not there.
fn agrees(found: &str, expected: &str) -> bool {
    let defaults = ["integer 0", "single 0", "double 0", "false", "text ", "text NONE"];
    found == expected || expected == "missing" && defaults.contains(&found)
}

prop_compose! {
    fn clicks()(
        id: i64, ts: i64, name in ".{0,5}", packed in prop::collection::vec(any::<i32>(), 0..5),
        text in prop::option::of(".{0,5}"), raw in prop::collection::vec(any::<u8>(), 0..5),
        d: f64, f: f32, b: bool, u64: u64, s32: i32, s64: i64, f32: u32, sf64: i64, i32: i32,
        labels in prop::collection::hash_map("[ab]", "[xy]{0,2}", 0..3),
    ) -> Vec<u8> {
        let pool = DescriptorPool::decode(set("click.proto").as_slice()).unwrap();
        let mut click = DynamicMessage::new(pool.get_message_by_name("acme.Click").unwrap());
        let mut meta = DynamicMessage::new(pool.get_message_by_name("acme.Meta").unwrap());
        meta.set_field_by_name("ts", Value::I64(ts));
        meta.set_field_by_name("name", Value::String(name));
        let labels = labels.into_iter().map(|(key, value)| (MapKey::String(key), Value::String(value)));
        let oneof = match text {
            Some(text) => ("text", Value::String(text)),
            None => ("raw", Value::Bytes(raw.into())),
        };
        for (name, value) in [
            ("id", Value::I64(id)), ("meta", Value::Message(meta)), oneof, ("d", Value::F64(d)), ("f", Value::F32(f)),
            ("packed", Value::List(packed.into_iter().map(Value::I32).collect())), ("b", Value::Bool(b)),
            ("u64", Value::U64(u64)), ("s32", Value::I32(s32)), ("s64", Value::I64(s64)), ("f32", Value::U32(f32)),
            ("sf64", Value::I64(sf64)), ("i32", Value::I32(i32)), ("labels", Value::Map(labels.collect())),
        ] {
            click.set_field_by_name(name, value);
        }
        click.encode_to_vec()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn fields_and_verdict_are_those_of_a_full_decoder(
        mut bytes in clicks(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (at, byte) in flips.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.filter(|_| !bytes.is_empty()).map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let pool = DescriptorPool::decode(set("click.proto").as_slice()).unwrap();
        let decoded = DynamicMessage::decode(pool.get_message_by_name("acme.Click").unwrap(), &*bytes);
        let names = ["id", "text", "raw", "d", "f", "b", "u64", "s32", "s64", "f32", "sf64", "i32", "packed", "meta.ts"];
        match (find(&mut click(), &bytes, &names), decoded) {
            (Ok(found), Ok(message)) => {
                for (name, found) in names.into_iter().zip(found) {
                    let expected = match name.strip_prefix("meta.") {
                        None => shown(&message, name),
                        Some(inner) => match &*message.get_field_by_name("meta").unwrap() {
                            Value::Message(meta) => shown(meta, inner),
                            other => panic!("{other:?}"),
                        },
                    };
                    prop_assert!(agrees(&found, &expected), "{}: {} and {}", name, found, expected);
                }
            }
            (Err(_), Err(_)) => {}
            (found, decoded) => prop_assert!(false, "{found:?} and {decoded:?}"),
        }
    }
}
