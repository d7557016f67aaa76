//! The open batch of a topic partition, and the batch that is made again from its manifest.
//!
//! Both route records through the same [`Pipeline`] into [`Writers`]; they differ in what is kept of them. An open
//! batch becomes a [`Draft`] for the machine and a [`Closed`] batch for the uploader. A replayed one keeps only the
//! files that are missing, and counts all of them (R5, R12).

use std::collections::BTreeMap;
use std::sync::Arc;

use secor_core::flush::{Accumulated, CutReason};
use secor_core::ids::{ConfigHash, Digest, Generation, Offset, OffsetRange, TopicPartition, WriterSchema};
use secor_core::layout::{self, Layout, NameParts};
use secor_core::manifest::{Batch, Entry, FileEntry, Isolation};
use secor_core::partition::{Draft, LogRange, Rebuilt, Refusal, RefusalCode, Replay};
use secor_core::record::{Record, RecordDigests};
use secor_core::shape::{BadRecords, Output, Shape};
use secor_format::{Codec, Pipeline};

use super::budget::Budget;
use super::staging::{Staged, Staging};
use super::writers::{Finished, Target, Writers};
use super::{LookedUp, ReplayPlan, ReplayTurn};

/// What a batch is made with: a shape and everything derived from it, one per topic partition and epoch.
pub struct Recipe {
    pub config: ConfigHash,
    pub shape: Arc<Shape>,
    pub isolation: Isolation,
    pipeline: Pipeline,
    layout: Layout,
}

/// Files that wait for their upload, by key.
#[derive(Debug, Default)]
pub struct Closed {
    pub files: BTreeMap<String, ClosedFile>,
    /// Of a batch that was made again.
    pub turn: Option<ReplayTurn>,
}

#[derive(Debug)]
pub struct ClosedFile {
    pub staged: Staged,
    pub records_digest: Digest,
}

/// The records since the last cut.
pub(super) struct OpenBatch {
    topic_partition: TopicPartition,
    writers: Writers,
    clock_ms: i64,
    position: Offset,
    accumulated: Accumulated,
    epochs: Epochs,
    bad_records: u64,
    /// No more records fit: a limit of open writers, or of the data.
    full: Option<CutReason>,
}

/// A batch that is made again: only the files that are wanted, but all are counted.
pub(super) struct ReplayBatch {
    recipe: Recipe,
    log: LogRange,
    topic_partition: TopicPartition,
    entry: Box<Entry>,
    writers: Writers,
    position: Offset,
    leader_epoch_max: Option<i32>,
    /// One for each file of the manifest, in its order.
    files: Vec<ReplayedFile>,
    /// Index into `files`, by output partition.
    by_partition: Vec<Option<usize>>,
    turn: ReplayTurn,
}

#[derive(Clone, Debug)]
struct ReplayedFile {
    wanted: bool,
    records: u64,
}

/// Leader epochs of the records so far (R3).
#[derive(Clone, Copy, Debug, Default)]
struct Epochs {
    min: Option<i32>,
    last: Option<i32>,
    went_back: bool,
}

/// A record that ends the batch's life instead of joining it.
#[derive(Debug)]
pub(super) enum Rejected {
    /// No writer is left for a new output partition: cut first, then offer the record again.
    NoWriterLeft,
    Refused(Refusal),
}

// === impl Recipe ===

impl Recipe {
    /// # Errors
    /// What is wrong with the shape, in words.
    pub fn new(place: &TopicPartition, shape: Arc<Shape>, isolation: Isolation) -> Result<Self, String> {
        let pipeline = Pipeline::new(&shape).map_err(|error| error.to_string())?;
        let pipeline = pipeline.of(&place.topic, place.partition);
        let layout = Layout::parse(&shape.layout).map_err(|error| error.to_string())?;
        let (config, _) = shape.stored();
        Ok(Self { config, shape, isolation, pipeline, layout })
    }

    /// # Errors
    /// A topic whose files would collide with folders that the archive keeps for itself.
    pub fn check_topic(&self, topic: &str) -> Result<(), layout::TopicNameError> {
        self.layout.check_topic(topic)
    }

    /// The schema that must be looked up before the record can be taken.
    #[inline]
    pub(super) fn lacks_schema(&self, record: &Record<'_>) -> Option<u32> {
        self.pipeline.lacks_schema(record)
    }

