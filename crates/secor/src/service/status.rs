//! How things stand, for `/api/status`, `/metrics`, `/ready`, the log and the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use metrics::{counter, gauge, histogram};
use secor_core::ids::{Offset, TopicPartition};
use secor_core::partition::{Note, Refusal};
use serde::Serialize;

use super::trouble::Trouble;
use super::world::now_ms;
use crate::kafka::KafkaError;
use crate::worker::Progress;

/// How things stand with all topic partitions that this process has had.
#[derive(Debug)]
pub struct Registry {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<TopicPartition, Row>,
    problems: u64,
    last_problem: Option<String>,
    notes: Vec<(TopicPartition, Note)>,
    keep_notes: bool,
}

/// One topic partition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Granted to this process now.
    pub granted: bool,
    /// It is being taken away: its end is no sign that it was done.
    #[serde(skip)]
    pub(super) leaving: bool,
    /// The machine released it by itself: it has come as far as it was to come.
    #[serde(skip)]
    pub(super) reached: bool,
    /// What its ledger lane is doing.
    pub phase: String,
    pub generation: Option<u32>,
    /// First offset that is not in the archive yet.
    pub start: Option<i64>,
    pub position: Option<i64>,
    /// The log's end when it was last heard of.
    pub log_end: Option<i64>,
    /// Log end minus `start`, in offsets.
    pub lag: Option<i64>,
    pub open_records: u64,
    pub open_bytes: u64,
    /// The last complete batch, half-open.
    pub last_batch: Option<[i64; 2]>,
    /// Milliseconds since 1970.
    pub last_batch_at: Option<i64>,
    pub batches: u64,
    pub replayed_batches: u64,
    pub records: u64,
    pub bad_records: u64,
    pub foreign_commits: u64,
    pub refusal: Option<RefusalRow>,
    /// Records wait until the schema registry says what this id is.
    pub awaited_schema: Option<u32>,
    /// The last failure of the store, the ledger, Kafka or the registry; gone after the next success.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalRow {
    pub code: &'static str,
    pub detail: String,
    pub hint: &'static str,
}

/// Everything, for `/api/status`.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    pub version: &'static str,
    pub uptime_seconds: u64,
    pub ready: bool,
    pub problems: u64,
    pub last_problem: Option<String>,
    pub topic_partitions: BTreeMap<String, Row>,
}

// === impl Registry ===

