//! Avro object container files, of envelopes or of values.
//!
//! Envelopes have the schema of Kafka Store, with offset and headers. Names of headers are strings in Kafka; one that is
//! no UTF-8 is kept in `name_bytes`. Values are data by a schema of the user's: their bytes come as the file holds them,
//! and are not looked at.
//!
//! Written by hand: one fixed schema of six kinds of values needs no library, and the file must be a function of its
//! records, with a sync marker that is derived instead of drawn.

use std::sync::{Arc, LazyLock};

use secor_core::record::{Record, headers};
use secor_core::shape::{Compression, Content, Output};

use super::{Body, Row, SYNC_BYTES, Sink, sync_marker};

/// Uncompressed bytes of a block.
const BLOCK_BYTES: usize = 256 * 1024;

/// Most records of a block: data may be without bytes.
pub(crate) const BLOCK_RECORDS: u64 = 100_000;

/// What a file begins with.
pub(crate) const MAGIC: [u8; 4] = *b"Obj\x01";
/// Names in a file's metadata.
pub(crate) const SCHEMA_KEY: &str = "avro.schema";
pub(crate) const CODEC_KEY: &str = "avro.codec";

/// Persisted, never change.
pub(crate) const SCHEMA: &str = concat!(
    r#"{"type":"record","name":"message","fields":["#,
    r#"{"name":"offset","type":"long"},"#,
    r#"{"name":"timestamp","type":["null","long"]},"#,
    r#"{"name":"key","type":["null","bytes"]},"#,
    r#"{"name":"value","type":["null","bytes"]},"#,
    r#"{"name":"headers","type":{"type":"array","items":{"type":"record","name":"header","fields":["#,
    r#"{"name":"name","type":"string"},"#,
    r#"{"name":"value","type":["null","bytes"]},"#,
    r#"{"name":"name_bytes","type":["null","bytes"],"default":null}]}}}]}"#,
);

/// [`SCHEMA`], to be shared.
pub(super) static ENVELOPE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(SCHEMA));

/// Avro's name of a codec; `None` for those that Avro has not.
pub(crate) fn codec_name(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::None => Some("null"),
        Compression::Deflate => Some("deflate"),
        Compression::Snappy => Some("snappy"),
        Compression::Zstd => Some("zstandard"),
        Compression::Bzip2 => Some("bzip2"),
        Compression::Gzip | Compression::Lz4 | Compression::Lzo | Compression::Brotli => None,
    }
}

pub(super) struct AvroBody {
    codec: &'static str,
    schema: Arc<str>,
    is_envelope: bool,
    /// Set with the first record.
    sync: Option<[u8; SYNC_BYTES]>,
    records: u64,
    block: Vec<u8>,
}

// === impl AvroBody ===

impl AvroBody {
    pub(super) fn new(output: &Output, schema: Arc<str>) -> Self {
        let codec = codec_name(output.compression).expect("the codec was checked with the shape");
        Self {
            codec,
            schema,
            is_envelope: output.content == Content::Envelope,
            sync: None,
            records: 0,
            block: Vec::new(),
        }
    }

    fn push_header(&self, sync: &[u8; SYNC_BYTES], out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        push_long(out, 2);
        for (name, value) in [(SCHEMA_KEY, &*self.schema), (CODEC_KEY, self.codec)] {
            push_bytes(out, name.as_bytes());
            push_bytes(out, value.as_bytes());
        }
        push_long(out, 0);
        out.extend_from_slice(sync);
    }

    fn push_block(&mut self, sink: &mut Sink<'_>) {
        if self.records == 0 {
            return;
        }
        let sync = self.sync.expect("the marker is set with the first record");
        push_long(sink.out, i64::try_from(self.records).expect("a block has few records"));
        if sink.codec.output.is_some() {
            let mut scratch = std::mem::take(&mut sink.codec.scratch);
            scratch.clear();
            sink.codec.output().compress_alone(&self.block, &mut scratch);
            push_bytes(sink.out, &scratch);
            sink.codec.scratch = scratch;
        } else {
            push_bytes(sink.out, &self.block);
        }
        sink.out.extend_from_slice(&sync);
        self.block.clear();
        // a long value does not hold its memory for ever
        self.block.shrink_to(2 * BLOCK_BYTES);
        self.records = 0;
    }
}

impl Body for AvroBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        if self.sync.is_none() {
            let sync = sync_marker(row.identity, row.record);
            self.push_header(&sync, sink.out);
            self.sync = Some(sync);
        }
        let start = self.block.len();
        match self.is_envelope {
            true => push_record(&mut self.block, row.record, row.value),
            false => self.block.extend_from_slice(row.value.unwrap_or_default()),
        }
        let bytes = self.block.len() - start;
        self.records += 1;
        if self.block.len() >= BLOCK_BYTES || self.records == BLOCK_RECORDS {
            self.push_block(sink);
        }
        bytes as u64
    }

    fn buffered_bytes(&self) -> usize {
        self.block.capacity()
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.push_block(sink);
        self.block = Vec::new();
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.close_block(sink);
    }
}

fn push_record(to: &mut Vec<u8>, record: &Record<'_>, value: Option<&[u8]>) {
    push_long(to, record.offset.get());
    match record.timestamp {
        Some(timestamp) => {
            push_long(to, SECOND_BRANCH);
            push_long(to, timestamp);
        }
        None => push_long(to, NULL_BRANCH),
    }
    push_optional(to, record.key);
    push_optional(to, value);
    let count = headers(record.headers).count();
    if count > 0 {
        push_long(to, i64::try_from(count).expect("a record has few headers"));
        for (name, value) in headers(record.headers) {
            let is_text = std::str::from_utf8(name).is_ok();
            push_bytes(to, if is_text { name } else { b"" });
            push_optional(to, value);
            push_optional(to, if is_text { None } else { Some(name) });
        }
    }
    push_long(to, 0);
}

/// Of the unions in [`SCHEMA`].
pub(crate) const NULL_BRANCH: i64 = 0;
pub(crate) const SECOND_BRANCH: i64 = 1;

fn push_optional(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            push_long(to, SECOND_BRANCH);
            push_bytes(to, bytes);
        }
        None => push_long(to, NULL_BRANCH),
    }
}

fn push_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    push_long(to, i64::try_from(bytes.len()).expect("lengths fit 63 bits"));
    to.extend_from_slice(bytes);
}

/// Zigzag, then seven bits per byte, the lowest first.
fn push_long(to: &mut Vec<u8>, value: i64) {
    let mut bits = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while bits >= 0x80 {
        to.push(bits.to_le_bytes()[0] | 0x80);
        bits >>= 7;
    }
    to.push(bits.to_le_bytes()[0]);
}
