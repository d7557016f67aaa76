//! What an audit found, for people and for machines.
//!
//! The JSON form is documented in `docs/verify.md`: fields are only ever added, and the words of [`FindingCode`] stay.

use std::collections::BTreeMap;
use std::fmt;

use secor_core::ids::{Generation, Offset, OffsetRange};
use secor_core::manifest::{HoleReason, ResolutionReason};
use serde::Serialize;

/// The whole audit.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Nothing was found.
    pub ok: bool,
    pub store: String,
    pub ledger: String,
    pub deep: bool,
    pub against_kafka: bool,
    /// Records that were looked at, and how many there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_records: Option<u64>,
    pub records: u64,
    pub topics: Vec<TopicReport>,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TopicReport {
    pub topic: String,
    pub partitions: Vec<PartitionReport>,
}

/// One topic partition, all its generations together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartitionReport {
    pub partition: i32,
    /// Where the first chain begins.
    pub start: Option<Offset>,
    /// Where the last chain ends.
    pub end: Option<Offset>,
    pub generations: Vec<Generation>,
    pub batches: u64,
    pub files: u64,
    pub records: u64,
    /// Of `records`, those in dead-letter files.
    pub dead_letters: u64,
    /// Uncompressed.
    pub bytes: u64,
    /// As stored.
    pub stored_bytes: u64,
    /// Recorded holes: records that were gone before they could be archived.
    pub holes: Vec<HoleReport>,
    /// Recorded resolutions, by file: records that were gone when their batch was made whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolutions: Vec<ResolutionReport>,
    /// Batches whose records the log no longer has, or of a topic that was replaced: not compared with Kafka.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_comparable: Vec<Stretch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoleReport {
    pub generation: Generation,
    pub start: Offset,
    pub end: Offset,
    pub reason: HoleReason,
}

/// What resolutions say of one file (R12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResolutionReport {
    pub generation: Generation,
    /// Of the batch.
    pub start: Offset,
    pub end: Offset,
    pub key: String,
    /// Records that are left; `None`: there is no file.
    pub records: Option<u64>,
    /// Records that the manifest counted.
    pub of: u64,
    pub reason: ResolutionReason,
}

/// A half-open range of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    pub start: Offset,
    pub end: Offset,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: FindingCode,
    pub topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Of the batch or the hole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<Stretch>,
    /// Of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub detail: String,
}

/// Persisted in scripts of users, never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// A topic has entries and no genesis, or one that can't be read.
    BadGenesis,
    /// A slot holds something that this program can't read or that does not belong there.
    BadEntry,
    /// Offsets that no entry covers.
    ChainGap,
    /// Offsets that two entries cover.
    ChainOverlap,
    /// Entries to which no genesis and no seal leads.
    Unreachable,
    /// The entry after a batch carries no receipt of it, or one that does not fit its manifest.
    BadReceipt,
    /// The last batch lacks a file: a running secor is uploading it, or the next run will.
    Incomplete,
    MissingFile,
    /// A file has another size than its receipt.
    WrongSize,
    /// A file has another checksum than its receipt.
    WrongChecksum,
    /// A file was created for other records than the manifest names.
    WrongDigest,
    /// A file can't be read back.
    Unreadable,
    /// A file holds another number of records than the manifest says.
    WrongCount,
    /// A file holds other records than the manifest says.
    WrongContent,
    /// An object in a topic's folder that no manifest names.
    Stray,
    /// The log has records that the archive lacks, or the other way round.
    KafkaCount,
    /// The log's records are others than the archived ones.
    KafkaContent,
    /// Another number of records than `--expect` says.
    Expectation,
}

/// Where a finding is; the fields that are not known stay out.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub topic: String,
    pub partition: Option<i32>,
    pub generation: Option<Generation>,
    pub offsets: Option<Stretch>,
}

// === impl Place ===

impl Place {
    pub(super) fn finding(&self, code: FindingCode, detail: impl Into<String>) -> Finding {
        Finding {
            code,
            topic: self.topic.clone(),
            partition: self.partition,
            generation: self.generation,
            offsets: self.offsets,
            key: None,
            detail: detail.into(),
        }
    }

    pub(super) fn file(&self, code: FindingCode, key: &str, detail: impl Into<String>) -> Finding {
        Finding { key: Some(key.to_owned()), ..self.finding(code, detail) }
    }
}

// === impl Stretch ===

impl From<OffsetRange> for Stretch {
    fn from(range: OffsetRange) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

// === impl ResolutionReport ===

impl fmt::Display for ResolutionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end, key, of, reason, .. } = self;
        write!(f, "offsets {start}..{end} `{key}`: ")?;
        match self.records {
            Some(records) => write!(f, "{records} of {of} records")?,
            None => write!(f, "absent, {of} records")?,
        }
        write!(f, " ({})", reason.as_str())
    }
}

// === impl FindingCode ===

