//! The rules clause by clause, and what shows that each is needed.
//!
//! A clause that carries the promise has a [`Sabotage`] switch that takes it away, and a run in `traces/` in which a
//! promise is broken with the switch and kept without it. A clause that only notices damage has a test that shows the
//! notice. The table in `docs/guarantee.md` is written from here (`SECOR_BLESS=1 cargo test -p secor-sim clauses`).

use std::fmt::Write as _;

use crate::model::sabotage::Sabotage;

/// One clause of the rules in ARCHITECTURE.md.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// `R1` to `R12`.
    pub rule: &'static str,
    /// In one sentence.
    pub says: &'static str,
    pub shown: Shown,
}

/// What shows that a clause is needed, or that damage is noticed.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// A kept trace, run by the test of the same name in `tests/clauses.rs`.
    Trace(Sabotage),
    /// A test in `tests/detections.rs`; with a switch, it needs more than a trace to tell.
    Test(&'static str, Option<Sabotage>),
}

use Shown::{Test, Trace};

const fn clause(rule: &'static str, says: &'static str, shown: Shown) -> Clause {
    Clause { rule, says, shown }
}

/// All of them, in the order of the rules.
pub const CLAUSES: &[Clause] = &[
    clause(
        "R1",
        "every entry carries the ledger's id, checked on every read",
        Test("an_entry_of_another_ledger_is_refused", None),
    ),
    clause(
        "R1",
        "every entry carries the topic's id, checked on every read",
        Test("an_entry_of_another_topic_id_is_refused", None),
    ),
    clause("R2", "whoever's genesis wins decides, the others adopt it", Trace(Sabotage::OwnGenesis)),
    clause("R2", "the genesis's topic id is asked before and after its offsets", Trace(Sabotage::GenesisIdOnce)),
    clause("R2", "a partition that the genesis does not name starts at offset 0", Trace(Sabotage::UnnamedAtEnd)),
    clause("R2", "another group or cluster than the recorded one is refused until accepted", Trace(Sabotage::AnyOwner)),
    clause("R2", "a genesis of another topic is refused", Test("a_genesis_of_another_topic_is_refused", None)),
    clause("R3", "an entry is created only if its slot is free, and never changed", Trace(Sabotage::OverwriteEntries)),
    clause("R3", "entries are never deleted and never expire", Trace(Sabotage::ExpireEntries)),
    clause("R3", "a SQL ledger keeps an acknowledged insert through a failover", Trace(Sabotage::LoseAcknowledged)),
    clause("R3", "an unknown kind or version is refused", Test("an_unknown_kind_or_version_is_refused", None)),
    clause(
        "R3",
        "an empty entry says that the position moved over markers, so their expiry is no loss",
        Test("a_tail_of_markers_is_recorded_before_it_expires", Some(Sabotage::SilentTails)),
    ),
    clause("R3", "the manifest exists before any of its files", Trace(Sabotage::FilesFirst)),
    clause("R3", "the topic id is asked afresh after the last record, before the entry", Trace(Sabotage::StaleTopicId)),
    clause(
        "R3",
        "topic ids tell a topic that was created again (brokers before 2.8 have none)",
        Trace(Sabotage::NoTopicIds),
    ),
    clause("R3", "leader epochs never go back within a batch", Trace(Sabotage::EpochsInBatch)),
    clause("R3", "no leader epoch is below the one of the entry before", Trace(Sabotage::EpochOfEntryBefore)),
    clause("R4", "the configuration is stored before the manifest that names it", Trace(Sabotage::ConfigLater)),
    clause("R4", "a batch is made again with the configuration of its manifest", Trace(Sabotage::OwnConfiguration)),
    clause("R4", "a batch is made again with the clock value of its manifest", Trace(Sabotage::OwnClock)),
    clause("R4", "a batch is read again with the isolation level of its manifest", Trace(Sabotage::OwnIsolation)),
    clause(
        "R4",
        "digests show that the log gives other records than were counted",
        Test("other_records_than_were_counted_are_refused", None),
    ),
    clause("R4", "a configuration that is missing is noticed", Test("a_missing_configuration_is_refused", None)),
    clause("R4", "every entry carries the receipt of the batch before it", Trace(Sabotage::NoReceipt)),
    clause("R5", "who finds the slot taken follows what stands there", Trace(Sabotage::IgnoreExists)),
    clause("R5", "what was staged for a lost slot is dropped", Trace(Sabotage::KeepDiscarded)),
    clause("R5", "an adopted batch ends where its manifest says", Trace(Sabotage::ReplayToLogEnd)),
    clause("R6", "a file holds all records that its manifest counts", Trace(Sabotage::TornFile)),
    clause("R6", "files are created if absent, never replaced", Trace(Sabotage::OverwriteFiles)),
    clause(
        "R6",
        "a file with another digest is refused, not overwritten",
        Test("a_file_with_another_content_is_refused", None),
    ),
    clause("R6", "resolutions are listed after the files were looked at", Trace(Sabotage::ResolutionsFirst)),
    clause("R7", "the offset is committed only when all files are settled", Trace(Sabotage::CommitEarly)),
    clause(
        "R8",
        "the next entry is created only when all files before it are settled",
        Trace(Sabotage::SuccessorEarly),
    ),
    clause(
        "R9",
        "the last batch is looked at, and made whole, before anything follows it",
        Trace(Sabotage::AssumeWhole),
    ),
    clause("R9", "an offset that is not our own commit proves nothing", Trace(Sabotage::TrustForeign)),
    clause("R9", "a commit of ours whose entry is missing is refused", Trace(Sabotage::ForgiveLostEntry)),
    clause(
        "R9",
        "a genesis that is missing beside entries or a commit is refused",
        Trace(Sabotage::ForgiveLostGenesis),
    ),
    clause("R9", "a commit of another ledger is refused", Test("a_commit_of_another_ledger_is_refused", None)),
    clause("R9", "the topic id is asked before the log range", Trace(Sabotage::LogBeforeTopicId)),
    clause("R10", "records that expired are never jumped over", Trace(Sabotage::JumpToStart)),
    clause("R10", "a position beyond the log end is refused", Test("a_position_beyond_the_log_end_is_refused", None)),
    clause("R10", "reading begins with the leader epoch of the record read last", Trace(Sabotage::NoEpochValidation)),
    clause("R10", "a manifest that reaches beyond the log end is refused", Trace(Sabotage::ReplayPastEnd)),
    clause("R10", "a replay that retention overtakes begins anew", Trace(Sabotage::JumpingReplay)),
    clause("R10", "loss is recorded only when a person accepts it", Trace(Sabotage::AlwaysConsent)),
    clause("R11", "a later generation is entered only through a seal", Trace(Sabotage::NoSeal)),
    clause("R11", "the seal is an entry that all see", Trace(Sabotage::PrivateSeal)),
    clause("R11", "whoever meets a seal follows it", Trace(Sabotage::HiddenSeals)),
    clause(
        "R11",
        "the topic id is asked again before a chain is sealed for another topic",
        Trace(Sabotage::StaleDoubt),
    ),
    clause("R12", "the resolution stands before the file that it explains", Trace(Sabotage::FileBeforeResolution)),
    clause("R12", "resolutions only add", Trace(Sabotage::OverwriteResolutions)),
    clause(
        "R12",
        "records written anew after an election are not taken for what compaction left",
        Test("a_rewritten_log_is_not_taken_for_a_compacted_one", None),
    ),
];

impl Clause {
    #[must_use]
    pub fn switch(&self) -> Option<Sabotage> {
        match self.shown {
            Shown::Trace(sabotage) => Some(sabotage),
            Shown::Test(_, sabotage) => sabotage,
        }
    }

    /// The name of the test that shows it.
    #[must_use]
    pub fn test(&self) -> String {
        match self.shown {
            Shown::Trace(sabotage) => snake_case(&format!("{sabotage:?}")),
            Shown::Test(name, _) => name.to_owned(),
        }
    }
}

/// The table of `docs/guarantee.md`.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| rule | clause | switch | test |\n|---|---|---|---|\n");
    for clause in CLAUSES {
        let switch = clause.switch().map_or_else(|| "detection".to_owned(), |switch| format!("`{switch:?}`"));
        let test = match clause.shown {
            Shown::Trace(sabotage) => {
                format!("[`{}`](../crates/sim/traces/{sabotage:?}.txt)", clause.test())
            }
            Shown::Test(name, _) => format!("[`{name}`](../crates/sim/tests/detections.rs)"),
        };
        writeln!(table, "| {} | {} | {switch} | {test} |", clause.rule, clause.says).expect("a string takes all");
    }
    table
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
