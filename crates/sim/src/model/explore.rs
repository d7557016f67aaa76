//! Not drawn but all of them: every interleaving of the requests of two processes around the real machine, with commits
//! that land late, repeatedly or never, and a bounded number of everything else that may happen.
//!
//! The search is breadth first, so the first way to a violation is a shortest one. What keeps it small:
//!
//! * A request and the telling of its answer are one step: telling changes nothing that another process sees, so the
//!   orders that are left out lead to states that are visited anyway.
//! * A cut is asked for only where it happens at once. Asked for earlier it waits in the machine until then, and has
//!   the same effect.
//! * States that differ in the numbers of questions alone are one. In each of these states no answer waits, and the
//!   question that a process works on is the one that its machine waits for; so the numbers have no effect.
//! * A step that changes nothing leads nowhere.
//! * States are kept as 64-bit hashes. Two different states of a search of ten million meet in one hash with a chance of
//!   one in 370,000.
//!
//! Time stands still, unless [`Bounds::events`] moves it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::oracle;
use crate::model::process::{Config, Process};
use crate::model::sabotage::Sabotage;
use crate::model::schedule::{Run, Step};
use crate::model::trace;

/// What is looked through.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// What has happened before.
    pub begin: Vec<Step>,
    /// How processes 0 and 1 are configured, each time that they start.
    pub configs: [Config; 2],
    /// What may happen, at any moment, each group so many times in all.
    pub events: Vec<(Vec<Step>, usize)>,
    pub sabotage: Option<Sabotage>,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    pub states: usize,
    /// In so many of them everything is archived.
    pub whole: usize,
}

/// A way to a violation, with as few steps as there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub what: String,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    run: Run,
    /// How often each group of events may still happen.
    left: Vec<usize>,
}

/// Where a state was reached from, and by which of its steps.
type Parents = HashMap<u64, Option<(u64, Step)>>;

/// Visits every state.
///
/// # Errors
/// The first violation, by number of steps.
pub fn explore(bounds: &Bounds) -> Result<Explored, Found> {
    let mut run = Run::new(bounds.sabotage);
    bounds.begin.iter().for_each(|step| run.step(step));
    let first = State { run, left: bounds.events.iter().map(|(_, times)| *times).collect() };
    let mut parents = Parents::from([(key(&first), None)]);
    let mut queue = VecDeque::from([first]);
    let mut whole = 0;
    while let Some(state) = queue.pop_front() {
        let parent = key(&state);
        for step in steps(&state, bounds) {
            let Some(next) = after(&state, &step, bounds) else { continue };
            let Entry::Vacant(place) = parents.entry(key(&next)) else { continue };
            let id = *place.key();
            place.insert(Some((parent, step)));
            let checked = next.run.check().and_then(|()| is_whole(&next.run));
            whole += usize::from(checked.map_err(|what| Found { what, steps: way(&parents, id) })?);
            queue.push_back(next);
        }
    }
    Ok(Explored { states: parents.len(), whole })
}

/// Is everything archived?
fn is_whole(run: &Run) -> Result<bool, String> {
    let current = run.world.log.incarnation_of(&Some(run.world.log.topic_id()));
    let end = run.world.log.range().end;
    Ok(oracle::tip(&run.world)?.is_some_and(|tip| tip.complete && tip.end >= end && Some(tip.incarnation) == current))
}

fn steps(state: &State, bounds: &Bounds) -> Vec<Step> {
    let world = &state.run.world;
    let mut steps: Vec<_> = (0..world.late.len()).map(Step::LandLate).collect();
    steps.extend((0..world.commits.len()).map(Step::LandCommit));
    for (p, config) in bounds.configs.iter().enumerate() {
        match &state.run.processes[p] {
            None => steps.push(Step::Start(p, config.clone())),
            Some(process) => {
                steps.extend([Step::Turn(p, 1), Step::Fetch(p, 1)]);
                let status = process.machine.status();
                let can_cut = status.phase == "archiving" && status.accumulated.records > 0;
                steps.extend(can_cut.then_some(Step::Flush(p)));
            }
        }
    }
    let possible = bounds.events.iter().zip(&state.left).filter(|(_, left)| **left > 0);
    steps.extend(possible.flat_map(|((group, _), _)| group.iter().cloned()));
    steps
}

fn after(state: &State, step: &Step, bounds: &Bounds) -> Option<State> {
    let mut next = state.clone();
    next.run.step(step);
    match step {
        Step::Turn(p, _) if next.run.processes[*p].as_ref().is_some_and(Process::has_answer) => next.run.step(step),
        _ => {}
    }
    if next.run == state.run {
        return None;
    }
    let group = bounds.events.iter().zip(&state.left).position(|((group, _), left)| *left > 0 && group.contains(step));
    if let Some(group) = group {
        next.left[group] -= 1;
    }
    Some(next)
}

fn key(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn way(parents: &Parents, last: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = last;
    while let Some(Some((parent, step))) = parents.get(&at) {
        steps.push(step.clone());
        at = *parent;
    }
    steps.reverse();
    steps
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.what, trace::print(&self.steps))
    }
}
