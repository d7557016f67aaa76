//! Event times: whatever stands in a field, a time is in the calendar or the record is bad, and the name that it gives
//! is the one of its second. Whole numbers are compared with plain arithmetic.
//!
//! Input: a byte each for source, unit and time zone, then a pattern, a line feed, and the text of the field.

use secor_core::ids::Offset;
use secor_core::layout::{EVENT_TIME_MS_MAX, EVENT_TIME_MS_MIN};
use secor_core::record::Record;
use secor_core::shape::{Shape, TimeUnit, TimestampSource};
use secor_format::{BadReason, Pipeline};
use serde_json::json;

use super::bytes::Input;
use super::shapes::shape;

/// Longer ones are slow to compile as regular expressions, and no different.
const PATTERN_BYTES_MAX: usize = 64;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia"];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (source, unit, zone) = (source(input.byte()), unit(input.byte()), input.byte());
    let Ok(rest) = std::str::from_utf8(input.rest()) else { return };
    let (pattern, text) = rest.split_once('\n').unwrap_or_default();
    if pattern.len() > PATTERN_BYTES_MAX {
        return;
    }
    let shape = shape_of(source, unit, ZONES[usize::from(zone) % ZONES.len()], pattern);
    let Ok(mut pipeline) = Pipeline::new(&shape) else { return };
    let number = text.parse::<i64>().ok();
    let value = match source {
        TimestampSource::Regex => text.to_owned(),
        _ => json!({ "t": text }).to_string(),
    };
    let record =
        Record { offset: Offset::ZERO, timestamp: number, key: None, value: Some(value.as_bytes()), headers: &[] };
    let routed = pipeline.route(&record, 0);
    let event_time = match &routed {
        Ok(routed) => {
            let ms = routed.event_time.expect("a good record has its time");
            assert!((EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(&ms), "{ms}");
            Some(ms)
        }
        Err(bad) => {
            assert!(matches!(bad.reason, BadReason::TimestampBad | BadReason::TimestampMissing), "{bad}");
            None
        }
    };
    if let (Some(number), TimestampSource::Field) = (number, source)
        && text == number.to_string()
    {
        assert_eq!(event_time, by_arithmetic(number, unit), "{number} {unit:?}");
        let bare = json!({ "t": number }).to_string();
        let again = pipeline.route(&Record { value: Some(bare.as_bytes()), ..record }, 0);
        assert_eq!(again.ok().and_then(|routed| routed.event_time), event_time, "a number in quotes is the number");
    }
    if let Some(ms) = event_time {
        by_kafka(&shape, ms, pipeline.output_partition(routed.expect("it has a time").partition));
    }
}

/// The same time as the record's own timestamp gives the same name.
fn by_kafka(shape: &Shape, ms: i64, name: &str) {
    let shape = self::shape(json!({
        "timestamp": { "source": "kafka" },
        "time_zone": shape.time_zone,
        "output_partitions": shape.output_partitions,
        "output": shape.output,
    }));
    let mut pipeline = Pipeline::new(&shape).expect("without a field there is less to be wrong");
    let record = Record { offset: Offset::ZERO, timestamp: Some(ms), key: None, value: None, headers: &[] };
    let routed = pipeline.route(&record, 0).expect("the time is in the calendar");
    assert_eq!(pipeline.output_partition(routed.partition), name);
}

fn by_arithmetic(number: i64, unit: TimeUnit) -> Option<i64> {
    let number = i128::from(number);
    let power = |exponent| 10i128.pow(exponent);
    let ms = match unit {
        TimeUnit::Auto if number >= power(18) => number / power(6),
        TimeUnit::Auto if number >= power(15) => number / power(3),
        TimeUnit::Auto if number >= power(12) => number,
        TimeUnit::Auto | TimeUnit::Seconds => number * power(3),
        TimeUnit::Milliseconds => number,
        TimeUnit::Microseconds => number.div_euclid(power(3)),
        TimeUnit::Nanoseconds => number.div_euclid(power(6)),
    };
    i64::try_from(ms).ok().filter(|ms| (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(ms))
}

fn shape_of(source: TimestampSource, unit: TimeUnit, zone: &str, pattern: &str) -> Shape {
    let reads_field = matches!(source, TimestampSource::Field | TimestampSource::Iso8601 | TimestampSource::Pattern);
    let has_pattern = matches!(source, TimestampSource::Regex | TimestampSource::Pattern);
    shape(json!({
        "input": { "format": if reads_field { "json" } else { "bytes" } },
        "timestamp": {
            "source": source,
            "field": reads_field.then_some("t"),
            "unit": unit,
            "pattern": has_pattern.then_some(pattern),
        },
        "time_zone": zone,
        "output_partitions": ["{timestamp:%Y-%m-%d %H-%M-%S %G %V %z}"],
        // any value can stand in a SequenceFile
        "output": { "format": "sequence" },
    }))
}

fn source(byte: u8) -> TimestampSource {
    match byte % 5 {
        0 => TimestampSource::Field,
        1 => TimestampSource::Iso8601,
        2 => TimestampSource::Pattern,
        3 => TimestampSource::Regex,
        _ => TimestampSource::Kafka,
    }
}

fn unit(byte: u8) -> TimeUnit {
    match byte % 5 {
        0 => TimeUnit::Auto,
        1 => TimeUnit::Seconds,
        2 => TimeUnit::Milliseconds,
        3 => TimeUnit::Microseconds,
        _ => TimeUnit::Nanoseconds,
    }
}
