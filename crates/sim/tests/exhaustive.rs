//! Not drawn but all of them: every interleaving of requests of two processes around the real machine, with every cut
//! point, commits that land late, repeatedly or never, and a bounded number of crashes and late creations.
//!
//! A request and the telling of its answer are one step here: telling changes nothing that another process sees, so the
//! orders that are left out lead to states that are visited anyway. The log does not change, and time stands still.
//!
//! The bounds are what a few seconds allow (about ten thousand states a second). One record with a crash and a late
//! creation are 241,002 states, more of each is work for a longer run.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use secor_sim::model::draft::Layout;
use secor_sim::model::process::{Config, Process};
use secor_sim::model::schedule::{Run, Step};
use secor_sim::model::{Sabotage, oracle};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    run: Run,
    /// Faults that may still come.
    crashes: usize,
    delays: usize,
}

/// What is looked through.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    records: usize,
    crashes: usize,
    delays: usize,
    sabotage: Option<Sabotage>,
}

/// How many states there are, or the shortest way to a violation.
fn explore(bounds: Bounds) -> Result<usize, String> {
    let mut run = Run::new(bounds.sabotage);
    run.step(&Step::Produce(bounds.records));
    let first = State { run, crashes: bounds.crashes, delays: bounds.delays };
    let mut parents = HashMap::from([(key(&first), None)]);
    let mut queue = VecDeque::from([first]);
    let mut archived = false;
    while let Some(state) = queue.pop_front() {
        for (step, next) in successors(&state) {
            let id = key(&next);
            if parents.contains_key(&id) {
                continue;
            }
            parents.insert(id, Some((key(&state), step)));
            next.run.check().map_err(|what| format!("{what}: {:?}", trace(&parents, id)))?;
            archived |= whole(&next.run)?;
            queue.push_back(next);
        }
    }
    assert!(archived, "the end of the log is never reached");
    Ok(parents.len())
}

/// Everything is archived.
fn whole(run: &Run) -> Result<bool, String> {
    let end = run.world.log.range().end;
    Ok(oracle::tip(&run.world)?.is_some_and(|tip| tip.complete && tip.end >= end))
}

fn successors(state: &State) -> Vec<(Step, State)> {
    let mut steps = vec![Step::LandLate(0)];
    steps.extend((0..state.run.world.commits.len()).map(Step::LandCommit));
    for p in 0..2 {
        match &state.run.processes[p] {
            None => steps.push(Step::Start(p, config(p))),
            Some(_) => {
                steps.extend([Step::Turn(p, 1), Step::Fetch(p, 1), Step::Flush(p)]);
                steps.extend((state.crashes > 0).then_some(Step::Crash(p)));
                steps.extend((state.delays > 0).then_some(Step::Delay(p)));
            }
        }
    }
    steps.into_iter().filter_map(|step| after(state, step)).collect()
}

fn after(state: &State, step: Step) -> Option<(Step, State)> {
    let mut next = state.clone();
    next.run.step(&step);
    match &step {
        Step::Turn(p, _) if next.run.processes[*p].as_ref().is_some_and(Process::has_answer) => next.run.step(&step),
        Step::Crash(_) => next.crashes -= 1,
        Step::Delay(_) => next.delays -= usize::from(next.run != state.run),
        _ => {}
    }
    (next != *state).then_some((step, next))
}

fn config(p: usize) -> Config {
    let layout = Layout { partitions: 2, extension: if p == 0 { ".gz" } else { "" } };
    Config { records_max: 4, ..Config::plain(layout) }
}

fn key(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn trace(parents: &HashMap<u64, Option<(u64, Step)>>, last: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = last;
    while let Some(Some((parent, step))) = parents.get(&at) {
        steps.push(step.clone());
        at = *parent;
    }
    steps.reverse();
    steps
}

#[test]
fn two_processes_and_two_records() {
    let bounds = Bounds { records: 2, crashes: 0, delays: 0, sabotage: None };
    let states = explore(bounds).expect("every promise holds in every state");
    assert!(states > 50_000, "only {states} states: the exploration has lost its branches");
}

#[test]
fn two_processes_one_record_and_a_crash_anywhere() {
    let bounds = Bounds { records: 1, crashes: 1, delays: 0, sabotage: None };
    let states = explore(bounds).expect("every promise holds in every state");
    assert!(states > 30_000, "only {states} states: the exploration has lost its branches");
}

#[test]
fn a_rule_less_is_found_out() {
    for (sabotage, records) in [
        (Sabotage::OverwriteEntries, 1),
        (Sabotage::IgnoreExists, 1),
        (Sabotage::CommitEarly, 1),
        (Sabotage::TornFile, 1),
    ] {
        let bounds = Bounds { records, crashes: 0, delays: 0, sabotage: Some(sabotage) };
        let violation = explore(bounds).expect_err("a violation is reached");
        println!("{sabotage:?}: {violation}");
    }
}
