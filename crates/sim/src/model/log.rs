//! The partition's log: records with offsets and leader epochs, holes of markers and compaction, retention, unclean
//! elections, and topics that are deleted and created again.
//!
//! Nothing is forgotten: what retention, compaction or an election removed can no longer be read, but the oracle still
//! knows that it was there.

use std::sync::Arc;

use secor_core::ids::{Offset, TopicId};
use secor_core::manifest::Isolation;
use secor_core::partition::LogRange;

/// A record is what it is: the topic's incarnation, the offset, and the leader epoch in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    pub incarnation: usize,
    pub offset: Offset,
    pub epoch: i32,
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    Record,
    /// A record of a transaction that was aborted: there for who reads uncommitted.
    Aborted,
    /// A transaction's marker.
    Marker,
    /// There was a record.
    Compacted,
}

/// An offset's slot and the leader epoch of its writing.
pub type Written = (Slot, i32);

/// What a fetch at a position gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    Record(RecordId),
    /// The position moves on, over something of this leader epoch that is no record.
    Nothing(i32),
    End,
    OutOfRange,
    /// The reader's leader epoch ended before its position: what it read last is not in this log.
    Truncated,
}

/// Where and how somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub position: Offset,
    /// Of what was read before the position; `None`: truncation is not looked for.
    pub epoch: Option<i32>,
    pub isolation: Isolation,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    /// The last one is the topic; those before it were deleted.
    incarnations: Vec<Incarnation>,
}

/// One life of the topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation {
    slots: Vec<Written>,
    start: usize,
    epoch: i32,
    /// What the log was before each unclean election.
    former: Vec<Vec<Written>>,
}

// === impl Log ===

impl Log {
    #[must_use]
    pub fn new() -> Self {
        Self { incarnations: vec![Incarnation::new()] }
    }

    pub fn append(&mut self, slot: Slot) {
        let now = self.now_mut();
        now.slots.push((slot, now.epoch));
    }

    /// Takes the record at `index` (modulo the log) away, if it is one; the last offset is never compacted.
    pub fn compact(&mut self, index: usize) {
        let slots = &mut self.now_mut().slots;
        let len = slots.len().saturating_sub(1);
        if len > 0 && slots[index % len].0 == Slot::Record {
            slots[index % len].0 = Slot::Compacted;
        }
    }

    /// Retention removes the `count` oldest offsets.
    pub fn retain(&mut self, count: usize) {
        let now = self.now_mut();
        now.start = (now.start + count).min(now.slots.len());
    }

    /// A new leader, whose log lacks the `lost` newest offsets; none are lost in a clean election.
    pub fn elect(&mut self, lost: usize) {
        let now = self.now_mut();
        now.epoch += 1;
        let len = now.slots.len().saturating_sub(lost).max(now.start);
        if len < now.slots.len() {
            now.former.push(now.slots.clone());
            now.slots.truncate(len);
        }
    }

    /// A second unclean election brings back what the first one had lost, and loses what came after it.
    pub fn restore(&mut self) {
        let now = self.now_mut();
        if let Some(former) = now.former.pop() {
            now.epoch += 1;
            let lost = std::mem::replace(&mut now.slots, former);
            now.former.push(lost);
        }
    }

    /// Deletes the topic and creates it again.
    pub fn recreate(&mut self) {
        self.incarnations.push(Incarnation::new());
    }

    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        id_of(self.incarnations.len() - 1)
    }

    /// Which incarnation has this id; without ids nobody knows of more than one.
    #[must_use]
    pub fn incarnation_of(&self, id: &Option<TopicId>) -> Option<usize> {
        match id {
            None => Some(0),
            Some(id) => (0..self.incarnations.len()).find(|index| id_of(*index) == *id),
        }
    }

    #[must_use]
    pub fn range(&self) -> LogRange {
        let now = self.now();
        LogRange { start: offset(now.start), end: offset(now.slots.len()) }
    }

    #[must_use]
    pub fn fetch(&self, reading: Reading) -> Fetch {
        let Reading { position, epoch, isolation } = reading;
        if epoch.is_some_and(|epoch| self.end_of(epoch) < position) {
            return Fetch::Truncated;
        }
        let range = self.range();
        if position < range.start || position > range.end {
            return Fetch::OutOfRange;
        }
        let incarnation = self.incarnations.len() - 1;
        match self.now().slots.get(index(position)) {
            None => Fetch::End,
            Some((slot, epoch)) if slot.is_visible(isolation) => {
                Fetch::Record(RecordId { incarnation, offset: position, epoch: *epoch })
            }
            Some((_, epoch)) => Fetch::Nothing(*epoch),
        }
    }

    /// What the broker answers for a leader epoch: where the next one begins, in the log as retention left it.
    fn end_of(&self, epoch: i32) -> Offset {
        let Incarnation { slots, start, .. } = self.now();
        offset(slots.iter().position(|(_, later)| *later > epoch).unwrap_or(slots.len()).max(*start))
    }

    /// What the log of an incarnation is, and what it was before each unclean election, which retention left alone.
    pub fn histories(&self, incarnation: usize) -> impl Iterator<Item = &[Written]> {
        let incarnation = &self.incarnations[incarnation];
        [&incarnation.slots].into_iter().chain(&incarnation.former).map(Vec::as_slice)
    }

    /// Can it still be read?
    #[must_use]
    pub fn alive(&self, id: RecordId) -> bool {
        let current = id.incarnation + 1 == self.incarnations.len();
        let slot = self.now().slots.get(index(id.offset));
        current && id.offset >= self.range().start && slot == Some(&(Slot::Record, id.epoch))
    }

    /// Has something else stood where the record was, or nothing but its trace?
    #[must_use]
    pub fn gave_way(&self, id: RecordId) -> bool {
        self.histories(id.incarnation)
            .filter_map(|history| history.get(index(id.offset)))
            .any(|(slot, epoch)| *slot == Slot::Compacted || *epoch != id.epoch)
    }

    fn now(&self) -> &Incarnation {
        self.incarnations.last().expect("a log always has a topic")
    }

    fn now_mut(&mut self) -> &mut Incarnation {
        self.incarnations.last_mut().expect("a log always has a topic")
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Incarnation {
    fn new() -> Self {
        Self { slots: Vec::new(), start: 0, epoch: 0, former: Vec::new() }
    }
}

// === impl Slot ===

impl Slot {
    #[must_use]
    pub fn is_visible(self, isolation: Isolation) -> bool {
        match self {
            Self::Record => true,
            Self::Aborted => isolation == Isolation::ReadUncommitted,
            Self::Marker | Self::Compacted => false,
        }
    }
}

fn id_of(incarnation: usize) -> TopicId {
    TopicId(Arc::from(format!("topic-id-{incarnation}")))
}

/// # Panics
/// Never in practice: simulated logs are short.
#[must_use]
pub fn offset(index: usize) -> Offset {
    let value = i64::try_from(index).expect("simulated logs are short");
    Offset::new(value).expect("an index is not negative")
}

/// # Panics
/// Never in practice, as [`offset`].
#[must_use]
pub fn index(offset: Offset) -> usize {
    usize::try_from(offset.get()).expect("offsets of a simulation are small")
}
