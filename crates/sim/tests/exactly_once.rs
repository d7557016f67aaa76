//! Random schedules: every promise holds after every step, and everybody comes to rest with all of it archived.

mod drawn;

use drawn::{Weather, drawn, schedules};
use proptest::prelude::*;
use secor_sim::model::schedule::Summary;
use secor_sim::model::{Sabotage, Schedule, run, trace};

fn holds(schedule: &Schedule) -> Result<(), TestCaseError> {
    let failed = |violation| TestCaseError::fail(format!("{violation}\n{}", trace::print(&schedule.steps)));
    run(schedule).map(|_| ()).map_err(failed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn with_crashes_stalls_and_late_requests(schedule in schedules(Weather::Calm, None)) {
        holds(&schedule)?;
    }

    #[test]
    fn with_markers_compaction_and_retention(schedule in schedules(Weather::Rough, None)) {
        holds(&schedule)?;
    }

    #[test]
    fn with_topics_that_are_created_again(schedule in schedules(Weather::Storm, None)) {
        holds(&schedule)?;
    }

    #[test]
    fn with_unclean_elections(schedule in schedules(Weather::Unclean, None)) {
        holds(&schedule)?;
    }

    #[test]
    fn with_brokers_that_have_no_topic_ids(schedule in schedules(Weather::Rough, Some(Sabotage::NoTopicIds))) {
        holds(&schedule)?;
    }
}

/// Schedules that reach little prove little.
#[test]
fn schedules_reach_what_they_are_for() {
    let mut most = Summary::default();
    let mut total = Summary::default();
    let schedules = 500;
    for schedule in drawn(Weather::Rough, None).take(schedules) {
        let summary = run(&schedule).unwrap_or_else(|violation| panic!("{violation}: {schedule:?}"));
        most.entries = most.entries.max(summary.entries);
        most.generations = most.generations.max(summary.generations);
        total.entries += summary.entries;
        total.files += summary.files;
        total.resolutions += summary.resolutions;
        total.accepted_holes += summary.accepted_holes;
    }
    println!("most {most:?}, total {total:?}");
    assert!(most.entries > 15 && most.generations >= 3, "{most:?}");
    assert!(total.entries > 5 * schedules && total.files > 5 * schedules, "{total:?}");
    assert!(total.resolutions > 10 && total.accepted_holes > 0, "{total:?}");
}
