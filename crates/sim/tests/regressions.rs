//! Schedules that once broke a promise, each under the name of what was wrong.

use secor_core::partition::OnTopicRecreated;
use secor_sim::model::draft::Layout;
use secor_sim::model::process::Config;
use secor_sim::model::{Sabotage, Schedule, Step, run};

fn config() -> Config {
    let layout = Layout { partitions: 1, extension: "" };
    Config { on_topic_recreated: OnTopicRecreated::NewGeneration, ..Config::plain(layout) }
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
