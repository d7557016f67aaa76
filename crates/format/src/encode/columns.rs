//! Files of columns: what Parquet and ORC have in common.
//!
//! Rows wait in a [`Table`] until they are worth a batch; the format's writer encodes batches, and holds those of the open
//! group of rows: Parquet's row group, ORC's stripe. A group ends where the output or the format says, or early when
//! memory is short: where groups end is no content. Only then bytes leave for the file.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use secor_core::shape::{Content, Output};

use super::{Body, Row, Sink};
use crate::columns::table::Table;
use crate::columns::types::{Field, schema};
use crate::columns::{ddl, envelope};

/// Rows wait until they have as many bytes, or are as many.
const BATCH_BYTES: usize = 256 * 1024;
const BATCH_ROWS: usize = 4_096;

/// Less memory than this is not worth a group of its own.
const CLOSE_BYTES_MIN: usize = 64 * 1024;

/// Columns of an output's files and what their writer has to know, shared by all of them.
pub(super) struct Layout<Options> {
    pub fields: Vec<Field>,
    pub options: Options,
    pub is_envelope: bool,
    /// A group ends with as many rows, or bytes of rows.
    pub group_max: Group,
}

/// Rows since the last end of a group.
#[derive(Clone, Copy, Default)]
pub(super) struct Group {
    pub rows: usize,
    pub bytes: usize,
}

/// The writer of one file. It can't fail: it writes to memory, by a schema that was checked with the shape.
pub(super) trait GroupWriter {
    type Options;

    fn new(schema: SchemaRef, options: &Self::Options) -> Self;

    fn write(&mut self, batch: &RecordBatch, out: &mut Vec<u8>);

    /// Ends the open group and gives its memory back.
    fn end_group(&mut self, out: &mut Vec<u8>);

    /// The rest of the file.
    fn finish(self, out: &mut Vec<u8>);

    /// Memory of the open group.
    fn group_bytes(&self) -> usize;

    /// Memory that stays until the end of the file.
    fn kept_bytes(&self) -> usize;
}

pub(super) struct ColumnsBody<W: GroupWriter> {
    layout: Arc<Layout<W::Options>>,
    table: Table,
    /// Made with the first batch.
    writer: Option<W>,
    group: Group,
    /// The row of an envelope.
    row: Vec<u8>,
}

/// The columns that the output asks for, as its format takes them from rows; and whether they are those of an envelope.
///
/// # Panics
/// When the output has no columns; [`crate::Pipeline::new`] has checked it.
pub(super) fn fields_of(output: &Output) -> (Vec<Field>, bool) {
    match (&output.schema, output.content) {
        (Some(schema), Content::Value) => (ddl::parse(schema).expect("the columns were checked with the shape"), false),
        _ => (envelope::FIELDS.clone(), true),
    }
}

// === impl ColumnsBody ===

impl<W: GroupWriter> ColumnsBody<W> {
    pub(super) fn new(layout: &Arc<Layout<W::Options>>) -> Self {
        Self {
            table: Table::new(&layout.fields),
            layout: Arc::clone(layout),
            writer: None,
            group: Group::default(),
            row: Vec::new(),
        }
    }

    fn push_batch(&mut self, out: &mut Vec<u8>) {
        if self.table.rows() == 0 {
            return;
        }
        let layout = &self.layout;
        let writer = self.writer.get_or_insert_with(|| W::new(schema(&layout.fields), &layout.options));
        writer.write(&self.table.take(), out);
    }

    fn end_group(&mut self, out: &mut Vec<u8>) {
        self.push_batch(out);
        self.group = Group::default();
        if let Some(writer) = &mut self.writer {
            writer.end_group(out);
        }
    }

    /// Memory that the end of the group frees.
    fn group_bytes(&self) -> usize {
        self.table.buffered_bytes() + self.writer.as_ref().map_or(0, W::group_bytes)
    }
}

impl<W: GroupWriter> Body for ColumnsBody<W> {
    fn append(&mut self, row: &Row<'_>, sink: &mut Sink<'_>) -> u64 {
        let bytes = if self.layout.is_envelope {
            self.row.clear();
            envelope::push_row(&mut self.row, &row.identity.topic, row.identity.partition, row.record, row.value);
            self.table.push(&self.row);
            let bytes = self.row.len();
            // a long record does not hold its memory for ever
            self.row.shrink_to(BATCH_BYTES);
            bytes
        } else {
            let cells = row.value.expect("a value of columns is stored as a row");
            self.table.push(cells);
            cells.len()
        };
        self.group.rows += 1;
        self.group.bytes += bytes;
        if self.group.rows >= self.layout.group_max.rows || self.group.bytes >= self.layout.group_max.bytes {
            self.end_group(sink.out);
        } else if self.table.row_bytes() >= BATCH_BYTES || self.table.rows() >= BATCH_ROWS {
            self.push_batch(sink.out);
        }
        bytes as u64
    }

    /// What is kept until the end of the file is counted, though closing frees none of it.
    fn buffered_bytes(&self) -> usize {
        self.group_bytes() + self.row.capacity() + self.writer.as_ref().map_or(0, W::kept_bytes)
    }

    fn close_block(&mut self, sink: &mut Sink<'_>) {
        self.row = Vec::new();
        if self.group_bytes() >= CLOSE_BYTES_MIN {
            self.end_group(sink.out);
        }
    }

    fn finish(&mut self, sink: &mut Sink<'_>) {
        self.push_batch(sink.out);
        if let Some(writer) = self.writer.take() {
            writer.finish(sink.out);
        }
    }
}
