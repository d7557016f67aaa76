//! From records to the bytes of files.
//!
//! A [`FileEncoder`] belongs to one open file and holds one pending block at most; a [`Codec`] belongs to a worker and
//! holds the compressor. Finished bytes are appended to a buffer that the caller drains: nothing here knows where they
//! go. Where blocks end depends on memory pressure too, so bytes may differ between two makings of a file; content,
//! which the digests are about, does not.

use secor_core::ids::{Digest, Offset};
use secor_core::record::{Record, RecordDigests};
use secor_core::shape::{Output, OutputFormat};

use crate::bad::BadRecord;
use crate::compress::BlockCodec;

mod dead_letter;
mod sequence;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use dead_letter::Line;
pub(crate) use sequence::{SYNC_BYTES, class, codec_class};

use sequence::SequenceBody;

/// Compressors and scratch of one worker, shared by all its files of one archive.
pub struct Codec {
    output: Option<BlockCodec>,
    /// Made when the first bad record comes.
    dead_letters: Option<BlockCodec>,
    scratch: Vec<u8>,
}

/// Encodes one open file.
pub struct FileEncoder {
    identity: FileIdentity,
    body: Body,
    seen: Option<Seen>,
    bytes: u64,
    digests: Box<RecordDigests>,
}

/// What a file's derived randomness (the sync marker of a SequenceFile) is made from, with its first offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    pub topic: std::sync::Arc<str>,
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
    /// Uncompressed: text with its delimiters, lines of dead letters, keys and values of SequenceFiles as serialized.
    pub bytes: u64,
    pub records_digest: Digest,
    pub values_digest: Digest,
}

enum Body {
    Text { delimiter: Box<[u8]>, block: Option<Block> },
    Sequence(SequenceBody),
    DeadLetters { line: Vec<u8>, block: Block },
}

/// Bytes that wait for their block to be full.
#[derive(Default)]
struct Block {
    pending: Vec<u8>,
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
        Self { output: BlockCodec::new(output), dead_letters: None, scratch: Vec::new() }
    }

    fn output(&mut self) -> &mut BlockCodec {
        self.output.as_mut().expect("a compressed file is encoded with the codec of its own output")
    }

    fn dead_letters(&mut self) -> &mut BlockCodec {
        self.dead_letters.get_or_insert_with(BlockCodec::dead_letters)
    }
}

// === impl FileEncoder ===

impl FileEncoder {
    /// An empty file of good records. `codec` must be of the same output.
    #[must_use]
    pub fn new(output: &Output, identity: FileIdentity, codec: &Codec) -> Self {
        let is_compressed = codec.output.is_some();
        let body = match output.format {
            OutputFormat::Text => {
                Body::Text { delimiter: output.delimiter.as_bytes().into(), block: is_compressed.then(Block::default) }
            }
            OutputFormat::Sequence => Body::Sequence(SequenceBody::new(output)),
        };
        Self::with_body(identity, body)
    }

    /// An empty file of bad records.
    #[must_use]
    pub fn dead_letters(identity: FileIdentity) -> Self {
        Self::with_body(identity, Body::DeadLetters { line: Vec::new(), block: Block::default() })
    }

    fn with_body(identity: FileIdentity, body: Body) -> Self {
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
        let value = value.unwrap_or_default();
        match &mut self.body {
            Body::Text { delimiter, block: None } => {
                out.extend_from_slice(value);
                out.extend_from_slice(delimiter);
                self.bytes += (value.len() + delimiter.len()) as u64;
            }
            Body::Text { delimiter, block: Some(block) } => {
                block.push(value, codec.output(), out);
                block.push(delimiter, codec.output(), out);
                self.bytes += (value.len() + delimiter.len()) as u64;
            }
            Body::Sequence(body) => self.bytes += body.append(&self.identity, record, value, codec, out),
            Body::DeadLetters { .. } => panic!("a good record does not belong to the dead letters"),
        }
    }

    /// Appends a bad record with its reason.
    ///
    /// # Panics
    /// When this is not a dead-letter file.
    pub fn append_bad(&mut self, record: &Record<'_>, bad: &BadRecord, codec: &mut Codec, out: &mut Vec<u8>) {
        self.see(record, record.value, None);
        let Body::DeadLetters { line, block } = &mut self.body else {
            panic!("a bad record belongs to the dead letters");
        };
        line.clear();
        dead_letter::push_line(line, record, bad);
        self.bytes += line.len() as u64;
        block.push(line, codec.dead_letters(), out);
    }

    /// Bytes of memory that wait in pending blocks, and that [`Self::flush_block`] would free.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        match &self.body {
            Body::Text { block, .. } => block.as_ref().map_or(0, |block| block.pending.capacity()),
            Body::Sequence(body) => body.buffered_bytes(),
            Body::DeadLetters { line, block } => line.capacity() + block.pending.capacity(),
        }
    }

    /// Closes the pending block early and gives its memory back: for when memory is short. Content stays the same.
    pub fn flush_block(&mut self, codec: &mut Codec, out: &mut Vec<u8>) {
        match &mut self.body {
            Body::Text { block: None, .. } => {}
            Body::Text { block: Some(block), .. } => block.close(codec.output(), out),
            Body::Sequence(body) => body.close_block(codec, out),
            Body::DeadLetters { line, block } => {
                block.close(codec.dead_letters(), out);
                *line = Vec::new();
            }
        }
    }

    /// The rest of the bytes, and what the manifest will say.
    ///
    /// # Panics
    /// When nothing was appended: a file without records is never made.
    #[must_use]
    pub fn finish(mut self, codec: &mut Codec, out: &mut Vec<u8>) -> FileSummary {
        self.flush_block(codec, out);
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

// === impl Block ===

impl Block {
    /// Blocks are filled to the last byte, so that a long value costs no more memory than a short one.
    fn push(&mut self, mut bytes: &[u8], codec: &mut BlockCodec, out: &mut Vec<u8>) {
        let block_bytes = codec.block_bytes();
        while self.pending.len() + bytes.len() >= block_bytes {
            let (now, later) = bytes.split_at(block_bytes - self.pending.len());
            self.pending.extend_from_slice(now);
            codec.compress(&self.pending, out);
            self.pending.clear();
            bytes = later;
        }
        self.pending.extend_from_slice(bytes);
    }

    fn close(&mut self, codec: &mut BlockCodec, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            codec.compress(&self.pending, out);
        }
        self.pending = Vec::new();
    }
}

fn widen(range: &mut Option<[i64; 2]>, value: Option<i64>) {
    let Some(value) = value else { return };
    *range = Some(range.map_or([value, value], |[low, high]| [low.min(value), high.max(value)]));
}
