//! Pieces of a stream that end with a delimiter, and rows of CSV, whose quoted texts may hold line breaks.

use std::io::{BufRead, Read};

use super::{Archived, Fault, RECORD_BYTES_MAX};
use crate::encode::NULL_LINE;

pub(super) struct Lines<'r> {
    input: Box<dyn BufRead + 'r>,
    delimiter: Box<[u8]>,
    line: Vec<u8>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Text,
    Json,
    /// With a line of names in front.
    CsvWithHeader,
    Csv,
}

// === impl Lines ===

impl<'r> Lines<'r> {
    pub(super) fn new(input: Box<dyn BufRead + 'r>, delimiter: &[u8]) -> Self {
        Self { input, delimiter: delimiter.into(), line: Vec::new() }
    }

    /// The next piece without its delimiter; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Fault> {
        self.line.clear();
        if !self.read_on()? {
            return Ok(None);
        }
        Ok(Some(&self.line[..self.line.len() - self.delimiter.len()]))
    }

    /// Reads the value that a line is into `archived`; false at the end.
    pub(super) fn next_value(&mut self, kind: &mut LineKind, archived: &mut Archived) -> Result<bool, Fault> {
        let line = match *kind {
            LineKind::Text | LineKind::Json => self.next()?,
            LineKind::CsvWithHeader => {
                self.next_row()?;
                *kind = LineKind::Csv;
                self.next_row()?
            }
            LineKind::Csv => self.next_row()?,
        };
        let Some(line) = line else { return Ok(false) };
        if *kind == LineKind::Json && line == NULL_LINE {
            archived.value = None;
        } else {
            archived.value.get_or_insert_default().extend_from_slice(line);
        }
        Ok(true)
    }

    /// The next row without its end. In a row that is complete quotes come in pairs.
    fn next_row(&mut self) -> Result<Option<&[u8]>, Fault> {
        self.line.clear();
        let mut quotes = 0;
        loop {
            let before = self.line.len();
            if !self.read_on()? {
                return if before == 0 { Ok(None) } else { Err(Fault::Truncated) };
            }
            quotes += self.line[before..].iter().filter(|&&byte| byte == b'"').count();
            if quotes % 2 == 0 {
                return Ok(Some(&self.line[..self.line.len() - self.delimiter.len()]));
            }
        }
    }

    /// Appends what is there up to the next delimiter; false at the end.
    fn read_on(&mut self) -> Result<bool, Fault> {
        let last = *self.delimiter.last().expect("a checked delimiter is not empty");
        let start = self.line.len();
        loop {
            let room = RECORD_BYTES_MAX.saturating_sub(self.line.len() as u64);
            let read = self.input.by_ref().take(room).read_until(last, &mut self.line)?;
            if self.line[start..].ends_with(&self.delimiter) {
                return Ok(true);
            }
            if room == 0 {
                return Err(Fault::Malformed(format!("longer than {RECORD_BYTES_MAX} bytes")));
            }
            if read == 0 {
                return if self.line.len() == start { Ok(false) } else { Err(Fault::Truncated) };
            }
        }
    }
}
