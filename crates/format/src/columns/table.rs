//! Rows on their way into a file: collected column by column, given away as Arrow batches.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields, SchemaRef};

use super::row::Cells;
use super::types::{Field, Kind, Timestamp, schema};

pub(crate) struct Table {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
    row_bytes: usize,
}

/// The cells of a column.
enum Column {
    Boolean(BooleanBuilder),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Milliseconds(PrimitiveBuilder<TimestampMillisecondType>),
    Microseconds(PrimitiveBuilder<TimestampMicrosecondType>),
    String(StringBuilder),
    Binary(BinaryBuilder),
    List { element: FieldRef, ends: Vec<i32>, valid: NullBufferBuilder, items: Box<Column>, count: i32 },
    Struct { fields: Fields, columns: Vec<Column>, valid: NullBufferBuilder },
}

/// How many rows a column makes room for at first.
const ROWS_AT_FIRST: usize = 16;

// === impl Table ===

impl Table {
    pub(crate) fn new(fields: &[Field]) -> Self {
        let columns = fields.iter().map(|field| Column::new(&field.kind)).collect();
        Self { schema: schema(fields), columns, rows: 0, row_bytes: 0 }
    }

    /// # Panics
    /// When `row` is not of these columns.
    pub(crate) fn push(&mut self, row: &[u8]) {
        let mut cells = Cells::new(row);
        for column in &mut self.columns {
            column.push(&mut cells);
        }
        assert!(cells.is_at_end(), "a row has one cell for each column");
        self.rows += 1;
        self.row_bytes += row.len();
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Of the rows that wait.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// An upper bound of the memory that waits: buffers double when they are full, and a cell takes at most twice of
    /// what it takes in its row.
    pub(crate) fn buffered_bytes(&self) -> usize {
        2 * self.row_bytes
    }

    /// All rows that wait; none do after it.
    pub(crate) fn take(&mut self) -> RecordBatch {
        let arrays = self.columns.iter_mut().map(Column::take).collect();
        (self.rows, self.row_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("the columns were made by the schema")
    }
}

// === impl Column ===

impl Column {
    fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Boolean => Self::Boolean(BooleanBuilder::with_capacity(ROWS_AT_FIRST)),
            Kind::Int32 => Self::Int32(numbers()),
            Kind::Int64 => Self::Int64(numbers()),
            Kind::Timestamp(Timestamp::Milliseconds) => Self::Milliseconds(numbers().with_data_type(kind.to_arrow())),
            Kind::Timestamp(Timestamp::Microseconds) => Self::Microseconds(numbers().with_data_type(kind.to_arrow())),
            Kind::String => Self::String(StringBuilder::with_capacity(ROWS_AT_FIRST, 0)),
            Kind::Binary => Self::Binary(BinaryBuilder::with_capacity(ROWS_AT_FIRST, 0)),
            Kind::List(element) => {
                let DataType::List(field) = kind.to_arrow() else { unreachable!("a list is one in Arrow") };
                let items = Box::new(Self::new(&element.kind));
                Self::List { element: field, ends: Vec::new(), valid: nulls(), items, count: 0 }
            }
            Kind::Struct(fields) => {
                let columns = fields.iter().map(|field| Self::new(&field.kind)).collect();
                let DataType::Struct(fields) = kind.to_arrow() else { unreachable!("a struct is one in Arrow") };
                Self::Struct { fields, columns, valid: nulls() }
            }
        }
    }

    fn push(&mut self, cells: &mut Cells<'_>) {
        if !cells.is_present() {
            return self.push_null();
        }
        match self {
            Self::Boolean(column) => column.append_value(cells.fixed() != [0]),
            Self::Int32(column) => column.append_value(i32::from_le_bytes(cells.fixed())),
            Self::Int64(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::Milliseconds(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::Microseconds(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::String(column) => {
                column.append_value(std::str::from_utf8(cells.bytes()).expect("a text is UTF-8 where rows are made"));
            }
            Self::Binary(column) => column.append_value(cells.bytes()),
            Self::List { ends, valid, items, count, .. } => {
                for _ in 0..cells.count() {
                    items.push(cells);
                    *count += 1;
                }
                ends.push(*count);
                valid.append_non_null();
            }
            Self::Struct { columns, valid, .. } => {
                columns.iter_mut().for_each(|column| column.push(cells));
                valid.append_non_null();
            }
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Boolean(column) => column.append_null(),
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::Milliseconds(column) => column.append_null(),
            Self::Microseconds(column) => column.append_null(),
            Self::String(column) => column.append_null(),
            Self::Binary(column) => column.append_null(),
            Self::List { ends, valid, count, .. } => {
                ends.push(*count);
                valid.append_null();
            }
            Self::Struct { columns, valid, .. } => {
                columns.iter_mut().for_each(Self::push_null);
                valid.append_null();
            }
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int64(column) => Arc::new(column.finish()),
            Self::Milliseconds(column) => Arc::new(column.finish()),
            Self::Microseconds(column) => Arc::new(column.finish()),
            Self::String(column) => Arc::new(column.finish()),
            Self::Binary(column) => Arc::new(column.finish()),
            Self::List { element, ends, valid, items, count } => {
                *count = 0;
                let ends = [0].into_iter().chain(std::mem::take(ends)).collect::<ScalarBuffer<i32>>();
                Arc::new(ListArray::new(Arc::clone(element), OffsetBuffer::new(ends), items.take(), valid.finish()))
            }
            Self::Struct { fields, columns, valid } => {
                let arrays = columns.iter_mut().map(Self::take).collect();
                Arc::new(StructArray::new(fields.clone(), arrays, valid.finish()))
            }
        }
    }
}

fn numbers<T: ArrowPrimitiveType>() -> PrimitiveBuilder<T> {
    PrimitiveBuilder::with_capacity(ROWS_AT_FIRST)
}

fn nulls() -> NullBufferBuilder {
    NullBufferBuilder::new(ROWS_AT_FIRST)
}
