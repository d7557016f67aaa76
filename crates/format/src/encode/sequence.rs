//! Hadoop SequenceFiles, version 6, byte for byte as `org.apache.hadoop.io.SequenceFile.Writer` lays them out: plain,
//! record-compressed or block-compressed, with the keys of the Java Secor.
//!
//! Two things differ from what the Java Secor wrote: the sync marker is derived from topic, partition and first offset
//! instead of random, so that a file is a function of its records; and without compression nothing is compressed,
//! where Secor left Hadoop's default (each value through zlib) in place.

use secor_core::record::Record;
use secor_core::shape::{Compression, Output, SequenceCompression, SequenceKey};

use super::{Body, Codec, Row, SYNC_BYTES, Sink, sync_marker};

/// In the place of a record's length: a sync marker follows.
const SYNC_ESCAPE: i32 = -1;
/// Bytes of file between two sync markers, Hadoop's `SYNC_INTERVAL` as the Java Secor had it.
const SYNC_INTERVAL_BYTES: u64 = 2_000;
/// Keys and values of a block, Hadoop's default of `io.seqfile.compress.blocksize`.
const SEQUENCE_BLOCK_BYTES: usize = 1_000_000;

/// Hadoop's class names. Persisted, never change.
pub(crate) mod class {
    pub const LONG_WRITABLE: &str = "org.apache.hadoop.io.LongWritable";
    pub const BYTES_WRITABLE: &str = "org.apache.hadoop.io.BytesWritable";
    pub const GZIP_CODEC: &str = "org.apache.hadoop.io.compress.GzipCodec";
    pub const ZSTANDARD_CODEC: &str = "org.apache.hadoop.io.compress.ZStandardCodec";
    pub const SNAPPY_CODEC: &str = "org.apache.hadoop.io.compress.SnappyCodec";
    pub const LZ4_CODEC: &str = "org.apache.hadoop.io.compress.Lz4Codec";
    pub const BZIP2_CODEC: &str = "org.apache.hadoop.io.compress.BZip2Codec";
    pub const DEFAULT_CODEC: &str = "org.apache.hadoop.io.compress.DefaultCodec";
}

/// The codec class in a file's header; `None` without compression, and for codecs that are not Hadoop's own.
pub(crate) fn codec_class(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::None | Compression::Lzo | Compression::Brotli => None,
        Compression::Gzip => Some(class::GZIP_CODEC),
        Compression::Zstd => Some(class::ZSTANDARD_CODEC),
        Compression::Snappy => Some(class::SNAPPY_CODEC),
        Compression::Lz4 => Some(class::LZ4_CODEC),
        Compression::Bzip2 => Some(class::BZIP2_CODEC),
        Compression::Deflate => Some(class::DEFAULT_CODEC),
    }
}

pub(super) struct SequenceBody {
    key: SequenceKey,
    codec: Option<&'static str>,
    layout: Layout,
    /// Bytes of the file so far.
    position: u64,
    last_sync: u64,
    /// Set with the first record.
    sync: Option<[u8; SYNC_BYTES]>,
}

enum Layout {
    Plain,
    RecordCompressed,
    BlockCompressed(Box<Buffers>),
}

/// A pending block: lengths and bytes of keys and values, each compressed on its own.
#[derive(Default)]
struct Buffers {
    records: i64,
    key_lengths: Vec<u8>,
    keys: Vec<u8>,
    value_lengths: Vec<u8>,
    values: Vec<u8>,
}

// === impl SequenceBody ===

impl SequenceBody {
    pub(super) fn new(output: &Output) -> Self {
        let layout = match (output.compression, output.sequence_compression) {
            (Compression::None, _) => Layout::Plain,
            (_, SequenceCompression::Record) => Layout::RecordCompressed,
            (_, SequenceCompression::Block) => Layout::BlockCompressed(Box::default()),
        };
        let codec = codec_class(output.compression);
        Self { key: output.sequence_key, codec, layout, position: 0, last_sync: 0, sync: None }
    }

    fn push_header(&self, sync: &[u8; SYNC_BYTES], out: &mut Vec<u8>) {
        let key_class = match self.key {
            SequenceKey::Offset => class::LONG_WRITABLE,
            SequenceKey::Messagepack => class::BYTES_WRITABLE,
        };
        out.extend_from_slice(b"SEQ\x06");
        push_text(out, key_class);
        push_text(out, class::BYTES_WRITABLE);
        out.push(u8::from(self.codec.is_some()));
        out.push(u8::from(matches!(self.layout, Layout::BlockCompressed(_))));
        if let Some(codec) = self.codec {
            push_text(out, codec);
        }
        // no metadata
        out.extend_from_slice(&0i32.to_be_bytes());
        out.extend_from_slice(sync);
    }

