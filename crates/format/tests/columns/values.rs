//! Values become the columns that the output's schema names, a value that does not fit makes its own record bad and names
//! the column, and what a file gives back has the digest of what went in. Verdicts are compared word by word; one row is
//! held by its bytes.

use std::collections::BTreeMap;

use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::{Compression, Input, InputFormat, Output, OutputFormat, Schema, ThriftProtocol};
use secor_format::input::schema_files;
use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary, Pipeline, digest_file, read_file};

use crate::files::shape;

const ALL_TYPES: &str = "struct<id:bigint not null, flag boolean, i8 tinyint, i16 smallint, i32 int, f float, d double, \
                         dec decimal(9,2), s string, j json, b binary, day date, at timestamp, clock timestamp_ntz, \
                         tags array<string>, counts map<string,int>, place struct<x:double, `odd name`:string not null>>";

/// Of the values of [`FULL`] and [`SPARSE`]: persisted, never change.
const DIGEST: &str = "cbac314bc2f79eba820bede10ea41ed8";

/// Every type, with what is hard to read.
const FULL: &str = r#" {"unknown":[1,{"a":"]}"}], "id" : -9007199254740993, "flag":true,"i8":-128,"i16":32767,"i32":5.0,
    "f":0.1,"d":1e300,"dec":"-12.5","s":"gr\u00fc\u00dfe \"q\"","j":{"a": [1, 2]},"b":"/wA=","day":"2000-02-29",
    "at":"1969-12-31T23:59:58.999999999Z","clock":"2026-03-29T02:30:00.25","tags":["a",null,""],
    "counts":{"b":2,"a":null,"b":3},"place":{"odd name":"x","y":1},"id":-9007199254740993} "#;

const SPARSE: &str = r#"{"id":0,"tags":[],"counts":{},"place":null,"at":1700000000123,"day":null,"dec":0.05}"#;

pub fn output(schema: &str) -> Output {
    output_of(OutputFormat::Parquet, schema)
}

pub fn output_of(format: OutputFormat, schema: &str) -> Output {
    Output { format, compression: Compression::Snappy, schema: Some(schema.to_owned()), ..Output::default() }
}

pub fn json() -> Input {
    Input { format: InputFormat::Json, ..Input::default() }
}

fn pipeline(input: Input, schema: &str) -> Pipeline {
    Pipeline::new(&shape(input, output(schema))).expect("a possible shape")
}

pub fn record(value: Option<&[u8]>) -> Record<'_> {
    Record { offset: Offset::ZERO, timestamp: None, key: None, value, headers: &[] }
}

/// What files of these values give back, as JSON, the same from both formats; the digests must be those of what went in.
pub fn through_a_file(input: Input, schema: &str, values: &[Option<&[u8]>]) -> Vec<String> {
    let through = |format| through_a_file_of(input.clone(), &output_of(format, schema), values);
    let parquet = through(OutputFormat::Parquet);
    assert_eq!(through(OutputFormat::Orc), parquet);
    parquet
}

fn through_a_file_of(input: Input, output: &Output, values: &[Option<&[u8]>]) -> Vec<String> {
    let (file, summary) = encoded(input, output, values);
    let read = digest_file(output, false, &file[..]).expect("readable");
    assert_eq!((read.records, read.values_digest), (summary.records, summary.values_digest));
    assert_eq!(read.records_digest, None, "keys and offsets are not kept");
    printed(output, &file)
}

fn encoded(input: Input, output: &Output, values: &[Option<&[u8]>]) -> (Vec<u8>, FileSummary) {
    let mut pipeline = Pipeline::new(&shape(input, output.clone())).expect("a possible shape");
    let (mut codec, mut file) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "clicks".into(), partition: 3 }, &codec);
    for value in values {
        let record = record(*value);
        let routed = pipeline.route(&record, 0).expect("good records");
        encoder.append(&record, routed.value.as_deref(), None, &mut codec, &mut file);
    }
    let summary = encoder.finish(&mut codec, &mut file);
    (file, summary)
}

