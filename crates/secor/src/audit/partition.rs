//! One topic partition: walks its chains, checks each batch as soon as its successor is known.

use std::collections::BTreeSet;

use futures::stream::{FuturesOrdered, StreamExt, TryStreamExt};
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::{Batch, Entry, Genesis, Kind};

use super::chain::ChainCheck;
use super::files::{BatchCheck, Checked, Contents, Successor};
use super::report::{Finding, FindingCode, HoleReport, PartitionReport, Place};
use super::stray::KnownKeys;
use super::{AuditError, Progress, Request};
use crate::ledger::{Ledger, LedgerError, Slot};

/// Batches that are checked at once.
const CHECKS_IN_FLIGHT: usize = 16;

pub(super) struct PartitionAudit<'a> {
    pub ledger: &'a Ledger,
    pub request: &'a Request,
    pub progress: &'a dyn Progress,
    pub genesis: &'a Genesis,
    pub topic_partition: TopicPartition,
    /// Keep the batches for a comparison with the log.
    pub keep_batches: bool,
}

#[derive(Debug, Default)]
pub(super) struct Audited {
    pub report: PartitionReport,
    pub findings: Vec<Finding>,
    pub batches: Vec<AuditedBatch>,
}

/// A batch and what its files hold after resolutions.
#[derive(Debug)]
pub(super) struct AuditedBatch {
    pub entry: Entry,
    pub contents: Contents,
    pub place: Place,
}

/// A batch whose successor is not known yet.
struct Pending {
    entry: Entry,
    place: Place,
    resolved: bool,
}

// === impl PartitionAudit ===