    fn push_record(&mut self, key: &[u8], value: &[u8], codec: &mut Codec, out: &mut Vec<u8>) {
        let mut start = out.len();
        if self.position >= self.last_sync + SYNC_INTERVAL_BYTES {
            self.push_sync(out);
            start = out.len();
        }
        // the lengths are known when the value is there
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&length(key.len()).to_be_bytes());
        out.extend_from_slice(key);
        if matches!(self.layout, Layout::RecordCompressed) {
            let mut serialized = Vec::with_capacity(4 + value.len());
            push_bytes_writable(&mut serialized, value);
            codec.output().compress_alone(&serialized, out);
        } else {
            push_bytes_writable(out, value);
        }
        let content = length(out.len() - start - 8);
        out[start..start + 4].copy_from_slice(&content.to_be_bytes());
        self.position += (out.len() - start) as u64;
    }

    fn push_block(&mut self, codec: &mut Codec, out: &mut Vec<u8>) {
        let Layout::BlockCompressed(buffers) = &mut self.layout else { return };
        if buffers.records == 0 {
            return;
        }
        // moved out and back, so that the sync marker can be written
        let mut buffers = std::mem::take(&mut **buffers);
        self.push_sync(out);
        let start = out.len();
        push_vint(out, buffers.records);
        let mut scratch = std::mem::take(&mut codec.scratch);
        for buffer in [&buffers.key_lengths, &buffers.keys, &buffers.value_lengths, &buffers.values] {
            scratch.clear();
            codec.output().compress_alone(buffer, &mut scratch);
            push_vint(out, i64::from(length(scratch.len())));
            out.extend_from_slice(&scratch);
        }
        codec.scratch = scratch;
        self.position += (out.len() - start) as u64;
        buffers.clear();
        self.layout = Layout::BlockCompressed(Box::new(buffers));
    }

    fn push_sync(&mut self, out: &mut Vec<u8>) {
        let sync = self.sync.expect("the marker is set with the first record");
        out.extend_from_slice(&SYNC_ESCAPE.to_be_bytes());
        out.extend_from_slice(&sync);
        self.position += 4 + SYNC_BYTES as u64;
        self.last_sync = self.position;
    }
}

impl Body for SequenceBody {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        let Sink { codec, out } = sink;
        let value = row.value.unwrap_or_default();
        let start = out.len();
        if self.sync.is_none() {
            let sync = sync_marker(row.identity, row.record);
            self.sync = Some(sync);
            self.push_header(&sync, out);
            self.position += (out.len() - start) as u64;
        }
        let mut scratch = std::mem::take(&mut codec.scratch);
        scratch.clear();
        push_key(&mut scratch, self.key, row.record);
        let bytes = (scratch.len() + 4 + value.len()) as u64;
        if let Layout::BlockCompressed(buffers) = &mut self.layout {
            buffers.push(&scratch, value);
            let is_full = buffers.keys.len() + buffers.values.len() >= SEQUENCE_BLOCK_BYTES;
            codec.scratch = scratch;
            if is_full {
                self.push_block(codec, out);
            }
            return bytes;
        }
        self.push_record(&scratch, value, codec, out);
        codec.scratch = scratch;
        bytes
    }

    fn buffered_bytes(&self) -> usize {
        match &self.layout {
            Layout::Plain | Layout::RecordCompressed => 0,
            Layout::BlockCompressed(it) => {
                it.key_lengths.capacity() + it.keys.capacity() + it.value_lengths.capacity() + it.values.capacity()
            }
        }
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.push_block(sink.codec, sink.out);
        if let Layout::BlockCompressed(buffers) = &mut self.layout {
            **buffers = Buffers::default();
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.close_block(sink);
    }
}

// === impl Buffers ===

impl Buffers {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        push_vint(&mut self.key_lengths, i64::from(length(key.len())));
        self.keys.extend_from_slice(key);
        push_vint(&mut self.value_lengths, i64::from(length(4 + value.len())));
        push_bytes_writable(&mut self.values, value);
    }

    fn clear(&mut self) {
        self.records = 0;
        self.key_lengths.clear();
        self.keys.clear();
        self.value_lengths.clear();
        self.values.clear();
    }
}

/// The key as Hadoop serializes it.
fn push_key(out: &mut Vec<u8>, key: SequenceKey, record: &Record<'_>) {
    match key {
        SequenceKey::Offset => out.extend_from_slice(&record.offset.get().to_be_bytes()),
        SequenceKey::Messagepack => {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            push_messagepack(out, record);
            let content = length(out.len() - start - 4);
            out[start..start + 4].copy_from_slice(&content.to_be_bytes());
        }
    }
}

