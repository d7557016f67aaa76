//! Block-wise compression: a file is a row of blocks, each compressed in one call and independent of the one before it.
//!
//! gzip, zstd, bzip2 and Hadoop's block framing are defined as concatenations, and every reader that was tried reads
//! them to the end. The others have a header and an end around their blocks, for which a file remembers a few bytes
//! ([`FileState`]). So the memory of an open file is one pending block ([`Pending`]), and the codec's own state, which is
//! large, is there once per worker instead of once per file. Independent blocks cost a little in size.
//!
//! Headers hold no time and no name, so the same blocks give the same bytes. Bytes may still differ between versions of
//! the libraries: content is what the manifest's digests are about.

use libdeflater::Adler32;
use secor_core::shape::{Compression, Framing, Output, OutputFormat};

mod bzip2;
mod deflate;
mod hadoop;
mod lz4;
mod lzop;
mod snappy;
mod zstd;

pub(crate) use lz4::frame as lz4_frame;
pub(crate) use lzop::header as lzop_header;

/// A codec's state; one serves all files of a worker.
pub(crate) trait BlockCodec: Send {
    /// How many bytes a block of text should have before it is compressed.
    fn block_bytes(&self) -> usize;

    /// Appends `block` to `out` as the next block of a file.
    fn compress(&mut self, block: &[u8], file: &mut FileState, out: &mut Vec<u8>);

    /// What stands behind the last block of a file.
    fn finish(&mut self, _file: &mut FileState, _out: &mut Vec<u8>) {}

    /// Appends `bytes` to `out` as something complete: a value or a buffer of a SequenceFile, a block of an Avro file.
    fn compress_alone(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut file = FileState::default();
        self.compress(bytes, &mut file, out);
        self.finish(&mut file, out);
    }
}

/// What a codec remembers of a file between two blocks.
#[derive(Default)]
pub(crate) struct FileState {
    has_header: bool,
    /// Of all uncompressed bytes so far.
    adler: Adler32,
}

/// Bytes of a file that wait for their block to be full.
#[derive(Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    file: FileState,
}

/// The codec of an output; `None` without compression, and where the format compresses its own pieces.
///
/// # Panics
/// When the level is not the codec's, or the format does not know the codec; [`crate::Pipeline::new`] has checked it.
pub(crate) fn codec(output: &Output) -> Option<Box<dyn BlockCodec>> {
    let level = output.level;
    Some(match (output.compression, output.format, output.effective_framing()) {
        (Compression::None, ..) | (_, OutputFormat::Parquet | OutputFormat::Orc, _) => return None,
        (Compression::Gzip, ..) => Box::new(deflate::Gzip::new(level)),
        (Compression::Zstd, ..) => Box::new(zstd::Zstd::new(level)),
        (Compression::Bzip2, ..) => Box::new(bzip2::Bzip2::new(level)),
        (Compression::Deflate, OutputFormat::Avro, _) => Box::new(deflate::Raw::new(level)),
        (Compression::Deflate, ..) => Box::new(deflate::Zlib::new(level)),
        (Compression::Snappy, OutputFormat::Avro, _) => Box::new(snappy::Checked::default()),
        (Compression::Snappy, _, Framing::Hadoop) => Box::new(hadoop::Blocks(snappy::Plain::default())),
        (Compression::Snappy, _, Framing::Stream) => Box::new(snappy::Stream),
        (Compression::Lz4, _, Framing::Hadoop) => Box::new(hadoop::Blocks(lz4::Plain)),
        (Compression::Lz4, _, Framing::Stream) => Box::new(lz4::Frame::default()),
        (Compression::Lzo, ..) => Box::new(lzop::Lzop::default()),
        (Compression::Brotli, ..) => panic!("only Parquet has brotli, and compresses its pages itself"),
    })
}

/// Dead letters are gzip, whatever the output is.
pub(crate) fn dead_letters() -> Box<dyn BlockCodec> {
    Box::new(deflate::Gzip::new(None))
}

/// The levels that a codec has; `None` where there are none.
pub(crate) fn levels(compression: Compression) -> Option<std::ops::RangeInclusive<u8>> {
    match compression {
        Compression::Gzip => Some(1..=12),
        Compression::Zstd => Some(1..=22),
        Compression::Deflate | Compression::Bzip2 => Some(1..=9),
        Compression::Brotli => Some(1..=11),
        Compression::None | Compression::Snappy | Compression::Lz4 | Compression::Lzo => None,
    }
}

// === impl Pending ===

impl Pending {
    /// Blocks are filled to the last byte, so that a long value costs no more memory than a short one.
    pub(crate) fn push(&mut self, mut bytes: &[u8], codec: &mut dyn BlockCodec, out: &mut Vec<u8>) {
        let block_bytes = codec.block_bytes();
        while self.bytes.len() + bytes.len() >= block_bytes {
            let (now, later) = bytes.split_at(block_bytes - self.bytes.len());
            self.bytes.extend_from_slice(now);
            codec.compress(&self.bytes, &mut self.file, out);
            self.bytes.clear();
            bytes = later;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Closes the block early and gives its memory back.
    pub(crate) fn close(&mut self, codec: &mut dyn BlockCodec, out: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            codec.compress(&self.bytes, &mut self.file, out);
        }
        self.bytes = Vec::new();
    }

    /// Ends the file.
    pub(crate) fn finish(&mut self, codec: &mut dyn BlockCodec, out: &mut Vec<u8>) {
        self.close(codec, out);
        codec.finish(&mut self.file, out);
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
