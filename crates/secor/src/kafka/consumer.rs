//! The consumer: one thread serves the group and delivers records.
//!
//! Starting a partition is the hard part: `starting.rs` says why. `delivering.rs` makes deliveries of what arrives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use secor_core::ids::{Offset, TopicPartition};

use super::client::{Client, Event, check_group_protocol};
use super::error::KafkaError;
use super::flow::{Flow, Flows, Phase};
use super::handle::Handle;
use super::message::{Message, Slice};
use super::native::PartitionList;
use super::properties::Settings;
use super::queue::Waker;
use super::topics::{TopicSelection, TopicWatch};

mod delivering;
mod starting;

/// Reads partitions, granted by a consumer group or named. Owned by one thread.
pub struct Consumer {
    client: Arc<Client>,
    timeout: Duration,
    listener: Box<dyn RebalanceListener>,
    topics: TopicSelection,
    subscribed: BTreeSet<String>,
    watch: Option<TopicWatch>,
    flows: Flows,
    /// Partitions in [`Phase::Starting`].
    starting: Vec<TopicPartition>,
    /// Resumed partitions that hold records.
    resumed: Vec<TopicPartition>,
    held_bytes: usize,
    held_bytes_max: usize,
    batch: Vec<Message>,
    /// Counts calls that take from the queue.
    batch_number: u64,
}

/// What [`Consumer::poll`] hands over.
#[derive(Debug)]
pub enum Delivery {
    Records(Slice),
    /// There is nothing more for now. `position` is past everything delivered, also past markers and aborted records
    /// that were skipped; with [`super::Isolation::ReadCommitted`] it is at most the last stable offset.
    EndOfPartition {
        topic_partition: TopicPartition,
        position: Offset,
    },
    /// The broker says that `position` is not in its log. Nothing is fetched until the partition is started again.
    OutOfRange {
        topic_partition: TopicPartition,
        position: Offset,
        reason: String,
    },
    /// The log ends before `position`, or never had its leader epoch: it was truncated. Nothing is fetched until the
    /// partition is started again.
    Truncated {
        topic_partition: TopicPartition,
        position: Offset,
        reason: String,
    },
    /// The record at `position` can't be read (checksum, compression). Nothing is fetched until the partition is
    /// started again, since librdkafka would skip it.
    Unreadable {
        topic_partition: TopicPartition,
        position: Offset,
        error: KafkaError,
    },
    /// Worth showing; librdkafka goes on trying.
    Problem {
        topic_partition: Option<TopicPartition>,
        error: KafkaError,
    },
}

/// Is told what the group grants and takes. Called on the thread that polls, from inside [`Consumer::poll`].
pub trait RebalanceListener: Send {
    /// These are ours now; each waits for [`Consumer::start`].
    fn assigned(&mut self, partitions: &[TopicPartition]);
    /// These are taken away when this returns. It may block as long as `max.poll.interval.ms` allows, to let other
    /// threads finish and commit.
    fn revoked(&mut self, partitions: &[TopicPartition]);
    /// These were taken away already; commits for them may overwrite a successor's.
    fn lost(&mut self, partitions: &[TopicPartition]);
}

/// Listens to nothing; for a consumer without a group.
#[derive(Clone, Copy, Debug)]
pub struct Ignored;

