//! What happens when the executor, the encoders or the stores do not keep their part of the bargain.
//!
//! The [model](crate::model) takes clauses of the protocol away; here go the things that it cannot see: bytes, clocks,
//! slices, retries, listings. Each switch must be caught by an oracle within a bounded number of seeds, else the
//! simulator proves nothing about it.

macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One thing done wrongly, in the simulator's executor or world, never in the machine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sabotage { $($(#[$doc])* $name,)* }

        impl Sabotage {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As the command line names it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

sabotages! {
    /// Of two records of a block, one process writes the second first, as a map without order would.
    EncoderOrder = "encoder-order",
    /// A value that is stored differs from process to process.
    EncoderBytes = "encoder-bytes",
    /// Bad records are dropped, not sent to the dead letters.
    DropBadRecords = "drop-bad-records",
    /// What a replay gives is reported with the manifest's digests, not its own.
    ReplayDigestUnchecked = "replay-digest-unchecked",
    /// A replay takes the time of day where the manifest has the batch's clock value.
    ReplayOwnClock = "replay-own-clock",
    /// A replay takes its own configuration where the manifest names one.
    ReplayOwnShape = "replay-own-shape",
    /// A replay reads records of aborted transactions too.
    ReplayUncommitted = "replay-uncommitted",
    /// A manifest is created although what it names in `configs/` was never stored.
    ConfigNotStored = "config-not-stored",
    /// A conflict of the store means that another process has written the file.
    ConflictIsSuccess = "conflict-is-success",
    /// A file whose answer was lost is uploaded again under another name.
    RetryUnderAnotherName = "retry-under-another-name",
    /// Files are reported as uploaded when they have only been sent.
    CommitBeforeFiles = "commit-before-files",
    /// A slot that is taken counts as won, because the request did not fail.
    EntryExistsIsSuccess = "entry-exists-is-success",
    /// Answers to an epoch that is over are given to the next one.
    StaleEpochAnswers = "stale-epoch-answers",
    /// Records of an earlier fetch are taken in.
    StaleFetch = "stale-fetch",
    /// Records before the position are taken in again.
    TakeEarlierRecords = "take-earlier-records",
    /// What is left of a slice at a cut is dropped.
    DropRestOfSlice = "drop-rest-of-slice",
    /// The position moves to the end of the log, not to the last stable offset.
    PositionFromHighWatermark = "position-from-high-watermark",
    /// A replay that retention overtakes jumps to where the log begins now.
    ReplayJumps = "replay-jumps",
    /// The topic id is asked once and remembered.
    TopicIdRemembered = "topic-id-remembered",
    /// The ledger's own id is the one that this process drew, whoever created `ledger.json`.
    OwnLedgerId = "own-ledger-id",
    /// The store that decides nothing is the arbiter of the ledger.
    EventualArbiter = "eventual-arbiter",
    /// The commit names the start of the next batch, not of its own.
    CommitNamesWrongSlot = "commit-names-wrong-slot",
    /// Files of a batch are named after the offset of the first record, not after the start of the batch.
    NamedByFirstRecord = "named-by-first-record",
}

impl Sabotage {
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|sabotage| sabotage.word() == word)
    }
}
