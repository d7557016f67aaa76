//! Reads again what Kafka still has of archived batches, makes their files' digests anew, and compares.
//!
//! The same recipe as the first time: the shape that the manifest names, its clock value, its isolation level. Nothing
//! is encoded: a file is its records in order, and the digests are over those. Batches that cannot come out the same are
//! listed as not comparable and not held against anybody: those that reach below the log's start, those of a topic that
//! was replaced, and those that a resolution has cut.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secor_core::ids::{ConfigHash, Offset, SchemaHash, TopicPartition};
use secor_core::layout::{Layout, NameParts, extension_by};
use secor_core::manifest::{Batch, Entry, Isolation, RegisteredSchema};
use secor_core::record::{Record, RecordDigests};
use secor_core::shape::Shape;
use secor_format::{PartitionIdx, Pipeline};

use super::AuditError;
use super::files::Content;
use super::partition::AuditedBatch;
use super::report::{Finding, FindingCode, Stretch};
use crate::kafka::{self, Consumer, Delivery, Handle, KafkaError, LogRange, Settings, Slice};
use crate::ledger::{Ledger, LedgerError};

/// What manifests name by hash.
#[derive(Debug, Default)]
struct Named {
    shapes: BTreeMap<ConfigHash, Arc<Shape>>,
    schemas: BTreeMap<SchemaHash, Arc<RegisteredSchema>>,
}

#[derive(Debug, Default)]
pub(super) struct Compared {
    pub findings: Vec<Finding>,
    pub not_comparable: Vec<Stretch>,
}

/// Records taken from the client at once.
const POLL_RECORDS: usize = 10_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(200);
/// A log that gives nothing for this long is taken for unavailable.
const PATIENCE: Duration = Duration::from_secs(60);

/// Compares the batches of one topic partition, in their order.
pub(super) async fn compare(
    settings: &Settings,
    ledger: &Ledger,
    topic_partition: &TopicPartition,
    batches: Vec<AuditedBatch>,
) -> Result<Compared, AuditError> {
    let mut named = Named::default();
    let mut compared = Compared::default();
    for audited in &batches {
        let Some(batch) = audited.entry.batch() else { continue };
        if let Err(error) = named.read(ledger, batch).await {
            let Some(refusal) = error.refusal() else { return Err(error.into()) };
            compared.findings.push(audited.place.finding(FindingCode::Unreadable, refusal.detail));
        }
    }
    let (settings, place) = (settings.clone(), topic_partition.clone());
    let work = move || {
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            compare_blocking(&settings, &place, isolation, &batches, &named, &mut compared)?;
        }
        Ok::<_, KafkaError>(compared)
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(AuditError::Panicked)??)
}

fn compare_blocking(
    settings: &Settings,
    place: &TopicPartition,
    isolation: Isolation,
    batches: &[AuditedBatch],
    named: &Named,
    compared: &mut Compared,
) -> Result<(), KafkaError> {
    let of_isolation = |audited: &AuditedBatch| audited.entry.batch().is_some_and(|one| one.isolation == isolation);
    if !batches.iter().any(of_isolation) {
        return Ok(());
    }
    let isolation = match isolation {
        Isolation::ReadCommitted => kafka::Isolation::ReadCommitted,
        Isolation::ReadUncommitted => kafka::Isolation::ReadUncommitted,
    };
    let settings = Settings { isolation, ..settings.clone() };
    let handle = Handle::connect(&settings)?;
    let topic_id = handle.topic_id(&place.topic)?;
    let range = handle.log_range(place)?;
    let mut reading = Reading::new(&settings, place);
    let mut recipe: Option<Recipe> = None;
    for audited in batches.iter().filter(|audited| of_isolation(audited)) {
        let AuditedBatch { entry, contents, place } = audited;
        let Some(batch) = entry.batch() else { continue };
        let replaced = matches!((&topic_id, &entry.topic_id), (Some(now), Some(then)) if now != then);
        let resolved = batch.files.iter().any(|file| contents.get(&file.key) != Some(&Some(Content::of(file))));
        if replaced || resolved || entry.start < range.start {
            compared.not_comparable.push(entry.range().into());
            continue;
        }
        if entry.end > range.end {
            let detail = format!("the log ends at {}, before this batch does", range.end);
            compared.findings.push(place.finding(FindingCode::KafkaCount, detail));
            continue;
        }
        let Some(shape) = named.shape_of(batch) else { continue };
        if recipe.as_ref().is_none_or(|recipe| recipe.config != batch.config) {
            match Recipe::new(&entry.topic_partition(), batch.config.clone(), Arc::clone(shape)) {
                Ok(made) => recipe = Some(made),
                Err(what) => {
                    compared.findings.push(place.finding(FindingCode::Unreadable, what));
                    continue;
                }
            }
        }
        let recipe = recipe.as_mut().expect("it was made for this batch or the one before");
        recipe.pipeline.forget_partitions();
        recipe.learn(batch, named);
        let found = reading.batch(entry, batch, recipe, range)?;
        compared.findings.extend(differences(audited, batch, &found));
    }
    Ok(())
}

