//! Files of the program `lzop`: its header, its blocks, its end mark. Checksums other than Adler-32 and filters are
//! not known.

use std::io::{self, BufRead, ErrorKind, Read};

use libdeflater::adler32;

use super::blocks::{Blocks, read_exactly, read_length, read_u32};
use super::{damaged, lzo1x};
use crate::compress::lzop_header::{ADLER_OF_CONTENT, ADLER_OF_STORED, MAGIC};

/// Flags that say nothing about the layout: how the file was made, and on which system.
const FLAGS_WITHOUT_EFFECT: u32 = 0xff00_0000 | 0x04 | 0x08 | 0x10;

const BEHIND_THE_END: &str = "there are bytes behind the end";

#[derive(Default)]
pub(super) struct Lzop {
    flags: Option<u32>,
    is_over: bool,
}

struct FileHeader {
    flags: u32,
    /// In the file.
    bytes: u64,
}

struct BlockHeader {
    len: usize,
    stored_len: usize,
    /// Of the content.
    checksum: Option<u32>,
    /// In the file.
    bytes: u64,
}

/// Where each block of a file begins, in the form of hadoop-lzo's `LzoIndexer`: eight bytes, big-endian. Blocks are
/// passed over, and their checksums not looked at.
pub(in crate::decode) fn index(mut input: impl BufRead) -> io::Result<Vec<u8>> {
    let FileHeader { flags, bytes: mut at } = read_header(&mut input)?;
    let mut index = Vec::new();
    while let Some(block) = read_block_header(&mut input, flags)? {
        index.extend_from_slice(&at.to_be_bytes());
        let stored_len = block.stored_len as u64;
        if io::copy(&mut (&mut input).take(stored_len), &mut io::sink())? < stored_len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        at += block.bytes + stored_len;
    }
    if input.fill_buf()?.is_empty() { Ok(index) } else { Err(damaged(BEHIND_THE_END)) }
}

impl Blocks for Lzop {
    fn next(&mut self, input: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<bool> {
        if self.is_over {
            return if input.fill_buf()?.is_empty() { Ok(false) } else { Err(damaged(BEHIND_THE_END)) };
        }
        let flags = match self.flags {
            Some(flags) => flags,
            None => *self.flags.insert(read_header(input)?.flags),
        };
        let Some(BlockHeader { len, stored_len, checksum, .. }) = read_block_header(input, flags)? else {
            self.is_over = true;
            return self.next(input, to);
        };
        let stored = read_exactly(input, stored_len)?;
        if stored_len < len {
            lzo1x::decompress(&stored, len, to)?;
        } else {
            to.extend_from_slice(&stored);
        }
        if to.len() != len {
            return Err(damaged("a block has another length than it says"));
        }
        match checksum {
            Some(checksum) if checksum != adler32(to) => Err(damaged("the checksum of a block is wrong")),
            _ => Ok(true),
        }
    }
}

/// `None`: the end mark.
fn read_block_header(input: &mut impl Read, flags: u32) -> io::Result<Option<BlockHeader>> {
    let len = read_length(input)?;
    if len == 0 {
        return Ok(None);
    }
    let stored_len = read_length(input)?;
    let mut bytes = 8;
    let mut checksum = || {
        bytes += 4;
        read_u32(input)
    };
    let of_content = (flags & ADLER_OF_CONTENT != 0).then(&mut checksum).transpose()?;
    // a block that is stored as it is has one of them only
    (flags & ADLER_OF_STORED != 0 && stored_len < len).then(&mut checksum).transpose()?;
    Ok(Some(BlockHeader { len, stored_len, checksum: of_content, bytes }))
}

fn read_header(input: &mut impl Read) -> io::Result<FileHeader> {
    let mut magic = [0; MAGIC.len()];
    input.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(damaged("no file of lzop"));
    }
    // versions, method, level
    let mut header = read_exactly(input, 8)?;
    let flags = read_u32(input)?;
    header.extend_from_slice(&flags.to_be_bytes());
    // mode, time, length of the name
    header.extend_from_slice(&read_exactly(input, 13)?);
    let name_len = usize::from(*header.last().expect("it has 25 bytes"));
    header.extend_from_slice(&read_exactly(input, name_len)?);
    if read_u32(input)? != adler32(&header) {
        return Err(damaged("the checksum of the header is wrong"));
    }
    if flags & !(FLAGS_WITHOUT_EFFECT | ADLER_OF_CONTENT | ADLER_OF_STORED) != 0 {
        return Err(damaged("a kind of lzop file that is not known"));
    }
    // the header's checksum is not part of what it is over
    Ok(FileHeader { flags, bytes: (MAGIC.len() + header.len() + 4) as u64 })
}
