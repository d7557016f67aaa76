//! One process: an executor around the real machine, with the open batch in memory.
//!
//! It does as little as possible at a time, so that a schedule can put anything between: the ledger lane goes on by
//! [`Process::turn`], records come by [`Process::fetch`]. It keeps the contract of `core::partition::protocol`, except
//! where a [`Sabotage`] says otherwise. A crash is dropping it.

mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use secor_core::flush::{Accumulated, CutReason, FlushPolicy};
use secor_core::ids::{Generation, Offset, OffsetRange, TopicId};
use secor_core::manifest::{Entry, Kind};
use secor_core::partition::{
    Action, Answer, AskId, Draft, Errand, Event, LogRange, Note, OnTopicRecreated, PartitionMachine, Refusal, Settings,
};

use self::work::Task;
use crate::model::draft::{Layout, Routed};
use crate::model::log::{Fetch, RecordId};
use crate::model::sabotage::Sabotage;
use crate::model::world::{OwnCommit, World, ledger, topic_partition};

/// What the operator configured; another one after each restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub generation: u32,
    pub records_max: u64,
    pub layout: Layout,
    /// Begin a topic without ledger at the log end instead of its start.
    pub latest: bool,
    pub on_topic_recreated: OnTopicRecreated,
    /// Stop at the log end of the start.
    pub until_end: bool,
    pub errand: Errand,
    /// In which order the parts of the first look are read: 0 to 3.
    pub look_order: usize,
}

/// Age at which a batch is cut, in milliseconds.
pub const AGE_MS_MAX: i64 = 1_000;
/// When a refused partition looks again, in milliseconds.
pub const RETRY_REFUSED_MS: i64 = 500;
/// What a batch must hold to be cut at revocation; a record counts ten bytes.
const REVOKE_FLUSH_BYTES_MIN: u64 = 15;
const RECORD_BYTES: u64 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub config: Config,
    pub machine: PartitionMachine,
    consuming: bool,
    /// A limit of the data is reached: no record until the cut.
    full: Option<CutReason>,
    open: Vec<RecordId>,
    pub position: Offset,
    pub(in crate::model) staged: Routed,
    pub(in crate::model) task: Option<Task>,
    /// Found, but not told yet.
    pub(in crate::model) answers: VecDeque<(AskId, Answer)>,
    pub(in crate::model) topic_id_of_facts: Option<TopicId>,
    /// Seals of [`Sabotage::PrivateSeal`].
    pub(in crate::model) private: BTreeMap<(Generation, Offset), Entry>,
    pub refusals: Vec<Refusal>,
    /// Somebody told it to leave, or took the partition away.
    pub dismissed: bool,
}

// === impl Process ===

impl Process {
    #[must_use]
    pub fn start(config: Config, world: &mut World) -> Self {
        let machine = PartitionMachine::new(settings(&config, world.log.range()));
        let mut process = Self {
            config,
            machine,
            consuming: false,
            full: None,
            open: Vec::new(),
            position: Offset::ZERO,
            staged: Routed::new(),
            task: None,
            answers: VecDeque::new(),
            topic_id_of_facts: None,
            private: BTreeMap::new(),
            refusals: Vec::new(),
            dismissed: false,
        };
        process.tell(world, Event::Assigned);
        process
    }

    /// The smallest next thing in the ledger lane: an answer is told, a request is made, or time is looked at.
    pub fn turn(&mut self, world: &mut World) {
        if let Some((id, answer)) = self.answers.pop_front() {
            self.tell(world, Event::Answer(id, answer));
        } else if self.task.is_some() {
            self.work(world);
        } else {
            self.tell(world, Event::Tick);
        }
    }

    /// The next record, or offset without one.
    pub fn fetch(&mut self, world: &mut World) {
        if !self.consuming || self.full.is_some() {
            return;
        }
        match world.log.fetch(self.position) {
            Fetch::End => {}
            Fetch::OutOfRange => {
                self.consuming = false;
                let range = world.log.range();
                self.tell(world, Event::OutOfRange(range));
            }
            Fetch::Record(record) => {
                self.open.push(record);
                self.moved(world);
            }
            Fetch::Nothing => self.moved(world),
        }
    }

