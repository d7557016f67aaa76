//! The open batch and the batch that is made again, with the real pipeline, the real encoders and the real names.
//!
//! To be read beside `worker/batch.rs` and `worker/writers.rs` of the program: the same steps, without the budget and
//! without files for staging.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use secor_core::flush::{Accumulated, CutReason};
use secor_core::ids::{ConfigHash, Digest, Generation, Offset, OffsetRange, TopicPartition};
use secor_core::layout::{self, Layout, NameParts};
use secor_core::manifest::{Batch, Entry, FileEntry, Isolation};
use secor_core::partition::{Draft, LogRange, Rebuilt, Refusal, RefusalCode, Replay};
use secor_core::record::{Record, RecordDigests};
use secor_core::shape::{Output, Shape};
use secor_format::{BadRecord, Codec, FileEncoder, FileIdentity, FileSummary, PartitionIdx, Pipeline};

use super::Context;
use crate::simulator::log::{Content, Written, offset};
use crate::simulator::sabotage::Sabotage;

/// What a batch is made with.
pub(super) struct Recipe {
    pub config: ConfigHash,
    pub shape: Arc<Shape>,
    pub isolation: Isolation,
    pipeline: Pipeline,
    layout: Layout,
}

/// Files that wait for their upload, by key.
#[derive(Clone, Default)]
pub(super) struct Closed(pub BTreeMap<String, ClosedFile>);

#[derive(Clone)]
pub(super) struct ClosedFile {
    pub bytes: Rc<[u8]>,
    pub records_digest: Digest,
}

/// The records since the last cut.
pub(super) struct OpenBatch {
    topic_partition: TopicPartition,
    writers: Writers,
    clock_ms: i64,
    position: Offset,
    accumulated: Accumulated,
    epoch_min: Option<i32>,
    epoch_last: Option<i32>,
    epoch_went_back: bool,
    first_offset: Option<Offset>,
    full: Option<CutReason>,
}

/// A batch that is made again: only the files that are wanted, but all are counted.
pub(super) struct ReplayBatch {
    recipe: Recipe,
    entry: Box<Entry>,
    log: LogRange,
    clock_ms: i64,
    writers: Writers,
    position: Offset,
    leader_epoch_max: Option<i32>,
    keys: Vec<String>,
    /// One for each file of the manifest, in its order.
    records: Vec<u64>,
}

/// What is needed to begin a replay.
pub(super) struct ReplayPlan {
    pub recipe: Recipe,
    pub entry: Box<Entry>,
    pub keys: Vec<String>,
    pub log: LogRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    OutputPartition(PartitionIdx),
    DeadLetters,
}

struct Writers {
    identity: FileIdentity,
    output: Output,
    open: Vec<Writer>,
}

struct Writer {
    target: Target,
    encoder: FileEncoder,
    bytes: Vec<u8>,
}

// === impl Recipe ===

impl Recipe {
    pub fn new(place: &TopicPartition, shape: Arc<Shape>, isolation: Isolation) -> Result<Self, String> {
        let pipeline = Pipeline::new(&shape).map_err(|error| error.to_string())?;
        let pipeline = pipeline.of(&place.topic, place.partition);
        let layout = Layout::parse(&shape.layout).map_err(|error| error.to_string())?;
        let (config, _) = shape.stored();
        Ok(Self { config, shape, isolation, pipeline, layout })
    }

    fn key(&self, target: Target, tp: &TopicPartition, generation: Generation, start: Offset) -> String {
        let ext = layout::extension(&self.shape.output);
        let name = NameParts {
            topic: &tp.topic,
            output_partition: match target {
                Target::OutputPartition(partition) => self.pipeline.output_partition(partition),
                Target::DeadLetters => "",
            },
            generation,
            partition: tp.partition,
            start,
            ext: &ext,
        };
        match target {
            Target::DeadLetters => self.layout.dead_letter_key(&name),
            Target::OutputPartition(_) => self.layout.key(&name),
        }
    }
}

/// A record as the data path sees it; `None` for a marker, which no consumer gets.
fn record(written: &Written) -> Option<Record<'_>> {
    let Content::Record(message) = &written.content else {
        return None;
    };
    Some(Record {
        offset: offset(written.offset),
        timestamp: Some(message.timestamp),
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &message.headers,
    })
}

