//! Everything that is persisted under `_secor/`: its JSON, its paths, and what makes two entries the same.
//!
//! All of it is canonical JSON: sorted keys, no floats, no white space, one line feed at the end. Versions and kinds
//! that this program does not know are errors, never guesses. Golden files in `testdata/` hold every form.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::flush::CutReason;
use crate::ids::{
    ConfigHash, Digest, Generation, LedgerId, Offset, OffsetRange, TopicId, TopicPartition, WriterSchema,
};

mod commit;
pub mod paths;
mod schemas;
#[cfg(test)]
mod tests;

pub use crate::json::FORMAT_VERSION;
pub use commit::{CommitMetadata, CommitOrigin};
pub use schemas::{NamedSchema, RegisteredSchema};

/// `ledger.json`: who this ledger is (R1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerIdentity {
    pub version: u32,
    pub ledger: LedgerId,
    pub arbiter: Arbiter,
    /// The store, as it prints itself, whose exclusive creation was probed before this ledger was made.
    pub probed: String,
    /// Left out until the ledger is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
}

/// Where a ledger that was moved has its objects or rows, apart from all where it was before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// 32 lower-case hexadecimal digits: the folder in a store, the `ledger_id` of the rows in a database.
    pub id: String,
    /// The store or the database as it prints itself, for people.
    pub place: String,
}

/// `closing.json`, and what a move puts into each slot that is the next one of a chain: the ledger goes on elsewhere, and
/// nothing is ever written here again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    pub version: u32,
    pub ledger: LedgerId,
    /// The place that the move was begun for, for people; `successor.json` says which one it came to.
    pub moving_to: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arbiter {
    Store,
    Sql,
}

/// `started.json`: the first start has created the geneses of these topics; topics found later begin at `earliest` (R2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    pub version: u32,
    pub ledger: LedgerId,
    pub topics: Vec<String>,
}

/// `accepted/<n>.json`: another group or cluster that the operator has accepted (R2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub version: u32,
    pub ledger: LedgerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// Where a topic's chains begin (R2). Partitions that it does not name start at offset 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    pub version: u32,
    pub ledger: LedgerId,
    pub topic: Arc<str>,
    /// `None`: the broker has no topic ids (before 2.8).
    pub topic_id: Option<TopicId>,
    pub cluster: Arc<str>,
    pub group: Arc<str>,
    /// The first generation.
    pub generation: Generation,
    pub start: BTreeMap<i32, Offset>,
}

/// What stands in one slot of the ledger (R3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    pub version: u32,
    pub ledger: LedgerId,
    pub topic: Arc<str>,
    pub topic_id: Option<TopicId>,
    pub partition: i32,
    pub generation: Generation,
    pub start: Offset,
    /// Where the next slot is; equals `start` in a seal only.
    pub end: Offset,
    /// Of the batch that ends at `start`, if the entry before is a batch (R4).
    pub receipt: Option<Receipt>,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The manifest of a batch.
    Batch(Batch),
    /// The position moved over markers, aborted or compacted records.
    Empty,
    /// Records were gone before they could be archived.
    Hole(Hole),
    /// The generation ends here (R11).
    Seal(Seal),
}

/// Everything that is needed to make a batch again (R4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub reason: CutReason,
    /// The batch's clock value, milliseconds since 1970.
    pub clock: i64,
    pub isolation: Isolation,
    /// Of the last record.
    pub leader_epoch: Option<i32>,
    /// Names the stored [`crate::shape::Shape`].
    pub config: ConfigHash,
    /// Version of the time zone data in use, such as `2025b`.
    pub time_zone_data: String,
    /// Of a registry: each id that a record names, sorted. Left out when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<NamedSchema>,
    pub records: u64,
    /// Sorted by key.
    pub files: Vec<FileEntry>,
}

