//! A schedule is a list of steps; running it is a function of the list.
//!
//! When the list has ended, faults stop: everybody is replaced by fresh processes without faults, and these must archive
//! the log to its end ([`Violation::NoProgress`] otherwise), or refuse where a promise can't be kept any more.

use std::fmt;

use secor_core::flush::CutReason;
use secor_core::manifest::{HoleReason, Isolation, Kind};
use secor_core::partition::{Errand, OnTopicRecreated, RefusalCode};

use crate::model::log::Slot;
use crate::model::oracle;
use crate::model::process::{Config, Process, RETRY_REFUSED_MS};
use crate::model::sabotage::Sabotage;
use crate::model::world::{Owner, World};

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
    /// The group has worked for another ledger.
    OtherLedger,
    /// The group and its offset are deleted.
    LoseGroup,
    Crash(usize),
    Revoke(usize),
    Shutdown(usize),
    Lose(usize),
    Flush(usize),
    Produce(usize),
    Marker,
    Aborted,
    Compact(usize),
    Retain(usize),
    /// A new leader, which lacks so many of the newest offsets.
    Elect(usize),
    /// A new leader, which has what the last unclean election lost.
    Restore,
    Recreate,
    /// The topic's genesis is made before it has this partition.
    AddPartition,
    Accept(Owner),
    /// Somebody deletes the last entry of the ledger.
    LoseEntry,
    LoseGenesis,
    /// The ledger's database fails over.
    FailOver,
    /// Milliseconds.
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
    happened: Happened,
    generation: u32,
}

/// What decides which refusals are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Happened {
    retained: bool,
    recreated: bool,
    truncated: bool,
    restored: bool,
    /// The ledger has lost something.
    damaged: bool,
    other_ledger: bool,
    /// Somebody came as another group or cluster.
    other_owner: bool,
    uncommitted: bool,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub entries: usize,
    pub files: usize,
    pub resolutions: usize,
    pub generations: usize,
    /// Holes that a person accepted.
    pub accepted_holes: usize,
    /// It rests because everybody refuses, and rightly.
    pub refused: Option<RefusalCode>,
}

const REST_ROUNDS_MAX: usize = 600;
/// Who refuses so often, each time after another look, will go on refusing.
const HOPELESS_REFUSALS: usize = 3;

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
    let refused = run.come_to_rest()?;
    let world = &run.world;
    let generations = world.entries.keys().map(|(generation, _)| generation);
    let accepted = |kind: &Kind| matches!(kind, Kind::Hole(hole) if hole.reason == HoleReason::AcceptedLoss);
    Ok(Summary {
        entries: world.entries.len(),
        files: world.files.len(),
        resolutions: world.resolutions.len(),
        generations: generations.collect::<std::collections::BTreeSet<_>>().len(),
        accepted_holes: world.entries.values().filter(|entry| accepted(&entry.kind)).count(),
        refused,
    })
}

// === impl Run ===