// === impl OpenBatch ===

impl OpenBatch {
    pub fn new(recipe: &mut Recipe, tp: &TopicPartition, from: Offset) -> Self {
        recipe.pipeline.forget_partitions();
        Self {
            topic_partition: tp.clone(),
            writers: Writers::new(tp, &recipe.shape.output),
            clock_ms: 0,
            position: from,
            accumulated: Accumulated::default(),
            epoch_min: None,
            epoch_last: None,
            epoch_went_back: false,
            first_offset: None,
            full: None,
        }
    }

    pub fn position(&self) -> Offset {
        self.position
    }

    pub fn accumulated(&self) -> Accumulated {
        self.accumulated
    }

    pub fn full(&self) -> Option<CutReason> {
        self.full
    }

    pub fn set_full(&mut self, reason: CutReason) {
        self.full.get_or_insert(reason);
    }

    pub fn advance(&mut self, position: Offset) {
        self.position = self.position.max(position);
    }

    /// Takes the record in; false when no writer is left for its output partition.
    pub fn append(&mut self, written: &Rc<Written>, recipe: &mut Recipe, cx: &mut Context<'_>) -> bool {
        let record = record(written).expect("a consumer gets records only");
        if self.accumulated.records == 0 {
            self.clock_ms = cx.now_ms;
        }
        let routed = recipe.pipeline.route(&record, self.clock_ms);
        let codec = cx.codecs.of(&recipe.shape.output);
        match routed {
            Ok(routed) => {
                let target = Target::OutputPartition(routed.partition);
                if !self.writers.is_open(target) && self.writers.open.len() >= cx.open_writers_max {
                    return false;
                }
                let value = routed.value.as_deref();
                if cx.sabotage == Some(Sabotage::EncoderBytes) && cx.process == 1 {
                    let other = value.map(|value| [value, b" "].concat());
                    self.writers.append(target, &record, other.as_deref(), routed.event_time, codec);
                } else {
                    self.writers.append(target, &record, value, routed.event_time, codec);
                }
            }
            Err(_) if cx.sabotage == Some(Sabotage::DropBadRecords) => {
                self.position = record.offset.next();
                return true;
            }
            Err(bad) => self.writers.append_bad(&record, &bad, codec),
        }
        self.saw(written.epoch);
        self.first_offset.get_or_insert(record.offset);
        self.position = record.offset.next().max(self.position);
        self.accumulated.records += 1;
        self.accumulated.bytes = self.writers.staged_bytes();
        let (min, max) = self.accumulated.timestamps.unwrap_or((i64::MAX, i64::MIN));
        self.accumulated.timestamps = record.timestamp.map(|at| (min.min(at), max.max(at)));
        true
    }

    fn saw(&mut self, epoch: i32) {
        self.epoch_went_back |= self.epoch_last.is_some_and(|last| epoch < last);
        self.epoch_min = Some(self.epoch_min.map_or(epoch, |min| min.min(epoch)));
        self.epoch_last = Some(epoch);
    }

    pub fn relieve(&mut self, codec: &mut Codec) {
        self.writers.relieve(codec);
        self.accumulated.bytes = self.writers.staged_bytes();
    }

    pub fn close(
        self,
        start: Offset,
        generation: Generation,
        reason: CutReason,
        recipe: &Recipe,
        cx: &mut Context<'_>,
    ) -> (Draft, Closed) {
        let mut staged = BTreeMap::new();
        let mut files: Vec<FileEntry> = Vec::new();
        let named = match self.first_offset {
            Some(first) if cx.sabotage == Some(Sabotage::NamedByFirstRecord) => first,
            _ => start,
        };
        let disordered = cx.sabotage == Some(Sabotage::EncoderOrder) && cx.process == 1;
        for (target, summary, bytes) in self.writers.finish(cx.codecs.of(&recipe.shape.output)) {
            let key = recipe.key(target, &self.topic_partition, generation, named);
            let bytes = if disordered { disorder(bytes, &recipe.shape.output) } else { bytes };
            files.push(file_entry(key.clone(), &summary, target == Target::DeadLetters));
            let file = ClosedFile { bytes: bytes.into(), records_digest: summary.records_digest };
            assert!(staged.insert(key, file).is_none(), "two files of a batch have the same key");
        }
        files.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let batch = Batch {
            reason,
            clock: self.clock_ms,
            isolation: recipe.isolation,
            leader_epoch: self.epoch_last,
            config: recipe.config.clone(),
            time_zone_data: layout::time_zone_data_version().to_owned(),
            schemas: Vec::new(),
            records: self.accumulated.records,
            files,
        };
        let draft = Draft {
            range: OffsetRange::new(start, self.position),
            batch,
            leader_epoch_min: self.epoch_min,
            leader_epoch_went_back: self.epoch_went_back,
        };
        (draft, Closed(staged))
    }
}

