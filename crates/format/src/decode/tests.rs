use proptest::prelude::*;
use secor_core::record::push_header;
use secor_core::shape::{SequenceCompression, Statistics};

use super::*;
use crate::bad::BadReason;
use crate::encode::tests::long_file;
use crate::encode::{Codec, FileEncoder, FileIdentity};
use crate::stored::check_output;

fn output(format: OutputFormat, compression: Compression, sequence_key: SequenceKey) -> Output {
    Output { format, compression, sequence_key, ..Output::default() }
}

/// The golden files with what they are; `golden.py` and `golden_formats.py` made them, those of Parquet and ORC the encoder.
fn goldens() -> Vec<(&'static str, Output, bool, &'static [u8])> {
    use Compression::{Bzip2, Deflate, Gzip, Lz4, Lzo, None, Snappy, Zstd};
    use SequenceKey::{Messagepack, Offset};
    let text = |compression| output(OutputFormat::Text, compression, Offset);
    let streamed = |compression| Output { framing: Some(Framing::Stream), ..text(compression) };
    let sequence = |compression, key| output(OutputFormat::Sequence, compression, key);
    let envelope = |format| Output { content: Content::Envelope, ..output(format, None, Offset) };
    let json = || envelope(OutputFormat::Json);
    let base64 = EnvelopeBytes::Base64;
    let base64 = Output { envelope_key: base64, envelope_value: base64, envelope_headers: base64, ..json() };
    vec![
        ("text.txt", text(None), false, include_bytes!("../../testdata/text.txt")),
        ("text.gz", text(Gzip), false, include_bytes!("../../testdata/text.gz")),
        ("text.zst", text(Zstd), false, include_bytes!("../../testdata/text.zst")),
        ("text.snappy", text(Snappy), false, include_bytes!("../../testdata/text.snappy")),
        ("text.sz", streamed(Snappy), false, include_bytes!("../../testdata/text.sz")),
        ("text.lz4", text(Lz4), false, include_bytes!("../../testdata/text.lz4")),
        (
            "text.hadoop.lz4",
            Output { framing: Some(Framing::Hadoop), ..text(Lz4) },
            false,
            include_bytes!("../../testdata/text.hadoop.lz4"),
        ),
        ("text.bz2", text(Bzip2), false, include_bytes!("../../testdata/text.bz2")),
        ("text.deflate", text(Deflate), false, include_bytes!("../../testdata/text.deflate")),
        ("text.lzo", text(Lzo), false, include_bytes!("../../testdata/text.lzo")),
        ("dead letters", text(None), true, include_bytes!("../../testdata/dead_letters.json.gz")),
        ("plain", sequence(None, Offset), false, include_bytes!("../../testdata/sequence_plain")),
        ("messagepack", sequence(None, Messagepack), false, include_bytes!("../../testdata/sequence_messagepack")),
        ("record.gz", sequence(Gzip, Offset), false, include_bytes!("../../testdata/sequence_record.gz")),
        ("block.gz", sequence(Gzip, Offset), false, include_bytes!("../../testdata/sequence_block.gz")),
        ("block.zst", sequence(Zstd, Messagepack), false, include_bytes!("../../testdata/sequence_block.zst")),
        ("block.snappy", sequence(Snappy, Messagepack), false, include_bytes!("../../testdata/sequence_block.snappy")),
        ("record.lz4", sequence(Lz4, Offset), false, include_bytes!("../../testdata/sequence_record.lz4")),
        ("block.bz2", sequence(Bzip2, Offset), false, include_bytes!("../../testdata/sequence_block.bz2")),
        ("record.deflate", sequence(Deflate, Offset), false, include_bytes!("../../testdata/sequence_record.deflate")),
        ("envelope.json", json(), false, include_bytes!("../../testdata/envelope.json")),
        ("base64", base64, false, include_bytes!("../../testdata/envelope_base64.json")),
        ("avro", envelope(OutputFormat::Avro), false, include_bytes!("../../testdata/envelope.avro")),
        ("deflate", envelope(OutputFormat::Avro), false, include_bytes!("../../testdata/envelope_deflate.avro")),
        ("snappy", envelope(OutputFormat::Avro), false, include_bytes!("../../testdata/envelope_snappy.avro")),
        ("zstandard", envelope(OutputFormat::Avro), false, include_bytes!("../../testdata/envelope_zstandard.avro")),
        ("bzip2", envelope(OutputFormat::Avro), false, include_bytes!("../../testdata/envelope_bzip2.avro")),
        ("parquet", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope.parquet")),
        ("gzip", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope_gzip.parquet")),
        ("zstd", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope_zstd.parquet")),
        ("snappy", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope_snappy.parquet")),
        ("lz4", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope_lz4.parquet")),
        ("brotli", envelope(OutputFormat::Parquet), false, include_bytes!("../../testdata/envelope_brotli.parquet")),
        ("orc", envelope(OutputFormat::Orc), false, include_bytes!("../../testdata/envelope.orc")),
        ("zlib", envelope(OutputFormat::Orc), false, include_bytes!("../../testdata/envelope_deflate.orc")),
        ("snappy", envelope(OutputFormat::Orc), false, include_bytes!("../../testdata/envelope_snappy.orc")),
        ("lz4", envelope(OutputFormat::Orc), false, include_bytes!("../../testdata/envelope_lz4.orc")),
        ("zstd", envelope(OutputFormat::Orc), false, include_bytes!("../../testdata/envelope_zstd.orc")),
    ]
}

fn golden_digest(of: &str) -> String {
    let digests: serde_json::Value = serde_json::from_str(include_str!("../../testdata/digests.json")).unwrap();
    digests[of].as_str().unwrap().to_owned()
}

/// Whole records, as far as files of `output` give them back.
fn golden_records(output: &Output, dead_letters: bool) -> Vec<Archived> {
    let kept = kept(output, dead_letters);
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"abc"));
    push_header(&mut headers, b"empty", None);
    push_header(&mut headers, b"\xff", Some(b""));
    let record = |offset, timestamp, key: Option<&[u8]>, value: Option<&[u8]>| Archived {
        offset: kept.offset.then(|| Offset::new(offset).unwrap()),
        timestamp: if kept.timestamp { timestamp } else { None },
        key: key.filter(|key| kept.key && (kept.nulls || !key.is_empty())).map(<[u8]>::to_vec),
        headers: if offset == 100 && kept.headers { headers.clone() } else { Vec::new() },
        value: if kept.nulls { value.map(<[u8]>::to_vec) } else { Some(value.unwrap_or_default().to_vec()) },
        row: None,
        bad: dead_letters.then(|| BadReason::NotJson.with("expected `{` at byte 0")),
    };
    vec![
        record(100, Some(1_700_000_000_000), Some(b"k1"), Some(b"hello")),
        record(101, None, None, Some(b"")),
        record(105, Some(-5), Some(b""), None),
        record(70_000, Some(1_700_000_000_001), Some(&[b'x'; 300]), Some(&[b'v'; 3_000])),
        record(1 << 40, Some(1), Some(b"\xff"), Some("grüße".as_bytes())),
    ]
}

#[test]
fn golden_files_give_their_records_back() {
    for (name, output, dead_letters, bytes) in goldens() {
        let read: Result<Vec<_>, _> = read_file(&output, dead_letters, bytes).collect();
        let read = read.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(read, golden_records(&output, dead_letters), "{name}");
    }
}

#[test]
fn golden_files_have_the_golden_digests() {
    for (name, output, dead_letters, bytes) in goldens() {
        let summary = digest_file(&output, dead_letters, bytes).unwrap();
        assert_eq!(summary.records, 5, "{name}");
        assert_eq!(summary.values_digest.to_string(), golden_digest("values"), "{name}");
        let records_digest = summary.records_digest.map(|digest| digest.to_string());
        assert_eq!(records_digest, kept(&output, dead_letters).whole.then(|| golden_digest("records")), "{name}");
        let offsets = summary.first_offset.zip(summary.last_offset).map(|(first, last)| (first.get(), last.get()));
        assert_eq!(offsets, kept(&output, dead_letters).offset.then_some((100, 1 << 40)), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_ends_at_a_record() {
    for (name, output, dead_letters, bytes) in goldens() {
        let whole = golden_records(&output, dead_letters);
        let mut clean_ends = 0;
        for end in 0..bytes.len() {
            let read: Result<Vec<_>, _> = read_file(&output, dead_letters, &bytes[..end]).collect();
            if let Ok(records) = read {
                // the boundary itself can't be told from the end: the manifest's count can
                assert!(records.len() < whole.len() && whole.starts_with(&records), "{name} cut at {end}");
                clean_ends += 1;
            }
        }
        // compressed files are cut within a record or a frame, except before the first
        let allowed = match output.compression {
            _ if dead_letters => 1,
            Compression::None => 1 + 2 * whole.len(),
            _ => 2 + whole.len(),
        };
        assert!(clean_ends <= allowed, "{name}: {clean_ends}");
    }
}

#[test]
fn damage_is_told_with_its_record() {
    let text = Output::default();
    let error = |output: &Output, dead_letters, bytes: &[u8]| {
        let mut reader = read_file(output, dead_letters, bytes);
        let error = reader.by_ref().find_map(Result::err).unwrap();
        assert!(reader.next().is_none(), "over after an error");
        error.to_string()
    };
    assert_eq!(error(&text, false, b"a\nb\nc"), "the file ends within record 2");
    let sequence = output(OutputFormat::Sequence, Compression::None, SequenceKey::Offset);
    assert_eq!(error(&sequence, false, b"PAR1"), "record 0: no SequenceFile of version 6");
    let mut plain = include_bytes!("../../testdata/sequence_plain").to_vec();
    // behind `SEQ`, version, two class names, two flags and the count of metadata
    let header = 4 + 1 + "org.apache.hadoop.io.LongWritable".len() + 1 + "org.apache.hadoop.io.BytesWritable".len() + 6;
    let sync: [u8; 16] = plain[header..][..16].try_into().unwrap();
    let second = plain.windows(16).rposition(|window| *window == sync).unwrap();
    assert!(second > header);
    plain[second] ^= 1;
    assert_eq!(error(&sequence, false, &plain), "record 4: the sync marker is not that of the header");
    let gzip = output(OutputFormat::Text, Compression::Gzip, SequenceKey::Offset);
    let mut damaged = include_bytes!("../../testdata/text.gz").to_vec();
    let middle = damaged.len() - 12;
    damaged[middle] ^= 0x55;
    let verdict = error(&gzip, false, &damaged);
    assert!(verdict == "the compressed bytes are damaged" || verdict.starts_with("the file ends"), "{verdict}");
    assert_eq!(error(&gzip, false, b"no gzip at all\n"), "the compressed bytes are damaged");
    let zstd = output(OutputFormat::Text, Compression::Zstd, SequenceKey::Offset);
    assert_eq!(error(&zstd, false, b"no zstd at all\n"), "the compressed bytes are damaged");
    let letters = |line: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, line.as_bytes()).unwrap();
        error(&text, true, &gzip.finish().unwrap())
    };
    assert!(letters("{}\n").starts_with("record 0: missing field `reason`"));
    let line = r#"{"reason":"not_json","detail":"","offset":-1,"timestamp":null,"key":null,"headers":[],"value":null}"#;
    assert_eq!(letters(&format!("{line}\n")), "record 0: offset `-1` is negative");
    assert!(letters(&line.replace("not_json", "too_old")).starts_with("the file ends within record 0"));
    assert!(letters(&format!("{}\n", line.replace("not_json", "too_old"))).contains("unknown variant `too_old`"));
}

#[test]
fn a_delimiter_of_several_bytes_is_met_as_the_writer_meant() {
    let output = Output { delimiter: "aab".to_owned(), ..Output::default() };
    let read: Vec<_> = read_file(&output, false, &b"xaaabaabbaab"[..]).map(|it| it.unwrap().value.unwrap()).collect();
    assert_eq!(read, [&b"xa"[..], b"", b"b"]);
}

#[test]
fn the_digest_of_values_is_over_what_is_stored() {
    let output = Output::default();
    let (mut codec, mut out) = (Codec::new(&output), Vec::new());
    let mut encoder = FileEncoder::new(&output, FileIdentity { topic: "t".into(), partition: 0 }, &codec);
    let record = Record { offset: Offset::ZERO, timestamp: None, key: None, value: Some(b"{\n}"), headers: &[] };
    encoder.append(&record, Some(b"{ }"), None, &mut codec, &mut out);
    let summary = encoder.finish(&mut codec, &mut out);
    assert_eq!(out, b"{ }\n");
    let read = digest_file(&output, false, &out[..]).unwrap();
    assert_eq!((read.values_digest, read.records), (summary.values_digest, 1));
    let mut original = RecordDigests::new();
    original.push(&record);
    assert_eq!(summary.records_digest, original.records());
    assert_ne!(summary.values_digest, original.values());
}

const ALL_CODECS: [Compression; 9] = [
    Compression::None,
    Compression::Gzip,
    Compression::Zstd,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Bzip2,
    Compression::Deflate,
    Compression::Lzo,
    Compression::Brotli,
];

/// Every format with every codec and framing that it has; of CSV a single column would be any bytes.
fn all_outputs() -> Vec<Output> {
    let mut all = Vec::new();
    for compression in ALL_CODECS {
        for framing in [None, Some(Framing::Hadoop), Some(Framing::Stream)] {
            let output = |format| Output { framing, ..output(format, compression, SequenceKey::Offset) };
            all.push(output(OutputFormat::Text));
            let envelope = Output { content: Content::Envelope, ..output(OutputFormat::Json) };
            all.push(Output { envelope_value: EnvelopeBytes::Base64, ..envelope.clone() });
            all.push(envelope);
            all.push(Output { content: Content::Envelope, ..output(OutputFormat::Avro) });
            all.push(Output { content: Content::Envelope, ..output(OutputFormat::Orc) });
            let parquet = Output { content: Content::Envelope, ..output(OutputFormat::Parquet) };
            let (row_group_rows, row_group_bytes) = (700, 150_000);
            all.push(Output { row_group_rows, bloom_filters: vec!["key".to_owned()], ..parquet.clone() });
            all.push(Output { row_group_bytes, statistics: Statistics::None, dictionary: false, ..parquet });
            for sequence_compression in [SequenceCompression::Block, SequenceCompression::Record] {
                for sequence_key in [SequenceKey::Offset, SequenceKey::Messagepack] {
                    let output = output(OutputFormat::Sequence);
                    all.push(Output { sequence_compression, sequence_key, ..output });
                }
            }
        }
    }
    let is_possible = |output: &Output| {
        let mut faults = 0;
        check_output(output, &Default::default(), &mut |_, _, _| faults += 1);
        faults == 0
    };
    all.retain(is_possible);
    all
}

#[test]
fn the_same_records_give_the_same_bytes() {
    for output in all_outputs() {
        let first = long_file(&output, |_, _, _, _| {});
        assert!(first == long_file(&output, |_, _, _, _| {}), "{output:?}");
    }
}

#[test]
fn pending_memory_is_bounded_and_closing_blocks_early_keeps_the_content() {
    for output in all_outputs() {
        let whole = long_file(&output, |_, encoder, _, _| {
            assert!(encoder.buffered_bytes() <= 4 * 1_024 * 1_024);
        });
        let hurried = long_file(&output, |i, encoder, codec, out| {
            if i % 500 == 499 {
                encoder.flush_block(codec, out);
                // what the footer will say stays, and what is not worth a row group or a stripe
                let is_columnar = matches!(output.format, OutputFormat::Parquet | OutputFormat::Orc);
                let left = if is_columnar { 160 << 10 } else { 0 };
                assert!(encoder.buffered_bytes() <= left);
            }
        });
        let read = |bytes: &[u8]| digest_file(&output, false, bytes).unwrap();
        assert_eq!(read(&whole), read(&hurried), "{output:?}");
        assert_eq!(read(&whole).records, 3_000);
    }
}

#[derive(Clone, Debug)]
struct Owned {
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || prop::collection::vec(any::<u8>().prop_filter("the delimiter", |&byte| byte != b'|'), 0..80);
    let long = prop::collection::vec(Just(b'x'), 60_000..70_000);
    let headers = prop::collection::vec((bytes(), prop::option::of(bytes())), 0..3);
    let value = prop::option::of(prop_oneof![9 => bytes(), 1 => long]);
    let timestamp = prop::option::of(prop_oneof![any::<i64>(), -200..200i64, 0..100_000i64]);
    (timestamp, prop::option::of(bytes()), value, headers).prop_map(|(timestamp, key, value, headers)| Owned {
        timestamp,
        key,
        value,
        headers,
    })
}

fn shapes() -> impl Strategy<Value = (Output, bool)> {
    let all: Vec<_> = all_outputs().into_iter().map(|it| Output { delimiter: "|".to_owned(), ..it }).collect();
    (prop::sample::select(all), prop::bool::weighted(0.1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_is_read((output, dead_letters) in shapes(), records in prop::collection::vec(owned(), 1..40)) {
        let (mut codec, mut bytes) = (Codec::new(&output), Vec::new());
        let identity = FileIdentity { topic: "t".into(), partition: 0 };
        let mut encoder = if dead_letters {
            FileEncoder::dead_letters(identity)
        } else {
            FileEncoder::new(&output, identity, &codec)
        };
        let kept = kept(&output, dead_letters);
        let mut expected = Vec::new();
        for (i, owned) in records.iter().enumerate() {
            let mut headers = Vec::new();
            for (name, value) in &owned.headers {
                push_header(&mut headers, name, value.as_deref());
            }
            let record = Record {
                offset: Offset::new(1_000_000_007 * i as i64).unwrap(),
                timestamp: owned.timestamp,
                key: owned.key.as_deref(),
                value: owned.value.as_deref(),
                headers: &headers,
            };
            let bad = BadReason::TimestampBad.with("`\"x\"`\n");
            if dead_letters {
                encoder.append_bad(&record, &bad, &mut codec, &mut bytes);
            } else {
                encoder.append(&record, record.value, None, &mut codec, &mut bytes);
            }
            expected.push(Archived {
                offset: Some(record.offset).filter(|_| kept.offset),
                timestamp: record.timestamp.filter(|_| kept.timestamp),
                key: owned.key.clone().filter(|key| kept.key && (kept.nulls || !key.is_empty())),
                value: if kept.nulls { owned.value.clone() } else { Some(owned.value.clone().unwrap_or_default()) },
                headers: if kept.headers { headers.clone() } else { Vec::new() },
                row: None,
                bad: Some(bad).filter(|_| dead_letters),
            });
        }
        let written = encoder.finish(&mut codec, &mut bytes);
        let read: Vec<_> = read_file(&output, dead_letters, &bytes[..]).map(Result::unwrap).collect();
        prop_assert_eq!(read, expected);
        let summary = digest_file(&output, dead_letters, &bytes[..]).unwrap();
        prop_assert_eq!((summary.records, summary.values_digest), (written.records, written.values_digest));
        prop_assert_eq!(summary.records_digest, kept.whole.then_some(written.records_digest));
    }

    // whatever the bytes are: an error or records, never a panic, never memory for a length that is a lie
    #[test]
    fn damaged_files_do_not_panic(
        which in 0..goldens().len(),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let (_, output, dead_letters, golden) = goldens().swap_remove(which);
        let mut damaged = golden.to_vec();
        let at = at.index(damaged.len());
        let end = (at + bytes.len()).min(damaged.len());
        damaged.splice(at..end, bytes);
        let _ = digest_file(&output, dead_letters, &damaged[..]);
    }
}

#[test]
fn the_index_of_lzop_is_of_whole_files_only() {
    let file = include_bytes!("../../testdata/text.lzo");
    let index = lzo_index(&file[..]).expect("a file of lzop");
    let starts: Vec<u64> = index.as_chunks().0.iter().map(|start| u64::from_be_bytes(*start)).collect();
    // 9 bytes of magic, 25 of header without name, 4 of checksum
    assert_eq!(starts.first(), Some(&38));
    for end in 0..file.len() {
        let error = lzo_index(&file[..end]).expect_err("it is cut");
        assert!(matches!(error, ReadError::Truncated { .. }), "{end}: {error:?}");
    }
    let behind = [&file[..], b"x"].concat();
    assert!(matches!(lzo_index(&behind[..]), Err(ReadError::Compression(_))));
    assert!(matches!(lzo_index(&b"a line\nanother line\n"[..]), Err(ReadError::Compression(_))));
}
