//! What the demo archives: page views of one day, as JSON.

use std::time::Duration;

use crate::kafka::KafkaError;
use crate::kafka::producer::{Outgoing, Producer};

const PATIENCE: Duration = Duration::from_secs(30);
const DAY_MS: u64 = 86_400_000;
/// 2026-03-29 in UTC, a day on which Europe changes its clocks.
const FIRST_MS: u64 = 1_774_742_400_000;
const PAGES: [&str; 6] = ["/", "/docs", "/docs/operations", "/blog", "/pricing", "/about"];
const COUNTRIES: [&str; 5] = ["DE", "FR", "US", "JP", "BR"];

/// Sends `records` records; returns how many the broker has acknowledged.
///
/// # Errors
/// When the broker takes no more.
pub(super) fn produce(brokers: &str, topic: &str, partitions: i32, records: u64) -> Result<u64, KafkaError> {
    let producer = Producer::new(brokers, [("compression.type", "lz4")])?;
    let partitions = u64::from(partitions.unsigned_abs());
    for number in 0..records {
        let value = page_view(number, records);
        let partition = i32::try_from(number % partitions).expect("a remainder below a partition count");
        let record = Outgoing { topic, partition, value: Some(value.as_bytes()), ..Outgoing::default() };
        producer.send(&record, PATIENCE)?;
    }
    producer.flush(PATIENCE)
}

fn page_view(number: u64, records: u64) -> String {
    let ts = FIRST_MS + DAY_MS * number / records;
    // any mixing will do: the demo wants variety, not chance
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let page = PAGES[usize::try_from(mixed).unwrap_or_default() % PAGES.len()];
    let country = COUNTRIES[usize::try_from(mixed >> 3).unwrap_or_default() % COUNTRIES.len()];
    let millis = mixed % 900;
    format!(
        r#"{{"id":{number},"meta":{{"ts":{ts},"source":"demo"}},"page":"{page}","country":"{country}","visitor":"v{:08x}","render_ms":{millis}}}"#,
        mixed % 50_000
    )
}