    /// The open batch can't name another schema.
    pub(super) fn schemas_full(&self) -> bool {
        self.pipeline.schemas_full()
    }

    /// What a registry said, now or when the batch was cut that is made again.
    pub fn learn(&mut self, looked_up: &LookedUp) {
        let schema = looked_up.schema.as_ref().map(|(hash, schema)| (hash, &**schema));
        self.pipeline.learn_schema(looked_up.id, schema);
    }

    /// The schema that all rows of a file are by, where its records name it.
    fn writer_schema(&self, target: Target) -> Option<WriterSchema> {
        match target {
            Target::DeadLetters => None,
            Target::OutputPartition(partition) => self.pipeline.file_schema(partition)?.writer,
        }
    }

    fn key(&self, target: Target, batch: &BatchName<'_>) -> String {
        let mut name = NameParts {
            topic: &batch.topic_partition.topic,
            output_partition: "",
            generation: batch.generation,
            partition: batch.topic_partition.partition,
            start: batch.start,
            ext: "",
        };
        match target {
            Target::DeadLetters => self.layout.dead_letter_key(&name),
            Target::OutputPartition(partition) => {
                let ext = layout::extension_by(&self.shape.output, self.writer_schema(target));
                (name.output_partition, name.ext) = (self.pipeline.output_partition(partition), &ext);
                self.layout.key(&name)
            }
        }
    }
}

/// What the keys of a batch have in common.
struct BatchName<'a> {
    topic_partition: &'a TopicPartition,
    generation: Generation,
    start: Offset,
}

impl std::fmt::Debug for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipe {{ config: {} }}", self.config)
    }
}

// === impl OpenBatch ===

impl OpenBatch {
    pub(super) fn new(recipe: &mut Recipe, staging: &Arc<Staging>, tp: &TopicPartition, from: Offset) -> Self {
        recipe.pipeline.forget_partitions();
        Self {
            topic_partition: tp.clone(),
            writers: Writers::new(staging, tp, &recipe.shape.output),
            clock_ms: 0,
            position: from,
            accumulated: Accumulated::default(),
            epochs: Epochs::default(),
            bad_records: 0,
            full: None,
        }
    }

    pub(super) fn position(&self) -> Offset {
        self.position
    }

    pub(super) fn accumulated(&self) -> Accumulated {
        self.accumulated
    }

    pub(super) fn full(&self) -> Option<CutReason> {
        self.full
    }

    pub(super) fn set_full(&mut self, reason: CutReason) {
        self.full.get_or_insert(reason);
    }

    /// The position moves over offsets without records.
    pub(super) fn advance(&mut self, position: Offset) {
        self.position = self.position.max(position);
    }

    /// Smallest and largest leader epoch of the slice that was just taken in.
    pub(super) fn saw_epochs(&mut self, epochs: Option<(i32, i32)>) {
        if let Some((min, max)) = epochs {
            self.epochs.saw(min, max);
        }
    }

    /// Bad records since the last call.
    pub(super) fn take_bad_records(&mut self) -> u64 {
        std::mem::take(&mut self.bad_records)
    }

    /// Staged and encoder memory, and staging disk.
    pub(super) fn footprint(&self) -> u64 {
        self.writers.footprint()
    }

    /// Takes the record in; `now_ms` becomes the batch's clock value with its first record.
    #[inline]
    pub(super) fn append(
        &mut self,
        record: &Record<'_>,
        now_ms: i64,
        recipe: &mut Recipe,
        codec: &mut Codec,
        budget: &Budget,
    ) -> Result<(), Rejected> {
        if self.accumulated.records == 0 {
            self.clock_ms = now_ms;
        }
        match recipe.pipeline.route(record, self.clock_ms) {
            Ok(routed) => {
                if !self.writers.is_open(routed.partition) && budget.writers_left() == 0 && self.accumulated.records > 0
                {
                    return Err(Rejected::NoWriterLeft);
                }
                self.writers.append(record, &routed, &recipe.pipeline, codec);
            }
            Err(bad) if recipe.shape.bad_records == BadRecords::Fail => {
                let detail = format!("offset {}: {bad}", record.offset);
                return Err(Rejected::Refused(Refusal::new(RefusalCode::BadRecord, detail)));
            }
            Err(bad) => {
                self.bad_records += 1;
                self.writers.append_bad(record, &bad, codec);
            }
        }
        self.position = record.offset.next();
        self.accumulated.records += 1;
        self.accumulated.bytes = self.writers.staged_bytes();
        if let Some(timestamp) = record.timestamp {
            let (min, max) = self.accumulated.timestamps.unwrap_or((timestamp, timestamp));
            self.accumulated.timestamps = Some((min.min(timestamp), max.max(timestamp)));
        }
        Ok(())
    }