    pub fn leave(&mut self, world: &mut World, reason: CutReason) {
        self.dismissed = true;
        self.consuming = false;
        self.tell(world, Event::Leave(reason));
    }

    pub fn lose(&mut self, world: &mut World) {
        self.dismissed = true;
        self.tell(world, Event::Lost);
    }

    pub fn flush(&mut self, world: &mut World) {
        self.tell(world, Event::Cut(CutReason::Admin));
    }

    #[must_use]
    pub fn released(&self) -> bool {
        self.machine.released()
    }

    /// An answer has been found that the machine has not been told.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        !self.answers.is_empty()
    }

    fn moved(&mut self, world: &mut World) {
        self.position = self.position.next();
        let records = self.open.len() as u64;
        let timestamps = (records > 0).then_some((0, 0));
        let accumulated = Accumulated { records, bytes: records * RECORD_BYTES, timestamps };
        self.full = self.machine.settings().flush.data_limit(&accumulated);
        self.tell(world, Event::Progress { position: self.position, accumulated, full: self.full });
    }

    pub(in crate::model) fn tell(&mut self, world: &mut World, event: Event) {
        for action in self.machine.step(world.now_ms, event) {
            self.carry_out(world, action);
        }
    }

    fn carry_out(&mut self, world: &mut World, action: Action) {
        match action {
            Action::Ask(id, ask) => self.task = Some(Task::new(id, ask)),
            Action::Consume { from, .. } => {
                self.consuming = true;
                self.position = from;
            }
            Action::CloseBatch { start, reason } => self.close(world, start, reason),
            Action::Discard => {
                self.consuming = false;
                self.full = None;
                self.staged.clear();
                self.task = None;
                if !world.sabotaged(Sabotage::KeepDiscarded) {
                    self.open.clear();
                }
            }
            Action::Commit { offset, metadata, .. } => world.send_commit(OwnCommit { offset, metadata }),
            Action::Report(Note::Refused(refusal)) => self.refusals.push(refusal),
            Action::Report(_) | Action::Release => {}
        }
    }

    fn close(&mut self, world: &mut World, start: Offset, reason: CutReason) {
        let generation = self.machine.status().generation.expect("an open batch has a chain");
        let layout = &self.config.layout;
        self.staged = layout.route(generation, start, &std::mem::take(&mut self.open));
        self.full = None;
        let batch = layout.batch(&self.staged, reason, world.now_ms);
        for (file, records) in batch.files.iter().zip(self.staged.values()) {
            world.contents.insert(file.records_digest, records.clone());
        }
        world.configs.insert(layout.hash(), layout.clone());
        let range = OffsetRange::new(start, self.position);
        let draft = Draft { range, batch, leader_epoch_min: None, leader_epoch_went_back: false };
        self.tell(world, Event::Closed(draft));
    }

    /// What a read of a slot gives this process.
    pub(in crate::model) fn seal_or(
        &self,
        generation: Generation,
        start: Offset,
        found: Option<&Entry>,
    ) -> Option<Entry> {
        let private = self.private.get(&(generation, start));
        private.or(found).cloned()
    }

    /// The private seal of a generation, wherever it is.
    pub(in crate::model) fn private_head(&self, generation: Generation) -> Option<&Entry> {
        self.private.values().find(|entry| entry.generation == generation)
    }

    pub(in crate::model) fn keeps_private(&self, world: &World, entry: &Entry) -> bool {
        world.sabotaged(Sabotage::PrivateSeal) && matches!(entry.kind, Kind::Seal(_))
    }
}

fn settings(config: &Config, log: LogRange) -> Settings {
    Settings {
        ledger: ledger(),
        topic_partition: topic_partition(),
        group: Arc::from("backup"),
        cluster: Arc::from("cluster"),
        generation: Generation(config.generation),
        flush: FlushPolicy {
            records_max: Some(config.records_max),
            age_ms_max: Some(AGE_MS_MAX),
            ..FlushPolicy::default()
        },
        on_topic_recreated: config.on_topic_recreated,
        revoke_flush_bytes_min: REVOKE_FLUSH_BYTES_MIN,
        until: config.until_end.then_some(log.end),
        errand: config.errand,
        retry_refused_ms: RETRY_REFUSED_MS,
    }
}
