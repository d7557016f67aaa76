//! Making an adopted last batch whole: R5, R6, R12.

use super::protocol::{Action, Answer, Ask, Errand, Facts, Inspection, Note, OnTopicRecreated, Replay};
use super::{PartitionMachine, Phase, Previous, Refusal, RefusalCode, replaced};
use crate::ids::Offset;
use crate::manifest::{
    Batch, CommitMetadata, Entry, FORMAT_VERSION, Receipt, Resolution, ResolutionReason, ResolvedFile, ResolvedOutcome,
    StoredFile,
};

/// How the files of a batch stand.
pub(super) enum Settlement {
    Settled(Receipt),
    /// These keys have no file.
    Missing(Vec<String>),
    /// This file exists with a digest that nothing explains.
    Conflict(String),
}

impl PartitionMachine {
    /// Answers of the phases that complete an adopted batch.
    pub(super) fn completed(&mut self, now_ms: i64, phase: Phase, answer: Answer, out: &mut Vec<Action>) {
        match (phase, answer) {
            (Phase::Inspecting { facts, entry }, Answer::Inspected(inspection)) => {
                self.inspected(now_ms, facts, entry, inspection, out);
            }
            (Phase::DoubtingBatch { facts, entry, resolutions, missing }, Answer::TopicId(now))
                if replaced(&entry.topic_id, &now) =>
            {
                self.resolve_replaced(now_ms, Facts { topic_id: now, ..facts }, entry, &resolutions, missing, out);
            }
            // the facts were older than the batch
            (Phase::DoubtingBatch { .. }, Answer::TopicId(_)) => self.look_up(out),
            (Phase::Replaying { facts, entry, resolutions }, Answer::Replayed(replay)) => {
                self.replayed(now_ms, facts, entry, &resolutions, &replay, out);
            }
            (Phase::Resolving { facts, entry, upload }, Answer::Created) => {
                out.push(Action::Report(Note::Resolved { start: entry.start }));
                self.upload_replay(facts, entry, upload, out);
            }
            // another process resolved first: look at what it said
            (Phase::Resolving { facts, entry, .. }, Answer::Taken)
            // settled or not, resolutions included
            | (Phase::UploadingReplay { facts, entry }, Answer::Inspected(_)) => self.inspect(facts, entry, out),
            (phase, answer) => unreachable!("`{answer:?}` is no answer in phase `{}`", phase.word()),
        }
    }

    fn inspect(&mut self, facts: Facts, entry: Entry, out: &mut Vec<Action>) {
        self.ask(Ask::Inspect(Box::new(entry.clone())), Phase::Inspecting { facts, entry }, out);
    }

    fn inspected(&mut self, now_ms: i64, facts: Facts, entry: Entry, inspection: Inspection, out: &mut Vec<Action>) {
        match settle(&entry, &inspection) {
            Settlement::Settled(receipt) => {
                self.complete(&entry, receipt, Completion::Adopted, out);
                self.at_head(now_ms, facts, entry.end, out);
            }
            Settlement::Conflict(key) => self.refuse(now_ms, conflict(&entry, &key), out),
            Settlement::Missing(missing) if replaced(&entry.topic_id, &facts.topic_id) => {
                let resolutions = inspection.resolutions;
                self.ask(Ask::TopicId, Phase::DoubtingBatch { facts, entry, resolutions, missing }, out);
            }
            Settlement::Missing(keys) => {
                let ask = Ask::Replay { entry: Box::new(entry.clone()), keys };
                self.ask(ask, Phase::Replaying { facts, entry, resolutions: inspection.resolutions }, out);
            }
        }
    }

