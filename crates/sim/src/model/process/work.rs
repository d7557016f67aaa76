//! How a process finds an answer: one read or one creation at a time.
//!
//! A question that takes several requests is not answered at one moment, so neither is it here. A creation can be sent
//! on its way without an answer ([`Process::delay`]): it lands later or never, and meanwhile the process repeats it, has
//! crashed, or has been told something else.

use std::collections::BTreeMap;

use secor_core::ids::{Offset, TopicId};
use secor_core::manifest::{CommitMetadata, CommitOrigin, Entry, FORMAT_VERSION, Genesis};
use secor_core::partition::{
    Answer, Ask, AskId, Committed, Event, Facts, FileState, Inspection, LogRange, Rebuilt, Replay,
};

use super::Process;
use crate::model::draft::{Routed, digests, stored};
use crate::model::log::{Fetch, RecordId};
use crate::model::sabotage::Sabotage;
use crate::model::world::{Creation, World, ledger, topic_partition};

/// A question, and how far its answer has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::model) struct Task {
    id: AskId,
    ask: Ask,
    /// Requests made so far.
    done: usize,
    facts: Facts,
    genesis: Option<Box<Genesis>>,
    inspection: Inspection,
    replay: Reading,
    abandoned: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Reading {
    log: Option<LogRange>,
    /// `None`: at the start of the batch.
    position: Option<Offset>,
    records: Vec<RecordId>,
}

impl Task {
    pub(in crate::model) fn new(id: AskId, ask: Ask) -> Self {
        let log = LogRange { start: Offset::ZERO, end: Offset::ZERO };
        Self {
            id,
            ask,
            done: 0,
            facts: Facts { topic_id: None, genesis: None, accepted: Vec::new(), committed: None, log },
            genesis: None,
            inspection: Inspection { files: Vec::new(), resolutions: Vec::new() },
            replay: Reading::default(),
            abandoned: false,
        }
    }
}

