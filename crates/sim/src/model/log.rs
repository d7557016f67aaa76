//! The partition's log: records with offsets, holes of markers and compaction, retention, and topics that are deleted and
//! created again.
//!
//! Nothing is forgotten: what retention or compaction removed can no longer be read, but the oracle still knows that it
//! was there.

use std::sync::Arc;

use secor_core::ids::{Offset, TopicId};
use secor_core::partition::LogRange;

/// A record is what it is: the topic's incarnation and the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    pub incarnation: usize,
    pub offset: Offset,
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    Record,
    /// A transaction marker, or an aborted record.
    Marker,
    /// There was a record.
    Compacted,
}

/// What a fetch at a position gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    Record(RecordId),
    /// The position moves on, over nothing.
    Nothing,
    End,
    OutOfRange,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    /// The last one is the topic; those before it were deleted.
    incarnations: Vec<Incarnation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Incarnation {
    slots: Vec<Slot>,
    start: usize,
}

// === impl Log ===

impl Log {
    #[must_use]
    pub fn new() -> Self {
        Self { incarnations: vec![Incarnation::new()] }
    }

    pub fn append(&mut self, slot: Slot) {
        self.now_mut().slots.push(slot);
    }

    /// Takes the record at `index` (modulo the log) away, if it is one; the last offset is never compacted.
    pub fn compact(&mut self, index: usize) {
        let slots = &mut self.now_mut().slots;
        let len = slots.len().saturating_sub(1);
        if len > 0 && slots[index % len] == Slot::Record {
            slots[index % len] = Slot::Compacted;
        }
    }

    /// Retention removes the `count` oldest offsets.
    pub fn retain(&mut self, count: usize) {
        let now = self.now_mut();
        now.start = (now.start + count).min(now.slots.len());
    }

    /// Deletes the topic and creates it again.
    pub fn recreate(&mut self) {
        self.incarnations.push(Incarnation::new());
    }

    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        id_of(self.incarnations.len() - 1)
    }

    /// Which incarnation has this id.
    #[must_use]
    pub fn incarnation_of(&self, id: &TopicId) -> Option<usize> {
        (0..self.incarnations.len()).find(|index| id_of(*index) == *id)
    }

    #[must_use]
    pub fn range(&self) -> LogRange {
        let now = self.now();
        LogRange { start: offset(now.start), end: offset(now.slots.len()) }
    }

    #[must_use]
    pub fn fetch(&self, position: Offset) -> Fetch {
        let range = self.range();
        if position < range.start || position > range.end {
            return Fetch::OutOfRange;
        }
        let incarnation = self.incarnations.len() - 1;
        match self.slot(RecordId { incarnation, offset: position }) {
            None => Fetch::End,
            Some(Slot::Record) => Fetch::Record(RecordId { incarnation, offset: position }),
            Some(Slot::Marker | Slot::Compacted) => Fetch::Nothing,
        }
    }

    /// What stands, or stood before retention, at an offset.
    #[must_use]
    pub fn slot(&self, id: RecordId) -> Option<Slot> {
        let index = usize::try_from(id.offset.get()).expect("offsets of a simulation are small");
        self.incarnations.get(id.incarnation)?.slots.get(index).copied()
    }

    /// Can it still be read?
    #[must_use]
    pub fn alive(&self, id: RecordId) -> bool {
        let current = id.incarnation + 1 == self.incarnations.len();
        current && id.offset >= self.range().start && self.slot(id) == Some(Slot::Record)
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
        Self { slots: Vec::new(), start: 0 }
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
