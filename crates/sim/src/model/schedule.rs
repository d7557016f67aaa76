//! A schedule is a list of steps; running it is a function of the list.
//!
//! When the list has ended, faults stop: everybody is replaced by fresh processes without faults, and these must archive
//! the log to its end ([`Violation::NoProgress`] otherwise).

use std::fmt;

use secor_core::flush::CutReason;
use secor_core::partition::{Errand, OnTopicRecreated, RefusalCode};

use crate::model::draft::Layout;
use crate::model::log::Slot;
use crate::model::oracle;
use crate::model::process::{Config, Process, RETRY_REFUSED_MS};
use crate::model::sabotage::Sabotage;
use crate::model::world::World;

/// What happens next. Processes are numbered modulo [`PROCESSES`]; other indices are modulo what there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Starts the process with this configuration, if it does not run.
    Start(usize, Config),
    /// So many of the smallest things in the ledger lane.
    Turn(usize, usize),
    /// So many records, or offsets without one, into the open batch.
    Fetch(usize, usize),
    /// The next creation of the process stays under way.
    Delay(usize),
    /// A creation that was under way arrives.
    LandLate(usize),
    LandCommit(usize),
    ForeignCommit(usize),
    /// The group and its offset are deleted.
    LoseGroup,
    Crash(usize),
    Revoke(usize),
    Shutdown(usize),
    Lose(usize),
    Flush(usize),
    Produce(usize),
    Marker,
    Compact(usize),
    Retain(usize),
    Recreate,
    Advance(i64),
}

/// Two may own the partition at once, and an operator comes with `recover`.
pub const PROCESSES: usize = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    pub steps: Vec<Step>,
    pub sabotage: Option<Sabotage>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// After the step of this number.
    Broken { step: usize, what: String },
    /// After the last step, when faults had stopped.
    NoProgress(String),
}

/// The state between steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub world: World,
    pub processes: [Option<Process>; PROCESSES],
    /// What happened to the log: decides which refusals are right.
    retained: bool,
    recreated: bool,
    generation: u32,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub entries: usize,
    pub files: usize,
    pub resolutions: usize,
    pub generations: usize,
}

const REST_ROUNDS_MAX: usize = 600;

/// Runs a schedule from an empty world to rest.
///
/// # Errors
/// The first [`Violation`].
pub fn run(schedule: &Schedule) -> Result<Summary, Violation> {
    let mut run = Run::new(schedule.sabotage);
    for (number, step) in schedule.steps.iter().enumerate() {
        run.step(step);
        run.check().map_err(|what| Violation::Broken { step: number, what })?;
    }
    run.come_to_rest()?;
    let generations = run.world.entries.keys().map(|(generation, _)| generation);
    Ok(Summary {
        entries: run.world.entries.len(),
        files: run.world.files.len(),
        resolutions: run.world.resolutions.len(),
        generations: generations.collect::<std::collections::BTreeSet<_>>().len(),
    })
}

// === impl Run ===

impl Run {
    #[must_use]
    pub fn new(sabotage: Option<Sabotage>) -> Self {
        let processes = [None, None, None];
        Self { world: World::new(sabotage), processes, retained: false, recreated: false, generation: 1 }
    }

    pub fn step(&mut self, step: &Step) {
        let world = &mut self.world;
        match step {
            Step::Start(p, config) => self.start(*p, config),
            Step::Turn(p, times) => self.each(*p, *times, Process::turn),
            Step::Fetch(p, times) => self.each(*p, *times, Process::fetch),
            Step::Delay(p) => self.each(*p, 1, Process::delay),
            Step::Revoke(p) => self.each(*p, 1, |process, world| process.leave(world, CutReason::Revocation)),
            Step::Shutdown(p) => self.each(*p, 1, |process, world| process.leave(world, CutReason::Shutdown)),
            Step::Lose(p) => self.each(*p, 1, Process::lose),
            Step::Flush(p) => self.each(*p, 1, Process::flush),
            Step::Crash(p) => self.processes[p % PROCESSES] = None,
            Step::LandLate(index) => world.land_late(*index),
            Step::LandCommit(index) => world.land_commit(*index),
            Step::ForeignCommit(index) => world.foreign_commit(*index),
            Step::LoseGroup => world.register = None,
            Step::Produce(count) => (0..*count).for_each(|_| world.log.append(Slot::Record)),
            Step::Marker => world.log.append(Slot::Marker),
            Step::Compact(index) => world.log.compact(*index),
            Step::Retain(count) => {
                world.log.retain(*count);
                self.retained = true;
            }
            Step::Recreate => {
                world.log.recreate();
                self.recreated = true;
            }
            Step::Advance(ms) => world.now_ms += ms,
        }
    }

    /// # Errors
    /// The first promise that is broken.
    pub fn check(&self) -> Result<(), String> {
        for process in self.processes.iter().flatten() {
            self.refusals_are_right(process)?;
            self.left_when_done(process)?;
        }
        oracle::check(&self.world)
    }

