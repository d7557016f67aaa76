//! The columns of a schema: what is proposed is taken as `output.schema`, and every message of the schema fits.

use std::collections::BTreeMap;

use secor_core::shape::{Input, InputFormat, OutputFormat, Schema};
use secor_format::Pipeline;
use secor_format::notation::{Notation, of_registered, of_schema, of_values};

use crate::files::shape;
use crate::inputs::{Case, case};
use crate::values::{output_of, record};

fn proposed(format: InputFormat, text: &str, message: Option<&str>) -> Result<Notation, String> {
    let schema = Schema { name: "s".to_owned(), text: text.to_owned(), includes: BTreeMap::new() };
    of_schema(format, &schema, message)
}

fn avro(text: &str) -> Result<Notation, String> {
    proposed(InputFormat::Avro, text, None)
}

/// In one line, and what is left out behind it.
fn short(notation: &Notation) -> (String, Vec<String>) {
    let words: Vec<_> = notation.text.split_whitespace().collect();
    let left_out = notation.left_out.iter().map(|it| format!("{}: {}", it.path, it.why)).collect();
    (words.join(" "), left_out)
}

/// The columns of the input of a foreign writer's case, which its message must fit.
fn of_case(cases: &str, index: usize) -> (String, Vec<String>) {
    let (Case { input, .. }, value) = case(cases, index);
    let notation = of_schema(input.format, &input.schemas[0], input.message.as_deref()).expect("columns");
    let pipeline = |format| Pipeline::new(&shape(input.clone(), output_of(format, &notation.text)));
    let mut pipelines = [OutputFormat::Parquet, OutputFormat::Orc].map(|format| pipeline(format).expect("possible"));
    pipelines[0].route(&record(Some(&value)), 0).expect("the message fits");
    short(&notation)
}

#[test]
fn columns_of_foreign_schemas_fit_their_messages() {
    let (text, left_out) = of_case(include_str!("../../testdata/inputs/avro.json"), 0);
    let expected = "struct< id: bigint, flag: boolean, small: int, single: float, double: double, raw: binary, text: \
                    string, hash: binary, again: binary, color: string, list: array<string>, labels: map<string, string>, \
                    maybe: struct< ts: timestamp >, micros: timestamp, nanos: timestamp, local: timestamp_ntz, day: date, \
                    clock: int, price: decimal(4,2), uuid: string, place: struct< spot: string, spots: array<string> > >";
    assert_eq!(text, expected);
    assert_eq!(left_out, ["none: it is always null", "maybe.next: it holds itself"]);

    let (text, left_out) = of_case(include_str!("../../testdata/inputs/protobuf.json"), 0);
    let meta = "struct< ts: bigint, color: string, name: string >";
    let expected = format!(
        "struct< id: bigint, at: timestamp, meta: {meta}, color: string, labels: map<string, string>, metas: \
         map<string, {meta}>, packed: array<int>, list: array<string>, text: string, raw: binary, inner: {meta}, d: \
         double, f: float, b: boolean, u64: decimal(20,0), s32: int, s64: bigint, f32: bigint, f64: decimal(20,0), sf32: \
         int, sf64: bigint, i32: int, u32: bigint, times: map<string, timestamp> >"
    );
    assert_eq!((text, left_out), (expected, vec!["next: it holds itself".to_owned()]));

    for first in [0, 9] {
        let (text, left_out) = of_case(include_str!("../../testdata/inputs/thrift.json"), first);
        let meta = "struct< ts: bigint, name: string >";
        let expected = format!(
            "struct< ts: bigint, name: string, meta: {meta}, color: string, metas: map<string, {meta}>, metalist: \
             array<{meta}>, numbers: array<int>, yes: boolean, no: boolean, small: tinyint, short: smallint, ratio: double, \
             raw: binary, names: map<string, string>, either: struct< number: int, text: string >, far: int, flags: \
             array<boolean>, i: int >"
        );
        assert_eq!(text, expected);
        let itself =
            ["meta.after", "metas.[].after", "metalist.[].after"].map(|path| format!("{path}: it holds itself"));
        assert_eq!(left_out, itself);
    }
}

