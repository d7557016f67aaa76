//! Reading archived files back: for people, for `verify --deep`, and to settle a file by its content.
//!
//! Streaming and bounded: a reader holds one record, or one block of a SequenceFile; a Parquet or ORC file, which is
//! read from its end, it holds whole. What is read may be damaged in any
//! way: no length in it is believed before its bytes are there, and nothing above [`RECORD_BYTES_MAX`] is.
//!
//! A format gives back what it kept ([`Kept`]) and no more. Deliberately absent: guessing a format from bytes or names.

use std::io::{BufRead, BufReader, Read};

use secor_core::ids::{Digest, Offset};
use secor_core::record::{Record, RecordDigests, ValuesDigest};
use secor_core::shape::{Compression, Content, EnvelopeBytes, Framing, Output, OutputFormat, SequenceKey};

use crate::bad::BadRecord;
use crate::encode::line_end;

mod avro;
mod columns;
mod compressed;
mod dead_letter;
mod envelope;
mod lines;
mod orc;
mod parquet;
mod sequence;
#[cfg(test)]
mod tests;

pub use avro::avro_content;
pub use columns::panics_are_damage;

use columns::ColumnsReader;
use compressed::{decompress, decompress_whole, index_lzop};
use lines::{LineKind, Lines};

/// Longest key, value or line that is read; no broker accepts messages as large.
pub const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Of compressed and of uncompressed bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// A record as an archived file gives it back: what the format did not keep is `None`, or empty for headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    pub offset: Option<Offset>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    /// The header block in the framing of digest definition 1.
    pub headers: Vec<u8>,
    /// As it was stored; some formats don't tell null from empty. Of columns and of data in Avro files a JSON text.
    pub value: Option<Vec<u8>>,
    /// Of columns and of data in Avro files: the row, the datum, which is what was stored.
    pub row: Option<Vec<u8>>,
    /// Why it is in the dead letters, if it is.
    pub bad: Option<BadRecord>,
}

/// Which parts of a record a format keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub offset: bool,
    pub timestamp: bool,
    /// Only when it is not empty, in SequenceFiles.
    pub key: bool,
    pub headers: bool,
    /// A null value is told from an empty one.
    pub nulls: bool,
    /// Everything of the record comes back bit by bit, so that both digests can be checked.
    pub whole: bool,
}

/// What a file holds, to be compared with its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSummary {
    pub records: u64,
    /// `None` where the format keeps no offsets, or there are no records.
    pub first_offset: Option<Offset>,
    pub last_offset: Option<Offset>,
    pub values_digest: Digest,
    /// `None` where the format does not keep whole records.
    pub records_digest: Option<Digest>,
}

/// Why a file can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the file can't be read")]
    Io(#[source] std::io::Error),
    #[error("the compressed bytes are damaged")]
    Compression(#[source] std::io::Error),
    #[error("the file ends within record {record}")]
    Truncated {
        /// Counted from 0.
        record: u64,
    },
    #[error("record {record}: {what}")]
    Malformed {
        /// Counted from 0.
        record: u64,
        what: String,
    },
}

/// Gives the records of a file in their order; ends after the first error.
pub struct FileReader<'r> {
    body: Body<'r>,
    records: u64,
    is_over: bool,
}

