//! From records to the bytes of files.
//!
//! A [`FileEncoder`] belongs to one open file and holds one pending block at most; a [`Codec`] belongs to a worker and
//! holds the compressor. Finished bytes are appended to a buffer that the caller drains: nothing here knows where they
//! go. Where blocks end depends on memory pressure too, so bytes may differ between two makings of a file; content,
//! which the digests are about, does not.

use std::sync::Arc;

use secor_core::ids::{Digest, Offset};
use secor_core::record::{Record, RecordDigests};
use secor_core::shape::{Content, Output, OutputFormat};
use xxhash_rust::xxh3::xxh3_128;

use crate::bad::BadRecord;
use crate::compress::{self, BlockCodec, Pending};

mod avro;
mod columns;
mod csv;
mod dead_letter;
mod envelope;
mod lines;
mod orc;
mod parquet;
mod sequence;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use avro::{
    BLOCK_RECORDS as AVRO_BLOCK_RECORDS, CODEC_KEY as AVRO_CODEC_KEY, MAGIC as AVRO_MAGIC,
    NULL_BRANCH as AVRO_NULL_BRANCH, SCHEMA as AVRO_SCHEMA, SCHEMA_KEY as AVRO_SCHEMA_KEY,
    SECOND_BRANCH as AVRO_SECOND_BRANCH, codec_name as avro_codec_name,
};
pub(crate) use csv::{column_separator, push_column};
pub(crate) use dead_letter::Line;
pub(crate) use lines::{NULL_LINE, line_end};
pub(crate) use sequence::{class, codec_class};

use avro::AvroBody;
use columns::{ColumnsBody, GroupWriter, Layout};
use dead_letter::DeadLetterBody;
use envelope::EnvelopeBody;
use lines::LinesBody;
use sequence::SequenceBody;

/// Length of a sync marker, in SequenceFiles and in Avro files.
pub(crate) const SYNC_BYTES: usize = 16;

/// Compressors and scratch of one worker, shared by all its files of one archive.
pub struct Codec {
    output: Option<Box<dyn BlockCodec>>,
    /// Made when the first bad record comes.
    dead_letters: Option<Box<dyn BlockCodec>>,
    scratch: Vec<u8>,
    columns: Columns,
}

/// Of files that store columns.
enum Columns {
    None,
    Parquet(SharedLayout<parquet::ParquetWriter>),
    Orc(SharedLayout<orc::OrcWriter>),
}

type SharedLayout<W> = Arc<Layout<<W as GroupWriter>::Options>>;

/// Encodes one open file.
pub struct FileEncoder {
    identity: FileIdentity,
    body: AnyBody,
    seen: Option<Seen>,
    bytes: u64,
    digests: Box<RecordDigests>,
}

/// Whose records a file holds: a sync marker is made from it and the first offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    pub topic: Arc<str>,
    pub partition: i32,
}

/// What the manifest says of a file, but for its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    pub records: u64,
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// Smallest and largest Kafka timestamp in milliseconds.
    pub timestamps: Option<[i64; 2]>,
    /// Smallest and largest event time in milliseconds.
    pub event_times: Option<[i64; 2]>,
    /// Uncompressed: lines with their ends, keys and values of SequenceFiles and records of Avro files as serialized, rows
    /// of columns as digested.
    pub bytes: u64,
    pub records_digest: Digest,
    pub values_digest: Digest,
}

/// What a format does with the records of one file. One that collects columns does so here, says by `buffered_bytes`
/// what it holds, and gives it back when a block is closed early.
trait Body {
    /// Appends a record; returns its uncompressed bytes.
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64;

    /// Bytes of memory that wait, and that `close_block` would free.
    fn buffered_bytes(&self) -> usize;

    /// Closes what is pending early and gives its memory back. Content stays the same.
    fn close_block(&mut self, sink: &mut Sink<'_>);

    /// What is pending, and what stands at the end of a file.
    fn finish(&mut self, sink: &mut Sink<'_>);
}

/// A record on its way into a file.
struct Row<'a> {
    identity: &'a FileIdentity,
    record: &'a Record<'a>,
    /// As the file holds it.
    value: Option<&'a [u8]>,
}

/// Where a body's bytes go.
struct Sink<'a> {
    codec: &'a mut Codec,
    out: &'a mut Vec<u8>,
}

