//! Every state of small worlds. `just model-deep` looks through larger ones.

mod bounds;

use bounds::Size;
use secor_sim::model::Sabotage;
use secor_sim::model::explore::{Bounds, explore};

/// Every promise holds in every state, there are as many as there should be, and some end well.
fn holds(bounds: &Bounds, states_min: usize) {
    let explored = explore(bounds).unwrap_or_else(|found| panic!("{found}"));
    println!("{explored:?}");
    assert!(explored.states >= states_min, "{explored:?}: the exploration has lost its branches");
    assert!(explored.whole > 0, "the end of the log is never reached");
}

const ONE: Size = Size { records: 1, crashes: 0, delays: 0 };
const TWO: Size = Size { records: 2, crashes: 0, delays: 0 };

#[test]
fn two_processes_two_records_and_a_crash_anywhere() {
    holds(&bounds::two_processes(Size { crashes: 1, ..TWO }, None), 60_000);
}

#[test]
fn a_crash_and_a_request_that_lands_late() {
    holds(&bounds::two_processes(Size { crashes: 1, delays: 1, ..ONE }, None), 25_000);
}

#[test]
fn a_foreign_committer() {
    holds(&bounds::foreign_committer(TWO), 30_000);
}

#[test]
fn another_generation_beside() {
    holds(&bounds::another_generation(Size { crashes: 1, ..ONE }), 5_000);
}

#[test]
fn a_topic_created_again() {
    holds(&bounds::recreation(ONE), 150_000);
}

#[test]
fn compaction_between_attempts() {
    holds(&bounds::compaction(TWO), 40_000);
}

#[test]
fn retention_and_a_person_who_accepts() {
    holds(&bounds::retention(Size { crashes: 1, ..TWO }), 45_000);
}

#[test]
fn an_unclean_election() {
    holds(&bounds::unclean_election(TWO), 150_000);
}

/// Not only drawn schedules find what is broken.
#[test]
fn a_rule_less_is_found_out() {
    for sabotage in [
        Sabotage::OverwriteEntries,
        Sabotage::IgnoreExists,
        Sabotage::CommitEarly,
        Sabotage::TornFile,
        Sabotage::FilesFirst,
    ] {
        let found = explore(&bounds::two_processes(ONE, Some(sabotage))).expect_err("a violation is reached");
        println!("{sabotage:?}: {} steps: {}", found.steps.len(), found.what);
    }
}
