//! LZO1X, the one compressed form of all programs named LZO, as the Linux kernel documents it
//! (`Documentation/staging/lzo.rst`).
//!
//! Written here because the decoder of the library that compresses believes what it reads, and panics where that is
//! wrong.

use std::io;

use super::damaged;

/// How many literals the last instruction copied, where it is not a number from 0 to 3.
const MANY_LITERALS: usize = 4;

/// Appends the content of `compressed`, at most `len_max` bytes.
pub(super) fn decompress(compressed: &[u8], len_max: usize, to: &mut Vec<u8>) -> io::Result<()> {
    let start = to.len();
    Decoder { rest: compressed, end: start + len_max, start, to }.run()
}

struct Decoder<'a> {
    rest: &'a [u8],
    to: &'a mut Vec<u8>,
    start: usize,
    end: usize,
}

// === impl Decoder ===

impl Decoder<'_> {
    fn run(&mut self) -> io::Result<()> {
        let mut literals = 0;
        if let Some(first) = self.rest.first().copied().filter(|first| *first > 17) {
            self.byte()?;
            let count = usize::from(first - 17);
            self.literals(count)?;
            literals = count.min(MANY_LITERALS);
        }
        loop {
            let instruction = usize::from(self.byte()?);
            let (distance, len, next) = match instruction {
                64.. => {
                    let distance = (usize::from(self.byte()?) << 3) + (instruction >> 2 & 7) + 1;
                    (distance, (instruction >> 5) + 1, instruction & 3)
                }
                32.. => {
                    let len = 2 + self.length(instruction & 31, 31)?;
                    let (distance, next) = self.long_distance()?;
                    (distance + 1, len, next)
                }
                16.. => {
                    let len = 2 + self.length(instruction & 7, 7)?;
                    let (distance, next) = self.long_distance()?;
                    let distance = distance + ((instruction & 8) << 11);
                    if distance == 0 {
                        let is_over = self.rest.is_empty() && len == 3;
                        return if is_over { Ok(()) } else { Err(damaged("no end where one should be")) };
                    }
                    (distance + 16_384, len, next)
                }
                _ if literals == 0 => {
                    let count = 3 + self.length(instruction, 15)?;
                    self.literals(count)?;
                    literals = MANY_LITERALS;
                    continue;
                }
                _ => {
                    let near = (usize::from(self.byte()?) << 2) + (instruction >> 2) + 1;
                    let (distance, len) = if literals == MANY_LITERALS { (near + 2_048, 3) } else { (near, 2) };
                    (distance, len, instruction & 3)
                }
            };
            self.copy(distance, len)?;
            self.literals(next)?;
            literals = next;
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| damaged("a block ends too early"))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// A length that is 0 in its instruction goes on: 255 for each zero byte, then one byte that is not zero.
    fn length(&mut self, short: usize, base: usize) -> io::Result<usize> {
        if short > 0 {
            return Ok(short);
        }
        let mut len = base;
        loop {
            match self.byte()? {
                0 => len += 255,
                byte => return Ok(len + usize::from(byte)),
            }
        }
    }

    fn long_distance(&mut self) -> io::Result<(usize, usize)> {
        let word = usize::from(self.byte()?) | usize::from(self.byte()?) << 8;
        Ok((word >> 2, word & 3))
    }

    fn literals(&mut self, count: usize) -> io::Result<()> {
        let (literals, rest) = self.rest.split_at_checked(count).ok_or_else(|| damaged("a block ends too early"))?;
        self.room(count)?;
        self.to.extend_from_slice(literals);
        self.rest = rest;
        Ok(())
    }

    /// What is copied may overlap what it becomes.
    fn copy(&mut self, distance: usize, len: usize) -> io::Result<()> {
        self.room(len)?;
        if distance > self.to.len() - self.start {
            return Err(damaged("a copy from before the block"));
        }
        let from = self.to.len() - distance;
        if len <= distance {
            self.to.extend_from_within(from..from + len);
        } else {
            for at in from..from + len {
                let byte = self.to[at];
                self.to.push(byte);
            }
        }
        Ok(())
    }

    fn room(&self, bytes: usize) -> io::Result<()> {
        if bytes <= self.end - self.to.len() { Ok(()) } else { Err(damaged("a block is longer than it says")) }
    }
}
