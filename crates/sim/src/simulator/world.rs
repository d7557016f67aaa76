//! One run: the queue of everything that is going to happen, in the order of time and then of origin.
//!
//! There is one thread and one queue; ties are broken by the sequence in which things were put into it. Nothing here or
//! below reads a clock, iterates over a map without order or draws from any other generator than the seed's, so a seed
//! is a run, whatever the machine. `sim meta` checks exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use secor_core::ids::TopicPartition;
use secor_core::manifest::Arbiter;
use secor_core::partition::{Errand, Note};

use super::broker::Broker;
use super::coverage::{Coverage, Path};
use super::fate::{Arrival, CommitArrival, Life};
use super::group::{Beat, Group};
use super::log::{Fetched, From};
use super::mishap::Mishap;
use super::net::{CallId, KafkaRequest, Reply};
use super::oracle::Oracle;
use super::process::{Address, Process, Start};
use super::producer::Step;
use super::rng::Rng;
use super::sabotage::Sabotage;
use super::scenario::{BEGIN_MS, Configuration, Scenario};
use super::store::{Bucket, Consistency};
use super::trace::Trace;

/// How often a process hears of the clock and of its group.
const BEAT_MS: i64 = 1_000;

/// What is going to happen.
pub(super) enum Happening {
    Reply {
        to: Life,
        task: u64,
        call: CallId,
        reply: Reply,
    },
    Arrived(Arrival),
    Asked {
        to: Life,
        task: u64,
        call: CallId,
        request: KafkaRequest,
    },
    Announced {
        to: Life,
        address: Address,
        fetch: u64,
    },
    Fetch {
        from: Life,
        address: Address,
        fetch: u64,
        position: From,
    },
    Fetched {
        to: Life,
        address: Address,
        fetch: u64,
        fetched: Fetched,
    },
    Commit(CommitArrival),
    Committed {
        to: Life,
        address: Address,
    },
    Beat(Life),
    /// A process is started, unless it runs.
    Start {
        number: usize,
        reconfigured: bool,
    },
    Mishap(Mishap),
    Produce(Step),
}

/// A place where a process runs, or has run.
pub(super) struct Slot {
    pub process: Option<Process>,
    pub life: u64,
    pub config: Configuration,
    /// Nothing reaches it before.
    pub stalled_until: i64,
    /// Its heartbeats don't reach the coordinator before.
    pub isolated_until: i64,
    /// It believes that it owns everything, without a group.
    pub is_ungrouped: bool,
}

pub(super) struct World {
    pub scenario: Scenario,
    pub sabotage: Option<Sabotage>,
    pub now: i64,
    queue: BTreeMap<(i64, u64), Happening>,
    sequence: u64,
    pub happened: u64,
    pub rng: Rng,
    /// Delays and faults.
    pub net: Rng,
    pub broker: Broker,
    pub group: Group,
    pub store: Bucket,
    /// The arbiter of the ledger where the store is none.
    pub table: Bucket,
    pub slots: BTreeMap<usize, Slot>,
    pub lives: u64,
    pub finished: Vec<Life>,
    pub oracle: Oracle,
    pub coverage: Coverage,
    pub trace: Trace,
    pub outage_until: i64,
    /// No fault happens any more.
    pub is_healed: bool,
    /// Nobody is started any more but by the operator.
    pub is_closing: bool,
    /// What the operator found refused.
    pub refused: Vec<TopicPartition>,
    pub generation: u32,
}

// === impl World ===

