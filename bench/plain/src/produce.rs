//! The topic that the benchmark reads: page views as JSON, about 250 bytes each, lz4, the same bytes every time.
//!
//! Event times in `meta.ts` run through one day in order, except that one record in a hundred is up to ten minutes
//! late. The field stands in the middle of the record, so finding it early is neither a gift nor a penalty.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::Totals;

/// 2026-11-20T00:00:00Z, in milliseconds.
const DAY_START_MS: u64 = 1_795_132_800_000;
const DAY_MS: u64 = 86_400_000;
const LATE_MS: u64 = 600_000;

const TYPES: [&str; 5] = ["page_view", "click", "add_to_cart", "search", "purchase"];
const COUNTRIES: [&str; 8] = ["DE", "US", "GB", "FR", "JP", "BR", "IN", "AU"];
const DEVICES: [&str; 4] = ["android", "ios", "desktop", "tablet"];
const REFERRERS: [&str; 4] = ["search", "newsletter", "direct", "partner"];

/// Makes the topic and fills it with `records`, dealt out over the partitions in turn.
pub fn produce(brokers: &str, topic: &str, partitions: u32, records: u64) -> Result<Totals> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    create_topic(&config, topic, partitions)?;
    let producer: BaseProducer = config
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "262144")
        .create()?;
    let mut totals = Totals::default();
    let mut value = String::new();
    for number in 0..records {
        write_record(&mut value, number, records);
        let partition = (number % u64::from(partitions)) as i32;
        let mut record = BaseRecord::<(), str>::to(topic).partition(partition).payload(&value);
        while let Err((error, again)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(10));
            record = again;
        }
        if number % 10_000 == 0 {
            producer.poll(Duration::ZERO);
        }
        totals.records += 1;
        totals.bytes_in += value.len() as u64;
    }
    producer.flush(Duration::from_secs(60))?;
    Ok(totals)
}

fn create_topic(config: &ClientConfig, topic: &str, partitions: u32) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let topic = NewTopic::new(topic, partitions as i32, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let answers = block_on(admin.create_topics([&topic], &AdminOptions::new()))?;
    let answer = answers.into_iter().next().context("the broker does not answer for the topic")?;
    answer.map(|_| ()).map_err(|(name, error)| anyhow::anyhow!("cannot create topic `{name}`: {error}"))
}

fn write_record(value: &mut String, number: u64, records: u64) {
    let a = scramble(number.wrapping_mul(3));
    let b = scramble(number.wrapping_mul(3) + 1);
    let c = scramble(number.wrapping_mul(3) + 2);
    let late = if a.is_multiple_of(100) { b % LATE_MS } else { 0 };
    let ts = DAY_START_MS + (number * DAY_MS / records).saturating_sub(late);
    value.clear();
    write!(
        value,
        concat!(
            r#"{{"event_id":"{:016x}","type":"{}","user":{{"id":{},"country":"{}","device":"{}"}},"#,
            r#""meta":{{"ts":{},"host":"web-{:02}"}},"#,
            r#""page":"/products/{}","referrer":"{}","duration_ms":{},"price":{}.{:02},"session":"{:012x}"}}"#
        ),
        a,
        TYPES[(b >> 8) as usize % TYPES.len()],
        100_000 + (b >> 12) % 900_000,
        COUNTRIES[(b >> 32) as usize % COUNTRIES.len()],
        DEVICES[(b >> 36) as usize % DEVICES.len()],
        ts,
        (b >> 40) % 40,
        1_000 + (c % 9_000),
        REFERRERS[(b >> 50) as usize % REFERRERS.len()],
        (c >> 14) % 5_000,
        (c >> 28) % 300,
        (c >> 37) % 100,
        (number / 16) ^ (c >> 60),
    )
    .expect("writing to a string cannot fail");
}

/// SplitMix64's output function: well spread bits that depend on `number` alone.
fn scramble(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
