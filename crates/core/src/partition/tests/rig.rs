//! A machine to talk to, and values to talk about.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::flush::{Accumulated, CutReason, FlushPolicy};
use crate::ids::{ConfigHash, Digest, Generation, LedgerId, Offset, OffsetRange, TopicId, TopicPartition};
use crate::manifest::{
    Batch, CommitMetadata, CommitOrigin, Entry, FORMAT_VERSION, FileEntry, Genesis, Hole, HoleReason, Isolation, Kind,
    Next, Resolution, ResolutionReason, ResolvedFile, ResolvedOutcome, Seal,
};
use crate::partition::{
    Action, Answer, Ask, AskId, Committed, Draft, Errand, Event, Facts, FileState, Inspection, LogRange, Note,
    OnTopicRecreated, PartitionMachine, Rebuilt, Replay, Settings, Stored,
};

pub const MINUTE_MS: i64 = 60_000;
pub const RETRY_MS: i64 = 30_000;
pub const RECORD_BYTES: u64 = 100;

/// A machine, the clock, and the number of the last question.
pub struct Rig {
    pub machine: PartitionMachine,
    pub now_ms: i64,
    pub ask_id: AskId,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            ledger: ledger(),
            topic_partition: TopicPartition::new("clicks", 0),
            group: Arc::from("backup"),
            cluster: Arc::from("cluster"),
            generation: Generation(1),
            flush: FlushPolicy { age_ms_max: Some(MINUTE_MS), ..FlushPolicy::default() },
            on_topic_recreated: OnTopicRecreated::Refuse,
            revoke_flush_bytes_min: 5 * RECORD_BYTES,
            until: None,
            errand: Errand::Archive,
            retry_refused_ms: RETRY_MS,
        };
        change(&mut settings);
        Self { machine: PartitionMachine::new(settings), now_ms: 1_700_000_000_000, ask_id: AskId(0) }
    }

    /// Assigned, with a ledger whose chain begins at `start` and has no entry.
    pub fn consuming(start: i64) -> Self {
        let mut rig = Self::new();
        rig.enter(start);
        rig
    }

    pub fn enter(&mut self, start: i64) {
        self.tell(Event::Assigned);
        self.answer(facts(genesis(start)));
        self.answer(Answer::Entry(None));
        assert_eq!(self.answer(Answer::Entry(None)), [format!("consuming {start}"), format!("consume {start}")]);
    }

    /// Assigned, with an own commit at the end of `entry`, which is the last one.
    pub fn resumed_behind(entry: &Entry) -> Self {
        let mut rig = Self::new();
        rig.tell(Event::Assigned);
        rig.answer(own_commit(genesis(0), entry));
        rig.answer(found(entry));
        rig.answer(Answer::Entry(None));
        rig
    }

    /// Assigned after the group was lost, with `entry` as the head of the ledger, up to its inspection.
    pub fn adopting(change: impl FnOnce(&mut Settings), entry: &Entry) -> Self {
        let mut rig = Self::with(change);
        rig.tell(Event::Assigned);
        rig.answer(facts(genesis(0)));
        rig.answer(found(entry));
        let said = rig.answer(Answer::Entry(None));
        assert_eq!(said, [format!("adopted {}", entry.range()), format!("ask: inspect {}", entry.range())]);
        rig
    }

    /// As [`Rig::adopting`], up to the replay of all its files.
    pub fn replaying(change: impl FnOnce(&mut Settings), entry: &Entry) -> Self {
        let mut rig = Self::adopting(change, entry);
        assert!(rig.answer(inspected(entry, &[])).concat().starts_with("ask: replay"));
        rig
    }

    pub fn tell(&mut self, event: Event) -> Vec<String> {
        let actions = self.machine.step(self.now_ms, event);
        for action in &actions {
            if let Action::Ask(id, _) = action {
                self.ask_id = *id;
            }
        }
        actions.iter().map(words).collect()
    }

    pub fn answer(&mut self, answer: Answer) -> Vec<String> {
        self.tell(Event::Answer(self.ask_id, answer))
    }

    /// The open batch holds `records` records and reaches up to `position`.
    pub fn progress(&mut self, position: i64, records: u64) -> Vec<String> {
        self.progress_full(position, records, None)
    }

    pub fn progress_full(&mut self, position: i64, records: u64, full: Option<CutReason>) -> Vec<String> {
        let accumulated = Accumulated { records, bytes: records * RECORD_BYTES, timestamps: None };
        self.tell(Event::Progress { position: at(position), accumulated, full })
    }

    pub fn tick(&mut self, ms: i64) -> Vec<String> {
        self.now_ms += ms;
        self.tell(Event::Tick)
    }

    /// The open batch is cut at once and closed as [`batch`] makes it.
    pub fn cut(&mut self, start: i64, end: i64) {
        let said = self.tell(Event::Cut(CutReason::Admin));
        assert_eq!(said, [format!("close {start} Admin")]);
        assert_eq!(self.closed(start, end), ["ask: topic id"]);
    }

    pub fn closed(&mut self, start: i64, end: i64) -> Vec<String> {
        self.tell(Event::Closed(draft(start, end)))
    }

    /// Cut and created; its files are on their way.
    pub fn uploading(start: i64, end: i64) -> Self {
        let mut rig = Self::consuming(start);
        rig.progress(end, end.abs_diff(start));
        rig.cut(start, end);
        rig.answer(same_topic());
        rig.answer(Answer::Created);
        rig
    }

    pub fn phase(&self) -> &'static str {
        self.machine.status().phase
    }
}

