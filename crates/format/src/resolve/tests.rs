use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

use super::*;

/// A datum of `writer` as one of `reader`, or why not.
fn resolved(writer: &str, reader: &str, datum: &[u8]) -> Result<Vec<u8>, String> {
    let mut resolver = Resolver::new(reader).unwrap_or_else(|why| panic!("{why}: {reader}"));
    resolver.learn(0, writer);
    resolver.datum(0, datum).map_err(|bad| bad.detail)
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn field(name: &str, of: &str) -> String {
    format!(r#"{{"name":"{name}","type":{of}}}"#)
}

#[test]
fn promotions_are_those_of_the_specification() {
    let one = 1.0f32.to_le_bytes();
    for (writer, reader, datum, expected) in [
        ("\"int\"", "\"long\"", &b"\x01"[..], Some(b"\x01".to_vec())),
        ("\"int\"", "\"float\"", b"\x02", Some(one.to_vec())),
        ("\"long\"", "\"float\"", b"\x02", Some(one.to_vec())),
        ("\"long\"", "\"double\"", b"\x01", Some((-1.0f64).to_le_bytes().to_vec())),
        ("\"float\"", "\"double\"", &one, Some(1.0f64.to_le_bytes().to_vec())),
        ("\"string\"", "\"bytes\"", b"\x02a", Some(b"\x02a".to_vec())),
        ("\"bytes\"", "\"string\"", b"\x02a", Some(b"\x02a".to_vec())),
        ("\"bytes\"", "\"string\"", b"\x02\xff", None),
        ("\"long\"", "\"int\"", b"\x02", None),
        ("\"double\"", "\"float\"", &1.0f64.to_le_bytes(), None),
        ("\"boolean\"", "\"int\"", b"\x01", None),
        ("\"null\"", "\"int\"", b"", None),
        (r#"{"type":"array","items":"int"}"#, r#"{"type":"map","values":"int"}"#, b"\x00", None),
    ] {
        assert_eq!(resolved(writer, reader, datum).ok(), expected, "{writer} {reader}");
    }
}

#[test]
fn errors_name_the_field() {
    let inner = |of: &str| field("m", &record(&field("x", of)).replace("\"R\"", "\"M\""));
    for (writer, reader, datum, why) in [
        (
            record(&inner("\"string\"")),
            record(&inner("\"long\"")),
            &b"\x02a"[..],
            "field `m.x`: `string` can't become `long`",
        ),
        (
            record(""),
            record(&field("a", "\"int\"")),
            b"",
            "field `a`: the writer's schema lacks it, and it has no default",
        ),
        (
            record(&field("t", r#"{"type":"long","logicalType":"timestamp-millis"}"#)),
            record(&field("t", r#"{"type":"long","logicalType":"timestamp-micros"}"#)),
            b"\x02",
            "field `t`: `timestamp-millis` can't become `timestamp-micros`",
        ),
        (
            record(&field("e", r#"{"type":"enum","name":"E","symbols":["A","B"]}"#)),
            record(&field("e", r#"{"type":"enum","name":"E","symbols":["A"]}"#)),
            b"\x02",
            "field `e`: symbol `B` is not known, and the enum has no default",
        ),
        (
            record(&field("u", r#"["null","string"]"#)),
            record(&field("u", r#"["null","long"]"#)),
            b"\x02\x02a",
            "field `u`: no branch of the union takes `string`",
        ),
        (
            record("").replace("\"R\"", "\"a.Open\""),
            record("").replace("\"R\"", "\"a.Close\""),
            b"",
            "`record a.Open` can't become `record a.Close`",
        ),
    ] {
        assert_eq!(resolved(&writer, &reader, datum), Err(why.to_owned()), "{writer} {reader}");
    }
    // a branch that no record takes does no harm
    let (writer, reader) = (field("u", r#"["null","string"]"#), field("u", r#"["null","long"]"#));
    assert_eq!(resolved(&record(&writer), &record(&reader), b"\x00"), Ok(b"\x00".to_vec()));
}

#[test]
fn of_a_union_the_branch_that_fits_best() {
    for (writer, reader, datum, expected) in [
        // the same type before a promotion, wherever it stands
        ("\"int\"", r#"["null","long","int"]"#, &b"\x02"[..], &b"\x04\x02"[..]),
        ("\"int\"", r#"["null","double","long"]"#, b"\x02", b"\x02\0\0\0\0\0\0\xf0\x3f"),
        (r#"["int","string"]"#, "\"long\"", b"\x00\x02", b"\x02"),
        (r#"["int","string"]"#, r#"["string","null","int"]"#, b"\x02\x02a", b"\x00\x02a"),
        (
            r#"{"type":"record","name":"a.B","fields":[]}"#,
            r#"[{"type":"record","name":"c.B","fields":[]},{"type":"record","name":"a.B","fields":[]}]"#,
            b"",
            b"\x02",
        ),
    ] {
        assert_eq!(resolved(writer, reader, datum), Ok(expected.to_vec()), "{writer} {reader}");
    }
}

#[test]
fn names_aliases_and_defaults() {
    // a record under a former name, whose fields moved, went, came and were renamed
    let writer = r#"{"type":"record","name":"old.Before","fields":[
        {"name":"a","type":"int"},{"name":"gone","type":{"type":"array","items":"string"}},{"name":"b","type":"string"}]}"#;
    let reader = r#"{"type":"record","name":"now.After","aliases":["old.Before"],"fields":[
        {"name":"c","type":"string","aliases":["b"]},{"name":"new","type":["null","long"],"default":null},
        {"name":"a","type":"long"},{"name":"sub","default":{"y":7},"type":{"type":"record","name":"Sub","fields":[
            {"name":"x","type":"double","default":0.5},{"name":"y","type":"int"}]}}]}"#;
    let datum = b"\x02\x01\x04\x02x\x00\x04hi";
    let expected = [&b"\x04hi\x00\x02"[..], &0.5f64.to_le_bytes(), b"\x0e"].concat();
    assert_eq!(resolved(writer, reader, datum), Ok(expected));
    assert!(resolved(writer, &reader.replace("Before", "Never"), datum).is_err());
}

#[test]
fn types_that_hold_themselves() {
    let list = |of: &str, more: &str| {
        format!(
            r#"{{"type":"record","name":"L","fields":[{{"name":"next","type":["null","L"]}},{{"name":"v","type":"{of}"}}{more}]}}"#
        )
    };
    let datum = b"\x02\x02\x00\x02\x04\x06";
    let more = r#",{"name":"z","type":"boolean","default":true}"#;
    assert_eq!(
        resolved(&list("int", ""), &list("long", more), datum),
        Ok(b"\x02\x02\x00\x02\x01\x04\x01\x06\x01".to_vec())
    );
    // the other way round, each is passed over once and read once
    let turned =
        r#"{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}"#;
    assert_eq!(resolved(&list("int", ""), turned, datum), Ok(b"\x06\x02\x04\x02\x02\x00".to_vec()));
}

#[test]
fn defaults_that_are_none_are_told() {
    let endless = r#"{"type":"record","name":"L","fields":[{"name":"l","type":"L","default":{}}]}"#;
    let fixed = record(r#"{"name":"f","type":{"type":"fixed","name":"F","size":2},"default":"abc"}"#);
    for schema in [endless, &fixed] {
        assert!(Resolver::new(schema).is_err(), "{schema}");
    }
}

#[test]
fn what_grows_without_measure_is_bad() {
    let writer = r#"{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"a","type":"boolean"}]}}"#;
    let long = "x".repeat(1 << 20);
    let default = format!(r#"{{"name":"b","type":"string","default":"{long}"}}"#);
    let reader = format!(r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{default}]}}}}"#);
    // 300 items
    let datum = [&b"\xd8\x04"[..], &[0; 300], b"\x00"].concat();
    assert_eq!(
        resolved(writer, &reader, &datum),
        Err("field `b`: with its defaults the value is longer than 256 MiB".to_owned())
    );
}

const WRITER: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"f","type":"float"},{"name":"s","type":"string"},
    {"name":"x","type":{"type":"fixed","name":"X","size":3}},{"name":"gone","type":["null","string","X"]},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
    {"name":"a","type":{"type":"array","items":["null","int","string"]}},
    {"name":"q","type":["null",{"type":"record","name":"Q","fields":[
        {"name":"b","type":"boolean"},{"name":"e","type":"E"},{"name":"d","type":"double"}]}]},
    {"name":"m","type":{"type":"map","values":"int"}}]}"#;

const READER: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"q","type":["null",{"type":"record","name":"Q","fields":[
        {"name":"d","type":"double"},{"name":"n","type":"long","default":-7},{"name":"b","type":["null","boolean"]}]}]},
    {"name":"l","type":"double"},{"name":"i","type":["null","long"]},{"name":"f","type":"double"},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["C","A","Z"],"default":"Z"}},
    {"name":"a","type":{"type":"array","items":["null","string","long"]}},
    {"name":"x","type":{"type":"fixed","name":"X","size":3}},
    {"name":"m","type":{"type":"map","values":"long"}},{"name":"s","type":"bytes"},
    {"name":"new","type":"string","default":"new"}]}"#;

prop_compose! {
    fn written()(
        i: i32, l: i64, f in -1e30f32..1e30,
        s in ".{0,20}",
        x: [u8; 3],
        gone in 0..3u32,
        e in 0..3_u32,
        a in prop::collection::vec((0..3_u32, any::<i32>()), 0..4),
        q in prop::option::of((any::<bool>(), 0..3_u32, -1e300..1e300)),
        m in prop::option::of(("[ab]{1,2}", any::<i32>())),
    ) -> Value {
        let symbol = |index: u32| Value::Enum(index, ["A", "B", "C"][index as usize].to_owned());
        let union = |index, value| Value::Union(index, Box::new(value));
        let items = a.into_iter().map(|(branch, int)| match branch {
            0 => union(0, Value::Null),
            1 => union(1, Value::Int(int)),
            _ => union(2, Value::String(int.to_string())),
        });
        let gone = [Value::Null, Value::String("gone".to_owned()), Value::Fixed(3, vec![1, 2, 3])][gone as usize].clone();
        let branch = match gone { Value::Null => 0, Value::String(_) => 1, _ => 2 };
        let fields = [
            ("i", Value::Int(i)), ("l", Value::Long(l)), ("f", Value::Float(f)), ("s", Value::String(s)),
            ("x", Value::Fixed(3, x.to_vec())), ("gone", union(branch, gone)), ("e", symbol(e)),
            ("a", Value::Array(items.collect())),
            ("q", match q {
                None => union(0, Value::Null),
                Some((b, e, d)) => union(1, Value::Record(vec![
                    ("b".to_owned(), Value::Boolean(b)), ("e".to_owned(), symbol(e)), ("d".to_owned(), Value::Double(d)),
                ])),
            }),
            ("m", Value::Map(m.into_iter().map(|(key, int)| (key, Value::Int(int))).collect())),
        ];
        Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

proptest! {
    #[test]
    fn the_same_as_a_library_that_builds_values(value in written()) {
        let (writer, reader) = (Schema::parse_str(WRITER).unwrap(), Schema::parse_str(READER).unwrap());
        let datum = GenericDatumWriter::builder(&writer).build().unwrap().write_value_to_vec(value.clone()).unwrap();
        let found = resolved(WRITER, READER, &datum).unwrap();
        let mut rest = &found[..];
        let found = GenericDatumReader::builder(&reader).build().unwrap().read_value(&mut rest).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(found, value.resolve(&reader).unwrap());
    }

    #[test]
    fn a_schema_resolves_to_itself_byte_by_byte(value in written()) {
        let writer = Schema::parse_str(WRITER).unwrap();
        let datum = GenericDatumWriter::builder(&writer).build().unwrap().write_value_to_vec(value).unwrap();
        prop_assert_eq!(resolved(WRITER, WRITER, &datum), Ok(datum));
    }
}