fn printed(output: &Output, file: &[u8]) -> Vec<String> {
    let values = read_file(output, false, file).map(|archived| archived.expect("readable").value);
    values.map(|value| String::from_utf8(value.expect("never null")).expect("JSON")).collect()
}

/// The verdict on one value of JSON.
fn verdict(schema: &str, value: &str) -> String {
    let mut pipeline = pipeline(json(), schema);
    match pipeline.route(&record(Some(value.as_bytes())), 0) {
        Ok(_) => "good".to_owned(),
        Err(bad) => bad.to_string(),
    }
}

#[test]
fn every_type_of_column_comes_back_as_it_went_in() {
    let read = through_a_file(json(), ALL_TYPES, &[Some(FULL.as_bytes()), Some(SPARSE.as_bytes())]);
    let full: serde_json::Value = serde_json::from_str(&read[0]).expect("JSON");
    let expected = serde_json::json!({
        "id": -9_007_199_254_740_993i64, "flag": true, "i8": -128, "i16": 32_767, "i32": 5, "f": f64::from(0.1f32),
        "d": 1e300, "dec": "-12.50", "s": "grüße \"q\"", "j": r#"{"a": [1, 2]}"#, "b": "/wA=", "day": "2000-02-29",
        "at": "1969-12-31T23:59:58.999999Z", "clock": "2026-03-29T02:30:00.25", "tags": ["a", null, ""],
        "counts": {"a": null, "b": 3}, "place": {"x": null, "odd name": "x"}
    });
    assert_eq!(full, expected);
    let sparse: serde_json::Value = serde_json::from_str(&read[1]).expect("JSON");
    assert_eq!((&sparse["at"], &sparse["tags"]), (&"2023-11-14T22:13:20.123Z".into(), &serde_json::json!([])));
    assert_eq!(sparse["dec"], "0.05");
    assert!(sparse["place"].is_null() && sparse["s"].is_null());
}

/// Goal: files that stand in stores are read for ever, with the digest that their manifests have; and ORC, whose writer is
/// ours, has the same bytes.
#[test]
fn golden_files_are_read_and_made_again() {
    let values = [Some(FULL.as_bytes()), Some(SPARSE.as_bytes())];
    for (format, golden) in [
        (OutputFormat::Orc, &include_bytes!("../../testdata/columns.orc")[..]),
        (OutputFormat::Parquet, include_bytes!("../../testdata/columns.parquet")),
    ] {
        let output = Output { compression: Compression::None, ..output_of(format, ALL_TYPES) };
        let (file, summary) = encoded(json(), &output, &values);
        assert!(format != OutputFormat::Orc || file == golden, "another file than the golden one");
        let read = digest_file(&output, false, golden).expect("readable");
        assert_eq!((read.records, read.values_digest), (2, summary.values_digest));
        assert_eq!(summary.values_digest.to_string(), DIGEST);
        assert_eq!(printed(&output, golden), printed(&output, &file));
    }
}

