//! Goal: Avro files hold the values that were sent, by their writers' schemas or all by one, and nothing that could keep a
//! reader from their neighbours.
//! Method: messages of two schemas, interleaved, go through pipeline and encoder; the files are compared byte by byte with
//! golden ones that `testdata/golden_avro.py` made with fastavro, and read back. That others read them too is tried in
//! `tests/interop.rs`.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secor_core::ids::{Offset, WriterSchema};
use secor_core::record::Record;
use secor_core::shape::{
    BadRecords, Compression, Content, Input, InputFormat, MessageFraming, Output, OutputFormat, Schema, Shape,
    Timestamp,
};
use secor_format::{
    Codec, FileEncoder, FileIdentity, FileSummary, PartitionIdx, Pipeline, avro_content, digest_file, kept, read_file,
};

#[derive(serde::Deserialize)]
struct Golden {
    schemas: BTreeMap<String, String>,
    both: String,
    records: Vec<(i64, String)>,
    digests: BTreeMap<String, String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../testdata/values_avro.json")).expect("the golden cases")
}

fn values(compression: Compression) -> Output {
    Output { format: OutputFormat::Avro, compression, ..Output::default() }
}

fn shape(framing: MessageFraming, schemas: &[(&str, &str)], output: Output) -> Shape {
    let schema = |(name, text): &(&str, &str)| Schema {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
        includes: BTreeMap::new(),
    };
    let schemas = schemas.iter().map(schema).collect();
    Shape {
        version: Shape::VERSION,
        input: Input { format: InputFormat::Avro, framing, schemas, ..Input::default() },
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output,
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}

fn record(offset: i64, value: Option<&[u8]>) -> Record<'_> {
    Record { offset: Offset::new(offset).expect("not negative"), timestamp: None, key: None, value, headers: &[] }
}

type File = (Vec<u8>, FileSummary);

/// The golden messages in files of `output`, by the schemas that the files' names say.
fn files(output: &Output) -> BTreeMap<Option<WriterSchema>, File> {
    let golden = golden();
    let schemas: Vec<_> = golden.schemas.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    let mut pipeline = Pipeline::new(&shape(MessageFraming::Confluent, &schemas, output.clone())).expect("a shape");
    let mut codec = Codec::new(output);
    let mut open: BTreeMap<PartitionIdx, (FileEncoder, Vec<u8>)> = BTreeMap::new();
    for (offset, message) in &golden.records {
        let message = BASE64_STANDARD.decode(message).expect("base64");
        let record = record(*offset, Some(&message));
        let routed = pipeline.route(&record, 0).unwrap_or_else(|bad| panic!("{offset}: {bad}"));
        let (encoder, out) = open.entry(routed.partition).or_insert_with(|| {
            let schema = pipeline.file_schema(routed.partition).expect("files of values have one");
            let identity = FileIdentity { topic: "clicks".into(), partition: 3 };
            (FileEncoder::of_schema(output, identity, schema.text), Vec::new())
        });
        encoder.append(&record, routed.value.as_deref(), None, &mut codec, out);
    }
    let finished = open.into_iter().map(|(partition, (encoder, mut out))| {
        assert_eq!(pipeline.output_partition(partition), "");
        let summary = encoder.finish(&mut codec, &mut out);
        (pipeline.file_schema(partition).expect("as before").writer, (out, summary))
    });
    finished.collect()
}

fn assert_golden(file: &File, output: &Output, golden_file: &[u8], digest: &str) {
    let (bytes, summary) = file;
    assert_eq!(bytes, golden_file);
    assert_eq!(summary.values_digest.to_string(), digest);
    let read = digest_file(output, false, golden_file).expect("a whole file");
    assert_eq!((read.records, read.values_digest, read.records_digest), (summary.records, summary.values_digest, None));
    assert!(!kept(output, false).offset);
}

#[test]
fn a_file_for_each_schema_holds_the_data_as_they_came() {
    let output = values(Compression::None);
    let (files, golden) = (files(&output), golden());
    assert_eq!(files.keys().copied().collect::<Vec<_>>(), [17, 21].map(|id| Some(WriterSchema::Id(id))));
    for (id, file) in
        [(17, &include_bytes!("../testdata/values.s17.avro")[..]), (21, include_bytes!("../testdata/values.s21.avro"))]
    {
        assert_golden(&files[&Some(WriterSchema::Id(id))], &output, file, &golden.digests[&id.to_string()]);
        assert_eq!(avro_content(file), Content::Value);
    }
    assert_eq!(avro_content(include_bytes!("../testdata/envelope.avro")), Content::Envelope);
}

