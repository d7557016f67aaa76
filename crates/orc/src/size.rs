//! How large rows are, before any encoding: what decides how many are written before the stripe's size is looked at.
//!
//! Additive over rows, so it does not depend on how rows were cut into batches.

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, OffsetSizeTrait, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

/// Bytes of some rows of a batch, roughly.
pub(crate) fn batch_bytes(batch: &RecordBatch, rows: Range<usize>) -> usize {
    batch.columns().iter().map(|column| array_bytes(column, rows.clone())).sum()
}

fn array_bytes(array: &dyn Array, rows: Range<usize>) -> usize {
    let variable = match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().offsets(), &rows).len(),
        DataType::LargeUtf8 => span(array.as_string::<i64>().offsets(), &rows).len(),
        DataType::Binary => span(array.as_binary::<i32>().offsets(), &rows).len(),
        DataType::LargeBinary => span(array.as_binary::<i64>().offsets(), &rows).len(),
        DataType::Utf8View => array.as_string_view().lengths().skip(rows.start).take(rows.len()).sum::<u32>() as usize,
        DataType::BinaryView => {
            array.as_binary_view().lengths().skip(rows.start).take(rows.len()).sum::<u32>() as usize
        }
        DataType::FixedSizeBinary(width) => rows.len() * usize::try_from(*width).unwrap_or(0),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            array_bytes(list.values(), span(list.offsets(), &rows))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            array_bytes(list.values(), span(list.offsets(), &rows))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            array_bytes(map.entries(), span(map.offsets(), &rows))
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|child| array_bytes(child, rows.clone())).sum(),
        DataType::Union(..) => {
            let union = array.as_union();
            let one = |row: usize| {
                let at = union.value_offset(row);
                array_bytes(union.child(union.type_id(row)), at..at + 1)
            };
            rows.clone().map(one).sum()
        }
        _ => 0,
    };
    rows.len() * 8 + variable
}

/// What the offsets say that some rows hold.
fn span<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, rows: &Range<usize>) -> Range<usize> {
    offsets[rows.start].as_usize()..offsets[rows.end].as_usize()
}
