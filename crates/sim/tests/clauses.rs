//! Every clause that carries the promise is needed: for each there is a kept trace, the shortest that was found, in
//! which something breaks without the clause and nothing with it. `just model-traces` looks for shorter ones.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use secor_sim::model::clauses::{CLAUSES, Shown, table};
use secor_sim::model::{Sabotage, Schedule, run, trace};

/// The words that a trace begins with, before what breaks.
const VIOLATION: &str = "# violation: ";

fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

fn shows(sabotage: Sabotage) {
    let text = std::fs::read_to_string(traces().join(format!("{sabotage:?}.txt"))).expect("a trace is kept");
    let expected = text.lines().find_map(|line| line.strip_prefix(VIOLATION)).expect("a trace says what breaks");
    let steps = trace::parse(&text).expect("every line is a step");
    let without = catch_unwind(AssertUnwindSafe(|| run(&Schedule { steps: steps.clone(), sabotage: Some(sabotage) })));
    let found = match without {
        Ok(Ok(summary)) => panic!("nothing breaks without the clause: {summary:?}"),
        Ok(Err(violation)) => violation.to_string(),
        Err(_) => "the machine panics".to_owned(),
    };
    assert_eq!(found, expected);
    run(&Schedule { steps, sabotage: None }).unwrap_or_else(|violation| panic!("with the clause: {violation}"));
}

/// A test for each kept trace.
macro_rules! shown {
    ($($name:ident: $sabotage:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            shows(Sabotage::$sabotage);
        })*

        const NAMES: &[(&str, Sabotage)] = &[$((stringify!($name), Sabotage::$sabotage)),*];
    };
}

shown! {
    own_genesis: OwnGenesis,
    genesis_id_once: GenesisIdOnce,
    unnamed_at_end: UnnamedAtEnd,
    any_owner: AnyOwner,
    overwrite_entries: OverwriteEntries,
    expire_entries: ExpireEntries,
    lose_acknowledged: LoseAcknowledged,
    files_first: FilesFirst,
    stale_topic_id: StaleTopicId,
    no_topic_ids: NoTopicIds,
    epochs_in_batch: EpochsInBatch,
    epoch_of_entry_before: EpochOfEntryBefore,
    config_later: ConfigLater,
    own_configuration: OwnConfiguration,
    own_clock: OwnClock,
    own_isolation: OwnIsolation,
    no_receipt: NoReceipt,
    ignore_exists: IgnoreExists,
    keep_discarded: KeepDiscarded,
    replay_to_log_end: ReplayToLogEnd,
    torn_file: TornFile,
    overwrite_files: OverwriteFiles,
    resolutions_first: ResolutionsFirst,
    commit_early: CommitEarly,
    successor_early: SuccessorEarly,
    assume_whole: AssumeWhole,
    trust_foreign: TrustForeign,
    forgive_lost_entry: ForgiveLostEntry,
    forgive_lost_genesis: ForgiveLostGenesis,
    log_before_topic_id: LogBeforeTopicId,
    jump_to_start: JumpToStart,
    no_epoch_validation: NoEpochValidation,
    replay_past_end: ReplayPastEnd,
    jumping_replay: JumpingReplay,
    always_consent: AlwaysConsent,
    no_seal: NoSeal,
    private_seal: PrivateSeal,
    hidden_seals: HiddenSeals,
    stale_doubt: StaleDoubt,
    file_before_resolution: FileBeforeResolution,
    overwrite_resolutions: OverwriteResolutions,
}

/// Every switch belongs to a clause, and every clause names a test that there is.
#[test]
fn clauses_switches_and_tests_are_the_same_list() {
    let detections = include_str!("detections.rs");
    for clause in CLAUSES {
        match clause.shown {
            Shown::Trace(sabotage) => assert!(NAMES.contains(&(clause.test().as_str(), sabotage)), "{clause:?}"),
            Shown::Test(name, _) => assert!(detections.contains(&format!("fn {name}()")), "{clause:?}"),
        }
    }
    let names =
        |switches: &mut dyn Iterator<Item = Sabotage>| switches.map(|s| format!("{s:?}")).collect::<BTreeSet<_>>();
    let of_clauses = names(&mut CLAUSES.iter().filter_map(|clause| clause.switch()));
    assert_eq!(of_clauses, names(&mut Sabotage::ALL.into_iter()));
    assert_eq!(CLAUSES.iter().filter(|clause| matches!(clause.shown, Shown::Trace(_))).count(), NAMES.len());
}

/// `SECOR_BLESS=1` writes it anew.
#[test]
fn the_page_shows_the_clauses() {
    const BEGIN: &str = "<!-- clauses -->\n";
    const END: &str = "<!-- /clauses -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guarantee.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the clauses");
    let (_, after) = rest.split_once(END).expect("the place for the clauses has an end");
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("SECOR_BLESS").is_some() {
        return std::fs::write(&path, &expected).expect("the page can be written");
    }
    assert!(page == expected, "docs/guarantee.md is not what the code says: run with SECOR_BLESS=1");
}
