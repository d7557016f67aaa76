//! Any records through any encoder, with blocks closed anywhere: the file gives them back.
//!
//! Input: a byte each for format and compression, then records: flags, offset, what the flags announce.

use secor_core::ids::Offset;
use secor_core::record::push_header;
use secor_core::shape::{Compression, Content, Output, OutputFormat, SequenceCompression, SequenceKey};
use secor_format::{BadRecord, Pipeline};
use serde_json::json;

use super::bytes::Input;
use super::files::{Owned, assert_reads_back, encode, reason};
use super::shapes::shape;

const HAS_TIMESTAMP: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_VALUE: u8 = 4;
const HAS_HEADERS: u8 = 8;
const IS_FLUSHED: u8 = 16;
const IS_LONG: u8 = 32;
const SKIPS_FAR: u8 = 64;

/// The longest values go over more than one block.
const REPEATED: usize = 1_024;
/// Enough for a full block of a SequenceFile; more is only slow.
const LONG_VALUES_MAX: usize = 5;
const RECORDS_MAX: usize = 64;
const DELIMITERS: [&str; 4] = ["\n", "\r\n", "abab", "aab"];

const COMPRESSIONS: [Compression; 9] = [
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
const LEVELLED: [Compression; 4] = [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Deflate];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, compression) = (input.byte(), input.byte());
    let is_bad = choice & 1 == 1;
    let output = output(choice >> 1, compression);
    let Ok(mut pipeline) = Pipeline::new(&shape(json!({ "output": output }))) else { return };
    let mut records = Vec::new();
    let (mut offset, mut long_values) = (0i64, 0);
    while !input.is_empty() && records.len() < RECORDS_MAX {
        let mut flags = input.byte();
        long_values += usize::from(flags & IS_LONG != 0);
        if long_values > LONG_VALUES_MAX {
            flags &= !IS_LONG;
        }
        let skip = if flags & SKIPS_FAR == 0 { i64::from(input.byte()) } else { input.number() & i64::MAX };
        let Some(next) = offset.checked_add(skip).filter(|next| *next < i64::MAX) else { break };
        let record = record(&mut input, flags, Offset::new(next).expect("skips go forward"), is_bad);
        offset = next + 1;
        if is_bad || pipeline.route(&record.record(), 0).is_ok() {
            records.push(record);
        }
    }
    if records.is_empty() {
        return;
    }
    assert_reads_back(&output, &records);
    let unflushed: Vec<_> = records.iter().map(|record| Owned { is_flushed: false, ..record.clone() }).collect();
    assert_eq!(encode(&output, &records).1, encode(&output, &unflushed).1, "blocks are no content");
}

fn record(input: &mut Input<'_>, flags: u8, offset: Offset, is_bad: bool) -> Owned {
    let has = |flag: u8| flags & flag != 0;
    let timestamp = has(HAS_TIMESTAMP).then(|| input.number());
    let key = has(HAS_KEY).then(|| input.bytes().to_vec());
    let value = has(HAS_VALUE).then(|| {
        let bytes = input.bytes();
        if has(IS_LONG) { bytes.repeat(REPEATED) } else { bytes.to_vec() }
    });
    let mut headers = Vec::new();
    if has(HAS_HEADERS) {
        for _ in 0..input.byte() % 4 {
            let (name, is_null) = (input.bytes(), input.byte() == 0);
            push_header(&mut headers, name, if is_null { None } else { Some(input.bytes()) });
        }
    }
    let bad = is_bad.then(|| BadRecord {
        reason: reason(input.byte()),
        detail: String::from_utf8_lossy(input.bytes()).into_owned(),
    });
    Owned { offset, timestamp, key, value, headers, bad, is_flushed: has(IS_FLUSHED) }
}

fn output(choice: u8, compression: u8) -> Output {
    let format = match choice {
        0..8 if choice & 1 == 0 => OutputFormat::Text,
        0..8 => OutputFormat::Sequence,
        8..=63 => OutputFormat::Avro,
        64..=127 => OutputFormat::Parquet,
        _ => OutputFormat::Orc,
    };
    let compression = COMPRESSIONS[usize::from(compression) % COMPRESSIONS.len()];
    Output {
        format,
        compression,
        // quick ones: the size of the result is not what is tried
        level: LEVELLED.contains(&compression).then_some(1),
        delimiter: DELIMITERS[usize::from(choice >> 1) % DELIMITERS.len()].to_owned(),
        content: if matches!(format, OutputFormat::Avro | OutputFormat::Parquet | OutputFormat::Orc) {
            Content::Envelope
        } else {
            Content::Value
        },
        sequence_compression: if choice & 2 == 0 { SequenceCompression::Block } else { SequenceCompression::Record },
        sequence_key: if choice & 4 == 0 { SequenceKey::Offset } else { SequenceKey::Messagepack },
        ..Output::default()
    }
}
