//! At the head: records accumulate, batches are cut, slots are written: R3, R4, R7, R8, R10.

use super::complete::{Completion, Settlement, conflict, settle};
use super::protocol::{Action, Answer, Ask, Behind, Draft, Errand, LogRange, Note};
use super::{Open, PartitionMachine, Phase, Previous, Refusal, RefusalCode, replaced};
use crate::flush::{Accumulated, CutReason};
use crate::ids::{Offset, OffsetRange};
use crate::manifest::{Entry, FORMAT_VERSION, Kind, Receipt, StoredFile};

/// How long the position may move over nothing before that is recorded, when the flush policy has no `max_age`.
const EMPTY_AGE_MS_DEFAULT: i64 = 3_600_000;

/// Over so many offsets without a record the last one is still looked for, to see whether the log was truncated.
const TAIL_OFFSETS_MAX: i64 = 100_000;

impl PartitionMachine {
    /// R10: with what was read last, as far as the log, which begins at `log_start`, still has it.
    pub(super) fn consume(&mut self, from: Offset, log_start: Offset, out: &mut Vec<Action>) {
        self.phase = Phase::Archiving;
        self.open = Some(Open::at(from));
        let near =
            |behind: &Behind| log_start <= behind.position && from.get() - behind.position.get() <= TAIL_OFFSETS_MAX;
        let behind = self.chain().behind.filter(near);
        out.push(Action::Report(Note::Consuming { from }));
        out.push(Action::Consume { from, behind });
    }

    pub(super) fn progressed(
        &mut self,
        now_ms: i64,
        position: Offset,
        accumulated: Accumulated,
        full: Option<CutReason>,
    ) {
        let Some(open) = &mut self.open else {
            return;
        };
        assert!(position >= open.position, "position went back from {} to {position}", open.position);
        open.position = position;
        open.accumulated = accumulated;
        open.full = full;
        if accumulated.records > 0 {
            open.opened_ms.get_or_insert(now_ms);
        }
        if position > open.start {
            open.moved_ms.get_or_insert(now_ms);
        }
    }