impl World {
    pub fn new(seed: u64, sabotage: Option<Sabotage>, keep_trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut scenario = Scenario::draw(&mut rng);
        if sabotage == Some(Sabotage::EventualArbiter) {
            scenario.store = Consistency::Eventual { lag_ms_max: 5_000 };
        }
        let net = rng.fork();
        let session_ms = rng.between(6_000, 15_000);
        let mut world = Self {
            broker: Broker::new(scenario.has_topic_ids),
            group: Group::new(scenario.protocol, session_ms, 20_000),
            store: Bucket::new(scenario.store, scenario.keeps_attributes),
            table: Bucket::new(Consistency::Exclusive, false),
            oracle: Oracle::new(scenario.isolation, scenario.store),
            scenario,
            sabotage,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            happened: 0,
            rng,
            net,
            slots: BTreeMap::new(),
            lives: 0,
            finished: Vec::new(),
            coverage: Coverage::new(),
            trace: Trace::new(keep_trace),
            outage_until: 0,
            is_healed: false,
            is_closing: false,
            refused: Vec::new(),
            generation: 1,
        };
        world.trace.line(0, format_args!("{:?}", world.scenario));
        world.prepare();
        world
    }

    /// Topics, processes, the producer's work and the mishaps to come.
    fn prepare(&mut self) {
        for topic in self.scenario.topics.clone() {
            self.broker.create(&topic.name, topic.partitions);
        }
        if self.arbiter() == Arbiter::Sql {
            self.init_ledger();
        }
        self.plan_records();
        self.plan_mishaps();
        for number in 0..self.scenario.processes {
            let at = self.rng.between(0, 8_000);
            self.after(at, Happening::Start { number, reconfigured: true });
        }
        if self.scenario.has_ungrouped {
            let at = self.rng.between(0, self.scenario.chaos_ms);
            self.after(at, Happening::Start { number: UNGROUPED, reconfigured: true });
        }
        self.topics_changed();
    }

    pub fn after(&mut self, delay_ms: i64, happening: Happening) {
        self.at(self.now + delay_ms, happening);
    }

