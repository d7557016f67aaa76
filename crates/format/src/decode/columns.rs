//! Files of columns: what reading Parquet and ORC has in common.
//!
//! Such a file is read from its end, so it is taken into memory whole: these are the formats whose readers hold more than
//! a block. Batches are small enough that their rows take a few mebibytes.
//!
//! The libraries panic over damaged pages and streams, which have no checksums. Such a panic is damage to a file, not a
//! bug of this program: it is caught here, and [`panics_are_damage`] tells the process's panic hook.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;

use super::{Archived, Fault, fault, malformed, offset};
use crate::columns::envelope;
use crate::columns::print::json_text;
use crate::columns::read::push_row;
use crate::columns::types::Field;

/// Rows of a batch.
const BATCH_ROWS_MAX: u64 = 1_024;

thread_local! {
    static IN_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

/// Does a panic of this thread mean that a file is damaged? Then it is caught, and is no bug.
#[must_use]
pub fn panics_are_damage() -> bool {
    IN_LIBRARY.get()
}

/// A format's library at work on one file.
pub(super) struct Opened {
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>,
    /// As the file has them.
    pub fields: Vec<Field>,
    /// As they are printed.
    pub shown: Vec<Field>,
    pub is_envelope: bool,
}

pub(super) struct ColumnsReader<'r> {
    /// Until the first record is asked for.
    input: Option<Box<dyn BufRead + 'r>>,
    open: Box<dyn Fn(Bytes) -> Result<Opened, Fault> + 'r>,
    rows: Option<Rows>,
    row: Vec<u8>,
}

struct Rows {
    opened: Opened,
    batch: Option<RecordBatch>,
    at: usize,
}

// === impl ColumnsReader ===

impl<'r> ColumnsReader<'r> {
    /// `open` reads the tail of a file; it may panic as the libraries do.
    pub(super) fn new(input: Box<dyn BufRead + 'r>, open: impl Fn(Bytes) -> Result<Opened, Fault> + 'r) -> Self {
        Self { input: Some(input), open: Box::new(open), rows: None, row: Vec::new() }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        if let Some(mut input) = self.input.take() {
            let mut file = Vec::new();
            input.read_to_end(&mut file)?;
            let opened = guarded(|| (self.open)(Bytes::from(file)))??;
            self.rows = Some(Rows { opened, batch: None, at: 0 });
        }
        let Some(rows) = &mut self.rows else { return Ok(false) };
        self.row.clear();
        if !rows.push_row(&mut self.row)? {
            self.rows = None;
            return Ok(false);
        }
        if !rows.opened.is_envelope {
            archived.value = Some(json_text(&self.row, &rows.opened.shown));
            archived.row = Some(self.row.clone());
            return Ok(true);
        }
        let parts = envelope::read_row(&self.row, &mut archived.headers);
        archived.offset = Some(offset(parts.offset)?);
        archived.timestamp = parts.timestamp;
        archived.key = parts.key.map(<[u8]>::to_vec);
        match parts.value {
            Some(value) => archived.value.get_or_insert_default().extend_from_slice(value),
            None => archived.value = None,
        }
        Ok(true)
    }
}

// === impl Rows ===

impl Rows {
    /// Appends the next row; false at the end.
    fn push_row(&mut self, row: &mut Vec<u8>) -> Result<bool, Fault> {
        while self.batch.as_ref().is_none_or(|batch| self.at == batch.num_rows()) {
            match guarded(|| self.opened.batches.next())? {
                None => return Ok(false),
                Some(batch) => (self.batch, self.at) = (Some(batch.map_err(fault)?), 0),
            }
        }
        let batch = self.batch.as_ref().expect("the loop ends with one");
        push_row(row, &self.opened.fields, batch, self.at);
        self.at += 1;
        Ok(true)
    }
}

/// How many rows of so many bytes in all are taken at once, so that a batch takes about `batch_bytes`.
pub(super) fn batch_rows(rows: u64, bytes: u64, batch_bytes: u64) -> usize {
    let row_bytes = bytes.checked_div(rows).unwrap_or(0).max(1);
    usize::try_from((batch_bytes / row_bytes).clamp(1, BATCH_ROWS_MAX)).expect("between one and a thousand")
}

/// Runs a piece of the library, for which damaged bytes may be a reason to panic.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Fault> {
    IN_LIBRARY.set(true);
    // what was half read is not looked at again: the reader is over after an error
    let done = catch_unwind(AssertUnwindSafe(read));
    IN_LIBRARY.set(false);
    done.map_err(|_| malformed("the file's pages are damaged"))
}