    /// The records of the last batch are gone with their topic (R11).
    fn resolve_replaced(
        &mut self,
        now_ms: i64,
        facts: Facts,
        entry: Entry,
        resolutions: &[Resolution],
        missing: Vec<String>,
        out: &mut Vec<Action>,
    ) {
        if self.settings.on_topic_recreated != OnTopicRecreated::NewGeneration {
            return self.refuse(now_ms, self.recreated(&facts), out);
        }
        let absent = |key| ResolvedFile { key, outcome: ResolvedOutcome::Absent };
        let files = missing.into_iter().map(absent).collect();
        let resolution = resolution(&entry, resolutions, ResolutionReason::TopicReplaced, files);
        let phase = Phase::Resolving { facts, entry, upload: Vec::new() };
        self.ask(Ask::Resolve(Box::new(resolution)), phase, out);
    }

    fn replayed(
        &mut self,
        now_ms: i64,
        facts: Facts,
        entry: Entry,
        resolutions: &[Resolution],
        replay: &Replay,
        out: &mut Vec<Action>,
    ) {
        if replaced(&entry.topic_id, &replay.topic_id) {
            let facts = Facts { topic_id: replay.topic_id.clone(), ..facts };
            return self.inspect(facts, entry, out);
        }
        if replay.log.end < entry.end {
            let detail = format!("the batch {} reaches beyond the log end {}", entry.range(), replay.log.end);
            return self.refuse(now_ms, Refusal::new(RefusalCode::LogTruncated, detail), out);
        }
        let batch = entry.batch().expect("only batches are replayed");
        if let (Some(then), Some(now)) = (batch.leader_epoch, replay.leader_epoch_max)
            && now > then
        {
            // what an election rewrote must not pass for what compaction left (R12)
            let detail =
                format!("in {} a record of leader epoch {now} stands where {then} was the last", entry.range());
            return self.refuse(now_ms, Refusal::new(RefusalCode::LogTruncated, detail), out);
        }
        let with_records = |rebuilt: &&super::Rebuilt| rebuilt.records > 0;
        let upload: Vec<_> = replay.files.iter().filter(with_records).map(|rebuilt| rebuilt.key.clone()).collect();
        let unexplained = match unexplained(batch, resolutions, replay) {
            Ok(unexplained) => unexplained,
            Err(key) => {
                let detail = format!("`{key}` of batch {} has other records than were counted", entry.range());
                return self.refuse(now_ms, Refusal::new(RefusalCode::ReplayDiffers, detail), out);
            }
        };
        if unexplained.is_empty() {
            return self.upload_replay(facts, entry, upload, out);
        }
        let expired = replay.log.start > entry.start;
        if expired && self.settings.errand != (Errand::Recover { accept_loss: true }) {
            let detail = format!(
                "the log begins at {}, but {} files of batch {} still lack records",
                replay.log.start,
                unexplained.len(),
                entry.range()
            );
            return self.refuse(now_ms, Refusal::new(RefusalCode::RecordsExpired, detail), out);
        }
        let reason = if expired { ResolutionReason::Retention } else { ResolutionReason::Compaction };
        let resolution = resolution(&entry, resolutions, reason, unexplained);
        self.ask(Ask::Resolve(Box::new(resolution)), Phase::Resolving { facts, entry, upload }, out);
    }

    fn upload_replay(&mut self, facts: Facts, entry: Entry, keys: Vec<String>, out: &mut Vec<Action>) {
        if keys.is_empty() {
            return self.inspect(facts, entry, out);
        }
        let ask = Ask::Upload { entry: Box::new(entry.clone()), keys };
        self.ask(ask, Phase::UploadingReplay { facts, entry }, out);
    }

    /// R7: complete, then commit. The receipt goes into the next entry (R4).
    pub(super) fn complete(&mut self, entry: &Entry, receipt: Receipt, completion: Completion, out: &mut Vec<Action>) {
        let batch = entry.batch().expect("only batches have files to complete");
        assert!(receipt.files.len() <= batch.files.len(), "a receipt names only files of its batch");
        self.previous = Previous::Seen(receipt);
        out.push(Action::Report(Note::Complete {
            range: entry.range(),
            records: batch.records,
            reason: batch.reason,
            replayed: completion == Completion::Adopted,
        }));
        self.commit(entry, out);
    }

