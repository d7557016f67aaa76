//! Goal: what an operator relies on day by day: leaving, flushing, limits, new topics, transactions, many processes.
//! Method: the binary between a real Kafka and a real S3 server; the ledger's own words (why a batch was cut) and
//! DuckDB say what became of it.
//!
//! Try not to add kills here: `tests/exactly_once` has those.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod admin;
mod leaving;
mod limits;
mod staging;
mod starting;
mod throttled;
mod topics;
mod transactions;

use harness::Kafka;
use rdkafka::producer::BaseRecord;

/// JSON records with ids from a range.
fn values(ids: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    ids.map(|id| format!(r#"{{"id":{id}}}"#))
}

/// The same with a field `folder`, one of so many, and some bytes that do not compress away.
fn produce_in_folders(kafka: &Kafka, topic: &str, ids: std::ops::Range<i64>, folders: i64) {
    kafka.produce_with(|send| {
        for id in ids {
            let noise = noise(id.unsigned_abs());
            let value = format!(r#"{{"id":{id},"folder":{},"noise":"{noise}"}}"#, id % folders);
            send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(value.as_bytes()));
        }
    });
}

/// Hexadecimal digits from a multiplicative generator: the same for the same seed.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut digits = String::new();
    for _ in 0..16 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        digits.push_str(&format!("{state:016x}"));
    }
    digits
}
