//! ORC: golden files, and times that ORC's own type can't hold. What the crate `secor-orc` does is tried in its own tests.

use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::{Compression, OutputFormat};
use secor_format::{Codec, FileEncoder, FileIdentity, read_file};

use crate::files::{assert_damage_is_told, assert_golden_envelope, encoded, envelope};

const ORC: OutputFormat = OutputFormat::Orc;

#[test]
fn files_have_the_same_bytes_for_ever() {
    let (bytes, _) = encoded(&envelope(ORC, Compression::None));
    let golden = include_bytes!("../../testdata/envelope.orc");
    assert!(bytes == golden, "another file than the golden one");
    assert_golden_envelope(ORC, golden);
}

#[test]
fn a_file_cut_or_damaged_anywhere_is_an_error_and_no_panic() {
    let golden = include_bytes!("../../testdata/envelope_snappy.orc");
    assert_damage_is_told(&envelope(ORC, Compression::Snappy), golden);
}

/// Goal: times that ORC's own type can't hold come back, and so does what a closed stripe holds.
/// Method: the milliseconds around 1970 and the ends of the range, in stripes of a few records.
#[test]
fn every_timestamp_comes_back() {
    let output = envelope(ORC, Compression::Zstd);
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