#[test]
fn one_file_holds_the_data_of_all_schemas_as_another_library_resolves_them() {
    let schema = golden().both;
    let of = |compression| Output { schema: Some(schema.clone()), ..values(compression) };
    let merged = files(&of(Compression::None));
    assert_eq!(merged.keys().copied().collect::<Vec<_>>(), [None]);
    let digest = &golden().digests["both"];
    assert_golden(&merged[&None], &of(Compression::None), include_bytes!("../testdata/values.avro"), digest);
    // a library's blocks, of another codec, are read too
    let foreign = digest_file(&of(Compression::None), false, &include_bytes!("../testdata/values_deflate.avro")[..]);
    assert_eq!(foreign.expect("a whole file").values_digest.to_string(), *digest);
    for compression in [Compression::Deflate, Compression::Snappy, Compression::Zstd, Compression::Bzip2] {
        let (bytes, summary) = &files(&of(compression))[&None];
        let read = digest_file(&of(compression), false, &bytes[..]).expect("a whole file");
        assert_eq!((read.records, read.values_digest), (40, summary.values_digest), "{compression:?}");
        assert_eq!(read.values_digest.to_string(), *digest, "{compression:?}");
    }
}

#[test]
fn data_are_printed_as_json() {
    let output = values(Compression::None);
    let lines = |file: &'static [u8]| {
        let texts = read_file(&output, false, file).map(|it| String::from_utf8(it.unwrap().value.unwrap()).unwrap());
        texts.collect::<Vec<_>>()
    };
    let first = lines(include_bytes!("../testdata/values.s17.avro"));
    assert_eq!(
        first[0],
        r#"{"id":0,"name":"","tags":[],"amount":"0.00","at":"2000-02-29T23:59:59.999Z","kind":"OPEN","#.to_owned()
            + r#""place":{"lat":52.5,"lon":-0.25},"counts":{},"raw":"Yg=="}"#
    );
    let second = lines(include_bytes!("../testdata/values.s21.avro"));
    assert_eq!(
        second[0],
        r#"{"kind":"OPEN","id":1099511627776,"label":"grüße","place":{"lat":1e+300,"lon":1.0},"#.to_owned()
            + r#""at":"1969-12-31T23:59:59.999Z","amount":"-12.50","by":"AP8KLA==","raw":"grüße"}"#
    );
}

#[test]
fn a_file_cut_or_damaged_anywhere_is_no_panic() {
    let golden = include_bytes!("../testdata/values.s17.avro");
    let output = values(Compression::None);
    for end in 0..golden.len() {
        let summary = digest_file(&output, false, &golden[..end]);
        // behind the header alone a file is whole, and empty
        assert!(summary.is_err() || summary.is_ok_and(|it| it.records == 0), "cut at {end}");
    }
    for at in 0..golden.len() {
        let mut damaged = golden.to_vec();
        damaged[at] ^= 0x55;
        let _ = digest_file(&output, false, &damaged[..]);
    }
}

#[test]
fn a_name_that_no_record_says_stands_in_no_name() {
    let output = values(Compression::None);
    let writer = |framing, schemas: &[(&str, &str)], message: &[u8]| {
        let mut pipeline = Pipeline::new(&shape(framing, schemas, output.clone())).expect("a shape");
        let routed = pipeline.route(&record(0, Some(message)), 0).expect("good");
        assert_eq!(routed.value.as_deref(), Some(&b"\x02"[..]));
        pipeline.file_schema(routed.partition).expect("there is one").writer
    };
    assert_eq!(writer(MessageFraming::None, &[("x", "\"long\"")], b"\x02"), None);
    // the published fingerprint of an int
    let fingerprint = 8_247_732_601_305_521_295_u64;
    let single = [&b"\xc3\x01"[..], &fingerprint.to_le_bytes(), b"\x02"].concat();
    let schemas = [("x", "\"long\""), ("y", "\"int\"")];
    assert_eq!(writer(MessageFraming::SingleObject, &schemas, &single), Some(WriterSchema::Fingerprint(fingerprint)));
}

/// The verdict on a value of a schema, without frame: what would be stored, or what is wrong.
fn verdict(schema: &str, output: &Output, value: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let mut pipeline = Pipeline::new(&shape(MessageFraming::None, &[("s", schema)], output.clone())).expect("a shape");
    let routed = pipeline.route(&record(0, value), 0).map_err(|bad| bad.to_string())?;
    Ok(routed.value.expect("a datum").into_owned())
}

