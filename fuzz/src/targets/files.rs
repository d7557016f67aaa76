//! Writing and reading whole files, for the targets that try encoders and readers.

use std::io::Read;
use std::sync::Arc;

use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::Output;
use secor_format::{
    Archived, BadReason, BadRecord, Codec, FileEncoder, FileIdentity, FileSummary, Kept, digest_file, kept, read_file,
};

/// Text that a fuzzer can repeat is plenty.
const RECORDS_MAX: usize = 10_000;

/// A record that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub offset: Offset,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<u8>,
    /// In a file of dead letters.
    pub bad: Option<BadRecord>,
    /// The pending block is closed behind this record.
    pub is_flushed: bool,
}

impl Owned {
    #[must_use]
    pub fn of(record: &Archived) -> Option<Self> {
        Some(Self {
            offset: record.offset?,
            timestamp: record.timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            bad: record.bad.clone(),
            is_flushed: false,
        })
    }

    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    /// As a format that keeps so much gives it back.
    fn archived(&self, kept: Kept) -> Archived {
        let value = self.value.clone();
        Archived {
            offset: kept.offset.then_some(self.offset),
            timestamp: if kept.timestamp { self.timestamp } else { None },
            key: self.key.clone().filter(|key| kept.key && (kept.nulls || !key.is_empty())),
            headers: if kept.headers { self.headers.clone() } else { Vec::new() },
            value: if kept.nulls { value } else { Some(value.unwrap_or_default()) },
            row: None,
            bad: self.bad.clone(),
        }
    }
}

/// Makes a file; of dead letters if the first record is bad.
#[must_use]
pub fn encode(output: &Output, records: &[Owned]) -> (Vec<u8>, FileSummary) {
    encode_by(output, None, records)
}

/// The same of values by a schema.
#[must_use]
pub fn encode_by(output: &Output, schema: Option<&Arc<str>>, records: &[Owned]) -> (Vec<u8>, FileSummary) {
    let (mut codec, mut bytes) = (Codec::new(output), Vec::new());
    let identity = FileIdentity { topic: Arc::from("clicks"), partition: 3 };
    let mut encoder = match (records.first().is_some_and(|record| record.bad.is_some()), schema) {
        (true, _) => FileEncoder::dead_letters(identity),
        (false, Some(schema)) => FileEncoder::of_schema(output, identity, Arc::clone(schema)),
        (false, None) => FileEncoder::new(output, identity, &codec),
    };
    for record in records {
        match &record.bad {
            Some(bad) => encoder.append_bad(&record.record(), bad, &mut codec, &mut bytes),
            None => encoder.append(&record.record(), record.value.as_deref(), None, &mut codec, &mut bytes),
        }
        if record.is_flushed {
            encoder.flush_block(&mut codec, &mut bytes);
        }
    }
    let summary = encoder.finish(&mut codec, &mut bytes);
    (bytes, summary)
}

/// Makes a file of at least one record, all good or all bad, and asserts that it gives them back and that its digests
/// are those of the summary.
pub fn assert_reads_back(output: &Output, records: &[Owned]) {
    assert_reads_back_by(output, None, records);
}

/// The same of values by a schema.
pub fn assert_reads_back_by(output: &Output, schema: Option<&Arc<str>>, records: &[Owned]) {
    let dead_letters = records.iter().all(|record| record.bad.is_some());
    let (bytes, summary) = encode_by(output, schema, records);
    assert_eq!(encode_by(output, schema, records), (bytes.clone(), summary.clone()), "encoding is deterministic");
    let kept = kept(output, dead_letters);
    let read: Vec<_> = read_file(output, dead_letters, &bytes[..]).collect::<Result<_, _>>().expect("a whole file");
    let mut expected: Vec<_> = records.iter().map(|record| record.archived(kept)).collect();
    for (expected, read) in expected.iter_mut().zip(&read).filter(|(_, read)| read.row.is_some()) {
        // what is stored is the row, and the value is a text for people
        (expected.row, expected.value) = (expected.value.take(), read.value.clone());
    }
    assert_eq!(read, expected);
    let digests = digest_file(output, dead_letters, &bytes[..]).expect("a whole file");
    assert_eq!((digests.records, digests.values_digest), (summary.records, summary.values_digest));
    assert!(digests.records_digest.is_none_or(|digest| digest == summary.records_digest));
    assert!(digests.first_offset.is_none_or(|offset| offset == summary.first_offset));
    assert!(digests.last_offset.is_none_or(|offset| offset == summary.last_offset));
}

/// The records of foreign bytes, or `None` when they are no whole file. However the bytes come in, the verdict is the
/// same, and a reader stays at its end. How many records come before damage may differ: a decompressor notices it when
/// it sees it.
#[must_use]
pub fn read(output: &Output, dead_letters: bool, bytes: &[u8]) -> Option<Vec<Archived>> {
    let mut reader = read_file(output, dead_letters, bytes);
    let mut records = Vec::new();
    let failure = loop {
        match reader.next() {
            Some(Ok(record)) => records.push(record),
            Some(Err(error)) => break Some(error.to_string()),
            None => break None,
        }
        if records.len() == RECORDS_MAX {
            return None;
        }
    };
    assert!(reader.next().is_none(), "over is over");
    let mut in_pieces = Vec::new();
    let failure_in_pieces = read_file(output, dead_letters, Pieces(bytes)).find_map(|read| match read {
        Ok(record) => {
            in_pieces.push(record);
            None
        }
        Err(error) => Some(error.to_string()),
    });
    assert_eq!(failure.is_none(), failure_in_pieces.is_none(), "{failure:?}, in pieces {failure_in_pieces:?}");
    assert!(failure.is_some() || records == in_pieces);
    assert!(records.starts_with(&in_pieces) || in_pieces.starts_with(&records));
    let digests = digest_file(output, dead_letters, bytes);
    assert_eq!(digests.as_ref().ok().map(|it| it.records), failure.is_none().then_some(records.len() as u64));
    failure.is_none().then_some(records)
}

/// As a slow network: a few bytes at a time.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let len = (1 + self.0.len() % 3).min(to.len());
        self.0.read(&mut to[..len])
    }
}

/// Some reason, for records that only need one.
#[must_use]
pub fn reason(byte: u8) -> BadReason {
    BadReason::ALL[usize::from(byte) % BadReason::ALL.len()]
}
