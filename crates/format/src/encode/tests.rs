//! What is written is held by golden files that a Python script made from `docs/formats.md`. Compressed bytes are the
//! libraries' business; their content and everything around them is held.

use std::sync::Arc;

use secor_core::record::push_header;
use secor_core::shape::{Compression, EnvelopeBytes, SequenceCompression, SequenceKey};

use super::*;
use crate::bad::BadReason;

/// The records of `testdata/golden.py`.
fn with_records(mut each: impl FnMut(&Record<'_>)) {
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"abc"));
    push_header(&mut headers, b"empty", None);
    push_header(&mut headers, b"\xff", Some(b""));
    let (long_key, long_value) = ([b'x'; 300], [b'v'; 3_000]);
    let record = |offset, timestamp, key, value| {
        let offset = Offset::new(offset).unwrap();
        Record { offset, timestamp, key, value, headers: &[] }
    };
    each(&Record { headers: &headers, ..record(100, Some(1_700_000_000_000), Some(b"k1"), Some(b"hello")) });
    each(&record(101, None, None, Some(b"")));
    each(&record(105, Some(-5), Some(b""), None));
    each(&record(70_000, Some(1_700_000_000_001), Some(&long_key), Some(&long_value)));
    each(&record(1 << 40, Some(1), Some(b"\xff"), Some("grüße".as_bytes())));
}

fn identity() -> FileIdentity {
    FileIdentity { topic: Arc::from("clicks"), partition: 3 }
}

fn output(format: OutputFormat, compression: Compression) -> Output {
    Output { format, compression, ..Output::default() }
}

fn encoded(output: &Output) -> (Vec<u8>, FileSummary) {
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, identity(), &codec);
    with_records(|record| encoder.append(record, record.value, Some(7), &mut codec, &mut out));
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

fn encoded_dead_letters() -> (Vec<u8>, FileSummary) {
    let (mut codec, mut out) = (Codec::new(&Output::default()), Vec::new());
    let mut encoder = FileEncoder::dead_letters(identity());
    let bad = BadReason::NotJson.with("expected `{` at byte 0");
    with_records(|record| encoder.append_bad(record, &bad, &mut codec, &mut out));
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

fn golden_digest(of: &str) -> Digest {
    let digests: serde_json::Value = serde_json::from_str(include_str!("../../testdata/digests.json")).unwrap();
    Digest::try_from(digests[of].as_str().unwrap()).unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut content).unwrap();
    content
}

#[test]
fn text_is_golden() {
    let golden = include_bytes!("../../testdata/text.txt");
    assert_eq!(encoded(&output(OutputFormat::Text, Compression::None)).0, golden);
    assert_eq!(gunzip(&encoded(&output(OutputFormat::Text, Compression::Gzip)).0), golden);
    let zstd = encoded(&output(OutputFormat::Text, Compression::Zstd)).0;
    assert_eq!(zstd::stream::decode_all(&zstd[..]).unwrap(), golden);
}

#[test]
fn dead_letters_are_golden() {
    assert_eq!(gunzip(&encoded_dead_letters().0), include_bytes!("../../testdata/dead_letters.json"));
}

#[test]
fn envelopes_are_golden() {
    let envelope = Output { content: Content::Envelope, ..output(OutputFormat::Json, Compression::None) };
    assert_eq!(encoded(&envelope).0, include_bytes!("../../testdata/envelope.json"));
    let base64 = EnvelopeBytes::Base64;
    let base64 = Output { envelope_key: base64, envelope_value: base64, envelope_headers: base64, ..envelope };
    assert_eq!(encoded(&base64).0, include_bytes!("../../testdata/envelope_base64.json"));
    let avro = Output { content: Content::Envelope, ..output(OutputFormat::Avro, Compression::None) };
    assert_eq!(encoded(&avro).0, include_bytes!("../../testdata/envelope.avro"));
}

#[test]
fn uncompressed_sequence_files_are_golden() {
    let offset_keys = output(OutputFormat::Sequence, Compression::None);
    assert_eq!(encoded(&offset_keys).0, include_bytes!("../../testdata/sequence_plain"));
    let messagepack_keys = Output { sequence_key: SequenceKey::Messagepack, ..offset_keys };
    assert_eq!(encoded(&messagepack_keys).0, include_bytes!("../../testdata/sequence_messagepack"));
}

