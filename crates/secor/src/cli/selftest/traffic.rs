//! Records with unique ids, produced while processes are harmed: JSON page views, numbered from 0, over all partitions
//! in turn, of three hours, so that every batch has several files.
//!
//! A round has its share of the ids. They are not sent at once: each tick sends a part of what is left, so that there is
//! something on the way however long the round takes. When the round ends, the rest follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use secor_core::ids::Offset;

use super::site::Site;
use crate::cli::errors::{Class, CliError};
use crate::kafka::KafkaError;
use crate::kafka::scratch::{Fate, Fates, Witness};

/// A producer at work.
pub(super) struct Traffic {
    orders: Arc<Orders>,
    fates: Fates,
    thread: Option<JoinHandle<Result<(), KafkaError>>>,
}

#[derive(Default)]
struct Orders {
    /// Ids below this may be sent.
    upto: AtomicUsize,
    /// Without delay.
    at_once: AtomicBool,
    /// No more: nobody waits any longer.
    abandoned: AtomicBool,
}

const TICK: Duration = Duration::from_millis(100);
/// A tick sends this part of what is left.
const PARTS: usize = 40;
/// For room in the queue, and for the last answers.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const HOURS: usize = 3;
const HOUR_MS: usize = 3_600_000;
/// 2026-03-29 in UTC, a day on which Europe changes its clocks.
const FIRST_MS: usize = 1_774_742_400_000;

// === impl Traffic ===

impl Traffic {
    /// Starts a producer that may send nothing yet and ends after `records`.
    ///
    /// # Errors
    /// When librdkafka does not take its properties.
    pub(super) fn start(site: &Site, partitions: usize, records: usize) -> Result<Self, CliError> {
        let witness = Witness::new(&site.kafka(), &site.names.topic, partitions)?;
        let orders = Arc::new(Orders::default());
        let (fates, taken) = (witness.fates().clone(), Arc::clone(&orders));
        let work = move || produce(&witness, partitions, records, &taken);
        let thread = thread::Builder::new().name("secor-traffic".to_owned()).spawn(work)?;
        Ok(Self { orders, fates, thread: Some(thread) })
    }

    /// Lets ids below `upto` be sent bit by bit.
    pub(super) fn allow(&self, upto: usize) {
        self.orders.upto.store(upto, Ordering::Relaxed);
        self.orders.at_once.store(false, Ordering::Release);
    }

    /// Lets the rest of what is allowed be sent without delay.
    pub(super) fn hurry(&self) {
        self.orders.at_once.store(true, Ordering::Release);
    }

    /// By partition: the offset behind the last acknowledged record.
    pub(super) fn ends(&self) -> Vec<Offset> {
        self.fates.ends()
    }

    /// Waits until every record has its fate; what could not be sent ends this early.
    ///
    /// # Errors
    /// When the brokers take no more.
    pub(super) async fn finish(mut self) -> Result<Vec<Fate>, CliError> {
        self.hurry();
        let thread = self.thread.take().expect("it is taken here alone");
        while !thread.is_finished() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        thread.join().map_err(|_| CliError::new(Class::Bug, "the producer's thread panicked"))??;
        Ok(self.fates.all())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // the thread sees it within a tick; nobody waits for it
        self.orders.abandoned.store(true, Ordering::Relaxed);
    }
}

fn produce(witness: &Witness, partitions: usize, records: usize, orders: &Orders) -> Result<(), KafkaError> {
    let mut next = 0;
    while next < records {
        if orders.abandoned.load(Ordering::Relaxed) {
            return Ok(());
        }
        let at_once = orders.at_once.load(Ordering::Acquire);
        let left = orders.upto.load(Ordering::Relaxed).min(records).saturating_sub(next);
        let now = if at_once { left } else { (left / PARTS).max(partitions).min(left) };
        for id in next..next + now {
            let partition = i32::try_from(id % partitions).expect("a remainder below a partition count");
            witness.send(id, partition, page_view(id).as_bytes(), PATIENCE)?;
        }
        next += now;
        if next < records {
            thread::sleep(TICK);
        }
    }
    witness.flush(PATIENCE);
    Ok(())
}

fn page_view(id: usize) -> String {
    let ts = FIRST_MS + (id / 7 % HOURS) * HOUR_MS + id % HOUR_MS;
    format!(r#"{{"id":{id},"meta":{{"ts":{ts},"source":"selftest"}},"page":"/docs","visitor":"v{:08x}"}}"#, id % 50_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn records_are_json_with_their_id_and_an_event_time_of_one_day() {
        for id in [0, 1, 149_999, 100_000_000] {
            let view: serde_json::Value = serde_json::from_str(&page_view(id)).expect("JSON");
            assert_eq!(view["id"], id);
            let ts = view["meta"]["ts"].as_u64().expect("a number") as usize;
            assert!((FIRST_MS..FIRST_MS + 24 * HOUR_MS).contains(&ts), "{ts}");
        }
    }

    #[test]
    fn a_partition_sees_every_hour() {
        for partitions in 1..=12 {
            let ids = (0..partitions * 100).filter(|id| id % partitions == 0);
            let hours: BTreeSet<usize> = ids.map(|id| id / 7 % HOURS).collect();
            assert_eq!(hours.len(), HOURS, "{partitions} partitions");
        }
    }
}