enum Body<'r> {
    Lines { lines: Lines<'r>, kind: LineKind },
    Envelopes { lines: Lines<'r>, envelope: envelope::Envelope },
    DeadLetters { lines: Lines<'r> },
    Sequence(Box<sequence::SequenceReader<'r>>),
    Avro(Box<avro::AvroReader<'r>>),
    Columns(Box<ColumnsReader<'r>>),
}

/// A failure that does not know its record yet.
enum Fault {
    Io(std::io::Error),
    Truncated,
    Malformed(String),
}

/// Reads a file of `output`, or of dead letters, from its stored bytes.
pub fn read_file<'r>(output: &Output, dead_letters: bool, input: impl Read + 'r) -> FileReader<'r> {
    let input = BufReader::with_capacity(BUFFER_BYTES, input);
    if dead_letters {
        let lines = Lines::new(decompress(Compression::Gzip, Framing::Stream, input), b"\n");
        return FileReader { body: Body::DeadLetters { lines }, records: 0, is_over: false };
    }
    let lines = |input| Lines::new(decompress(output.compression, output.effective_framing(), input), line_end(output));
    let body = match (output.format, output.content) {
        (OutputFormat::Text, _) => Body::Lines { lines: lines(input), kind: LineKind::Text },
        (OutputFormat::Json, Content::Value) => Body::Lines { lines: lines(input), kind: LineKind::Json },
        (OutputFormat::Json, Content::Envelope) => {
            Body::Envelopes { lines: lines(input), envelope: envelope::Envelope::new(output) }
        }
        (OutputFormat::Csv, _) => {
            let kind = if output.header_line { LineKind::CsvWithHeader } else { LineKind::Csv };
            Body::Lines { lines: lines(input), kind }
        }
        (OutputFormat::Sequence, _) => Body::Sequence(Box::new(sequence::SequenceReader::new(Box::new(input)))),
        (OutputFormat::Avro, _) => Body::Avro(Box::new(avro::AvroReader::new(Box::new(input), output.content))),
        (OutputFormat::Parquet, content) => {
            Body::Columns(Box::new(ColumnsReader::new(Box::new(input), move |file| parquet::open(file, content))))
        }
        (OutputFormat::Orc, _) => {
            let output = output.clone();
            Body::Columns(Box::new(ColumnsReader::new(Box::new(input), move |file| orc::open(file, &output))))
        }
    };
    FileReader { body, records: 0, is_over: false }
}

/// What files of `output`, or of dead letters, give back.
#[must_use]
pub fn kept(output: &Output, dead_letters: bool) -> Kept {
    let nothing = Kept { offset: false, timestamp: false, key: false, headers: false, nulls: false, whole: false };
    let everything = Kept { offset: true, timestamp: true, key: true, headers: true, nulls: true, whole: true };
    match (output.format, output.content, output.sequence_key) {
        _ if dead_letters => everything,
        (OutputFormat::Text | OutputFormat::Csv, ..)
        | (OutputFormat::Avro | OutputFormat::Parquet | OutputFormat::Orc, Content::Value, _) => nothing,
        (OutputFormat::Json, Content::Value, _) => Kept { nulls: true, ..nothing },
        // line breaks in a nested value have become spaces
        (OutputFormat::Json, Content::Envelope, _) if output.envelope_value == EnvelopeBytes::Json => {
            Kept { whole: false, ..everything }
        }
        (OutputFormat::Json, Content::Envelope, _)
        | (OutputFormat::Avro | OutputFormat::Parquet | OutputFormat::Orc, ..) => everything,
        (OutputFormat::Sequence, _, SequenceKey::Offset) => Kept { offset: true, ..nothing },
        (OutputFormat::Sequence, _, SequenceKey::Messagepack) => {
            Kept { offset: true, timestamp: true, key: true, ..nothing }
        }
    }
}

/// Reads a file to its end and sums it up.
///
/// # Errors
/// [`ReadError`] at the first byte that is not as the format wants it.
pub fn digest_file(output: &Output, dead_letters: bool, input: impl Read) -> Result<ReadSummary, ReadError> {
    let is_whole = kept(output, dead_letters).whole;
    let mut reader = read_file(output, dead_letters, input);
    let mut archived = Archived::default();
    let mut values = ValuesDigest::new();
    let mut whole = RecordDigests::new();
    let (mut first_offset, mut last_offset) = (None, None);
    while reader.read_into(&mut archived)? {
        values.push(archived.row.as_deref().or(archived.value.as_deref()).unwrap_or_default());
        if is_whole && let Some(record) = archived.record() {
            whole.push(&record);
        }
        first_offset = first_offset.or(archived.offset);
        last_offset = archived.offset;
    }
    let records_digest = is_whole.then(|| whole.records());
    Ok(ReadSummary {
        records: reader.records,
        first_offset,
        last_offset,
        values_digest: values.digest(),
        records_digest,
    })
}

/// What stands behind the key of a file of `lzop` for its index; Hadoop's readers look there.
pub const LZO_INDEX: &str = ".index";

/// The index of a file of `lzop`: where its blocks begin, for Hadoop to split it. As hadoop-lzo's `LzoIndexer` makes it:
/// for each block 8 bytes, big-endian.
///
/// # Errors
/// [`ReadError`] when it is no such file, or not whole.
pub fn lzo_index(input: impl Read) -> Result<Vec<u8>, ReadError> {
    index_lzop(BufReader::with_capacity(BUFFER_BYTES, input)).map_err(|error| Fault::Io(error).at(0))
}

// === impl Archived ===

impl Archived {
    /// The record, where its offset was kept.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        Some(Record {
            offset: self.offset?,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        })
    }

    fn clear(&mut self) {
        let (mut headers, mut value) = (std::mem::take(&mut self.headers), self.value.take().unwrap_or_default());
        headers.clear();
        value.clear();
        *self = Self { headers, value: Some(value), ..Self::default() };
    }
}

