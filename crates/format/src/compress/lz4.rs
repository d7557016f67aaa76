//! LZ4: as it is (for Hadoop's framing), and as one frame per file with independent blocks, each with its checksum.
//!
//! The frame has no checksum over all its content: it would have to be kept for each file, and each block has its own.

use lz4_flex::block::{compress_into, get_maximum_output_size};
use xxhash_rust::xxh32::xxh32;

use super::hadoop::RawCodec;
use super::{BlockCodec, FileState};

/// The frame format's block sizes are 64 KiB, 256 KiB, 1 MiB and 4 MiB.
const BLOCK_BYTES: usize = 256 * 1024;

/// The frame's fixed parts, for the reader too.
pub(crate) mod frame {
    pub const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
    pub const VERSION_1: u8 = 0b0100_0000;
    pub const VERSION_MASK: u8 = 0b1100_0000;
    pub const INDEPENDENT_BLOCKS: u8 = 0b0010_0000;
    pub const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
    pub const CONTENT_SIZE: u8 = 0b0000_1000;
    pub const CONTENT_CHECKSUM: u8 = 0b0000_0100;
    /// Set in a block's length when its bytes are not compressed.
    pub const UNCOMPRESSED: u32 = 1 << 31;
}

/// The flags, and blocks of at most 256 KiB.
const DESCRIPTOR: [u8; 2] = [frame::VERSION_1 | frame::INDEPENDENT_BLOCKS | frame::BLOCK_CHECKSUMS, 5 << 4];
const END_MARK: [u8; 4] = [0; 4];

pub(super) struct Plain;

/// <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.
#[derive(Default)]
pub(super) struct Frame {
    scratch: Vec<u8>,
}

impl RawCodec for Plain {
    fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + get_maximum_output_size(block.len()), 0);
        let bytes = compress_into(block, &mut out[start..]).expect("the bound leaves room enough");
        out.truncate(start + bytes);
    }
}

impl BlockCodec for Frame {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], file: &mut FileState, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut file.has_header, true) {
            out.extend_from_slice(&frame::MAGIC);
            out.extend_from_slice(&DESCRIPTOR);
            out.push(xxh32(&DESCRIPTOR, 0).to_le_bytes()[1]);
        }
        for piece in block.chunks(BLOCK_BYTES) {
            self.scratch.clear();
            Plain.compress(piece, &mut self.scratch);
            let (bytes, flag) =
                if self.scratch.len() < piece.len() { (&self.scratch[..], 0) } else { (piece, frame::UNCOMPRESSED) };
            let len = u32::try_from(bytes.len()).expect("a block is short");
            out.extend_from_slice(&(len | flag).to_le_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(&xxh32(bytes, 0).to_le_bytes());
        }
    }

    fn finish(&mut self, _: &mut FileState, out: &mut Vec<u8>) {
        out.extend_from_slice(&END_MARK);
    }
}
