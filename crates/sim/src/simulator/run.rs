//! A run from its seed to its verdict: faults, healing, rest.
//!
//! Progress is part of the promise: once faults have healed, every phase has a bound in virtual time, and whoever is not
//! done by then is a finding like a lost record.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use secor_core::ids::{Generation, LedgerId, Offset, TopicPartition};
use secor_core::json::{FORMAT_VERSION, canonical_json};
use secor_core::manifest::{Arbiter, LedgerIdentity, paths};
use secor_core::partition::{Errand, OnTopicRecreated, RefusalCode};

use super::coverage::{Coverage, Path};
use super::fate::Life;
use super::net::StoreRequest;
use super::process::Start;
use super::sabotage::Sabotage;
use super::world::{OPERATOR, UNGROUPED, World};

/// After the faults: processes go on as they are.
const CALM_MS: i64 = 75_000;
/// How long all processes may take to leave in order.
const LEAVING_MS: i64 = 130_000;
/// How long one run up to the log end may take, refusals not counted.
const CATCHING_UP_MS: i64 = 300_000;
/// How often the operator looks at what is refused and does what the hints say.
const ROUNDS_MAX: usize = 4;

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub seed: u64,
    pub sabotage: Option<Sabotage>,
    pub keep_trace: bool,
    /// Stop after so many events, without a verdict at rest: to look at what leads to a finding.
    pub events_max: Option<u64>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    /// What must not have happened.
    pub violation: Option<String>,
    /// xxh3-128 of the trace.
    pub trace_digest: u128,
    pub trace_lines: u64,
    pub trace: Vec<String>,
    pub events: u64,
    /// Virtual time.
    pub lasted_ms: i64,
    pub coverage: Coverage,
}

/// Runs a seed. A panic in the machine, an encoder or the simulator itself is a violation.
#[must_use]
pub fn run(run: Run) -> Report {
    let mut world = World::new(run.seed, run.sabotage, run.keep_trace);
    let lived = catch_unwind(AssertUnwindSafe(|| live(&mut world, run.events_max)));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        world.oracle.violate(format!("panicked: {text}"));
    }
    for path in world.oracle.take_met() {
        world.coverage.met(path);
    }
    let violation = world.oracle.violation().map(str::to_owned);
    if let Some(violation) = &violation {
        world.trace.line(world.now, format_args!("VIOLATION {violation}"));
    }
    Report {
        seed: run.seed,
        violation,
        trace_digest: world.trace.digest(),
        trace_lines: world.trace.lines(),
        events: world.happened,
        lasted_ms: world.now,
        coverage: world.coverage,
        trace: world.trace.into_kept(),
    }
}

fn live(world: &mut World, events_max: Option<u64>) {
    let is_over = |world: &World| events_max.is_some_and(|max| world.happened >= max);
    world.run(world.scenario.chaos_ms, is_over);
    if is_over(world) || world.oracle.violation().is_some() {
        return;
    }
    world.heal();
    world.run(world.now + CALM_MS, is_over);
    world.leave_all();
    for _ in 0..ROUNDS_MAX {
        if world.oracle.violation().is_some() || is_over(world) || world.catch_up() {
            break;
        }
    }
    if world.oracle.violation().is_none() && !is_over(world) {
        world.trace.line(world.now, format_args!("at rest"));
        let refused = std::mem::take(&mut world.refused);
        world.oracle.at_rest(&world.broker, &world.store, &refused);
    }
}

// === impl World ===

impl World {
    /// Where the store cannot create exclusively, an operator writes `ledger.json`.
    pub(super) fn init_ledger(&mut self) {
        let ledger = LedgerId(Arc::from(format!("{:032x}", self.rng.draw())));
        let probed = "sim://".to_owned();
        let identity = LedgerIdentity { version: FORMAT_VERSION, ledger, arbiter: Arbiter::Sql, probed, seat: None };
        let bytes = canonical_json(&identity).into();
        let create = StoreRequest::Create { key: paths::LEDGER.to_owned(), bytes, digest: None };
        let change = self.store.apply(0, create, &mut self.net).change.expect("it is the first");
        self.oracle.stored(&self.broker, &change);
    }