impl FindingCode {
    pub const ALL: [Self; 18] = [
        Self::BadGenesis,
        Self::BadEntry,
        Self::ChainGap,
        Self::ChainOverlap,
        Self::Unreachable,
        Self::BadReceipt,
        Self::Incomplete,
        Self::MissingFile,
        Self::WrongSize,
        Self::WrongChecksum,
        Self::WrongDigest,
        Self::Unreadable,
        Self::WrongCount,
        Self::WrongContent,
        Self::Stray,
        Self::KafkaCount,
        Self::KafkaContent,
        Self::Expectation,
    ];

    /// The word in JSON and in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadGenesis => "bad_genesis",
            Self::BadEntry => "bad_entry",
            Self::ChainGap => "chain_gap",
            Self::ChainOverlap => "chain_overlap",
            Self::Unreachable => "unreachable",
            Self::BadReceipt => "bad_receipt",
            Self::Incomplete => "incomplete",
            Self::MissingFile => "missing_file",
            Self::WrongSize => "wrong_size",
            Self::WrongChecksum => "wrong_checksum",
            Self::WrongDigest => "wrong_digest",
            Self::Unreadable => "unreadable",
            Self::WrongCount => "wrong_count",
            Self::WrongContent => "wrong_content",
            Self::Stray => "stray",
            Self::KafkaCount => "kafka_count",
            Self::KafkaContent => "kafka_content",
            Self::Expectation => "expectation",
        }
    }
}

// === impl Finding ===

impl Finding {
    /// Size or checksum are others than the receipt's: the bytes differ, and perhaps nothing else.
    pub(super) fn is_about_bytes(&self) -> bool {
        matches!(self.code, FindingCode::WrongSize | FindingCode::WrongChecksum)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = if self.topic.is_empty() { ALL_TOPICS } else { &self.topic };
        write!(f, "{}: {topic}", self.code.as_str())?;
        if let Some(partition) = self.partition {
            write!(f, ":{partition}")?;
        }
        if let Some(generation) = self.generation.filter(|generation| generation.0 > 1) {
            write!(f, " generation {generation}")?;
        }
        if let Some(offsets) = self.offsets {
            write!(f, " offsets {offsets}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " `{key}`")?;
        }
        write!(f, ": {}", self.detail)
    }
}

// === impl Report ===

/// What the table for people shows of a topic.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    partitions: u64,
    batches: u64,
    files: u64,
    records: u64,
    dead_letters: u64,
    stored_bytes: u64,
    holes: u64,
    findings: u64,
}

const ALL_TOPICS: &str = "(all topics)";

const HEADINGS: [&str; 9] =
    ["topic", "partitions", "batches", "files", "records", "dead letters", "stored bytes", "holes", "findings"];

impl Report {
    /// One line.
    #[must_use]
    pub fn verdict(&self) -> String {
        let records = self.records;
        match self.findings.len() {
            0 => format!("all holds: {records} records"),
            1 => format!("1 finding in {records} records"),
            n => format!("{n} findings in {records} records"),
        }
    }

    /// A line for each topic, and a line for all of them.
    #[must_use]
    pub fn table(&self) -> String {
        let mut by_topic: BTreeMap<&str, Sums> = BTreeMap::new();
        for topic in &self.topics {
            let sums = by_topic.entry(&topic.topic).or_default();
            for partition in &topic.partitions {
                sums.add(&Sums::of(partition));
            }
        }
        for finding in &self.findings {
            by_topic.entry(&finding.topic).or_default().findings += 1;
        }
        let mut total = Sums::default();
        by_topic.values().for_each(|sums| total.add(sums));
        let mut rows = vec![HEADINGS.map(str::to_owned)];
        rows.extend(by_topic.iter().map(|(topic, sums)| sums.row(topic)));
        if by_topic.len() > 1 {
            rows.push(total.row("all"));
        }
        align(&rows)
    }
}

impl Sums {
    fn of(partition: &PartitionReport) -> Self {
        Self {
            partitions: 1,
            batches: partition.batches,
            files: partition.files,
            records: partition.records,
            dead_letters: partition.dead_letters,
            stored_bytes: partition.stored_bytes,
            holes: partition.holes.len() as u64,
            findings: 0,
        }
    }

    fn add(&mut self, other: &Self) {
        self.partitions += other.partitions;
        self.batches += other.batches;
        self.files += other.files;
        self.records += other.records;
        self.dead_letters += other.dead_letters;
        self.stored_bytes += other.stored_bytes;
        self.holes += other.holes;
        self.findings += other.findings;
    }

    fn row(&self, name: &str) -> [String; 9] {
        let numbers = [
            self.partitions,
            self.batches,
            self.files,
            self.records,
            self.dead_letters,
            self.stored_bytes,
            self.holes,
            self.findings,
        ];
        let mut row = <[String; 9]>::default();
        row[0] = if name.is_empty() { ALL_TOPICS } else { name }.to_owned();
        for (cell, number) in row[1..].iter_mut().zip(numbers) {
            *cell = number.to_string();
        }
        row
    }
}

/// Columns of equal width, the first to the left and numbers to the right.
#[must_use]
pub fn align<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
