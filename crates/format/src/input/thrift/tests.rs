use std::collections::BTreeMap;

use proptest::prelude::*;
use secor_core::shape::{InputFormat, Schema};

use super::super::schema_files::load;
use super::super::tests::{fault, find, reader, steps};
use super::*;
use crate::input::Reader;

const CLICK: &str = include_str!("../../../testdata/inputs/thrift/click.thrift");
const SHARED: &str = include_str!("../../../testdata/inputs/thrift/common/shared.thrift");

fn of(protocol: ThriftProtocol) -> Reader {
    reader(&Input { format: InputFormat::Thrift, protocol, ..Input::default() })
}

fn idl(text: &str, message: Option<&str>) -> Input {
    let schema = Schema { name: "s".to_owned(), text: text.to_owned(), includes: BTreeMap::new() };
    let message = message.map(str::to_owned);
    Input { format: InputFormat::Thrift, schemas: vec![schema], message, ..Input::default() }
}

#[test]
fn errors_say_where() {
    use ThriftProtocol::{Binary, Compact};
    for (protocol, value, expected) in [
        (Binary, &b""[..], "an early end at byte 0"),
        (Binary, b"\x0a\x00\x01\x00", "an early end at byte 3"),
        (Binary, b"\x05\x00\x01", "a type that is none at byte 1"),
        (Binary, b"\x00\x00", "more bytes than the value has at byte 1"),
        (Binary, b"\x0b\x00\x01\xff\xff\xff\xff", "a negative length at byte 7"),
        (Binary, b"\x0f\x00\x01\x05\x00\x00\x00\x01", "a type that is none at byte 8"),
        (Binary, b"\x0f\x00\x01\x0a\x7f\xff\xff\xff\x00", "an early end at byte 8"),
        (Compact, b"\x1e", "a type that is none at byte 1"),
        (Compact, b"\x15\x80\x80\x80\x80\x20", "an i32 beyond 32 bits at byte 6"),
        (Compact, b"\x05\x80\x80\x08", "an i16 beyond 16 bits at byte 4"),
        (Compact, b"\x18\x80\x80\x80\x80\x10", "a length beyond 31 bits at byte 6"),
    ] {
        assert_eq!(find(&mut of(protocol), value, &[]).unwrap_err().detail, expected, "{protocol:?} {value:?}");
    }
    // an empty list of no type
    assert_eq!(find(&mut of(Binary), b"\x0f\x00\x01\x00\x00\x00\x00\x00\x00", &["1"]).unwrap(), ["container"]);
    assert_eq!(find(&mut of(Compact), b"\x1b\x00\x19\x00\x00", &["1", "2"]).unwrap(), ["container", "container"]);
}

#[test]
fn nesting_ends() {
    let nested = |depth: usize| [b"\x0c\x00\x01".repeat(depth - 1).as_slice(), &b"\x00".repeat(depth)].concat();
    assert!(find(&mut of(ThriftProtocol::Binary), &nested(127), &[]).is_ok());
    let error = find(&mut of(ThriftProtocol::Binary), &nested(128), &[]).unwrap_err();
    assert_eq!(error.detail, "too deep nesting at byte 381");
}

#[test]
fn of_a_field_that_occurs_twice_the_last_counts() {
    let value = b"\x0c\x00\x01\x0a\x00\x01\0\0\0\0\0\0\0\x05\x00\x0c\x00\x01\x00\x00";
    assert_eq!(find(&mut of(ThriftProtocol::Binary), value, &["1", "1.1"]).unwrap(), ["container", "missing"]);
}

#[test]
fn an_idl_is_read_with_its_includes() {
    let read = |name: &str| match name {
        "click.thrift" => Ok(CLICK.into()),
        "common/shared.thrift" => Ok(SHARED.into()),
        other => Err(format!("no file {other}")),
    };
    let schema = load(InputFormat::Thrift, "click", "click.thrift", &read).unwrap();
    assert_eq!(schema.includes.keys().collect::<Vec<_>>(), ["common/shared.thrift"]);
    let message = Some("Click".to_owned());
    let input = Input { format: InputFormat::Thrift, schemas: vec![schema], message, ..Input::default() };
    let reader = reader(&input);
    for (path, is_there) in [
        (&["ts"][..], true),
        (&["meta", "after", "after", "ts"], true),
        (&["metas", "any", "ts"], true),
        (&["metas", "any", "zeit"], false),
        (&["metalist", "ts"], false),
        (&["either", "text"], true),
        (&["1"], false),
        (&["ts", "x"], false),
    ] {
        assert_eq!(reader.objection(&steps(path)).is_none(), is_there, "{path:?}");
    }
}

#[test]
fn includes_of_includes_are_found_from_where_they_are() {
    let read = |name: &str| match name {
        "a.thrift" => Ok(b"include 'b/b.thrift' struct A { 1: b.B b }".to_vec()),
        "b/b.thrift" => Ok(b"include '../c.thrift' include 'd.thrift' struct B { 1: c.C c, 2: d.D d }".to_vec()),
        "b/d.thrift" => Ok(b"struct D {}".to_vec()),
        // back to the first
        "c.thrift" => Ok(b"include 'a.thrift' struct C { 1: i64 ts, 2: a.A a }".to_vec()),
        other => Err(format!("no file {other}")),
    };
    let schema = load(InputFormat::Thrift, "a", "a.thrift", &read).unwrap();
    let files: Vec<_> = schema.includes.keys().map(String::as_str).collect();
    assert_eq!(files, ["a.thrift", "b/b.thrift", "b/d.thrift", "c.thrift"]);
    let reader = reader(&Input { format: InputFormat::Thrift, schemas: vec![schema], ..Input::default() });
    assert!(reader.objection(&steps(&["b", "c", "ts"])).is_none());
    assert!(reader.objection(&steps(&["b", "c", "a", "b", "d"])).is_none());
    assert!(reader.objection(&steps(&["b", "d", "ts"])).is_some());
}