/// What the log says of a batch against what the manifest says, file by file.
fn differences(audited: &AuditedBatch, batch: &Batch, found: &BTreeMap<String, Content>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &batch.files {
        let expected = Content::of(file);
        let detail = match found.get(&file.key) {
            Some(found) if *found == expected => continue,
            Some(found) if found.records == expected.records => {
                let detail =
                    format!("the log gives digest {}, archived is {}", found.records_digest, expected.records_digest);
                findings.push(audited.place.file(FindingCode::KafkaContent, &file.key, detail));
                continue;
            }
            Some(found) => format!("the log has {} records, archived are {}", found.records, expected.records),
            None => format!("the log has no record, archived are {}", expected.records),
        };
        findings.push(audited.place.file(FindingCode::KafkaCount, &file.key, detail));
    }
    for (key, found) in found.iter().filter(|(key, _)| batch.file(key).is_none()) {
        let detail = format!("the log has {} records for a file that was not archived", found.records);
        findings.push(audited.place.file(FindingCode::KafkaCount, key, detail));
    }
    findings
}

/// A shape and what is derived from it.
struct Recipe {
    config: ConfigHash,
    shape: Arc<Shape>,
    pipeline: Pipeline,
    layout: Layout,
}

/// The files of one batch while its records pass.
#[derive(Default)]
struct Files {
    by_partition: Vec<Option<(PartitionIdx, Tally)>>,
    dead_letters: Option<Tally>,
}

#[derive(Default)]
struct Tally {
    records: u64,
    digests: RecordDigests,
}

/// Reads one topic partition from its first wanted batch on, without a group.
struct Reading<'a> {
    settings: &'a Settings,
    place: &'a TopicPartition,
    consumer: Option<Consumer>,
    slices: VecDeque<Slice>,
    /// Of the first slice, how many records are done.
    taken: usize,
    /// Everything below has passed.
    position: Offset,
}

// === impl Named ===

impl Named {
    async fn read(&mut self, ledger: &Ledger, batch: &Batch) -> Result<(), LedgerError> {
        for hash in batch.schemas.iter().filter_map(|named| named.schema.as_ref()) {
            self.schemas.insert(hash.clone(), ledger.schema(hash).await?);
        }
        self.shapes.insert(batch.config.clone(), ledger.config(&batch.config).await?);
        Ok(())
    }

    /// `None`: something that the batch names can't be read.
    fn shape_of(&self, batch: &Batch) -> Option<&Arc<Shape>> {
        let mut hashes = batch.schemas.iter().filter_map(|named| named.schema.as_ref());
        hashes.all(|hash| self.schemas.contains_key(hash)).then(|| self.shapes.get(&batch.config))?
    }
}

// === impl Reading ===

impl<'a> Reading<'a> {
    fn new(settings: &'a Settings, place: &'a TopicPartition) -> Self {
        Self { settings, place, consumer: None, slices: VecDeque::new(), taken: 0, position: Offset::ZERO }
    }

    fn batch(
        &mut self,
        entry: &Entry,
        batch: &Batch,
        recipe: &mut Recipe,
        range: LogRange,
    ) -> Result<BTreeMap<String, Content>, KafkaError> {
        let mut files = Files::default();
        let mut scratch = Vec::new();
        let mut deadline = Instant::now() + PATIENCE;
        if self.consumer.is_none() {
            let mut consumer = Consumer::read(self.settings, std::slice::from_ref(self.place))?;
            consumer.start(self.place, entry.start, None)?;
            self.consumer = Some(consumer);
            self.position = entry.start;
        }
        while self.position < entry.end {
            let Some(slice) = self.slices.front() else {
                if self.poll(range)? {
                    deadline = Instant::now() + PATIENCE;
                } else if Instant::now() > deadline {
                    let what = format!("reading `{}` at {}", self.place, self.position);
                    return Err(KafkaError::Timeout { what, timeout: PATIENCE });
                }
                continue;
            };
            while self.taken < slice.len() && slice.offset(self.taken) < entry.end {
                let record = slice.record(self.taken, &mut scratch);
                if record.offset >= entry.start {
                    files.push(&record, batch.clock, recipe);
                }
                self.position = record.offset.next();
                self.taken += 1;
            }
            if self.taken == slice.len() {
                self.slices.pop_front();
                self.taken = 0;
            } else {
                self.position = self.position.max(entry.end);
            }
        }
        Ok(files.contents(entry, recipe))
    }

