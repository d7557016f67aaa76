//! The rows of a file's batches, as they were put in.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, RecordBatch};

use super::row::{push_boolean, push_bytes, push_fixed, push_list, push_null, push_struct};
use super::types::{Field, Kind, Timestamp};

/// Appends row `at` of `batch`, whose columns are `fields`.
///
/// # Panics
/// When the batch has other columns, or not so many rows.
pub(crate) fn push_row(row: &mut Vec<u8>, fields: &[Field], batch: &RecordBatch, at: usize) {
    for (field, array) in fields.iter().zip(batch.columns()) {
        push_cell(row, &field.kind, array, at);
    }
}

fn push_cell(row: &mut Vec<u8>, kind: &Kind, array: &dyn Array, at: usize) {
    if array.is_null(at) {
        return push_null(row);
    }
    match kind {
        Kind::Boolean => push_boolean(row, array.as_boolean().value(at)),
        Kind::Int8 => push_fixed(row, array.as_primitive::<Int8Type>().value(at).to_le_bytes()),
        Kind::Int16 => push_fixed(row, array.as_primitive::<Int16Type>().value(at).to_le_bytes()),
        Kind::Int32 => push_fixed(row, array.as_primitive::<Int32Type>().value(at).to_le_bytes()),
        Kind::Int64 => push_fixed(row, array.as_primitive::<Int64Type>().value(at).to_le_bytes()),
        Kind::Float => push_fixed(row, array.as_primitive::<Float32Type>().value(at).to_le_bytes()),
        Kind::Double => push_fixed(row, array.as_primitive::<Float64Type>().value(at).to_le_bytes()),
        Kind::Decimal { .. } => push_fixed(row, array.as_primitive::<Decimal128Type>().value(at).to_le_bytes()),
        Kind::Date => push_fixed(row, array.as_primitive::<Date32Type>().value(at).to_le_bytes()),
        Kind::Timestamp(Timestamp::Milliseconds) => {
            push_fixed(row, array.as_primitive::<TimestampMillisecondType>().value(at).to_le_bytes());
        }
        Kind::Timestamp(_) => {
            push_fixed(row, array.as_primitive::<TimestampMicrosecondType>().value(at).to_le_bytes());
        }
        Kind::String | Kind::Json => push_bytes(row, array.as_string::<i32>().value(at).as_bytes()),
        Kind::Binary => push_bytes(row, array.as_binary::<i32>().value(at)),
        Kind::List(element) => {
            let items = array.as_list::<i32>().value(at);
            push_list(row, items.len());
            for item in 0..items.len() {
                push_cell(row, &element.kind, &items, item);
            }
        }
        Kind::Map(value) => {
            let entries = array.as_map().value(at);
            let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
            push_list(row, entries.len());
            for entry in 0..entries.len() {
                push_bytes(row, keys.value(entry).as_bytes());
                push_cell(row, &value.kind, values, entry);
            }
        }
        Kind::Struct(fields) => {
            push_struct(row);
            for (field, array) in fields.iter().zip(array.as_struct().columns()) {
                push_cell(row, &field.kind, array, at);
            }
        }
    }
}