/// The first two lines of an uncompressed file change places.
fn disorder(bytes: Vec<u8>, output: &Output) -> Vec<u8> {
    if output.compression != secor_core::shape::Compression::None {
        return bytes;
    }
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.len() > 1 {
        lines.swap(0, 1);
    }
    lines.concat()
}

fn file_entry(key: String, summary: &FileSummary, dead_letters: bool) -> FileEntry {
    FileEntry {
        key,
        records: summary.records,
        first_offset: summary.first_offset,
        last_offset: summary.last_offset,
        timestamps: summary.timestamps,
        event_times: summary.event_times,
        bytes: summary.bytes,
        records_digest: summary.records_digest,
        values_digest: summary.values_digest,
        dead_letters,
        schema: None,
    }
}

// === impl ReplayBatch ===

impl ReplayBatch {
    /// Begins where the log still has the batch's range.
    pub fn new(plan: ReplayPlan, cx: &Context<'_>) -> Self {
        let ReplayPlan { recipe, entry, keys, log } = plan;
        let batch = entry.batch().expect("only batches are replayed");
        let own_clock = cx.sabotage == Some(Sabotage::ReplayOwnClock);
        Self {
            clock_ms: if own_clock { cx.now_ms } else { batch.clock },
            writers: Writers::new(&entry.topic_partition(), &recipe.shape.output),
            position: entry.start.max(log.start),
            leader_epoch_max: None,
            records: vec![0; batch.files.len()],
            recipe,
            log,
            keys,
            entry,
        }
    }

    pub fn output(&self) -> &Output {
        &self.recipe.shape.output
    }

    pub fn position(&self) -> Offset {
        self.position
    }

    pub fn advance(&mut self, position: Offset) {
        self.position = self.position.max(position);
    }

    /// Of a record that was read.
    pub fn saw_epoch(&mut self, epoch: i32) {
        self.leader_epoch_max = self.leader_epoch_max.max(Some(epoch));
    }

    pub fn ends_before(&self, offset: Offset) -> bool {
        offset >= self.entry.end
    }

    pub fn done(&self) -> bool {
        self.position >= self.entry.end
    }

    pub fn relieve(&mut self, codec: &mut Codec) {
        self.writers.relieve(codec);
    }

    pub fn append(&mut self, written: &Written, codec: &mut Codec) -> Result<(), Refusal> {
        let record = record(written).expect("a consumer gets records only");
        let routed = self.recipe.pipeline.route(&record, self.clock_ms);
        let target = routed.as_ref().map_or(Target::DeadLetters, |routed| Target::OutputPartition(routed.partition));
        let tp = self.entry.topic_partition();
        let key = self.recipe.key(target, &tp, self.entry.generation, self.entry.start);
        let batch = self.entry.batch().expect("only batches are replayed");
        let differs = |what: String| {
            Err(Refusal::new(RefusalCode::ReplayDiffers, format!("batch {}: {what}", self.entry.range())))
        };
        let Some(file) = batch.files.iter().position(|file| file.key == key) else {
            return differs(format!("a record belongs into `{key}`, which the manifest does not name"));
        };
        self.records[file] += 1;
        if self.records[file] > batch.files[file].records {
            return differs(format!("`{key}` gains records"));
        }
        if self.keys.contains(&key) {
            match &routed {
                Ok(routed) => {
                    self.writers.append(target, &record, routed.value.as_deref(), routed.event_time, codec);
                }
                Err(bad) => self.writers.append_bad(&record, bad, codec),
            }
        }
        self.position = record.offset.next();
        Ok(())
    }

