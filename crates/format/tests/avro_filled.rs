//! Goal: values of JSON and other inputs fill a given Avro schema, and what does not fit makes its record bad alone.
//! Method: data are compared byte by byte with what fastavro 1.13 writes of the same values.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::{
    BadRecords, Input, InputFormat, JsonValue, Output, OutputFormat, Schema, Shape, ThriftProtocol, Timestamp,
};
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline, digest_file, read_file};

const CLICK: &str = r#"{"type":"record","name":"Click","namespace":"acme","fields":[
    {"name":"id","type":"long"},{"name":"ok","type":["null","boolean"]},{"name":"small","type":["int","null"]},
    {"name":"real","type":"float","default":0.5},{"name":"big","type":["null","double"]},
    {"name":"text","type":"string","default":"grüße"},{"name":"raw","type":["null","bytes"]},
    {"name":"two","type":["null",{"type":"fixed","name":"Two","size":2}]},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B","OTHER"],"default":"OTHER"},"default":"A"},
    {"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}]},
    {"name":"cents","type":["null",{"type":"fixed","name":"Cents","size":5,"logicalType":"decimal","precision":9,"scale":2}]},
    {"name":"day","type":["null",{"type":"int","logicalType":"date"}]},
    {"name":"ms","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
    {"name":"us","type":["null",{"type":"long","logicalType":"timestamp-micros"}]},
    {"name":"local","type":["null",{"type":"long","logicalType":"local-timestamp-millis"}]},
    {"name":"tags","type":{"type":"array","items":"string"},"default":[]},
    {"name":"counts","type":["null",{"type":"map","values":["null","int"]}]},
    {"name":"x","type":["null",{"type":"record","name":"X","fields":[{"name":"y","type":["null","string"]},
        {"name":"z","type":["null",{"type":"array","items":["null","long"]}]}]}]}]}"#;

const FULL: &str = r#"{"x":{"z":[1,null],"y":"deep"},"id":9007199254740993,"ok":true,"small":-2147483648,"real":0.25,
    "big":-1e300,"text":"日本 🎉","raw":"AP8=","two":"YWI=","kind":"B","amount":-12.5,"cents":"1.28","day":"2000-02-29",
    "ms":"1969-12-31T23:59:59.9985Z","us":"1969-12-31T23:59:59.999999Z","local":"2000-02-29T12:00:00","tags":["a",""],
    "counts":{"b":null,"a":1},"unknown":[{}]}"#;

fn shape(input: Input, schema: &str) -> Shape {
    Shape {
        version: Shape::VERSION,
        input,
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output: Output { format: OutputFormat::Avro, schema: Some(schema.to_owned()), ..Output::default() },
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}

fn of(format: InputFormat) -> Input {
    Input { format, ..Input::default() }
}

fn record(value: Option<&[u8]>) -> Record<'_> {
    Record { offset: Offset::ZERO, timestamp: None, key: None, value, headers: &[] }
}

/// The datum of a value, or what is wrong with it.
fn filled(input: Input, schema: &str, value: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let mut pipeline = Pipeline::new(&shape(input, schema)).expect("a possible shape");
    let routed = pipeline.route(&record(value), 0).map_err(|bad| bad.to_string())?;
    Ok(routed.value.expect("a datum").into_owned())
}

fn of_json(schema: &str, value: &str) -> Result<Vec<u8>, String> {
    filled(of(InputFormat::Json), schema, Some(value.as_bytes()))
}

