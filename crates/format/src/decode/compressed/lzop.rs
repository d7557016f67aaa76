//! Files of the program `lzop`: its header, its blocks, its end mark. Checksums other than Adler-32 and filters are
//! not known.

use std::io::{self, BufRead, Read};

use libdeflater::adler32;

use super::blocks::{Blocks, read_exactly, read_length, read_u32};
use super::{damaged, lzo1x};
use crate::compress::lzop_header::{ADLER_OF_CONTENT, ADLER_OF_STORED, MAGIC};

/// Flags that say nothing about the layout: how the file was made, and on which system.
const FLAGS_WITHOUT_EFFECT: u32 = 0xff00_0000 | 0x04 | 0x08 | 0x10;

#[derive(Default)]
pub(super) struct Lzop {
    flags: Option<u32>,
    is_over: bool,
}

impl Blocks for Lzop {
    fn next(&mut self, input: &mut impl BufRead, to: &mut Vec<u8>) -> io::Result<bool> {
        if self.is_over {
            return if input.fill_buf()?.is_empty() {
                Ok(false)
            } else {
                Err(damaged("there are bytes behind the end"))
            };
        }
        let flags = match self.flags {
            Some(flags) => flags,
            None => *self.flags.insert(read_header(input)?),
        };
        let len = read_length(input)?;
        if len == 0 {
            self.is_over = true;
            return self.next(input, to);
        }
        let stored_len = read_length(input)?;
        let checksum = if flags & ADLER_OF_CONTENT != 0 { Some(read_u32(input)?) } else { None };
        if flags & ADLER_OF_STORED != 0 && stored_len < len {
            read_u32(input)?;
        }
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

/// Returns the flags.
fn read_header(input: &mut impl Read) -> io::Result<u32> {
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
    Ok(flags)
}