    pub(super) fn commit(&self, entry: &Entry, out: &mut Vec<Action>) {
        let metadata =
            CommitMetadata { ledger: self.settings.ledger.clone(), generation: entry.generation, prev: entry.start };
        let leader_epoch = self.chain().epoch_before(entry.end);
        out.push(Action::Commit { offset: entry.end, leader_epoch, metadata });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    Own,
    Adopted,
}

/// R6: a file is settled if it exists with the digest of the manifest or of a resolution, or is missing and a
/// resolution says absent.
pub(super) fn settle(entry: &Entry, inspection: &Inspection) -> Settlement {
    let batch = entry.batch().expect("only batches have files");
    let mut files = Vec::new();
    let mut missing = Vec::new();
    for file in &batch.files {
        let resolved = |wanted: &dyn Fn(&ResolvedOutcome) -> bool| {
            inspection.resolutions.iter().filter_map(|r| r.outcome(&file.key)).any(wanted)
        };
        let state = inspection.files.iter().find(|state| state.key == file.key);
        match state.and_then(|state| state.stored.as_ref()) {
            Some(stored) => {
                let as_resolved = |outcome: &ResolvedOutcome| {
                    matches!(outcome, ResolvedOutcome::Subset { records_digest, .. }
                        if *records_digest == stored.records_digest)
                };
                if stored.records_digest != file.records_digest && !resolved(&as_resolved) {
                    return Settlement::Conflict(file.key.clone());
                }
                let (size, checksum) = (stored.size, stored.checksum.clone());
                files.push(StoredFile { key: file.key.clone(), size, checksum });
            }
            None if resolved(&|outcome| *outcome == ResolvedOutcome::Absent) => {}
            None => missing.push(file.key.clone()),
        }
    }
    if missing.is_empty() {
        Settlement::Settled(Receipt { start: entry.start, files })
    } else {
        Settlement::Missing(missing)
    }
}

pub(super) fn conflict(entry: &Entry, key: &str) -> Refusal {
    let detail = format!("`{key}` of batch {} exists with another content", entry.range());
    Refusal::new(RefusalCode::FileConflict, detail)
}

/// What of a replay neither the manifest nor a resolution explains. A file may have lost records, never changed or
/// gained some: then its key is the error.
fn unexplained(batch: &Batch, resolutions: &[Resolution], replay: &Replay) -> Result<Vec<ResolvedFile>, String> {
    let mut files = Vec::new();
    for rebuilt in &replay.files {
        let file = batch.file(&rebuilt.key).ok_or_else(|| rebuilt.key.clone())?;
        if rebuilt.records_digest == file.records_digest {
            continue;
        }
        if rebuilt.records >= file.records {
            return Err(rebuilt.key.clone());
        }
        let outcome = if rebuilt.records == 0 {
            ResolvedOutcome::Absent
        } else {
            ResolvedOutcome::Subset {
                records: rebuilt.records,
                records_digest: rebuilt.records_digest,
                values_digest: rebuilt.values_digest,
            }
        };
        if !resolutions.iter().any(|resolution| resolution.outcome(&rebuilt.key) == Some(&outcome)) {
            files.push(ResolvedFile { key: rebuilt.key.clone(), outcome });
        }
    }
    Ok(files)
}

fn resolution(entry: &Entry, earlier: &[Resolution], reason: ResolutionReason, files: Vec<ResolvedFile>) -> Resolution {
    Resolution {
        version: FORMAT_VERSION,
        ledger: entry.ledger.clone(),
        topic: entry.topic.clone(),
        topic_id: entry.topic_id.clone(),
        partition: entry.partition,
        generation: entry.generation,
        start: entry.start,
        n: earlier.iter().map(|resolution| resolution.n).max().unwrap_or(0) + 1,
        reason,
        files,
    }
}

/// The slot after a batch is only written once it is complete (R8).
pub(super) fn receipt_start(previous: &Previous) -> Option<Offset> {
    match previous {
        Previous::NoBatch => None,
        Previous::Unseen(entry) => Some(entry.start),
        Previous::Seen(receipt) => Some(receipt.start),
    }
}
