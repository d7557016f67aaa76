//! Who looks at everything that becomes visible, the moment it does, and says what must not be.
//!
//! After every step, cheaply: an entry must continue its chain from the genesis, and the batch before it must be
//! complete (R8); an empty entry must not pass over a record; a file must be named by a manifest that is there already,
//! and hold exactly the records that [`super::expected`] works out from the log; a commit of ours must stand behind
//! complete batches only; nothing that was stored may change; a refusal must have a reason. At rest, in full:
//! [`rest`].
//!
//! It sees the truth of the stores, not what readers are shown, and shares with the product the parser of manifests and
//! their paths, no more.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use secor_core::ids::{Generation, LedgerId, Offset, TopicId, TopicPartition};
use secor_core::json;
use secor_core::manifest::{
    CommitOrigin, Entry, Genesis, HoleReason, Isolation, Kind, LedgerIdentity, Resolution, ResolutionReason,
    ResolvedOutcome, paths,
};
use secor_core::partition::{OnTopicRecreated, Refusal, RefusalCode};
use secor_core::shape::Shape;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::broker::Broker;
use super::coverage::Path;
use super::expected::{self, Place, Wanted};
use super::log::{Content, PartitionLog, Written};
use super::store::{Change, Consistency};

mod rest;

/// One chain: a generation of a topic partition.
type ChainName = (TopicPartition, Generation);

pub(super) struct Oracle {
    isolation: Isolation,
    consistency: Consistency,
    violation: Option<String>,
    ledger: Option<LedgerId>,
    geneses: BTreeMap<String, Genesis>,
    shapes: BTreeMap<String, Rc<Shape>>,
    chains: BTreeMap<ChainName, Chain>,
    /// Which batch names a file.
    named: BTreeMap<String, (ChainName, Offset)>,
    /// Files that are stored.
    files: BTreeSet<String>,
    resolutions: BTreeMap<(ChainName, Offset), Vec<Resolution>>,
    /// Topic partitions that were refused and have not gone on since.
    refused: BTreeSet<TopicPartition>,
    /// For the coverage.
    met: Vec<Path>,
    shape_before: Option<String>,
}

struct Chain {
    topic_id: Option<TopicId>,
    start: Offset,
    /// The free slot.
    head: Offset,
    entries: BTreeMap<Offset, Entry>,
    is_sealed: bool,
}

// === impl Oracle ===

impl Oracle {
    pub fn new(isolation: Isolation, consistency: Consistency) -> Self {
        Self {
            isolation,
            consistency,
            violation: None,
            ledger: None,
            geneses: BTreeMap::new(),
            shapes: BTreeMap::new(),
            chains: BTreeMap::new(),
            named: BTreeMap::new(),
            files: BTreeSet::new(),
            resolutions: BTreeMap::new(),
            refused: BTreeSet::new(),
            met: Vec::new(),
            shape_before: None,
        }
    }

