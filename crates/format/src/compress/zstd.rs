//! A row of zstd frames, each with its content size and checksum.

use zstd::bulk::Compressor;

use super::{BlockCodec, FileState};

const LEVEL: u8 = 3;

/// Uncompressed bytes of a frame of text: the window reaches further back than gzip's, so short frames cost more.
const BLOCK_BYTES: usize = 512 * 1024;

pub(super) struct Zstd {
    compressor: Compressor<'static>,
    scratch: Vec<u8>,
}

// === impl Zstd ===

impl Zstd {
    pub(super) fn new(level: Option<u8>) -> Self {
        let level = i32::from(level.unwrap_or(LEVEL));
        let mut compressor = Compressor::new(level).expect("zstd has a context unless memory is out");
        compressor.include_checksum(true).expect("a fresh context takes parameters");
        Self { compressor, scratch: Vec::new() }
    }
}

impl BlockCodec for Zstd {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        self.scratch.clear();
        self.scratch.reserve(zstd::zstd_safe::compress_bound(block.len()));
        self.compressor.compress_to_buffer(block, &mut self.scratch).expect("the bound leaves room enough");
        out.extend_from_slice(&self.scratch);
    }
}
