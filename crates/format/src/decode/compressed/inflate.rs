//! Deflate that was cut short is an error here; the library's readers take it for the end.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::damaged;

/// One stream.
pub(in crate::decode) struct Inflate<R> {
    input: R,
    stream: Decompress,
    is_over: bool,
    ends_with_input: bool,
}

// === impl Inflate ===

impl<R> Inflate<R> {
    /// RFC 1950, behind which nothing may follow.
    pub(in crate::decode) fn zlib(input: R) -> Self {
        Self { input, stream: Decompress::new(true), is_over: false, ends_with_input: true }
    }

    /// RFC 1951, behind which some writers leave a part of zlib's checksum.
    pub(in crate::decode) fn raw(input: R) -> Self {
        Self { input, stream: Decompress::new(false), is_over: false, ends_with_input: false }
    }
}

impl<R: BufRead> Read for Inflate<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let stored = self.input.fill_buf()?;
            let is_end = stored.is_empty();
            if self.is_over || to.is_empty() {
                let is_left = self.is_over && self.ends_with_input && !is_end;
                return if is_left { Err(damaged("there are bytes behind the end")) } else { Ok(0) };
            }
            let (before, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(stored, to, FlushDecompress::None).map_err(damaged)?;
            self.input.consume(fits(self.stream.total_in() - before));
            self.is_over = status == Status::StreamEnd;
            match fits(self.stream.total_out() - written) {
                0 if self.is_over => {}
                0 if is_end => return Err(ErrorKind::UnexpectedEof.into()),
                0 => {}
                read => return Ok(read),
            }
        }
    }
}

fn fits(bytes: u64) -> usize {
    usize::try_from(bytes).expect("not more than was there")
}