    /// The first thing that must not be.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub fn violate(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert(what.into());
    }

    pub fn take_met(&mut self) -> Vec<Path> {
        std::mem::take(&mut self.met)
    }

    fn check(&mut self, result: Result<(), String>) {
        if let Err(what) = result {
            self.violate(what);
        }
    }

    // --- what is stored

    pub fn stored(&mut self, broker: &Broker, change: &Change) {
        let result = self.look_at(broker, change);
        self.check(result);
    }

    fn look_at(&mut self, broker: &Broker, change: &Change) -> Result<(), String> {
        let Change { key, bytes, replaced } = change;
        let is_content_addressed = key.starts_with(paths::CONFIGS);
        if !key.starts_with("_secor/") {
            return self.look_at_file(broker, key, bytes);
        }
        if *replaced && !is_content_addressed {
            return Err(format!("`{key}` was overwritten"));
        }
        if is_content_addressed {
            let shape: Shape = json::parse_defaulted(bytes).map_err(|error| format!("`{key}`: {error}"))?;
            self.shapes.insert(key.clone(), Rc::new(shape));
            Ok(())
        } else if key == paths::LEDGER {
            self.ledger = Some(parse::<LedgerIdentity>(key, bytes)?.ledger);
            Ok(())
        } else if key.ends_with("/genesis.json") {
            let genesis: Genesis = parse(key, bytes)?;
            self.same_ledger(key, &genesis.ledger)?;
            self.geneses.insert(genesis.topic.to_string(), genesis);
            Ok(())
        } else if key.contains("/entries/") {
            let entry: Entry = parse(key, bytes)?;
            self.look_at_entry(broker, key, entry)
        } else if key.contains("/resolutions/") {
            let resolution: Resolution = parse(key, bytes)?;
            self.same_ledger(key, &resolution.ledger)?;
            self.look_at_resolution(broker, key, &resolution)?;
            let tp = TopicPartition::new(Rc::<str>::from(&*resolution.topic).to_string(), resolution.partition);
            let at = ((tp, resolution.generation), resolution.start);
            self.resolutions.entry(at).or_default().push(resolution);
            Ok(())
        } else {
            Ok(())
        }
    }

    fn same_ledger(&self, key: &str, found: &LedgerId) -> Result<(), String> {
        if self.ledger.as_ref() == Some(found) { Ok(()) } else { Err(format!("`{key}` is of ledger {found}")) }
    }

    /// R3, R8: an entry stands at the head of its chain, and all before it is complete.
    fn look_at_entry(&mut self, broker: &Broker, key: &str, entry: Entry) -> Result<(), String> {
        self.same_ledger(key, &entry.ledger)?;
        let tp = entry.topic_partition();
        let name: ChainName = (tp.clone(), entry.generation);
        if paths::entry(&entry.topic, entry.generation, entry.partition, entry.start) != key {
            return Err(format!("`{key}` holds the entry of another slot"));
        }
        self.begin_chain(&name)?;
        let chain = &self.chains[&name];
        if chain.is_sealed || chain.head != entry.start {
            return Err(format!("`{key}` does not stand at the head {} of its chain", chain.head));
        }
        if chain.topic_id != entry.topic_id {
            return Err(format!("`{key}` has topic id {:?}, its chain {:?}", entry.topic_id, chain.topic_id));
        }
        if let Some((_, last)) = chain.entries.last_key_value()
            && let Some(missing) = self.missing(&name, last)
        {
            return Err(format!("`{key}` was created, but `{missing}` of the batch before it is not there"));
        }
        self.look_at_kind(broker, key, &name, &entry)?;
        let chain = self.chains.get_mut(&name).expect("it has begun");
        chain.head = entry.end;
        chain.is_sealed = matches!(entry.kind, Kind::Seal(_));
        chain.entries.insert(entry.start, entry);
        Ok(())
    }

    /// A chain begins with the genesis or with a seal (R2, R11).
    fn begin_chain(&mut self, name: &ChainName) -> Result<(), String> {
        if self.chains.contains_key(name) {
            return Ok(());
        }
        let (tp, generation) = name;
        let genesis = self.geneses.get(&*tp.topic).ok_or_else(|| format!("{tp} has an entry, but no genesis"))?;
        let begin = if genesis.generation == *generation {
            Some((genesis.topic_id.clone(), genesis.start_of(tp.partition)))
        } else {
            let of_tp = self.chains.iter().filter(|((other, _), _)| other == tp);
            let seals = of_tp.filter_map(|(_, chain)| match &chain.entries.last_key_value()?.1.kind {
                Kind::Seal(seal) if seal.next.generation == *generation => {
                    Some((seal.next.topic_id.clone(), seal.next.start))
                }
                _ => None,
            });
            let mut seals = seals.collect::<Vec<_>>();
            seals.pop()
        };
        let (topic_id, start) =
            begin.ok_or_else(|| format!("generation {generation} of {tp} begins without a seal"))?;
        let chain = Chain { topic_id, start, head: start, entries: BTreeMap::new(), is_sealed: false };
        self.chains.insert(name.clone(), chain);
        Ok(())
    }

    fn look_at_kind(&mut self, broker: &Broker, key: &str, name: &ChainName, entry: &Entry) -> Result<(), String> {
        let log = broker.log_of(&name.0, &entry.topic_id);
        match &entry.kind {
            Kind::Batch(batch) => {
                let shape = paths::config(&batch.config);
                if !self.shapes.contains_key(&shape) {
                    return Err(format!("`{key}` names `{shape}`, which is not there"));
                }
                for file in &batch.files {
                    if let Some((other, start)) = self.named.insert(file.key.clone(), (name.clone(), entry.start)) {
                        return Err(format!("`{}` is named by `{key}` and by slot {start} of {other:?}", file.key));
                    }
                    if file.dead_letters {
                        self.met.push(Path::DeadLetterFile);
                    }
                }
                if batch.files.len() > 1 {
                    self.met.push(Path::FanOut);
                }
                if self.shape_before.replace(shape.clone()).is_some_and(|before| before != shape) {
                    self.met.push(Path::SecondShape);
                }
                Ok(())
            }
            Kind::Empty => {
                let Some(log) = log.filter(|log| !log.was_truncated()) else { return Ok(()) };
                let range = (entry.start.get(), entry.end.get());
                let passed = log.countable(None, range, self.isolation);
                let passed = passed.ok_or_else(|| format!("`{key}` reaches beyond the log"))?;
                match passed.iter().find(|written| log.still_has(written.offset)) {
                    Some(written) => Err(format!("`{key}` is empty, but the log has a record at {}", written.offset)),
                    None => Ok(()),
                }
            }
            Kind::Hole(hole) => {
                if hole.reason == HoleReason::AcceptedLoss {
                    self.met.push(Path::LossAccepted);
                }
                match log {
                    Some(log) if log.start() < entry.end.get() => {
                        Err(format!("`{key}` is a hole, but the log begins at {}", log.start()))
                    }
                    _ => Ok(()),
                }
            }
            Kind::Seal(_) => Ok(()),
        }
    }

    /// R3, R6: a file comes after its manifest and holds what its name says.
    fn look_at_file(&mut self, broker: &Broker, key: &str, bytes: &[u8]) -> Result<(), String> {
        let (name, start) = self.named.get(key).ok_or_else(|| format!("no manifest names `{key}`"))?;
        let entry = &self.chains[name].entries[start];
        let lines = expected::read_lines(key, bytes)?;
        let log = broker.log_of(&name.0, &entry.topic_id).ok_or_else(|| format!("`{key}` has no log"))?;
        let mut why = String::new();
        // records that an election threw away were true when they were read
        let versions = std::iter::once(None).chain((0..log.past_versions()).rev().map(Some));
        for version in versions {
            let Some(wanted) = self.wanted(log, version, entry) else { continue };
            let Some(wanted) = wanted.get(key) else {
                why = format!("no record of batch {} belongs into `{key}`", entry.range());
                continue;
            };
            match agrees(log, wanted, &lines) {
                Ok(()) => {
                    self.files.insert(key.to_owned());
                    return Ok(());
                }
                Err(difference) => why = format!("`{key}`: {difference}"),
            }
        }
        Err(why)
    }

    /// The files of a batch as a version of the log has it.
    fn wanted(&self, log: &PartitionLog, version: Option<usize>, entry: &Entry) -> Option<BTreeMap<String, Wanted>> {
        let records = self.records(log, version, entry)?;
        let batch = entry.batch()?;
        let place = Place {
            topic: &entry.topic,
            generation: entry.generation.0,
            partition: entry.partition,
            start: entry.start.get(),
            clock_ms: batch.clock,
        };
        Some(expected::files(&self.shapes[&paths::config(&batch.config)], place, &records))
    }

    fn records(&self, log: &PartitionLog, version: Option<usize>, entry: &Entry) -> Option<Vec<Rc<Written>>> {
        let records = log.countable(version, (entry.start.get(), entry.end.get()), self.isolation)?;
        Some(records.into_iter().filter(|written| matches!(written.content, Content::Record(_))).collect())
    }

    /// A file of a batch that is neither stored nor resolved as absent.
    fn missing(&self, name: &ChainName, entry: &Entry) -> Option<String> {
        let files = &entry.batch()?.files;
        let is_missing = |key: &str| !self.files.contains(key) && !self.is_absent(name, Some(entry), key);
        files.iter().find(|file| is_missing(&file.key)).map(|file| file.key.clone())
    }

    /// R12: does a resolution of the batch say that there is no such file?
    fn is_absent(&self, name: &ChainName, entry: Option<&Entry>, key: &str) -> bool {
        let resolutions = entry.and_then(|entry| self.resolutions.get(&(name.clone(), entry.start)));
        let mut outcomes = resolutions.into_iter().flatten().filter_map(|resolution| resolution.outcome(key));
        outcomes.any(|outcome| *outcome == ResolvedOutcome::Absent)
    }

    /// R12: what compaction is said to have taken, compaction has taken.
    fn look_at_resolution(&self, broker: &Broker, key: &str, resolution: &Resolution) -> Result<(), String> {
        let tp = TopicPartition::new(resolution.topic.clone(), resolution.partition);
        let chain = self.chains.get(&(tp.clone(), resolution.generation));
        let entry = chain.and_then(|chain| chain.entries.get(&resolution.start));
        let entry = entry.ok_or_else(|| format!("`{key}` resolves a batch that no manifest has"))?;
        let log = broker.log_of(&tp, &entry.topic_id).filter(|log| !log.was_truncated());
        let (ResolutionReason::Compaction, Some(log)) = (resolution.reason, log) else { return Ok(()) };
        let wanted = self.wanted(log, None, entry).ok_or_else(|| format!("`{key}` reaches beyond the log"))?;
        for file in &resolution.files {
            let Some(records) = wanted.get(&file.key) else { continue };
            let kept = match file.outcome {
                ResolvedOutcome::Absent => 0,
                ResolvedOutcome::Subset { records, .. } => usize::try_from(records).unwrap_or(usize::MAX),
            };
            let gone = records.lines.iter().filter(|(offset, _)| log.was_compacted_away(*offset)).count();
            if kept + gone < records.lines.len() {
                return Err(format!("`{key}` says that compaction took records of `{}` that it left", file.key));
            }
        }
        Ok(())
    }

    // --- commits and refusals

    /// R7: the register never runs ahead of what is complete.
    pub fn committed(&mut self, tp: &TopicPartition, offset: Offset, metadata: &str) {
        let result = self.look_at_commit(tp, offset, metadata);
        self.check(result);
    }

    fn look_at_commit(&self, tp: &TopicPartition, offset: Offset, metadata: &str) -> Result<(), String> {
        let CommitOrigin::Secor(commit) = CommitOrigin::of(metadata) else {
            return Err(format!("{tp}: our own commit has the metadata `{metadata}`"));
        };
        let name = (tp.clone(), commit.generation);
        let entry = self.chains.get(&name).and_then(|chain| chain.entries.get(&commit.prev));
        let Some(entry) = entry.filter(|entry| entry.end == offset) else {
            return Err(format!("{tp}: {offset} was committed as `{metadata}`, which no entry is"));
        };
        match self.missing(&name, entry) {
            Some(key) => Err(format!("{tp}: {offset} was committed, but `{key}` is not there")),
            None => Ok(()),
        }
    }

    pub fn refused(&mut self, broker: &Broker, tp: &TopicPartition, refusal: &Refusal, policy: OnTopicRecreated) {
        self.refused.insert(tp.clone());
        let was_deleted = broker.was_deleted(&tp.topic);
        let log = broker.log(tp);
        let has_reason = match refusal.code {
            RefusalCode::TopicMissing => was_deleted,
            RefusalCode::TopicRecreated => was_deleted && policy == OnTopicRecreated::Refuse,
            RefusalCode::RecordsExpired => was_deleted || log.is_some_and(|log| log.start() > 0),
            RefusalCode::LogTruncated | RefusalCode::ReplayDiffers | RefusalCode::EpochWentBack => {
                was_deleted || log.is_some_and(PartitionLog::was_truncated)
            }
            // reads of `configs/` lag where the store lags
            RefusalCode::ConfigMissing => self.consistency != Consistency::Exclusive,
            _ => false,
        };
        if !has_reason {
            self.violate(format!("{tp} was refused without a reason: {refusal}"));
        }
    }

    /// It goes on; had it been refused?
    pub fn recovered(&mut self, tp: &TopicPartition) -> bool {
        self.refused.remove(tp)
    }
}

