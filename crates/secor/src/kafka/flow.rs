//! What the consumer knows of each assigned partition, and what it does with the records that arrive for it. Pure:
//! no librdkafka here.
//!
//! # Why the position is kept here
//! librdkafka remembers "the offset behind the last message the application saw" and returns to it after a pause,
//! also after the pauses it makes by itself around a cooperative rebalance. With the batch queue it counts the
//! end-of-partition event as a message, and so returns to one offset *behind* the end: the next record would be
//! skipped, or the partition fail as out of range. And a record taken from the queue while librdkafka pauses is
//! delivered once more. So: every resume seeks to [`Flow::next`]; a partition at its end is sought again after every
//! rebalance; a record below `next` is dropped; and a gap right behind an end is not believed until it has been
//! fetched twice.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use secor_core::ids::{Offset, TopicPartition};

use super::consumer::Delivery;

/// All assigned partitions. Found by text without allocating; the order of iteration means nothing.
#[derive(Default)]
pub(super) struct Flows(HashMap<Arc<str>, HashMap<i32, Flow>>);

/// One assigned partition.
pub(super) struct Flow {
    pub topic_partition: TopicPartition,
    pub phase: Phase,
    /// The offset of the next record to come from librdkafka; everything below was delivered, is held, or is wanted
    /// by nobody.
    pub next: Offset,
    /// The application wants no records for now.
    pub paused: bool,
    /// What arrived while paused, in order.
    pub held: VecDeque<Delivery>,
    /// librdkafka was told to pause, because too much was held.
    pub choked: bool,
    /// librdkafka has given the partition up; only a new assignment brings it back.
    pub halted: bool,
    /// The last thing that came was the end of the partition, at `next`.
    at_end: bool,
    /// The gap behind the end has been fetched again.
    gap_confirmed: bool,
    /// Records of this batch were fetched before the partition was last started, choked or stopped.
    muted_in_batch: u64,
}

/// Whether records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Assigned, and nothing is fetched: not started yet, stopped, or broken.
    Idle,
    /// Wanted from `Flow::next`; librdkafka has not confirmed it yet.
    Starting {
        leader_epoch: Option<i32>,
        since: Instant,
    },
    Running,
}

/// What to do with records that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Deliver,
    /// The partition is paused.
    Hold,
    Drop,
    /// Drop them and fetch again from `Flow::next`.
    FetchAgain,
}

// === impl Flows ===

impl Flows {
    pub(super) fn get(&mut self, topic: &str, partition: i32) -> Option<&mut Flow> {
        self.0.get_mut(topic)?.get_mut(&partition)
    }

    pub(super) fn of(&mut self, tp: &TopicPartition) -> Option<&mut Flow> {
        self.get(&tp.topic, tp.partition)
    }

    pub(super) fn insert(&mut self, tp: &TopicPartition) {
        self.0.entry(Arc::clone(&tp.topic)).or_default().insert(tp.partition, Flow::new(tp.clone()));
    }

    pub(super) fn remove(&mut self, tp: &TopicPartition) -> Option<Flow> {
        let partitions = self.0.get_mut(&tp.topic)?;
        let removed = partitions.remove(&tp.partition);
        if partitions.is_empty() {
            self.0.remove(&tp.topic);
        }
        removed
    }

    pub(super) fn iter(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.0.values_mut().flat_map(HashMap::values_mut)
    }
}

// === impl Flow ===

impl Flow {
    fn new(topic_partition: TopicPartition) -> Self {
        Self {
            topic_partition,
            phase: Phase::Idle,
            next: Offset::ZERO,
            paused: false,
            held: VecDeque::new(),
            choked: false,
            halted: false,
            at_end: false,
            gap_confirmed: false,
            muted_in_batch: 0,
        }
    }

    /// Wants records from `from` on, and forgets all that came before.
    pub(super) fn start(&mut self, from: Offset, leader_epoch: Option<i32>, batch: u64, now: Instant) {
        self.next = from;
        self.phase = Phase::Starting { leader_epoch, since: now };
        self.paused = false;
        self.held.clear();
        self.choked = false;
        self.at_end = false;
        self.gap_confirmed = false;
        self.muted_in_batch = batch;
    }

    /// Wants the records from `next` on fetched again.
    pub(super) fn start_again(&mut self, batch: u64, now: Instant) {
        let leader_epoch = if let Phase::Starting { leader_epoch, .. } = self.phase { leader_epoch } else { None };
        self.phase = Phase::Starting { leader_epoch, since: now };
        self.choked = false;
        self.muted_in_batch = batch;
    }

