//! What a selftest says at its end: for people, and as JSON, whose fields are only ever added.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::evidence::{Count, Ids};
use super::rounds::Finished;
use super::site::Site;
use crate::audit;
use crate::store::ProbeReport;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub ok: bool,
    pub seed: u64,
    pub store: String,
    pub cluster: String,
    pub topic: String,
    pub group: String,
    pub processes: usize,
    pub partitions: u32,
    /// `None` where a database arbitrates: the store need not create exclusively.
    pub probe: Option<Probe>,
    pub rounds: Vec<RoundReport>,
    pub total: Ids,
    pub ledger: Ledger,
    /// Over all rounds; none when nothing was taken over.
    pub takeover_ms: Option<Takeover>,
    /// Everything that is wrong, in words.
    pub findings: Vec<String>,
    /// What was not deleted.
    pub left: Vec<String>,
}

/// The store's answer to concurrent creators.
#[derive(Debug, Serialize)]
pub(super) struct Probe {
    pub rounds: usize,
    pub creators: usize,
    pub took_ms: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct RoundReport {
    pub round: usize,
    pub injected: String,
    /// From 0.
    pub process: usize,
    /// The process came to the point by itself.
    pub reached: bool,
    pub restarted_at_once: bool,
    /// From the harm until everything acknowledged before it stood in the ledger.
    pub taken_over_ms: Option<u64>,
    pub ids: Ids,
}

/// What the audit has found.
#[derive(Debug, Serialize)]
pub(super) struct Ledger {
    pub chains: usize,
    pub batches: u64,
    pub files: u64,
    pub records: u64,
    /// Records in the log, with which the files were compared.
    pub logged: u64,
    pub findings: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Takeover {
    pub min: u64,
    pub mean: u64,
    pub max: u64,
}

/// All that a report is made of.
pub(super) struct Facts<'a> {
    pub seed: u64,
    pub cluster: String,
    pub probe: Option<&'a ProbeReport>,
    pub records: usize,
    pub finished: Finished,
    pub count: Count,
    pub audited: &'a audit::Report,
}

/// Ids that are named one by one.
const EXAMPLES_MAX: usize = 10;

// === impl Report ===

impl Report {
    pub(super) fn new(site: &Site, facts: Facts<'_>) -> Self {
        let Facts { seed, cluster, probe, records, finished, count, audited } = facts;
        let Finished { rounds: happened, fates, logged, surprises } = finished;
        let share = |index: usize| records * index / happened.len().max(1);
        let rounds = happened.iter().enumerate().map(|(index, happened)| RoundReport {
            round: index + 1,
            injected: happened.round.to_string(),
            process: happened.round.process,
            reached: happened.reached,
            restarted_at_once: happened.round.restart_at_once,
            taken_over_ms: happened.took_over.map(millis),
            ids: count.of(share(index)..share(index + 1), &fates),
        });
        let rounds: Vec<RoundReport> = rounds.collect();
        let partitions = || audited.topics.iter().flat_map(|topic| &topic.partitions);
        let mut findings = count.examples(&fates, EXAMPLES_MAX);
        findings.extend(count.oddities.iter().cloned());
        findings.extend(audited.findings.iter().map(ToString::to_string));
        findings.extend(surprises);
        let times: Vec<u64> = rounds.iter().filter_map(|round| round.taken_over_ms).collect();
        Self {
            ok: findings.is_empty(),
            seed,
            store: site.names.url.clone(),
            cluster,
            topic: site.names.topic.clone(),
            group: site.names.group.clone(),
            processes: site.processes(),
            partitions: site.names.partitions,
            probe: probe.map(|probe| Probe {
                rounds: probe.rounds,
                creators: probe.creators,
                took_ms: millis(probe.took),
            }),
            total: count.of(0..records, &fates),
            rounds,
            ledger: Ledger {
                chains: partitions().count(),
                batches: partitions().map(|partition| partition.batches).sum(),
                files: partitions().map(|partition| partition.files).sum(),
                records: audited.records,
                logged,
                findings: audited.findings.len(),
            },
            takeover_ms: Takeover::of(&times),
            findings,
            left: Vec::new(),
        }
    }

    /// One line: does it hold?
    pub(super) fn verdict(&self) -> String {
        let Ids { acked, lost, repeated, .. } = self.total;
        match self.findings.len() {
            0 => format!("all holds: {acked} acknowledged records, each in exactly one file"),
            n => format!("{n} findings: {lost} records lost and {repeated} repeated, of {acked} acknowledged"),
        }
    }

    /// # Errors
    /// When `out` can't be written.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let injected = self.rounds.iter().map(|round| round.injected.len()).max().unwrap_or_default().max(8);
        writeln!(out, "\nround  {:<injected$}  process  taken over     acked      once  repeated  lost", "injected")?;
        for round in &self.rounds {
            let Ids { acked, archived_once, repeated, lost, .. } = round.ids;
            let taken = round.taken_over_ms.map_or_else(|| "never".to_owned(), seconds);
            let remark = if round.reached { "" } else { "  (not reached: harmed elsewhere)" };
            writeln!(
                out,
                "{:>5}  {:<injected$}  {:>7}  {taken:>10}  {acked:>8}  {archived_once:>8}  {repeated:>8}  {lost:>4}{remark}",
                round.round, round.injected, round.process
            )?;
        }
        let Ids { acked, failed, unknown, archived_once, repeated, lost } = self.total;
        writeln!(out, "\nproduced  {acked} ids acknowledged, {failed} refused, {unknown} without an answer")?;
        writeln!(out, "archived  {archived_once} once, {repeated} repeated, {lost} lost")?;
        let Ledger { chains, batches, files, records, logged, findings } = self.ledger;
        writeln!(
            out,
            "ledger    {chains} chains, {batches} batches, {files} files, {records} records read back, {logged} in the \
             log: {}",
            if findings == 0 { "verified".to_owned() } else { format!("{findings} findings") }
        )?;
        match self.probe {
            Some(Probe { rounds, creators, took_ms }) => writeln!(
                out,
                "store     of {creators} creators of one key exactly one won, {rounds} times over, in {took_ms} ms"
            )?,
            None => writeln!(out, "store     was not probed: a database arbitrates")?,
        }
        if let Some(Takeover { min, mean, max }) = self.takeover_ms {
            writeln!(out, "takeover  {} to {}, {} on average", seconds(min), seconds(max), seconds(mean))?;
        }
        for finding in &self.findings {
            writeln!(out, "FOUND     {finding}")?;
        }
        for left in &self.left {
            writeln!(out, "left      {left}")?;
        }
        writeln!(out, "\n{} (seed {})", self.verdict(), self.seed)
    }
}

impl Takeover {
    fn of(times: &[u64]) -> Option<Self> {
        let (min, max) = (*times.iter().min()?, *times.iter().max()?);
        Some(Self { min, mean: times.iter().sum::<u64>() / times.len() as u64, max })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}