    /// No fault happens any more, and what was taken away comes back.
    fn heal(&mut self) {
        self.trace.line(self.now, format_args!("faults end"));
        self.is_healed = true;
        self.outage_until = 0;
        for slot in self.slots.values_mut() {
            (slot.stalled_until, slot.isolated_until) = (slot.stalled_until.min(self.now), 0);
        }
        self.crash(UNGROUPED);
        self.end_all_transactions();
        for topic in self.scenario.topics.clone() {
            if self.broker.topic(&topic.name).is_none() {
                self.coverage.met(Path::Recreated);
                self.broker.create(&topic.name, topic.partitions);
            }
        }
        self.topics_changed();
        if self.living().is_empty() {
            self.start(0, true);
        }
    }

    /// Everybody leaves in order.
    fn leave_all(&mut self) {
        let clock = self.clock_ms();
        for life in self.living() {
            self.tell(life, |process| process.leave(clock));
        }
        self.is_closing = true;
        if !self.run(self.now + LEAVING_MS, |world| world.living().is_empty()) {
            let left: Vec<usize> = self.living().iter().map(|life| life.number).collect();
            self.oracle.violate(format!("processes {left:?} do not leave"));
        }
    }

    /// The operator runs an archive up to the log end; true when it is through, or when what is left is refused for
    /// good. Where records were lost, accepts the loss and asks for another round.
    fn catch_up(&mut self) -> bool {
        let isolation = self.scenario.isolation;
        let mut until = BTreeMap::new();
        for tp in self.broker.topic_partitions() {
            let end = self.broker.log(&tp).map_or(Offset::ZERO, |log| log.range(isolation).end);
            until.insert(tp, end);
        }
        self.refused.clear();
        let life = self.operate(Errand::Archive, Some(until));
        let is_done = self.run(self.now + CATCHING_UP_MS, move |world| !world.is_alive(life));
        if is_done {
            self.coverage.met(Path::UntilEnd);
            return true;
        }
        let refused = self.slots[&OPERATOR].process.as_ref().map(super::process::Process::refusals).unwrap_or_default();
        let waiting = self.slots[&OPERATOR].process.as_ref().map(super::process::Process::held).unwrap_or_default();
        if let Some(tp) = waiting.iter().find(|tp| !refused.iter().any(|(other, _)| other == *tp)) {
            self.oracle.violate(format!("{tp} is neither archived up to its end nor refused"));
        }
        let clock = self.clock_ms();
        self.tell(life, |process| process.leave(clock));
        self.run(self.now + LEAVING_MS, move |world| !world.is_alive(life));
        self.refused = refused.iter().map(|(tp, _)| tp.clone()).collect();
        let expired = refused.iter().any(|(_, refusal)| refusal.code == RefusalCode::RecordsExpired);
        if expired {
            let life = self.operate(Errand::Recover { accept_loss: true }, None);
            if !self.run(self.now + CATCHING_UP_MS, move |world| !world.is_alive(life)) {
                self.oracle.violate("`recover --accept-loss` does not end");
            }
        }
        !expired
    }

    fn operate(&mut self, errand: Errand, until: Option<BTreeMap<TopicPartition, Offset>>) -> Life {
        self.place(OPERATOR);
        let generation = Generation(self.generation);
        let slot = self.slots.get_mut(&OPERATOR).expect("it has just been placed");
        slot.config.on_topic_recreated = OnTopicRecreated::NewGeneration;
        slot.config.generation = generation;
        let start = Start { number: OPERATOR, errand, until, arbiter: self.arbiter(), sabotage: self.sabotage };
        self.begin(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_run() {
        let once = |seed| run(Run { seed, ..Run::default() });
        assert_eq!(once(3).trace_digest, once(3).trace_digest);
        assert_ne!(once(3).trace_digest, once(4).trace_digest);
    }
}
