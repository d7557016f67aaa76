//! Which faults and which paths a run has really met. A simulator that never reaches a path proves nothing about it.

use std::fmt;

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// Something that runs should meet from time to time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Path { $($(#[$doc])* $name,)* }

        impl Path {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

paths! {
    // --- the protocol
    BatchCompleted = "batches completed",
    /// The last batch of a chain was found and looked at.
    Adopted = "batches adopted",
    Replayed = "batches made whole by a replay",
    Resolved = "resolutions",
    Sealed = "seals",
    Hole = "holes recorded",
    Empty = "empty entries",
    /// An entry met another content in its slot.
    LostSlot = "slots lost to another process",
    DeadLetterFile = "dead-letter files",
    FanOut = "batches of several files",
    OwnCommitRead = "own commits read at an assignment",
    ForeignCommitSeen = "foreign commits distrusted",
    RefusedAndRecovered = "refusals that ended",
    LossAccepted = "losses accepted by an operator",
    SecondShape = "batches made with another shape than the one before",
    UntilEnd = "runs up to the log end that came to it",
    // --- processes and the group
    Crash = "crashes",
    Stall = "stalls",
    Isolated = "processes cut off from the coordinator",
    GracefulStop = "graceful stops",
    Revoked = "revocations",
    LostMembership = "memberships lost",
    RevokeTimedOut = "revocations that ran out of time",
    Ungrouped = "processes that own everything without a group",
    SessionExpired = "sessions expired",
    StaticReturn = "static members that returned in time",
    StaleCommitAccepted = "commits of another member than the owner, accepted",
    CommitRejected = "commits rejected",
    CommitRepeated = "commits repeated later",
    CommitLost = "commits lost",
    ForeignCommit = "foreign commits",
    OffsetsDeleted = "offsets deleted",
    // --- the store
    RequestLost = "requests lost",
    ErrorBefore = "errors before applying",
    ErrorAfter = "errors after applying",
    OwnWriteExists = "own writes reported as existing",
    ConflictWithoutObject = "conflicts although nothing was stored",
    LateWrite = "writes that landed after their caller had given up",
    WriteOfTheDead = "writes that landed after their process had died",
    SlowRequest = "requests slower than the time-out",
    Outage = "requests during an outage",
    StaleRead = "reads that missed a write that had landed",
    SecondPut = "objects put a second time where the last writer wins",
    // --- the log
    Aborted = "transactions aborted",
    OpenTransaction = "fetches that ended at an open transaction",
    Compacted = "records compacted away",
    Expired = "records expired",
    ReplayOvertaken = "replays overtaken by retention",
    Truncated = "records truncated",
    Recreated = "topics created again",
    EarlierRecords = "slices that repeated records",
    OldSlice = "slices of an earlier fetch",
    OutOfRange = "positions out of range",
    TruncationSeen = "truncations noticed by a fetch",
}

/// How often each was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage(Vec<u64>);

// === impl Coverage ===

impl Coverage {
    #[must_use]
    pub fn new() -> Self {
        Self(vec![0; Path::ALL.len()])
    }

    pub fn met(&mut self, path: Path) {
        self.0[path as usize] += 1;
    }

    #[must_use]
    pub fn of(&self, path: Path) -> u64 {
        self.0[path as usize]
    }

    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Paths that were never met.
    #[must_use]
    pub fn missed(&self) -> Vec<Path> {
        Path::ALL.iter().copied().filter(|path| self.of(*path) == 0).collect()
    }
}

impl Default for Coverage {
    fn default() -> Self {
        Self::new()
    }
}

/// A table, one path a line.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in Path::ALL {
            writeln!(f, "{:>12}  {}", self.of(*path), path.word())?;
        }
        Ok(())
    }
}
