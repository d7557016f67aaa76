//! The worlds that are explored to their last state, by name.

use secor_core::partition::{Errand, OnTopicRecreated};
use secor_sim::model::draft::Layout;
use secor_sim::model::explore::Bounds;
use secor_sim::model::process::Config;
use secor_sim::model::{Sabotage, Step};

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub records: usize,
    /// In all, of both processes.
    pub crashes: usize,
    /// Creations that leave their process and land later, or never.
    pub delays: usize,
}

fn config(p: usize) -> Config {
    let layout = Layout { partitions: 2, extension: if p == 0 { ".gz" } else { "" }, clocked: false };
    Config { records_max: 4, layout, on_topic_recreated: OnTopicRecreated::NewGeneration, ..Config::plain() }
}

/// Both processes own the partition; a commit lands at any time, any number of times, or never.
pub fn two_processes(size: Size, sabotage: Option<Sabotage>) -> Bounds {
    let either = |step: fn(usize) -> Step| vec![step(0), step(1)];
    Bounds {
        begin: vec![Step::Produce(size.records)],
        configs: [config(0), config(1)],
        events: vec![(either(Step::Crash), size.crashes), (either(Step::Delay), size.delays)],
        sabotage,
    }
}

fn with(size: Size, events: Vec<(Vec<Step>, usize)>) -> Bounds {
    let mut bounds = two_processes(size, None);
    bounds.events.extend(events);
    bounds
}

/// Another program commits in the group, wherever a batch ends, and the group is lost.
pub fn foreign_committer(size: Size) -> Bounds {
    let commits = (0..size.records).map(Step::ForeignCommit).chain([Step::LoseGroup]).collect();
    with(size, vec![(commits, 2)])
}

/// One of the two has a later generation configured.
pub fn another_generation(size: Size) -> Bounds {
    let mut bounds = two_processes(size, None);
    bounds.configs[1].generation = 2;
    bounds
}

/// The topic is deleted and created again, and gets a record.
pub fn recreation(size: Size) -> Bounds {
    with(size, vec![(vec![Step::Recreate], 1), (vec![Step::Produce(1)], 1)])
}

/// The log cleaner takes the first record; the last offset is a marker.
pub fn compaction(size: Size) -> Bounds {
    let mut bounds = with(size, vec![(vec![Step::Compact(0)], 1)]);
    bounds.begin.push(Step::Marker);
    bounds
}

/// Retention takes the first record, and a person accepts the loss.
pub fn retention(size: Size) -> Bounds {
    let mut bounds = with(size, vec![(vec![Step::Retain(1)], 1)]);
    bounds.configs[1].errand = Errand::Recover { accept_loss: true };
    bounds
}

/// An unclean election loses the last record, and another one is written in its place.
pub fn unclean_election(size: Size) -> Bounds {
    with(size, vec![(vec![Step::Elect(1)], 1), (vec![Step::Produce(1)], 1)])
}
