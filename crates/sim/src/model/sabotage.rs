//! Rules that can be taken away, one at a time, so that a test can show that the oracle would notice.

/// See the variants; each names what is broken and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// World: an entry replaces what stands in its slot, instead of create-if-absent (R3).
    OverwriteEntries,
    /// Executor: a taken slot is reported as created (R5).
    IgnoreExists,
    /// Executor: files are reported as stored without being uploaded, so the commit comes early (R7).
    CommitEarly,
    /// Executor: a foreign offset is handed to the machine as a commit of our own (R9).
    TrustForeign,
    /// Executor: a process goes on with its own genesis, whoever won (R2).
    OwnGenesis,
    /// Executor: a seal is not stored; only the process that made it believes in it (R11).
    PrivateSeal,
    /// Executor: the topic id is answered from the assignment's facts, not asked afresh (R3).
    StaleTopicId,
    /// Executor: the first look asks for the log before it asks for the topic id.
    LogBeforeTopicId,
    /// Executor: an inspection lists the resolutions before it looks at the files.
    ResolutionsFirst,
    /// Executor: a replay that retention overtakes jumps to the log start and tells nobody.
    JumpingReplay,
    /// Executor: a replay makes the files as the process is configured now, not as the manifest says (R4).
    OwnConfiguration,
    /// Executor: what a discarded batch held stays in the next one.
    KeepDiscarded,
    /// World: a file is stored without its last record.
    TornFile,
}

impl Sabotage {
    pub const ALL: [Self; 13] = [
        Self::OverwriteEntries,
        Self::IgnoreExists,
        Self::CommitEarly,
        Self::TrustForeign,
        Self::OwnGenesis,
        Self::PrivateSeal,
        Self::StaleTopicId,
        Self::LogBeforeTopicId,
        Self::ResolutionsFirst,
        Self::JumpingReplay,
        Self::OwnConfiguration,
        Self::KeepDiscarded,
        Self::TornFile,
    ];
}
