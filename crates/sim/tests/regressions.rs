//! Schedules that once broke a promise, or that somebody feared would, each under the name of what was wrong.

use secor_core::partition::{OnTopicRecreated, RefusalCode};
use secor_sim::model::draft::Layout;
use secor_sim::model::process::Config;
use secor_sim::model::schedule::Summary;
use secor_sim::model::{Sabotage, Schedule, Step, run, trace};

fn config() -> Config {
    let layout = Layout { partitions: 1, extension: "", clocked: false };
    Config { on_topic_recreated: OnTopicRecreated::NewGeneration, layout, ..Config::plain() }
}

/// A slow process asked for the log range before the topic was created again, and for the topic id after it: the new
/// topic seemed to begin at offset 1, and its first record was recorded as lost.
#[test]
fn a_log_range_of_a_deleted_topic() {
    let steps = vec![
        Step::Produce(1),
        Step::Start(0, config()),
        Step::Turn(0, 60),
        Step::Retain(1),
        Step::Start(1, config()),
        Step::Turn(1, 2),
        Step::Recreate,
        Step::Crash(0),
        Step::Start(0, config()),
        Step::Turn(0, 60),
        Step::Produce(1),
        Step::Turn(1, 60),
    ];
    let sabotage = Some(Sabotage::LogBeforeTopicId);
    let violation = run(&Schedule { steps: steps.clone(), sabotage }).expect_err("the order of the look matters");
    assert_eq!(violation.to_string(), "after step 11: the hole 0..1 covers the record 0");
    run(&Schedule { steps, sabotage: None }).expect("the right order keeps the record");
}

/// A slow process believed in the old topic id after another one had sealed for the new topic and archived from it: it
/// sealed back to the old id, and the next process archived the new topic once more.
#[test]
fn a_seal_on_facts_that_are_older_than_the_chain() {
    let steps = vec![
        Step::Produce(2),
        Step::Start(0, config()),
        Step::Turn(0, 60),
        Step::Start(1, config()),
        // it has the facts, and goes on much later
        Step::Turn(1, 4),
        Step::Recreate,
        Step::Produce(3),
        Step::Crash(0),
        Step::Start(0, config()),
        Step::Turn(0, 60),
        Step::Fetch(0, 3),
        Step::Turn(0, 60),
        Step::Turn(1, 200),
        Step::Fetch(1, 3),
        Step::Turn(1, 60),
    ];
    let summary = run(&Schedule { steps, sabotage: None }).expect("the slow process looks up again");
    assert_eq!(summary.generations, 2, "{summary:?}");
}

/// A process that wanted to leave at offset 4 lost its slot to a shorter batch and left, although the rest of the log was
/// archived by nobody.
#[test]
fn leaving_at_the_log_end_without_having_reached_it() {
    let until_end = Config { until_end: true, records_max: 4, ..config() };
    let steps = vec![
        Step::Produce(4),
        Step::Start(0, until_end),
        Step::Start(1, Config { records_max: 2, ..config() }),
        Step::Turn(0, 60),
        Step::Fetch(0, 4),
        Step::Turn(1, 60),
        Step::Fetch(1, 2),
        Step::Turn(1, 60),
        Step::Turn(0, 60),
        Step::Fetch(0, 4),
        Step::Turn(0, 60),
    ];
    let summary = run(&Schedule { steps, sabotage: None }).expect("it goes on behind the shorter batch");
    assert_eq!(summary.entries, 2, "{summary:?}");
}

fn comes_to(steps: &str) -> Summary {
    let steps = trace::parse(steps).expect("every line is a step");
    run(&Schedule { steps, sabotage: None }).unwrap_or_else(|violation| panic!("{violation}"))
}

/// A batch ended behind a marker of a later leader epoch. With the epoch of its last record the broker called the
/// position truncated, and the partition was refused for ever.
#[test]
fn a_marker_behind_a_clean_election_is_no_truncation() {
    let summary = comes_to(
        "produce 1\nstart 0\nturn 0 30\nfetch 0 1\nelect 0\nmarker\nfetch 0 1\nflush 0\nturn 0 30\ncrash 0\nproduce 1",
    );
    assert_eq!((summary.entries, summary.refused), (2, None), "{summary:?}");
}

