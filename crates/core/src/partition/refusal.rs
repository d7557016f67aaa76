//! Why a topic partition stops until a person, or time, mends it.

use std::fmt;

/// What, why and what to do: the code is the heading in `docs/operations.md`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    pub code: RefusalCode,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// Our own commit or entries exist, but what they build on does not.
    LedgerLostEntries,
    /// The ledger was moved, or is being moved, to where this process does not write.
    LedgerMoved,
    /// The committed offset belongs to another ledger.
    OtherLedger,
    /// The genesis names another consumer group.
    OtherGroup,
    /// The genesis names another Kafka cluster.
    OtherCluster,
    /// An entry is not what its slot demands, or of a kind or version that this program does not know.
    BadEntry,
    /// The topic was deleted and created again.
    TopicRecreated,
    /// The broker does not know the topic.
    TopicMissing,
    /// The topic's name would collide with the archive's own folders.
    TopicName,
    /// Retention removed records before they were archived.
    RecordsExpired,
    /// The archive is ahead of the log.
    LogTruncated,
    /// Records came with a lower leader epoch than records before them.
    EpochWentBack,
    /// A file exists with another content than the manifest says.
    FileConflict,
    /// The log does not give again what the manifest counted.
    ReplayDiffers,
    /// The configuration that a manifest names is missing or cannot be used by this program.
    ConfigMissing,
    /// The last batch was made with another `kafka.isolation` than the configuration names now.
    OtherIsolation,
    /// A bad record, and `bad_records = "fail"`.
    BadRecord,
    /// The broker's log holds a record that cannot be read: checksum or compression.
    Unreadable,
}

impl Refusal {
    #[must_use]
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl RefusalCode {
    pub const ALL: [Self; 18] = [
        Self::LedgerLostEntries,
        Self::LedgerMoved,
        Self::OtherLedger,
        Self::OtherGroup,
        Self::OtherCluster,
        Self::BadEntry,
        Self::TopicRecreated,
        Self::TopicMissing,
        Self::TopicName,
        Self::RecordsExpired,
        Self::LogTruncated,
        Self::EpochWentBack,
        Self::FileConflict,
        Self::ReplayDiffers,
        Self::ConfigMissing,
        Self::OtherIsolation,
        Self::BadRecord,
        Self::Unreadable,
    ];

    /// The word in logs, `/api/status` and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LedgerLostEntries => "ledger_lost_entries",
            Self::LedgerMoved => "ledger_moved",
            Self::OtherLedger => "other_ledger",
            Self::OtherGroup => "other_group",
            Self::OtherCluster => "other_cluster",
            Self::BadEntry => "bad_entry",
            Self::TopicRecreated => "topic_recreated",
            Self::TopicMissing => "topic_missing",
            Self::TopicName => "topic_name",
            Self::RecordsExpired => "records_expired",
            Self::LogTruncated => "log_truncated",
            Self::EpochWentBack => "epoch_went_back",
            Self::FileConflict => "file_conflict",
            Self::ReplayDiffers => "replay_differs",
            Self::ConfigMissing => "config_missing",
            Self::OtherIsolation => "other_isolation",
            Self::BadRecord => "bad_record",
            Self::Unreadable => "unreadable",
        }
    }

    /// One line: what a person can do.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::LedgerLostEntries => "restore what was deleted under `_secor/`; nothing there may expire",
            Self::LedgerMoved => {
                "start it with the configuration that `secor ledger move --to` was given; a move that was interrupted \
                 goes on when its command is given again"
            }
            Self::OtherLedger => {
                "give this archive a consumer group of its own, or point it at the ledger of this group"
            }
            Self::OtherGroup => "go on with the recorded group, or run `secor recover --accept-group`",
            Self::OtherCluster => {
                "check `kafka.brokers`; if the cluster really moved, run `secor recover --accept-cluster`"
            }
            Self::BadEntry => "run `secor verify`; a newer secor may have written here",
            Self::TopicRecreated => {
                "set `on_topic_recreated = \"new_generation\"` to seal the old topic and begin anew"
            }
            Self::TopicMissing => "create the topic, or take it out of `topics`",
            Self::TopicName => "take the topic out of `topics`, or choose another `layout`",
            Self::RecordsExpired => "run `secor recover --accept-loss` to record the hole and go on",
            Self::LogTruncated => {
                "the broker lost records that are archived: see the operations page before anything else"
            }
            Self::EpochWentBack => "an unclean leader election may have cut the log: see the operations page",
            Self::FileConflict => "something else wrote into the archive's folder: run `secor verify --deep`",
            Self::ReplayDiffers => "the log changed under the batch: see the operations page",
            Self::ConfigMissing => "restore `_secor/configs/`, or run the secor version that wrote the manifest",
            Self::OtherIsolation => "set `kafka.isolation` back until the batch is complete, then change it again",
            Self::BadRecord => "mend the producer, or set `bad_records = \"dead_letter\"`",
            Self::Unreadable => "look at the broker's disk; another replica may have the record",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
