//! Reading archived files back: for people, for `verify --deep`, and to settle a file by its content.
//!
//! Streaming and bounded: a reader holds one record, or one block of a SequenceFile. What is read may be damaged in any
//! way: no length in it is believed before its bytes are there, and nothing above [`RECORD_BYTES_MAX`] is.
//!
//! A format gives back what it kept ([`Kept`]) and no more. Deliberately absent: guessing a format from bytes or names.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use secor_core::ids::{Digest, Offset};
use secor_core::record::{Record, RecordDigests, ValuesDigest};
use secor_core::shape::{Compression, Output, OutputFormat, SequenceKey};

use crate::bad::BadRecord;

mod dead_letter;
mod sequence;
#[cfg(test)]
mod tests;

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
    /// As it was stored; only dead letters tell null from empty.
    pub value: Option<Vec<u8>>,
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
    /// Null is told from empty.
    pub nulls: bool,
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
    Text { lines: Lines<'r> },
    DeadLetters { lines: Lines<'r> },
    Sequence(Box<sequence::SequenceReader<'r>>),
}

/// Pieces of a stream that end with a delimiter.
struct Lines<'r> {
    input: Box<dyn BufRead + 'r>,
    delimiter: Box<[u8]>,
    line: Vec<u8>,
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
    let lines = |input, delimiter: &[u8]| Lines { input, delimiter: delimiter.into(), line: Vec::new() };
    let body = match output.format {
        _ if dead_letters => Body::DeadLetters { lines: lines(decompress(Compression::Gzip, input), b"\n") },
        OutputFormat::Text => {
            Body::Text { lines: lines(decompress(output.compression, input), output.delimiter.as_bytes()) }
        }
        OutputFormat::Sequence => Body::Sequence(Box::new(sequence::SequenceReader::new(Box::new(input)))),
    };
    FileReader { body, records: 0, is_over: false }
}

/// What files of `output`, or of dead letters, give back.
#[must_use]
pub fn kept(output: &Output, dead_letters: bool) -> Kept {
    let nothing = Kept { offset: false, timestamp: false, key: false, headers: false, nulls: false };
    match (output.format, output.sequence_key) {
        _ if dead_letters => Kept { offset: true, timestamp: true, key: true, headers: true, nulls: true },
        (OutputFormat::Text, _) => nothing,
        (OutputFormat::Sequence, SequenceKey::Offset) => Kept { offset: true, ..nothing },
        (OutputFormat::Sequence, SequenceKey::Messagepack) => {
            Kept { offset: true, timestamp: true, key: true, ..nothing }
        }
    }
}

/// Reads a file to its end and sums it up.
///
/// # Errors
/// [`ReadError`] at the first byte that is not as the format wants it.
pub fn digest_file(output: &Output, dead_letters: bool, input: impl Read) -> Result<ReadSummary, ReadError> {
    let mut reader = read_file(output, dead_letters, input);
    let mut archived = Archived::default();
    let mut values = ValuesDigest::new();
    let mut whole = RecordDigests::new();
    let (mut first_offset, mut last_offset) = (None, None);
    while reader.read_into(&mut archived)? {
        values.push(archived.value.as_deref().unwrap_or_default());
        if dead_letters && let Some(record) = archived.record() {
            whole.push(&record);
        }
        first_offset = first_offset.or(archived.offset);
        last_offset = archived.offset;
    }
    let records_digest = dead_letters.then(|| whole.records());
    Ok(ReadSummary {
        records: reader.records,
        first_offset,
        last_offset,
        values_digest: values.digest(),
        records_digest,
    })
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
            Body::Text { lines } => lines
                .next()
                .map(|line| line.map(|line| archived.value.get_or_insert_default().extend_from_slice(line)).is_some()),
            Body::DeadLetters { lines } => match lines.next() {
                Ok(Some(line)) => dead_letter::read_line(line, archived).map(|()| true),
                Ok(None) => Ok(false),
                Err(fault) => Err(fault),
            },
            Body::Sequence(reader) => reader.next(archived),
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

// === impl Lines ===

impl Lines<'_> {
    /// The next piece without its delimiter; `None` at the end.
    fn next(&mut self) -> Result<Option<&[u8]>, Fault> {
        let last = *self.delimiter.last().expect("a checked delimiter is not empty");
        self.line.clear();
        loop {
            let room = RECORD_BYTES_MAX.saturating_sub(self.line.len() as u64);
            let read = self.input.by_ref().take(room).read_until(last, &mut self.line)?;
            if self.line.ends_with(&self.delimiter) {
                return Ok(Some(&self.line[..self.line.len() - self.delimiter.len()]));
            }
            if room == 0 {
                return Err(Fault::Malformed(format!("longer than {RECORD_BYTES_MAX} bytes")));
            }
            if read == 0 {
                return if self.line.is_empty() { Ok(None) } else { Err(Fault::Truncated) };
            }
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

fn decompress<'r>(compression: Compression, input: impl BufRead + 'r) -> Box<dyn BufRead + 'r> {
    match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input))),
        Compression::Zstd => {
            let zstd = zstd::stream::read::Decoder::with_buffer(input);
            Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd.expect("zstd has a context unless memory is out")))
        }
    }
}