impl Registry {
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now(), inner: Mutex::default() }
    }

    #[must_use]
    pub fn overview(&self) -> Overview {
        let inner = self.lock();
        Overview {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.started.elapsed().as_secs(),
            ready: inner.ready(),
            problems: inner.problems,
            last_problem: inner.last_problem.clone(),
            topic_partitions: inner.rows.iter().map(|(tp, row)| (tp.to_string(), row.clone())).collect(),
        }
    }

    /// Every topic partition that is ours is past its ledger and none is refused.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.lock().ready()
    }

    /// Who is refused now.
    #[must_use]
    pub fn refused(&self) -> Vec<(TopicPartition, RefusalRow)> {
        let refusal = |(tp, row): (&TopicPartition, &Row)| Some((tp.clone(), row.refusal.clone()?));
        self.lock().rows.iter().filter_map(refusal).collect()
    }

    /// From now on notes are kept for [`Self::take_notes`].
    pub(super) fn keep_notes(&self) {
        self.lock().keep_notes = true;
    }

    /// What happened, in order.
    #[must_use]
    pub fn take_notes(&self) -> Vec<(TopicPartition, Note)> {
        std::mem::take(&mut self.lock().notes)
    }

    pub(super) fn granted(&self, tp: &TopicPartition) {
        let mut inner = self.lock();
        let row = inner.rows.entry(tp.clone()).or_default();
        (row.granted, row.refusal, row.trouble) = (true, None, None);
        (row.leaving, row.reached) = (false, false);
        gauge!("secor_partition_refused", labels(tp)).set(0.0);
    }

    pub(super) fn released(&self, tp: &TopicPartition) {
        self.with(tp, |row| {
            row.reached = !row.leaving;
            row.granted = false;
            row.phase = "released".to_owned();
            row.lag = None;
            gauge!("secor_lag_offsets", labels(tp)).set(0.0);
            gauge!("secor_partition_refused", labels(tp)).set(0.0);
            if row.awaited_schema.take().is_some() {
                gauge!("secor_partition_awaits_schema", labels(tp)).set(0.0);
            }
            (row.open_records, row.open_bytes) = (0, 0);
        });
    }

    /// It is about to be taken away.
    pub(super) fn leaving(&self, tp: &TopicPartition) {
        self.with(tp, |row| row.leaving = true);
    }

    /// The topic partitions that the machine released by itself, or that are refused.
    pub(super) fn settled(&self) -> BTreeSet<TopicPartition> {
        let inner = self.lock();
        let settled = inner.rows.iter().filter(|(_, row)| row.reached || row.refusal.is_some());
        settled.map(|(tp, _)| tp.clone()).collect()
    }

    /// Another process has it now: what was refused or behind is no longer ours to say.
    pub(super) fn moved_away(&self, tp: &TopicPartition) {
        self.lock().rows.remove(tp);
    }

    pub(super) fn progress(&self, tp: &TopicPartition, progress: &Progress) {
        let Progress { status, awaited_schema, records, bytes, bad_records } = progress;
        let topic = || tp.topic.to_string();
        if *records > 0 {
            counter!("consumer_throughput_bytes_total", "topic" => topic()).increment(*bytes);
            counter!("secor_records_total", "topic" => topic()).increment(*records);
            histogram!("consumer_message_size_bytes", "topic" => topic()).record(*bytes as f64 / *records as f64);
        }
        if *bad_records > 0 {
            counter!("consumer_message_errors_count_total", "topic" => topic()).increment(*bad_records);
        }
        self.with(tp, |row| {
            if row.phase != status.phase {
                row.phase = status.phase.to_owned();
            }
            row.generation = status.generation.map(|generation| generation.0);
            row.start = status.start.map(Offset::get);
            row.position = status.position.map(Offset::get);
            row.log_end = row.log_end.max(row.position);
            (row.open_records, row.open_bytes) = (status.accumulated.records, status.accumulated.bytes);
            if row.awaited_schema != *awaited_schema {
                row.awaited_schema = *awaited_schema;
                gauge!("secor_partition_awaits_schema", labels(tp)).set(f64::from(u8::from(awaited_schema.is_some())));
            }
            row.records += records;
            row.bad_records += bad_records;
            if status.refusal.is_none() && status.phase == "archiving" {
                row.refusal = None;
            }
            row.count_lag(tp);
        });
    }

    pub(super) fn reached_end(&self, tp: &TopicPartition, position: Offset) {
        self.log_end(tp, position);
    }

    pub(super) fn log_end(&self, tp: &TopicPartition, end: Offset) {
        self.with(tp, |row| {
            row.log_end = Some(end.get());
            row.count_lag(tp);
        });
    }

    pub(super) fn trouble(&self, tp: &TopicPartition, trouble: &Trouble) {
        self.with(tp, |row| row.trouble = Some(trouble.to_string()));
    }

    /// The registry has answered.
    pub(super) fn schema_found_out(&self, tp: &TopicPartition) {
        self.with(tp, |row| row.trouble = None);
    }

    /// Something that librdkafka reports and goes on trying.
    pub(super) fn problem(&self, tp: Option<&TopicPartition>, error: &KafkaError) {
        let text = super::trouble::chain(error);
        let mut inner = self.lock();
        inner.problems += 1;
        if inner.last_problem.as_ref() == Some(&text) {
            return;
        }
        match tp {
            Some(topic_partition) => tracing::warn!(%topic_partition, "kafka: {text}"),
            None => tracing::warn!("kafka: {text}"),
        }
        inner.last_problem = Some(text);
    }

    pub(super) fn note(&self, tp: &TopicPartition, note: &Note) {
        log(tp, note);
        let mut inner = self.lock();
        if inner.keep_notes {
            inner.notes.push((tp.clone(), note.clone()));
        }
        let row = inner.rows.entry(tp.clone()).or_default();
        row.trouble = None;
        match note {
            Note::Refused(refusal) => {
                counter!("secor_refusals_total", "topic" => tp.topic.to_string(), "code" => refusal.code.as_str())
                    .increment(1);
                gauge!("secor_partition_refused", labels(tp)).set(1.0);
                row.refusal = Some(RefusalRow::of(refusal));
            }
            Note::Complete { range, reason, replayed, .. } => {
                let labels = [("topic", tp.topic.to_string()), ("reason", reason.as_str().to_owned())];
                counter!("secor_batches_total", &labels).increment(1);
                row.batches += 1;
                row.replayed_batches += u64::from(*replayed);
                row.last_batch = Some([range.start.get(), range.end.get()]);
                row.last_batch_at = Some(now_ms());
            }
            Note::ForeignCommit { .. } => {
                counter!("secor_foreign_commits_total", "topic" => tp.topic.to_string()).increment(1);
                row.foreign_commits += 1;
            }
            Note::Consuming { .. } => {
                gauge!("secor_partition_refused", labels(tp)).set(0.0);
                row.refusal = None;
            }
            Note::Adopted { .. }
            | Note::Empty { .. }
            | Note::Hole { .. }
            | Note::Sealed { .. }
            | Note::Resolved { .. } => {}
        }
    }

    fn with(&self, tp: &TopicPartition, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.lock().rows.get_mut(tp) {
            change(row);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Inner ===

impl Inner {
    fn ready(&self) -> bool {
        self.rows.values().filter(|row| row.granted).all(|row| row.refusal.is_none() && row.trouble.is_none())
    }
}

// === impl Row ===

impl Row {
    fn count_lag(&mut self, tp: &TopicPartition) {
        self.lag = self.log_end.zip(self.start).map(|(end, start)| (end - start).max(0));
        if let Some(lag) = self.lag {
            gauge!("secor_lag_offsets", labels(tp)).set(lag as f64);
        }
    }
}

impl RefusalRow {
    fn of(refusal: &Refusal) -> Self {
        Self { code: refusal.code.as_str(), detail: refusal.detail.clone(), hint: refusal.code.hint() }
    }
}

fn labels(tp: &TopicPartition) -> Vec<metrics::Label> {
    let label = |name: &'static str, value: String| metrics::Label::new(name, value);
    vec![label("topic", tp.topic.to_string()), label("partition", tp.partition.to_string())]
}

/// What is worth a line.
fn log(tp: &TopicPartition, note: &Note) {
    match note {
        Note::Refused(refusal) => {
            tracing::error!(topic_partition = %tp, code = %refusal.code, hint = refusal.code.hint(), "refused: {}", refusal.detail);
        }
        Note::Complete { range, records, reason, replayed } => {
            tracing::info!(topic_partition = %tp, %range, records, reason = reason.as_str(), replayed, "batch complete");
        }
        Note::ForeignCommit { offset } => {
            tracing::warn!(topic_partition = %tp, %offset, "somebody else committed this offset: it is ignored");
        }
        Note::Adopted { range } => {
            tracing::info!(topic_partition = %tp, %range, "last batch of the ledger is made whole")
        }
        Note::Empty { range } => tracing::debug!(topic_partition = %tp, %range, "no records: position recorded"),
        Note::Hole { range } => tracing::warn!(topic_partition = %tp, %range, "hole recorded: these records are lost"),
        Note::Sealed { generation, next } => {
            tracing::info!(topic_partition = %tp, %generation, %next, "generation sealed");
        }
        Note::Resolved { start } => {
            tracing::warn!(topic_partition = %tp, %start, "batch resolved: records are missing")
        }
        Note::Consuming { from } => tracing::info!(topic_partition = %tp, %from, "archiving"),
    }
}