    fn at(&mut self, at_ms: i64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at_ms, self.sequence), happening);
    }

    pub fn arbiter(&self) -> Arbiter {
        if self.scenario.store == Consistency::Exclusive { Arbiter::Store } else { Arbiter::Sql }
    }

    /// The clock as processes see it.
    pub fn clock_ms(&self) -> i64 {
        BEGIN_MS + self.now
    }

    pub fn topics_changed(&mut self) {
        self.group.set_topic_partitions(self.now, self.broker.topic_partitions());
    }

    /// Lets happen what is due up to `until_ms`, or until `done` or a violation ends it. False when time is over.
    pub fn run(&mut self, until_ms: i64, done: impl Fn(&Self) -> bool) -> bool {
        loop {
            if self.oracle.violation().is_some() || done(self) {
                return true;
            }
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= until_ms => {}
                _ => {
                    self.now = until_ms;
                    return false;
                }
            }
            let ((at, _), happening) = self.queue.pop_first().expect("it has a first");
            self.now = at;
            self.happened += 1;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let happening = match self.receiver(&happening) {
            Some(to) if !self.is_alive(to) => return,
            // what reaches a stopped process waits in its sockets and comes in its order
            Some(to) if self.slots[&to.number].stalled_until > self.now => {
                return self.at(self.slots[&to.number].stalled_until, happening);
            }
            _ => happening,
        };
        let clock = self.clock_ms();
        match happening {
            Happening::Reply { to, task, call, reply } => {
                self.tell(to, |process| process.replied(clock, task, call, reply));
            }
            Happening::Arrived(arrival) => self.arrived(arrival),
            Happening::Asked { to, task, call, request } => self.asked(to, (task, call), &request),
            Happening::Announced { to, address, fetch } => {
                self.tell(to, |process| process.announced(clock, &address, fetch));
            }
            Happening::Fetch { from, address, fetch, position } => self.fetch(from, address, fetch, position),
            Happening::Fetched { to, address, fetch, fetched } => {
                let mut was_old = false;
                self.tell(to, |process| was_old = process.fetched(clock, &address, fetch, fetched));
                if was_old {
                    self.coverage.met(Path::OldSlice);
                }
            }
            Happening::Commit(arrival) => self.commit(arrival),
            Happening::Committed { to, address } => self.tell(to, |process| process.committed(&address)),
            Happening::Beat(to) => self.beat(to),
            Happening::Start { number, reconfigured } => self.start(number, reconfigured),
            Happening::Mishap(mishap) => self.befall(mishap),
            Happening::Produce(step) => self.produce(step),
        }
        for life in std::mem::take(&mut self.finished) {
            self.stop(life);
        }
    }

    /// Whom it happens to, if it happens inside a process.
    fn receiver(&self, happening: &Happening) -> Option<Life> {
        match happening {
            Happening::Reply { to, .. }
            | Happening::Announced { to, .. }
            | Happening::Fetched { to, .. }
            | Happening::Committed { to, .. }
            | Happening::Beat(to) => Some(*to),
            _ => None,
        }
    }

    pub fn is_alive(&self, life: Life) -> bool {
        self.slots.get(&life.number).is_some_and(|slot| slot.process.is_some() && slot.life == life.life)
    }

    /// Tells a living process something and carries out what it orders.
    pub fn tell(&mut self, to: Life, tell: impl FnOnce(&mut Process)) {
        if !self.is_alive(to) {
            return;
        }
        let slot = self.slots.get_mut(&to.number).expect("it is alive");
        let process = slot.process.as_mut().expect("it is alive");
        tell(process);
        for order in process.take_orders() {
            self.order(to, order);
        }
    }

    // --- lives

    pub fn start(&mut self, number: usize, reconfigured: bool) {
        let runs = self.slots.get(&number).is_some_and(|slot| slot.process.is_some());
        if runs || self.is_closing {
            return;
        }
        if reconfigured || !self.slots.contains_key(&number) {
            self.place(number);
        }
        let (arbiter, sabotage) = (self.arbiter(), self.sabotage);
        self.begin(Start { number, errand: Errand::Archive, until: None, arbiter, sabotage });
    }

    /// Makes a slot for a process, with a configuration of its own.
    pub fn place(&mut self, number: usize) {
        let config = Configuration::draw(&mut self.rng, &self.scenario, self.generation);
        self.trace.line(self.now, format_args!("p{number} is told {config:?}"));
        let is_ungrouped = number == UNGROUPED;
        let slot = Slot { process: None, life: 0, config, stalled_until: 0, isolated_until: 0, is_ungrouped };
        self.slots.insert(number, slot);
        if is_ungrouped {
            self.coverage.met(Path::Ungrouped);
        }
    }

    /// Starts a process in its slot.
    pub fn begin(&mut self, start: Start) -> Life {
        self.lives += 1;
        let life = Life { number: start.number, life: self.lives };
        let rng = self.rng.fork();
        let slot = self.slots.get_mut(&start.number).expect("a process has a slot");
        slot.process = Some(Process::new(start, slot.config.clone(), self.broker.names(), rng));
        (slot.life, slot.stalled_until, slot.isolated_until) = (life.life, 0, 0);
        self.trace.line(self.now, format_args!("p{} starts life {}", life.number, life.life));
        self.tell(life, |_| {});
        self.after(0, Happening::Beat(life));
        life
    }

    /// It has ended in order: it leaves the group.
    fn stop(&mut self, life: Life) {
        if !self.is_alive(life) {
            return;
        }
        self.trace.line(self.now, format_args!("p{} ends", life.number));
        let slot = self.slots.get_mut(&life.number).expect("it is alive");
        let process = slot.process.take().expect("it is alive");
        if let Some((member, _)) = process.member {
            // a static member does not leave: its session ends, or it returns
            if !self.scenario.static_members {
                self.group.leave(self.now, member);
            }
        }
    }

    pub fn crash(&mut self, number: usize) {
        if let Some(slot) = self.slots.get_mut(&number)
            && slot.process.take().is_some()
        {
            self.coverage.met(Path::Crash);
            self.trace.line(self.now, format_args!("p{number} crashes"));
        }
    }

    /// Once a second: the clock, and the group.
    fn beat(&mut self, to: Life) {
        let clock = self.clock_ms();
        for _ in 0..self.group.expire(self.now) {
            self.coverage.met(Path::SessionExpired);
        }
        self.after(BEAT_MS, Happening::Beat(to));
        self.tell(to, |process| process.tick(clock));
        let Some(process) = self.slots.get(&to.number).and_then(|slot| slot.process.as_ref()) else { return };
        let slot = &self.slots[&to.number];
        if !process.is_booted() || slot.isolated_until > self.now {
            return;
        }
        if slot.is_ungrouped {
            let all: BTreeSet<TopicPartition> = self.broker.topic_partitions().into_iter().collect();
            return self.tell(to, |process| process.grant(clock, &all));
        }
        if process.start.errand != Errand::Archive {
            let all: BTreeSet<TopicPartition> = self.refused.iter().cloned().collect();
            return self.tell(to, |process| process.grant(clock, &all));
        }
        self.heartbeat(to);
    }

    fn heartbeat(&mut self, to: Life) {
        let (now, clock) = (self.now, self.clock_ms());
        let process = self.slots[&to.number].process.as_ref().expect("it is alive");
        let held = process.held();
        let member = match process.member {
            Some((member, _)) => member,
            None if process.is_leaving() => return,
            None => {
                let joined = self.group.join(now, self.scenario.static_members.then_some(to.number));
                if joined.returned {
                    self.coverage.met(Path::StaticReturn);
                }
                self.tell(to, |process| process.member = Some((joined.member, 0)));
                joined.member
            }
        };
        let beat = self.group.heartbeat(now, member, &held);
        if beat == Beat::Unknown {
            self.coverage.met(Path::LostMembership);
            self.trace.line(now, format_args!("p{} has lost its membership", to.number));
        }
        let mut revoked = 0;
        self.tell(to, |process| revoked = process.beat(clock, &beat));
        for _ in 0..revoked {
            self.coverage.met(Path::Revoked);
        }
    }

    // --- notes

    pub fn noted(&mut self, from: Life, address: &Address, note: &Note) {
        let tp = &address.topic_partition;
        self.trace.line(self.now, format_args!("p{} {tp} {note:?}", from.number));
        let path = match note {
            Note::Refused(refusal) => {
                let config = &self.slots[&from.number].config;
                self.oracle.refused(&self.broker, tp, refusal, config.on_topic_recreated);
                None
            }
            Note::ForeignCommit { .. } => Some(Path::ForeignCommitSeen),
            Note::Adopted { .. } => Some(Path::Adopted),
            Note::Complete { replayed, .. } => {
                if *replayed {
                    self.coverage.met(Path::Replayed);
                }
                Some(Path::BatchCompleted)
            }
            Note::Empty { .. } => Some(Path::Empty),
            Note::Hole { .. } => Some(Path::Hole),
            Note::Sealed { .. } => Some(Path::Sealed),
            Note::Resolved { .. } => Some(Path::Resolved),
            Note::Consuming { .. } => {
                if self.oracle.recovered(tp) {
                    self.coverage.met(Path::RefusedAndRecovered);
                }
                None
            }
        };
        if let Some(path) = path {
            self.coverage.met(path);
        }
    }

    /// A process that lives, drawn.
    pub fn any_life(&mut self) -> Option<Life> {
        let living = self.slots.iter().filter(|(_, slot)| slot.process.is_some());
        let living: Vec<Life> = living.map(|(number, slot)| Life { number: *number, life: slot.life }).collect();
        if living.is_empty() { None } else { Some(*self.rng.pick(&living)) }
    }

    pub fn living(&self) -> Vec<Life> {
        let living = self.slots.iter().filter(|(_, slot)| slot.process.is_some());
        living.map(|(number, slot)| Life { number: *number, life: slot.life }).collect()
    }

    pub fn names(&self) -> Vec<Rc<str>> {
        self.scenario.topics.iter().map(|topic| Rc::clone(&topic.name)).collect()
    }
}

/// The number of the process that needs no group.
pub(super) const UNGROUPED: usize = 90;
/// The number of the process that the operator starts at the end.
pub(super) const OPERATOR: usize = 99;
