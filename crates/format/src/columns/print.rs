//! Rows for people: as JSON objects with all columns, in their order.
//!
//! What JSON has no word for is a string: bytes are base64, times and dates ISO 8601, decimals and numbers that are none
//! their text.

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::row::Cells;
use super::types::{Field, Kind, Timestamp};
use crate::event_time::iso_text;
use crate::fields::Time;

/// The JSON text of a row.
pub(crate) fn json_text(row: &[u8], fields: &[Field]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 * row.len());
    push_object(&mut text, &mut Cells::new(row), fields);
    text
}

fn push_object(text: &mut Vec<u8>, cells: &mut Cells<'_>, fields: &[Field]) {
    text.push(b'{');
    for (index, field) in fields.iter().enumerate() {
        push_comma(text, index);
        push_text(text, &field.name);
        text.push(b':');
        push_cell(text, cells, &field.kind);
    }
    text.push(b'}');
}

fn push_cell(text: &mut Vec<u8>, cells: &mut Cells<'_>, kind: &Kind) {
    if !cells.is_present() {
        return text.extend_from_slice(b"null");
    }
    match kind {
        Kind::Boolean => push_plain(text, cells.fixed() != [0]),
        Kind::Int8 => push_plain(text, i8::from_le_bytes(cells.fixed())),
        Kind::Int16 => push_plain(text, i16::from_le_bytes(cells.fixed())),
        Kind::Int32 => push_plain(text, i32::from_le_bytes(cells.fixed())),
        Kind::Int64 => push_plain(text, i64::from_le_bytes(cells.fixed())),
        Kind::Float => push_number(text, f64::from(f32::from_le_bytes(cells.fixed()))),
        Kind::Double => push_number(text, f64::from_le_bytes(cells.fixed())),
        Kind::Decimal { scale, .. } => push_text(text, &decimal(i128::from_le_bytes(cells.fixed()), *scale)),
        Kind::String | Kind::Json => push_text(text, &String::from_utf8_lossy(cells.bytes())),
        Kind::Binary => push_bytes(text, cells.bytes()),
        Kind::Date => push_time(text, Time::Date { days: i32::from_le_bytes(cells.fixed()) }),
        Kind::Timestamp(timestamp) => {
            let value = i64::from_le_bytes(cells.fixed());
            let time = match timestamp {
                Timestamp::Milliseconds => Time::instant(value, 1_000),
                Timestamp::Microseconds => Time::instant(value, 1_000_000),
                Timestamp::Civil => Time::civil(value, 1_000_000),
            };
            push_time(text, time);
        }
        Kind::List(element) => {
            text.push(b'[');
            for index in 0..cells.count() {
                push_comma(text, index);
                push_cell(text, cells, &element.kind);
            }
            text.push(b']');
        }
        Kind::Map(value) => {
            text.push(b'{');
            for index in 0..cells.count() {
                push_comma(text, index);
                push_cell(text, cells, &Kind::String);
                text.push(b':');
                push_cell(text, cells, &value.kind);
            }
            text.push(b'}');
        }
        Kind::Struct(fields) => push_object(text, cells, fields),
    }
}

pub(crate) fn push_comma(text: &mut Vec<u8>, index: usize) {
    if index > 0 {
        text.push(b',');
    }
}

pub(crate) fn push_plain(text: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(text, "{value}").expect("memory takes what is written");
}

pub(crate) fn push_text(text: &mut Vec<u8>, value: &str) {
    serde_json::to_writer(text, value).expect("memory takes what is written");
}

/// In base64.
pub(crate) fn push_bytes(text: &mut Vec<u8>, bytes: &[u8]) {
    push_text(text, &BASE64_STANDARD.encode(bytes));
}

pub(crate) fn push_number(text: &mut Vec<u8>, value: f64) {
    match value.is_finite() {
        true => serde_json::to_writer(text, &value).expect("memory takes what is written"),
        false => push_text(text, &value.to_string()),
    }
}

fn push_time(text: &mut Vec<u8>, time: Time) {
    match iso_text(time) {
        Some(iso) => push_text(text, &iso),
        None => text.extend_from_slice(b"null"),
    }
}

/// With all digits that the column has behind the point.
pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
