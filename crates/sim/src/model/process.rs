//! One process: an executor around the real machine, with the open batch in memory.
//!
//! It does as little as possible at a time, so that a schedule can put anything between: the ledger lane goes on by
//! [`Process::turn`], records come by [`Process::fetch`]. It keeps the contract of `core::partition::protocol`, except
//! where a [`Sabotage`] says otherwise. A crash is dropping it.

mod lies;
mod replay;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use secor_core::flush::{Accumulated, CutReason, FlushPolicy};
use secor_core::ids::{Generation, Offset, OffsetRange, TopicId};
use secor_core::manifest::{Entry, Isolation};
use secor_core::partition::{
    Action, Answer, AskId, Draft, Errand, Event, LogRange, Note, OnTopicRecreated, PartitionMachine, Refusal,
    RefusalCode, Settings,
};

use self::work::Task;
use crate::model::draft::{Cut, Layout, Naming, Routed, stored};
use crate::model::log::{Fetch, Reading, RecordId};
use crate::model::sabotage::Sabotage;
use crate::model::world::{Creation, Owner, World, ledger, topic_partition};

/// What the operator configured; another one after each restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    pub generation: u32,
    pub records_max: u64,
    pub layout: Layout,
    pub isolation: Isolation,
    pub owner: Owner,
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
    open: Open,
    pub position: Offset,
    /// Where the machine began; reading may have begun before it, at the last record (R10).
    consumed_from: Offset,
    /// The leader epoch that the consumer remembers of what it read last.
    epoch: Option<i32>,
    staged: Routed,
    task: Option<Task>,
    /// Found, but not told yet.
    answers: VecDeque<(AskId, Answer)>,
    topic_id_of_facts: Option<TopicId>,
    /// Seals of [`Sabotage::PrivateSeal`].
    private: BTreeMap<(Generation, Offset), Entry>,
    pub refusals: Vec<Refusal>,
    /// Somebody told it to leave, or took the partition away.
    pub dismissed: bool,
}

/// The open batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Open {
    records: Vec<RecordId>,
    epoch_min: Option<i32>,
    epoch_last: Option<i32>,
    epoch_went_back: bool,
}

// === impl Process ===

impl Process {
    #[must_use]
    pub fn start(config: Config, world: &mut World) -> Self {
        world.consented |= config.errand == Errand::Recover { accept_loss: true };
        let machine = PartitionMachine::new(settings(&config, world.log.range()));
        let mut process = Self {
            config,
            machine,
            consuming: false,
            full: None,
            open: Open::default(),
            position: Offset::ZERO,
            consumed_from: Offset::ZERO,
            epoch: None,
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
        } else if self.consents_unasked(world) {
            let errand = Errand::Recover { accept_loss: true };
            self.machine = PartitionMachine::new(Settings { errand, ..self.machine.settings().clone() });
            self.tell(world, Event::Assigned);
        } else {
            self.tell(world, Event::Tick);
        }
    }

    /// The next record, or offset without one.
    pub fn fetch(&mut self, world: &mut World) {
        if !self.consuming || self.full.is_some() {
            return;
        }
        let reading = Reading { position: self.position, epoch: self.epoch, isolation: self.config.isolation };
        match world.log.fetch(reading) {
            Fetch::End => {}
            Fetch::OutOfRange => self.lost_position(world),
            Fetch::Truncated => self.refuse_truncated(world),
            Fetch::Record(record) if record.offset < self.consumed_from => self.refuse_truncated(world),
            Fetch::Record(record) => {
                self.open.take(record);
                self.moved(record.epoch, world);
            }
            Fetch::Nothing(epoch) => self.moved(epoch, world),
        }
    }

    fn refuse_truncated(&mut self, world: &mut World) {
        self.consuming = false;
        let detail = format!("the log was truncated below {}", self.position);
        self.tell(world, Event::Refuse(Refusal::new(RefusalCode::LogTruncated, detail)));
    }