/// Do these lines hold these records, but for those that compaction or retention has taken from the log?
fn agrees(log: &PartitionLog, wanted: &Wanted, lines: &[Vec<u8>]) -> Result<(), String> {
    // tombstones are all alike: they are counted, the others are told apart by their ids
    let with_text = |line: &&(i64, Vec<u8>)| !line.1.is_empty();
    let empty = lines.iter().filter(|line| line.is_empty()).count();
    let tombstones: Vec<_> = wanted.lines.iter().filter(|line| line.1.is_empty()).collect();
    let there = tombstones.iter().filter(|(offset, _)| log.still_has(*offset)).count();
    if !(there..=tombstones.len()).contains(&empty) {
        return Err(format!("it has {empty} empty lines, not {there} to {}", tombstones.len()));
    }
    let mut lines = lines.iter().filter(|line| !line.is_empty()).peekable();
    for (offset, text) in wanted.lines.iter().filter(with_text) {
        if lines.next_if(|line| *line == text).is_none() && log.still_has(*offset) {
            let found = lines.peek().map_or("its end".into(), |line| String::from_utf8_lossy(line).into_owned());
            return Err(format!("the record at {offset} is wanted, but found is {found}"));
        }
    }
    match lines.next() {
        Some(line) => Err(format!("it has a line too many or in the wrong place: {}", String::from_utf8_lossy(line))),
        None => Ok(()),
    }
}

fn parse<T: DeserializeOwned + Serialize>(key: &str, bytes: &[u8]) -> Result<T, String> {
    json::parse(bytes).map_err(|error| format!("`{key}` {error}"))
}
