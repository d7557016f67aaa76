//! Random schedules.

use proptest::prelude::*;
use secor_core::partition::{Errand, OnTopicRecreated};
use secor_sim::model::draft::Layout;
use secor_sim::model::process::Config;
use secor_sim::model::{Sabotage, Schedule, Step};

/// What may happen to the log.
#[derive(Clone, Copy, Debug)]
pub enum Weather {
    /// Records are produced, nothing else.
    Calm,
    /// Also markers, compaction and retention.
    Rough,
    /// Also the topic is deleted and created again.
    Storm,
}

pub fn schedules(weather: Weather, sabotage: Option<Sabotage>) -> impl Strategy<Value = Schedule> {
    let steps = proptest::collection::vec(step(weather), 0..150);
    (prop_oneof![beginning(), wreck(weather)], configs(weather), configs(weather), steps).prop_map(
        move |(begin, one, two, steps)| {
            let starts = [Step::Start(0, one), Step::Start(1, two)];
            Schedule { steps: begin.into_iter().chain(starts).chain(steps).collect(), sabotage }
        },
    )
}

fn beginning() -> BoxedStrategy<Vec<Step>> {
    (0..6usize).prop_map(|records| vec![Step::Produce(records)]).boxed()
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
    let shape = (1..=3usize, extension).prop_map(|(partitions, extension)| Layout { partitions, extension });
    let recreated = match weather {
        Weather::Storm => prop_oneof![1 => Just(OnTopicRecreated::Refuse), 4 => Just(OnTopicRecreated::NewGeneration)],
        Weather::Calm | Weather::Rough => {
            prop_oneof![1 => Just(OnTopicRecreated::Refuse), 1 => Just(OnTopicRecreated::NewGeneration)]
        }
    };
    let errand = match weather {
        Weather::Calm => {
            prop_oneof![1 => Just(Errand::Archive), 0 => Just(Errand::Recover { accept_loss: false })].boxed()
        }
        Weather::Rough | Weather::Storm => prop_oneof![
            12 => Just(Errand::Archive),
            1 => Just(Errand::Recover { accept_loss: false }),
            2 => Just(Errand::Recover { accept_loss: true }),
        ]
        .boxed(),
    };
    let flags = (prop::bool::weighted(0.15), prop::bool::weighted(0.15), 0..4usize);
    (generation, 1..5u64, shape, recreated, errand, flags).prop_map(
        |(generation, records_max, layout, on_topic_recreated, errand, (latest, until_end, look_order))| Config {
            generation,
            records_max,
            layout,
            latest,
            on_topic_recreated,
            until_end,
            errand,
            look_order,
        },
    )
}

fn log_step(weather: Weather) -> BoxedStrategy<Step> {
    let (rough, storm) = match weather {
        Weather::Calm => (0, 0),
        Weather::Rough => (1, 0),
        Weather::Storm => (1, 1),
    };
    prop_oneof![
        6 => (1..4usize).prop_map(Step::Produce),
        2 * rough => Just(Step::Marker),
        2 * rough => (0..20usize).prop_map(Step::Compact),
        rough => (1..4usize).prop_map(Step::Retain),
        storm => Just(Step::Recreate),
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
    let life = prop_oneof![
        3 => process().prop_map(Step::Crash),
        8 => (process(), configs(weather)).prop_map(|(p, config)| Step::Start(p, config)),
        1 => process().prop_map(Step::Revoke),
        1 => process().prop_map(Step::Shutdown),
        1 => process().prop_map(Step::Lose),
        1 => process().prop_map(Step::Flush),
        2 => prop_oneof![Just(400i64), Just(1_100)].prop_map(Step::Advance),
    ];
    let register = prop_oneof![
        5 => (0..20usize).prop_map(Step::LandCommit),
        1 => (0..20usize).prop_map(Step::ForeignCommit),
        1 => Just(Step::LoseGroup),
    ];
    prop_oneof![14 => lane, 5 => life, 2 => register, 3 => log_step(weather)]
}
