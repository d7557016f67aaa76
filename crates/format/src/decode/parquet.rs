//! Parquet files, as `encode::parquet` writes them. What the file's own footer says of codecs and columns counts; types
//! that no column of ours has are refused.
//!
//! A Parquet file is read from its end, so the whole file is taken into memory first: it is the one format whose reader
//! holds more than a block. Batches are small enough that their rows take a few mebibytes.
//!
//! The library panics over damaged pages, which have no checksums. Such a panic is damage to a file, not a bug of this
//! program: it is caught here, and [`panics_are_damage`] tells the process's panic hook.

use std::cell::Cell;
use std::io::{BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use secor_core::shape::Content;

use super::{Archived, Fault, fault, malformed, offset};
use crate::columns::envelope;
use crate::columns::print::json_text;
use crate::columns::read::push_row;
use crate::columns::types::{Field, fields_of};

/// Bytes of rows, uncompressed, that a batch is made of.
const BATCH_BYTES: i64 = 4 << 20;
const BATCH_ROWS_MAX: i64 = 1_024;

thread_local! {
    static IN_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

/// Does a panic of this thread mean that a file is damaged? Then it is caught, and is no bug.
#[must_use]
pub fn panics_are_damage() -> bool {
    IN_LIBRARY.get()
}

pub(super) struct ParquetReader<'r> {
    /// Until the first record is asked for.
    input: Option<Box<dyn BufRead + 'r>>,
    open: Option<Open>,
    row: Vec<u8>,
    /// An envelope, unless the columns are others.
    is_envelope: bool,
}

struct Open {
    batches: ParquetRecordBatchReader,
    fields: Vec<Field>,
    batch: Option<RecordBatch>,
    at: usize,
}

// === impl ParquetReader ===

impl<'r> ParquetReader<'r> {
    pub(super) fn new(input: Box<dyn BufRead + 'r>, content: Content) -> Self {
        Self { input: Some(input), open: None, row: Vec::new(), is_envelope: content == Content::Envelope }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        if let Some(input) = self.input.take() {
            let open = Open::new(input)?;
            self.is_envelope &= open.fields == *envelope::FIELDS;
            self.open = Some(open);
        }
        let Some(open) = &mut self.open else { return Ok(false) };
        self.row.clear();
        if !open.push_row(&mut self.row)? {
            self.open = None;
            return Ok(false);
        }
        if !self.is_envelope {
            archived.value = Some(json_text(&self.row, &open.fields));
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

// === impl Open ===

impl Open {
    fn new(mut input: Box<dyn BufRead + '_>) -> Result<Self, Fault> {
        let mut file = Vec::new();
        input.read_to_end(&mut file)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file), options))?;
        let builder = builder.map_err(fault)?;
        let fields = fields_of(builder.schema().fields()).map_err(Fault::Malformed)?;
        let groups = builder.metadata().row_groups();
        let sum = |of: fn(&parquet::file::metadata::RowGroupMetaData) -> i64| {
            groups.iter().fold(0, |sum: i64, group| sum.saturating_add(of(group)))
        };
        let (rows, bytes) = (sum(|group| group.num_rows()), sum(|group| group.total_byte_size()));
        let row_bytes = bytes.checked_div(rows).unwrap_or(0).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX);
        let batch_rows = usize::try_from(batch_rows).expect("between one and a thousand");
        let batches = guarded(|| builder.with_batch_size(batch_rows).build())?.map_err(fault)?;
        Ok(Self { batches, fields, batch: None, at: 0 })
    }

    /// Appends the next row; false at the end.
    fn push_row(&mut self, row: &mut Vec<u8>) -> Result<bool, Fault> {
        while self.batch.as_ref().is_none_or(|batch| self.at == batch.num_rows()) {
            match guarded(|| self.batches.next())? {
                None => return Ok(false),
                Some(batch) => (self.batch, self.at) = (Some(batch.map_err(fault)?), 0),
            }
        }
        let batch = self.batch.as_ref().expect("the loop ends with one");
        push_row(row, &self.fields, batch, self.at);
        self.at += 1;
        Ok(true)
    }
}

/// Runs a piece of the library, for which damaged bytes may be a reason to panic.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Fault> {
    IN_LIBRARY.set(true);
    // what was half read is not looked at again: the reader is over after an error
    let done = catch_unwind(AssertUnwindSafe(read));
    IN_LIBRARY.set(false);
    done.map_err(|_| malformed("the file's pages are damaged"))
}