    fn lost_position(&mut self, world: &mut World) {
        let range = world.log.range();
        if world.sabotaged(Sabotage::JumpToStart) && self.position < range.start {
            self.position = range.start;
        } else {
            self.consuming = false;
            self.tell(world, Event::OutOfRange(range));
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

    fn moved(&mut self, epoch: i32, world: &mut World) {
        self.position = self.position.next();
        self.epoch = Some(epoch).filter(|_| !world.sabotaged(Sabotage::NoEpochValidation));
        if self.position <= self.consumed_from {
            return;
        }
        let records = self.open.records.len() as u64;
        if records == 0 && world.sabotaged(Sabotage::SilentTails) {
            return;
        }
        let timestamps = (records > 0).then_some((0, 0));
        let accumulated = Accumulated { records, bytes: records * RECORD_BYTES, timestamps };
        self.full = self.machine.settings().flush.data_limit(&accumulated);
        self.tell(world, Event::Progress { position: self.position, accumulated, full: self.full });
    }

    fn tell(&mut self, world: &mut World, event: Event) {
        for action in self.machine.step(world.now_ms, event) {
            self.carry_out(world, action);
        }
    }

    fn carry_out(&mut self, world: &mut World, action: Action) {
        match action {
            Action::Ask(id, ask) => self.task = Some(Task::new(id, ask)),
            Action::Consume { from, behind } => {
                let behind = behind.filter(|_| !world.sabotaged(Sabotage::NoEpochValidation));
                let begin = behind.and_then(|behind| behind.before(from, self.config.isolation));
                self.consuming = true;
                self.consumed_from = from;
                self.position = begin.map_or(from, |(position, _)| position);
                self.epoch = begin.map(|(_, epoch)| epoch);
            }
            Action::CloseBatch { start, reason } => self.close(world, start, reason),
            Action::Discard => {
                self.consuming = false;
                self.full = None;
                self.staged.clear();
                self.task = None;
                if !world.sabotaged(Sabotage::KeepDiscarded) {
                    self.open = Open::default();
                }
            }
            Action::Commit { offset, metadata, .. } => lies::commit(offset, metadata, world),
            Action::Report(Note::Refused(refusal)) => self.refusals.push(refusal),
            Action::Report(_) | Action::Release => {}
        }
    }

    fn close(&mut self, world: &mut World, start: Offset, reason: CutReason) {
        let open = std::mem::take(&mut self.open);
        let (clock, isolation) = (world.now_ms, self.config.isolation);
        let generation = self.machine.status().generation.expect("an open batch has a chain");
        let layout = self.config.layout;
        self.staged = layout.route(Naming { generation, start, clock }, &open.records);
        self.full = None;
        let batch = layout.batch(&self.staged, Cut { reason, clock, isolation, leader_epoch: open.epoch_last });
        for (file, records) in batch.files.iter().zip(self.staged.values()) {
            world.contents.insert(file.records_digest, records.clone());
        }
        if world.sabotaged(Sabotage::FilesFirst) {
            self.create_staged(world);
        }
        let range = OffsetRange::new(start, self.position);
        let draft = Draft {
            range,
            batch,
            leader_epoch_min: open.epoch_min.filter(|_| !world.sabotaged(Sabotage::EpochOfEntryBefore)),
            leader_epoch_went_back: open.epoch_went_back && !world.sabotaged(Sabotage::EpochsInBatch),
        };
        self.tell(world, Event::Closed(draft));
    }

    fn create_staged(&self, world: &mut World) {
        for (key, records) in &self.staged {
            world.create(Creation::File { key: key.clone(), file: stored(records) });
        }
    }
}

// === impl Open ===

impl Open {
    fn take(&mut self, record: RecordId) {
        self.epoch_went_back |= self.epoch_last.is_some_and(|last| record.epoch < last);
        self.epoch_min = Some(self.epoch_min.map_or(record.epoch, |min| min.min(record.epoch)));
        self.epoch_last = Some(record.epoch);
        self.records.push(record);
    }
}

// === impl Config ===

impl Config {
    /// Nothing special.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            generation: 1,
            records_max: 3,
            layout: Layout { partitions: 1, extension: "", clocked: false },
            isolation: Isolation::ReadCommitted,
            owner: Owner::Usual,
            latest: false,
            on_topic_recreated: OnTopicRecreated::Refuse,
            until_end: false,
            errand: Errand::Archive,
            look_order: 0,
        }
    }
}

fn settings(config: &Config, log: LogRange) -> Settings {
    Settings {
        ledger: ledger(),
        topic_partition: topic_partition(),
        group: Arc::from(config.owner.group()),
        cluster: Arc::from(config.owner.cluster()),
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
