//! How a process finds an answer: one read or one creation at a time.
//!
//! A question that takes several requests is not answered at one moment, so neither is it here. A creation can be sent
//! on its way without an answer ([`Process::delay`]): it lands later or never, and meanwhile the process repeats it and
//! finds its own, has crashed, or has been told something else.

use std::collections::BTreeMap;

use secor_core::ids::{Offset, TopicId};
use secor_core::manifest::{CommitMetadata, Entry, FORMAT_VERSION, Genesis, Resolution};
use secor_core::partition::{Answer, Ask, AskId, Facts, FileState, Inspection, LogRange, Refusal, RefusalCode};

use super::{Process, lies, replay};
use crate::model::draft::stored;
use crate::model::sabotage::Sabotage;
use crate::model::world::{Creation, OwnCommit, World, ledger, topic_partition};

/// A question, and how far its answer has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task {
    id: AskId,
    ask: Ask,
    /// Requests made so far.
    done: usize,
    facts: Facts,
    genesis: Proposal,
    inspection: Inspection,
    pub(super) replay: replay::Progress,
    /// The machine was told something meanwhile, and asks something else by now, or nothing.
    pub(super) abandoned: bool,
}

/// How far a genesis has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Proposal {
    Unasked,
    /// The topic id, and the offset that was asked for after it.
    Begun(Option<TopicId>, Offset),
    Made(Box<Genesis>),
}

/// A part of the first look.
#[derive(Clone, Copy, Debug)]
enum Look {
    TopicId,
    Register,
    Genesis,
    Log,
}

impl Task {
    pub(super) fn new(id: AskId, ask: Ask) -> Self {
        let log = LogRange { start: Offset::ZERO, end: Offset::ZERO };
        Self {
            id,
            ask,
            done: 0,
            facts: Facts { topic_id: None, genesis: None, accepted: Vec::new(), committed: None, log },
            genesis: Proposal::Unasked,
            inspection: Inspection { files: Vec::new(), resolutions: Vec::new() },
            replay: replay::Progress::default(),
            abandoned: false,
        }
    }
}

impl Process {
    /// One request of the open question.
    pub(super) fn work(&mut self, world: &mut World) {
        let Some(mut task) = self.task.take() else {
            return;
        };
        match self.request(&mut task, world) {
            Some(answer) => self.answers.push_back((task.id, answer)),
            None if task.abandoned => {}
            None => {
                task.done += 1;
                self.task = Some(task);
            }
        }
    }

    /// The next creation leaves the process and does not arrive yet; the process will repeat it.
    pub fn delay(&mut self, world: &mut World) {
        let creation = self.task.as_ref().and_then(|task| self.creation(task, world));
        if let Some(Creation::Entry(entry)) = &creation {
            self.store_config(entry, world);
        }
        world.late.extend(creation);
    }

    /// What the open question would create next.
    fn creation(&self, task: &Task, world: &World) -> Option<Creation> {
        match (&task.ask, &task.genesis) {
            (Ask::Genesis, Proposal::Made(genesis)) => Some(Creation::Genesis(genesis.clone())),
            (Ask::Create(entry), _) if !self.keeps_private(world, entry) => {
                Some(Creation::Entry(Box::new(as_stored(entry, world))))
            }
            (Ask::Resolve(resolution), _) => Some(Creation::Resolution(resolution.clone())),
            (Ask::Upload { keys, .. }, _) => {
                let key = keys.get(task.done)?;
                let records = self.staged.get(key).expect("what is uploaded has been staged");
                Some(Creation::File { key: key.clone(), file: stored(records) })
            }
            _ => None,
        }
    }

    fn request(&mut self, task: &mut Task, world: &mut World) -> Option<Answer> {
        match task.ask.clone() {
            Ask::LookUp => self.look_up(task, world),
            Ask::Genesis => self.create_genesis(task, world),
            Ask::Head { generation } => Some(Answer::Entry(self.head_of(generation, world).map(Box::new))),
            Ask::Entry { generation, start } => {
                Some(Answer::Entry(self.entry_at(generation, start, world).map(Box::new)))
            }
            Ask::TopicId => Some(Answer::TopicId(self.fresh_topic_id(world))),
            Ask::Create(entry) => self.create_entry(task, &entry, world),
            Ask::Inspect(entry) => inspect(task, &entry, world),
            Ask::Upload { keys, .. } => self.upload(task, &keys, world),
            Ask::Replay { entry, keys } => self.replay(task, &entry, &keys, world),
            Ask::Resolve(resolution) => self.resolve(task, resolution, world),
        }
    }

