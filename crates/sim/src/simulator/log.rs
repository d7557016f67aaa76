//! One partition's log with everything that makes real ones difficult: markers and aborted records that occupy offsets,
//! transactions that hold the last stable offset back, compaction, retention, and an unclean election that cuts the log
//! and lets it grow again under a higher leader epoch.
//!
//! Nothing that was ever written is forgotten: what a reader may see is one question, what the archive must hold is
//! another, and the [oracle](super::oracle) asks the second.

use std::collections::BTreeMap;
use std::rc::Rc;

use secor_core::ids::Offset;
use secor_core::manifest::Isolation;
use secor_core::partition::LogRange;

/// One offset.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub offset: i64,
    pub epoch: i32,
    /// The open transaction that it belongs to.
    pub transaction: Option<u64>,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Record(Message),
    /// The end of a transaction.
    Marker,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In the framing of digest definition 1.
    pub headers: Vec<u8>,
    pub meaning: Meaning,
}

/// What the producer knows about a value, so that nobody has to parse it to know where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Event {
        ts_ms: i64,
        country: &'static str,
        /// It has line breaks between its tokens.
        spaced: bool,
    },
    NoTime,
    Garbage,
    Null,
}

#[derive(Clone, Debug, Default)]
pub(super) struct PartitionLog {
    /// By offset.
    slots: Vec<Rc<Written>>,
    /// By offset: neither compacted away nor a marker that was cleaned.
    present: Vec<bool>,
    start: i64,
    epoch: i32,
    /// Open transactions and their first offsets.
    open: BTreeMap<u64, i64>,
    /// Ended transactions: was it committed?
    ended: BTreeMap<u64, bool>,
    /// What unclean elections have thrown away, oldest first: the whole log as it was before.
    past: Vec<Vec<Rc<Written>>>,
}

/// What a fetch gives.
#[derive(Clone, Debug)]
pub(super) enum Fetched {
    Records {
        records: Vec<Rc<Written>>,
        /// Where the next fetch begins.
        next: i64,
        /// Of the offset before that.
        epoch: Option<i32>,
        /// There is no more to be had now, and the position is `next`.
        at_end: bool,
    },
    OutOfRange(LogRange),
    /// The log was cut below the position: the broker's word on leader epochs.
    Truncated,
}

/// Where a fetch begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    pub offset: i64,
    /// Of the last record before it.
    pub epoch: Option<i32>,
    /// How many records before it come along, as with compressed batches.
    pub earlier: usize,
    /// But none before this.
    pub floor: i64,
    pub records_max: usize,
    pub isolation: Isolation,
}

// === impl PartitionLog ===

impl PartitionLog {
    pub fn append(&mut self, message: Message, transaction: Option<u64>) -> i64 {
        let offset = self.push(Content::Record(message), transaction);
        if let Some(id) = transaction {
            self.open.entry(id).or_insert(offset);
        }
        offset
    }

    /// Ends an open transaction; false when this log knows none (an election has cut it away).
    pub fn end_transaction(&mut self, id: u64, commit: bool) -> bool {
        let was_open = self.open.remove(&id).is_some();
        if was_open {
            self.ended.insert(id, commit);
            self.push(Content::Marker, Some(id));
        }
        was_open
    }

    fn push(&mut self, content: Content, transaction: Option<u64>) -> i64 {
        let offset = self.end();
        self.slots.push(Rc::new(Written { offset, epoch: self.epoch, transaction, content }));
        self.present.push(true);
        offset
    }

    pub fn start(&self) -> i64 {
        self.start
    }

    pub fn end(&self) -> i64 {
        i64::try_from(self.slots.len()).expect("a simulated log is short")
    }