/// An action as one line.
pub fn words(action: &Action) -> String {
    match action {
        Action::Ask(_, ask) => format!("ask: {}", question(ask)),
        Action::Consume { from, behind: None } => format!("consume {from}"),
        Action::Consume { from, behind: Some(behind) } => {
            let place = if behind.position == *from { String::new() } else { format!(" behind {}", behind.position) };
            format!("consume {from}{place} epoch {}", behind.leader_epoch)
        }
        Action::CloseBatch { start, reason } => format!("close {start} {reason:?}"),
        Action::Discard => "discard".to_owned(),
        Action::Commit { offset, metadata, .. } => {
            format!("commit {offset} of {}@{}", metadata.generation, metadata.prev)
        }
        Action::Release => "release".to_owned(),
        Action::Report(note) => match note {
            Note::Refused(refusal) => format!("refused {}", refusal.code),
            Note::ForeignCommit { offset } => format!("foreign commit {offset}"),
            Note::Adopted { range } => format!("adopted {range}"),
            Note::Complete { range, records, replayed: true, .. } => format!("complete {range}, {records} replayed"),
            Note::Complete { range, records, .. } => format!("complete {range}, {records}"),
            Note::Empty { range } => format!("empty {range}"),
            Note::Hole { range } => format!("hole {range}"),
            Note::Sealed { generation, next } => format!("sealed {generation}, next {next}"),
            Note::Resolved { start } => format!("resolved {start}"),
            Note::Consuming { from } => format!("consuming {from}"),
        },
    }
}

fn question(ask: &Ask) -> String {
    match ask {
        Ask::LookUp => "look up".to_owned(),
        Ask::Genesis => "genesis".to_owned(),
        Ask::Head { generation } => format!("head of {generation}"),
        Ask::Entry { generation, start } => format!("entry {generation}@{start}"),
        Ask::TopicId => "topic id".to_owned(),
        Ask::Create(entry) => format!("create {}", entry_words(entry)),
        Ask::Inspect(entry) => format!("inspect {}", entry.range()),
        Ask::Upload { entry, keys } => format!("upload {} {}", entry.range(), keys.join(" ")),
        Ask::Replay { entry, keys } => format!("replay {} {}", entry.range(), keys.join(" ")),
        Ask::Resolve(resolution) => {
            let files = resolution.files.iter().map(|file| match &file.outcome {
                ResolvedOutcome::Absent => format!(" {} absent", file.key),
                ResolvedOutcome::Subset { records, .. } => format!(" {} has {records}", file.key),
            });
            format!(
                "resolve {}.{} {:?}:{}",
                resolution.start,
                resolution.n,
                resolution.reason,
                files.collect::<String>()
            )
        }
    }
}