#[test]
fn idls_that_are_wrong() {
    for (text, expected) in [
        ("struct A {", "schema `s` is no Thrift IDL: line 1: an early end"),
        ("strukt A {}", "schema `s` is no Thrift IDL: line 1: `strukt` begins no definition"),
        ("\nstruct A { 1: B b }", "schema `s` is no Thrift IDL: type `B` is not declared"),
        ("struct A { 1: x.B b }", "schema `s` is no Thrift IDL: type `x.B` is of a file that is not included"),
        ("struct A { 1 i32 b }", "schema `s` is no Thrift IDL: line 1: expected `:`, found `i32`"),
        ("struct A { 70000: i32 b }", "schema `s` is no Thrift IDL: line 1: a field id beyond 16 bits"),
        ("typedef B A typedef A B struct S { 1: A a }", "schema `s` is no Thrift IDL: type `A` is not declared"),
        ("/* x", "schema `s` is no Thrift IDL: line 1: a comment without an end"),
        ("service S", "schema `s` is no Thrift IDL: line 1: an early end"),
        ("struct A { 1: i32 a = }", "schema `s` is no Thrift IDL: line 1: a bracket that was not opened"),
    ] {
        let fault = fault(&idl(text, None));
        assert_eq!(fault, format!("input.schemas[0]: {expected} (a .thrift file)"), "{text}");
    }
    let two = "struct A {} struct B {}";
    assert!(fault(&idl(two, None)).starts_with("input.message: schema `s`: not said which struct of several it is"));
    assert!(fault(&idl(two, Some("C"))).starts_with("input.message: schema `s`: it has no struct `C`"));
    assert!(fault(&Input { framing: MessageFraming::Confluent, ..idl(two, Some("A")) }).starts_with("input.framing: "));
    let twice = Input { schemas: [idl(two, None).schemas, idl(two, None).schemas].concat(), ..idl(two, Some("A")) };
    assert!(fault(&twice).starts_with("input.schemas: messages do not say which"));
    let bare = Input { message: Some("A".to_owned()), ..Input { schemas: vec![], ..idl("", None) } };
    assert!(fault(&bare).starts_with("input.message: a message is named, but no schema is given"));
}

/// A struct for both protocols, and what is in its fields 1 to 4.
#[derive(Clone, Debug)]
struct Sample {
    number: i64,
    text: String,
    flag: bool,
    inner: Option<Box<Sample>>,
}

fn samples() -> impl Strategy<Value = Sample> {
    let sample = |inner: Option<Box<Sample>>| {
        (any::<i64>(), ".{0,20}", any::<bool>()).prop_map(move |(number, text, flag)| Sample {
            number,
            text,
            flag,
            inner: inner.clone(),
        })
    };
    let inmost = sample(None);
    inmost.prop_flat_map(move |inner| sample(Some(Box::new(inner))))
}

// === impl Sample ===

impl Sample {
    fn binary(&self) -> Vec<u8> {
        let mut out = [&b"\x0a\x00\x01"[..], &self.number.to_be_bytes(), b"\x0b\x00\x02"].concat();
        out.extend(u32::try_from(self.text.len()).unwrap().to_be_bytes());
        out.extend(self.text.as_bytes());
        out.extend([2, 0, 3, u8::from(self.flag)]);
        if let Some(inner) = &self.inner {
            out.extend([12, 0, 4]);
            out.extend(inner.binary());
        }
        out.push(0);
        out
    }

    fn compact(&self) -> Vec<u8> {
        let mut out = vec![0x16];
        varint(&mut out, ((self.number << 1) ^ (self.number >> 63)).cast_unsigned());
        out.push(0x18);
        varint(&mut out, self.text.len() as u64);
        out.extend(self.text.as_bytes());
        out.push(if self.flag { 0x11 } else { 0x12 });
        if let Some(inner) = &self.inner {
            out.push(0x1c);
            out.extend(inner.compact());
        }
        out.push(0);
        out
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

proptest! {
    #[test]
    fn both_protocols_give_the_same_fields_and_no_end_is_missed(sample in samples()) {
        let inner = sample.inner.as_ref().unwrap();
        let paths = ["1", "2", "3", "4.1", "4.2", "4.3", "4.4"];
        let expected = [
            format!("integer {}", sample.number), format!("text {}", sample.text), sample.flag.to_string(),
            format!("integer {}", inner.number), format!("text {}", inner.text), inner.flag.to_string(),
            "missing".to_owned(),
        ];
        for (protocol, value) in [(ThriftProtocol::Binary, sample.binary()), (ThriftProtocol::Compact, sample.compact())] {
            prop_assert_eq!(&find(&mut of(protocol), &value, &paths).unwrap(), &expected);
            for end in 0..value.len() {
                prop_assert!(find(&mut of(protocol), &value[..end], &[]).is_err());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for protocol in [ThriftProtocol::Binary, ThriftProtocol::Compact] {
            let _ = find(&mut of(protocol), &bytes, &["1", "1.1"]);
        }
    }
}
