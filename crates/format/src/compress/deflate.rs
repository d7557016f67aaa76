//! gzip, zlib and raw deflate. libdeflate does whole pieces; it can't end a piece without ending the stream, so the one
//! long zlib stream of a `.deflate` file is made with zlib.

use flate2::{Compress, FlushCompress};
use libdeflater::{CompressionLvl, Compressor};

use super::{BlockCodec, FileState};

/// zlib's and Secor's usual level.
const LEVEL: u8 = 6;

/// Uncompressed bytes of a gzip member of text or dead letters: 1 MiB would save 1 % of the size.
const BLOCK_BYTES: usize = 256 * 1024;

/// RFC 1950: deflate with a window of 32 KiB, default level, no dictionary.
const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// An empty last block.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

/// A row of gzip members, RFC 1952, without name and time.
pub(super) struct Gzip(Compressor);

/// One zlib stream, RFC 1950.
pub(super) struct Zlib {
    stream: Compress,
    alone: Compressor,
}

/// Deflate without anything around it, RFC 1951, as in Avro.
pub(super) struct Raw(Compressor);

// === impl Gzip ===

impl Gzip {
    pub(super) fn new(level: Option<u8>) -> Self {
        Self(compressor(level))
    }
}

impl BlockCodec for Gzip {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.0.gzip_compress_bound(block.len()), 0);
        let bytes = self.0.gzip_compress(block, &mut out[start..]).expect("the bound leaves room enough");
        out.truncate(start + bytes);
    }
}

// === impl Zlib ===

impl Zlib {
    pub(super) fn new(level: Option<u8>) -> Self {
        let stream = Compress::new(flate2::Compression::new(level.unwrap_or(LEVEL).into()), false);
        Self { stream, alone: compressor(level) }
    }
}

impl BlockCodec for Zlib {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], file: &mut FileState, out: &mut Vec<u8>) {
        if !file.has_header {
            out.extend_from_slice(&ZLIB_HEADER);
            file.has_header = true;
        }
        file.adler.update(block);
        self.stream.reset();
        let mut rest = block;
        loop {
            // room for the rest, however badly it compresses, and for the flush
            out.reserve(rest.len() + rest.len() / 16 + 64);
            let (before, room) = (self.stream.total_in(), out.capacity() - out.len());
            let written = self.stream.total_out();
            self.stream.compress_vec(rest, out, FlushCompress::Full).expect("deflating bytes can't fail");
            let used = usize::try_from(self.stream.total_in() - before).expect("not more than was given");
            rest = &rest[used..];
            // the flush is complete when it did not need all the room
            if rest.is_empty() && self.stream.total_out() - written < room as u64 {
                break;
            }
        }
    }

    fn finish(&mut self, file: &mut FileState, out: &mut Vec<u8>) {
        out.extend_from_slice(&DEFLATE_END);
        out.extend_from_slice(&std::mem::take(&mut file.adler).sum().to_be_bytes());
    }

    fn compress_alone(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.alone.zlib_compress_bound(bytes.len()), 0);
        let written = self.alone.zlib_compress(bytes, &mut out[start..]).expect("the bound leaves room enough");
        out.truncate(start + written);
    }
}

// === impl Raw ===

impl Raw {
    pub(super) fn new(level: Option<u8>) -> Self {
        Self(compressor(level))
    }
}

impl BlockCodec for Raw {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.0.deflate_compress_bound(block.len()), 0);
        let bytes = self.0.deflate_compress(block, &mut out[start..]).expect("the bound leaves room enough");
        out.truncate(start + bytes);
    }
}

fn compressor(level: Option<u8>) -> Compressor {
    let level = i32::from(level.unwrap_or(LEVEL));
    Compressor::new(CompressionLvl::new(level).expect("the level was checked with the shape"))
}