/// Goal: the one second of which ORC tells no fraction makes a record bad before it spoils a file (decision 0011).
/// Method: times at the borders of that second, at the top and in all that can be nested.
#[test]
fn times_that_orc_can_not_hold_are_told_beforehand() {
    let schema = "a timestamp, b timestamp_ntz, c array<struct<d:int,e:map<string,timestamp>>>, f decimal(3,1), g date";
    let verdict = |format, value: &str| {
        let shape = shape(json(), output_of(format, schema));
        let mut pipeline = Pipeline::new(&shape).expect("a possible shape");
        pipeline.route(&record(Some(value.as_bytes())), 0).map(drop).map_err(|bad| bad.to_string())
    };
    let told = |column: &str| {
        Err(format!("column_mismatch: column `{column}`: ORC can't hold a time of the last second before 1970"))
    };
    for (value, expected) in [
        (r#"{"a":"1969-12-31T23:59:59.001Z"}"#, told("a")),
        (r#"{"a":"1969-12-31T23:59:59.999999Z"}"#, told("a")),
        (r#"{"b":"1969-12-31T23:59:59.5"}"#, told("b")),
        (r#"{"c":[null,{"d":1},{"e":{"k":null,"l":"1969-12-31T23:59:59.5Z"}}]}"#, told("c.element.e.value")),
        (r#"{"a":"1969-12-31T23:59:59.000999Z","b":"1970-01-01T00:00:00","f":1.5,"g":"1969-12-31"}"#, Ok(())),
        (r#"{"a":"0001-01-01T00:00:00Z","b":"9999-12-30T21:59:59.999999"}"#, Ok(())),
    ] {
        assert_eq!(verdict(OutputFormat::Orc, value), expected, "{value}");
        assert_eq!(verdict(OutputFormat::Parquet, value), Ok(()), "{value}");
    }
}

/// Goal: times of all years come back from ORC, whose reader counts nanoseconds by itself, and so do nested ones.
#[test]
fn times_of_all_years_come_back() {
    let value = r#"{"a":"0001-01-01T00:00:00Z","b":["9999-12-30T21:59:59.999999",null,"1969-12-31T23:59:59.000999"]}"#;
    let read = through_a_file(json(), "a timestamp, b array<timestamp_ntz>", &[Some(value.as_bytes())]);
    assert_eq!(read, [value]);
}

#[test]
fn a_tombstone_is_a_row_of_nulls() {
    let read = through_a_file(json(), "a int, b struct<c:int>", &[None, Some(b"{}"), Some(br#"{"b":{}}"#)]);
    assert_eq!(read, [r#"{"a":null,"b":null}"#, r#"{"a":null,"b":null}"#, r#"{"a":null,"b":{"c":null}}"#]);
    let mut pipeline = pipeline(json(), "a int not null");
    let bad = pipeline.route(&record(None), 0).expect_err("a value is required").to_string();
    assert_eq!(bad, "column_mismatch: column `a`: there is no value, and one is required");
}

/// Persisted, never change: rows of definition 1.
#[test]
fn a_row_is_these_bytes() {
    let mut pipeline =
        pipeline(json(), "a smallint, b string, c array<boolean>, d struct<e:decimal(3,1)>, f map<string,date>");
    let value = br#"{"f":{"k":"1970-01-02"},"d":{"e":-1.5},"c":[true,null],"b":"x","a":258}"#;
    let routed = pipeline.route(&record(Some(value)), 0).expect("it fits");
    let hex: String = routed.value.expect("a row").iter().map(|byte| format!("{byte:02x}")).collect();
    let cells = [
        "010201",
        "010100000078",
        "0102000000010100",
        "0101f1ffffffffffffffffffffffffffffff",
        "010100000001010000006b0101000000",
    ];
    assert_eq!(hex, cells.concat());
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_column() {
    for (schema, value, expected) in [
        ("a int not null", "{}", "a`: there is no value, and one is required"),
        ("a int", r#"{"a":2147483648}"#, "a`: `2147483648` does not fit int"),
        ("a bigint", r#"{"a":1.5}"#, "a`: `1.5` does not fit bigint"),
        ("a bigint", r#"{"a":1e2}"#, "a`: `1e2` does not fit bigint"),
        ("a bigint", r#"{"a":"1"}"#, "a`: a text does not fit bigint"),
        ("a double", r#"{"a":1e999}"#, "a`: `1e999` does not fit double"),
        ("a decimal(3,1)", r#"{"a":1.25}"#, "a`: `1.25` does not fit decimal(3,1)"),
        ("a decimal(3,1)", r#"{"a":100}"#, "a`: `100` does not fit decimal(3,1)"),
        ("a string", r#"{"a":5}"#, "a`: `5` does not fit string"),
        ("a string", r#"{"a":"\ud800"}"#, "a`: half a surrogate pair is no text"),
        ("a binary", r#"{"a":"?"}"#, "a`: the text is no base64"),
        ("a date", r#"{"a":"2001-02-29"}"#, "a`: a text does not fit date"),
        ("a timestamp", r#"{"a":"yesterday"}"#, "a`: a text does not fit timestamp"),
        ("a timestamp_ntz", r#"{"a":"2026-01-01T00:00:00Z"}"#, "a`: a text does not fit timestamp_ntz"),
        ("a array<int>", r#"{"a":[1,"x"]}"#, "a.element`: a text does not fit int"),
        ("a array<int>", r#"{"a":{}}"#, "a`: an object or a list does not fit array<int>"),
        ("a map<string,int>", r#"{"a":{"k":true}}"#, "a.value`: `true` does not fit int"),
        ("a struct<b:struct<c:boolean>>", r#"{"a":{"b":{"c":0}}}"#, "a.b.c`: `0` does not fit boolean"),
    ] {
        assert_eq!(verdict(schema, value), format!("column_mismatch: column `{expected}"), "{schema}");
    }
    assert_eq!(verdict("a bigint", r#"{"a":1.0,"A":"other"}"#), "good");
    assert!(verdict("a bigint", "[1]").starts_with("not_json"));
}

#[test]
fn schemas_that_can_not_be_are_told() {
    let told = |input: Input, schema: Option<&str>| {
        let output = Output { schema: schema.map(str::to_owned), ..output("") };
        let faults = Pipeline::new(&shape(input, output)).err().expect("impossible").faults;
        faults.into_iter().map(|fault| format!("{}: {}", fault.key, fault.message)).collect::<Vec<_>>().join("; ")
    };
    for (schema, expected) in [
        ("", "expected a name of a column at byte 0, the text ends"),
        ("struct<a:int", "expected `>` at byte 12, the text ends"),
        ("a integer32", "expected a type, such as `bigint`, `string` or `array<double>` at byte 2, found `integer32`"),
        ("a int, A string", "columns `a` and `A` have one name"),
        ("a decimal(39,0)", "expected a precision of 1 to 38 and a scale not above it at byte 9, found `(39,0)`"),
        ("a map<int,int>", "expected `string`, which keys of maps are at byte 6, found `int,int>`"),
        ("a int b", "expected the end at byte 6, found `b`"),
        ("`a int", "expected a backquote at the end of the name at byte 1, found `a int`"),
    ] {
        assert_eq!(told(json(), Some(schema)), format!("output.schema: {expected}"), "{schema}");
    }
    assert_eq!(told(json(), None), "output.schema: the columns of the files are not given");
    let deep = format!("a {}int{}", "array<".repeat(40), ">".repeat(40));
    assert_eq!(told(json(), Some(&deep)), "output.schema: types are nested more than 32 deep");
    let msgpack = Input { format: InputFormat::MessagePack, ..Input::default() };
    assert_eq!(told(msgpack, Some("a array<json>")), "output.schema: `json` is for `json` input");
    let text = Input { format: InputFormat::Text, pattern: Some("(?<a>.*)".to_owned()), ..Input::default() };
    assert_eq!(told(text, Some("a map<string,int>")), "output.schema: the groups of a pattern are single values");
    let avro = r#"{"type":"record","name":"r","fields":[{"name":"l","type":{"type":"array","items":{"type":"record",
        "name":"i","fields":[{"name":"x","type":"int"}]}}},{"name":"s","type":"string"}]}"#;
    let avro = Schema { name: "s".to_owned(), text: avro.to_owned(), includes: BTreeMap::new() };
    let avro = Input { format: InputFormat::Avro, schemas: vec![avro], ..Input::default() };
    assert_eq!(
        told(avro, Some("l array<struct<x:int,y:int>>, s array<string>")),
        "output.schema: field `l.[].y` is named, but no schema of the input has such a field; \
         output.schema: field `s.[]` is named, but no schema of the input has such a field"
    );
    let bytes = told(Input::default(), Some("a int"));
    assert_eq!(bytes, "output.schema: field `a` is named, but `bytes` input has no fields");
}

#[test]
fn other_inputs_fill_single_values_and_structs() {
    let of = |format| Input { format, ..Input::default() };
    let with = |format, text: &str| {
        let schema = Schema { name: "s".to_owned(), text: text.to_owned(), includes: BTreeMap::new() };
        Input { schemas: vec![schema], ..of(format) }
    };
    // {"id": 7, "b": bin ff, "p": {"x": 1.5}}
    let msgpack = b"\x83\xa2id\x07\xa1b\xc4\x01\xff\xa1p\x81\xa1x\xcb\x3f\xf8\0\0\0\0\0\0";
    let read = through_a_file(
        of(InputFormat::MessagePack),
        "id int, b binary, p struct<x:double>, q string",
        &[Some(msgpack)],
    );
    assert_eq!(read, [r#"{"id":7,"b":"/w==","p":{"x":1.5},"q":null}"#]);

    let avro = with(
        InputFormat::Avro,
        r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"at","type":{"type":"long",
            "logicalType":"timestamp-micros"}},{"name":"p","type":["null",{"type":"record","name":"p","fields":[
            {"name":"s","type":"string"}]}]}]}"#,
    );
    let schema = "id bigint not null, at timestamp, p struct<s:string>";
    let read =
        through_a_file(avro, schema, &[Some(b"\x03\x81\x89\x7a\0"), Some(b"\x02\x02\x02\x02x"), Some(b"\x02\0\0")]);
    let expected = [
        r#"{"id":-2,"at":"1969-12-31T23:59:58.999999Z","p":null}"#,
        r#"{"id":1,"at":"1970-01-01T00:00:00.000001Z","p":{"s":"x"}}"#,
        r#"{"id":1,"at":"1970-01-01T00:00:00Z","p":null}"#,
    ];
    assert_eq!(read, expected);

    let proto = "syntax = \"proto3\"; message M { uint64 id = 1; bytes b = 2; P p = 3; message P { string s = 1; } }";
    let loaded = schema_files::load(InputFormat::Protobuf, "m", "m.proto", &|_| Ok(proto.as_bytes().to_vec()));
    let protobuf = Input {
        schemas: vec![loaded.expect("it compiles")],
        message: Some("M".to_owned()),
        ..of(InputFormat::Protobuf)
    };
    let schema = "id decimal(20,0), b binary, p struct<s:string>";
    let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x01\xff\x1a\x03\x0a\x01x";
    let read = through_a_file(protobuf, schema, &[Some(most), Some(b"")]);
    let expected = [r#"{"id":"18446744073709551615","b":"/w==","p":{"s":"x"}}"#, r#"{"id":null,"b":null,"p":null}"#];
    assert_eq!(read, expected);

    let thrift = with(InputFormat::Thrift, "struct S { 1: i64 id, 2: string s, 3: bool ok }");
    let thrift = Input { protocol: ThriftProtocol::Binary, ..thrift };
    let value = b"\x0a\0\x01\0\0\0\0\0\0\0\x05\x0b\0\x02\0\0\0\x01x\x02\0\x03\x01\0";
    let read = through_a_file(thrift, "id bigint, s string, ok boolean", &[Some(value)]);
    assert_eq!(read, [r#"{"id":5,"s":"x","ok":true}"#]);

    let log = Input { pattern: Some("(?<verb>\\w+) (?<status>[0-9-]+)".to_owned()), ..of(InputFormat::Text) };
    let read = through_a_file(log.clone(), "verb string, status smallint", &[Some(b"GET 200")]);
    assert_eq!(read, [r#"{"verb":"GET","status":200}"#]);
    let mut pipeline = pipeline(log, "verb string, status smallint");
    let bad = pipeline.route(&record(Some(b"GET -")), 0).expect_err("no number").to_string();
    assert_eq!(bad, "column_mismatch: column `status`: a text does not fit smallint");
}
