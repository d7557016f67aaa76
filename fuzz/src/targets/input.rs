//! Record values of every input format: a value is good or bad whatever fields are wanted, and a good one's event time
//! is in the calendar.
//!
//! Input: a byte for the format, then the value.

use secor_core::ids::Offset;
use secor_core::layout::{EVENT_TIME_MS_MAX, EVENT_TIME_MS_MIN};
use secor_core::record::Record;
use secor_format::{BadReason, Pipeline};
use serde_json::{Value, json};

use super::bytes::Input;
use super::shapes::shape;

/// Of Apache's access log, roughly.
const PATTERN: &str = r#"^(?<a>\S+) (?<b>-|"[^"]*") \[(?<t>[^\]]*)\]"#;

pub fn run(data: &[u8]) {
    let mut bytes = Input::new(data);
    let input = match bytes.byte() % 5 {
        0 => json!({ "format": "json" }),
        1 => json!({ "format": "json", "json": "any" }),
        2 => json!({ "format": "json", "json": "lines" }),
        3 => json!({ "format": "msgpack" }),
        _ => json!({ "format": "text", "pattern": PATTERN }),
    };
    let record = Record { offset: Offset::ZERO, timestamp: None, key: None, value: Some(bytes.rest()), headers: &[] };
    let alone = route(&input, &[], json!({}), &record);
    let with_fields = route(&input, &["{field:a}", "{field:b}"], json!({}), &record);
    let with_time = json!({ "field": "t", "missing": "default_partition", "bad": "default_partition" });
    let with_time = route(&input, &["{timestamp:%F %H}"], with_time, &record);
    match alone {
        Ok(_) => {
            let of_fields = [BadReason::FieldNotScalar, BadReason::IllegalOutputPartition];
            assert!(
                with_fields.is_ok() || with_fields.is_err_and(|reason| of_fields.contains(&reason)),
                "{with_fields:?}"
            );
            let time = with_time.expect("neither a missing nor a bad time makes a record bad here");
            assert!(time.is_none_or(|ms| (EVENT_TIME_MS_MIN..=EVENT_TIME_MS_MAX).contains(&ms)), "{time:?}");
        }
        Err(reason) => assert_eq!((with_fields, with_time), (Err(reason), Err(reason))),
    }
}

/// The event time of a good record.
fn route(
    input: &Value,
    output_partitions: &[&str],
    timestamp: Value,
    record: &Record<'_>,
) -> Result<Option<i64>, BadReason> {
    let shape = shape(json!({
        "input": input,
        "timestamp": timestamp,
        "output_partitions": output_partitions,
        // any value can stand in a SequenceFile
        "output": { "format": "sequence" },
    }));
    let mut pipeline = Pipeline::new(&shape).expect("every one of these shapes is possible");
    pipeline.route(record, 0).map(|routed| routed.event_time).map_err(|bad| bad.reason)
}