// === impl FileReader ===

impl FileReader<'_> {
    /// Reads the next record over `archived`, whose memory is used again; false at the end.
    ///
    /// # Errors
    /// [`ReadError`]; the file is over then.
    pub fn read_into(&mut self, archived: &mut Archived) -> Result<bool, ReadError> {
        if self.is_over {
            return Ok(false);
        }
        archived.clear();
        let read = match &mut self.body {
            Body::Lines { lines, kind } => lines.next_value(kind, archived),
            Body::Envelopes { lines, envelope } => match lines.next() {
                Ok(Some(line)) => envelope.read_line(line, archived).map(|()| true),
                Ok(None) => Ok(false),
                Err(fault) => Err(fault),
            },
            Body::DeadLetters { lines } => match lines.next() {
                Ok(Some(line)) => dead_letter::read_line(line, archived).map(|()| true),
                Ok(None) => Ok(false),
                Err(fault) => Err(fault),
            },
            Body::Sequence(reader) => reader.next(archived),
            Body::Avro(reader) => reader.next(archived),
            Body::Columns(reader) => reader.next(archived),
        };
        self.is_over = !matches!(read, Ok(true));
        self.records += u64::from(!self.is_over);
        read.map_err(|fault| fault.at(self.records))
    }
}

impl Iterator for FileReader<'_> {
    type Item = Result<Archived, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut archived = Archived::default();
        match self.read_into(&mut archived) {
            Ok(true) => Some(Ok(archived)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

// === impl Fault ===

impl Fault {
    fn at(self, record: u64) -> ReadError {
        use std::io::ErrorKind;
        match self {
            Self::Truncated => ReadError::Truncated { record },
            Self::Malformed(what) => ReadError::Malformed { record, what },
            Self::Io(error) => match error.kind() {
                ErrorKind::UnexpectedEof => ReadError::Truncated { record },
                // what the decompressors say, zstd the last
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => ReadError::Compression(error),
                _ => ReadError::Io(error),
            },
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Into `to`, which grows with what is really there.
fn read_bytes(input: &mut dyn BufRead, len: usize, to: &mut Vec<u8>) -> Result<(), Fault> {
    to.clear();
    let read = input.take(len as u64).read_to_end(to)?;
    if read == len { Ok(()) } else { Err(Fault::Truncated) }
}

fn length(value: i64) -> Result<usize, Fault> {
    match u64::try_from(value) {
        Ok(value) if value <= RECORD_BYTES_MAX => {
            Ok(usize::try_from(value).expect("a record's length fits the address space"))
        }
        _ => Err(Fault::Malformed(format!("length {value}"))),
    }
}

fn offset(value: i64) -> Result<Offset, Fault> {
    Offset::new(value).map_err(fault)
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::Malformed(error.to_string())
}

fn malformed(what: &str) -> Fault {
    Fault::Malformed(what.to_owned())
}
