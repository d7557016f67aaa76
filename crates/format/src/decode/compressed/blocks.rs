//! Rows of blocks that say how long they are: Hadoop's block framing, and what readers of such rows share.

use std::io::{self, BufRead, ErrorKind, Read};

use super::damaged;

/// Longest block, compressed or not, that is believed; Hadoop's and lzop's are 256 KiB.
const BLOCK_BYTES_MAX: usize = 64 << 20;

/// One kind of blocks.
pub(super) trait Blocks {
    /// Reads the next block into `to`, which is empty; false at the end.
    fn next(&mut self, input: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<bool>;
}

/// The content of a row of blocks.
pub(super) struct Reader<R, B> {
    input: R,
    blocks: B,
    block: Vec<u8>,
    at: usize,
}

/// Hadoop's `BlockDecompressorStream`; the function appends the content of a compressed piece, of which at most as many
/// bytes are expected.
pub(super) struct Hadoop(pub fn(&[u8], usize, &mut Vec<u8>) -> io::Result<()>);

// === impl Reader ===

impl<R, B> Reader<R, B> {
    pub(super) fn new(input: R, blocks: B) -> Self {
        Self { input, blocks, block: Vec::new(), at: 0 }
    }
}

impl<R: BufRead, B: Blocks> Read for Reader<R, B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            self.block.clear();
            self.at = 0;
            if !self.blocks.next(&mut self.input, &mut self.block)? {
                return Ok(0);
            }
        }
        let read = (&self.block[self.at..]).read(to)?;
        self.at += read;
        Ok(read)
    }
}

impl Blocks for Hadoop {
    fn next(&mut self, input: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<bool> {
        if input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let len = read_length(input)?;
        while to.len() < len {
            let compressed_len = read_length(input)?;
            let compressed = read_exactly(input, compressed_len)?;
            let before = to.len();
            (self.0)(&compressed, len - before, to)?;
            if to.len() > len || to.len() == before {
                return Err(damaged("a block has another length than it says"));
            }
        }
        Ok(true)
    }
}

pub(super) fn snappy(compressed: &[u8], len_max: usize, to: &mut Vec<u8>) -> io::Result<()> {
    let len = snap::raw::decompress_len(compressed).map_err(damaged)?;
    if len > len_max {
        return Err(damaged("a block has another length than it says"));
    }
    let start = to.len();
    to.resize(start + len, 0);
    snap::raw::Decoder::new().decompress(compressed, &mut to[start..]).map_err(damaged)?;
    Ok(())
}

pub(super) fn lz4(compressed: &[u8], len_max: usize, to: &mut Vec<u8>) -> io::Result<()> {
    let start = to.len();
    // a byte of LZ4 stands for 255 at most, so a length that is a lie costs no more than its bytes allow
    to.resize(start + len_max.min(compressed.len().saturating_mul(255)), 0);
    let len = lz4_flex::block::decompress_into(compressed, &mut to[start..]).map_err(damaged)?;
    to.truncate(start + len);
    Ok(())
}

pub(super) fn read_length(input: &mut impl Read) -> io::Result<usize> {
    match usize::try_from(read_u32(input)?) {
        Ok(len) if len <= BLOCK_BYTES_MAX => Ok(len),
        _ => Err(damaged("a block is too long")),
    }
}

pub(super) fn read_u32(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

/// Memory grows with what is really there.
pub(super) fn read_exactly(input: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(len as u64).read_to_end(&mut bytes)?;
    if bytes.len() == len { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}
