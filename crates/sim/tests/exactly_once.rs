//! Random schedules: every promise holds after every step, and everybody comes to rest with all of it archived.

mod drawn;

use drawn::{Weather, schedules};
use proptest::prelude::*;
use secor_sim::model::run;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn with_crashes_stalls_and_late_requests(schedule in schedules(Weather::Calm, None)) {
        run(&schedule).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }

    #[test]
    fn with_markers_compaction_and_retention(schedule in schedules(Weather::Rough, None)) {
        run(&schedule).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }

    #[test]
    fn with_topics_that_are_created_again(schedule in schedules(Weather::Storm, None)) {
        run(&schedule).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
    }
}