#[test]
fn headers_of_compressed_sequence_files_are_golden() {
    let of = |compression, sequence_compression, sequence_key| {
        let output = output(OutputFormat::Sequence, compression);
        encoded(&Output { sequence_compression, sequence_key, ..output }).0
    };
    let gzip_record = of(Compression::Gzip, SequenceCompression::Record, SequenceKey::Offset);
    let gzip_block = of(Compression::Gzip, SequenceCompression::Block, SequenceKey::Offset);
    let zstd_block = of(Compression::Zstd, SequenceCompression::Block, SequenceKey::Messagepack);
    let snappy_block = of(Compression::Snappy, SequenceCompression::Block, SequenceKey::Messagepack);
    let lz4_record = of(Compression::Lz4, SequenceCompression::Record, SequenceKey::Offset);
    let bzip2_block = of(Compression::Bzip2, SequenceCompression::Block, SequenceKey::Offset);
    let deflate_record = of(Compression::Deflate, SequenceCompression::Record, SequenceKey::Offset);
    for (ours, golden) in [
        (&gzip_record, &include_bytes!("../../testdata/sequence_record.gz")[..]),
        (&gzip_block, include_bytes!("../../testdata/sequence_block.gz")),
        (&zstd_block, include_bytes!("../../testdata/sequence_block.zst")),
        (&snappy_block, include_bytes!("../../testdata/sequence_block.snappy")),
        (&lz4_record, include_bytes!("../../testdata/sequence_record.lz4")),
        (&bzip2_block, include_bytes!("../../testdata/sequence_block.bz2")),
        (&deflate_record, include_bytes!("../../testdata/sequence_record.deflate")),
    ] {
        // the marker stands at the end of every header, and is the same in all of these files
        let sync = sync_of(include_bytes!("../../testdata/sequence_plain"));
        let header = golden.windows(SYNC_BYTES).position(|window| window == sync).unwrap() + SYNC_BYTES;
        assert_eq!(ours[..header], golden[..header]);
    }
}

/// Behind `SEQ`, version, two class names, two flags and the count of metadata.
fn sync_of(plain: &[u8]) -> [u8; SYNC_BYTES] {
    let names = class::LONG_WRITABLE.len() + class::BYTES_WRITABLE.len() + 2;
    plain[4 + names + 2 + 4..][..SYNC_BYTES].try_into().unwrap()
}

#[test]
fn summaries_tell_what_the_manifest_needs() {
    let (_, summary) = encoded(&output(OutputFormat::Text, Compression::Gzip));
    let expected = FileSummary {
        records: 5,
        first_offset: Offset::new(100).unwrap(),
        last_offset: Offset::new(1 << 40).unwrap(),
        timestamps: Some([-5, 1_700_000_000_001]),
        event_times: Some([7, 7]),
        bytes: include_bytes!("../../testdata/text.txt").len() as u64,
        records_digest: golden_digest("records"),
        values_digest: golden_digest("values"),
    };
    assert_eq!(summary, expected);
    let (_, letters) = encoded_dead_letters();
    let bytes = include_bytes!("../../testdata/dead_letters.json").len() as u64;
    assert_eq!(letters, FileSummary { event_times: None, bytes, ..expected.clone() });
    // each key 8 bytes, each value 4 bytes longer than itself
    let (_, sequence) = encoded(&output(OutputFormat::Sequence, Compression::Gzip));
    assert_eq!(sequence, FileSummary { bytes: 5 * 12 + 5 + 3_000 + 7, ..expected });
}

/// Records enough for several blocks.
pub(crate) fn long_file(
    output: &Output,
    mut after_each: impl FnMut(u64, &mut FileEncoder, &mut Codec, &mut Vec<u8>),
) -> Vec<u8> {
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, identity(), &codec);
    for i in 0..3_000 {
        let value = format!("{{\"n\":{i},\"text\":\"{}\"}}", "abcdefghij".repeat(usize::try_from(i % 97).unwrap()));
        let offset = Offset::new(i).unwrap();
        let record = Record { offset, timestamp: Some(i), key: None, value: Some(value.as_bytes()), headers: &[] };
        encoder.append(&record, record.value, None, &mut codec, &mut out);
        after_each(i.unsigned_abs(), &mut encoder, &mut codec, &mut out);
    }
    let _ = encoder.finish(&mut codec, &mut out);
    out
}

#[test]
fn a_value_longer_than_a_block_costs_no_more_memory_than_a_block() {
    let output = output(OutputFormat::Text, Compression::Gzip);
    let (mut codec, mut out) = (Codec::new(&output), Vec::new());
    let mut encoder = FileEncoder::new(&output, identity(), &codec);
    let block_bytes = codec.output().block_bytes();
    let value = vec![b'x'; 3 * block_bytes + 5];
    let record = Record { offset: Offset::ZERO, timestamp: None, key: None, value: Some(&value), headers: &[] };
    encoder.append(&record, record.value, None, &mut codec, &mut out);
    assert!(encoder.buffered_bytes() <= block_bytes);
    let _ = encoder.finish(&mut codec, &mut out);
    assert_eq!(gunzip(&out).len(), value.len() + 1);
}
