//! As `exhaustive`, with larger bounds: minutes to hours and gigabytes. `just model-deep`, or
//! `just model-deep another_generation` for one of them. Each prints how many states it saw.

mod bounds;

use bounds::Size;
use secor_sim::model::explore::{Bounds, explore};

fn holds(bounds: &Bounds) {
    let explored = explore(bounds).unwrap_or_else(|found| panic!("{found}"));
    println!("{} states, everything archived in {}", explored.states, explored.whole);
    assert!(explored.whole > 0, "the end of the log is never reached");
}

const TWO: Size = Size { records: 2, crashes: 0, delays: 0 };
const ONE_AND_FAULTS: Size = Size { records: 1, crashes: 1, delays: 1 };

#[test]
fn two_processes_one_record_a_crash_and_a_late_request() {
    holds(&bounds::two_processes(ONE_AND_FAULTS, None));
}

#[test]
fn two_processes_two_records_and_a_crash() {
    holds(&bounds::two_processes(Size { crashes: 1, ..TWO }, None));
}

#[test]
fn a_foreign_committer() {
    holds(&bounds::foreign_committer(TWO));
}

#[test]
fn another_generation() {
    holds(&bounds::another_generation(Size { crashes: 1, ..ONE_AND_FAULTS }));
}

#[test]
fn a_topic_created_again() {
    holds(&bounds::recreation(Size { delays: 0, ..ONE_AND_FAULTS }));
}

#[test]
fn compaction_between_attempts() {
    holds(&bounds::compaction(TWO));
}

#[test]
fn retention_and_a_person_who_accepts() {
    holds(&bounds::retention(TWO));
}

#[test]
fn an_unclean_election() {
    holds(&bounds::unclean_election(TWO));
}
