//! Output partitions: whatever a template and a record's fields say, the name is one legal segment per template, the
//! same from the cache as fresh, and a value can be had back from it; Hive's escaping; keys that a store which folds
//! case can't tell apart.
//!
//! Input: lines with a template, a time zone, a timestamp in milliseconds, an offset, then the value of its fields.

use secor_core::ids::Offset;
use secor_core::layout::{
    DEFAULT_PARTITION, EVENT_TIME_MS_MAX, EVENT_TIME_MS_MIN, OutputPartitionTemplate, TemplatePart, case_fold_clash,
    check_segment, escape_value,
};
use secor_core::record::Record;
use secor_core::shape::Shape;
use secor_format::Pipeline;
use serde_json::{Map, Value, json};

use super::bytes::lines;
use super::shapes::shape;

pub fn run(data: &[u8]) {
    let Some(mut lines) = lines(data) else { return };
    let mut line = || lines.next().unwrap_or_default();
    let (template, zone, timestamp, offset) = (line(), line(), line(), line());
    let start = [template, zone, timestamp, offset].iter().map(|line| line.len() + 1).sum();
    let value = std::str::from_utf8(data).ok().and_then(|text| text.get(start..)).unwrap_or_default();
    escaping(value);
    folding(value);
    let Ok(template) = OutputPartitionTemplate::parse(template) else { return };
    let number = |text: &str| text.parse::<i64>().ok();
    let Some(offset) = number(offset).and_then(|offset| Offset::new(offset).ok()) else { return };
    let clock = number(timestamp).unwrap_or_default().clamp(EVENT_TIME_MS_MIN, EVENT_TIME_MS_MAX);
    let json = Value::Object(fields(&template, value)).to_string();
    let record = Record { offset, timestamp: number(timestamp), key: None, value: Some(json.as_bytes()), headers: &[] };
    let shape = shape(json!({
        "input": { "format": "json" },
        "time_zone": zone,
        "output_partitions": [template.text],
    }));
    route(&shape, &template, value, &record, clock);
}

fn route(shape: &Shape, template: &OutputPartitionTemplate, value: &str, record: &Record<'_>, clock: i64) {
    let (Ok(mut pipeline), Ok(mut fresh)) = (Pipeline::new(shape), Pipeline::new(shape)) else { return };
    let Ok(routed) = pipeline.route(record, clock) else {
        assert!(fresh.route(record, clock).is_err());
        return;
    };
    let name = pipeline.output_partition(routed.partition).to_owned();
    check_segment(&name).expect("an output partition is a legal segment");
    assert!(!name.contains('/') && !name.bytes().any(|byte| byte.is_ascii_control()), "{name:?}");
    let again = pipeline.route(record, clock).expect("the same record is good again");
    assert_eq!((again.partition, again.event_time), (routed.partition, routed.event_time));
    let other = fresh.route(record, clock).expect("the same record is good elsewhere");
    assert_eq!(fresh.output_partition(other.partition), name);
    if let [TemplatePart::Field(path)] = &template.parts[..]
        && path.split('.').all(|name| !name.is_empty())
    {
        assert_eq!(name, escape_value(value));
    }
}

/// An object in which every field of the template holds the value, unless one path goes through another.
fn fields(template: &OutputPartitionTemplate, value: &str) -> Map<String, Value> {
    let mut root = Map::new();
    for part in &template.parts {
        let TemplatePart::Field(path) = part else { continue };
        let mut at = &mut root;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                at.insert(name.to_owned(), Value::from(value));
                break;
            }
            let below = at.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            at = below.as_object_mut().expect("it was made one");
        }
    }
    root
}

fn escaping(value: &str) {
    let escaped = escape_value(value);
    assert!(!escaped.is_empty() && !escaped.contains('/') && !escaped.bytes().any(|byte| byte.is_ascii_control()));
    if escaped == DEFAULT_PARTITION {
        assert!(value.is_empty() || value == DEFAULT_PARTITION);
    } else {
        assert_eq!(unescape(&escaped), value);
    }
}

/// As Hive's `FileUtils.unescapePathName`.
fn unescape(escaped: &str) -> String {
    let mut pieces = escaped.split('%');
    let mut value = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        value.push(char::from(u8::from_str_radix(digits, 16).expect("two hexadecimal digits follow a percent sign")));
        value.push_str(rest);
    }
    value
}

fn folding(value: &str) {
    let keys: Vec<&str> = value.split('\n').take(16).collect();
    let clashes = |one: &&str, other: &&str| one != other && one.to_lowercase() == other.to_lowercase();
    let expected = keys.iter().any(|one| keys.iter().any(|other| clashes(one, other)));
    let found = case_fold_clash(keys.iter().copied());
    assert_eq!(found.is_some(), expected);
    assert!(found.is_none_or(|(one, other)| clashes(&one, &other)));
}
