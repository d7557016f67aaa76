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

const TWO: Size = Size { records: 2, crashes: 1, delays: 0 };
const THREE: Size = Size { records: 3, crashes: 0, delays: 0 };

#[test]
fn two_records_a_crash_and_a_late_request() {
    holds(&bounds::two_processes(Size { delays: 1, ..TWO }, None));
}

#[test]
fn three_records_and_a_crash() {
    holds(&bounds::two_processes(Size { crashes: 1, ..THREE }, None));
}

#[test]
fn a_foreign_committer() {
    holds(&bounds::foreign_committer(THREE));
}

#[test]
fn another_generation() {
    holds(&bounds::another_generation(Size { crashes: 2, delays: 1, ..TWO }));
}

#[test]
fn a_topic_created_again() {
    holds(&bounds::recreation(TWO));
}

#[test]
fn compaction_between_attempts() {
    holds(&bounds::compaction(TWO));
}

#[test]
fn retention_and_a_person_who_accepts() {
    holds(&bounds::retention(Size { crashes: 1, ..THREE }));
}

#[test]
fn an_unclean_election() {
    holds(&bounds::unclean_election(TWO));
}