impl PartitionAudit<'_> {
    pub(super) async fn run(&self, known: &mut KnownKeys) -> Result<Audited, AuditError> {
        let partition = self.topic_partition.partition;
        let mut audited = Audited::default();
        audited.report.partition = partition;
        audited.report.start = Some(self.genesis.start_of(partition));
        self.announce().await?;

        let mut check = ChainCheck::new(self.genesis, partition);
        let mut resolved = BTreeSet::new();
        let mut pending: Option<Pending> = None;
        let mut running = FuturesOrdered::new();
        let mut slots = self.ledger.walk(&self.topic_partition);
        while let Some(slot) = slots.try_next().await.or_else(|error| self.unreadable(error, &mut audited))? {
            audited.findings.extend(check.slot(&slot));
            if audited.report.generations.last() != Some(&slot.generation) {
                audited.report.generations.push(slot.generation);
                resolved = self.resolved(slot.generation, &mut audited).await?;
            }
            if let Some(pending) = pending.take() {
                let successor = successor(&pending.entry, &slot);
                running.push_back(self.check(pending, successor));
            }
            if running.len() >= CHECKS_IN_FLIGHT
                && let Some(checked) = running.next().await
            {
                self.absorb(checked?, &mut audited);
            }
            let Ok(entry) = slot.entry else { continue };
            self.note(&entry, known, &mut audited);
            if entry.batch().is_some_and(|_| self.in_scope(&entry)) {
                let place = check.place_of(&entry);
                pending = Some(Pending { resolved: resolved.contains(&entry.start), entry, place });
            }
        }
        if let Some(pending) = pending {
            running.push_back(self.check(Pending { resolved: true, ..pending }, Successor::None));
        }
        while let Some(checked) = running.next().await {
            self.absorb(checked?, &mut audited);
        }
        Ok(audited)
    }

    /// Tells how far there is to go. A chain whose heads can't be read is walked all the same, and shows why.
    async fn announce(&self) -> Result<(), AuditError> {
        let heads = match self.ledger.chain_heads(&self.topic_partition).await {
            Ok(heads) => heads,
            Err(error) if error.refusal().is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut start = self.genesis.start_of(self.topic_partition.partition);
        for entry in heads.iter().filter_map(|head| head.head.as_ref()) {
            self.progress.expect(entry.end.get().saturating_sub(start.get()).max(0).unsigned_abs());
            if let Kind::Seal(seal) = &entry.kind {
                start = seal.next.start;
            }
        }
        Ok(())
    }

    /// A stranger among the names of a chain ends its walk; it is found, not fatal.
    fn unreadable(&self, error: LedgerError, audited: &mut Audited) -> Result<Option<Slot>, AuditError> {
        let Some(refusal) = error.refusal() else { return Err(error.into()) };
        audited.findings.push(self.place().finding(FindingCode::BadEntry, refusal.detail));
        Ok(None)
    }

    async fn resolved(&self, generation: Generation, audited: &mut Audited) -> Result<BTreeSet<Offset>, AuditError> {
        match self.ledger.resolved(&self.topic_partition, generation).await {
            Ok(resolved) => Ok(resolved),
            Err(error) => self.unreadable(error, audited).map(|_| BTreeSet::new()),
        }
    }

    async fn check(&self, pending: Pending, successor: Successor) -> Result<(Pending, Checked), AuditError> {
        let batch = pending.entry.batch().expect("only batches wait for their check");
        let check = BatchCheck {
            ledger: self.ledger,
            depth: self.request.depth,
            place: pending.place.clone(),
            entry: &pending.entry,
            batch,
            resolved: pending.resolved,
        };
        let checked = check.run(&successor).await?;
        Ok((pending, checked))
    }

    fn absorb(&self, (pending, checked): (Pending, Checked), audited: &mut Audited) {
        audited.findings.extend(checked.findings);
        let report = &mut audited.report;
        report.batches += 1;
        report.files += checked.files;
        report.dead_letters += checked.dead_letters;
        report.stored_bytes += checked.stored_bytes;
        report.resolutions.extend(checked.resolutions);
        let Pending { entry, place, .. } = pending;
        if let Some(batch) = entry.batch() {
            report.bytes += batch.files.iter().map(|file| file.bytes).sum::<u64>();
            match self.records_in_scope(&entry, batch, checked.records) {
                Ok(records) => report.records += records,
                Err(detail) => {
                    report.records += checked.records;
                    audited.findings.push(place.finding(FindingCode::Expectation, detail));
                }
            }
        }
        if self.keep_batches {
            audited.batches.push(AuditedBatch { entry, contents: checked.contents, place });
        }
    }

    fn note(&self, entry: &Entry, known: &mut KnownKeys, audited: &mut Audited) {
        self.progress.done(entry.range().len());
        audited.report.end = Some(entry.end);
        match &entry.kind {
            Kind::Batch(batch) => {
                batch.files.iter().for_each(|file| known.insert(&self.topic_partition.topic, &file.key));
            }
            Kind::Hole(hole) if self.in_scope(entry) => {
                let Entry { generation, start, end, .. } = *entry;
                audited.report.holes.push(HoleReport { generation, start, end, reason: hole.reason });
            }
            Kind::Hole(_) | Kind::Empty | Kind::Seal(_) => {}
        }
    }

    fn in_scope(&self, entry: &Entry) -> bool {
        self.request.from.is_none_or(|from| entry.end > from) && self.request.to.is_none_or(|to| entry.start < to)
    }

    /// How many of the batch's records lie between `from` and `to`. Inside a batch offsets are only known where every
    /// offset has its record.
    fn records_in_scope(&self, entry: &Entry, batch: &Batch, records: u64) -> Result<u64, String> {
        let from = self.request.from.unwrap_or(Offset::ZERO).max(entry.start);
        let to = self.request.to.unwrap_or(entry.end).min(entry.end);
        if (from, to) == (entry.start, entry.end) {
            return Ok(records);
        }
        if batch.records == entry.range().len() && records == batch.records {
            return Ok(to.get().abs_diff(from.get()));
        }
        Err("`--from` or `--to` lies inside this batch, which has not one record per offset: name one of its ends"
            .into())
    }

    fn place(&self) -> Place {
        Place {
            topic: self.topic_partition.topic.to_string(),
            partition: Some(self.topic_partition.partition),
            ..Place::default()
        }
    }
}

fn successor(entry: &Entry, slot: &Slot) -> Successor {
    match &slot.entry {
        Ok(next) if next.start == entry.end && next.generation == entry.generation => {
            Successor::Entry { receipt: next.receipt.clone() }
        }
        _ => Successor::Unreadable,
    }
}
