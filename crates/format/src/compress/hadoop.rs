//! Hadoop's `BlockCompressorStream`: each block is its length, then the length of its compressed bytes, both four bytes
//! big-endian, then these bytes.
//!
//! Hadoop's format allows several compressed pieces per block. Here each block is one piece, and short enough for the
//! buffers of its readers (`io.compression.codec.snappy.buffersize` and its like, 256 KiB).

use super::{BlockCodec, FileState};

/// Uncompressed bytes of a block.
const BLOCK_BYTES: usize = 128 * 1024;

/// A codec that knows nothing but its own bytes.
pub(super) trait RawCodec: Send {
    /// Appends `block`, compressed.
    fn compress(&mut self, block: &[u8], out: &mut Vec<u8>);
}

pub(super) struct Blocks<C>(pub C);

impl<C: RawCodec> BlockCodec for Blocks<C> {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        for piece in block.chunks(BLOCK_BYTES) {
            out.extend_from_slice(&length(piece.len()));
            let at = out.len();
            out.extend_from_slice(&[0; 4]);
            self.0.compress(piece, out);
            let compressed = length(out.len() - at - 4);
            out[at..at + 4].copy_from_slice(&compressed);
        }
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a block is short").to_be_bytes()
}