    /// R10: the broker's own word that the position is outside the log.
    pub(super) fn out_of_range(&mut self, now_ms: i64, log: LogRange, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Replaying { .. }) {
            // retention has overtaken the replay, or the log was cut short: begin again, with the log as it is now
            return self.start_over(out);
        }
        let Some(open) = &self.open else {
            return;
        };
        if log.start > open.position {
            self.log_start_passed = Some(log.start);
        } else if open.position <= log.end {
            // the word was about another position, or the log has changed since: on any doubt, begin again
            self.start_over(out);
        } else {
            let detail = format!("position {} is not in the log {}..{}", open.position, log.start, log.end);
            self.refuse(now_ms, Refusal::new(RefusalCode::LogTruncated, detail), out);
        }
    }

    /// With a free ledger lane: is it time to cut, to record an empty range, or to go?
    pub(super) fn decide(&mut self, now_ms: i64, out: &mut Vec<Action>) {
        if self.phase != Phase::Archiving {
            return;
        }
        let open = self.open.clone().expect("the archiving phase has an open batch");
        let wanted = self.cut_wanted.take();
        if let Some(until) = self.settings.until {
            if open.start >= until {
                return self.release(out);
            }
            if open.position >= until {
                self.leaving = self.leaving.or(Some(CutReason::UntilEnd));
            }
        }
        if open.accumulated.records > 0 {
            if let Some(reason) = self.cut_reason(now_ms, &open, wanted) {
                self.phase = Phase::Closing;
                out.push(Action::CloseBatch { start: open.start, reason });
            } else if self.leaving.is_some() {
                self.release(out);
            }
        } else if let Some(log_start) = self.log_start_passed.take() {
            self.settle_position(now_ms, &open, log_start, out);
        } else if open.position > open.start && (self.leaving.is_some() || self.idle_too_long(now_ms, &open)) {
            let entry = self.entry(open.start, open.position, Kind::Empty);
            self.write(entry, out);
        } else if self.leaving.is_some() {
            self.release(out);
        }
    }

    fn cut_reason(&self, now_ms: i64, open: &Open, wanted: Option<CutReason>) -> Option<CutReason> {
        let worth_flushing = match self.leaving {
            Some(CutReason::Revocation) if open.accumulated.bytes < self.settings.revoke_flush_bytes_min => None,
            leaving => leaving,
        };
        let opened_ms = open.opened_ms.expect("a batch with records has a first one");
        open.full
            .or(self.log_start_passed.map(|_| CutReason::LogStart))
            .or(wanted)
            .or(worth_flushing)
            .or_else(|| self.settings.flush.clock_limit(opened_ms, now_ms))
    }

    fn idle_too_long(&self, now_ms: i64, open: &Open) -> bool {
        let age_ms_max = self.settings.flush.age_ms_max.unwrap_or(EMPTY_AGE_MS_DEFAULT);
        open.moved_ms.is_some_and(|moved_ms| now_ms.saturating_sub(moved_ms) >= age_ms_max)
    }

    /// The log begins behind the position: first say where the position is, then that the rest is gone.
    fn settle_position(&mut self, now_ms: i64, open: &Open, log_start: Offset, out: &mut Vec<Action>) {
        if log_start <= open.position {
            self.start_over(out);
        } else if open.position > open.start {
            self.log_start_passed = Some(log_start);
            let entry = self.entry(open.start, open.position, Kind::Empty);
            self.write(entry, out);
        } else {
            out.push(Action::Discard);
            self.open = None;
            self.expired(now_ms, open.position, log_start, out);
        }
    }

    /// The worker has closed the batch; the next one is open already.
    pub(super) fn closed(&mut self, now_ms: i64, draft: Draft, out: &mut Vec<Action>) {
        if self.phase != Phase::Closing {
            return; // refused or lost in the meantime
        }
        let open = self.open.as_mut().expect("only an open batch is closed");
        assert_eq!(draft.range, OffsetRange::new(open.start, open.position), "the worker closed another range");
        assert!(draft.batch.records > 0, "a batch has records");
        *open = Open::at(draft.range.end);
        let before = self.chain().leader_epoch;
        let lower = matches!((before, draft.leader_epoch_min), (Some(before), Some(min)) if min < before);
        if draft.leader_epoch_went_back || lower {
            let detail = format!("in {} a leader epoch is lower than one before it", draft.range);
            return self.refuse(now_ms, Refusal::new(RefusalCode::EpochWentBack, detail), out);
        }
        let entry = self.entry(draft.range.start, draft.range.end, Kind::Batch(draft.batch));
        self.write(entry, out);
    }

    /// An entry of this chain, its receipt still to be filled in.
    pub(super) fn entry(&self, start: Offset, end: Offset, kind: Kind) -> Entry {
        Entry {
            version: FORMAT_VERSION,
            ledger: self.settings.ledger.clone(),
            topic: self.settings.topic_partition.topic.clone(),
            topic_id: self.chain().topic_id.clone(),
            partition: self.settings.topic_partition.partition,
            generation: self.chain().generation,
            start,
            end,
            receipt: None,
            kind,
        }
    }

    /// Writes a slot: the receipt of the batch before it, the topic id once more, then the entry itself (R3, R4).
    pub(super) fn write(&mut self, entry: Entry, out: &mut Vec<Action>) {
        match std::mem::replace(&mut self.previous, Previous::NoBatch) {
            Previous::Unseen(before) => {
                let ask = Ask::Inspect(before.clone());
                self.previous = Previous::Unseen(before);
                self.ask(ask, Phase::Receipting { entry }, out);
            }
            Previous::Seen(receipt) => {
                self.previous = Previous::Seen(receipt.clone());
                self.confirm(Entry { receipt: Some(receipt), ..entry }, out);
            }
            Previous::NoBatch => self.confirm(entry, out),
        }
    }

    fn confirm(&mut self, entry: Entry, out: &mut Vec<Action>) {
        match entry.kind {
            Kind::Batch(_) | Kind::Empty | Kind::Hole(_) => self.ask(Ask::TopicId, Phase::Confirming { entry }, out),
            // a seal names its topic id itself, asked after the chain was read
            Kind::Seal(_) => self.create(entry, out),
        }
    }

    fn create(&mut self, entry: Entry, out: &mut Vec<Action>) {
        self.ask(Ask::Create(Box::new(entry.clone())), Phase::Creating { entry }, out);
    }

    /// Answers of the phases that write a slot.
    pub(super) fn written(&mut self, now_ms: i64, phase: Phase, answer: Answer, out: &mut Vec<Action>) {
        match (phase, answer) {
            (Phase::Receipting { entry }, Answer::Inspected(inspection)) => {
                self.previous = Previous::Seen(receipt_of_complete(&self.previous, inspection.files));
                self.write(entry, out);
            }
            // R3: records of a topic that was replaced while they were fetched never reach a manifest
            (Phase::Confirming { entry }, Answer::TopicId(now)) if replaced(&entry.topic_id, &now) => {
                self.start_over(out);
            }
            (Phase::Confirming { entry }, Answer::TopicId(_)) => self.create(entry, out),
            (Phase::Creating { entry }, Answer::Created) => self.created(now_ms, entry, out),
            (Phase::Creating { entry }, Answer::Exists(other)) if entry.same_content(&other) => {
                self.created(now_ms, entry, out);
            }
            // R5: another entry holds the slot: drop what is staged and follow it, from the ledger
            (Phase::Creating { .. }, Answer::Exists(_)) => self.start_over(out),
            (Phase::Uploading { entry }, Answer::Inspected(inspection)) => match settle(&entry, &inspection) {
                Settlement::Settled(receipt) => self.uploaded(&entry, receipt, out),
                Settlement::Missing(_) | Settlement::Conflict(_) => {
                    let ask = Ask::Inspect(Box::new(entry.clone()));
                    self.ask(ask, Phase::Reinspecting { entry }, out);
                }
            },
            (Phase::Reinspecting { entry }, Answer::Inspected(inspection)) => match settle(&entry, &inspection) {
                Settlement::Settled(receipt) => self.uploaded(&entry, receipt, out),
                Settlement::Conflict(key) => self.refuse(now_ms, conflict(&entry, &key), out),
                // it was there a moment ago: look again from the beginning
                Settlement::Missing(_) => self.start_over(out),
            },
            (phase, answer) => unreachable!("`{answer:?}` is no answer in phase `{}`", phase.word()),
        }
    }

    /// Drops what is staged and enters again, from the ledger.
    fn start_over(&mut self, out: &mut Vec<Action>) {
        // the log end that we are to reach may be another one's to archive, or ours again
        self.leaving = self.leaving.filter(|reason| *reason != CutReason::UntilEnd);
        if self.leaving.is_some() {
            return self.release(out);
        }
        out.push(Action::Discard);
        self.look_up(out);
    }

    /// The slot is ours.
    fn created(&mut self, now_ms: i64, entry: Entry, out: &mut Vec<Action>) {
        self.follow(&entry);
        match &entry.kind {
            Kind::Batch(batch) => {
                let keys = batch.files.iter().map(|file| file.key.clone()).collect();
                let ask = Ask::Upload { entry: Box::new(entry.clone()), keys };
                self.ask(ask, Phase::Uploading { entry }, out);
            }
            Kind::Empty => {
                out.push(Action::Report(Note::Empty { range: entry.range() }));
                self.commit(&entry, out);
                let open = self.open.as_mut().expect("an empty entry is written from an open batch");
                open.start = entry.end;
                open.moved_ms = (open.position > open.start).then_some(now_ms);
                self.lane_free(Previous::NoBatch);
            }
            Kind::Hole(_) => {
                out.push(Action::Report(Note::Hole { range: entry.range() }));
                self.commit(&entry, out);
                self.previous = Previous::NoBatch;
                self.resume(entry.end, out);
            }
            // what follows a seal is read from the ledger like after any restart
            Kind::Seal(seal) => {
                let (generation, next) = (entry.generation, seal.next.generation);
                out.push(Action::Report(Note::Sealed { generation, next }));
                self.start_over(out);
            }
        }
    }

    fn uploaded(&mut self, entry: &Entry, receipt: Receipt, out: &mut Vec<Action>) {
        self.complete(entry, receipt, Completion::Own, out);
        self.phase = Phase::Archiving;
    }

    fn lane_free(&mut self, previous: Previous) {
        self.previous = previous;
        self.phase = Phase::Archiving;
    }

    /// Behind a hole.
    fn resume(&mut self, from: Offset, out: &mut Vec<Action>) {
        if self.leaving.is_some() || self.settings.errand != Errand::Archive {
            self.release(out);
        } else {
            self.consume(from, from, out);
        }
    }
}

/// The files of a batch that is known to be complete, as they are found now.
fn receipt_of_complete(previous: &Previous, files: Vec<super::FileState>) -> Receipt {
    let start = super::complete::receipt_start(previous).expect("only a batch has a receipt");
    let stored = |state: super::FileState| {
        state.stored.map(|stored| StoredFile { key: state.key, size: stored.size, checksum: stored.checksum })
    };
    Receipt { start, files: files.into_iter().filter_map(stored).collect() }
}

// === impl Open ===

impl Open {
    fn at(start: Offset) -> Self {
        Self {
            start,
            position: start,
            accumulated: Accumulated::default(),
            opened_ms: None,
            moved_ms: None,
            full: None,
        }
    }
}
