//! What the machine is told and what it says: the contract between it and its executor.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::refusal::Refusal;
use crate::flush::{Accumulated, CutReason, FlushPolicy};
use crate::ids::{Digest, Generation, LedgerId, Offset, OffsetRange, TopicId, TopicPartition};
use crate::manifest::{Accepted, Batch, CommitMetadata, CommitOrigin, Entry, Genesis, Isolation, Resolution};

/// What does not change during an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    pub ledger: LedgerId,
    pub topic_partition: TopicPartition,
    pub group: Arc<str>,
    pub cluster: Arc<str>,
    /// The configured generation; the effective one is the larger of this and the ledger's (R11).
    pub generation: Generation,
    pub flush: FlushPolicy,
    pub on_topic_recreated: OnTopicRecreated,
    /// A batch smaller than this is dropped at revocation, not cut.
    pub revoke_flush_bytes_min: u64,
    /// Release the topic partition once the position has reached this offset.
    pub until: Option<Offset>,
    pub errand: Errand,
    /// How long a refused topic partition waits before it looks again, in milliseconds.
    pub retry_refused_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnTopicRecreated {
    Refuse,
    NewGeneration,
}

/// What this epoch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    Archive,
    /// Make the last batch whole and stop at the head; with `accept_loss`, record what is lost for ever (R10, R12).
    Recover {
        accept_loss: bool,
    },
}

/// Numbers the questions of one epoch. Only whether two numbers are the same matters, so they are left out of hashes: a
/// search through the states of machines then takes for one what differs in how many questions came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskId(pub u64);

impl Hash for AskId {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The topic partition is ours: the first event of an epoch.
    Assigned,
    Answer(AskId, Answer),
    /// The open batch reaches up to `position` now. With `full` the worker takes no more records until the cut.
    Progress {
        position: Offset,
        accumulated: Accumulated,
        full: Option<CutReason>,
    },
    /// The answer to [`Action::CloseBatch`], before anything else.
    Closed(Draft),
    /// The broker says that the position, of the open batch or of a replay, is outside its log; or that its log ends
    /// within a batch that is read again, although it did not before (R10).
    OutOfRange(LogRange),
    /// The worker cannot go on (a bad record under `bad_records = "fail"`, an error of the log).
    Refuse(Refusal),
    /// Cut the open batch when it holds a record: memory, disk, open writers, an admin's request.
    Cut(CutReason),
    /// Revocation or shutdown: flush what is worth it, then release. The worker takes no more records.
    Leave(CutReason),
    /// The topic partition is not ours any more, or a deadline has passed: drop everything.
    Lost,
    /// The clock went on.
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Find out, or do, and report with [`Event::Answer`]. Repeated by the executor until there is an answer.
    Ask(AskId, Ask),
    /// Fetch from here into a new, empty open batch. With `behind`, begin there and with its leader epoch
    /// ([`Behind::before`]): a log that was truncated is noticed by the broker, or by a record that stands before
    /// `from`, where the ledger passed over none. Either is [`Event::Refuse`] (R10).
    Consume {
        from: Offset,
        behind: Option<Behind>,
    },
    /// Close the writers of the open batch, whose first offset is `start`; report [`Event::Closed`] at once and
    /// go on with the next batch.
    CloseBatch {
        start: Offset,
        reason: CutReason,
    },
    /// Drop all that is staged, open or closed, and fetch nothing.
    Discard,
    /// Commit, without waiting (R7).
    Commit {
        offset: Offset,
        leader_epoch: Option<i32>,
        metadata: CommitMetadata,
    },
    /// The epoch is over; the last action.
    Release,
    Report(Note),
}

/// The last record that the ledger has of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Behind {
    /// The offset right behind it.
    pub position: Offset,
    pub leader_epoch: i32,
}

/// Worth a log line and a metric; nothing depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    Refused(Refusal),
    /// Somebody else committed this offset in our group; the ledger was searched instead.
    ForeignCommit {
        offset: Offset,
    },
    /// A batch of another process, or of an earlier life, is followed.
    Adopted {
        range: OffsetRange,
    },
    /// A batch is complete.
    Complete {
        range: OffsetRange,
        records: u64,
        reason: CutReason,
        replayed: bool,
    },
    Empty {
        range: OffsetRange,
    },
    Hole {
        range: OffsetRange,
    },
    Sealed {
        generation: Generation,
        next: Generation,
    },
    Resolved {
        start: Offset,
    },
    /// Records are fetched from here.
    Consuming {
        from: Offset,
    },
}

