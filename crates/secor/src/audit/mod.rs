//! The audit: does the archive hold what the ledger says, and the ledger what the log said?
//!
//! Three depths. Every audit walks the chains from their geneses ([`chain`]), asks for every file ([`files`]) and lists
//! what no manifest names ([`stray`]). A deep one reads every record back ([`deep`]). And the log, as far as Kafka still
//! has it, can be read again and compared ([`kafka`]).
//!
//! It trusts nothing but the ledger's own rules: whatever is missing, changed or added is a [`Finding`] with its place,
//! and the audit goes on. Only a store or broker that does not answer ends it, because then nothing is proved.
//!
//! Deliberately absent: mending. `secor recover` does what the protocol allows, a person does the rest.

mod report;
mod chain;

mod files;
mod deep;
mod stray;
mod partition;
mod kafka;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use futures::stream::StreamExt;
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::Genesis;

use self::partition::PartitionAudit;
use self::report::Place;
pub use self::report::{
    Finding, FindingCode, HoleReport, PartitionReport, Report, ResolutionReport, Stretch, TopicReport, align,
};
use self::stray::KnownKeys;
use crate::kafka::{self as kafka_room, KafkaError};
use crate::ledger::{Ledger, LedgerError};
use crate::store::StoreError;
pub use crate::store::object::{Failure, ObjectReader, open as open_object};

/// What to look at, and how closely.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Empty: all topics of the ledger.
    pub topics: Vec<String>,
    /// Only this partition of them; stray objects are not looked for then.
    pub partition: Option<i32>,
    /// Only batches that reach above this offset; counts begin here.
    pub from: Option<Offset>,
    /// Only batches that begin below this offset; counts end here.
    pub to: Option<Offset>,
    /// How many records there should be.
    pub expected_records: Option<u64>,
    pub depth: Depth,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Files are compared with their receipts.
    #[default]
    Objects,
    /// Every record is read back as well.
    Records,
}

