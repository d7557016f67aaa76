use super::*;

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn utc(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn numbers_by_unit() {
    use TimeUnit::{Auto, Microseconds, Milliseconds, Nanoseconds, Seconds};
    for (text, unit, expected) in [
        // Secor's rule at its edges
        ("0", Auto, 0),
        ("999999999999", Auto, i64::MAX),
        ("253402000000", Auto, 253_402_000_000_000),
        ("1000000000000", Auto, 1_000_000_000_000),
        ("999999999999999", Auto, i64::MAX),
        ("253402128000000", Auto, 253_402_128_000_000),
        ("1000000000000000", Auto, 1_000_000_000_000),
        ("999999999999999999", Auto, 999_999_999_999_999),
        ("1000000000000000000", Auto, 1_000_000_000_000),
        ("1700000000123456789", Auto, 1_700_000_000_123),
        ("-1700000000", Auto, -1_700_000_000_000),
        ("-1700000000000", Auto, i64::MAX),
        // a fraction is cut off before the unit is looked at
        ("1700000000.999", Auto, 1_700_000_000_000),
        ("1.7e9", Auto, 1_700_000_000_000),
        ("1.7E+12", Auto, 1_700_000_000_000),
        ("-1.9", Seconds, -1_000),
        ("0.9", Milliseconds, 0),
        ("1700000000", Seconds, 1_700_000_000_000),
        ("1700000000", Milliseconds, 1_700_000_000),
        ("-1", Milliseconds, -1),
        ("1999", Microseconds, 1),
        ("-1", Microseconds, -1),
        ("-1000001", Nanoseconds, -2),
        ("9223372036854775807", Seconds, i64::MAX),
        ("9223372036854775808", Auto, i64::MAX),
        ("1e300", Auto, i64::MAX),
        ("1e999", Auto, i64::MAX),
    ] {
        // beyond the calendar is written as the largest number here
        let expected = if (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(&expected) { Ok(expected) } else { Err(()) };
        let read = from_number(text, unit);
        let refused_as_beyond = read.as_ref().is_err_and(|why| why.contains("outside the years"));
        assert_eq!(read.map_err(drop), expected, "{text} {unit:?}");
        assert_eq!(refused_as_beyond, expected.is_err(), "{text} {unit:?}");
    }
    for text in ["", " 1", "1 ", "+1", "01", "1.", "0x10", "12:30", "NaN", "inf", "1_000", "true"] {
        assert_eq!(from_number(text, Auto), Err(format!("`{text}` is no number of time")));
    }
}

#[test]
fn iso_forms() {
    for (text, expected) in [
        ("2024-02-29T12:34:56Z", "2024-02-29T12:34:56Z"),
        ("2024-02-29T12:34:56.789123Z", "2024-02-29T12:34:56.789Z"),
        ("2024-02-29T12:34:56+05:30", "2024-02-29T07:04:56Z"),
        ("2024-02-29T12:34:56-0800", "2024-02-29T20:34:56Z"),
        ("2024-02-29 12:34:56Z", "2024-02-29T12:34:56Z"),
        ("20240229T123456Z", "2024-02-29T12:34:56Z"),
        ("2024-02-29t12:34z", "2024-02-29T12:34:00Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        // without an offset: in the configured zone, here Berlin
        ("2024-02-29T12:34:56", "2024-02-29T11:34:56Z"),
        ("2024-07-01", "2024-06-30T22:00:00Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
    ] {
        assert_eq!(from_iso8601(text, &zone("Europe/Berlin")), Ok(utc(expected)), "{text}");
    }
    for text in [
        "",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-02-29T24:00:00Z",
        "2024-02-29T12:34:56 Z",
        "12:34:56",
        "1700000000",
        "yesterday",
        "2024-02-29T12:34:56Z[UTC]",
    ] {
        assert!(from_iso8601(text, &zone("UTC")).is_err(), "{text}");
    }
    assert_eq!(from_iso8601("0000-06-01T00:00:00Z", &zone("UTC")), Err(beyond("0000-06-01T00:00:00Z")));
}

#[test]
fn patterns() {
    let berlin = zone("Europe/Berlin");
    for (text, pattern, expected) in [
        ("10/Oct/2000:13:55:36 -0700", "%d/%b/%Y:%H:%M:%S %z", "2000-10-10T20:55:36Z"),
        ("2024-02-29 12:34:56", "%Y-%m-%d %H:%M:%S", "2024-02-29T11:34:56Z"),
        ("2024-02-29 12:34:56.5", "%Y-%m-%d %H:%M:%S%.f", "2024-02-29T11:34:56.500Z"),
        ("20240701", "%Y%m%d", "2024-06-30T22:00:00Z"),
        ("1700000000", "%s", "2023-11-14T22:13:20Z"),
    ] {
        assert_eq!(check_pattern(pattern, &berlin), Ok(()), "{pattern}");
        assert_eq!(from_pattern(text, pattern, &berlin), Ok(utc(expected)), "{text}");
    }
    assert!(from_pattern("2024-02-30", "%Y-%m-%d", &berlin).is_err());
    assert!(from_pattern("2024-02-28 x", "%Y-%m-%d", &berlin).is_err());
    for pattern in ["", "%H:%M", "%Y-%m", "%Y-%m-%d %K", "constant"] {
        assert!(check_pattern(pattern, &berlin).is_err(), "{pattern}");
    }
}

#[test]
fn numbers_of_machines_read_as_texts_do() {
    use TimeUnit::{Auto, Microseconds, Milliseconds, Nanoseconds, Seconds};
    for unit in [Auto, Seconds, Milliseconds, Microseconds, Nanoseconds] {
        for value in [0, -1, 1_700_000_000, 1_700_000_000_123, 1_700_000_000_123_456_789, i128::from(u64::MAX)] {
            assert_eq!(from_integer(value, unit), from_number(&value.to_string(), unit), "{value} {unit:?}");
        }
        for value in [0.5, -1.9, 1.7e9, 1_700_000_000.999, 1e300, -0.0] {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(from_float(value, unit).ok(), from_number(&text, unit).ok(), "{value} {unit:?}");
        }
    }
    assert_eq!(from_float(f64::NAN, Auto), Err("`NaN` is no number of time".to_owned()));
    assert!(from_float(f64::INFINITY, Auto).is_err());
}

#[test]
fn times_of_formats() {
    let berlin = zone("Europe/Berlin");
    let instant = |value, per_second| Time::instant(value, per_second);
    for (time, ms, text) in [
        (instant(1_700_000_000_123, 1_000), utc("2023-11-14T22:13:20.123Z"), "2023-11-14T22:13:20.123Z"),
        (instant(-1, 1_000_000_000), -1, "1969-12-31T23:59:59.999999999Z"),
        (instant(-1_001, 1_000), -1_001, "1969-12-31T23:59:58.999Z"),
        (Time::civil(1_709_210_096_789_000, 1_000_000), utc("2024-02-29T11:34:56.789Z"), "2024-02-29T12:34:56.789"),
        (Time::Date { days: 19_782 }, utc("2024-02-28T23:00:00Z"), "2024-02-29"),
        (Time::Date { days: -1 }, utc("1969-12-30T23:00:00Z"), "1969-12-31"),
    ] {
        assert_eq!(from_time(time, &berlin), Ok(ms), "{text}");
        assert_eq!(iso_text(time).as_deref(), Some(text));
    }
    let beyond = Time::instant(i64::MAX, 1);
    assert!(from_time(beyond, &berlin).is_err());
    assert_eq!(iso_text(beyond), None);
    assert!(from_time(Time::Date { days: i32::MAX }, &berlin).is_err());
}