/// One variant for each format: the hot path is a jump, not a call through a table.
enum AnyBody {
    Lines(LinesBody),
    Envelope(EnvelopeBody),
    Sequence(SequenceBody),
    Avro(AvroBody),
    Parquet(Box<ColumnsBody<parquet::ParquetWriter>>),
    Orc(Box<ColumnsBody<orc::OrcWriter>>),
    DeadLetters(DeadLetterBody),
}

#[derive(Clone, Copy)]
struct Seen {
    records: u64,
    first: Offset,
    last: Offset,
    timestamps: Option<[i64; 2]>,
    event_times: Option<[i64; 2]>,
}

// === impl Codec ===

impl Codec {
    /// # Panics
    /// When the output's level is not the codec's; [`crate::Pipeline::new`] has checked it.
    #[must_use]
    pub fn new(output: &Output) -> Self {
        let columns = match output.format {
            OutputFormat::Parquet => Columns::Parquet(Arc::new(parquet::layout(output))),
            OutputFormat::Orc => Columns::Orc(Arc::new(orc::layout(output))),
            _ => Columns::None,
        };
        Self { output: compress::codec(output), dead_letters: None, scratch: Vec::new(), columns }
    }

    fn output(&mut self) -> &mut dyn BlockCodec {
        self.output.as_deref_mut().expect("a compressed file is encoded with the codec of its own output")
    }

    fn dead_letters(&mut self) -> &mut dyn BlockCodec {
        &mut **self.dead_letters.get_or_insert_with(compress::dead_letters)
    }
}

// === impl FileEncoder ===

impl FileEncoder {
    /// An empty file of good records. `codec` must be of the same output.
    ///
    /// # Panics
    /// When the output's files are Avro's with values: they have a schema, see [`Self::of_schema`].
    #[must_use]
    pub fn new(output: &Output, identity: FileIdentity, codec: &Codec) -> Self {
        let is_compressed = codec.output.is_some();
        let body = match (output.format, output.content) {
            (OutputFormat::Json, Content::Envelope) => AnyBody::Envelope(EnvelopeBody::new(output, is_compressed)),
            (OutputFormat::Text | OutputFormat::Json | OutputFormat::Csv, _) => {
                AnyBody::Lines(LinesBody::new(output, is_compressed))
            }
            (OutputFormat::Sequence, _) => AnyBody::Sequence(SequenceBody::new(output)),
            (OutputFormat::Avro, Content::Envelope) => {
                AnyBody::Avro(AvroBody::new(output, Arc::clone(&avro::ENVELOPE)))
            }
            (OutputFormat::Avro, Content::Value) => panic!("a file of values is made of a schema"),
            (OutputFormat::Parquet | OutputFormat::Orc, _) => match &codec.columns {
                Columns::Parquet(layout) => AnyBody::Parquet(Box::new(ColumnsBody::new(layout))),
                Columns::Orc(layout) => AnyBody::Orc(Box::new(ColumnsBody::new(layout))),
                Columns::None => panic!("the codec is of the same output"),
            },
        };
        Self::with_body(identity, body)
    }

    /// An empty Avro file of values by a schema, JSON that stands alone.
    #[must_use]
    pub fn of_schema(output: &Output, identity: FileIdentity, schema: Arc<str>) -> Self {
        Self::with_body(identity, AnyBody::Avro(AvroBody::new(output, schema)))
    }

    /// An empty file of bad records.
    #[must_use]
    pub fn dead_letters(identity: FileIdentity) -> Self {
        Self::with_body(identity, AnyBody::DeadLetters(DeadLetterBody::default()))
    }

    fn with_body(identity: FileIdentity, body: AnyBody) -> Self {
        Self { identity, body, seen: None, bytes: 0, digests: Box::default() }
    }

    /// Appends a good record: `value` and `event_time` as [`crate::Pipeline::route`] gave them. Finished bytes go to the
    /// end of `out`.
    ///
    /// # Panics
    /// When this is a dead-letter file.
    pub fn append(
        &mut self,
        record: &Record<'_>,
        value: Option<&[u8]>,
        event_time: Option<i64>,
        codec: &mut Codec,
        out: &mut Vec<u8>,
    ) {
        self.see(record, value, event_time);
        let row = Row { identity: &self.identity, record, value };
        self.bytes += self.body.append(&row, &mut Sink { codec, out });
    }

