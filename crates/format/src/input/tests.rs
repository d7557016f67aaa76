//! Messages that foreign writers made (`testdata/inputs/inputs.py`), and what is found in them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secor_core::shape::Schema;
use serde::Deserialize;

use super::*;
use crate::event_time::iso_text;
use crate::fields::Found;

#[derive(Deserialize)]
struct Case {
    input: Input,
    value: String,
    #[serde(default)]
    found: std::collections::BTreeMap<String, String>,
    bad: Option<String>,
}

/// A reader that may have no faults.
pub(super) fn reader(input: &Input) -> Reader {
    let mut faults = Faults(Vec::new());
    Reader::new(input, &mut faults).unwrap_or_else(|| panic!("{:?}", faults.0))
}

/// The only fault of an input.
pub(super) fn fault(input: &Input) -> String {
    let mut faults = Faults(Vec::new());
    assert!(Reader::new(input, &mut faults).is_none(), "{input:?}");
    let [fault] = &*faults.0 else { panic!("{:?}", faults.0) };
    format!("{}: {} ({})", fault.key, fault.message, fault.hint)
}

/// A path to a column; `[]` enters a list or a map.
pub(super) fn steps<'p>(names: &[&'p str]) -> Vec<Step<'p>> {
    names.iter().map(|&name| if name == "[]" { Step::Item } else { Step::Name(name) }).collect()
}

/// What `reader` finds at `paths`, or the word of the reason against `value`.
pub(super) fn find(reader: &mut Reader, value: &[u8], paths: &[&str]) -> Result<Vec<String>, BadRecord> {
    let mut wanted = Wanted::new();
    let slots: Vec<_> = paths.iter().map(|path| wanted.add(path.split('.'))).collect();
    let mut captures = Captures::with_symbols(reader.symbols());
    let body = reader.read(value, &wanted, &mut captures)?.body;
    // what is wanted must not decide whether a value is good
    reader.read(value, &Wanted::new(), &mut Captures::with_symbols(reader.symbols())).expect("it was good with fields");
    Ok(slots.into_iter().map(|slot| show(captures.get(slot, &value[body..]))).collect())
}

fn show(found: Found<'_>) -> String {
    match found {
        Found::Missing => "missing".to_owned(),
        Found::Null => "null".to_owned(),
        Found::Bool(value) => value.to_string(),
        Found::Number(text) => format!("number {text}"),
        Found::Integer(value) => format!("integer {value}"),
        Found::Single(value) => format!("single {value}"),
        Found::Double(value) => format!("double {value}"),
        Found::Text(raw) => format!("text {}", raw.unescape().unwrap()),
        Found::Binary => "binary".to_owned(),
        Found::Time(time) => format!("time {}", iso_text(time).unwrap()),
        Found::Container => "container".to_owned(),
    }
}

#[track_caller]
fn assert_cases(json: &str) {
    let cases: Vec<Case> = serde_json::from_str(json).unwrap();
    for (number, case) in cases.iter().enumerate() {
        let mut reader = reader(&case.input);
        let value = BASE64_STANDARD.decode(&case.value).unwrap();
        let paths: Vec<_> = case.found.keys().map(String::as_str).collect();
        let found = find(&mut reader, &value, &paths);
        match &case.bad {
            Some(reason) => assert_eq!(found.unwrap_err().reason.word(), reason, "case {number}"),
            None => {
                let expected: Vec<_> = case.found.iter().map(|(path, found)| format!("{path}: {found}")).collect();
                let found = found.unwrap_or_else(|bad| panic!("case {number}: {bad}"));
                let found: Vec<_> = paths.iter().zip(found).map(|(path, found)| format!("{path}: {found}")).collect();
                assert_eq!(found, expected, "case {number}");
            }
        }
        // every value has an end: a prefix is bad, or it is whole by chance, but nothing is read beyond it
        for end in 0..value.len().min(300) {
            let _ = reader.read(&value[..end], &Wanted::new(), &mut Captures::default());
        }
    }
}

#[test]
fn messagepack_of_pythons_msgpack() {
    assert_cases(include_str!("../../testdata/inputs/msgpack.json"));
}

#[test]
fn avro_of_fastavro() {
    assert_cases(include_str!("../../testdata/inputs/avro.json"));
}

#[test]
fn protobuf_of_googles_protobuf() {
    assert_cases(include_str!("../../testdata/inputs/protobuf.json"));
}

#[test]
fn thrift_of_thriftpy2() {
    assert_cases(include_str!("../../testdata/inputs/thrift.json"));
}

#[test]
fn schemas_that_are_wrong() {
    let schema = |name: &str, text: &str| Schema { name: name.to_owned(), text: text.to_owned(), includes: [].into() };
    let input = |framing, schemas| Input { format: InputFormat::Avro, framing, schemas, ..Input::default() };
    let long = || schema("17", "\"long\"");
    assert_eq!(
        fault(&input(MessageFraming::None, vec![])),
        "input.schemas: no schema is given (name schemas of [schemas.files]: [\"click\"])"
    );
    assert!(
        fault(&input(MessageFraming::None, vec![long(), long()]))
            .starts_with("input.schemas: messages do not say which")
    );
    assert!(
        fault(&input(MessageFraming::Confluent, vec![long(), schema("click", "\"long\"")]))
            .starts_with("input.schemas[1]: `click` is no schema id")
    );
    assert!(
        fault(&input(MessageFraming::SingleObject, vec![long(), schema("x", "{\"type\":\"lnog\"}")]))
            .starts_with("input.schemas[1]: schema `x` is no Avro schema: ")
    );
}
