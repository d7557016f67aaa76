//! Reading a batch again: first the log range, then offset by offset, then the topic id (R5).

use secor_core::ids::{Offset, TopicId};
use secor_core::manifest::{Batch, Entry};
use secor_core::partition::{Answer, Event, LogRange, Rebuilt, Refusal, RefusalCode, Replay};

use super::Process;
use super::work::Task;
use crate::model::draft::{Naming, Routed, digests};
use crate::model::log::{Fetch, Reading, RecordId};
use crate::model::sabotage::Sabotage;
use crate::model::world::World;

/// How far a replay has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    /// The log when it began, and the position.
    begun: Option<(LogRange, Offset)>,
    records: Vec<RecordId>,
}

/// A replay that has been read.
struct Read<'a> {
    entry: &'a Entry,
    batch: &'a Batch,
    keys: &'a [String],
    log: LogRange,
    topic_id: Option<TopicId>,
}

impl Process {
    /// One request of a replay. `None`: it goes on, or was abandoned.
    pub(super) fn replay(
        &mut self,
        task: &mut Task,
        entry: &Entry,
        keys: &[String],
        world: &mut World,
    ) -> Option<Answer> {
        let batch = entry.batch().expect("only batches are replayed");
        let Some((log, position)) = task.replay.begun else {
            if let Some(refusal) = self.cannot_replay(batch, world) {
                return Some(Answer::Refuse(refusal));
            }
            let log = world.log.range();
            task.replay.begun = Some((log, log.start.max(entry.start)));
            return None;
        };
        let end = if world.sabotaged(Sabotage::ReplayToLogEnd) { log.end.max(entry.end) } else { entry.end };
        let readable = log.end >= entry.end || world.sabotaged(Sabotage::ReplayPastEnd);
        if readable && position < end {
            let position = self.read_on(task, position, world);
            task.replay.begun = Some((log, position));
            return None;
        }
        let claimed_end = if world.sabotaged(Sabotage::ReplayPastEnd) { log.end.max(entry.end) } else { log.end };
        let log = LogRange { end: claimed_end, ..log };
        let topic_id = world.topic_id();
        Some(Answer::Replayed(self.rebuilt(task, &Read { entry, batch, keys, log, topic_id }, world)))
    }

    fn cannot_replay(&self, batch: &Batch, world: &World) -> Option<Refusal> {
        let other_isolation = batch.isolation != self.config.isolation && !world.sabotaged(Sabotage::OwnIsolation);
        if other_isolation {
            return Some(Refusal::new(RefusalCode::OtherIsolation, "the batch was read otherwise"));
        }
        let missing = !world.configs.contains_key(&batch.config);
        missing.then(|| Refusal::new(RefusalCode::ConfigMissing, "the manifest names no stored configuration"))
    }

    /// What is at the position, and where the next one is.
    fn read_on(&mut self, task: &mut Task, position: Offset, world: &mut World) -> Offset {
        let isolation = self.config.isolation;
        match world.log.fetch(Reading { position, epoch: None, isolation }) {
            Fetch::Record(record) => task.replay.records.push(record),
            Fetch::OutOfRange if world.sabotaged(Sabotage::JumpingReplay) => {
                return world.log.range().start.max(position.next());
            }
            Fetch::OutOfRange if world.sabotaged(Sabotage::ReplayPastEnd) => {}
            Fetch::End if world.sabotaged(Sabotage::ReplayPastEnd) => {}
            // retention has overtaken it, or the log ends where it did not: truncated, or another topic's
            Fetch::OutOfRange | Fetch::End => {
                task.abandoned = true;
                self.tell(world, Event::OutOfRange(world.log.range()));
            }
            Fetch::Nothing(_) | Fetch::Truncated => {}
        }
        position.next()
    }

    fn rebuilt(&mut self, task: &Task, read: &Read<'_>, world: &mut World) -> Replay {
        let Read { entry, batch, keys, log, topic_id } = read;
        let own_layout = world.sabotaged(Sabotage::OwnConfiguration);
        let layout = if own_layout { self.config.layout } else { world.configs[&batch.config] };
        let clock = if world.sabotaged(Sabotage::OwnClock) { world.now_ms } else { batch.clock };
        let naming = Naming { generation: entry.generation, start: entry.start, clock };
        let all = layout.route(naming, &task.replay.records);
        self.staged = all.into_iter().filter(|(key, _)| keys.contains(key)).collect::<Routed>();
        let files = keys.iter().map(|key| self.rebuilt_file(key, batch, world)).collect();
        let leader_epoch_max = task.replay.records.iter().map(|record| record.epoch).max();
        Replay { log: *log, topic_id: topic_id.clone(), leader_epoch_max, files }
    }

    fn rebuilt_file(&self, key: &str, batch: &Batch, world: &mut World) -> Rebuilt {
        let records = self.staged.get(key).cloned().unwrap_or_default();
        let (records_digest, values_digest) = digests(&records);
        let counted = batch.file(key).expect("only files of the batch are rebuilt");
        let as_counted = world.sabotaged(Sabotage::ReplayToLogEnd);
        world.contents.insert(records_digest, records.clone());
        let key = key.to_owned();
        if as_counted {
            let (records_digest, values_digest) = (counted.records_digest, counted.values_digest);
            return Rebuilt { key, records: counted.records, records_digest, values_digest };
        }
        Rebuilt { key, records: records.len() as u64, records_digest, values_digest }
    }
}
