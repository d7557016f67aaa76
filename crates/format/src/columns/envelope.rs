//! Whole records as rows: the columns of an envelope, the same in every file format that stores columns.

use std::sync::LazyLock;

use secor_core::ids::Offset;
use secor_core::record::{Record, headers, push_header};

use super::row::{Cells, push_bytes, push_fixed, push_list, push_null, push_optional, push_struct};
use super::types::{Field, Kind, Timestamp};

/// Column of Kafka's timestamp.
pub(crate) const TIMESTAMP: &str = "timestamp";

/// Years 1 to 9999: what a calendar of any reader holds. Persisted, never change.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Persisted, never change: names, types and order of the columns. A name of a header that is no UTF-8 is empty, and
/// stands in `name_bytes`, as in the Avro envelope.
pub(crate) static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let header = Kind::Struct(vec![
        Field::required("name", Kind::String),
        Field::new("value", Kind::Binary),
        Field::new("name_bytes", Kind::Binary),
    ]);
    vec![
        Field::required("topic", Kind::String),
        Field::required("partition", Kind::Int32),
        Field::required("offset", Kind::Int64),
        Field::new(TIMESTAMP, Kind::Timestamp(Timestamp::Milliseconds)),
        Field::new("key", Kind::Binary),
        Field::required("headers", Kind::full_list(header)),
        Field::new("value", Kind::Binary),
    ]
});

/// What an envelope gives back of a record; headers go to the caller's buffer.
pub(crate) struct Parts<'a> {
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// Can the column hold the timestamp? One far outside any calendar makes readers fail for a whole file.
pub(crate) fn holds_timestamp(timestamp: i64) -> bool {
    TIMESTAMPS.contains(&timestamp)
}

/// Appends the row of a record.
pub(crate) fn push_row(row: &mut Vec<u8>, topic: &str, partition: i32, record: &Record<'_>, value: Option<&[u8]>) {
    push_bytes(row, topic.as_bytes());
    push_fixed(row, partition.to_le_bytes());
    push_fixed(row, record.offset.get().to_le_bytes());
    match record.timestamp {
        Some(timestamp) => push_fixed(row, timestamp.to_le_bytes()),
        None => push_null(row),
    }
    push_optional(row, record.key);
    push_list(row, headers(record.headers).count());
    for (name, value) in headers(record.headers) {
        let is_text = std::str::from_utf8(name).is_ok();
        push_struct(row);
        push_bytes(row, if is_text { name } else { b"" });
        push_optional(row, value);
        push_optional(row, if is_text { None } else { Some(name) });
    }
    push_optional(row, value);
}

/// The record of a row; its headers are appended to `block`.
///
/// # Panics
/// When the row is of other columns than [`FIELDS`].
pub(crate) fn read_row<'a>(row: &'a [u8], block: &mut Vec<u8>) -> Parts<'a> {
    let mut cells = Cells::new(row);
    let (_topic, _partition) = (optional(&mut cells), fixed(&mut cells).map(i32::from_le_bytes));
    let offset = fixed(&mut cells).map(i64::from_le_bytes).unwrap_or(Offset::ZERO.get());
    let timestamp = fixed(&mut cells).map(i64::from_le_bytes);
    let key = optional(&mut cells);
    let count = if cells.is_present() { cells.count() } else { 0 };
    for _ in 0..count {
        if cells.is_present() {
            let name = optional(&mut cells).unwrap_or_default();
            let value = optional(&mut cells);
            let name = optional(&mut cells).unwrap_or(name);
            push_header(block, name, value);
        }
    }
    Parts { offset, timestamp, key, value: optional(&mut cells) }
}

fn optional<'a>(cells: &mut Cells<'a>) -> Option<&'a [u8]> {
    cells.is_present().then(|| cells.bytes())
}

fn fixed<const N: usize>(cells: &mut Cells<'_>) -> Option<[u8; N]> {
    cells.is_present().then(|| cells.fixed())
}