/// What a reader in Java, or one that builds all it is told of, can't read: its neighbours would be lost with it.
#[test]
fn what_would_spoil_its_neighbours_is_bad() {
    let (output, envelope) =
        (values(Compression::None), Output { content: Content::Envelope, ..values(Compression::None) });
    let nothings = r#"{"type":"array","items":{"type":"record","name":"N","fields":[]}}"#;
    let maps = r#"{"type":"map","values":"null"}"#;
    let most = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";
    for (schema, value, why) in [
        ("\"int\"", &b"\x82\x80\x80\x80\x80\x00"[..], "a number that is longer than it must be at byte 0"),
        ("\"long\"", b"\x80\x00", "a number that is longer than it must be at byte 0"),
        ("\"string\"", b"\x82\x00a", "a number that is longer than it must be at byte 0"),
        (r#"["null"]"#, b"\x80\x00", "a number that is longer than it must be at byte 0"),
        (nothings, most, "too many items without bytes at byte 10"),
        (nothings, b"\x80\x10\x02\x00", "too many items without bytes at byte 3"),
    ] {
        assert_eq!(verdict(schema, &output, Some(value)), Err(format!("not_avro: {why}")), "{schema} {value:?}");
        assert!(verdict(schema, &envelope, Some(value)).is_ok(), "an envelope holds it: {schema} {value:?}");
    }
    for (schema, value) in [
        ("\"long\"", &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..]),
        (nothings, b"\x80\x10\x00"),
        (nothings, b"\x00"),
        (maps, b"\x02\x02a\x00"),
        ("\"null\"", b""),
    ] {
        assert_eq!(verdict(schema, &output, Some(value)), Ok(value.to_vec()), "{schema}");
    }
    for (schema, value) in [
        ("\"boolean\"", &b"\x02"[..]),
        ("\"string\"", b"\x02\xff"),
        ("\"long\"", b"\x02\x02"),
        (r#"["null"]"#, b"\x02"),
        (r#"{"type":"array","items":"int"}"#, b"\x01\x04\x02\x00"),
        (r#"{"type":"array","items":"int"}"#, most),
    ] {
        assert!(verdict(schema, &output, Some(value)).is_err(), "{schema} {value:?}");
    }
}

#[test]
fn a_tombstone_is_bad_unless_the_files_schema_has_null() {
    let by = |schema: Option<&str>| Output { schema: schema.map(str::to_owned), ..values(Compression::None) };
    let without = Err("null_value: a null value has no schema".to_owned());
    assert_eq!(verdict(r#"["null","int"]"#, &by(None), None), without);
    let none = "null_value: the value is null, and the output's schema is no union with `null`".to_owned();
    assert_eq!(verdict("\"int\"", &by(Some("\"long\"")), None), Err(none));
    assert_eq!(verdict("\"int\"", &by(Some(r#"["long","null"]"#)), None), Ok(b"\x02".to_vec()));
    assert_eq!(verdict("\"int\"", &by(Some(r#"["long","null"]"#)), Some(b"\x06")), Ok(b"\x00\x06".to_vec()));
    assert_eq!(verdict("\"null\"", &by(Some("\"null\"")), None), Ok(vec![]));
}

#[test]
fn the_deepest_datum_is_read_back() {
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let output = values(Compression::None);
    let datum = [&b"\x02".repeat(126)[..], b"\x00"].concat();
    assert_eq!(verdict(list, &output, Some(&datum)), Ok(datum.clone()));
    let (mut codec, mut out) = (Codec::new(&output), Vec::new());
    let identity = FileIdentity { topic: "t".into(), partition: 0 };
    let mut encoder = FileEncoder::of_schema(&output, identity, list.into());
    encoder.append(&record(0, Some(b"")), Some(&datum), None, &mut codec, &mut out);
    let summary = encoder.finish(&mut codec, &mut out);
    assert_eq!(digest_file(&output, false, &out[..]).expect("a whole file").values_digest, summary.values_digest);
}

/// A block of a hundred thousand of them ends, and all are counted.
#[test]
fn data_without_bytes_are_counted_all_the_same() {
    let output = values(Compression::Zstd);
    let (mut codec, mut out) = (Codec::new(&output), Vec::new());
    let identity = FileIdentity { topic: "t".into(), partition: 0 };
    let mut encoder = FileEncoder::of_schema(&output, identity, "\"null\"".into());
    for offset in 0..150_000 {
        encoder.append(&record(offset, Some(b"")), Some(b""), None, &mut codec, &mut out);
    }
    let summary = encoder.finish(&mut codec, &mut out);
    let read = digest_file(&output, false, &out[..]).expect("a whole file");
    assert_eq!((read.records, read.values_digest), (150_000, summary.values_digest));
    assert!(out.len() < 300, "{}", out.len());
}

#[test]
fn impossible_shapes_are_told_with_their_keys() {
    let told = |schemas: &[(&str, &str)], schema: &str| {
        let output = Output { schema: Some(schema.to_owned()), ..values(Compression::None) };
        let faults = Pipeline::new(&shape(MessageFraming::None, schemas, output)).err().map(|error| error.faults);
        let said = faults.into_iter().flatten().map(|fault| format!("{}: {}", fault.key, fault.message));
        said.collect::<Vec<_>>().join("; ")
    };
    let record = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
    let more = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"int"}]}"#;
    let given = [("s", record)];
    assert_eq!(told(&given, record), "");
    assert!(told(&given, "struct<a:bigint>").starts_with("output.schema: it is no Avro schema: "));
    assert_eq!(
        told(&given, more),
        "output.schema: no value of the input's schema number 1 can become one of this: field `b` is missing, and has no default"
    );
    let bad_default = more.replace(r#""int"}"#, r#""int","default":"x"}"#);
    assert!(told(&given, &bad_default).contains("default"), "{}", told(&given, &bad_default));
    let json = Input { format: InputFormat::Json, ..Input::default() };
    let shape = Shape { input: json, ..shape(MessageFraming::None, &[], values(Compression::None)) };
    let faults = Pipeline::new(&shape).err().expect("impossible").faults;
    assert_eq!(faults.iter().map(|fault| fault.key.as_str()).collect::<Vec<_>>(), ["output.content"]);
}
