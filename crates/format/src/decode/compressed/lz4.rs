//! LZ4 frames, in a row or alone. Deliberately absent: blocks that need the one before them, and dictionaries, which are
//! never written.

use std::io::{self, BufRead, Read};

use xxhash_rust::xxh32::{Xxh32, xxh32};

use super::blocks::{self, Blocks, read_exactly};
use super::damaged;
use crate::compress::lz4_frame::{
    BLOCK_CHECKSUMS, CONTENT_CHECKSUM, CONTENT_SIZE, INDEPENDENT_BLOCKS, MAGIC, UNCOMPRESSED, VERSION_1, VERSION_MASK,
};

#[derive(Default)]
pub(super) struct Frames {
    /// The frame that was begun.
    open: Option<Frame>,
}

struct Frame {
    flags: u8,
    block_bytes_max: usize,
    content: Xxh32,
}

impl Blocks for Frames {
    fn next(&mut self, input: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<bool> {
        let frame = match &mut self.open {
            Some(frame) => frame,
            None if input.fill_buf()?.is_empty() => return Ok(false),
            None => self.open.insert(read_header(input)?),
        };
        let word = read_u32(input)?;
        if word == 0 {
            if frame.flags & CONTENT_CHECKSUM != 0 && read_u32(input)? != frame.content.digest() {
                return Err(damaged("the checksum of the content is wrong"));
            }
            self.open = None;
            return Ok(true);
        }
        let len = usize::try_from(word & !UNCOMPRESSED).unwrap_or(usize::MAX);
        if len > frame.block_bytes_max {
            return Err(damaged("a block is too long"));
        }
        let stored = read_exactly(input, len)?;
        if frame.flags & BLOCK_CHECKSUMS != 0 && read_u32(input)? != xxh32(&stored, 0) {
            return Err(damaged("the checksum of a block is wrong"));
        }
        if word & UNCOMPRESSED != 0 {
            to.extend_from_slice(&stored);
        } else {
            blocks::lz4(&stored, frame.block_bytes_max, to)?;
        }
        frame.content.update(to);
        Ok(true)
    }
}

fn read_header(input: &mut impl Read) -> io::Result<Frame> {
    let mut magic = [0; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(damaged("no LZ4 frame"));
    }
    let mut descriptor = read_exactly(input, 2)?;
    let (flags, block_size) = (descriptor[0], descriptor[1] >> 4 & 7);
    if flags & CONTENT_SIZE != 0 {
        descriptor.extend_from_slice(&read_exactly(input, 8)?);
    }
    let checksum = read_exactly(input, 1)?;
    if checksum[0] != xxh32(&descriptor, 0).to_le_bytes()[1] {
        return Err(damaged("the checksum of the frame's header is wrong"));
    }
    let known = INDEPENDENT_BLOCKS | BLOCK_CHECKSUMS | CONTENT_SIZE | CONTENT_CHECKSUM;
    let is_known = flags & VERSION_MASK == VERSION_1 && flags & !(VERSION_MASK | known) == 0 && block_size >= 4;
    if !is_known || flags & INDEPENDENT_BLOCKS == 0 {
        return Err(damaged("a kind of LZ4 frame that is not known"));
    }
    // 4 is 64 KiB, each further one four times as much
    let block_bytes_max = 1 << (8 + 2 * u32::from(block_size));
    Ok(Frame { flags, block_bytes_max, content: Xxh32::new(0) })
}

fn read_u32(input: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}