fn entry_words(entry: &Entry) -> String {
    let kind = match &entry.kind {
        Kind::Batch(_) => "batch".to_owned(),
        Kind::Empty => "empty".to_owned(),
        Kind::Hole(hole) => format!("hole {:?}", hole.reason),
        Kind::Seal(seal) => {
            let topic_id = seal.next.topic_id.as_ref().map_or("none", |id| &id.0);
            format!("seal to {}@{} of {topic_id}", seal.next.generation, seal.next.start)
        }
    };
    let receipt = entry.receipt.as_ref().map(|receipt| format!(" receipt {}x{}", receipt.start, receipt.files.len()));
    format!("{}@{} {kind}{}", entry.generation, entry.range(), receipt.unwrap_or_default())
}

pub fn at(offset: i64) -> Offset {
    Offset::new(offset).expect("tests use offsets from 0")
}

pub fn ledger() -> LedgerId {
    LedgerId(Arc::from("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
}

pub fn topic(id: &str) -> Option<TopicId> {
    Some(TopicId(Arc::from(id)))
}

/// The id has not changed.
pub fn same_topic() -> Answer {
    Answer::TopicId(topic("X"))
}

pub fn log(start: i64, end: i64) -> LogRange {
    LogRange { start: at(start), end: at(end) }
}

pub fn genesis(start: i64) -> Genesis {
    Genesis {
        version: FORMAT_VERSION,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: topic("X"),
        cluster: Arc::from("cluster"),
        group: Arc::from("backup"),
        generation: Generation(1),
        start: BTreeMap::from([(0, at(start))]),
    }
}

/// What an assignment finds: no commit, a log of 0..1000.
pub fn found_facts(genesis: impl Into<Option<Genesis>>) -> Facts {
    let genesis = genesis.into();
    Facts { topic_id: topic("X"), genesis, accepted: Vec::new(), committed: None, log: log(0, 1000) }
}

pub fn facts(genesis: impl Into<Option<Genesis>>) -> Answer {
    Answer::Facts(Box::new(found_facts(genesis)))
}

pub fn facts_with(change: impl FnOnce(&mut Facts)) -> Answer {
    let mut facts = found_facts(genesis(0));
    change(&mut facts);
    Answer::Facts(Box::new(facts))
}

pub fn committed_by_us(entry: &Entry) -> Option<Committed> {
    let metadata = CommitMetadata { ledger: ledger(), generation: entry.generation, prev: entry.start };
    Some(Committed { offset: entry.end, origin: CommitOrigin::Secor(metadata) })
}

pub fn own_commit(genesis: Genesis, entry: &Entry) -> Answer {
    Answer::Facts(Box::new(Facts { committed: committed_by_us(entry), ..found_facts(genesis) }))
}

pub fn found(entry: &Entry) -> Answer {
    Answer::Entry(Some(Box::new(entry.clone())))
}

pub fn entry(start: i64, end: i64, kind: Kind) -> Entry {
    Entry {
        version: FORMAT_VERSION,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: topic("X"),
        partition: 0,
        generation: Generation(1),
        start: at(start),
        end: at(end),
        receipt: None,
        kind,
    }
}

/// A batch of two files, `a` and `b`, of half its records each.
pub fn batch(start: i64, end: i64) -> Entry {
    entry(start, end, Kind::Batch(draft(start, end).batch))
}

pub fn hole(start: i64, end: i64, reason: HoleReason) -> Entry {
    entry(start, end, Kind::Hole(Hole { reason }))
}

pub fn seal(at_offset: i64, generation: u32, topic_id: &str, start: i64) -> Entry {
    let next = Next { generation: Generation(generation), topic_id: topic(topic_id), start: at(start) };
    entry(at_offset, at_offset, Kind::Seal(Seal { next }))
}

/// An entry of another generation and topic.
pub fn of(generation: u32, topic_id: &str, entry: Entry) -> Entry {
    Entry { generation: Generation(generation), topic_id: topic(topic_id), ..entry }
}

pub fn draft(start: i64, end: i64) -> Draft {
    let records = end.abs_diff(start);
    let batch = Batch {
        reason: CutReason::Admin,
        clock: 0,
        isolation: Isolation::ReadCommitted,
        leader_epoch: None,
        config: ConfigHash::of(b"shape"),
        time_zone_data: "2025b".to_owned(),
        schemas: Vec::new(),
        records,
        files: vec![file("a", start..end - 1, records.div_ceil(2)), file("b", start..end, records / 2)],
    };
    let range = OffsetRange::new(at(start), at(end));
    Draft { range, batch, leader_epoch_min: None, leader_epoch_went_back: false }
}

/// A batch whose last record has this leader epoch.
pub fn with_epoch(entry: Entry, epoch: i32) -> Entry {
    let Kind::Batch(batch) = entry.kind else { unreachable!("a batch") };
    Entry { kind: Kind::Batch(Batch { leader_epoch: Some(epoch), ..batch }), ..entry }
}

fn file(key: &str, offsets: std::ops::Range<i64>, records: u64) -> FileEntry {
    FileEntry {
        key: key.to_owned(),
        records,
        first_offset: at(offsets.start),
        last_offset: at(offsets.end - 1),
        timestamps: None,
        event_times: None,
        bytes: records,
        records_digest: digest(key, records),
        values_digest: digest(key, records),
        dead_letters: false,
        schema: None,
    }
}

/// Of the first `records` records of a file.
pub fn digest(key: &str, records: u64) -> Digest {
    Digest(u128::from(key.as_bytes()[0]) << 64 | u128::from(records))
}

/// The store has these files of the batch, whole.
pub fn inspected(entry: &Entry, keys: &[&str]) -> Answer {
    let records = |key| entry.batch().and_then(|batch| batch.file(key)).map_or(0, |file| file.records);
    let whole: Vec<_> = keys.iter().map(|key| (*key, records(key))).collect();
    stored(&whole, Vec::new())
}

/// Of the files `a` and `b` the store has these, with so many records; and these resolutions.
pub fn stored(files: &[(&str, u64)], resolutions: Vec<Resolution>) -> Answer {
    let state = |key: &str| {
        let records = files.iter().find(|(stored, _)| *stored == key).map(|(_, records)| *records);
        let stored =
            |records| Stored { size: records, checksum: "etag".to_owned(), records_digest: digest(key, records) };
        FileState { key: key.to_owned(), stored: records.map(stored) }
    };
    Answer::Inspected(Inspection { files: vec![state("a"), state("b")], resolutions })
}

/// Reading the batch again gave so many records for each key.
pub fn replayed(log: LogRange, files: &[(&str, u64)]) -> Answer {
    let rebuilt = |(key, records): &(&str, u64)| {
        let (records_digest, values_digest) = (digest(key, *records), digest(key, *records));
        Rebuilt { key: (*key).to_owned(), records: *records, records_digest, values_digest }
    };
    let leader_epoch_max = None;
    Answer::Replayed(Replay { log, topic_id: topic("X"), leader_epoch_max, files: files.iter().map(rebuilt).collect() })
}

/// `None`: the file is absent.
pub fn resolution(entry: &Entry, n: u32, files: &[(&str, Option<u64>)]) -> Resolution {
    let resolved = |(key, records): &(&str, Option<u64>)| {
        let subset = |records| ResolvedOutcome::Subset {
            records,
            records_digest: digest(key, records),
            values_digest: digest(key, records),
        };
        ResolvedFile { key: (*key).to_owned(), outcome: records.map_or(ResolvedOutcome::Absent, subset) }
    };
    Resolution {
        version: FORMAT_VERSION,
        ledger: ledger(),
        topic: Arc::from("clicks"),
        topic_id: entry.topic_id.clone(),
        partition: 0,
        generation: entry.generation,
        start: entry.start,
        n,
        reason: ResolutionReason::Compaction,
        files: files.iter().map(resolved).collect(),
    }
}