    fn look_up(&mut self, task: &mut Task, world: &World) -> Option<Answer> {
        let early_log = world.sabotaged(Sabotage::LogBeforeTopicId);
        let order =
            if early_log { [Look::Log, Look::Genesis, Look::Register, Look::TopicId] } else { self.look_order() };
        let facts = &mut task.facts;
        match order[task.done] {
            Look::TopicId => facts.topic_id = world.topic_id(),
            Look::Register => facts.committed = self.register(world),
            Look::Genesis => {
                facts.genesis = world.read_genesis().map(|genesis| self.genesis(genesis, world));
                facts.accepted.clone_from(&world.accepted);
            }
            Look::Log => self.look_at_log(facts, world),
        }
        (task.done == 3).then(|| {
            self.topic_id_of_facts.clone_from(&task.facts.topic_id);
            Answer::Facts(Box::new(task.facts.clone()))
        })
    }

    /// Any order that asks for the topic id before the log.
    fn look_order(&self) -> [Look; 4] {
        match self.config.look_order {
            0 => [Look::TopicId, Look::Register, Look::Genesis, Look::Log],
            1 => [Look::TopicId, Look::Log, Look::Genesis, Look::Register],
            2 => [Look::Genesis, Look::TopicId, Look::Log, Look::Register],
            _ => [Look::Register, Look::Genesis, Look::TopicId, Look::Log],
        }
    }

    /// The topic id, the offset, the topic id again; then the genesis (R2).
    fn create_genesis(&mut self, task: &mut Task, world: &mut World) -> Option<Answer> {
        match &task.genesis {
            Proposal::Unasked => {
                if let Some(answer) = self.genesis_is_there(world) {
                    return Some(answer);
                }
                let log = world.log.range();
                let start = if self.config.latest { log.end } else { log.start };
                task.genesis = Proposal::Begun(world.topic_id(), start);
                None
            }
            Proposal::Begun(before, start) => {
                let now = world.topic_id();
                let once = world.sabotaged(Sabotage::GenesisIdOnce);
                let belongs = *before == now || once;
                task.genesis =
                    if belongs { Proposal::Made(Box::new(self.proposed(now, *start))) } else { Proposal::Unasked };
                None
            }
            Proposal::Made(own) => {
                let own = (**own).clone();
                world.create(Creation::Genesis(Box::new(own.clone())));
                let won = world.read_genesis().expect("a genesis has just been created");
                let told = if world.sabotaged(Sabotage::OwnGenesis) { own } else { self.genesis(won, world) };
                Some(Answer::Genesis(Box::new(told)))
            }
        }
    }

    /// Somebody else's, or one that the ledger has lost (R9).
    fn genesis_is_there(&self, world: &World) -> Option<Answer> {
        if let Some(genesis) = world.read_genesis() {
            return Some(Answer::Genesis(Box::new(self.genesis(genesis, world))));
        }
        let mut slots = world.entries.keys();
        let lost = slots.any(|(generation, start)| world.read_entry(*generation, *start).is_some());
        (lost && !world.sabotaged(Sabotage::ForgiveLostGenesis)).then(|| {
            Answer::Refuse(Refusal::new(RefusalCode::LedgerLostEntries, "the topic has entries, but no genesis"))
        })
    }

    fn proposed(&self, topic_id: Option<TopicId>, start: Offset) -> Genesis {
        let settings = self.machine.settings();
        Genesis {
            version: FORMAT_VERSION,
            ledger: ledger(),
            topic: topic_partition().topic,
            topic_id,
            cluster: settings.cluster.clone(),
            group: settings.group.clone(),
            generation: settings.generation,
            start: BTreeMap::from([(0, start)]),
        }
    }

