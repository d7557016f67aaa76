//! The consumer: one thread serves the group and delivers records.
//!
//! A partition that the group grants is paused before it is assigned, so librdkafka fetches nothing of its own accord.
//! [`Consumer::start`] seeks and resumes; librdkafka may not be ready for that yet, then every [`Consumer::poll`] tries
//! again. A partition that librdkafka gave up (`auto.offset.reset=error`) refuses to be sought: it is assigned anew.
//! The order is always: pause, seek, forward, resume. While paused nothing can arrive anywhere; a successful seek
//! proves that librdkafka has started the partition, so that no late stop can undo the forwarding; and a seek makes
//! everything outdated that was fetched before it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::types::RDKafkaRespErr as Code;
use secor_core::ids::{Offset, TopicPartition};

use super::client::{Client, Event, check_group_protocol};
use super::error::KafkaError;
use super::flow::{Admission, Flow, Flows, Phase};
use super::handle::Handle;
use super::message::{Message, Slice};
use super::native::PartitionList;
use super::properties::Settings;
use super::queue::Waker;
use super::topics::{TopicSelection, TopicWatch};

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

const SEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a partition is started again that librdkafka was not ready for.
const START_RETRY: Duration = Duration::from_millis(10);
/// A partition that can't be sought for this long is assigned anew.
const START_PATIENCE: Duration = Duration::from_secs(2);
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

    // --- starting ---

    fn start_again(&mut self, tp: &TopicPartition) {
        let batch = self.batch_number;
        if let Some(flow) = self.flows.of(tp).filter(|flow| flow.phase != Phase::Idle && !flow.choked) {
            flow.start_again(batch, Instant::now());
            self.launch_one(tp);
        }
    }

    fn launch_one(&mut self, tp: &TopicPartition) {
        let waiting = std::mem::replace(&mut self.starting, vec![tp.clone()]);
        self.launch();
        self.starting.extend(waiting.into_iter().filter(|other| other != tp));
    }

    /// Tries to start what is to be started; what librdkafka is not ready for stays in `starting`.
    fn launch(&mut self) {
        if self.starting.is_empty() {
            return;
        }
        let mut list = PartitionList::new(self.starting.len());
        let mut halted = Vec::new();
        for tp in std::mem::take(&mut self.starting) {
            let Some(flow) = self.flows.of(&tp) else { continue };
            let Phase::Starting { leader_epoch, .. } = flow.phase else { continue };
            if std::mem::take(&mut flow.halted) {
                halted.push(tp);
            } else {
                list.add(&tp, flow.next.get(), leader_epoch);
            }
        }
        self.seek(&list);
        if !halted.is_empty() {
            self.assign_anew(&halted);
        }
    }

    fn seek(&mut self, list: &PartitionList) {
        if list.is_empty() {
            return;
        }
        self.client.pause(list);
        let mut resumed = PartitionList::new(0);
        for (tp, error) in self.client.seek(list, SEEK_TIMEOUT) {
            let Some(flow) = self.flows.of(&tp) else { continue };
            let Phase::Starting { since, .. } = flow.phase else { continue };
            if error == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                self.client.queue.forward(&tp);
                flow.phase = Phase::Running;
                resumed.add(&tp, flow.next.get(), None);
            } else {
                flow.halted = since.elapsed() > START_PATIENCE;
                self.starting.push(tp);
            }
        }
        self.client.resume(&resumed);
    }

    /// Gives partitions back to librdkafka that it has given up. With an eager protocol only all can be assigned.
    fn assign_anew(&mut self, halted: &[TopicPartition]) {
        let now = Instant::now();
        let mut list = PartitionList::at(halted, 0);
        self.starting.extend_from_slice(halted);
        if !self.client.is_incremental() {
            for flow in self.flows.iter().filter(|flow| !halted.contains(&flow.topic_partition)) {
                list.add(&flow.topic_partition, 0, None);
                if flow.phase == Phase::Running && !flow.choked {
                    flow.start_again(self.batch_number, now);
                    self.starting.push(flow.topic_partition.clone());
                }
            }
        }
        self.client.pause(&list);
        for done in [self.client.unassign(&list), self.client.assign(&list)] {
            if let Err(error) = done {
                tracing::warn!(%error, "partitions not assigned anew, trying again");
            }
        }
    }

    // --- delivering ---

    fn deliver_held(&mut self, deliver: &mut dyn FnMut(Delivery)) {
        for tp in std::mem::take(&mut self.resumed) {
            let Some(flow) = self.flows.of(&tp).filter(|flow| !flow.paused) else { continue };
            self.held_bytes -= held_bytes(flow);
            flow.held.drain(..).for_each(&mut *deliver);
        }
    }

    fn deliver_batch(&mut self, max_records: usize, deliver: &mut dyn FnMut(Delivery)) {
        self.batch_number += 1;
        let mut batch = std::mem::take(&mut self.batch);
        self.client.queue.take(&mut batch, max_records);
        let runs: Vec<usize> = batch.chunk_by(same_run).map(<[Message]>::len).collect();
        let mut messages = batch.drain(..);
        for len in runs {
            let run: Vec<Message> = messages.by_ref().take(len).collect();
            match run[0].error() {
                None => self.on_records(run, deliver),
                Some(code) => self.on_event(&run[0], code, deliver),
            }
        }
        drop(messages);
        self.batch = batch;
    }

    fn on_records(&mut self, run: Vec<Message>, deliver: &mut dyn FnMut(Delivery)) {
        let topic = run[0].topic().expect("a record has a topic");
        let Some(flow) = self.flows.get(topic, run[0].partition()) else { return };
        let Some(slice) = Slice::new(run, &flow.topic_partition, flow.next, &self.client) else { return };
        match flow.admit(slice.first_offset(), self.batch_number) {
            Admission::Drop => {}
            Admission::FetchAgain => {
                let tp = flow.topic_partition.clone();
                self.start_again(&tp);
            }
            Admission::Hold if self.held_bytes + slice.bytes() > self.held_bytes_max => {
                flow.choke(self.batch_number);
                self.client.pause(&PartitionList::at(std::slice::from_ref(&flow.topic_partition), 0));
            }
            Admission::Hold => {
                flow.took(slice.next_offset());
                self.held_bytes += slice.bytes();
                flow.held.push_back(Delivery::Records(slice));
            }
            Admission::Deliver => {
                flow.took(slice.next_offset());
                deliver(Delivery::Records(slice));
            }
        }
    }

    fn on_event(&mut self, event: &Message, code: Code, deliver: &mut dyn FnMut(Delivery)) {
        let flow = event.topic().and_then(|topic| self.flows.get(topic, event.partition()));
        let Some(flow) = flow else {
            if code != Code::RD_KAFKA_RESP_ERR__PARTITION_EOF {
                let error = with_reason(KafkaError::from_code("reading", code, None), event.text());
                deliver(Delivery::Problem { topic_partition: None, error });
            }
            return;
        };
        let topic_partition = flow.topic_partition.clone();
        match code {
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                if let Ok(position) = Offset::new(event.raw_offset()) {
                    on_end(flow, position, self.batch_number, deliver);
                }
            }
            Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => self.on_lost_position(&topic_partition, event, deliver),
            Code::RD_KAFKA_RESP_ERR__BAD_MSG
            | Code::RD_KAFKA_RESP_ERR__BAD_COMPRESSION
            | Code::RD_KAFKA_RESP_ERR__UNDERFLOW
            | Code::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
            | Code::RD_KAFKA_RESP_ERR_INVALID_MSG
                if flow.phase == Phase::Running =>
            {
                let position = flow.next;
                self.stop(&topic_partition);
                let error = with_reason(KafkaError::from_code("reading", code, None), event.text());
                deliver(Delivery::Unreadable { topic_partition, position, error });
            }
            _ => {
                let error = KafkaError::from_code("reading", code, Some(&topic_partition));
                let error = with_reason(error, event.text());
                deliver(Delivery::Problem { topic_partition: Some(topic_partition), error });
            }
        }
    }

    /// librdkafka has given the partition up because the broker or its epochs deny the position.
    fn on_lost_position(&mut self, tp: &TopicPartition, event: &Message, deliver: &mut dyn FnMut(Delivery)) {
        let flow = self.flows.of(tp).expect("found by the caller");
        flow.halted = true;
        let elsewhere = event.raw_offset() >= 0 && event.raw_offset() != flow.next.get();
        match flow.phase {
            Phase::Idle => {}
            // Not about where we want to read: librdkafka went there by itself, or before the last start.
            Phase::Running if elsewhere => self.start_again(tp),
            Phase::Starting { .. } => self.start_again(tp),
            Phase::Running => {
                let (topic_partition, position, reason) = (tp.clone(), flow.next, event.text());
                flow.phase = Phase::Idle;
                deliver(if is_truncation(&reason) {
                    Delivery::Truncated { topic_partition, position, reason }
                } else {
                    Delivery::OutOfRange { topic_partition, position, reason }
                });
            }
        }
    }
}

fn on_end(flow: &mut Flow, position: Offset, batch: u64, deliver: &mut dyn FnMut(Delivery)) {
    let admission = flow.admit(flow.next, batch);
    if admission == Admission::Drop || !flow.reached_end(position) {
        return;
    }
    let end = Delivery::EndOfPartition { topic_partition: flow.topic_partition.clone(), position };
    match admission {
        Admission::Hold => flow.held.push_back(end),
        _ => deliver(end),
    }
}

fn same_run(a: &Message, b: &Message) -> bool {
    a.source() == b.source() && a.error().is_none() && b.error().is_none()
}

fn held_bytes(flow: &Flow) -> usize {
    let bytes = |held: &Delivery| if let Delivery::Records(slice) = held { slice.bytes() } else { 0 };
    flow.held.iter().map(bytes).sum()
}

/// librdkafka tells a truncated log from a position out of range by its words only.
fn is_truncation(reason: &str) -> bool {
    reason.contains("truncation") || reason.contains("No epoch found")
}

fn with_reason(error: KafkaError, reason: String) -> KafkaError {
    match error {
        KafkaError::Broker { what, code, .. } => KafkaError::Broker { what, code, reason },
        other => other,
    }
}
