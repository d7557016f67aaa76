//! ORC files, as `encode::orc` writes them. What the file's own tail says of codecs counts; columns of another kind are
//! refused.
//!
//! An ORC file is read from its end, so the whole file is taken into memory first. The library may panic over damaged
//! streams, which have no checksums: that is damage to the file, as with Parquet.

use std::io::{BufRead, Read};

use arrow_array::RecordBatch;
use bytes::Bytes;
use orc_rust::{ArrowReader, ArrowReaderBuilder};

use super::parquet::guarded;
use super::{Archived, Fault, fault, malformed, offset};
use crate::columns::envelope;
use crate::columns::read::push_row;
use crate::columns::types::{Field, Kind, fields_of};

/// Stored bytes that a batch is made of.
const BATCH_BYTES: u64 = 256 * 1024;
const BATCH_ROWS_MAX: u64 = 1_024;

pub(super) struct OrcReader<'r> {
    /// Until the first record is asked for.
    input: Option<Box<dyn BufRead + 'r>>,
    open: Option<Open>,
    row: Vec<u8>,
}

struct Open {
    batches: ArrowReader<Bytes>,
    fields: Vec<Field>,
    batch: Option<RecordBatch>,
    at: usize,
}

// === impl OrcReader ===

impl<'r> OrcReader<'r> {
    pub(super) fn new(input: Box<dyn BufRead + 'r>) -> Self {
        Self { input: Some(input), open: None, row: Vec::new() }
    }

    pub(super) fn next(&mut self, archived: &mut Archived) -> Result<bool, Fault> {
        if let Some(input) = self.input.take() {
            self.open = Some(Open::new(input)?);
        }
        let Some(open) = &mut self.open else { return Ok(false) };
        self.row.clear();
        if !open.push_row(&mut self.row)? {
            self.open = None;
            return Ok(false);
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
        let file_bytes = file.len() as u64;
        let builder = guarded(|| ArrowReaderBuilder::try_new(Bytes::from(file)))?.map_err(fault)?;
        let fields = fields_of(builder.schema().fields()).map_err(Fault::Malformed)?;
        if loose(&fields) != loose(&envelope::plain_fields()) {
            return Err(malformed("the columns are not those of an envelope"));
        }
        let rows = builder.file_metadata().number_of_rows();
        let row_bytes = file_bytes.checked_div(rows).unwrap_or(0).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX);
        let batch_rows = usize::try_from(batch_rows).expect("between one and a thousand");
        let batches = guarded(|| builder.with_batch_size(batch_rows).build())?;
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

/// Without what ORC does not say: that there is always a value, and how the elements of a list are called.
fn loose(fields: &[Field]) -> Vec<Field> {
    let loose_one = |field: &Field| Field { required: false, kind: loose_kind(&field.kind), ..field.clone() };
    fields.iter().map(loose_one).collect()
}

fn loose_kind(kind: &Kind) -> Kind {
    match kind {
        Kind::List(element) => Kind::list(loose_kind(&element.kind)),
        Kind::Struct(fields) => Kind::Struct(loose(fields)),
        other => other.clone(),
    }
}