    /// Appends a bad record with its reason.
    ///
    /// # Panics
    /// When this is not a dead-letter file.
    pub fn append_bad(&mut self, record: &Record<'_>, bad: &BadRecord, codec: &mut Codec, out: &mut Vec<u8>) {
        self.see(record, record.value, None);
        let AnyBody::DeadLetters(body) = &mut self.body else {
            panic!("a bad record belongs to the dead letters");
        };
        self.bytes += body.append_bad(record, bad, &mut Sink { codec, out });
    }

    /// Bytes of memory that wait in pending blocks, and that [`Self::flush_block`] would free.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.body.buffered_bytes()
    }

    /// Closes the pending block early and gives its memory back: for when memory is short. Content stays the same.
    pub fn flush_block(&mut self, codec: &mut Codec, out: &mut Vec<u8>) {
        self.body.close_block(&mut Sink { codec, out });
    }

    /// The rest of the bytes, and what the manifest will say.
    ///
    /// # Panics
    /// When nothing was appended: a file without records is never made.
    #[must_use]
    pub fn finish(mut self, codec: &mut Codec, out: &mut Vec<u8>) -> FileSummary {
        self.body.finish(&mut Sink { codec, out });
        let seen = self.seen.expect("a file has at least one record");
        FileSummary {
            records: seen.records,
            first_offset: seen.first,
            last_offset: seen.last,
            timestamps: seen.timestamps,
            event_times: seen.event_times,
            bytes: self.bytes,
            records_digest: self.digests.records(),
            values_digest: self.digests.values(),
        }
    }

    fn see(&mut self, record: &Record<'_>, stored: Option<&[u8]>, event_time: Option<i64>) {
        self.digests.push_stored(record, stored);
        let seen = self.seen.get_or_insert(Seen {
            records: 0,
            first: record.offset,
            last: record.offset,
            timestamps: None,
            event_times: None,
        });
        seen.records += 1;
        seen.last = record.offset;
        widen(&mut seen.timestamps, record.timestamp);
        widen(&mut seen.event_times, event_time);
    }
}

// === impl AnyBody ===

/// `$call` on the body of whichever format.
macro_rules! each_body {
    ($any:expr, $body:ident => $call:expr) => {
        match $any {
            AnyBody::Lines($body) => $call,
            AnyBody::Envelope($body) => $call,
            AnyBody::Sequence($body) => $call,
            AnyBody::Avro($body) => $call,
            AnyBody::Parquet($body) => $call,
            AnyBody::Orc($body) => $call,
            AnyBody::DeadLetters($body) => $call,
        }
    };
}

impl Body for AnyBody {
    #[inline]
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        each_body!(self, body => body.append(row, sink))
    }

    #[inline]
    fn buffered_bytes(&self) -> usize {
        each_body!(self, body => body.buffered_bytes())
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        each_body!(self, body => body.close_block(sink));
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        each_body!(self, body => body.finish(sink));
    }
}

// === impl Sink ===

impl Sink<'_> {
    /// Appends text to the pending block, or to the file where nothing is compressed.
    #[inline]
    fn push(&mut self, pending: &mut Option<Pending>, bytes: &[u8]) {
        match pending {
            None => self.out.extend_from_slice(bytes),
            Some(pending) => pending.push(bytes, self.codec.output(), self.out),
        }
    }
}

/// Persisted, never change: xxh3-128 of the topic's name, a zero byte, partition and first offset (big-endian).
fn sync_marker(identity: &FileIdentity, first: &Record<'_>) -> [u8; SYNC_BYTES] {
    let mut seed = Vec::with_capacity(identity.topic.len() + 13);
    seed.extend_from_slice(identity.topic.as_bytes());
    seed.push(0);
    seed.extend_from_slice(&identity.partition.to_be_bytes());
    seed.extend_from_slice(&first.offset.get().to_be_bytes());
    xxh3_128(&seed).to_be_bytes()
}

fn widen(range: &mut Option<[i64; 2]>, value: Option<i64>) {
    let Some(value) = value else { return };
    *range = Some(range.map_or([value, value], |[low, high]| [low.min(value), high.max(value)]));
}
