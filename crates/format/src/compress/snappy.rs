//! Snappy: as it is (for Hadoop's framing), with a checksum (Avro), and in its own framing format.

use std::io::Write;

use libdeflater::crc32;
use snap::raw::{Encoder, max_compress_len};
use snap::write::FrameEncoder;

use super::hadoop::RawCodec;
use super::{BlockCodec, FileState};

const BLOCK_BYTES: usize = 256 * 1024;

/// The first chunk of a stream in the framing format: type, length, `sNaPpY`.
const STREAM_IDENTIFIER_BYTES: usize = 10;

pub(super) struct Plain(Encoder);

/// Followed by the CRC-32 of the uncompressed bytes, big-endian, as in Avro.
#[derive(Default)]
pub(super) struct Checked(Plain);

/// <https://github.com/google/snappy/blob/main/framing_format.txt>.
pub(super) struct Stream;

// === impl Plain ===

impl Default for Plain {
    fn default() -> Self {
        Self(Encoder::new())
    }
}

impl RawCodec for Plain {
    fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + max_compress_len(block.len()), 0);
        let bytes = self.0.compress(block, &mut out[start..]).expect("the bound leaves room enough");
        out.truncate(start + bytes);
    }
}

impl BlockCodec for Checked {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], _: &mut FileState, out: &mut Vec<u8>) {
        self.0.compress(block, out);
        out.extend_from_slice(&crc32(block).to_be_bytes());
    }
}

impl BlockCodec for Stream {
    fn block_bytes(&self) -> usize {
        BLOCK_BYTES
    }

    fn compress(&mut self, block: &[u8], file: &mut FileState, out: &mut Vec<u8>) {
        let start = out.len();
        let mut encoder = FrameEncoder::new(&mut *out);
        encoder.write_all(block).and_then(|()| encoder.flush()).expect("a vector takes all bytes");
        drop(encoder);
        // allowed at each start of a piece, needed once
        if std::mem::replace(&mut file.has_header, true) {
            out.drain(start..start + STREAM_IDENTIFIER_BYTES);
        }
    }
}
