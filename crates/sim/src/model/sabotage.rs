//! Rules that can be taken away, one at a time, so that a test can show that the oracle would notice.
//!
//! Every switch is in the world or in the executor; the machine is always the one of the product. A rule that the
//! machine keeps is taken away by lying to it: who is told that a foreign commit is our own acts as a machine without
//! that rule would. Which clause each switch stands for, and the shortest run that shows it, is in
//! [`clauses`](crate::model::clauses).

/// See the variants; each names what is broken and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// Executor: a process goes on with its own genesis, whoever won (R2).
    OwnGenesis,
    /// Executor: a genesis is made from offsets that are asked before the topic id, and the id is not asked twice (R2).
    GenesisIdOnce,
    /// Executor: a partition that the genesis does not name begins where its log ends when it is first seen (R2).
    UnnamedAtEnd,
    /// Executor: the genesis seems to name whoever reads it (R2).
    AnyOwner,

    /// World: an entry replaces what stands in its slot, instead of create-if-absent (R3).
    OverwriteEntries,
    /// World: as time goes on, the last entry of the ledger expires (R3).
    ExpireEntries,
    /// World: a failover of the ledger's database loses the last insert, although it was acknowledged (R3, section 5).
    LoseAcknowledged,
    /// Executor: nobody records that the position moved over markers, aborted or compacted records (R3).
    SilentTails,
    /// Executor: files are uploaded when the batch is cut, before its manifest exists (R3).
    FilesFirst,
    /// Executor: the topic id is answered from the assignment's facts, not asked afresh, before an entry (R3).
    StaleTopicId,
    /// World: the broker has no topic ids, as before Kafka 2.8 (R3).
    NoTopicIds,
    /// Executor: that leader epochs go back within a batch is not reported (R3).
    EpochsInBatch,
    /// Executor: leader epochs below the one of the entry before are not reported (R3).
    EpochOfEntryBefore,

    /// Executor: the configuration is stored after the manifest that names it (R4).
    ConfigLater,
    /// Executor: a replay makes the files as the process is configured now, not as the manifest says (R4).
    OwnConfiguration,
    /// Executor: a replay takes its own clock for the batch's (R4).
    OwnClock,
    /// Executor: a replay reads with the configured isolation level, not with the manifest's (R4).
    OwnIsolation,
    /// Executor: entries are stored without the receipt of the batch before (R4).
    NoReceipt,

    /// Executor: a taken slot is reported as created (R5).
    IgnoreExists,
    /// Executor: what a discarded batch held stays in the next one (R5, R10).
    KeepDiscarded,
    /// Executor: a replay goes on to the log end and puts what it reads into the batch's files (R5).
    ReplayToLogEnd,

    /// World: a file is stored without its last record (R6).
    TornFile,
    /// World: an upload replaces the file that stands there (R6).
    OverwriteFiles,
    /// Executor: an inspection lists the resolutions before it looks at the files (R6).
    ResolutionsFirst,

    /// Executor: the offset is committed when the manifest stands, before the files (R7).
    CommitEarly,
    /// Executor: files are reported as stored without being uploaded; the commit waits for them (R8).
    SuccessorEarly,
    /// Executor: the last batch of the ledger is reported as whole without being looked at (R8, R9).
    AssumeWhole,

    /// Executor: a foreign offset is handed to the machine as a commit of our own (R9).
    TrustForeign,
    /// Executor: a commit of our own whose entry is missing is taken for a foreign one (R9).
    ForgiveLostEntry,
    /// Executor: a genesis that is missing beside entries or commits is made anew (R9).
    ForgiveLostGenesis,
    /// Executor: the first look asks for the log before it asks for the topic id (R9).
    LogBeforeTopicId,

    /// Executor: where retention has overtaken the position, reading goes on at the log start (R10).
    JumpToStart,
    /// Executor: reading begins without the leader epoch of what was read before (R10).
    NoEpochValidation,
    /// Executor: a replay reports a log that reaches to the batch's end (R10).
    ReplayPastEnd,
    /// Executor: a replay that retention overtakes jumps to the log start and tells nobody (R10, R12).
    JumpingReplay,
    /// Executor: what expired is given up without a person's consent (R10, R12).
    AlwaysConsent,

    /// Executor: a later generation begins at the head with a genesis of its own, without a seal (R11).
    NoSeal,
    /// Executor: a seal is not stored; only the process that made it believes in it (R11).
    PrivateSeal,
    /// Executor: nobody sees the seals of others (R11).
    HiddenSeals,
    /// Executor: the topic id is not asked again before a chain is sealed or its batch resolved (R11).
    StaleDoubt,

    /// Executor: a file that a resolution is to explain is uploaded before the resolution (R12).
    FileBeforeResolution,
    /// World: a resolution replaces the one of its number (R12).
    OverwriteResolutions,
}

impl Sabotage {
    pub const ALL: [Self; 42] = [
        Self::OwnGenesis,
        Self::GenesisIdOnce,
        Self::UnnamedAtEnd,
        Self::AnyOwner,
        Self::OverwriteEntries,
        Self::ExpireEntries,
        Self::LoseAcknowledged,
        Self::SilentTails,
        Self::FilesFirst,
        Self::StaleTopicId,
        Self::NoTopicIds,
        Self::EpochsInBatch,
        Self::EpochOfEntryBefore,
        Self::ConfigLater,
        Self::OwnConfiguration,
        Self::OwnClock,
        Self::OwnIsolation,
        Self::NoReceipt,
        Self::IgnoreExists,
        Self::KeepDiscarded,
        Self::ReplayToLogEnd,
        Self::TornFile,
        Self::OverwriteFiles,
        Self::ResolutionsFirst,
        Self::CommitEarly,
        Self::SuccessorEarly,
        Self::AssumeWhole,
        Self::TrustForeign,
        Self::ForgiveLostEntry,
        Self::ForgiveLostGenesis,
        Self::LogBeforeTopicId,
        Self::JumpToStart,
        Self::NoEpochValidation,
        Self::ReplayPastEnd,
        Self::JumpingReplay,
        Self::AlwaysConsent,
        Self::NoSeal,
        Self::PrivateSeal,
        Self::HiddenSeals,
        Self::StaleDoubt,
        Self::FileBeforeResolution,
        Self::OverwriteResolutions,
    ];
}
