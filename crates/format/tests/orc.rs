//! Goal: an ORC file has the same bytes for ever, gives back what went in, and a damaged one is an error.
//! Method: files are made with the public encoder and compared with golden files; one is cut and turned over at every
//! byte. That others read them is tried in `tests/interop.rs`, and what the crate `secor-orc` does in its own tests.

use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{Compression, Content, Output, OutputFormat};
use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary, digest_file, read_file};

fn envelope(compression: Compression) -> Output {
    Output { format: OutputFormat::Orc, content: Content::Envelope, compression, ..Output::default() }
}

/// The records of `testdata/golden.py`.
fn encoded(output: &Output) -> (Vec<u8>, FileSummary) {
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"abc"));
    push_header(&mut headers, b"empty", None);
    push_header(&mut headers, b"\xff", Some(b""));
    let (long_key, long_value) = ([b'x'; 300], [b'v'; 3_000]);
    let record = |offset, timestamp, key, value| {
        let offset = Offset::new(offset).expect("not negative");
        Record { offset, timestamp, key, value, headers: &[] }
    };
    let records = [
        Record { headers: &headers, ..record(100, Some(1_700_000_000_000), Some(b"k1"), Some(b"hello")) },
        record(101, None, None, Some(b"")),
        record(105, Some(-5), Some(b""), None),
        record(70_000, Some(1_700_000_000_001), Some(&long_key), Some(&long_value)),
        record(1 << 40, Some(1), Some(b"\xff"), Some("grüße".as_bytes())),
    ];
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "clicks".into(), partition: 3 }, &codec);
    for record in &records {
        encoder.append(record, record.value, None, &mut codec, &mut out);
    }
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

#[test]
fn files_have_the_same_bytes_for_ever() {
    let (bytes, summary) = encoded(&envelope(Compression::None));
    let golden = include_bytes!("../testdata/envelope.orc");
    assert!(bytes == golden, "another file than the golden one");
    let read = digest_file(&envelope(Compression::None), false, &golden[..]).unwrap();
    assert_eq!((read.records, read.records_digest), (5, Some(summary.records_digest)));
    // a cell is a byte and its content, before which lists and texts have four bytes of length
    assert_eq!(summary.bytes, 106 + 37 + 45 + 3_349 + 57);
}

#[test]
fn a_file_cut_or_damaged_anywhere_is_an_error_and_no_panic() {
    let golden = include_bytes!("../testdata/envelope_snappy.orc");
    let output = envelope(Compression::Snappy);
    for end in 0..golden.len() {
        assert!(digest_file(&output, false, &golden[..end]).is_err(), "cut at {end}");
    }
    for at in 0..golden.len() {
        let mut damaged = golden.to_vec();
        damaged[at] ^= 0x55;
        // streams have no checksums: some damage gives other values, which the digests tell
        let _ = digest_file(&output, false, &damaged[..]);
    }
}

/// Goal: times that ORC's own type can't hold come back, and so does what a closed stripe holds.
/// Method: the milliseconds around 1970 and the ends of the range, in stripes of a few records.
#[test]
fn every_timestamp_comes_back() {
    let output = envelope(Compression::Zstd);
    let (mut codec, mut out) = (Codec::new(&output), Vec::new());
    let mut encoder = FileEncoder::new(&output, FileIdentity { topic: "t".into(), partition: 0 }, &codec);
    let times = [i64::MIN, -1_001, -1_000, -999, -1, 0, 1, 999, i64::MAX];
    for (offset, time) in (0..).zip(times) {
        let value = vec![b'v'; 100_000];
        let offset = Offset::new(offset).expect("not negative");
        let record = Record { offset, timestamp: Some(time), key: None, value: Some(&value), headers: &[] };
        encoder.append(&record, record.value, None, &mut codec, &mut out);
        if time == -1_000 || time == 1 {
            let before = out.len();
            encoder.flush_block(&mut codec, &mut out);
            assert!(out.len() > before, "a stripe was worth it");
        }
    }
    let _ = encoder.finish(&mut codec, &mut out);
    let read: Vec<_> = read_file(&output, false, &out[..]).map(|record| record.unwrap().timestamp.unwrap()).collect();
    assert_eq!(read, times);
}