    pub(super) fn settle(&mut self) {
        self.writers.settle();
    }

    pub(super) fn relieve(&mut self, codec: &mut Codec) {
        self.writers.relieve(codec);
        self.accumulated.bytes = self.writers.staged_bytes();
    }

    /// Closes the writers. `start` is the machine's: it may lie behind the first offset of this batch's life.
    pub(super) fn close(
        self,
        start: Offset,
        generation: Generation,
        reason: CutReason,
        recipe: &Recipe,
        codec: &mut Codec,
    ) -> (Draft, Closed) {
        let name = BatchName { topic_partition: &self.topic_partition, generation, start };
        let mut staged = BTreeMap::new();
        let mut files: Vec<FileEntry> = Vec::new();
        for Finished { target, summary, staged: bytes } in self.writers.finish(codec) {
            let key = recipe.key(target, &name);
            files.push(FileEntry {
                key: key.clone(),
                records: summary.records,
                first_offset: summary.first_offset,
                last_offset: summary.last_offset,
                timestamps: summary.timestamps,
                event_times: summary.event_times,
                bytes: summary.bytes,
                records_digest: summary.records_digest,
                values_digest: summary.values_digest,
                dead_letters: target == Target::DeadLetters,
                schema: recipe.writer_schema(target),
            });
            let twice = staged.insert(key, ClosedFile { staged: bytes, records_digest: summary.records_digest });
            assert!(twice.is_none(), "two files of a batch have the same key");
        }
        files.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let batch = Batch {
            reason,
            clock: self.clock_ms,
            isolation: recipe.isolation,
            leader_epoch: self.epochs.last,
            config: recipe.config.clone(),
            time_zone_data: layout::time_zone_data_version().to_owned(),
            schemas: recipe.pipeline.named_schemas(),
            records: self.accumulated.records,
            files,
        };
        let draft = Draft {
            range: OffsetRange::new(start, self.position),
            batch,
            leader_epoch_min: self.epochs.min,
            leader_epoch_went_back: self.epochs.went_back,
        };
        (draft, Closed { files: staged, turn: None })
    }
}

// === impl ReplayBatch ===

impl ReplayBatch {
    /// Begins where the log still has the batch's range.
    pub(super) fn new(plan: ReplayPlan, staging: &Arc<Staging>) -> Self {
        let ReplayPlan { recipe, entry, keys, log, turn } = plan;
        let topic_partition = entry.topic_partition();
        let writers = Writers::new(staging, &topic_partition, &recipe.shape.output);
        let batch = entry.batch().expect("only batches are replayed");
        let files = batch.files.iter().map(|file| ReplayedFile { wanted: keys.contains(&file.key), records: 0 });
        let files = files.collect();
        let position = entry.start.max(log.start);
        let (leader_epoch_max, by_partition) = (None, Vec::new());
        Self { recipe, log, topic_partition, entry, writers, position, leader_epoch_max, files, by_partition, turn }
    }

    pub(super) fn output(&self) -> &Output {
        &self.recipe.shape.output
    }

    pub(super) fn position(&self) -> Offset {
        self.position
    }

    pub(super) fn advance(&mut self, position: Offset) {
        self.position = self.position.max(position);
    }

    /// Of a record that was read.
    pub(super) fn saw_epoch(&mut self, epoch: Option<i32>) {
        self.leader_epoch_max = self.leader_epoch_max.max(epoch);
    }

    pub(super) fn ends_before(&self, offset: Offset) -> bool {
        offset >= self.entry.end
    }

    pub(super) fn done(&self) -> bool {
        self.position >= self.entry.end
    }

    pub(super) fn settle(&mut self) {
        self.writers.settle();
    }

    pub(super) fn relieve(&mut self, codec: &mut Codec) {
        self.writers.relieve(codec);
    }

