//! A process: its lanes, the tasks that answer them, its place in the group, its consumer.
//!
//! The real machine, pipeline, encoders, names and manifests run in here; what surrounds them is a compact mirror of the
//! program's own executor: [`lane`] of `worker/lane.rs`, [`batch`] of `worker/batch.rs`, [`hands`] of
//! `service/world.rs`, [`ledger`] of `ledger/`, [`fetching`] and this module of `service/consume.rs` and `grants.rs`. A process never
//! touches the world: it is told what happened and gives [`Order`]s, so dropping it is a crash and telling it nothing is
//! a stall.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use secor_core::flush::CutReason;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::manifest::Arbiter;
use secor_core::partition::{Answer, AskId, Errand, Event, LogRange, Note, Refusal, Settings};
use secor_core::shape::Output;
use secor_format::Codec;

use super::group::{Beat, MemberId};
use super::log::From;
use super::net::{CallId, Reply, Request, Running, poll_once};
use super::rng::Rng;
use super::sabotage::Sabotage;
use super::scenario::Configuration;

mod ledger;
mod batch;
mod lane;
mod hands;
mod fetching;

use batch::{Recipe, ReplayPlan};
use fetching::Fetcher;
use hands::Hands;
pub(super) use lane::Address;
use lane::{Effect, Lane};

pub(super) const GROUP: &str = "archive";
pub(super) const CLUSTER: &str = "cluster";

const REVOKE_MS: i64 = 15_000;
const SHUTDOWN_MS: i64 = 60_000;
const RETRY_REFUSED_MS: i64 = 60_000;

/// What a process wants of the world.
pub(super) enum Order {
    Call {
        task: u64,
        call: CallId,
        request: Request,
    },
    /// `Fetching` on its way to the worker.
    Announce {
        address: Address,
        fetch: u64,
    },
    Fetch {
        address: Address,
        fetch: u64,
        from: From,
        pause_ms: i64,
    },
    Commit {
        address: Address,
        offset: Offset,
        metadata: String,
    },
    Note {
        address: Address,
        note: Note,
    },
    /// What was being taken away was not flushed in time.
    RevokeTimedOut,
    /// All lanes are released: it may leave.
    Finished,
}

/// What a lane uses of its process.
pub(super) struct Context<'a> {
    pub process: usize,
    pub now_ms: i64,
    pub codecs: &'a mut Codecs,
    effects: &'a mut Vec<Effect>,
    pub open_writers_max: usize,
    /// Memory is short: blocks are closed early.
    pub relieve: bool,
    pub sabotage: Option<Sabotage>,
}

/// The compressors of a process, by the output that they are for.
#[derive(Default)]
pub(super) struct Codecs(Vec<(Output, Codec)>);

/// What a process is started for.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub number: usize,
    pub errand: Errand,
    /// Archive up to here and stop.
    pub until: Option<BTreeMap<TopicPartition, Offset>>,
    pub arbiter: Arbiter,
    pub sabotage: Option<Sabotage>,
}

pub(super) struct Process {
    pub start: Start,
    pub config: Rc<Configuration>,
    /// Membership and its epoch, as this process knows it.
    pub member: Option<(MemberId, u64)>,
    hands: Rc<Hands>,
    rng: Rng,
    codecs: Codecs,
    lanes: BTreeMap<TopicPartition, Lane>,
    tasks: BTreeMap<u64, Task>,
    started_tasks: u64,
    epochs: u64,
    is_booted: bool,
    /// What is being taken away, and until when it may be flushed.
    revoking: BTreeMap<TopicPartition, i64>,
    leave_by: Option<i64>,
    /// Of a process that is to end by itself: what it has done.
    done: BTreeSet<TopicPartition>,
    fetchers: BTreeMap<TopicPartition, Fetcher>,
    /// One commit of an epoch at a time, in order.
    commits: BTreeMap<u64, VecDeque<(Offset, String)>>,
    orders: Vec<Order>,
}

struct Task {
    address: Option<Address>,
    running: Running<Done>,
}

/// What a task has found out.
enum Done {
    Booted,
    Answer(AskId, Answer),
    Plan(AskId, Box<ReplayPlan>),
    Range(LogRange),
    Refused(Refusal),
}

