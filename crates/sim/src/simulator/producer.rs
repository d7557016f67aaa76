//! The records: who writes what and when, in transactions that are committed, aborted, or left open for a while.

use std::rc::Rc;

use secor_core::ids::TopicPartition;
use secor_core::record::push_header;

use super::coverage::Path;
use super::log::{Meaning, Message, PartitionLog};
use super::scenario::BEGIN_MS;
use super::world::{Happening, World};

const COUNTRIES: [&str; 4] = ["de", "fr", "a/b=c", ""];

/// One thing that the producer does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Write { topic: Rc<str>, partition: usize, message: Message, transaction: Option<u64> },
    End { transaction: u64, commit: bool },
}

impl World {
    pub(super) fn plan_records(&mut self) {
        let mut written = 0;
        for topic in self.scenario.topics.clone() {
            let mut left = topic.records;
            while left > 0 {
                let at_ms = self.rng.between(0, self.scenario.chaos_ms);
                let burst = left.min(1 + self.rng.below(6));
                let transaction = self.rng.chance(300).then_some(1_000 + written);
                let partition = self.rng.below(topic.partitions);
                let mut spread_ms = 0;
                for _ in 0..burst {
                    written += 1;
                    spread_ms += self.rng.between(0, 800);
                    let message = self.message(written, at_ms + spread_ms, topic.is_compacted);
                    let topic = Rc::clone(&topic.name);
                    let step = Step::Write { topic, partition, message, transaction };
                    self.after(at_ms + spread_ms, Happening::Produce(step));
                }
                left -= burst;
                if let Some(transaction) = transaction {
                    let commit = self.rng.chance(650);
                    let lasts_ms = if self.rng.chance(150) { 60_000 } else { 4_000 };
                    let ends_ms = at_ms + spread_ms + 1 + self.rng.between(0, lasts_ms);
                    self.after(ends_ms, Happening::Produce(Step::End { transaction, commit }));
                }
            }
        }
    }

    fn message(&mut self, id: u64, at_ms: i64, is_compacted: bool) -> Message {
        let rng = &mut self.rng;
        // event times run ahead and behind, over the edges of hours and days
        let ts_ms = BEGIN_MS + at_ms + rng.between(-50_000_000, 50_000_000);
        let country = *rng.pick(&COUNTRIES);
        let (meaning, value) = match rng.below(20) {
            0 => (Meaning::Garbage, Some(format!("{{\"id\":{id}, no JSON"))),
            1 => (Meaning::NoTime, Some(format!("{{\"id\":{id}}}"))),
            2 => (Meaning::Null, None),
            3 => {
                let value = format!("{{\"id\":{id},\n\"ts\":{ts_ms},\n\"country\":\"{country}\"}}");
                (Meaning::Event { ts_ms, country, spaced: true }, Some(value))
            }
            _ => {
                let value = format!("{{\"id\":{id},\"ts\":{ts_ms},\"country\":\"{country}\"}}");
                (Meaning::Event { ts_ms, country, spaced: false }, Some(value))
            }
        };
        let mut headers = Vec::new();
        if rng.chance(200) {
            push_header(&mut headers, b"trace", Some(format!("h{id}").as_bytes()));
            push_header(&mut headers, b"none", None);
        }
        let keyed = is_compacted || rng.chance(500);
        let key = keyed.then(|| format!("k{}", rng.below(8)).into_bytes());
        Message { timestamp: BEGIN_MS + at_ms, key, value: value.map(String::into_bytes), headers, meaning }
    }

    pub(super) fn produce(&mut self, step: Step) {
        match step {
            Step::Write { topic, partition, message, transaction } => {
                // what the coordinator has ended must not begin again under the same id
                let transaction = transaction.filter(|_| !self.is_healed);
                let Some(topic) = self.broker.topic_mut(&topic) else { return };
                if let Some(log) = topic.partitions.get_mut(partition) {
                    log.append(message, transaction);
                }
            }
            Step::End { transaction, commit } => {
                for tp in self.broker.topic_partitions() {
                    self.end_transaction(&tp, transaction, commit);
                }
            }
        }
    }

    fn end_transaction(&mut self, tp: &TopicPartition, transaction: u64, commit: bool) {
        let log = self.broker.log_mut(tp).expect("it is one of the topic partitions that are there");
        if log.end_transaction(transaction, commit) && !commit {
            self.coverage.met(Path::Aborted);
        }
    }

    /// The coordinator of transactions ends what its producer has forgotten.
    pub(super) fn end_all_transactions(&mut self) {
        for tp in self.broker.topic_partitions() {
            let open = self.broker.log(&tp).map(PartitionLog::open_transactions).unwrap_or_default();
            for transaction in open {
                self.end_transaction(&tp, transaction, false);
            }
        }
    }
}