/// How often a partition is started again that librdkafka was not ready for.
const START_RETRY: Duration = Duration::from_millis(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

impl RebalanceListener for Ignored {
    fn assigned(&mut self, _partitions: &[TopicPartition]) {}
    fn revoked(&mut self, _partitions: &[TopicPartition]) {}
    fn lost(&mut self, _partitions: &[TopicPartition]) {}
}

// === impl Consumer ===

impl Consumer {
    /// Reaches a broker, finds the topics, and joins the group. What is granted is told to `listener` during later
    /// calls of [`Self::poll`].
    ///
    /// # Errors
    /// Wrong properties, no broker within `settings.timeout`, a refused login, a named topic that does not exist or
    /// may not be read, a group protocol that the brokers don't know.
    pub fn connect(
        settings: &Settings,
        topics: TopicSelection,
        listener: Box<dyn RebalanceListener>,
    ) -> Result<Self, KafkaError> {
        let client = Client::new(settings)?;
        client.reach(settings.timeout)?;
        check_group_protocol(settings)?;
        let mut consumer = Self::new(client, settings, topics, listener);
        let handle = consumer.handle();
        let existing = handle.topics()?;
        for name in consumer.topics.names().filter(|name| !existing.iter().any(|topic| topic == name)) {
            handle.partitions(name)?;
        }
        consumer.subscribe(&existing)?;
        if consumer.topics.has_patterns() {
            let watch = TopicWatch::start(&consumer.client, settings.metadata_refresh());
            let why = |error: std::io::Error| KafkaError::Fatal { code: 0, reason: format!("no thread: {error}") };
            consumer.watch = Some(watch.map_err(why)?);
        }
        Ok(consumer)
    }

    /// Reads `partitions` without joining the group, whoever else reads them. Each waits for [`Self::start`].
    ///
    /// # Errors
    /// Wrong properties, no broker within `settings.timeout`, a refused login.
    pub fn read(settings: &Settings, partitions: &[TopicPartition]) -> Result<Self, KafkaError> {
        let client = Client::new(settings)?;
        client.reach(settings.timeout)?;
        let mut consumer = Self::new(client, settings, TopicSelection::default(), Box::new(Ignored));
        consumer.take_on(partitions)?;
        Ok(consumer)
    }

    fn new(
        client: Arc<Client>,
        settings: &Settings,
        topics: TopicSelection,
        listener: Box<dyn RebalanceListener>,
    ) -> Self {
        Self {
            client,
            timeout: settings.timeout,
            listener,
            topics,
            subscribed: BTreeSet::new(),
            watch: None,
            flows: Flows::default(),
            starting: Vec::new(),
            resumed: Vec::new(),
            held_bytes: 0,
            held_bytes_max: usize::try_from(settings.fetch_memory_bytes / 4).unwrap_or(usize::MAX),
            batch: Vec::new(),
            batch_number: 1,
        }
    }

    /// Serves the group and errors, then delivers what is there, at most `max_records` records of the queue at a time
    /// (records held for resumed partitions come on top). Returns as soon as something was delivered, somebody woke it
    /// ([`Self::waker`]), the group changed, or `timeout` is over.
    ///
    /// # Errors
    /// Only what ends this consumer: [`KafkaError::Fatal`].
    pub fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
        deliver: &mut dyn FnMut(Delivery),
    ) -> Result<(), KafkaError> {
        let deadline = Instant::now() + timeout;
        let mut count = 0;
        let mut counted = |delivery| {
            count += 1;
            deliver(delivery);
        };
        let rebalanced = self.serve_events(&mut counted)?;
        self.serve_topics(&mut counted);
        self.launch();
        self.deliver_held(&mut counted);
        self.deliver_batch(max_records, &mut counted);
        if count == 0 && !rebalanced {
            let left = deadline.saturating_duration_since(Instant::now());
            let patience = if self.starting.is_empty() { left } else { left.min(START_RETRY) };
            self.client.queue.waker().wait(patience);
            self.launch();
            self.deliver_batch(max_records, deliver);
        }
        Ok(())
    }

    /// Delivers the partition's records from `from` on. Nothing that was fetched before this call is delivered after
    /// it. With the leader epoch of the record before `from` a truncated log is noticed.
    ///
    /// # Errors
    /// [`KafkaError::NotAssigned`].
    pub fn start(&mut self, tp: &TopicPartition, from: Offset, leader_epoch: Option<i32>) -> Result<(), KafkaError> {
        let not_assigned = || KafkaError::NotAssigned { topic_partition: tp.clone() };
        let flow = self.flows.of(tp).ok_or_else(not_assigned)?;
        self.held_bytes -= held_bytes(flow);
        flow.start(from, leader_epoch, self.batch_number, Instant::now());
        self.launch_one(tp);
        Ok(())
    }

    /// Delivers nothing of the partition until [`Self::resume`]. A little of it is held ready meanwhile; when that
    /// gets too much it is not fetched either.
    pub fn pause(&mut self, tp: &TopicPartition) {
        if let Some(flow) = self.flows.of(tp).filter(|flow| flow.phase != Phase::Idle) {
            flow.paused = true;
        }
    }

    /// Goes on where the delivery stopped.
    pub fn resume(&mut self, tp: &TopicPartition) {
        let Some(flow) = self.flows.of(tp).filter(|flow| flow.paused) else { return };
        flow.paused = false;
        if !flow.held.is_empty() {
            self.resumed.push(tp.clone());
            self.client.queue.waker().wake();
        }
        if flow.choked {
            flow.start_again(self.batch_number, Instant::now());
            self.launch_one(tp);
        }
    }

    /// Fetches nothing of the partition, which stays ours, until it is started again.
    pub fn stop(&mut self, tp: &TopicPartition) {
        if let Some(flow) = self.flows.of(tp) {
            self.held_bytes -= held_bytes(flow);
            flow.stop(self.batch_number);
            self.client.pause(&PartitionList::at(std::slice::from_ref(tp), 0));
        }
    }

    /// Asks and commits for this consumer's group, from any thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.client), self.timeout)
    }

    /// Ends a waiting [`Self::poll`], from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.client.queue.waker().clone()
    }

    /// The topics that are read.
    #[must_use]
    pub fn subscribed(&self) -> &BTreeSet<String> {
        &self.subscribed
    }

    /// Leaves the group, within ten seconds. The listener is not called any more: finish what is open before.
    pub fn close(self) {
        self.client.close(CLOSE_TIMEOUT);
    }

    // --- events: the group, errors, topics ---

    /// Returns whether the group changed.
    fn serve_events(&mut self, deliver: &mut dyn FnMut(Delivery)) -> Result<bool, KafkaError> {
        let mut rebalanced = false;
        for event in self.client.events() {
            rebalanced |= event.is_rebalance();
            match event {
                Event::Assign(partitions) => self.on_assign(&partitions, deliver),
                Event::Revoke(partitions) => self.on_revoke(&partitions, deliver),
                Event::Strayed(tp) => self.start_again(&tp),
                Event::Error(error @ KafkaError::Fatal { .. }) => return Err(error),
                Event::Error(error) => deliver(Delivery::Problem { topic_partition: None, error }),
            }
        }
        Ok(rebalanced)
    }

    fn on_assign(&mut self, partitions: &[TopicPartition], deliver: &mut dyn FnMut(Delivery)) {
        if let Err(error) = self.take_on(partitions) {
            deliver(Delivery::Problem { topic_partition: None, error });
        }
        self.listener.assigned(partitions);
        self.correct_ends();
    }

    fn on_revoke(&mut self, partitions: &[TopicPartition], deliver: &mut dyn FnMut(Delivery)) {
        if self.client.base.assignment_lost() {
            self.listener.lost(partitions);
        } else {
            self.listener.revoked(partitions);
        }
        for tp in partitions {
            if let Some(flow) = self.flows.remove(tp) {
                self.held_bytes -= held_bytes(&flow);
            }
        }
        if let Err(error) = self.client.unassign(&PartitionList::at(partitions, 0)) {
            deliver(Delivery::Problem { topic_partition: None, error });
        }
        self.correct_ends();
    }

    /// Assigns partitions, paused.
    fn take_on(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        for tp in partitions {
            self.flows.insert(tp);
            self.client.queue.forward(tp);
        }
        let list = PartitionList::at(partitions, 0);
        self.client.pause(&list);
        self.client.assign(&list)
    }

    /// After a rebalance librdkafka resumes partitions that are at their end at one offset too many (see `flow.rs`).
    fn correct_ends(&mut self) {
        let (batch, now) = (self.batch_number, Instant::now());
        for flow in self.flows.iter().filter(|flow| flow.is_at_end()) {
            flow.start_again(batch, now);
            self.starting.push(flow.topic_partition.clone());
        }
        self.launch();
    }

    fn serve_topics(&mut self, deliver: &mut dyn FnMut(Delivery)) {
        let Some(existing) = self.watch.as_ref().and_then(TopicWatch::found) else { return };
        if let Err(error) = self.subscribe(&existing) {
            deliver(Delivery::Problem { topic_partition: None, error });
        }
    }

    fn subscribe(&mut self, existing: &[String]) -> Result<(), KafkaError> {
        let chosen = self.topics.choose(existing);
        if chosen == self.subscribed {
            return Ok(());
        }
        let names: Vec<&str> = chosen.iter().map(String::as_str).collect();
        self.client.base.subscribe(&names).map_err(|error| KafkaError::Broker {
            what: "subscribe".to_owned(),
            code: error.rdkafka_error_code().map_or(0, |code| code as i32),
            reason: error.to_string(),
        })?;
        self.subscribed = chosen;
        Ok(())
    }
}

fn held_bytes(flow: &Flow) -> usize {
    let bytes = |held: &Delivery| if let Delivery::Records(slice) = held { slice.bytes() } else { 0 };
    flow.held.iter().map(bytes).sum()
}
