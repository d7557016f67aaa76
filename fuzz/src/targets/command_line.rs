//! What a command line names, and how durations and sizes are written: what is read can be printed and read again.

use crate::config::{format_duration, format_size, parse_duration_ms, parse_size};
use crate::target::{Target, parse_offset, parse_record, parse_topic};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(target) = text.parse::<Target>() {
        assert_eq!(target.to_string().parse::<Target>(), Ok(target.clone()), "{text}");
        assert_eq!(parse_topic(text).is_ok(), target.at.is_none());
        if let Ok((partition, offset)) = parse_record(text) {
            assert_eq!(parse_record(&format!("{partition}@{offset}")), Ok((partition, offset)));
        }
    }
    if let Ok(offset) = parse_offset(text) {
        assert_eq!(parse_offset(&offset.to_string()), Ok(offset));
    }
    if let Some(ms) = parse_duration_ms(text) {
        assert_eq!(parse_duration_ms(&format_duration(ms)), Some(ms));
    }
    if let Some(bytes) = parse_size(text) {
        assert_eq!(parse_size(&format_size(bytes)), Some(bytes), "{text} is {}", format_size(bytes));
    }
}
