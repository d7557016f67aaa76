//! Records become files: a fixed pool of threads, each the owner of the topic partitions bound to it.
//!
//! A worker thread holds, for each of its topic partitions, a [`lane`]: the partition machine (which decides) and the
//! open batch (which grows). It does CPU work only, and writes to the staging folder; everything that waits (ledger,
//! store, Kafka's answers) is asked of the [`Outside`] and comes back as a [`Message`].
//!
//! The bound on the messages in a queue is one of bytes: the consumer stops taking records while [`budget`] says so.
//! Deliberately absent: async, locks on the path of records, and decisions about the protocol.

pub mod budget;
pub mod staging;
mod writers;
mod batch;
mod lane;
mod thread;

use std::sync::Arc;

use secor_core::flush::CutReason;
use secor_core::ids::{Offset, SchemaHash, TopicPartition};
use secor_core::manifest::{CommitMetadata, Entry, RegisteredSchema};
use secor_core::partition::{Answer, Ask, AskId, LogRange, Note, Refusal, Replay, Settings, Status};

use tokio::sync::Semaphore;

use crate::kafka::Slice;

pub use batch::{Closed, ClosedFile, Recipe};
pub use thread::Pool;

/// One grant of a topic partition to this process; numbers the grants of the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Whom an answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub topic_partition: TopicPartition,
    pub epoch: Epoch,
}

/// What a worker is told. What is for a topic partition or an epoch that is not the worker's is ignored; records and
/// positions carry no epoch, because they count only behind a [`Message::Fetching`] that does.
#[derive(Debug)]
pub enum Message {
    Assign(Box<Assignment>),
    Records(Fetched),
    /// The position has moved to here without records.
    Position {
        topic_partition: TopicPartition,
        position: Offset,
    },
    OutOfRange {
        to: Address,
        log: LogRange,
    },
    /// What follows was fetched on behalf of this number; see [`Outside::fetch`].
    Fetching {
        to: Address,
        fetch: FetchId,
    },
    Answer {
        to: Address,
        id: AskId,
        answer: Answer,
    },
    /// The answer to [`Outside::prepare_replay`].
    Replay {
        to: Address,
        id: AskId,
        plan: Box<ReplayPlan>,
    },
    /// The answer to [`Outside::schema`].
    Schema {
        to: Address,
        schema: LookedUp,
    },
    Refuse {
        to: Address,
        refusal: Refusal,
    },
    Cut {
        topic_partition: Option<TopicPartition>,
        reason: CutReason,
    },
    Leave {
        to: Address,
        reason: CutReason,
    },
    Lost {
        to: Address,
    },
}

/// Records on their way to an encoder, and the memory that they hold.
#[derive(Debug)]
pub struct Fetched {
    pub slice: Slice,
    pub share: budget::Share,
}

/// What a registry has under an id.
#[derive(Clone, Debug)]
pub struct LookedUp {
    pub id: u32,
    /// Stored beside the ledger under the hash; `None`: the registry has no such schema.
    pub schema: Option<(SchemaHash, Arc<RegisteredSchema>)>,
}

/// A topic partition and what to do with it.
#[derive(Debug)]
pub struct Assignment {
    pub epoch: Epoch,
    pub settings: Settings,
    pub recipe: Recipe,
}

/// Numbers the fetch positions of an epoch: records of an older one are not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u64);

/// What a batch that is made again is made with.
#[derive(Debug)]
pub struct ReplayPlan {
    /// It knows the schemas of the manifest.
    pub recipe: Recipe,
    pub entry: Box<Entry>,
    pub keys: Vec<String>,
    pub log: LogRange,
    pub turn: ReplayTurn,
}

/// The right to stage a batch that is made again: one at a time, because it cannot be cut. It goes with the staged
/// files until they are uploaded or dropped.
#[derive(Debug)]
pub struct ReplayTurn {
    _permit: tokio::sync::OwnedSemaphorePermit,
    _share: budget::Share,
}

/// How a topic partition is to be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// From here; announced with [`Message::Fetching`] before the first record.
    From {
        id: FetchId,
        offset: Offset,
        leader_epoch: Option<i32>,
    },
    /// Nothing for a while, without losing the place.
    Pause,
    Resume,
    /// Nothing any more.
    Stop,
}

/// Everything that waits. No call blocks.
pub trait Outside: Send + Sync + 'static {
    /// Answered with [`Message::Answer`], unless the epoch ends first. `Replay` never comes here.
    fn ask(&self, from: &Address, id: AskId, ask: Ask, staged: Closed);
    /// Asks the registry, and stores what it gives; answered with [`Message::Schema`], unless the epoch ends first.
    fn schema(&self, from: &Address, id: u32);
    /// Collects what a replay needs; answered with [`Message::Replay`], or with [`Message::Answer`] when it cannot be
    /// done at all.
    fn prepare_replay(&self, from: &Address, id: AskId, entry: Box<Entry>, keys: Vec<String>);
    /// Adds the topic id to what was read again, and answers.
    fn finish_replay(&self, from: &Address, id: AskId, replay: Replay);
    fn commit(&self, from: &Address, offset: Offset, leader_epoch: Option<i32>, metadata: CommitMetadata);
    /// Of an epoch that is over, nothing is done.
    fn fetch(&self, from: &Address, fetch: Fetch);
    /// The epoch is over; nothing more comes for it.
    fn released(&self, from: &Address);
    fn note(&self, topic_partition: &TopicPartition, note: Note);
    /// Counts, and keeps for `/api/status`; once per slice at most.
    fn progress(&self, topic_partition: &TopicPartition, progress: &Progress);
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// What has become of a slice, or of a tick.
#[derive(Clone, Debug)]
pub struct Progress {
    pub status: Status,
    /// Records wait for the registry to say what this id is.
    pub awaited_schema: Option<u32>,
    pub records: u64,
    pub bytes: u64,
    pub bad_records: u64,
}

// === impl ReplayTurn ===

impl ReplayTurn {
    /// Waits until no other replay is staged.
    pub async fn take(turns: Arc<Semaphore>, budget: &Arc<budget::Budget>) -> Self {
        let permit = turns.acquire_owned().await.expect("the semaphore is never closed");
        let mut share = budget.share(budget::Resource::Replays);
        share.set(1);
        Self { _permit: permit, _share: share }
    }
}