// === impl Codecs ===

impl Codecs {
    fn of(&mut self, output: &Output) -> &mut Codec {
        let index = self.0.iter().position(|(known, _)| known == output).unwrap_or_else(|| {
            self.0.push((output.clone(), Codec::new(output)));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

// === impl Process ===

impl Process {
    pub fn new(start: Start, config: Configuration, topics: Vec<Rc<str>>, mut rng: Rng) -> Self {
        let config = Rc::new(config);
        let hands = Rc::new(Hands::new(Rc::clone(&config), start.sabotage, rng.fork()));
        let (drawn, arbiter) = (rng.draw(), start.arbiter);
        let mut process = Self {
            start,
            config,
            member: None,
            hands: Rc::clone(&hands),
            rng,
            codecs: Codecs::default(),
            lanes: BTreeMap::new(),
            tasks: BTreeMap::new(),
            started_tasks: 0,
            epochs: 0,
            is_booted: false,
            revoking: BTreeMap::new(),
            leave_by: None,
            done: BTreeSet::new(),
            fetchers: BTreeMap::new(),
            commits: BTreeMap::new(),
            orders: Vec::new(),
        };
        let boot = async move {
            match hands.retry(|| hands.boot(&topics, drawn, arbiter)).await {
                Ok(()) => Done::Booted,
                Err(refusal) => Done::Refused(refusal),
            }
        };
        process.spawn(0, None, Box::pin(boot));
        process
    }

    pub fn is_booted(&self) -> bool {
        self.is_booted
    }

    pub fn is_leaving(&self) -> bool {
        self.leave_by.is_some()
    }

    /// What this process holds: granted and not yet given back.
    pub fn held(&self) -> BTreeSet<TopicPartition> {
        self.lanes.keys().cloned().collect()
    }

    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// The refusals of its lanes.
    pub fn refusals(&self) -> Vec<(TopicPartition, Refusal)> {
        let of = |(tp, lane): (&TopicPartition, &Lane)| Some((tp.clone(), lane.machine().status().refusal?));
        self.lanes.iter().filter_map(of).collect()
    }

    /// Is a batch of this lane being made again?
    pub fn is_replaying(&self, address: &Address) -> bool {
        self.lanes.get(&address.topic_partition).is_some_and(Lane::is_replaying)
    }

    // --- what happens to it

    pub fn replied(&mut self, now_ms: i64, task: u64, call: CallId, reply: Reply) {
        // the task may be over: its epoch has ended
        if self.tasks.contains_key(&task) {
            self.hands.net.put(call, reply);
            self.poll(now_ms, task);
        }
    }

    pub fn tick(&mut self, now_ms: i64) {
        let all: Vec<TopicPartition> = self.lanes.keys().cloned().collect();
        for tp in all {
            self.tell(now_ms, &tp, Event::Tick);
        }
        let overdue = self.revoking.iter().filter(|(_, by_ms)| **by_ms <= now_ms);
        for tp in overdue.map(|(tp, _)| tp.clone()).collect::<Vec<_>>() {
            self.orders.push(Order::RevokeTimedOut);
            self.lose(now_ms, &tp);
        }
        if self.leave_by.is_some_and(|by_ms| by_ms <= now_ms) {
            self.lose_all(now_ms);
        }
        // of a run up to the log end, some may still be with a member whose session is not over
        let is_through = match &self.start.until {
            Some(until) => until.keys().all(|tp| self.done.contains(tp)),
            None => !self.done.is_empty(),
        };
        if self.lanes.is_empty() && (self.leave_by.is_some() || is_through) {
            self.orders.push(Order::Finished);
        }
    }

    /// It is to do something once for each topic partition, and then to end.
    fn has_end(&self) -> bool {
        self.start.until.is_some() || self.start.errand != Errand::Archive
    }

    /// The coordinator says what it owns; gives what it has begun to give back.
    pub fn beat(&mut self, now_ms: i64, beat: &Beat) -> usize {
        match beat {
            Beat::Unknown => {
                self.member = None;
                self.lose_all(now_ms);
                0
            }
            Beat::Owns(owned, epoch) => {
                if let Some((_, known)) = &mut self.member {
                    *known = *epoch;
                }
                let taken: Vec<_> = self.lanes.keys().filter(|tp| !owned.contains(*tp)).cloned().collect();
                let mut revoked = 0;
                for tp in taken {
                    if !self.revoking.contains_key(&tp) {
                        revoked += 1;
                        self.revoking.insert(tp.clone(), now_ms + REVOKE_MS);
                        self.tell(now_ms, &tp, Event::Leave(CutReason::Revocation));
                    }
                }
                self.grant(now_ms, owned);
                revoked
            }
        }
    }

    /// These are ours, for a new epoch each, unless they are already.
    pub fn grant(&mut self, now_ms: i64, owned: &BTreeSet<TopicPartition>) {
        if self.leave_by.is_some() {
            return;
        }
        for tp in owned {
            if self.lanes.contains_key(tp) || self.done.contains(tp) {
                continue;
            }
            self.epochs += 1;
            let address = Address { topic_partition: tp.clone(), epoch: self.epochs };
            let settings = self.settings(tp);
            let recipe = Recipe::new(tp, Arc::clone(&self.config.shape), self.config.isolation)
                .expect("scenarios draw shapes that are right");
            let mut effects = Vec::new();
            let lane = Lane::new(address.clone(), settings, recipe, &mut self.context(now_ms, &mut effects));
            self.lanes.insert(tp.clone(), lane);
            self.carry_out(now_ms, &address, effects);
        }
    }

    /// Leaves in order: flush, commit, leave.
    pub fn leave(&mut self, now_ms: i64) {
        self.leave_by = Some(now_ms + SHUTDOWN_MS);
        for tp in self.lanes.keys().cloned().collect::<Vec<_>>() {
            self.tell(now_ms, &tp, Event::Leave(CutReason::Shutdown));
        }
    }

    pub fn cut(&mut self, now_ms: i64, reason: CutReason) {
        for tp in self.lanes.keys().cloned().collect::<Vec<_>>() {
            self.tell(now_ms, &tp, Event::Cut(reason));
        }
    }

    pub fn committed(&mut self, address: &Address) {
        let Some(queue) = self.commits.get_mut(&address.epoch) else { return };
        queue.pop_front();
        match queue.front().cloned() {
            Some((offset, metadata)) => self.orders.push(Order::Commit { address: address.clone(), offset, metadata }),
            None => drop(self.commits.remove(&address.epoch)),
        }
    }

    // --- lanes

    fn settings(&self, tp: &TopicPartition) -> Settings {
        let until = self.start.until.as_ref().map(|until| until.get(tp).copied().unwrap_or(Offset::ZERO));
        Settings {
            ledger: self.hands.ledger.id(),
            topic_partition: tp.clone(),
            group: Arc::from(GROUP),
            cluster: Arc::from(CLUSTER),
            generation: self.config.generation,
            flush: self.config.flush.clone(),
            on_topic_recreated: self.config.on_topic_recreated,
            revoke_flush_bytes_min: self.config.revoke_flush_bytes_min,
            until,
            errand: self.start.errand,
            retry_refused_ms: RETRY_REFUSED_MS,
        }
    }

    fn context<'c>(&'c mut self, now_ms: i64, effects: &'c mut Vec<Effect>) -> Context<'c> {
        Context {
            process: self.start.number,
            now_ms,
            codecs: &mut self.codecs,
            effects,
            open_writers_max: self.config.open_writers_max,
            relieve: self.rng.chance(self.config.relief),
            sabotage: self.start.sabotage,
        }
    }

    fn tell(&mut self, now_ms: i64, tp: &TopicPartition, event: Event) {
        if let Some(lane) = self.lanes.get(tp) {
            let address = lane.address.clone();
            self.at(now_ms, &address, |lane, cx| {
                lane.event(event, cx);
                lane.drain(cx);
            });
        }
    }

    /// Of an epoch that is over, nothing is done.
    fn at(&mut self, now_ms: i64, to: &Address, act: impl FnOnce(&mut Lane, &mut Context<'_>)) {
        let stale = self.start.sabotage == Some(Sabotage::StaleEpochAnswers);
        let Some(mut lane) = self.lanes.remove(&to.topic_partition) else { return };
        let mut effects = Vec::new();
        let address = lane.address.clone();
        if address == *to || stale {
            act(&mut lane, &mut self.context(now_ms, &mut effects));
        }
        self.lanes.insert(to.topic_partition.clone(), lane);
        self.carry_out(now_ms, &address, effects);
    }

    fn carry_out(&mut self, now_ms: i64, address: &Address, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Note(note) => self.orders.push(Order::Note { address: address.clone(), note }),
                Effect::Fetch(fetch) => self.fetch_as_told(address, fetch),
                Effect::Commit { offset, metadata } => {
                    let queue = self.commits.entry(address.epoch).or_default();
                    queue.push_back((offset, metadata.to_string()));
                    if queue.len() == 1 {
                        let metadata = metadata.to_string();
                        self.orders.push(Order::Commit { address: address.clone(), offset, metadata });
                    }
                }
                Effect::Released => self.end(address),
                question => self.question(now_ms, address, question),
            }
        }
    }

    fn question(&mut self, now_ms: i64, address: &Address, question: Effect) {
        let (hands, tp) = (Rc::clone(&self.hands), address.topic_partition.clone());
        let running: Running<Done> = match question {
            Effect::Ask { id, ask, staged } => Box::pin(async move {
                let answer = hands.retry(|| hands.answer(&tp, &ask, &staged)).await;
                Done::Answer(id, answer.unwrap_or_else(Answer::Refuse))
            }),
            Effect::PrepareReplay { id, entry, keys } => Box::pin(async move {
                match hands.retry(|| hands.plan_replay(&entry, &keys)).await {
                    Ok(plan) => Done::Plan(id, Box::new(plan)),
                    Err(refusal) => Done::Answer(id, Answer::Refuse(refusal)),
                }
            }),
            Effect::FinishReplay { id, replay } => Box::pin(async move {
                let answer = hands.retry(|| hands.finish_replay(&tp.topic, &replay)).await;
                Done::Answer(id, answer.unwrap_or_else(Answer::Refuse))
            }),
            _ => unreachable!("other effects are no questions"),
        };
        self.spawn(now_ms, Some(address.clone()), running);
    }

    /// The epoch is over: its tasks are dropped, what they have sent is on its way.
    fn end(&mut self, address: &Address) {
        if self.lanes.get(&address.topic_partition).is_some_and(|lane| lane.address == *address) {
            self.lanes.remove(&address.topic_partition);
            self.revoking.remove(&address.topic_partition);
            if self.has_end() {
                self.done.insert(address.topic_partition.clone());
            }
        }
        if self.start.sabotage != Some(Sabotage::StaleEpochAnswers) {
            self.tasks.retain(|_, task| task.address.as_ref() != Some(address));
        }
    }

    fn lose(&mut self, now_ms: i64, tp: &TopicPartition) {
        self.tell(now_ms, tp, Event::Lost);
    }

    fn lose_all(&mut self, now_ms: i64) {
        for tp in self.lanes.keys().cloned().collect::<Vec<_>>() {
            self.lose(now_ms, &tp);
        }
    }

    // --- tasks

    fn spawn(&mut self, now_ms: i64, address: Option<Address>, running: Running<Done>) {
        self.started_tasks += 1;
        let task = self.started_tasks;
        self.tasks.insert(task, Task { address, running });
        self.poll(now_ms, task);
    }

    fn poll(&mut self, now_ms: i64, id: u64) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let done = poll_once(&mut task.running);
        for (call, request) in self.hands.net.take_outbox() {
            self.orders.push(Order::Call { task: id, call, request });
        }
        let Some(done) = done else { return };
        let task = self.tasks.remove(&id).expect("it has just been polled");
        let Some(address) = task.address else {
            self.is_booted = matches!(done, Done::Booted);
            return;
        };
        self.at(now_ms, &address, |lane, cx| {
            match done {
                Done::Booted => unreachable!("booting has no address"),
                Done::Answer(id, answer) => lane.event(Event::Answer(id, answer), cx),
                Done::Plan(id, plan) => lane.replay(id, *plan, cx),
                Done::Range(range) => lane.event(Event::OutOfRange(range), cx),
                Done::Refused(refusal) => lane.event(Event::Refuse(refusal), cx),
            }
            lane.drain(cx);
        });
    }
}
