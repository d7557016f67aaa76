//! From what a message holds to a cell of a column: which types fit which, decided for ever by `docs/formats.md`.
//!
//! A value never becomes another one to fit: what would lose a digit of a whole number, a bit of a text or a day is
//! a mismatch. Two things are rounded, because their types are about that: fractions to the nearest `double` or `float`,
//! times to whole microseconds.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimeParser;

use super::row::{push_boolean, push_bytes, push_fixed, push_null};
use super::types::{Field, Kind, Timestamp};
use crate::fields::{Found, Time};

/// What no cell can hold, below its column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// Names from the column down.
    path: String,
    what: String,
}

/// Microseconds of the years 1 to 9999. Persisted, never change.
const MICROSECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Days of the years 1 to 9999. Persisted, never change.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// The unit of a number that is a time, as the Java Secor guesses it.
const NANOSECONDS_MIN: i128 = 1_000_000_000_000_000_000;
const MICROSECONDS_MIN: i128 = 1_000_000_000_000_000;
const MILLISECONDS_MIN: i128 = 1_000_000_000_000;

static ISO: DateTimeParser = DateTimeParser::new();

/// Appends the cell of `field` that holds `found`; for all kinds but lists, maps, structs and `json`.
pub(crate) fn push_cell(row: &mut Vec<u8>, field: &Field, found: Found<'_>) -> Result<(), Mismatch> {
    match (&field.kind, found) {
        (_, Found::Missing | Found::Null) => return push_absent(row, field),
        (Kind::Boolean, Found::Bool(value)) => push_boolean(row, value),
        (Kind::Int8, found) => push_fixed(row, integer::<i8>(field, found)?.to_le_bytes()),
        (Kind::Int16, found) => push_fixed(row, integer::<i16>(field, found)?.to_le_bytes()),
        (Kind::Int32, found) => push_fixed(row, integer::<i32>(field, found)?.to_le_bytes()),
        (Kind::Int64, found) => push_fixed(row, integer::<i64>(field, found)?.to_le_bytes()),
        (Kind::Float, found) => push_fixed(row, float(field, found)?.to_le_bytes()),
        (Kind::Double, found) => push_fixed(row, double(field, found)?.to_le_bytes()),
        (&Kind::Decimal { precision, scale }, found) => {
            push_fixed(row, decimal(field, found, precision, scale)?.to_le_bytes());
        }
        (Kind::String, Found::Text(raw)) => {
            let text = raw.unescape().ok_or_else(|| Mismatch::new(field, "half a surrogate pair is no text"))?;
            push_bytes(row, text.as_bytes());
        }
        (Kind::Binary, Found::Text(raw)) => {
            let text = raw.unescape().unwrap_or_default();
            let bytes = BASE64_STANDARD.decode(text.as_bytes());
            push_bytes(row, &bytes.map_err(|_| Mismatch::new(field, "the text is no base64"))?);
        }
        (Kind::Date, found) => push_fixed(row, date(field, found)?.to_le_bytes()),
        (&Kind::Timestamp(timestamp), found) => {
            push_fixed(row, microseconds(field, timestamp, found)?.to_le_bytes());
        }
        (_, found) => return Err(Mismatch::unfit(field, found)),
    }
    Ok(())
}

/// Appends the cell of `field` that holds a whole number, big-endian in two's complement, with `scale` digits behind the
/// point.
pub(crate) fn push_decimal(row: &mut Vec<u8>, field: &Field, unscaled: &[u8], scale: u32) -> Result<(), Mismatch> {
    let unfit = || Mismatch::new(field, format!("a decimal of scale {scale} does not fit {}", field.kind));
    let value = big_endian(unscaled).ok_or_else(unfit)?;
    let &Kind::Decimal { precision, scale: wanted } = &field.kind else {
        return if scale == 0 { push_cell(row, field, Found::Integer(value)) } else { Err(unfit()) };
    };
    let wanted = u32::from(wanted);
    let unit = 10i128.checked_pow(wanted.abs_diff(scale)).ok_or_else(unfit)?;
    let rescaled = match scale <= wanted {
        true => value.checked_mul(unit),
        false => (value % unit == 0).then_some(value / unit),
    };
    let limit = 10i128.pow(u32::from(precision));
    let fitting = rescaled.filter(|value| (1 - limit..limit).contains(value)).ok_or_else(unfit)?;
    push_fixed(row, fitting.to_le_bytes());
    Ok(())
}

/// Appends the cell of a column for which there is nothing.
pub(crate) fn push_absent(row: &mut Vec<u8>, field: &Field) -> Result<(), Mismatch> {
    if field.required {
        return Err(Mismatch::new(field, "there is no value, and one is required"));
    }
    push_null(row);
    Ok(())
}

// === impl Mismatch ===

impl Mismatch {
    pub(crate) fn new(field: &Field, what: impl Into<String>) -> Self {
        Self { path: field.name.to_string(), what: what.into() }
    }

    pub(crate) fn unfit(field: &Field, found: Found<'_>) -> Self {
        let found = match found {
            Found::Missing | Found::Null => "null".to_owned(),
            Found::Bool(value) => format!("`{value}`"),
            Found::Number(text) => format!("`{text}`"),
            Found::Integer(value) => format!("`{value}`"),
            Found::Single(value) => format!("`{value}`"),
            Found::Double(value) => format!("`{value}`"),
            Found::Text(_) => "a text".to_owned(),
            Found::Binary => "bytes that are no UTF-8".to_owned(),
            Found::Time(_) => "a time".to_owned(),
            Found::Container => "an object or a list".to_owned(),
        };
        Self::new(field, format!("{found} does not fit {}", field.kind))
    }

