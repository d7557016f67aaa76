//! Random schedules.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use secor_core::manifest::Isolation;
use secor_core::partition::{Errand, OnTopicRecreated};
use secor_sim::model::draft::Layout;
use secor_sim::model::process::Config;
use secor_sim::model::world::Owner;
use secor_sim::model::{Sabotage, Schedule, Step};

/// What may happen to the log, and to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Records are produced, nothing else.
    Calm,
    /// Also markers, aborted records, compaction, retention, clean elections, and people with other configurations.
    Rough,
    /// Also the topic is deleted and created again.
    Storm,
    /// As `Rough`, with unclean elections, and without what can hide one: retention that takes the only records of the
    /// new leader, and long stretches without a record, of which nobody remembers the leader epoch.
    Unclean,
    /// Whatever there is, also what no program can mend: for looking for counterexamples only.
    Ruin,
}

/// The same schedules each time.
pub fn drawn(weather: Weather, sabotage: Option<Sabotage>) -> impl Iterator<Item = Schedule> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = schedules(weather, sabotage);
    std::iter::from_fn(move || strategy.new_tree(&mut runner).ok().map(|tree| tree.current()))
}

pub fn schedules(weather: Weather, sabotage: Option<Sabotage>) -> impl Strategy<Value = Schedule> {
    let steps = proptest::collection::vec(step(weather), 0..150);
    (prop_oneof![beginning(weather), wreck(weather)], configs(weather), configs(weather), steps).prop_map(
        move |(begin, one, two, steps)| {
            let starts = [Step::Start(0, one), Step::Start(1, two)];
            Schedule { steps: begin.into_iter().chain(starts).chain(steps).collect(), sabotage }
        },
    )
}

fn beginning(weather: Weather) -> BoxedStrategy<Vec<Step>> {
    let added = prop::bool::weighted(if weather == Weather::Calm { 0.0 } else { 0.1 });
    let records = (0..6usize).prop_map(Step::Produce);
    (added, records)
        .prop_map(|(added, records)| added.then_some(Step::AddPartition).into_iter().chain([records]).collect())
        .boxed()
}

/// A process dies somewhere between its cut and its commit, and leaves a batch to be made whole.
fn wreck(weather: Weather) -> BoxedStrategy<Vec<Step>> {
    let after = proptest::collection::vec(log_step(weather), 0..3);
    (configs(weather), 1..8usize, 0..10usize, after)
        .prop_map(|(config, records, turns, after)| {
            let dies = [
                Step::Produce(records),
                Step::Start(0, config),
                Step::Turn(0, 30),
                Step::Fetch(0, records),
                Step::Turn(0, turns),
                Step::Crash(0),
            ];
            dies.into_iter().chain(after).collect()
        })
        .boxed()
}

fn configs(weather: Weather) -> impl Strategy<Value = Config> {
    let generation = prop_oneof![6 => Just(1u32), 1 => Just(2), 1 => Just(3)];
    let extension = prop_oneof![Just(""), Just(".gz"), Just(".zst")];
    let shape = (1..=3usize, extension, prop::bool::weighted(0.3))
        .prop_map(|(partitions, extension, clocked)| Layout { partitions, extension, clocked });
    let new_generation = if weather == Weather::Storm { 0.8 } else { 0.5 };
    let rough = u32::from(weather != Weather::Calm);
    let strange = if matches!(weather, Weather::Calm | Weather::Unclean) { 0.0 } else { 0.05 };
    let errand = prop_oneof![
        12 => Just(Errand::Archive),
        rough => Just(Errand::Recover { accept_loss: false }),
        2 * rough => Just(Errand::Recover { accept_loss: true }),
    ];
    let owner =
        prop_oneof![30 => Just(Owner::Usual), rough => Just(Owner::OtherGroup), rough => Just(Owner::OtherCluster)];
    let flags = (prop::bool::weighted(0.15), prop::bool::weighted(0.15), 0..4usize);
    let people = (prop::bool::weighted(new_generation), errand, owner, prop::bool::weighted(strange));
    (generation, 1..5u64, shape, people, flags).prop_map(
        |(
            generation,
            records_max,
            layout,
            (new_generation, errand, owner, uncommitted),
            (latest, until_end, look_order),
        )| Config {
            generation,
            records_max,
            layout,
            isolation: if uncommitted { Isolation::ReadUncommitted } else { Isolation::ReadCommitted },
            owner,
            latest,
            on_topic_recreated: if new_generation { OnTopicRecreated::NewGeneration } else { OnTopicRecreated::Refuse },
            until_end,
            errand,
            look_order,
        },
    )
}

fn log_step(weather: Weather) -> BoxedStrategy<Step> {
    let rough = u32::from(weather != Weather::Calm);
    let ruin = u32::from(weather == Weather::Ruin);
    let storm = u32::from(weather == Weather::Storm) + ruin;
    let unclean = u32::from(weather == Weather::Unclean);
    prop_oneof![
        6 => (1..4usize).prop_map(Step::Produce),
        2 * (rough - unclean) => Just(Step::Marker),
        rough - unclean => Just(Step::Aborted),
        2 * (rough - unclean) => (0..20usize).prop_map(Step::Compact),
        rough - unclean => (1..4usize).prop_map(Step::Retain),
        rough => Just(Step::Elect(0)),
        storm => Just(Step::Recreate),
        unclean + ruin => (1..4usize).prop_map(Step::Elect),
        3 * ruin => prop_oneof![Just(Step::Restore), Just(Step::LoseEntry), Just(Step::LoseGenesis)],
    ]
    .boxed()
}

fn step(weather: Weather) -> impl Strategy<Value = Step> {
    let process = || 0..2usize;
    let turns = prop_oneof![1..6usize, 6..30usize];
    let lane = prop_oneof![
        30 => (process(), turns).prop_map(|(p, times)| Step::Turn(p, times)),
        14 => (process(), 1..6usize).prop_map(|(p, times)| Step::Fetch(p, times)),
        5 => process().prop_map(Step::Delay),
        4 => (0..8usize).prop_map(Step::LandLate),
    ];
    let rough = u32::from(weather != Weather::Calm);
    let life = prop_oneof![
        6 => process().prop_map(Step::Crash),
        16 => (process(), configs(weather)).prop_map(|(p, config)| Step::Start(p, config)),
        2 => process().prop_map(Step::Revoke),
        2 => process().prop_map(Step::Shutdown),
        2 => process().prop_map(Step::Lose),
        2 => process().prop_map(Step::Flush),
        4 => prop_oneof![Just(400i64), Just(1_100)].prop_map(Step::Advance),
        rough => Just(Step::Accept(Owner::OtherGroup)),
        1 => Just(Step::FailOver),
    ];
    let register = prop_oneof![
        5 => (0..20usize).prop_map(Step::LandCommit),
        1 => (0..20usize).prop_map(Step::ForeignCommit),
        1 => Just(Step::LoseGroup),
    ];
    prop_oneof![14 => lane, 5 => life, 2 => register, 3 => log_step(weather)]
}