    pub fn finish(self, cx: &mut Context<'_>) -> (Replay, Closed) {
        let batch = self.entry.batch().expect("only batches are replayed");
        let nothing = RecordDigests::new();
        let without_records = |key: &String| Rebuilt {
            key: key.clone(),
            records: 0,
            records_digest: nothing.records(),
            values_digest: nothing.values(),
        };
        let mut rebuilt: Vec<Rebuilt> = self.keys.iter().map(without_records).collect();
        rebuilt.sort_by(|a, b| a.key.cmp(&b.key));
        let (mut staged, tp) = (BTreeMap::new(), self.entry.topic_partition());
        let (recipe, generation, start) = (&self.recipe, self.entry.generation, self.entry.start);
        for (target, summary, bytes) in self.writers.finish(cx.codecs.of(&recipe.shape.output)) {
            let key = recipe.key(target, &tp, generation, start);
            let file = rebuilt.iter_mut().find(|file| file.key == key).expect("only wanted files are written");
            file.records = summary.records;
            (file.records_digest, file.values_digest) = (summary.records_digest, summary.values_digest);
            staged.insert(key, ClosedFile { bytes: bytes.into(), records_digest: summary.records_digest });
        }
        if cx.sabotage == Some(Sabotage::ReplayDigestUnchecked) {
            for file in rebuilt.iter_mut().filter(|file| file.records > 0) {
                let manifest = batch.file(&file.key).expect("only files of the manifest are wanted");
                (file.records_digest, file.values_digest) = (manifest.records_digest, manifest.values_digest);
                staged.get_mut(&file.key).expect("it has records").records_digest = manifest.records_digest;
            }
        }
        let (log, leader_epoch_max) = (self.log, self.leader_epoch_max);
        (Replay { log, topic_id: None, leader_epoch_max, files: rebuilt }, Closed(staged))
    }
}

// === impl Writers ===

impl Writers {
    fn new(tp: &TopicPartition, output: &Output) -> Self {
        let identity = FileIdentity { topic: Arc::clone(&tp.topic), partition: tp.partition };
        Self { identity, output: output.clone(), open: Vec::new() }
    }

    fn is_open(&self, target: Target) -> bool {
        self.open.iter().any(|writer| writer.target == target)
    }

    fn append(
        &mut self,
        target: Target,
        record: &Record<'_>,
        value: Option<&[u8]>,
        event_time: Option<i64>,
        codec: &mut Codec,
    ) {
        let Writer { encoder, bytes, .. } = self.writer(target, codec);
        encoder.append(record, value, event_time, codec, bytes);
    }

    fn append_bad(&mut self, record: &Record<'_>, bad: &BadRecord, codec: &mut Codec) {
        let Writer { encoder, bytes, .. } = self.writer(Target::DeadLetters, codec);
        encoder.append_bad(record, bad, codec, bytes);
    }

    fn writer(&mut self, target: Target, codec: &Codec) -> &mut Writer {
        let at = self.open.iter().position(|writer| writer.target == target).unwrap_or_else(|| {
            let encoder = match target {
                Target::OutputPartition(_) => FileEncoder::new(&self.output, self.identity.clone(), codec),
                Target::DeadLetters => FileEncoder::dead_letters(self.identity.clone()),
            };
            self.open.push(Writer { target, encoder, bytes: Vec::new() });
            self.open.len() - 1
        });
        &mut self.open[at]
    }

    fn staged_bytes(&self) -> u64 {
        self.open.iter().map(|writer| writer.bytes.len() as u64).sum()
    }

    fn relieve(&mut self, codec: &mut Codec) {
        for Writer { encoder, bytes, .. } in &mut self.open {
            encoder.flush_block(codec, bytes);
        }
    }

    fn finish(self, codec: &mut Codec) -> Vec<(Target, FileSummary, Vec<u8>)> {
        let finish = |mut writer: Writer| {
            let summary = writer.encoder.finish(codec, &mut writer.bytes);
            (writer.target, summary, writer.bytes)
        };
        self.open.into_iter().map(finish).collect()
    }
}