/// Behind a marker, an unclean election took the marker and more: the broker's answer for the position alone would be
/// the same as after a clean one, but a record stands now where the batch had none.
#[test]
fn a_record_where_a_marker_was_is_a_truncation() {
    let summary = comes_to(
        "produce 1\nstart 0\nturn 0 30\nfetch 0 1\nelect 0\nmarker\nfetch 0 1\nflush 0\nturn 0 30\ncrash 0\nelect 1\n\
         produce 2",
    );
    assert_eq!((summary.entries, summary.refused), (1, Some(RefusalCode::LogTruncated)), "{summary:?}");
}

/// The search for the head ended at a seal, which does not say in which leader epoch the records before it were written.
#[test]
fn a_truncation_behind_a_seal_is_noticed() {
    let summary = comes_to(
        "produce 2\nstart 0 records=2\nturn 0 30\nfetch 0 2\nturn 0 30\ncrash 0\nstart 0 generation=2\nturn 0 30\n\
         crash 0\nlose-group\nelect 1\nproduce 2",
    );
    assert_eq!((summary.entries, summary.refused), (2, Some(RefusalCode::LogTruncated)), "{summary:?}");
}

/// The manifest is written, then the log start passes its batch: a person accepts the loss, and nothing is made up.
#[test]
fn a_manifest_whose_records_expire_before_its_files() {
    let summary = comes_to("produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 4\ncrash 0\nretain 3\nproduce 1");
    assert_eq!((summary.resolutions, summary.files), (1, 1), "{summary:?}");
}

/// One replayer read the batch before compaction took a record, the other after; both store what they have.
#[test]
fn two_replayers_at_different_states_of_compaction() {
    let summary = comes_to(
        "produce 3\nmarker\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 4\ncrash 0\nstart 0\nturn 0 11\ncompact 0\nstart 1\n\
         turn 1 14\ncompact 1\nturn 0 30\nturn 1 30",
    );
    assert_eq!(summary.files, 1, "{summary:?}");
}

/// An unclean election leaves a log that ends below the manifest's end.
#[test]
fn an_unclean_election_below_a_manifests_end() {
    let summary = comes_to("produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 4\ncrash 0\nelect 2");
    assert_eq!((summary.files, summary.refused), (0, Some(RefusalCode::LogTruncated)), "{summary:?}");
}

/// The last entry is deleted, but the commit that proves it is there.
#[test]
fn a_deleted_entry_is_missed() {
    let summary =
        comes_to("produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 30\nland-commit 0\nlose-entry\ncrash 0\nproduce 2");
    assert_eq!((summary.entries, summary.refused), (1, Some(RefusalCode::LedgerLostEntries)), "{summary:?}");
}

/// The genesis is deleted, the entries are there.
#[test]
fn a_deleted_genesis_is_missed() {
    let summary = comes_to("produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 30\nlose-genesis\ncrash 0\nproduce 2");
    assert_eq!((summary.entries, summary.refused), (1, Some(RefusalCode::LedgerLostEntries)), "{summary:?}");
}

/// The store answers late, and then reports a conflict: the slot and the file hold what this very process had sent.
#[test]
fn a_conflict_with_ones_own_write() {
    let summary = comes_to(
        "produce 1\nstart 0 records=1\nturn 0 7\ndelay 0\nland-late 0\nturn 0 9\nfetch 0 1\nturn 0 2\ndelay 0\n\
         land-late 0\nturn 0 2\ndelay 0\nland-late 0\nturn 0 9",
    );
    assert_eq!((summary.entries, summary.files), (1, 1), "{summary:?}");
}

/// A topic that was created again, without topic ids: the shorter log gives it away.
#[test]
fn a_topic_created_again_without_ids_is_noticed_by_its_offsets() {
    let steps = "produce 3\nstart 0\nturn 0 30\nfetch 0 3\nturn 0 30\ncrash 0\nrecreate\nproduce 1";
    let steps = trace::parse(steps).expect("every line is a step");
    let summary = run(&Schedule { steps, sabotage: Some(Sabotage::NoTopicIds) }).expect("it is refused");
    assert_eq!((summary.entries, summary.refused), (1, Some(RefusalCode::LogTruncated)), "{summary:?}");
}