    /// Takes in a record of the batch's range.
    ///
    /// # Errors
    /// A refusal when the record belongs to a file that the manifest does not know, or to one that has all its
    /// records already: the batch was made otherwise.
    pub(super) fn append(&mut self, record: &Record<'_>, codec: &mut Codec) -> Result<(), Refusal> {
        if let Some(id) = self.recipe.lacks_schema(record) {
            return Err(self.differs(&format!("offset {} names schema {id}, the manifest does not", record.offset)));
        }
        let clock_ms = self.batch().clock;
        let target = match self.recipe.pipeline.route(record, clock_ms) {
            Ok(routed) => Target::OutputPartition(routed.partition),
            Err(_) => Target::DeadLetters,
        };
        let file = self.file_of(target)?;
        self.files[file].records += 1;
        if self.files[file].records > self.batch().files[file].records {
            return Err(self.differs(&format!("`{}` gains records", self.batch().files[file].key)));
        }
        if self.files[file].wanted {
            // routing twice keeps this path as plain as the hot one; a replay is rare and one batch long
            match self.recipe.pipeline.route(record, clock_ms) {
                Ok(routed) => self.writers.append(record, &routed, &self.recipe.pipeline, codec),
                Err(bad) => self.writers.append_bad(record, &bad, codec),
            }
        }
        self.position = record.offset.next();
        Ok(())
    }

    /// What came out, but for the topic id: for each wanted file its records and digests, and the staged bytes of those
    /// that have records.
    pub(super) fn finish(self, codec: &mut Codec) -> (Replay, Closed) {
        let Self { recipe, log, topic_partition, entry, writers, leader_epoch_max, files, turn, .. } = self;
        let batch = entry.batch().expect("only batches are replayed");
        let name = BatchName { topic_partition: &topic_partition, generation: entry.generation, start: entry.start };
        let nothing = RecordDigests::new();
        let wanted = batch.files.iter().zip(&files).filter(|(_, replayed)| replayed.wanted);
        let without_records = |key: &str| Rebuilt {
            key: key.to_owned(),
            records: 0,
            records_digest: nothing.records(),
            values_digest: nothing.values(),
        };
        let mut rebuilt: BTreeMap<_, _> =
            wanted.map(|(file, _)| (file.key.clone(), without_records(&file.key))).collect();
        let mut staged = BTreeMap::new();
        for finished in writers.finish(codec) {
            let key = recipe.key(finished.target, &name);
            let summary = finished.summary;
            let file = rebuilt.get_mut(&key).expect("writers are opened for wanted files only");
            file.records = summary.records;
            (file.records_digest, file.values_digest) = (summary.records_digest, summary.values_digest);
            staged.insert(key, ClosedFile { staged: finished.staged, records_digest: summary.records_digest });
        }
        let files = rebuilt.into_values().collect();
        (Replay { log, topic_id: None, leader_epoch_max, files }, Closed { files: staged, turn: Some(turn) })
    }

    /// The index of the manifest's file for `target` (R12: never re-routed).
    fn file_of(&mut self, target: Target) -> Result<usize, Refusal> {
        let known = match target {
            Target::OutputPartition(partition) => self.by_partition.get(partition.index()).copied().flatten(),
            Target::DeadLetters => None,
        };
        if let Some(file) = known {
            return Ok(file);
        }
        let name = BatchName {
            topic_partition: &self.topic_partition,
            generation: self.entry.generation,
            start: self.entry.start,
        };
        let key = self.recipe.key(target, &name);
        let Some(file) = self.batch().files.iter().position(|file| file.key == key) else {
            return Err(self.differs(&format!("a record belongs into `{key}`, which the manifest does not name")));
        };
        if let Target::OutputPartition(partition) = target {
            let index = partition.index();
            if self.by_partition.len() <= index {
                self.by_partition.resize(index + 1, None);
            }
            self.by_partition[index] = Some(file);
        }
        Ok(file)
    }

    fn batch(&self) -> &Batch {
        self.entry.batch().expect("only batches are replayed")
    }

    fn differs(&self, what: &str) -> Refusal {
        Refusal::new(RefusalCode::ReplayDiffers, format!("batch {}: {what}", self.entry.range()))
    }
}

// === impl Epochs ===

impl Epochs {
    fn saw(&mut self, min: i32, max: i32) {
        self.went_back |= self.last.is_some_and(|last| min < last);
        self.min = Some(self.min.map_or(min, |before| before.min(min)));
        self.last = Some(max);
    }
}