    /// The same, seen from the column that has it within.
    pub(crate) fn within(mut self, field: &Field) -> Self {
        self.path = format!("{}.{}", field.name, self.path);
        self
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column `{}`: {}", self.path, self.what)
    }
}

fn integer<T: TryFrom<i128>>(field: &Field, found: Found<'_>) -> Result<T, Mismatch> {
    let value = match found {
        Found::Integer(value) => Some(value),
        Found::Number(text) => whole_number(text),
        _ => None,
    };
    value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| Mismatch::unfit(field, found))
}

/// A JSON number without exponent, whose fraction is zeros if there is one.
fn whole_number(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.bytes().any(|digit| digit != b'0') { None } else { whole.parse().ok() }
}

fn float(field: &Field, found: Found<'_>) -> Result<f32, Mismatch> {
    let value = match found {
        Found::Number(text) => text.parse::<f32>().ok().filter(|value| value.is_finite()),
        Found::Integer(value) => value.to_string().parse().ok(),
        Found::Single(value) => Some(value),
        _ => None,
    };
    value.ok_or_else(|| Mismatch::unfit(field, found))
}

fn double(field: &Field, found: Found<'_>) -> Result<f64, Mismatch> {
    let value = match found {
        Found::Number(text) => text.parse::<f64>().ok().filter(|value| value.is_finite()),
        Found::Integer(value) => value.to_string().parse().ok(),
        Found::Single(value) => Some(f64::from(value)),
        Found::Double(value) => Some(value),
        _ => None,
    };
    value.ok_or_else(|| Mismatch::unfit(field, found))
}

/// `None`: it has more than 128 bits.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let (front, back) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut filled = [sign; 16];
    filled[16 - back.len()..].copy_from_slice(back);
    let value = i128::from_be_bytes(filled);
    let is_whole = front.iter().all(|byte| *byte == sign) && (value < 0) == (sign == 0xff);
    is_whole.then_some(value)
}

/// The number in units of its last digit.
fn decimal(field: &Field, found: Found<'_>, precision: u8, scale: u8) -> Result<i128, Mismatch> {
    let unscaled = match found {
        Found::Number(text) => decimal_of(text, scale),
        Found::Text(raw) => {
            raw.unescape().filter(|text| crate::json::is_number(text)).and_then(|text| decimal_of(&text, scale))
        }
        Found::Integer(value) => 10i128.checked_pow(u32::from(scale)).and_then(|unit| value.checked_mul(unit)),
        _ => None,
    };
    let limit = 10i128.pow(u32::from(precision));
    unscaled.filter(|value| (1 - limit..limit).contains(value)).ok_or_else(|| Mismatch::unfit(field, found))
}

/// `None`: it has an exponent, more digits than it may, or is far too large.
fn decimal_of(text: &str, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let zeros = usize::from(scale).checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(zeros)).parse().ok()
}

fn date(field: &Field, found: Found<'_>) -> Result<i32, Mismatch> {
    let days = match found {
        Found::Time(Time::Date { days }) => Some(days),
        Found::Text(raw) => raw.unescape().and_then(|text| text.parse::<Date>().ok()).and_then(days_of),
        _ => None,
    };
    days.filter(|days| DAYS.contains(days)).ok_or_else(|| Mismatch::unfit(field, found))
}

fn days_of(date: Date) -> Option<i32> {
    let since = date.since(Date::constant(1970, 1, 1)).ok()?;
    Some(since.get_days())
}

/// Since 1970, of an instant or of a clock whose zone is not said.
fn microseconds(field: &Field, timestamp: Timestamp, found: Found<'_>) -> Result<i64, Mismatch> {
    let is_civil = timestamp == Timestamp::Civil;
    let microseconds = match found {
        Found::Time(Time::Instant { seconds, nanoseconds }) if !is_civil => micros_of(seconds, nanoseconds),
        Found::Time(Time::Civil { seconds, nanoseconds }) if is_civil => micros_of(seconds, nanoseconds),
        Found::Integer(value) if !is_civil => scaled(value),
        Found::Number(text) if !is_civil => whole_number(text).and_then(scaled),
        Found::Text(raw) => raw.unescape().and_then(|text| parsed(&text, is_civil)),
        _ => None,
    };
    microseconds.filter(|it| MICROSECONDS.contains(it)).ok_or_else(|| Mismatch::unfit(field, found))
}

fn scaled(value: i128) -> Option<i64> {
    let microseconds = match value {
        NANOSECONDS_MIN.. => value / 1_000,
        MICROSECONDS_MIN.. => value,
        MILLISECONDS_MIN.. => value.checked_mul(1_000)?,
        _ => value.checked_mul(1_000_000)?,
    };
    i64::try_from(microseconds).ok()
}

/// ISO 8601: with an offset or, as for a clock, without one, which for an instant means UTC.
fn parsed(text: &str, is_civil: bool) -> Option<i64> {
    // an annotation like `[Europe/Berlin]` could contradict the offset
    if text.contains('[') {
        return None;
    }
    let instant = match ISO.parse_timestamp(text) {
        Ok(instant) if !is_civil => instant,
        Ok(_) => return None,
        Err(_) => {
            let civil: DateTime = ISO.parse_datetime(text).ok()?;
            jiff::tz::Offset::UTC.to_timestamp(civil).ok()?
        }
    };
    let nanoseconds = instant.as_nanosecond();
    i64::try_from(nanoseconds.div_euclid(1_000)).ok()
}

fn micros_of(seconds: i64, nanoseconds: u32) -> Option<i64> {
    seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanoseconds / 1_000))
}
