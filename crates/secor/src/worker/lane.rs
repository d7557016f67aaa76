//! One topic partition during one epoch: the machine and the records it decides about.
//!
//! Records come in slices. A slice is worked through until a limit of the batch is reached; what is left of it waits
//! until the machine has closed the batch, and when much waits, fetching pauses. A record that names a schema of which
//! the registry was not asked yet waits in the same way, with all behind it. Nothing that waits is lost: it is either
//! taken later, or dropped together with the fetch position that it came from.

use std::collections::VecDeque;
use std::sync::Arc;

use secor_core::flush::CutReason;
use secor_core::ids::Offset;
use secor_core::partition::{Action, Ask, AskId, Event, LogRange, PartitionMachine, Refusal, RefusalCode, Replay};
use secor_core::shape::Output;
use secor_format::Codec;

use super::batch::{Closed, OpenBatch, Recipe, Rejected, ReplayBatch};
use super::staging::Staging;
use super::{Address, Assignment, Fetch, FetchId, Fetched, LookedUp, Outside, Progress, ReplayPlan};

/// More than this waiting for a cut pauses the fetching of this topic partition.
const WAITING_BYTES_MAX: u64 = 1 << 20;

/// What every lane of a worker thread uses.
pub(super) struct Context<'a> {
    pub outside: &'a dyn Outside,
    pub staging: &'a Arc<Staging>,
    pub codecs: &'a mut Codecs,
    /// For the headers of one record.
    pub scratch: &'a mut Vec<u8>,
}

/// The compressors of a thread, by the output that they are for.
#[derive(Default)]
pub(super) struct Codecs(Vec<(Output, Codec)>);

pub(super) struct Lane {
    address: Address,
    machine: PartitionMachine,
    recipe: Recipe,
    data: Data,
    /// Past its cut, or made again, and not yet given to the uploader.
    closed: Closed,
    /// The question whose replay is being prepared or read.
    replaying: Option<AskId>,
    /// Where the machine began; the fetch may have begun before it, at the last record (R10).
    consumed_from: Offset,
    fetch: FetchId,
    /// Records of `fetch` are coming.
    live: bool,
    paused: bool,
    leaving: bool,
    waiting: VecDeque<Waiting>,
    /// The schema that the first waiting record names, while it is looked up.
    awaited_schema: Option<u32>,
    tally: Tally,
}

enum Data {
    Idle,
    Open(Box<OpenBatch>),
    Replay(Box<ReplayBatch>),
}

enum Waiting {
    /// From this index on.
    Records(Fetched, usize),
    Position(Offset),
}

/// Since the last report.
#[derive(Default)]
struct Tally {
    records: u64,
    bytes: u64,
    bad_records: u64,
}

// === impl Codecs ===

