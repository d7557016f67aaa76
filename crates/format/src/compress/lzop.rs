//! LZO as the program `lzop` writes it: a header without name and time, blocks with the Adler-32 of their content, an
//! end mark.

use libdeflater::adler32;
use lzokay_native::{Dict, compress_with_dict};

use super::{BlockCodec, FileState};

/// lzop's own block size, which its readers have buffers for.
const BLOCK_BYTES: usize = 256 * 1024;

const END_MARK: [u8; 4] = [0; 4];

/// The header's fixed parts, for the reader too.
pub(crate) mod header {
    pub const MAGIC: [u8; 9] = *b"\x89LZO\0\r\n\x1a\n";
    /// Adler-32 of each block's uncompressed bytes.
    pub const ADLER_OF_CONTENT: u32 = 1;
    /// Adler-32 of each block's compressed bytes.
    pub const ADLER_OF_STORED: u32 = 2;
    /// LZO1X-1; the compressed form is the same for all LZO1X.
    pub const METHOD: u8 = 1;
}

/// Written by version 1.03 with library 1.08, for readers from 0.94. hadoop-lzo refuses files of a library that is newer
/// than its own, and blocks of LZO1X have not changed since.
const VERSIONS: [u8; 6] = [0x10, 0x30, 0x10, 0x80, 0x09, 0x40];
const LEVEL: u8 = 5;

#[derive(Default)]
pub(super) struct Lzop {
    dict: Dict,
}

impl BlockCodec for Lzop {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], file: &mut FileState, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut file.has_header, true) {
            push_header(out);
        }
        for piece in block.chunks(BLOCK_BYTES) {
            let compressed = compress_with_dict(piece, &mut self.dict).expect("compressing into memory can't fail");
            // a block that would grow is stored as it is, which its equal lengths tell
            let stored = if compressed.len() < piece.len() { &compressed[..] } else { piece };
            out.extend_from_slice(&length(piece.len()));
            out.extend_from_slice(&length(stored.len()));
            out.extend_from_slice(&adler32(piece).to_be_bytes());
            out.extend_from_slice(stored);
        }
    }

    fn finish(&mut self, _: &mut FileState, out: &mut Vec<u8>) {
        out.extend_from_slice(&END_MARK);
    }
}

fn push_header(out: &mut Vec<u8>) {
    out.extend_from_slice(&header::MAGIC);
    let start = out.len();
    out.extend_from_slice(&VERSIONS);
    out.extend_from_slice(&[header::METHOD, LEVEL]);
    out.extend_from_slice(&header::ADLER_OF_CONTENT.to_be_bytes());
    // mode, time in two parts, length of the name
    out.extend_from_slice(&[0; 4 + 4 + 4 + 1]);
    let checksum = adler32(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a block is short").to_be_bytes()
}