impl Process {
    /// One request of the open question.
    pub(in crate::model) fn work(&mut self, world: &mut World) {
        let Some(mut task) = self.task.take() else {
            return;
        };
        match self.request(&mut task, world) {
            Some(answer) => self.answers.push_back((task.id, answer)),
            // the machine was told something and asks something else by now, or nothing
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
        world.late.extend(creation);
    }

    /// What the open question would create next.
    fn creation(&self, task: &Task, world: &World) -> Option<Creation> {
        match &task.ask {
            Ask::Genesis => task.genesis.clone().map(Creation::Genesis),
            Ask::Create(entry) if !self.keeps_private(world, entry) => Some(Creation::Entry(entry.clone())),
            Ask::Resolve(resolution) => Some(Creation::Resolution(resolution.clone())),
            Ask::Upload { keys, .. } => {
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
            Ask::Head { generation } => {
                let head = self.private_head(generation).or_else(|| world.head(generation));
                Some(Answer::Entry(head.cloned().map(Box::new)))
            }
            Ask::Entry { generation, start } => {
                let found = self.seal_or(generation, start, world.entries.get(&(generation, start)));
                Some(Answer::Entry(found.map(Box::new)))
            }
            Ask::TopicId if world.sabotaged(Sabotage::StaleTopicId) => {
                Some(Answer::TopicId(self.topic_id_of_facts.clone()))
            }
            Ask::TopicId => Some(Answer::TopicId(Some(world.log.topic_id()))),
            Ask::Create(entry) => Some(self.create_entry(&entry, world)),
            Ask::Inspect(entry) => inspect(task, &entry, world),
            Ask::Upload { keys, .. } => self.upload(task, &keys, world),
            Ask::Replay { entry, keys } => self.replay(task, &entry, &keys, world),
            Ask::Resolve(resolution) => {
                let created = world.create(Creation::Resolution(resolution));
                Some(if created { Answer::Created } else { Answer::Taken })
            }
        }
    }

    fn look_up(&mut self, task: &mut Task, world: &World) -> Option<Answer> {
        let early_log = world.sabotaged(Sabotage::LogBeforeTopicId);
        let order =
            if early_log { [Look::Log, Look::Genesis, Look::Register, Look::TopicId] } else { self.look_order() };
        match order[task.done] {
            Look::TopicId => task.facts.topic_id = Some(world.log.topic_id()),
            Look::Register => task.facts.committed = world.register.clone().map(|committed| trusted(committed, world)),
            Look::Genesis => task.facts.genesis = world.genesis.clone(),
            Look::Log => task.facts.log = world.log.range(),
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

    fn create_genesis(&mut self, task: &mut Task, world: &mut World) -> Option<Answer> {
        let Some(own) = task.genesis.clone() else {
            let settings = self.machine.settings();
            let log = world.log.range();
            let start = if self.config.latest { log.end } else { log.start };
            task.genesis = Some(Box::new(Genesis {
                version: FORMAT_VERSION,
                ledger: ledger(),
                topic: topic_partition().topic,
                topic_id: Some(world.log.topic_id()),
                cluster: settings.cluster.clone(),
                group: settings.group.clone(),
                generation: settings.generation,
                start: BTreeMap::from([(0, start)]),
            }));
            return None;
        };
        world.create(Creation::Genesis(own.clone()));
        let won = world.genesis.clone().expect("a genesis has just been created");
        Some(Answer::Genesis(if world.sabotaged(Sabotage::OwnGenesis) { own } else { Box::new(won) }))
    }

    fn create_entry(&mut self, entry: &Entry, world: &mut World) -> Answer {
        let slot = (entry.generation, entry.start);
        if self.keeps_private(world, entry) {
            self.private.insert(slot, entry.clone());
            return Answer::Created;
        }
        if world.create(Creation::Entry(Box::new(entry.clone()))) || world.sabotaged(Sabotage::IgnoreExists) {
            return Answer::Created;
        }
        Answer::Exists(Box::new(world.entries[&slot].clone()))
    }

    fn upload(&mut self, task: &mut Task, keys: &[String], world: &mut World) -> Option<Answer> {
        if world.sabotaged(Sabotage::CommitEarly) {
            let files =
                keys.iter().map(|key| FileState { key: key.clone(), stored: Some(stored(&self.staged[key]).stored) });
            return Some(Answer::Inspected(Inspection { files: files.collect(), resolutions: Vec::new() }));
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

    /// First the log range, then offset by offset, then the topic id.
    fn replay(&mut self, task: &mut Task, entry: &Entry, keys: &[String], world: &mut World) -> Option<Answer> {
        let range = world.log.range();
        let Some(log) = task.replay.log else {
            task.replay.log = Some(range);
            task.replay.position = Some(range.start.max(entry.start));
            return None;
        };
        let position = task.replay.position.unwrap_or(entry.start);
        if log.end >= entry.end && position < entry.end {
            match world.log.fetch(position) {
                Fetch::Record(record) => task.replay.records.push(record),
                Fetch::OutOfRange if world.sabotaged(Sabotage::JumpingReplay) => {
                    task.replay.position = Some(range.start.max(position.next()));
                    return None;
                }
                Fetch::OutOfRange => {
                    task.abandoned = true;
                    self.tell(world, Event::OutOfRange(range));
                    return None;
                }
                // another topic by now: there is nothing to read
                Fetch::End | Fetch::Nothing => {}
            }
            task.replay.position = Some(position.next());
            return None;
        }
        let topic_id = Some(world.log.topic_id());
        Some(Answer::Replayed(self.rebuilt(task, Replayed { entry, keys, log, topic_id }, world)))
    }

    fn rebuilt(&mut self, task: &Task, replayed: Replayed<'_>, world: &mut World) -> Replay {
        let Replayed { entry, keys, log, topic_id } = replayed;
        let batch = entry.batch().expect("only batches are replayed");
        let own = world.sabotaged(Sabotage::OwnConfiguration);
        let layout = if own { &self.config.layout } else { &world.configs[&batch.config] };
        let all = layout.route(entry.generation, entry.start, &task.replay.records);
        self.staged = all.into_iter().filter(|(key, _)| keys.contains(key)).collect::<Routed>();
        let mut files = Vec::new();
        for key in keys {
            let records = self.staged.get(key).cloned().unwrap_or_default();
            let (records_digest, values_digest) = digests(&records);
            files.push(Rebuilt { key: key.clone(), records: records.len() as u64, records_digest, values_digest });
            world.contents.insert(records_digest, records);
        }
        Replay { log, topic_id, files }
    }
}

/// A part of the first look.
#[derive(Clone, Copy, Debug)]
enum Look {
    TopicId,
    Register,
    Genesis,
    Log,
}

/// A replay that has been read.
struct Replayed<'a> {
    entry: &'a Entry,
    keys: &'a [String],
    log: LogRange,
    topic_id: Option<TopicId>,
}

/// Files first: a resolution stands before any file that it explains, so one that is listed later explains all.
fn inspect(task: &mut Task, entry: &Entry, world: &World) -> Option<Answer> {
    let batch = entry.batch().expect("only batches are inspected");
    let resolutions_first = world.sabotaged(Sabotage::ResolutionsFirst);
    let resolutions_at = if resolutions_first { 0 } else { batch.files.len() };
    if task.done == resolutions_at {
        task.inspection.resolutions = world.resolutions_of(entry);
    } else {
        let file = &batch.files[task.done - usize::from(resolutions_first)];
        task.inspection.files.push(file_state(&file.key, world));
    }
    (task.done == batch.files.len()).then(|| Answer::Inspected(task.inspection.clone()))
}

fn file_state(key: &str, world: &World) -> FileState {
    FileState { key: key.to_owned(), stored: world.files.get(key).map(|file| file.stored.clone()) }
}

/// The register as it is; sabotaged, a foreign offset where an entry ends looks like ours.
fn trusted(committed: Committed, world: &World) -> Committed {
    let last = world.entries.values().find(|entry| entry.end == committed.offset && entry.start < entry.end);
    match (&committed.origin, last) {
        (CommitOrigin::Foreign, Some(entry)) if world.sabotaged(Sabotage::TrustForeign) => {
            let metadata = CommitMetadata { ledger: ledger(), generation: entry.generation, prev: entry.start };
            Committed { origin: CommitOrigin::Secor(metadata), ..committed }
        }
        _ => committed,
    }
}
