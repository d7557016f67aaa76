//! Block-wise compression: a file is a row of gzip members or zstd frames, each made in one call.
//!
//! Both formats are defined as concatenations, and every reader that was tried reads them to the end. It keeps the
//! memory of an open file to one pending block, and the codec's own state, which is large, to one per worker instead
//! of one per file. Each block is independent of the one before it, which costs a little in size (see `GZIP_BLOCK_BYTES`).
//!
//! Headers hold no time and no name, so the same blocks give the same bytes. Bytes may still differ between versions of
//! the libraries: content is what the manifest's digests are about.

use libdeflater::{CompressionLvl, Compressor as Gzip};
use secor_core::shape::{Compression, Output};
use zstd::bulk::Compressor as Zstd;

/// Uncompressed bytes of a gzip member of text or dead letters: 1 MiB would save 1 % of the size.
const GZIP_BLOCK_BYTES: usize = 256 * 1024;
/// Uncompressed bytes of a zstd frame of text: its window reaches further back than gzip's, so short frames cost more.
const ZSTD_BLOCK_BYTES: usize = 512 * 1024;

/// zlib's and Secor's usual level.
const GZIP_LEVEL: u8 = 6;
const ZSTD_LEVEL: u8 = 3;

/// A codec's state; one serves all files of a worker.
pub(crate) enum BlockCodec {
    Gzip(Gzip),
    /// The second field is scratch.
    Zstd(Zstd<'static>, Vec<u8>),
}

// === impl BlockCodec ===

impl BlockCodec {
    /// `None` without compression.
    ///
    /// # Panics
    /// When the level is not the codec's; [`crate::Pipeline::new`] has checked it.
    pub(crate) fn new(output: &Output) -> Option<Self> {
        match output.compression {
            Compression::None => None,
            Compression::Gzip => Some(Self::gzip(output.level.unwrap_or(GZIP_LEVEL))),
            Compression::Zstd => Some(Self::zstd(output.level.unwrap_or(ZSTD_LEVEL))),
        }
    }

    pub(crate) fn dead_letters() -> Self {
        Self::gzip(GZIP_LEVEL)
    }

    fn gzip(level: u8) -> Self {
        Self::Gzip(Gzip::new(CompressionLvl::new(i32::from(level)).expect("the level was checked with the shape")))
    }

    fn zstd(level: u8) -> Self {
        let mut zstd = Zstd::new(i32::from(level)).expect("zstd has a context unless memory is out");
        zstd.include_checksum(true).expect("a fresh context takes parameters");
        Self::Zstd(zstd, Vec::new())
    }

    /// How many bytes a block of text should have before it is compressed.
    pub(crate) fn block_bytes(&self) -> usize {
        match self {
            Self::Gzip(_) => GZIP_BLOCK_BYTES,
            Self::Zstd(..) => ZSTD_BLOCK_BYTES,
        }
    }

    /// Appends `block` to `out` as one gzip member or zstd frame.
    pub(crate) fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Gzip(gzip) => {
                out.resize(start + gzip.gzip_compress_bound(block.len()), 0);
                let bytes = gzip.gzip_compress(block, &mut out[start..]).expect("the bound leaves room enough");
                out.truncate(start + bytes);
            }
            Self::Zstd(zstd, scratch) => {
                scratch.clear();
                scratch.reserve(zstd::zstd_safe::compress_bound(block.len()));
                zstd.compress_to_buffer(block, scratch).expect("the bound leaves room enough");
                out.extend_from_slice(scratch);
            }
        }
    }
}
