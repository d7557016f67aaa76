//! A test that cannot fail is a defect: with one rule taken away, the oracle must notice within a bounded number of
//! schedules; and the schedules must reach what they are meant to reach.

mod drawn;

use std::panic::{AssertUnwindSafe, catch_unwind};

use drawn::{Weather, schedules};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use secor_sim::model::schedule::Summary;
use secor_sim::model::{Sabotage, Schedule, run};

const SCHEDULES_MAX: usize = 12_000;

/// The same schedules each time.
fn drawn(weather: Weather, sabotage: Option<Sabotage>) -> impl Iterator<Item = Schedule> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = schedules(weather, sabotage);
    std::iter::from_fn(move || strategy.new_tree(&mut runner).ok().map(|tree| tree.current()))
}

/// How many schedules until something is noticed, and what. A panic counts: it is the machine that noticed.
fn noticed(sabotage: Sabotage) -> Option<(usize, String)> {
    let calm = drawn(Weather::Calm, Some(sabotage));
    let rough = drawn(Weather::Rough, Some(sabotage));
    let storm = drawn(Weather::Storm, Some(sabotage));
    let schedules = calm.zip(rough).zip(storm).flat_map(|((calm, rough), storm)| [calm, rough, storm]);
    schedules.take(SCHEDULES_MAX).enumerate().find_map(|(number, schedule)| {
        match catch_unwind(AssertUnwindSafe(|| run(&schedule))) {
            Ok(Ok(_)) => None,
            Ok(Err(violation)) => Some((number, violation.to_string())),
            Err(_) => Some((number, "panic".to_owned())),
        }
    })
}

/// A test for each switch; the list of names must be whole.
macro_rules! noticed {
    ($($name:ident: $sabotage:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            match noticed(Sabotage::$sabotage) {
                Some((number, what)) => println!("schedule {number}: {what}"),
                None => panic!("not noticed in {SCHEDULES_MAX} schedules"),
            }
        })*

        #[test]
        fn every_switch_has_its_test() {
            assert_eq!([$(Sabotage::$sabotage),*], Sabotage::ALL);
        }
    };
}

noticed! {
    overwritten_entries: OverwriteEntries,
    a_taken_slot_taken_for_ours: IgnoreExists,
    a_commit_before_the_files: CommitEarly,
    trust_in_a_foreign_commit: TrustForeign,
    a_genesis_of_ones_own: OwnGenesis,
    a_seal_that_others_do_not_see: PrivateSeal,
    a_topic_id_not_asked_afresh: StaleTopicId,
    a_log_range_older_than_the_topic_id: LogBeforeTopicId,
    resolutions_listed_before_the_files: ResolutionsFirst,
    a_replay_that_jumps_over_what_retention_took: JumpingReplay,
    a_replay_under_another_configuration: OwnConfiguration,
    discarded_records_in_the_next_batch: KeepDiscarded,
    a_file_that_lacks_a_record: TornFile,
}

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
    }
    println!("most {most:?}, total {total:?}");
    assert!(most.entries > 15 && most.generations >= 3, "{most:?}");
    assert!(total.entries > 5 * schedules && total.files > 5 * schedules && total.resolutions > 10, "{total:?}");
}