#[test]
fn what_no_column_holds_is_left_out_and_named() {
    let record = |fields: &str| avro(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#));
    let field = |name: &str, kind: &str| format!(r#"{{"name":"{name}","type":{kind}}}"#);
    let fields = [
        field("a", r#"["null","int","long"]"#),
        field("b", r#"["null","int","string"]"#),
        field("c", r#"["float","double"]"#),
        field("d", r#"{"type":"array","items":"null"}"#),
        field("A", r#""string""#),
        field(
            "e",
            r#"{"type":"map","values":{"type":"array","items":["null",{"type":"record","name":"E","fields":[]}]}}"#,
        ),
        field("f", r#"{"type":"bytes","logicalType":"decimal","precision":50,"scale":2}"#),
        field("_kafka_key", r#""string""#),
    ];
    let (text, left_out) = short(&record(&fields.join(",")).expect("columns"));
    assert_eq!(text, "struct< a: bigint, c: double, f: binary >");
    let expected = [
        "b: it is a union of 2 types, which no column holds together",
        "d: its items take no bytes, and may be any number",
        "A: column `a` has the same name",
        "e: no field of it can be a column",
        "_kafka_key: columns that begin with `_kafka_` are of the record",
    ];
    assert_eq!(left_out, expected);
    assert_eq!(record(&field("n", r#""null""#)), Err("no field of it can be a column".to_owned()));
    assert_eq!(avro("\"string\""), Err("it has no fields, which columns are made of".to_owned()));
    let thrift = |text: &str| proposed(InputFormat::Thrift, text, None).map(|notation| short(&notation));
    let keys = "struct S { 1: map<list<i32>, i32> m, 2: map<i64, list<set<double>>> n, 3: slist s, 4: i32 struct_ }";
    let left_out = ["m: its keys are no texts and no whole numbers", "s: its type is unknown"].map(str::to_owned);
    let text = "struct< n: map<string, array<array<double>>>, struct_: int >".to_owned();
    assert_eq!(thrift(keys), Ok((text, left_out.to_vec())));
    assert_eq!(thrift("struct A {} struct B {}"), Err("not said which struct of several it is".to_owned()));
}

/// Goal: a schema can't make the proposal long without bound.
/// Method: each of twenty records holds the next one twice; and forty hold one another in a row.
#[test]
fn a_proposal_has_bounds() {
    let nested = |depth: usize, twice: bool| {
        let mut text = String::from("struct S0 { 1: i32 x }\n");
        for i in 1..=depth {
            let second = if twice { format!(", 2: S{} b", i - 1) } else { String::new() };
            text.push_str(&format!("struct S{i} {{ 1: S{} a{second} }}\n", i - 1));
        }
        proposed(InputFormat::Thrift, &text, Some(&format!("S{depth}")))
    };
    let wide = nested(20, true).expect("columns");
    assert!(wide.left_out.iter().any(|it| it.why == "there are more than 10000 columns"), "{}", wide.left_out.len());
    assert!(wide.text.len() < 2_000_000 && wide.left_out.len() < 100, "{}", wide.left_out.len());
    assert_eq!(nested(40, false), Err("no field of it can be a column".to_owned()));
}

#[test]
fn what_a_registry_has_gives_the_same() {
    let of = |kind: &str, text: &str, references: &[(&str, &str)]| {
        let references = references.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let schema = secor_core::manifest::RegisteredSchema::new(kind.to_owned(), text.to_owned(), references);
        of_registered(&schema, None).map(|notation| short(&notation).0)
    };
    let inner = r#"{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}"#;
    let outer = r#"{"type":"record","name":"O","fields":[{"name":"i","type":"I"}]}"#;
    assert_eq!(of("AVRO", outer, &[("I", inner)]), Ok("struct< i: struct< x: int > >".to_owned()));
    let proto = "syntax = \"proto3\"; message M { repeated string s = 1; map<int32, bool> m = 2; }";
    let expected = "struct< s: array<string>, m: map<string, boolean> >".to_owned();
    assert_eq!(of("PROTOBUF", proto, &[]), Ok(expected));
    let why = "a schema of type `JSON` does not say which columns there are".to_owned();
    assert_eq!(of("JSON", "{}", &[]), Err(why));
}

#[test]
fn a_sample_of_values_shows_types_that_fit_all_of_it() {
    let lines = concat!(
        r#"{"id":1,"name":"a","tags":["x",null],"at":{"x":1,"y":2.5},"none":null,"mixed":1,"empty":[],"deep":[{"b":[1]}]}"#,
        "\n\nnull\n",
        r#"{"name":null,"id":-9223372036854775808,"big":9223372036854775808,"mixed":"1","empty":[],"ok":true}"#,
        "\n",
        r#"{"at":{"z":"","x":-1.0},"deep":[{"a":[]},{"b":[2.5]}],"ID":1,"_kafka_key":"k","pairs":[{},[]]}"#,
    );
    let made = of_values(lines.as_bytes()).expect("three objects");
    let shape =
        shape(Input { format: InputFormat::Json, ..Input::default() }, output_of(OutputFormat::Parquet, &made.text));
    let mut pipeline = Pipeline::new(&shape).expect("possible");
    for line in lines.lines().filter(|line| line.starts_with('{')) {
        pipeline.route(&record(Some(line.as_bytes())), 0).expect("what was seen fits");
    }
    let (columns, left_out) = short(&made);
    assert_eq!(
        columns,
        "struct< id: bigint, name: string, tags: array<string>, at: struct< x: double, y: double, z: string >, none: json, \
         mixed: json, empty: json, deep: array<struct< b: array<double>, a: json >>, big: double, ok: boolean, \
         pairs: array<json> >"
    );
    assert_eq!(
        left_out,
        ["ID: column `id` has the same name", "_kafka_key: columns that begin with `_kafka_` are of the record"]
    );
}

#[test]
fn a_sample_without_objects_has_no_columns() {
    for (lines, why) in [
        ("", "there is no value in it"),
        ("null\n", "there is no value in it"),
        ("{}\n", "it has no fields, which columns are made of"),
        ("{\"a\":1}\n[1]\n", "line 2: no JSON object: expected `{` at byte 0"),
        ("{\"a\":1}\n{\"a\":}\n", "line 2: no JSON object: expected a value at byte 5"),
    ] {
        assert_eq!(of_values(lines.as_bytes()), Err(why.to_owned()), "{lines}");
    }
}