    /// Whether there was anything new.
    fn poll(&mut self, range: LogRange) -> Result<bool, KafkaError> {
        let consumer = self.consumer.as_mut().expect("the first batch has made it");
        let (slices, mut failure, mut end) = (&mut self.slices, None, None);
        consumer.poll(POLL_RECORDS, POLL_TIMEOUT, &mut |delivery| match delivery {
            Delivery::Records(slice) => slices.push_back(slice),
            Delivery::EndOfPartition { position, .. } => end = Some(position),
            Delivery::OutOfRange { reason, .. } | Delivery::Truncated { reason, .. } => {
                failure = Some((-1, reason));
            }
            Delivery::Unreadable { error, .. } => failure = Some((-2, error.to_string())),
            // the client goes on trying, and so do we until patience ends
            Delivery::Problem { .. } => {}
        })?;
        if let Some((code, reason)) = failure {
            return Err(KafkaError::Broker { what: format!("reading `{}`", self.place), code, reason });
        }
        // the end comes behind the records, so it only counts once those are done
        let reached = end.filter(|_| self.slices.is_empty()).map(|end| end.max(self.position).min(range.end));
        let moved = reached.is_some_and(|reached| reached > self.position);
        self.position = reached.unwrap_or(self.position);
        Ok(moved || !self.slices.is_empty())
    }
}

// === impl Files ===

impl Files {
    fn push(&mut self, record: &Record<'_>, clock_ms: i64, recipe: &mut Recipe) {
        match recipe.pipeline.route(record, clock_ms) {
            Ok(routed) => {
                let index = routed.partition.index();
                if self.by_partition.len() <= index {
                    self.by_partition.resize_with(index + 1, || None);
                }
                let (_, tally) = self.by_partition[index].get_or_insert_with(|| (routed.partition, Tally::default()));
                tally.push(record, routed.value.as_deref());
            }
            Err(_) => self.dead_letters.get_or_insert_default().push(record, record.value),
        }
    }

    fn contents(self, entry: &Entry, recipe: &Recipe) -> BTreeMap<String, Content> {
        let name = NameParts {
            topic: &entry.topic,
            output_partition: "",
            generation: entry.generation,
            partition: entry.partition,
            start: entry.start,
            ext: "",
        };
        let mut contents = BTreeMap::new();
        if let Some(tally) = self.dead_letters {
            contents.insert(recipe.layout.dead_letter_key(&name), tally.content());
        }
        for (partition, tally) in self.by_partition.into_iter().flatten() {
            let schema = recipe.pipeline.file_schema(partition).and_then(|schema| schema.writer);
            let ext = extension_by(&recipe.shape.output, schema);
            let name = NameParts { output_partition: recipe.pipeline.output_partition(partition), ext: &ext, ..name };
            contents.insert(recipe.layout.key(&name), tally.content());
        }
        contents
    }
}

// === impl Tally ===

impl Tally {
    fn push(&mut self, record: &Record<'_>, stored: Option<&[u8]>) {
        self.records += 1;
        self.digests.push_stored(record, stored);
    }

    fn content(&self) -> Content {
        Content { records: self.records, records_digest: self.digests.records(), values_digest: self.digests.values() }
    }
}

// === impl Recipe ===

impl Recipe {
    fn new(place: &TopicPartition, config: ConfigHash, shape: Arc<Shape>) -> Result<Self, String> {
        let pipeline = Pipeline::new(&shape).map_err(|error| error.to_string())?;
        let pipeline = pipeline.of(&place.topic, place.partition);
        let layout = Layout::parse(&shape.layout).map_err(|error| error.to_string())?;
        Ok(Self { config, shape, pipeline, layout })
    }

    /// What was known of its schemas when the batch was cut.
    fn learn(&mut self, batch: &Batch, named: &Named) {
        for schema in &batch.schemas {
            let known = schema.schema.as_ref().and_then(|hash| Some((hash, &**named.schemas.get(hash)?)));
            self.pipeline.learn_schema(schema.id, known);
        }
    }
}