/// A question to the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// [`Answer::Facts`]. The topic id is asked before the log range: else the range may be that of a topic that was
    /// deleted meanwhile, and what it lacks would be recorded as lost.
    LookUp,
    /// Create the topic's genesis for all its partitions (R2); [`Answer::Genesis`] with the one that won. Where the
    /// topic's folder holds entries, of whatever generation or partition, and still no genesis, the ledger lost it:
    /// [`Answer::Refuse`].
    Genesis,
    /// The last entry of a generation: [`Answer::Entry`].
    Head { generation: Generation },
    /// [`Answer::Entry`].
    Entry { generation: Generation, start: Offset },
    /// The topic's id now, from the broker and not from a cache: [`Answer::TopicId`]; no such topic:
    /// [`Answer::Refuse`].
    TopicId,
    /// Create if absent: [`Answer::Created`] or [`Answer::Exists`]. What it names in `configs/` is stored before.
    Create(Box<Entry>),
    /// The files of a batch in the store, and its resolutions: [`Answer::Inspected`]. The files first: a resolution
    /// stands before any file that it explains, so those that are listed later explain all.
    Inspect(Box<Entry>),
    /// Create the named files of the batch, staged under its start, if absent: [`Answer::Inspected`] without
    /// resolutions. What was staged is dropped then.
    Upload { entry: Box<Entry>, keys: Vec<String> },
    /// Read the batch's range again and stage the named files: [`Answer::Replayed`] (R5).
    Replay { entry: Box<Entry>, keys: Vec<String> },
    /// Create if absent: [`Answer::Created`], or [`Answer::Taken`] when the number is in use.
    Resolve(Box<Resolution>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Facts(Box<Facts>),
    Genesis(Box<Genesis>),
    Entry(Option<Box<Entry>>),
    TopicId(Option<TopicId>),
    Created,
    Exists(Box<Entry>),
    Taken,
    Inspected(Inspection),
    Replayed(Replay),
    /// The world holds something that only a person can mend.
    Refuse(Refusal),
}

/// What an assignment begins with (R9).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// `None`: the broker has no topic ids.
    pub topic_id: Option<TopicId>,
    pub genesis: Option<Genesis>,
    pub accepted: Vec<Accepted>,
    pub committed: Option<Committed>,
    pub log: LogRange,
}

/// The group's register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Committed {
    pub offset: Offset,
    pub origin: CommitOrigin,
}

/// The offsets that the broker has; `end` is the last stable offset under `read_committed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogRange {
    pub start: Offset,
    pub end: Offset,
}

/// A closed batch: everything of its manifest that the machine does not know itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draft {
    pub range: OffsetRange,
    pub batch: Batch,
    /// Smallest leader epoch of its records.
    pub leader_epoch_min: Option<i32>,
    /// A record had a lower leader epoch than a record before it.
    pub leader_epoch_went_back: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inspection {
    /// One for each file that was asked about.
    pub files: Vec<FileState>,
    pub resolutions: Vec<Resolution>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileState {
    pub key: String,
    /// `None`: there is no such file.
    pub stored: Option<Stored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub size: u64,
    pub checksum: String,
    pub records_digest: Digest,
}

/// What reading a batch again gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replay {
    /// Asked before the first record was read. A batch that reaches beyond its end is not read, and offsets below its
    /// start are passed over; when retention overtakes the position later, that is [`Event::OutOfRange`] and never a
    /// jump, so that what retention took is not mistaken for compaction.
    pub log: LogRange,
    /// Asked after the last record was read.
    pub topic_id: Option<TopicId>,
    /// The largest leader epoch of the records that were read. Above the manifest's, the log was truncated and written
    /// anew after the batch was cut.
    pub leader_epoch_max: Option<i32>,
    /// One for each key that was asked for; without records nothing is staged for it.
    pub files: Vec<Rebuilt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rebuilt {
    pub key: String,
    pub records: u64,
    pub records_digest: Digest,
    pub values_digest: Digest,
}

// === impl Behind ===

impl Behind {
    /// The position to begin at and its leader epoch, for a reader that wants `from`. Who reads uncommitted may find
    /// aborted records between the two, which others passed over.
    #[must_use]
    pub fn before(self, from: Offset, isolation: Isolation) -> Option<(Offset, i32)> {
        let comparable = self.position == from || isolation == Isolation::ReadCommitted;
        comparable.then_some((self.position, self.leader_epoch))
    }

    /// None where records have no leader epochs.
    pub(super) fn of(batch: &Batch) -> Option<Self> {
        let last = batch.files.iter().map(|file| file.last_offset).max()?;
        Some(Self { position: last.next(), leader_epoch: batch.leader_epoch? })
    }
}
