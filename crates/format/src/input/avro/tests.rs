use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

use super::super::tests::{find, reader, steps};
use super::*;
use crate::input::Reader;
use secor_core::shape::{self, InputFormat};

fn of(schema: &str) -> Reader {
    let schemas = vec![shape::Schema { name: "s".to_owned(), text: schema.to_owned(), includes: [].into() }];
    reader(&Input { format: InputFormat::Avro, schemas, ..Input::default() })
}

fn error(schema: &str, value: &[u8]) -> String {
    find(&mut of(schema), value, &[]).unwrap_err().detail
}

#[test]
fn errors_say_where() {
    let (array, map) = (r#"{"type":"array","items":"int"}"#, r#"{"type":"map","values":"int"}"#);
    for (schema, value, expected) in [
        ("\"boolean\"", &b"\x02"[..], "a boolean that is neither 0 nor 1 at byte 1"),
        ("\"int\"", b"\x80\x80\x80\x80\x10", "an int beyond 32 bits at byte 5"),
        ("\"long\"", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a number beyond 64 bits at byte 0"),
        ("\"long\"", b"\x80", "an early end at byte 1"),
        ("\"string\"", b"\x02\xff", "a string that is no UTF-8 at byte 1"),
        ("\"string\"", b"\x01", "a negative length at byte 1"),
        ("\"bytes\"", b"\x06ab", "an early end at byte 1"),
        (r#"["null"]"#, b"\x02", "a union that has no such branch at byte 1"),
        (r#"["null"]"#, b"\x01", "a union that has no such branch at byte 1"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, b"\x02", "an enum that has no such symbol at byte 1"),
        (array, b"\x02\x02", "an early end at byte 2"),
        (array, b"\x01\x04\x02\x00", "a block that is not as long as it says at byte 3"),
        (array, b"\x00\x00", "more bytes than the value has at byte 1"),
        (map, b"\x02\x02\xff\x02\x00", "a key that is no UTF-8 at byte 2"),
    ] {
        assert_eq!(error(schema, value), expected, "{schema} {value:?}");
    }
    let good =
        [(array, &b"\x01\x02\x02\x00"[..]), (array, b"\x00"), (map, b"\x01\x06\x02a\x02\x00"), ("\"null\"", b"")];
    for (schema, value) in good {
        assert_eq!(find(&mut of(schema), value, &[]), Ok(vec![]), "{schema} {value:?}");
    }
}

#[test]
fn any_number_of_nothings_takes_no_time() {
    let nothing = r#"{"type":"record","name":"N","fields":[{"name":"a","type":"null"},
        {"name":"b","type":{"type":"record","name":"M","fields":[]}}]}"#;
    let most = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";
    assert_eq!(find(&mut of(&format!(r#"{{"type":"array","items":{nothing}}}"#)), most, &[]), Ok(vec![]));
    assert!(find(&mut of(r#"{"type":"array","items":"int"}"#), most, &[]).is_err());
}

#[test]
fn nesting_ends() {
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let nested = |depth: usize| [b"\x02".repeat(depth - 1).as_slice(), b"\x00"].concat();
    assert!(find(&mut of(list), &nested(127), &[]).is_ok());
    assert_eq!(error(list, &nested(128)), "too deep nesting at byte 127");
    let endless = r#"{"type":"record","name":"L","fields":[{"name":"self","type":"L"}]}"#;
    assert_eq!(error(endless, b""), "too deep nesting at byte 0");
}

// the published fingerprints of Apache Avro's schema-tests.txt
#[test]
fn fingerprints_are_the_published_ones() {
    for (schema, fingerprint) in [
        ("\"null\"", 7_195_948_357_588_979_594_i64),
        ("\"boolean\"", -6_970_731_678_124_411_036),
        ("\"int\"", 8_247_732_601_305_521_295),
        ("\"string\"", -8_142_146_995_180_207_161),
    ] {
        let (_, found) = Types::default().add(schema).unwrap();
        assert_eq!(found.cast_signed(), fingerprint, "{schema}");
    }
}

/// The cases of Apache Avro's own tests, as its package for Python 1.12.2 carries them: texts with their CRC-64-AVRO
/// fingerprints (lowest byte first), texts that are schemas, and texts that are none.
#[derive(serde::Deserialize)]
struct SchemaCases {
    fingerprints: Vec<(String, String)>,
    valid: Vec<String>,
    invalid: Vec<String>,
}

#[test]
fn apache_avros_schema_cases() {
    let cases = include_str!("../../../testdata/inputs/avro_schemas.json");
    let cases: SchemaCases = serde_json::from_str(cases).unwrap();
    let add = |text: &str| Types::default().add(text).map(|(_, fingerprint)| fingerprint);
    let hex = |fingerprint: u64| fingerprint.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let differing = cases.fingerprints.iter().filter(|(text, expected)| add(text).map(hex).as_ref() != Ok(expected));
    let differing: Vec<_> = differing.map(|(text, _)| text.as_str()).collect();
    // the package writes a type out again where it is named a second time; fastavro has our fingerprint
    assert!(matches!(differing[..], [text] if text.contains("\"HandshakeRequest\"")), "{differing:?}");
    let refused: Vec<_> = cases.valid.iter().filter(|text| add(text).is_err()).collect();
    // errors are for protocols, not for messages
    assert!(matches!(refused[..], [text] if text.contains("\"type\": \"error\"")), "{refused:?}");
    let accepted: Vec<_> = cases.invalid.iter().filter(|text| add(text).is_ok()).collect();
    // the library lets a type have the name of a primitive one
    assert!(matches!(accepted[..], [text] if text.contains("\"name\": \"int\"")), "{accepted:?}");
}

#[test]
fn paths_that_a_schema_does_not_have_are_objected_to() {
    let reader = of(r#"["null",{"type":"record","name":"R","fields":[
        {"name":"m","type":{"type":"map","values":"long"}},{"name":"next","type":["null","R"]},
        {"name":"list","type":{"type":"array","items":"R"}}]}]"#);
    for (path, is_there) in [
        (&["m"][..], true),
        (&["m", "any"], true),
        (&["m", "any", "more"], false),
        (&["next", "next", "next", "list"], true),
        (&["list", "m"], false),
        (&["list", "[]", "m", "[]"], true),
        (&["list", "[]", "x"], false),
        (&["next", "[]"], false),
        (&["x"], false),
    ] {
        assert_eq!(reader.objection(&steps(path)).is_none(), is_there, "{path:?}");
    }
}

const EVERYTHING: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"n","type":"null"},{"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},
    {"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"y","type":"bytes"},{"name":"s","type":"string"},
    {"name":"x","type":{"type":"fixed","name":"X","size":3}},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
    {"name":"a","type":{"type":"array","items":["null","long","X"]}},
    {"name":"m","type":{"type":"map","values":{"type":"array","items":"string"}}},
    {"name":"r","type":["null",{"type":"record","name":"Q","fields":[
        {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"e","type":"E"}]}]},
    {"name":"z","type":"double"}]}"#;

prop_compose! {
    fn everything()(
        b: bool, i: i32, l: i64, f: f32, d: f64,
        y in prop::collection::vec(any::<u8>(), 0..70),
        s in ".{0,20}",
        x: [u8; 3],
        e in 0..3_u32,
        a in prop::collection::vec((0..3_u32, any::<i64>()), 0..4),
        m in prop::collection::hash_map("[ab]{1,2}", prop::collection::vec("[a-z]{0,3}", 0..3), 0..3),
        r in prop::option::of((any::<i64>(), 0..3_u32)),
    ) -> Value {
        let symbol = |index: u32| Value::Enum(index, ["A", "B", "C"][index as usize].to_owned());
        let union = |index, value| Value::Union(index, Box::new(value));
        let items = a.into_iter().map(|(branch, long)| match branch {
            0 => union(0, Value::Null),
            1 => union(1, Value::Long(long)),
            _ => union(2, Value::Fixed(3, x.to_vec())),
        });
        let strings = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
        let fields = [
            ("n", Value::Null), ("b", Value::Boolean(b)), ("i", Value::Int(i)), ("l", Value::Long(l)),
            ("f", Value::Float(f)), ("d", Value::Double(d)), ("y", Value::Bytes(y)), ("s", Value::String(s)),
            ("x", Value::Fixed(3, x.to_vec())), ("e", symbol(e)), ("a", Value::Array(items.collect())),
            ("m", Value::Map(m.into_iter().map(|(key, texts)| (key, strings(texts))).collect())),
            ("r", match r {
                None => union(0, Value::Null),
                Some((t, e)) => union(1, Value::Record(vec![
                    ("t".to_owned(), Value::TimestampMicros(t)), ("e".to_owned(), symbol(e)),
                ])),
            }),
            ("z", Value::Double(0.5)),
        ];
        Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// As `find` shows it, of a value of the library; empty where there are several ways.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Int(value) => format!("integer {value}"),
        Value::Long(value) => format!("integer {value}"),
        Value::Float(value) => format!("single {value}"),
        Value::Double(value) => format!("double {value}"),
        Value::String(text) | Value::Enum(_, text) => format!("text {text}"),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => {
            std::str::from_utf8(bytes).map_or("binary".to_owned(), |text| format!("text {text}"))
        }
        Value::Union(_, value) => shown(value),
        _ => "container".to_owned(),
    }
}

proptest! {
    #[test]
    fn fields_and_verdict_are_those_of_a_full_decoder(
        value in everything(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let schema = Schema::parse_str(EVERYTHING).unwrap();
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        let mut bytes = writer.write_value_to_vec(value).unwrap();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let mut rest = &bytes[..];
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let decoded = reader.read_value(&mut rest).ok().filter(|_| rest.is_empty());
        let names: Vec<_> = "n b i l f d y s x e a m r z".split(' ').collect();
        match (find(&mut of(EVERYTHING), &bytes, &names), decoded) {
            (Ok(found), Some(Value::Record(fields))) => {
                let expected: Vec<_> = fields.iter().map(|(_, value)| shown(value)).collect();
                prop_assert_eq!(found, expected);
            }
            (Ok(found), decoded) => prop_assert!(false, "{found:?} and {decoded:?}"),
            // the library takes some early ends for null, and blocks of any length
            (Err(bad), Some(value)) => {
                let again = writer.write_value_to_vec(value);
                prop_assert!(again.is_err() || again.unwrap() != bytes, "{bad}");
            }
            (Err(_), None) => {}
        }
    }
}