    /// The configuration first, then the entry that names it (R4).
    fn create_entry(&mut self, task: &Task, entry: &Entry, world: &mut World) -> Option<Answer> {
        if self.keeps_private(world, entry) {
            self.private.insert((entry.generation, entry.start), entry.clone());
            return Some(Answer::Created);
        }
        if world.sabotaged(Sabotage::ConfigLater) && task.done > 0 {
            world.configs.insert(self.config.layout.hash(), self.config.layout);
            return Some(Answer::Created);
        }
        self.store_config(entry, world);
        let created = world.create(Creation::Entry(Box::new(as_stored(entry, world))));
        if created && world.sabotaged(Sabotage::ConfigLater) {
            return None;
        }
        if created && world.sabotaged(Sabotage::CommitEarly) && entry.batch().is_some() {
            let (ledger, generation, prev) = (entry.ledger.clone(), entry.generation, entry.start);
            world.send_commit(OwnCommit { offset: entry.end, metadata: CommitMetadata { ledger, generation, prev } });
        }
        let there = world.read_entry(entry.generation, entry.start).expect("a slot that was written");
        let won = created || self.ignores(there, world);
        Some(if won { Answer::Created } else { Answer::Exists(Box::new(there.clone())) })
    }

    fn store_config(&self, entry: &Entry, world: &mut World) {
        if entry.batch().is_some() && !world.sabotaged(Sabotage::ConfigLater) {
            world.configs.insert(self.config.layout.hash(), self.config.layout);
        }
    }

    fn upload(&mut self, task: &mut Task, keys: &[String], world: &mut World) -> Option<Answer> {
        if world.sabotaged(Sabotage::SuccessorEarly) {
            let claimed = |key: &String| FileState { key: key.clone(), stored: Some(stored(&self.staged[key]).stored) };
            let files = keys.iter().map(claimed).collect();
            return Some(Answer::Inspected(Inspection { files, resolutions: Vec::new() }));
        }
        if let Some(creation) = self.creation(task, world) {
            world.create(creation);
            task.inspection.files.push(file_state(&keys[task.done], world));
        }
        (task.done + 1 >= keys.len()).then(|| {
            self.staged.clear();
            Answer::Inspected(task.inspection.clone())
        })
    }

    fn resolve(&self, task: &Task, resolution: Box<Resolution>, world: &mut World) -> Option<Answer> {
        if world.sabotaged(Sabotage::FileBeforeResolution) && task.done == 0 {
            self.create_staged(world);
            return None;
        }
        let place = (resolution.generation, resolution.start, resolution.n);
        let own = (*resolution).clone();
        let created = world.create(Creation::Resolution(resolution)) || world.resolutions.get(&place) == Some(&own);
        Some(if created { Answer::Created } else { Answer::Taken })
    }
}

/// The entry as it is sent (R4).
fn as_stored(entry: &Entry, world: &World) -> Entry {
    let receipt = entry.receipt.clone().filter(|_| !world.sabotaged(Sabotage::NoReceipt));
    Entry { receipt, ..entry.clone() }
}

/// Files first: a resolution stands before any file that it explains, so one that is listed later explains all (R6).
fn inspect(task: &mut Task, entry: &Entry, world: &World) -> Option<Answer> {
    let batch = entry.batch().expect("only batches are inspected");
    if world.sabotaged(Sabotage::AssumeWhole) {
        let files = batch.files.iter().map(lies::as_counted).collect();
        return Some(Answer::Inspected(Inspection { files, resolutions: Vec::new() }));
    }
    let resolutions_first = world.sabotaged(Sabotage::ResolutionsFirst);
    let resolutions_at = if resolutions_first { 0 } else { batch.files.len() };
    if task.done == resolutions_at {
        task.inspection.resolutions = world.read_resolutions(entry);
    } else {
        let file = &batch.files[task.done - usize::from(resolutions_first)];
        task.inspection.files.push(file_state(&file.key, world));
    }
    (task.done == batch.files.len()).then(|| Answer::Inspected(task.inspection.clone()))
}

fn file_state(key: &str, world: &World) -> FileState {
    FileState { key: key.to_owned(), stored: world.files.get(key).map(|file| file.stored.clone()) }
}
