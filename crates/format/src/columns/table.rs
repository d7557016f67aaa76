//! Rows on their way into a file: collected column by column, given away as Arrow batches.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{ArrayRef, ListArray, MapArray, RecordBatch, StringArray, StructArray};
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
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float(PrimitiveBuilder<Float32Type>),
    Double(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Date(PrimitiveBuilder<Date32Type>),
    Milliseconds(PrimitiveBuilder<TimestampMillisecondType>),
    Microseconds(PrimitiveBuilder<TimestampMicrosecondType>),
    /// Becomes one of texts when it is given away: all of it is looked at at once then, which is cheaper.
    String(BinaryBuilder),
    Binary(BinaryBuilder),
    List {
        element: FieldRef,
        ends: Vec<i32>,
        valid: NullBufferBuilder,
        items: Box<Column>,
        count: i32,
    },
    Map {
        entries: FieldRef,
        ends: Vec<i32>,
        valid: NullBufferBuilder,
        keys: BinaryBuilder,
        values: Box<Column>,
    },
    Struct {
        fields: Fields,
        columns: Vec<Column>,
        valid: NullBufferBuilder,
    },
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
            Kind::Int8 => Self::Int8(numbers()),
            Kind::Int16 => Self::Int16(numbers()),
            Kind::Int32 => Self::Int32(numbers()),
            Kind::Int64 => Self::Int64(numbers()),
            Kind::Float => Self::Float(numbers()),
            Kind::Double => Self::Double(numbers()),
            Kind::Decimal { .. } => Self::Decimal(numbers().with_data_type(kind.to_arrow())),
            Kind::Date => Self::Date(numbers()),
            Kind::Timestamp(Timestamp::Milliseconds) => Self::Milliseconds(numbers().with_data_type(kind.to_arrow())),
            Kind::Timestamp(_) => Self::Microseconds(numbers().with_data_type(kind.to_arrow())),
            Kind::String | Kind::Json => Self::String(BinaryBuilder::with_capacity(ROWS_AT_FIRST, 0)),
            Kind::Binary => Self::Binary(BinaryBuilder::with_capacity(ROWS_AT_FIRST, 0)),
            Kind::List(element) => {
                let DataType::List(field) = kind.to_arrow() else { unreachable!("a list is one in Arrow") };
                let items = Box::new(Self::new(&element.kind));
                Self::List { element: field, ends: Vec::new(), valid: nulls(), items, count: 0 }
            }
            Kind::Map(value) => {
                let DataType::Map(entries, _) = kind.to_arrow() else { unreachable!("a map is one in Arrow") };
                let keys = BinaryBuilder::with_capacity(0, 0);
                Self::Map { entries, ends: Vec::new(), valid: nulls(), keys, values: Box::new(Self::new(&value.kind)) }
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
            Self::Int8(column) => column.append_value(i8::from_le_bytes(cells.fixed())),
            Self::Int16(column) => column.append_value(i16::from_le_bytes(cells.fixed())),
            Self::Int32(column) => column.append_value(i32::from_le_bytes(cells.fixed())),
            Self::Int64(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::Float(column) => column.append_value(f32::from_le_bytes(cells.fixed())),
            Self::Double(column) => column.append_value(f64::from_le_bytes(cells.fixed())),
            Self::Decimal(column) => column.append_value(i128::from_le_bytes(cells.fixed())),
            Self::Date(column) => column.append_value(i32::from_le_bytes(cells.fixed())),
            Self::Milliseconds(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::Microseconds(column) => column.append_value(i64::from_le_bytes(cells.fixed())),
            Self::String(column) => column.append_value(cells.bytes()),
            Self::Binary(column) => column.append_value(cells.bytes()),
            Self::List { ends, valid, items, count, .. } => {
                for _ in 0..cells.count() {
                    items.push(cells);
                    *count += 1;
                }
                ends.push(*count);
                valid.append_non_null();
            }
            Self::Map { ends, valid, keys, values, .. } => {
                let before = ends.last().copied().unwrap_or(0);
                let count = cells.count();
                for _ in 0..count {
                    assert!(cells.is_present(), "a map has no entry without key");
                    keys.append_value(cells.bytes());
                    values.push(cells);
                }
                ends.push(before + i32::try_from(count).expect("a batch has few entries"));
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
            Self::Int8(column) => column.append_null(),
            Self::Int16(column) => column.append_null(),
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::Float(column) => column.append_null(),
            Self::Double(column) => column.append_null(),
            Self::Decimal(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Milliseconds(column) => column.append_null(),
            Self::Microseconds(column) => column.append_null(),
            Self::String(column) => column.append_null(),
            Self::Binary(column) => column.append_null(),
            Self::List { ends, valid, count, .. } => {
                ends.push(*count);
                valid.append_null();
            }
            Self::Map { ends, valid, .. } => {
                ends.push(ends.last().copied().unwrap_or(0));
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
            Self::Int8(column) => Arc::new(column.finish()),
            Self::Int16(column) => Arc::new(column.finish()),
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int64(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Double(column) => Arc::new(column.finish()),
            Self::Decimal(column) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Milliseconds(column) => Arc::new(column.finish()),
            Self::Microseconds(column) => Arc::new(column.finish()),
            Self::String(column) => Arc::new(texts(column)),
            Self::Binary(column) => Arc::new(column.finish()),
            Self::List { element, ends, valid, items, count } => {
                *count = 0;
                Arc::new(ListArray::new(Arc::clone(element), offsets(ends), items.take(), valid.finish()))
            }
            Self::Map { entries, ends, valid, keys, values } => {
                let DataType::Struct(parts) = entries.data_type() else { unreachable!("entries are a struct") };
                let pairs = StructArray::new(parts.clone(), vec![Arc::new(texts(keys)), values.take()], None);
                Arc::new(MapArray::new(Arc::clone(entries), offsets(ends), pairs, valid.finish(), false))
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

fn texts(column: &mut BinaryBuilder) -> StringArray {
    StringArray::try_from_binary(column.finish()).expect("a text is UTF-8 where rows are made")
}

/// Of the elements of each list, whose ends are forgotten.
fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new([0].into_iter().chain(std::mem::take(ends)).collect::<ScalarBuffer<i32>>())
}