    /// Transactions that are open.
    pub fn open_transactions(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    /// Where a reader's view ends: the last stable offset, or the log end for who reads uncommitted records.
    pub fn visible_end(&self, isolation: Isolation) -> i64 {
        let first_open = self.open.values().copied().min();
        match isolation {
            Isolation::ReadCommitted => first_open.unwrap_or(self.end()),
            Isolation::ReadUncommitted => self.end(),
        }
    }

    pub fn range(&self, isolation: Isolation) -> LogRange {
        LogRange { start: offset(self.start), end: offset(self.visible_end(isolation).max(self.start)) }
    }

    /// A record that an archive under `isolation` holds, if the log still had it when it was read.
    fn counts(&self, written: &Written, isolation: Isolation) -> bool {
        let aborted = written.transaction.is_some_and(|id| self.ended.get(&id) == Some(&false));
        matches!(written.content, Content::Record(_)) && !(aborted && isolation == Isolation::ReadCommitted)
    }

    pub fn fetch(&self, from: From) -> Fetched {
        let end = self.visible_end(from.isolation);
        if from.epoch.is_some_and(|epoch| self.end_of_epoch(epoch) < from.offset) {
            return Fetched::Truncated;
        }
        if from.offset < self.start || from.offset > self.end() {
            return Fetched::OutOfRange(self.range(from.isolation));
        }
        let readable =
            |written: &&Rc<Written>| self.present[index(written.offset)] && self.counts(written, from.isolation);
        let stable = &self.slots[..index(end)];
        let floor = self.start.max(from.floor).min(from.offset);
        let before = &stable[index(floor).min(stable.len())..index(from.offset).min(stable.len())];
        let mut records: Vec<_> = before.iter().rev().filter(readable).take(from.earlier).cloned().collect();
        records.reverse();
        let behind = &stable[index(from.offset).min(stable.len())..];
        let fresh: Vec<_> = behind.iter().filter(readable).take(from.records_max).cloned().collect();
        let at_end = fresh.len() < from.records_max;
        let last = fresh.last().map_or(from.offset, |last| last.offset + 1);
        records.extend(fresh);
        let next = if at_end { last.max(end) } else { last };
        let epoch = (next > 0).then(|| self.slots.get(index(next - 1)).map(|written| written.epoch)).flatten();
        Fetched::Records { records, next, epoch, at_end }
    }

    /// The end offset of the last leader epoch that is not above `epoch`.
    fn end_of_epoch(&self, epoch: i32) -> i64 {
        let above = self.slots.iter().find(|written| written.epoch > epoch);
        above.map_or(self.end(), |written| written.offset)
    }

    /// Removes records that a later one with the same key replaces. Aborted records and markers go too. Gives how many
    /// readable records went.
    pub fn compact(&mut self) -> usize {
        // the active segment stays
        let limit = index(self.visible_end(Isolation::ReadCommitted)).min(self.slots.len().saturating_sub(1));
        let mut latest: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for at in 0..limit {
            if let Content::Record(message) = &self.slots[at].content
                && self.present[at]
                && self.counts(&self.slots[at], Isolation::ReadCommitted)
                && let Some(key) = &message.key
            {
                latest.insert(key.clone(), at);
            }
        }
        let mut removed = 0;
        for at in 0..limit {
            let readable = self.counts(&self.slots[at], Isolation::ReadCommitted);
            let keep = match &self.slots[at].content {
                Content::Record(Message { key: Some(key), .. }) => readable && latest.get(key) == Some(&at),
                Content::Record(Message { key: None, .. }) => readable,
                Content::Marker => false,
            };
            removed += usize::from(self.present[at] && readable && !keep);
            self.present[at] &= keep;
        }
        removed
    }

    /// The log begins at `start` now, at most at the last stable offset. Gives how many offsets went.
    pub fn expire(&mut self, start: i64) -> i64 {
        let new = start.min(self.visible_end(Isolation::ReadCommitted)).max(self.start);
        let gone = new - self.start;
        self.start = new;
        gone
    }

    /// An unclean election: everything from `end` on is lost, and what comes now has a higher leader epoch.
    pub fn truncate(&mut self, end: i64) {
        self.past.push(self.slots.clone());
        let end = end.clamp(self.start, self.end());
        self.slots.truncate(index(end));
        self.present.truncate(index(end));
        self.open.retain(|_, first| *first < end);
        self.epoch += 1;
    }

    /// A clean election.
    pub fn elect(&mut self) {
        self.epoch += 1;
    }

    pub fn was_truncated(&self) -> bool {
        !self.past.is_empty()
    }

    // --- for the oracle

    /// Everything that an archive of `start..end` under `isolation` may hold, by this version of the log or, with
    /// `past`, by one that an election threw away. `None`: this version does not reach so far.
    pub fn countable(
        &self,
        past: Option<usize>,
        (start, end): (i64, i64),
        isolation: Isolation,
    ) -> Option<Vec<Rc<Written>>> {
        let slots = past.map_or(&self.slots, |n| &self.past[n]);
        let range = slots.get(index(start)..index(end))?;
        Some(range.iter().filter(|written| self.counts(written, isolation)).cloned().collect())
    }

    /// How many versions elections threw away.
    pub fn past_versions(&self) -> usize {
        self.past.len()
    }

    /// Has compaction taken the record, or retention at most?
    pub fn was_compacted_away(&self, at: i64) -> bool {
        !self.present.get(index(at)).copied().unwrap_or(false)
    }

    /// Is the record still there to be read, or has compaction or retention taken it?
    pub fn still_has(&self, at: i64) -> bool {
        at >= self.start && self.present.get(index(at)).copied().unwrap_or(false)
    }
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).expect("offsets are not negative")
}

/// An offset that the simulator made.
pub(super) fn offset(value: i64) -> Offset {
    Offset::new(value).expect("simulated offsets are not negative")
}