    /// Wants nothing any more; what is held is dropped too.
    pub(super) fn stop(&mut self, batch: u64) {
        self.phase = Phase::Idle;
        self.paused = false;
        self.held.clear();
        self.choked = false;
        self.muted_in_batch = batch;
    }

    /// Wants nothing that has not been taken yet: `next` stays, librdkafka is told by the caller.
    pub(super) fn choke(&mut self, batch: u64) {
        self.choked = true;
        self.muted_in_batch = batch;
    }

    /// Decides about records that start at `first`, or an end of partition there, taken with `batch`.
    pub(super) fn admit(&mut self, first: Offset, batch: u64) -> Admission {
        if self.phase != Phase::Running || self.muted_in_batch == batch || self.choked {
            return Admission::Drop;
        }
        if self.at_end && first > self.next && !self.gap_confirmed {
            self.gap_confirmed = true;
            return Admission::FetchAgain;
        }
        if self.paused { Admission::Hold } else { Admission::Deliver }
    }

    /// Counts records up to `next` as taken.
    pub(super) fn took(&mut self, next: Offset) {
        assert!(next > self.next, "records ascend");
        self.next = next;
        self.at_end = false;
        self.gap_confirmed = false;
    }

    /// The end of the partition, told at `position`: false when it is older than what was taken.
    pub(super) fn reached_end(&mut self, position: Offset) -> bool {
        if position < self.next {
            return false;
        }
        if position > self.next {
            self.gap_confirmed = false;
        }
        self.next = position;
        self.at_end = true;
        true
    }

    /// Whether librdkafka's own position is one too far once it pauses and resumes.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end && self.phase == Phase::Running && !self.choked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(value: i64) -> Offset {
        Offset::new(value).unwrap()
    }

    fn running(next: i64) -> Flow {
        let mut flow = Flow::new(TopicPartition::new("t", 0));
        flow.start(offset(next), None, 0, Instant::now());
        flow.phase = Phase::Running;
        flow
    }

    #[test]
    fn nothing_is_admitted_before_the_start() {
        let mut flow = Flow::new(TopicPartition::new("t", 0));
        assert_eq!(flow.admit(offset(0), 1), Admission::Drop);
        flow.start(offset(0), None, 1, Instant::now());
        assert_eq!(flow.admit(offset(0), 2), Admission::Drop);
        flow.phase = Phase::Running;
        assert_eq!(flow.admit(offset(0), 1), Admission::Drop);
        assert_eq!(flow.admit(offset(0), 2), Admission::Deliver);
    }

    #[test]
    fn a_gap_behind_the_end_is_fetched_twice() {
        let mut flow = running(10);
        assert!(flow.reached_end(offset(10)));
        assert_eq!(flow.admit(offset(11), 1), Admission::FetchAgain);
        flow.start_again(1, Instant::now());
        flow.phase = Phase::Running;
        assert_eq!(flow.admit(offset(11), 1), Admission::Drop);
        assert_eq!(flow.admit(offset(11), 2), Admission::Deliver);
        flow.took(offset(12));
        assert_eq!(flow.admit(offset(20), 3), Admission::Deliver);
    }

    #[test]
    fn a_gap_elsewhere_is_believed() {
        assert_eq!(running(10).admit(offset(12), 1), Admission::Deliver);
    }

    #[test]
    fn an_older_end_changes_nothing() {
        let mut flow = running(10);
        assert!(!flow.reached_end(offset(9)));
        assert_eq!(flow.next, offset(10));
        assert!(!flow.is_at_end());
    }

    #[test]
    fn a_choked_partition_admits_nothing_until_started_again() {
        let mut flow = running(10);
        flow.paused = true;
        assert_eq!(flow.admit(offset(10), 1), Admission::Hold);
        flow.choke(1);
        assert_eq!(flow.admit(offset(10), 2), Admission::Drop);
        flow.start_again(2, Instant::now());
        flow.phase = Phase::Running;
        assert_eq!(flow.admit(offset(10), 3), Admission::Hold);
    }

    #[test]
    fn partitions_are_found_by_text() {
        let mut flows = Flows::default();
        let tp = TopicPartition::new("t", 3);
        flows.insert(&tp);
        assert!(flows.get("t", 3).is_some());
        assert!(flows.get("t", 4).is_none());
        assert!(flows.remove(&tp).is_some());
        assert_eq!(flows.iter().count(), 0);
    }
}