impl Codecs {
    fn of(&mut self, output: &Output) -> &mut Codec {
        let index = self.0.iter().position(|(known, _)| known == output).unwrap_or_else(|| {
            self.0.push((output.clone(), Codec::new(output)));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

// === impl Lane ===

impl Lane {
    pub(super) fn new(assignment: Assignment, cx: &mut Context<'_>) -> Self {
        let Assignment { epoch, settings, recipe } = assignment;
        let address = Address { topic_partition: settings.topic_partition.clone(), epoch };
        let mut lane = Self {
            address,
            machine: PartitionMachine::new(settings),
            recipe,
            data: Data::Idle,
            closed: Closed::default(),
            replaying: None,
            consumed_from: Offset::ZERO,
            fetch: FetchId::default(),
            live: false,
            paused: false,
            leaving: false,
            waiting: VecDeque::new(),
            awaited_schema: None,
            tally: Tally::default(),
        };
        lane.event(Event::Assigned, cx);
        lane
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn released(&self) -> bool {
        self.machine.released()
    }

    /// Encoded bytes of the open batch: who is cut first when room is needed.
    pub(super) fn weight(&self) -> u64 {
        match &self.data {
            Data::Open(batch) if batch.accumulated().records > 0 => batch.footprint(),
            _ => 0,
        }
    }

    /// Tells the machine what happened and does what it says.
    pub(super) fn event(&mut self, event: Event, cx: &mut Context<'_>) {
        let now_ms = cx.outside.now_ms();
        self.leaving |= matches!(event, Event::Leave(_));
        let mut actions = VecDeque::from(self.machine.step(now_ms, event));
        while let Some(action) = actions.pop_front() {
            if let Action::CloseBatch { start, reason } = action {
                let closed = self.close(start, reason, cx);
                actions.extend(self.machine.step(now_ms, closed));
            } else {
                self.act(action, cx);
            }
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) {
        match action {
            Action::Ask(id, Ask::Replay { entry, keys }) => {
                self.replaying = Some(id);
                cx.outside.prepare_replay(&self.address, id, entry, keys);
            }
            Action::Ask(id, ask) => {
                let staged = match &ask {
                    Ask::Upload { .. } => std::mem::take(&mut self.closed),
                    _ => Closed::default(),
                };
                cx.outside.ask(&self.address, id, ask, staged);
            }
            Action::Consume { from, behind } => {
                let tp = &self.address.topic_partition;
                self.data = Data::Open(Box::new(OpenBatch::new(&mut self.recipe, cx.staging, tp, from)));
                self.consumed_from = from;
                match behind.and_then(|behind| behind.before(from, self.recipe.isolation)) {
                    Some((position, leader_epoch)) => self.fetch_from(position, Some(leader_epoch), cx),
                    None => self.fetch_from(from, None, cx),
                }
            }
            Action::CloseBatch { .. } => unreachable!("closing is done by `event`, which has the answer to report"),
            Action::Discard => self.discard(cx),
            Action::Commit { offset, leader_epoch, metadata } => {
                cx.outside.commit(&self.address, offset, leader_epoch, metadata);
            }
            Action::Release => cx.outside.released(&self.address),
            Action::Report(note) => cx.outside.note(&self.address.topic_partition, note),
        }
    }

    fn fetch_from(&mut self, offset: Offset, leader_epoch: Option<i32>, cx: &mut Context<'_>) {
        self.drop_waiting();
        let fetch = Fetch::From { id: self.fetch, offset, leader_epoch };
        cx.outside.fetch(&self.address, fetch);
    }

    fn discard(&mut self, cx: &mut Context<'_>) {
        self.data = Data::Idle;
        self.closed = Closed::default();
        self.replaying = None;
        self.stop_fetching(cx);
    }

    fn stop_fetching(&mut self, cx: &mut Context<'_>) {
        self.drop_waiting();
        cx.outside.fetch(&self.address, Fetch::Stop);
    }

    /// What comes from the old position is not wanted.
    fn drop_waiting(&mut self) {
        self.fetch = FetchId(self.fetch.0 + 1);
        (self.live, self.paused) = (false, false);
        self.waiting.clear();
        self.awaited_schema = None;
    }

    fn close(&mut self, start: Offset, reason: CutReason, cx: &mut Context<'_>) -> Event {
        let Data::Open(batch) = std::mem::replace(&mut self.data, Data::Idle) else {
            unreachable!("the machine closes only a batch that it has opened");
        };
        let generation = self.machine.status().generation.expect("an open batch stands on a chain");
        let (draft, closed) =
            batch.close(start, generation, reason, &self.recipe, cx.codecs.of(&self.recipe.shape.output));
        let tp = &self.address.topic_partition;
        self.data = Data::Open(Box::new(OpenBatch::new(&mut self.recipe, cx.staging, tp, draft.range.end)));
        self.closed = closed;
        Event::Closed(draft)
    }

    // --- records

    pub(super) fn fetching(&mut self, fetch: FetchId) {
        self.live = fetch == self.fetch;
    }

    pub(super) fn records(&mut self, fetched: Fetched, cx: &mut Context<'_>) {
        if self.live && !self.leaving {
            self.waiting.push_back(Waiting::Records(fetched, 0));
            self.drain(cx);
        }
    }

    pub(super) fn position(&mut self, position: Offset, cx: &mut Context<'_>) {
        if self.live && !self.leaving {
            self.waiting.push_back(Waiting::Position(position));
            self.drain(cx);
        }
    }

    /// Works through what waits, as far as it goes.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>) {
        while let Some(next) = self.waiting.pop_front() {
            match (&mut self.data, next) {
                (Data::Idle, _) => self.waiting.clear(),
                (Data::Open(batch), next) if batch.full().is_some() || self.awaited_schema.is_some() => {
                    self.waiting.push_front(next);
                    break;
                }
                (Data::Open(_), Waiting::Records(fetched, from)) => self.take(fetched, from, cx),
                (Data::Open(batch), Waiting::Position(position)) => {
                    batch.advance(position);
                    self.progressed(None, cx);
                }
                (Data::Replay(batch), Waiting::Position(position)) => {
                    batch.advance(position);
                    if batch.done() {
                        self.finish_replay_when_done(cx);
                    } else {
                        // the log ends within the batch, which it did not when the replay began
                        let log = LogRange { start: batch.position(), end: position };
                        self.event(Event::OutOfRange(log), cx);
                    }
                }
                (Data::Replay(_), Waiting::Records(fetched, from)) => self.take_again(&fetched, from, cx),
            }
        }
        self.pause_or_resume(cx);
    }

    /// Records of a slice go into the open batch, up to its first limit.
    fn take(&mut self, fetched: Fetched, from: usize, cx: &mut Context<'_>) {
        let Data::Open(batch) = &mut self.data else {
            unreachable!("records are taken into an open batch");
        };
        let settings = self.machine.settings();
        let (policy, until) = (&settings.flush, settings.until);
        let (now_ms, budget) = (cx.outside.now_ms(), cx.staging.budget());
        let codec = cx.codecs.of(&self.recipe.shape.output);
        let slice = &fetched.slice;
        let before = batch.accumulated().records;
        let mut index = from;
        let (mut refusal, mut unknown) = (None, None);
        while index < slice.len() && batch.full().is_none() {
            let record = slice.record(index, cx.scratch);
            if record.offset >= batch.position() {
                if let Some(id) = self.recipe.lacks_schema(&record) {
                    match self.recipe.schemas_full() && batch.accumulated().records > 0 {
                        true => batch.set_full(CutReason::Schemas),
                        false => unknown = Some(id),
                    }
                    break;
                }
                match batch.append(&record, now_ms, &mut self.recipe, codec, budget) {
                    Ok(()) => {}
                    Err(Rejected::NoWriterLeft) => {
                        batch.set_full(CutReason::OpenWriters);
                        break;
                    }
                    Err(Rejected::Refused(reason)) => {
                        refusal = Some(reason);
                        break;
                    }
                }
                if let Some(reason) = policy.data_limit(&batch.accumulated()) {
                    batch.set_full(reason);
                }
                if until.is_some_and(|until| batch.position() >= until) {
                    batch.set_full(CutReason::UntilEnd);
                }
            } else if record.offset < self.consumed_from {
                refusal = Some(rewritten(record.offset));
                break;
            }
            index += 1;
        }
        if index > from {
            // the rest of a slice is not older than its begin
            let epoch_min = if from == 0 { slice.leader_epoch_min() } else { slice.leader_epoch() };
            batch.saw_epochs(epoch_min.zip(slice.leader_epoch()));
        }
        batch.settle();
        self.tally.records += batch.accumulated().records - before;
        self.tally.bytes += slice.bytes() as u64 * (index - from) as u64 / slice.len() as u64;
        self.tally.bad_records += batch.take_bad_records();
        if index < slice.len() {
            self.waiting.push_front(Waiting::Records(fetched, index));
        }
        if let Some(id) = unknown {
            self.awaited_schema = Some(id);
            cx.outside.schema(&self.address, id);
        }
        self.progressed(refusal, cx);
    }

    /// The registry has answered: on with what waits. An answer that nobody waits for any more is dropped; the batch
    /// that asks again gets its own.
    pub(super) fn learn(&mut self, looked_up: &LookedUp, cx: &mut Context<'_>) {
        if self.awaited_schema == Some(looked_up.id) {
            self.awaited_schema = None;
            self.recipe.learn(looked_up);
            self.drain(cx);
        }
    }

    fn progressed(&mut self, refusal: Option<Refusal>, cx: &mut Context<'_>) {
        let Data::Open(batch) = &self.data else {
            return;
        };
        let event =
            Event::Progress { position: batch.position(), accumulated: batch.accumulated(), full: batch.full() };
        self.event(event, cx);
        if let Some(refusal) = refusal {
            self.event(Event::Refuse(refusal), cx);
        }
        self.report(cx);
    }

    /// Says how things stand, for people and metrics.
    pub(super) fn report(&mut self, cx: &mut Context<'_>) {
        let Tally { records, bytes, bad_records } = std::mem::take(&mut self.tally);
        let (status, awaited_schema) = (self.machine.status(), self.awaited_schema);
        let progress = Progress { status, awaited_schema, records, bytes, bad_records };
        cx.outside.progress(&self.address.topic_partition, &progress);
    }

    fn pause_or_resume(&mut self, cx: &mut Context<'_>) {
        let waiting_bytes: u64 = self.waiting.iter().map(Waiting::bytes).sum();
        // a registry may be away for long: what waits for it must not fill the memory that other partitions need
        let pause = waiting_bytes > WAITING_BYTES_MAX || self.awaited_schema.is_some();
        if self.live && !self.paused && pause {
            self.paused = true;
            cx.outside.fetch(&self.address, Fetch::Pause);
        } else if self.live && self.paused && self.waiting.is_empty() {
            self.paused = false;
            cx.outside.fetch(&self.address, Fetch::Resume);
        }
    }

    /// Under pressure: gives memory back.
    pub(super) fn relieve(&mut self, cx: &mut Context<'_>) {
        match &mut self.data {
            Data::Open(batch) => batch.relieve(cx.codecs.of(&self.recipe.shape.output)),
            Data::Replay(batch) => {
                let codec = cx.codecs.of(batch.output());
                batch.relieve(codec);
            }
            Data::Idle => {}
        }
    }

    // --- replay

    pub(super) fn replay(&mut self, id: AskId, plan: ReplayPlan, cx: &mut Context<'_>) {
        if self.replaying != Some(id) {
            return;
        }
        let (log, end) = (plan.log, plan.entry.end);
        if log.end < end {
            // the machine refuses on sight of the log
            self.replaying = None;
            let nothing = Replay { log, topic_id: None, leader_epoch_max: None, files: Vec::new() };
            return cx.outside.finish_replay(&self.address, id, nothing);
        }
        let batch = ReplayBatch::new(plan, cx.staging);
        let from = batch.position();
        self.data = Data::Replay(Box::new(batch));
        if from < end {
            self.fetch_from(from, None, cx);
        } else {
            self.finish_replay_when_done(cx);
        }
    }

    fn take_again(&mut self, fetched: &Fetched, from: usize, cx: &mut Context<'_>) {
        let Data::Replay(batch) = &mut self.data else {
            unreachable!("records are taken again into a replayed batch");
        };
        let (slice, codec) = (&fetched.slice, cx.codecs.of(batch.output()));
        for index in from..slice.len() {
            let record = slice.record(index, cx.scratch);
            if record.offset < batch.position() {
                continue;
            }
            if batch.ends_before(record.offset) {
                batch.advance(record.offset);
                break;
            }
            batch.saw_epoch(slice.leader_epoch_at(index));
            if let Err(refusal) = batch.append(&record, codec) {
                return self.event(Event::Refuse(refusal), cx);
            }
        }
        batch.settle();
        self.finish_replay_when_done(cx);
    }

    fn finish_replay_when_done(&mut self, cx: &mut Context<'_>) {
        if !matches!(&self.data, Data::Replay(batch) if batch.done()) {
            return;
        }
        let Data::Replay(batch) = std::mem::replace(&mut self.data, Data::Idle) else {
            unreachable!("it was a replay a moment ago");
        };
        let id = self.replaying.take().expect("a replay answers a question");
        let codec = cx.codecs.of(batch.output());
        let (replay, closed) = batch.finish(codec);
        self.closed = closed;
        self.stop_fetching(cx);
        cx.outside.finish_replay(&self.address, id, replay);
    }
}

/// R10: the ledger passed over this offset, because no record was there.
fn rewritten(offset: Offset) -> Refusal {
    let detail = format!("a record stands at {offset}, where the log had none when the ledger passed over it");
    Refusal::new(RefusalCode::LogTruncated, detail)
}

// === impl Waiting ===

impl Waiting {
    fn bytes(&self) -> u64 {
        match self {
            Self::Records(fetched, _) => fetched.share.amount(),
            Self::Position(_) => 0,
        }
    }
}