/// A map of 1: offset, 3: timestamp if there is one, 2: Kafka key if it is not empty, in this order, as the Java Secor.
fn push_messagepack(out: &mut Vec<u8>, record: &Record<'_>) {
    let key = record.key.filter(|key| !key.is_empty());
    out.push(0x80 | (1 + u8::from(record.timestamp.is_some()) + u8::from(key.is_some())));
    out.push(1);
    push_messagepack_int(out, record.offset.get());
    if let Some(timestamp) = record.timestamp {
        out.push(3);
        push_messagepack_int(out, timestamp);
    }
    if let Some(key) = key {
        out.push(2);
        let len = length(key.len());
        match len.to_be_bytes() {
            [0, 0, 0, low] => out.extend_from_slice(&[0xc4, low]),
            [0, 0, high, low] => out.extend_from_slice(&[0xc5, high, low]),
            bytes => {
                out.push(0xc6);
                out.extend_from_slice(&bytes);
            }
        }
        out.extend_from_slice(key);
    }
}

/// In the fewest bytes: unsigned forms for what is not negative, as msgpack-java packs a long.
fn push_messagepack_int(out: &mut Vec<u8>, value: i64) {
    let mut push = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
    };
    if let Ok(value) = u8::try_from(value) {
        if value < 0x80 { push(value, &[]) } else { push(0xcc, &[value]) }
    } else if let Ok(value) = u16::try_from(value) {
        push(0xcd, &value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        push(0xce, &value.to_be_bytes());
    } else if let Ok(value) = u64::try_from(value) {
        push(0xcf, &value.to_be_bytes());
    } else if let Ok(value) = i8::try_from(value) {
        let byte = value.to_be_bytes()[0];
        if value >= -32 { push(byte, &[]) } else { push(0xd0, &[byte]) }
    } else if let Ok(value) = i16::try_from(value) {
        push(0xd1, &value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        push(0xd2, &value.to_be_bytes());
    } else {
        push(0xd3, &value.to_be_bytes());
    }
}

fn push_bytes_writable(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Hadoop's `Text.writeString`.
fn push_text(out: &mut Vec<u8>, text: &str) {
    push_vint(out, i64::from(length(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// Hadoop's `WritableUtils.writeVLong`, for what is not negative: one byte up to 127, else one byte that tells how many
/// big-endian bytes follow.
fn push_vint(out: &mut Vec<u8>, value: i64) {
    if let Ok(byte @ 0..=127) = u8::try_from(value) {
        out.push(byte);
        return;
    }
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let used = u8::try_from(bytes.len() - zeros).expect("at most eight bytes");
    // -113 says one byte follows, -114 two, and so on
    out.push(0x90 - used);
    out.extend_from_slice(&bytes[zeros..]);
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a Kafka message is shorter than 2 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    // what Python's msgpack packs, which is the fewest bytes as in msgpack-java
    #[test]
    fn messagepack_numbers_take_the_fewest_bytes() {
        for (value, expected) in [
            (0, "00"),
            (127, "7f"),
            (128, "cc80"),
            (255, "ccff"),
            (256, "cd0100"),
            (65_535, "cdffff"),
            (65_536, "ce00010000"),
            (0xffff_ffff, "ceffffffff"),
            (0x1_0000_0000, "cf0000000100000000"),
            (i64::MAX, "cf7fffffffffffffff"),
            (-1, "ff"),
            (-32, "e0"),
            (-33, "d0df"),
            (-128, "d080"),
            (-129, "d1ff7f"),
            (-32_768, "d18000"),
            (-32_769, "d2ffff7fff"),
            (-2_147_483_648, "d280000000"),
            (-2_147_483_649, "d3ffffffff7fffffff"),
        ] {
            let mut out = Vec::new();
            push_messagepack_int(&mut out, value);
            assert_eq!(hex(&out), expected, "{value}");
        }
    }

    // what Hadoop's WritableUtils writes
    #[test]
    fn lengths_are_written_as_hadoop_does() {
        for (value, expected) in [
            (0, "00"),
            (127, "7f"),
            (128, "8f80"),
            (255, "8fff"),
            (256, "8e0100"),
            (65_536, "8d010000"),
            (1 << 24, "8c01000000"),
        ] {
            let mut out = Vec::new();
            push_vint(&mut out, value);
            assert_eq!(hex(&out), expected, "{value}");
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