/// One file of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative to the store's prefix.
    pub key: String,
    pub records: u64,
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// Smallest and largest Kafka timestamp in milliseconds, of the records that have one.
    pub timestamps: Option<[i64; 2]>,
    /// Smallest and largest event time in milliseconds, where the archive extracts one.
    pub event_times: Option<[i64; 2]>,
    /// Uncompressed.
    pub bytes: u64,
    pub records_digest: Digest,
    pub values_digest: Digest,
    pub dead_letters: bool,
    /// Where all rows are by one writer's schema, and the records name it. Left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<WriterSchema>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    pub reason: HoleReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoleReason {
    /// Retention overtook a chain that had no entry yet.
    Retention,
    /// The operator accepted the loss.
    AcceptedLoss,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    pub next: Next,
}

/// Where the next generation of a sealed chain begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Next {
    pub generation: Generation,
    pub topic_id: Option<TopicId>,
    pub start: Offset,
}

/// The files of a batch as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The batch's slot.
    pub start: Offset,
    /// Sorted by key; a file that a resolution calls absent is not listed.
    pub files: Vec<StoredFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    pub key: String,
    /// Bytes in the store.
    pub size: u64,
    /// As the store tells it, such as `etag:...`.
    pub checksum: String,
}

/// `resolutions/<start>.<n>.json`: what of a last batch can no longer be made whole (R12).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    pub version: u32,
    pub ledger: LedgerId,
    pub topic: Arc<str>,
    pub topic_id: Option<TopicId>,
    pub partition: i32,
    pub generation: Generation,
    pub start: Offset,
    /// From 1, counting up.
    pub n: u32,
    pub reason: ResolutionReason,
    pub files: Vec<ResolvedFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionReason {
    Compaction,
    Retention,
    TopicReplaced,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResolvedFile {
    pub key: String,
    #[serde(flatten)]
    pub outcome: ResolvedOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ResolvedOutcome {
    /// No file: none of its records is left.
    Absent,
    /// The file holds a subset of the records that the manifest counted.
    Subset { records: u64, records_digest: Digest, values_digest: Digest },
}

// === impl Entry ===

impl Entry {
    #[must_use]
    pub fn range(&self) -> OffsetRange {
        OffsetRange::new(self.start, self.end)
    }

    #[must_use]
    pub fn batch(&self) -> Option<&Batch> {
        match &self.kind {
            Kind::Batch(batch) => Some(batch),
            Kind::Empty | Kind::Hole(_) | Kind::Seal(_) => None,
        }
    }

    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: Arc::clone(&self.topic), partition: self.partition }
    }

    /// Same content: a retry of one's own, or another process that decided the very same. Receipts don't count (R4).
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        let without_receipt = |entry: &Self| Self { receipt: None, ..entry.clone() };
        without_receipt(self) == without_receipt(other)
    }
}

// === impl Genesis ===

impl Genesis {
    /// Where the partition's chain begins.
    #[must_use]
    pub fn start_of(&self, partition: i32) -> Offset {
        self.start.get(&partition).copied().unwrap_or(Offset::ZERO)
    }

    #[must_use]
    pub fn names(&self, partition: i32) -> bool {
        self.start.contains_key(&partition)
    }
}

// === impl Batch ===

impl Batch {
    #[must_use]
    pub fn file(&self, key: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.key == key)
    }
}

// === impl Resolution ===

impl Resolution {
    #[must_use]
    pub fn outcome(&self, key: &str) -> Option<&ResolvedOutcome> {
        self.files.iter().find(|file| file.key == key).map(|file| &file.outcome)
    }
}

// === impl Kind ===

impl Kind {
    /// The persisted word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Empty => "empty",
            Self::Hole(_) => "hole",
            Self::Seal(_) => "seal",
        }
    }
}

// === impl HoleReason ===

impl HoleReason {
    /// The persisted word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::AcceptedLoss => "accepted_loss",
        }
    }
}

// === impl ResolutionReason ===

impl ResolutionReason {
    /// The persisted word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compaction => "compaction",
            Self::Retention => "retention",
            Self::TopicReplaced => "topic_replaced",
        }
    }
}