#[test]
fn data_are_those_of_another_library() {
    for (value, datum) in [
        (
            FULL,
            "goCAgICAgCACAQD/////DwAAgD4CnHUAiDzkN/4W5pel5pysIPCfjokCBAD/AmFiAgIE+x4CAAAAAIACkKwBAgMCAQKAuNDTszcEAmEAAAIEAmECAgJi\
             AAACAghkZWVwAgQCAgAA",
        ),
        (r#"{"id":1}"#, "AgACAAAAPwAOZ3LDvMOfZQAAAAAAAAAAAAAAAA=="),
        (r#"{"id":1,"text":null,"kind":null,"tags":null}"#, "AgACAAAAPwAOZ3LDvMOfZQAAAAAAAAAAAAAAAA=="),
    ] {
        let expected = BASE64_STANDARD.decode(datum).expect("base64");
        assert_eq!(of_json(CLICK, value), Ok(expected), "{value}");
    }
}

#[test]
fn a_file_gives_them_back_by_the_schema() {
    let shape = shape(of(InputFormat::Json), CLICK);
    let mut pipeline = Pipeline::new(&shape).expect("a possible shape");
    let record = record(Some(FULL.as_bytes()));
    let routed = pipeline.route(&record, 0).expect("good");
    let schema = pipeline.file_schema(routed.partition).expect("the output's");
    assert_eq!((schema.writer, &*schema.text), (None, CLICK));
    let (mut codec, mut out) = (Codec::new(&shape.output), Vec::new());
    let identity = FileIdentity { topic: "t".into(), partition: 0 };
    let mut encoder = FileEncoder::of_schema(&shape.output, identity, schema.text);
    encoder.append(&record, routed.value.as_deref(), None, &mut codec, &mut out);
    let summary = encoder.finish(&mut codec, &mut out);
    assert_eq!(digest_file(&shape.output, false, &out[..]).expect("whole").values_digest, summary.values_digest);
    let read = read_file(&shape.output, false, &out[..]).next().expect("a record").expect("readable");
    let printed = String::from_utf8(read.value.expect("JSON")).expect("text");
    for part in [
        r#""kind":"B","amount":"-12.50","cents":"1.28","day":"2000-02-29","ms":"1969-12-31T23:59:59.998Z""#,
        r#""local":"2000-02-29T12:00:00""#,
        r#""counts":{"a":1,"b":null},"x":{"y":"deep","z":[1,null]}}"#,
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn what_does_not_fit_names_the_field() {
    for (value, why) in [
        ("{}", "schema_mismatch: column `id`: "),
        (r#"{"id":1.5}"#, "schema_mismatch: column `id`: "),
        (r#"{"id":1,"x":{"z":[1,"a"]}}"#, "schema_mismatch: column `x.z"),
        (r#"{"id":1,"two":"YWJj"}"#, "schema_mismatch: field `two`: 3 bytes are no fixed of 2"),
        (r#"{"id":1,"tags":["a",null]}"#, "schema_mismatch: column `tags"),
        (r#"{"id":1,"#, "not_json: "),
    ] {
        let said = of_json(CLICK, value).expect_err(value);
        assert!(said.starts_with(why), "{value}: {said}");
    }
    let strict = CLICK.replace(r#","default":"OTHER"}"#, "}");
    assert_eq!(
        of_json(&strict, r#"{"id":1,"kind":"Z"}"#),
        Err("schema_mismatch: field `kind`: `Z` is no symbol of the enum".to_owned())
    );
    // the default of the enum, not of the field
    let other = of_json(CLICK, r#"{"id":1,"kind":"Z"}"#).expect("good");
    assert_eq!(other[18], 4);
}

#[test]
fn decimals_take_as_few_bytes_as_they_need_or_all_of_a_fixed() {
    let of_decimal = |of: &str, number: &str| {
        let schema = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"d","type":{of}}}]}}"#);
        of_json(&schema, &format!(r#"{{"d":{number}}}"#))
    };
    let bytes = r#"{"type":"bytes","logicalType":"decimal","precision":38,"scale":0}"#;
    for (number, expected) in [
        ("0", &b"\x02\x00"[..]),
        ("127", b"\x02\x7f"),
        ("128", b"\x04\x00\x80"),
        ("-128", b"\x02\x80"),
        ("-129", b"\x04\xff\x7f"),
        ("256", b"\x04\x01\x00"),
    ] {
        assert_eq!(of_decimal(bytes, number), Ok(expected.to_vec()), "{number}");
    }
    let fixed = r#"{"type":"fixed","name":"F","size":20,"logicalType":"decimal","precision":38,"scale":0}"#;
    let minus_one = of_decimal(fixed, "-1").expect("it fits");
    assert_eq!(minus_one, [0xff; 20]);
    assert_eq!(of_decimal(fixed, "256").expect("it fits")[17..], [0, 1, 0]);
}

#[test]
fn tombstones_are_null_where_the_schema_has_it() {
    let json = || of(InputFormat::Json);
    assert!(filled(json(), CLICK, None).is_err_and(|why| why.starts_with("null_value: ")));
    let either = format!(r#"[{CLICK},"null"]"#);
    assert_eq!(filled(json(), &either, None), Ok(b"\x02".to_vec()));
    let datum = of_json(&either, r#"{"id":1}"#).expect("good");
    assert_eq!((datum[0], &datum[1..]), (0, &of_json(CLICK, r#"{"id":1}"#).expect("good")[..]));
}

#[test]
fn other_inputs_fill_it_too() {
    let schema =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","string"]},{"name":"b","type":"long"}]}"#;
    // {"b": -1, "a": "x"}
    let msgpack = filled(of(InputFormat::MessagePack), schema, Some(b"\x82\xa1b\xff\xa1a\xa1x"));
    assert_eq!(msgpack, Ok(b"\x02\x02x\x01".to_vec()));
    let text = Input { pattern: Some("^(?<b>[0-9]+) (?<a>.*)$".to_owned()), ..of(InputFormat::Text) };
    assert_eq!(filled(text, schema, Some(b"7 grace")), Ok(b"\x02\x0agrace\x0e".to_vec()));
    let idl = "struct R { 1: i64 b, 2: string a }".to_owned();
    let schemas = vec![Schema { name: "s".to_owned(), text: idl, includes: BTreeMap::new() }];
    let thrift = Input { schemas, protocol: ThriftProtocol::Binary, ..of(InputFormat::Thrift) };
    let message = b"\x0a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x0b\x00\x02\x00\x00\x00\x01y\x00";
    assert_eq!(filled(thrift, schema, Some(message)), Ok(b"\x02\x02y\x04".to_vec()));
}

#[test]
fn schemas_that_can_not_be_filled_are_told() {
    let told = |input: Input, field: &str| {
        let schema = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{field}}}]}}"#);
        let faults = Pipeline::new(&shape(input, &schema)).err().map(|error| error.faults);
        let said = faults.into_iter().flatten().map(|fault| format!("{}: {}", fault.key, fault.message));
        said.collect::<Vec<_>>().join("; ")
    };
    let json = || of(InputFormat::Json);
    let key = "output.schema: such values can't fill it: field `f`: ";
    assert_eq!(told(json(), "\"int\""), "");
    assert_eq!(
        told(json(), r#"["int","string"]"#),
        format!("{key}a union of several types could be filled in several ways")
    );
    assert_eq!(told(json(), r#"["null","R"]"#), format!("{key}a type that holds itself has no columns"));
    let nanos = r#"{"type":"long","logicalType":"timestamp-nanos"}"#;
    assert_eq!(told(json(), nanos), format!("{key}there are no columns of `timestamp-nanos`"));
    assert_eq!(told(json(), "\"null\""), format!("{key}there are no columns of `null`"));
    assert!(
        told(Input { json: JsonValue::Any, ..json() }, "\"int\"")
            .starts_with("output.schema: columns are those of one")
    );
    assert!(told(of(InputFormat::Bytes), "\"int\"").contains("`bytes` input has no fields"));
    let faults = Pipeline::new(&shape(json(), "\"long\"")).err().expect("impossible").faults;
    assert_eq!(faults[0].message, "such values can't fill it: its values are no records");
}