    fn start(&mut self, p: usize, config: &Config) {
        let slot = &mut self.processes[p % PROCESSES];
        if slot.as_ref().is_none_or(Process::released) {
            self.generation = self.generation.max(config.generation);
            *slot = Some(Process::start(config.clone(), &mut self.world));
        }
    }

    fn each(&mut self, p: usize, times: usize, act: impl Fn(&mut Process, &mut World)) {
        if let Some(process) = &mut self.processes[p % PROCESSES] {
            (0..times).for_each(|_| act(process, &mut self.world));
        }
    }

    /// A refusal is only right when what it says has happened.
    fn refusals_are_right(&self, process: &Process) -> Result<(), String> {
        for refusal in &process.refusals {
            let right = match refusal.code {
                RefusalCode::RecordsExpired => self.retained,
                RefusalCode::TopicRecreated => {
                    self.recreated && process.config.on_topic_recreated == OnTopicRecreated::Refuse
                }
                RefusalCode::LogTruncated => self.recreated,
                _ => false,
            };
            if !right {
                return Err(format!("refused for no reason: {refusal}"));
            }
        }
        Ok(())
    }

    /// Who leaves by itself at the log end of its start has seen all of it archived.
    fn left_when_done(&self, process: &Process) -> Result<(), String> {
        let Some(until) = process.machine.settings().until else {
            return Ok(());
        };
        let archives = process.config.errand == Errand::Archive;
        if !archives || !process.released() || process.dismissed || self.recreated || !process.refusals.is_empty() {
            return Ok(());
        }
        let tip = oracle::tip(&self.world)?;
        match tip {
            Some(tip) if tip.end >= until => Ok(()),
            _ => Err(format!("left before {until}: {tip:?}")),
        }
    }

    /// Faults stop. What is under way lands, and new processes must finish the work.
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        let all = self.world.late.len() + self.world.commits.len();
        while !self.world.late.is_empty() {
            self.world.land_late(0);
            self.check().map_err(|what| Violation::Broken { step: usize::MAX, what })?;
        }
        let last = self.processes.iter().flatten().last().map(|process| process.config.clone());
        let config = Config {
            generation: self.generation,
            on_topic_recreated: OnTopicRecreated::NewGeneration,
            until_end: false,
            errand: Errand::Archive,
            ..last.unwrap_or_else(|| Config::plain(Layout { partitions: 2, extension: ".gz" }))
        };
        self.processes = [None, None, None];
        self.start(0, &config);
        self.start(1, &Config { records_max: config.records_max + 1, ..config.clone() });
        for round in 0..REST_ROUNDS_MAX {
            if self.at_rest().map_err(Violation::NoProgress)? {
                return Ok(());
            }
            self.round(round + all, &config);
            self.check().map_err(|what| Violation::Broken { step: usize::MAX, what })?;
        }
        let states: Vec<_> = self.processes.iter().flatten().map(|process| process.machine.status()).collect();
        Err(Violation::NoProgress(format!(
            "{:?} of {:?}: {states:?}",
            oracle::tip(&self.world),
            self.world.log.range()
        )))
    }

    fn round(&mut self, round: usize, config: &Config) {
        for p in 0..PROCESSES {
            self.each(p, 3 + (round + p) % 3, Process::turn);
            self.each(p, 1, Process::fetch);
        }
        if round.is_multiple_of(4) {
            self.world.now_ms += RETRY_REFUSED_MS;
            self.world.land_commit(round);
        }
        let expired = |process: &Process| {
            process.machine.status().refusal.is_some_and(|refusal| refusal.code == RefusalCode::RecordsExpired)
        };
        if self.processes.iter().flatten().any(expired) {
            let errand = Errand::Recover { accept_loss: true };
            self.start(2, &Config { errand, ..config.clone() });
        }
    }

    fn at_rest(&self) -> Result<bool, String> {
        let current = self.world.log.incarnation_of(&self.world.log.topic_id());
        let tip = oracle::tip(&self.world)?;
        let end = self.world.log.range().end;
        Ok(tip.is_some_and(|tip| tip.complete && tip.end >= end && Some(tip.incarnation) == current))
    }
}

// === impl Config ===

impl Config {
    /// Nothing special.
    #[must_use]
    pub fn plain(layout: Layout) -> Self {
        Self {
            generation: 1,
            records_max: 3,
            layout,
            latest: false,
            on_topic_recreated: OnTopicRecreated::Refuse,
            until_end: false,
            errand: Errand::Archive,
            look_order: 0,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { step: usize::MAX, what } => write!(f, "on the way to rest: {what}"),
            Self::Broken { step, what } => write!(f, "after step {step}: {what}"),
            Self::NoProgress(what) => write!(f, "no progress: {what}"),
        }
    }
}
