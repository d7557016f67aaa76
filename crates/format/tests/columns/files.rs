//! The records of the golden files, files of them, and what holds for files of every format of columns.

use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{BadRecords, Compression, Content, Input, Output, OutputFormat, Shape, Timestamp};
use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary, digest_file};

pub fn envelope(format: OutputFormat, compression: Compression) -> Output {
    Output { format, content: Content::Envelope, compression, ..Output::default() }
}

pub fn shape(input: Input, output: Output) -> Shape {
    Shape {
        version: Shape::VERSION,
        input,
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output,
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}

/// The records of `testdata/golden.py`.
pub fn with_records(mut each: impl FnMut(&Record<'_>)) {
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"abc"));
    push_header(&mut headers, b"empty", None);
    push_header(&mut headers, b"\xff", Some(b""));
    let (long_key, long_value) = ([b'x'; 300], [b'v'; 3_000]);
    let record = |offset, timestamp, key, value| {
        let offset = Offset::new(offset).expect("not negative");
        Record { offset, timestamp, key, value, headers: &[] }
    };
    each(&Record { headers: &headers, ..record(100, Some(1_700_000_000_000), Some(b"k1"), Some(b"hello")) });
    each(&record(101, None, None, Some(b"")));
    each(&record(105, Some(-5), Some(b""), None));
    each(&record(70_000, Some(1_700_000_000_001), Some(&long_key), Some(&long_value)));
    each(&record(1 << 40, Some(1), Some(b"\xff"), Some("grüße".as_bytes())));
}

pub fn encoded(output: &Output) -> (Vec<u8>, FileSummary) {
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "clicks".into(), partition: 3 }, &codec);
    with_records(|record| encoder.append(record, record.value, None, &mut codec, &mut out));
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

/// The golden envelope is still read, and what it is made of is still counted and digested so.
pub fn assert_golden_envelope(format: OutputFormat, golden: &[u8]) {
    let output = envelope(format, Compression::None);
    let (_, summary) = encoded(&output);
    let read = digest_file(&output, false, golden).expect("readable");
    assert_eq!((read.records, read.records_digest), (5, Some(summary.records_digest)));
    // a cell is a byte and its content, before which lists and texts have four bytes of length
    assert_eq!(summary.bytes, 106 + 37 + 45 + 3_349 + 57);
}

/// A file cut or damaged anywhere is an error and no panic.
pub fn assert_damage_is_told(output: &Output, golden: &[u8]) {
    for end in 0..golden.len() {
        assert!(digest_file(output, false, &golden[..end]).is_err(), "cut at {end}");
    }
    for at in 0..golden.len() {
        let mut damaged = golden.to_vec();
        damaged[at] ^= 0x55;
        // neither pages nor streams have checksums: some damage gives other values, which the digests tell
        let _ = digest_file(output, false, &damaged[..]);
    }
}