impl Run {
    #[must_use]
    pub fn new(sabotage: Option<Sabotage>) -> Self {
        let processes = [None, None, None];
        Self { world: World::new(sabotage), processes, happened: Happened::default(), generation: 1 }
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
            Step::OtherLedger => {
                self.happened.other_ledger = true;
                world.other_ledgers_commit();
            }
            Step::LoseGroup => world.register = None,
            Step::AddPartition => world.add_partition(),
            Step::Accept(owner) => world.accept(*owner),
            Step::LoseEntry => {
                self.happened.damaged = true;
                world.lose_entry();
            }
            Step::LoseGenesis => {
                self.happened.damaged = true;
                world.lose_genesis();
            }
            Step::FailOver => world.fail_over(),
            Step::Advance(ms) => world.advance(*ms),
            step => self.step_of_log(step),
        }
    }

    fn step_of_log(&mut self, step: &Step) {
        let log = &mut self.world.log;
        match step {
            Step::Produce(count) => (0..*count).for_each(|_| log.append(Slot::Record)),
            Step::Marker => log.append(Slot::Marker),
            Step::Aborted => log.append(Slot::Aborted),
            Step::Compact(index) => log.compact(*index),
            Step::Retain(count) => {
                log.retain(*count);
                self.happened.retained = true;
            }
            Step::Elect(lost) => {
                log.elect(*lost);
                self.happened.truncated |= *lost > 0;
            }
            Step::Restore => {
                log.restore();
                self.happened.restored = true;
            }
            Step::Recreate => {
                log.recreate();
                self.happened.recreated = true;
            }
            step => unreachable!("`{step:?}` is not about the log"),
        }
    }

    /// # Errors
    /// The first promise that is broken.
    pub fn check(&self) -> Result<(), String> {
        for process in self.processes.iter().flatten() {
            self.refusals_are_right(process)?;
            self.left_when_done(process)?;
            self.owns_what_it_archives(process)?;
        }
        oracle::check(&self.world)
    }

    fn start(&mut self, p: usize, config: &Config) {
        let slot = &mut self.processes[p % PROCESSES];
        if slot.as_ref().is_none_or(Process::released) {
            self.generation = self.generation.max(config.generation);
            self.happened.other_owner |= config.owner != Owner::Usual;
            self.happened.uncommitted |= config.isolation == Isolation::ReadUncommitted;
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
        let happened = self.happened;
        // without topic ids another topic looks like another log
        let unnoticed = happened.recreated && self.world.topic_id().is_none();
        for refusal in &process.refusals {
            let right = match refusal.code {
                RefusalCode::RecordsExpired => happened.retained,
                RefusalCode::TopicRecreated => {
                    happened.recreated && process.config.on_topic_recreated == OnTopicRecreated::Refuse
                }
                RefusalCode::LogTruncated => happened.recreated || happened.truncated || happened.restored,
                RefusalCode::ReplayDiffers => happened.truncated || unnoticed,
                // records of the new topic may follow those of the old one, until somebody asks for the topic id
                RefusalCode::EpochWentBack => happened.restored || happened.recreated,
                RefusalCode::LedgerLostEntries => happened.damaged,
                RefusalCode::OtherLedger => happened.other_ledger,
                RefusalCode::OtherGroup | RefusalCode::OtherCluster => happened.other_owner,
                RefusalCode::OtherIsolation => happened.uncommitted,
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
        if !archives || !process.released() || process.dismissed || self.happened.recreated {
            return Ok(());
        }
        let tip = oracle::tip(&self.world)?;
        match tip {
            _ if !process.refusals.is_empty() => Ok(()),
            Some(tip) if tip.end >= until => Ok(()),
            _ => Err(format!("left before {until}: {tip:?}")),
        }
    }

    /// Only the group and cluster of the genesis archive, or accepted ones (R2).
    fn owns_what_it_archives(&self, process: &Process) -> Result<(), String> {
        let archives = process.machine.status().start.is_some();
        if archives && !self.world.is_owner(process.config.owner) {
            return Err(format!("archives as {:?}, whom nobody accepted", process.config.owner));
        }
        Ok(())
    }

    /// Faults stop. What is under way lands, and new processes must finish the work, or refuse it rightly.
    fn come_to_rest(&mut self) -> Result<Option<RefusalCode>, Violation> {
        let all = self.world.late.len() + self.world.commits.len();
        while !self.world.late.is_empty() {
            self.world.land_late(0);
            self.check().map_err(|what| Violation::Broken { step: usize::MAX, what })?;
        }
        let config = self.config_of_rest();
        let isolation = if self.happened.uncommitted { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
        self.processes = [None, None, None];
        self.start(0, &config);
        self.start(1, &Config { records_max: config.records_max + 1, isolation, ..config.clone() });
        for round in 0..REST_ROUNDS_MAX {
            if self.at_rest().map_err(Violation::NoProgress)? {
                return Ok(None);
            }
            if let Some(code) = self.rightly_refused() {
                return Ok(Some(code));
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

    /// The configuration of the last start, without what stops at once. The operator has settled who owns the archive.
    fn config_of_rest(&mut self) -> Config {
        if self.happened.other_ledger {
            self.world.register = None;
        }
        let owners = [Owner::Usual, Owner::OtherGroup, Owner::OtherCluster];
        let owner = owners.into_iter().find(|owner| self.world.is_owner(*owner)).unwrap_or_default();
        let last = self.processes.iter().flatten().last().map(|process| process.config.clone());
        Config {
            generation: self.generation,
            isolation: Isolation::ReadCommitted,
            owner,
            on_topic_recreated: OnTopicRecreated::NewGeneration,
            until_end: false,
            errand: Errand::Archive,
            ..last.unwrap_or_else(Config::plain)
        }
    }

    fn round(&mut self, round: usize, config: &Config) {
        for p in 0..PROCESSES {
            self.each(p, 3 + (round + p) % 3, Process::turn);
            self.each(p, 1, Process::fetch);
        }
        if round.is_multiple_of(4) {
            self.world.now_ms += RETRY_REFUSED_MS;
            if !self.happened.other_ledger {
                self.world.land_commit(round);
            }
        }
        let expired = |process: &Process| {
            process.machine.status().refusal.is_some_and(|refusal| refusal.code == RefusalCode::RecordsExpired)
        };
        if let Some(process) = self.processes.iter().flatten().find(|process| expired(process)) {
            let errand = Errand::Recover { accept_loss: true };
            let isolation = process.config.isolation;
            self.start(2, &Config { errand, isolation, ..config.clone() });
        }
    }

    fn at_rest(&self) -> Result<bool, String> {
        let current = self.world.log.incarnation_of(&Some(self.world.log.topic_id()));
        let tip = oracle::tip(&self.world)?;
        let end = self.world.log.range().end;
        Ok(tip.is_some_and(|tip| tip.complete && tip.end >= end && Some(tip.incarnation) == current))
    }

    /// Everybody refuses for something that no program can mend.
    fn rightly_refused(&self) -> Option<RefusalCode> {
        let hopeless = |code| match code {
            RefusalCode::LogTruncated | RefusalCode::EpochWentBack | RefusalCode::ReplayDiffers => {
                self.happened.truncated || self.happened.restored || self.world.topic_id().is_none()
            }
            RefusalCode::LedgerLostEntries => self.happened.damaged,
            _ => false,
        };
        let again_and_again = |process: &Process| {
            let codes = process.refusals.iter().map(|refusal| refusal.code).filter(|code| hopeless(*code));
            codes.into_iter().nth(HOPELESS_REFUSALS - 1)
        };
        let [one, other] = [0, 1].map(|p: usize| self.processes[p].as_ref().and_then(again_and_again));
        one.filter(|_| other.is_some())
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