/// What ends an audit without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("the ledger can't be read")]
    Ledger(#[from] LedgerError),
    #[error("the archive can't be read")]
    Store(#[source] Box<StoreError>),
    #[error("the log can't be read")]
    Kafka(#[from] KafkaError),
    #[error("the ledger knows no topic `{0}`")]
    UnknownTopic(String),
    #[error("a task of the audit panicked")]
    Panicked(#[source] tokio::task::JoinError),
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// Is told how the audit goes on, in offsets.
pub trait Progress: Sync {
    /// So many offsets more will be looked at.
    fn expect(&self, offsets: u64);
    /// So many offsets are done.
    fn done(&self, offsets: u64);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn expect(&self, _: u64) {}
    fn done(&self, _: u64) {}
}

/// Audits the archive of `ledger`; with `log`, compares it with what Kafka still has.
///
/// # Errors
/// [`AuditError`]: there is no verdict. What is wrong with the archive is in the report.
pub async fn audit(
    ledger: &Ledger,
    request: &Request,
    log: Option<&kafka_room::Settings>,
    progress: &dyn Progress,
) -> Result<Report, AuditError> {
    let known = ledger.topics().await?;
    if let Some(topic) = request.topics.iter().find(|topic| !known.contains(topic)) {
        return Err(AuditError::UnknownTopic(topic.clone()));
    }
    let topics = if request.topics.is_empty() { known } else { request.topics.clone() };
    let mut report = Report {
        ok: false,
        store: ledger.store().to_string(),
        ledger: ledger.identity().ledger.to_string(),
        deep: request.depth == Depth::Records,
        against_kafka: log.is_some(),
        expected_records: request.expected_records,
        records: 0,
        topics: Vec::new(),
        findings: Vec::new(),
    };
    for topic in topics {
        let audit = TopicAudit { ledger, request, log, progress, topic: &topic };
        audit.run(&mut report).await?;
    }
    let partitions = report.topics.iter().flat_map(|topic| &topic.partitions);
    report.records = partitions.map(|partition| partition.records).sum();
    if let Some(expected) = request.expected_records.filter(|expected| *expected != report.records) {
        let detail = format!("{} records are archived, {expected} were expected", report.records);
        report.findings.push(Place::default().finding(FindingCode::Expectation, detail));
    }
    report.ok = report.findings.is_empty();
    Ok(report)
}

struct TopicAudit<'a> {
    ledger: &'a Ledger,
    request: &'a Request,
    log: Option<&'a kafka_room::Settings>,
    progress: &'a dyn Progress,
    topic: &'a str,
}

// === impl TopicAudit ===

impl TopicAudit<'_> {
    async fn run(&self, report: &mut Report) -> Result<(), AuditError> {
        let place = Place { topic: self.topic.to_owned(), ..Place::default() };
        let genesis = match self.ledger.genesis(self.topic).await {
            Ok(Some(genesis)) => genesis,
            Ok(None) => {
                let detail = "the ledger has entries of this topic, but no genesis";
                report.findings.push(place.finding(FindingCode::BadGenesis, detail));
                return Ok(());
            }
            Err(error) => {
                let Some(refusal) = error.refusal() else { return Err(error.into()) };
                report.findings.push(place.finding(FindingCode::BadGenesis, refusal.detail));
                return Ok(());
            }
        };
        let stored = self.stored_chains().await?;
        let mut partitions: Vec<i32> = genesis.start.keys().copied().collect();
        partitions.extend(stored.iter().map(|(_, partition)| *partition));
        partitions.sort_unstable();
        partitions.dedup();
        partitions.retain(|partition| self.request.partition.is_none_or(|only| only == *partition));

        let mut known = KnownKeys::default();
        let mut reports = Vec::new();
        for &partition in &partitions {
            let audit = PartitionAudit {
                ledger: self.ledger,
                request: self.request,
                progress: self.progress,
                genesis: &genesis,
                topic_partition: TopicPartition::new(self.topic, partition),
                keep_batches: self.log.is_some(),
            };
            let mut audited = audit.run(&mut known).await?;
            let reached = &audited.report.generations;
            let unreached = stored.iter().filter(|(one, of)| *of == partition && !reached.contains(one));
            for (generation, _) in unreached {
                let at = Place { partition: Some(partition), generation: Some(*generation), ..place.clone() };
                let detail = self.unreached(partition, *generation, &genesis, &mut known).await?;
                report.findings.extend(detail.map(|detail| at.finding(FindingCode::Unreachable, detail)));
            }
            report.findings.append(&mut audited.findings);
            if let Some(log) = self.log {
                let topic_partition = TopicPartition::new(self.topic, partition);
                let batches = std::mem::take(&mut audited.batches);
                let compared = kafka::compare(log, self.ledger, &topic_partition, batches).await?;
                audited.report.not_comparable = compared.not_comparable;
                report.findings.extend(compared.findings);
            }
            reports.push(audited.report);
        }
        if self.request.partition.is_none() {
            report.findings.extend(stray::search(self.ledger, self.topic, &partitions, &mut known).await?);
        }
        report.topics.push(TopicReport { topic: self.topic.to_owned(), partitions: reports });
        Ok(())
    }

    /// What is wrong with a chain that has a folder and was not walked, if anything. Its files are to be looked for.
    async fn unreached(
        &self,
        partition: i32,
        generation: Generation,
        genesis: &Genesis,
        known: &mut KnownKeys,
    ) -> Result<Option<&'static str>, AuditError> {
        let place = TopicPartition::new(self.topic, partition);
        if generation != genesis.generation {
            let slots = self.ledger.slots(&place, generation, Offset::ZERO);
            let mut slots = std::pin::pin!(slots);
            while let Some(slot) = slots.next().await {
                // one that can't be read names no files
                let entry = slot.and_then(|slot| slot.entry).ok();
                let files = entry.iter().filter_map(|entry| entry.batch()).flat_map(|batch| &batch.files);
                files.for_each(|file| known.insert_folder(self.topic, &file.key));
            }
            return Ok(Some("no seal leads to the entries of this generation"));
        }
        // the genesis leads there, and no entry stands there: a local folder that is left, or a loss
        let lost = !self.ledger.resolved(&place, generation).await?.is_empty();
        Ok(lost.then_some("there are resolutions, and the entries that they belong to are gone"))
    }

    /// Every chain that has a folder, whether or not anything leads there.
    async fn stored_chains(&self) -> Result<Vec<(Generation, i32)>, LedgerError> {
        let mut chains = Vec::new();
        for generation in self.ledger.generations(self.topic).await? {
            let partitions = self.ledger.partitions(self.topic, generation).await?;
            chains.extend(partitions.into_iter().map(|partition| (generation, partition)));
        }
        Ok(chains)
    }
}
