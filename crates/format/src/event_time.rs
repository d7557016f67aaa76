//! When an event happened: numbers with units, ISO 8601, patterns, regular expressions.
//!
//! Every reader answers with milliseconds since 1970 within the calendar of `secor_core::layout`, or with a text that
//! says what was wrong. What then happens to the record is the policy's business, in `route`.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimeParser;
use secor_core::layout::{EVENT_TIME_MS_MAX, EVENT_TIME_MS_MIN, Zone, floor_milliseconds};
use secor_core::shape::TimeUnit;

use crate::fields::Time;
use crate::json;

#[cfg(test)]
mod tests;

/// From here up, `auto` reads nanoseconds; below a thousandth of it microseconds, and so on, as the Java Secor.
const NANOSECONDS_MIN: i64 = 1_000_000_000_000_000_000;
const MICROSECONDS_MIN: i64 = 1_000_000_000_000_000;
const MILLISECONDS_MIN: i64 = 1_000_000_000_000;

static ISO: DateTimeParser = DateTimeParser::new();

/// A number as JSON writes it. A fraction is cut off before the unit is looked at, as the Java Secor does.
pub(crate) fn from_number(text: &str, unit: TimeUnit) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no number of time");
    if !json::is_number(text) {
        return Err(wrong());
    }
    let is_integer = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let whole = if is_integer { text.parse().ok() } else { text.parse().ok().and_then(truncate) };
    in_calendar(whole.and_then(|value| scale(value, unit))).ok_or_else(|| beyond(text))
}

/// As [`from_number`].
pub(crate) fn from_integer(value: i128, unit: TimeUnit) -> Result<i64, String> {
    let whole = i64::try_from(value).ok();
    in_calendar(whole.and_then(|value| scale(value, unit))).ok_or_else(|| beyond(&value.to_string()))
}

/// As [`from_number`].
pub(crate) fn from_float(value: f64, unit: TimeUnit) -> Result<i64, String> {
    if value.is_nan() {
        return Err("`NaN` is no number of time".to_owned());
    }
    in_calendar(truncate(value).and_then(|value| scale(value, unit))).ok_or_else(|| beyond(&value.to_string()))
}

/// What the format knows as a time: without a zone in `zone`; a date alone is its midnight there.
pub(crate) fn from_time(time: Time, zone: &Zone) -> Result<i64, String> {
    let milliseconds = match time {
        Time::Instant { seconds, nanoseconds } => to_milliseconds(seconds, nanoseconds),
        Time::Civil { .. } | Time::Date { .. } => civil(time).and_then(|civil| zone.instant_of(civil)),
    };
    in_calendar(milliseconds).ok_or_else(|| "the time is outside the years 1 to 9999".to_owned())
}

/// As a part of a name: ISO 8601 with as many digits of the second as it needs. `None` outside the years -9999 to 9999.
pub(crate) fn iso_text(time: Time) -> Option<String> {
    match time {
        Time::Instant { seconds, nanoseconds } => {
            Some(jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()?.to_string())
        }
        Time::Civil { .. } => civil(time).map(|civil| civil.to_string()),
        Time::Date { .. } => civil(time).map(|civil| civil.date().to_string()),
    }
}

/// What a clock shows; of an instant the clock in UTC.
fn civil(time: Time) -> Option<DateTime> {
    let (seconds, nanoseconds) = match time {
        Time::Instant { seconds, nanoseconds } | Time::Civil { seconds, nanoseconds } => (seconds, nanoseconds),
        Time::Date { days } => (i64::from(days) * 86_400, 0),
    };
    let as_if_utc = jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(as_if_utc))
}

fn to_milliseconds(seconds: i64, nanoseconds: u32) -> Option<i64> {
    seconds.checked_mul(1_000)?.checked_add(i64::from(nanoseconds / 1_000_000))
}

/// ISO 8601 or xsd:dateTime: with an offset, or without one in `zone`; a date alone is its midnight.
pub(crate) fn from_iso8601(text: &str, zone: &Zone) -> Result<i64, String> {
    // an annotation like `[Europe/Berlin]` could contradict the offset or the configured zone
    if text.contains('[') {
        return Err(format!("`{text}` has an annotation, which ISO 8601 does not know"));
    }
    let instant = match ISO.parse_timestamp(text) {
        Ok(instant) => Some(floor_milliseconds(instant)),
        Err(_) => match ISO.parse_datetime(text) {
            Ok(civil) => zone.instant_of(civil),
            Err(_) => return Err(format!("`{text}` is no ISO 8601 time")),
        },
    };
    in_calendar(instant).ok_or_else(|| beyond(text))
}

/// By a strptime pattern: with an offset (`%z`) or epoch (`%s`) if the pattern reads one, else in `zone`.
pub(crate) fn from_pattern(text: &str, pattern: &str, zone: &Zone) -> Result<i64, String> {
    let broken = BrokenDownTime::parse(pattern, text).map_err(|_| format!("`{text}` does not match `{pattern}`"))?;
    let instant = match broken.to_timestamp() {
        Ok(instant) => Some(floor_milliseconds(instant)),
        Err(_) => {
            let civil = broken.to_datetime().or_else(|_| broken.to_date().map(DateTime::from));
            zone.instant_of(civil.map_err(|_| format!("`{text}` names no full date by `{pattern}`"))?)
        }
    };
    in_calendar(instant).ok_or_else(|| beyond(text))
}

/// Whether [`from_pattern`] can get a time out of what `pattern` writes.
pub(crate) fn check_pattern(pattern: &str, zone: &Zone) -> Result<(), String> {
    let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let written = BrokenDownTime::from(&sample).to_string(pattern).map_err(|error| error.to_string())?;
    from_pattern(&written, pattern, zone).map(drop)
}

/// Milliseconds that come from elsewhere: the broker or the clock.
pub(crate) fn in_calendar(ms: Option<i64>) -> Option<i64> {
    ms.filter(|ms| (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(ms))
}

pub(crate) fn beyond(text: &str) -> String {
    format!("`{text}` is outside the years 1 to 9999")
}

/// Towards zero; `None` beyond 64 bits.
fn truncate(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cutting off the fraction is what is wanted, the range is checked"
    )]
    (value.abs() < LIMIT).then_some(value as i64)
}

fn scale(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Auto if value >= NANOSECONDS_MIN => Some(value / 1_000_000),
        TimeUnit::Auto if value >= MICROSECONDS_MIN => Some(value / 1_000),
        TimeUnit::Auto if value >= MILLISECONDS_MIN => Some(value),
        TimeUnit::Auto | TimeUnit::Seconds => value.checked_mul(1_000),
        TimeUnit::Milliseconds => Some(value),
        TimeUnit::Microseconds => Some(value.div_euclid(1_000)),
        TimeUnit::Nanoseconds => Some(value.div_euclid(1_000_000)),
    }
}
