//! Rows for people: as JSON objects with all columns.
//!
//! What JSON has no word for is a string: bytes are base64, times and dates ISO 8601, decimals and numbers that are none
//! their text.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value};

use super::row::Cells;
use super::types::{Field, Kind, Timestamp};
use crate::event_time::iso_text;
use crate::fields::Time;

/// The JSON text of a row.
pub(crate) fn json_text(row: &[u8], fields: &[Field]) -> Vec<u8> {
    let object = object(&mut Cells::new(row), fields);
    serde_json::to_vec(&object).expect("a tree of JSON has a text")
}

fn object(cells: &mut Cells<'_>, fields: &[Field]) -> Value {
    let members = fields.iter().map(|field| (field.name.to_string(), cell(cells, &field.kind)));
    Value::Object(members.collect::<Map<_, _>>())
}

fn cell(cells: &mut Cells<'_>, kind: &Kind) -> Value {
    if !cells.is_present() {
        return Value::Null;
    }
    match kind {
        Kind::Boolean => Value::Bool(cells.fixed() != [0]),
        Kind::Int8 => i8::from_le_bytes(cells.fixed()).into(),
        Kind::Int16 => i16::from_le_bytes(cells.fixed()).into(),
        Kind::Int32 => i32::from_le_bytes(cells.fixed()).into(),
        Kind::Int64 => i64::from_le_bytes(cells.fixed()).into(),
        Kind::Float => number(f64::from(f32::from_le_bytes(cells.fixed()))),
        Kind::Double => number(f64::from_le_bytes(cells.fixed())),
        Kind::Decimal { scale, .. } => Value::String(decimal(i128::from_le_bytes(cells.fixed()), usize::from(*scale))),
        Kind::String | Kind::Json => Value::String(String::from_utf8_lossy(cells.bytes()).into_owned()),
        Kind::Binary => Value::String(BASE64_STANDARD.encode(cells.bytes())),
        Kind::Date => time(Time::Date { days: i32::from_le_bytes(cells.fixed()) }),
        Kind::Timestamp(timestamp) => {
            let value = i64::from_le_bytes(cells.fixed());
            time(match timestamp {
                Timestamp::Milliseconds => Time::instant(value, 1_000),
                Timestamp::Microseconds => Time::instant(value, 1_000_000),
                Timestamp::Civil => Time::civil(value, 1_000_000),
            })
        }
        Kind::List(element) => (0..cells.count()).map(|_| cell(cells, &element.kind)).collect(),
        Kind::Map(value) => {
            let entries = (0..cells.count()).map(|_| {
                let name = String::from_utf8_lossy(if cells.is_present() { cells.bytes() } else { b"" }).into_owned();
                (name, cell(cells, &value.kind))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Kind::Struct(fields) => object(cells, fields),
    }
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

fn time(time: Time) -> Value {
    iso_text(time).map_or(Value::Null, Value::String)
}

/// With all digits that the column has behind the point.
fn decimal(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
