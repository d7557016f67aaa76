//! What ORC makes of columns: its types for times, and the times that they can't hold (decision 0011).
//!
//! An instant is stored as a plain `timestamp` in UTC, because Spark refuses files with `timestamp with local time zone`;
//! and Kafka's timestamp is a number, because it may be in no calendar. The rows have the same bytes as in any format.

use super::cell::Mismatch;
use super::row::Cells;
use super::types::{Field, Kind, Timestamp};

/// The columns of a file: the rows are those of `fields`.
pub(crate) fn stored(fields: &[Field]) -> Vec<Field> {
    fields.iter().map(|field| Field { kind: stored_kind(&field.kind), ..field.clone() }).collect()
}

/// The same without what ORC does not say: that there is always a value, that a text is JSON, and how the inner parts of
/// lists and maps are called.
pub(crate) fn loose(fields: &[Field]) -> Vec<Field> {
    let loose_one = |field: &Field| Field { required: false, kind: loose_kind(&field.kind), ..field.clone() };
    fields.iter().map(loose_one).collect()
}

/// Are there columns whose values may be more than ORC can hold?
pub(crate) fn has_limits(fields: &[Field]) -> bool {
    fields.iter().any(|field| field.kind.any(|kind| matches!(kind, Kind::Timestamp(_))))
}

/// Says which column of `row` has a time that ORC can't hold.
pub(crate) fn check(row: &[u8], fields: &[Field]) -> Result<(), Mismatch> {
    check_struct(&mut Cells::new(row), fields)
}

fn stored_kind(kind: &Kind) -> Kind {
    let inner = |field: &Field| Box::new(Field { kind: stored_kind(&field.kind), ..field.clone() });
    match kind {
        Kind::Timestamp(Timestamp::Milliseconds) => Kind::Int64,
        Kind::Timestamp(Timestamp::Microseconds | Timestamp::Civil) => Kind::Timestamp(Timestamp::Civil),
        Kind::List(element) => Kind::List(inner(element)),
        Kind::Map(value) => Kind::Map(inner(value)),
        Kind::Struct(fields) => Kind::Struct(stored(fields)),
        other => other.clone(),
    }
}

fn loose_kind(kind: &Kind) -> Kind {
    match kind {
        Kind::Json => Kind::String,
        Kind::List(element) => Kind::list(loose_kind(&element.kind)),
        Kind::Map(value) => Kind::map(loose_kind(&value.kind)),
        Kind::Struct(fields) => Kind::Struct(loose(fields)),
        other => other.clone(),
    }
}

fn check_struct(cells: &mut Cells<'_>, fields: &[Field]) -> Result<(), Mismatch> {
    fields.iter().try_for_each(|field| check_cell(cells, field))
}

fn check_cell(cells: &mut Cells<'_>, field: &Field) -> Result<(), Mismatch> {
    if !cells.is_present() {
        return Ok(());
    }
    match &field.kind {
        Kind::Boolean | Kind::Int8 => cells.skip(1),
        Kind::Int16 => cells.skip(2),
        Kind::Int32 | Kind::Float | Kind::Date => cells.skip(4),
        Kind::Int64 | Kind::Double => cells.skip(8),
        Kind::Decimal { .. } => cells.skip(16),
        Kind::String | Kind::Json | Kind::Binary => {
            let _ = cells.bytes();
        }
        Kind::Timestamp(_) => {
            let microseconds = i64::from_le_bytes(cells.fixed());
            if !secor_orc::holds_timestamp(i128::from(microseconds) * 1_000) {
                return Err(Mismatch::new(field, "ORC can't hold a time of the last second before 1970"));
            }
        }
        Kind::List(element) => {
            for _ in 0..cells.count() {
                check_cell(cells, element).map_err(|mismatch| mismatch.within(field))?;
            }
        }
        Kind::Map(value) => {
            for _ in 0..cells.count() {
                assert!(cells.is_present(), "a map has no entry without key");
                let _ = cells.bytes();
                check_cell(cells, value).map_err(|mismatch| mismatch.within(field))?;
            }
        }
        Kind::Struct(fields) => check_struct(cells, fields).map_err(|mismatch| mismatch.within(field))?,
    }
    Ok(())
}
