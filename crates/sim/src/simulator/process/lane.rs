//! One topic partition during one epoch: the real machine and the records that it decides about.
//!
//! To be read beside `worker/lane.rs` of the program. What the lane asks of the outside is collected as [`Effect`]s.

use std::collections::VecDeque;
use std::rc::Rc;

use secor_core::flush::CutReason;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::manifest::{CommitMetadata, Entry};
use secor_core::partition::{
    Action, Ask, AskId, Event, Note, PartitionMachine, Refusal, RefusalCode, Replay, Settings,
};

use super::Context;
use super::batch::{Closed, OpenBatch, Recipe, ReplayBatch, ReplayPlan};
use crate::simulator::log::{Written, offset};
use crate::simulator::sabotage::Sabotage;

/// More slices than this waiting for a cut pause the fetching of this topic partition.
const WAITING_SLICES_MAX: usize = 2;

/// One grant of a topic partition to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Address {
    pub topic_partition: TopicPartition,
    pub epoch: u64,
}

/// What a lane wants done.
pub(super) enum Effect {
    Ask {
        id: AskId,
        ask: Ask,
        staged: Closed,
    },
    PrepareReplay {
        id: AskId,
        entry: Box<Entry>,
        keys: Vec<String>,
    },
    /// But for the topic id.
    FinishReplay {
        id: AskId,
        replay: Replay,
    },
    Commit {
        offset: Offset,
        metadata: CommitMetadata,
    },
    Fetch(Fetch),
    Released,
    Note(Note),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    From { id: u64, offset: Offset, leader_epoch: Option<i32> },
    Pause,
    Resume,
    Stop,
}

/// A slice as it came.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Slice(pub Vec<Rc<Written>>);

pub(super) struct Lane {
    pub address: Address,
    machine: PartitionMachine,
    recipe: Recipe,
    data: Data,
    closed: Closed,
    replaying: Option<AskId>,
    /// Where the machine began; the fetch may have begun before it, at the last record (R10).
    consumed_from: Offset,
    fetch: u64,
    /// Records of `fetch` are coming.
    live: bool,
    paused: bool,
    leaving: bool,
    waiting: VecDeque<Waiting>,
}

enum Data {
    Idle,
    Open(Box<OpenBatch>),
    Replay(Box<ReplayBatch>),
}

enum Waiting {
    /// From this index on.
    Records(Slice, usize),
    Position(Offset),
}

// === impl Lane ===

impl Lane {
    pub fn new(address: Address, settings: Settings, recipe: Recipe, cx: &mut Context<'_>) -> Self {
        let mut lane = Self {
            address,
            machine: PartitionMachine::new(settings),
            recipe,
            data: Data::Idle,
            closed: Closed::default(),
            replaying: None,
            consumed_from: Offset::ZERO,
            fetch: 0,
            live: false,
            paused: false,
            leaving: false,
            waiting: VecDeque::new(),
        };
        lane.event(Event::Assigned, cx);
        lane
    }

    pub fn machine(&self) -> &PartitionMachine {
        &self.machine
    }

    /// Tells the machine what happened and does what it says.
    pub fn event(&mut self, event: Event, cx: &mut Context<'_>) {
        self.leaving |= matches!(event, Event::Leave(_));
        let mut actions = VecDeque::from(self.machine.step(cx.now_ms, event));
        while let Some(action) = actions.pop_front() {
            if let Action::CloseBatch { start, reason } = action {
                let closed = self.close(start, reason, cx);
                actions.extend(self.machine.step(cx.now_ms, closed));
            } else {
                self.act(action, cx);
            }
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) {
        match action {
            Action::Ask(id, Ask::Replay { entry, keys }) => {
                self.replaying = Some(id);
                cx.effects.push(Effect::PrepareReplay { id, entry, keys });
            }
            Action::Ask(id, ask) => {
                let staged = match &ask {
                    Ask::Upload { .. } => std::mem::take(&mut self.closed),
                    _ => Closed::default(),
                };
                cx.effects.push(Effect::Ask { id, ask, staged });
            }
            Action::Consume { from, behind } => {
                let tp = &self.address.topic_partition;
                self.data = Data::Open(Box::new(OpenBatch::new(&mut self.recipe, tp, from)));
                self.consumed_from = from;
                match behind.and_then(|behind| behind.before(from, self.recipe.isolation)) {
                    Some((position, leader_epoch)) => self.fetch_from(position, Some(leader_epoch), cx),
                    None => self.fetch_from(from, None, cx),
                }
            }
            Action::CloseBatch { .. } => unreachable!("closing is done by `event`, which has the answer to report"),
            Action::Discard => {
                self.data = Data::Idle;
                self.closed = Closed::default();
                self.replaying = None;
                self.stop_fetching(cx);
            }
            Action::Commit { offset, mut metadata, .. } => {
                if cx.sabotage == Some(Sabotage::CommitNamesWrongSlot) {
                    metadata.prev = offset;
                }
                cx.effects.push(Effect::Commit { offset, metadata });
            }
            Action::Release => cx.effects.push(Effect::Released),
            Action::Report(note) => cx.effects.push(Effect::Note(note)),
        }
    }

    fn fetch_from(&mut self, offset: Offset, leader_epoch: Option<i32>, cx: &mut Context<'_>) {
        self.fetch += 1;
        (self.live, self.paused) = (false, false);
        self.waiting.clear();
        cx.effects.push(Effect::Fetch(Fetch::From { id: self.fetch, offset, leader_epoch }));
    }

    fn stop_fetching(&mut self, cx: &mut Context<'_>) {
        self.fetch += 1;
        (self.live, self.paused) = (false, false);
        self.waiting.clear();
        cx.effects.push(Effect::Fetch(Fetch::Stop));
    }

    fn close(&mut self, start: Offset, reason: CutReason, cx: &mut Context<'_>) -> Event {
        let Data::Open(batch) = std::mem::replace(&mut self.data, Data::Idle) else {
            unreachable!("the machine closes only a batch that it has opened");
        };
        let generation = self.machine.status().generation.expect("an open batch stands on a chain");
        let (draft, closed) = batch.close(start, generation, reason, &self.recipe, cx);
        let tp = &self.address.topic_partition;
        self.data = Data::Open(Box::new(OpenBatch::new(&mut self.recipe, tp, draft.range.end)));
        self.closed = closed;
        Event::Closed(draft)
    }

    // --- records

    /// What follows was fetched on behalf of this number.
    pub fn fetching(&mut self, fetch: u64) {
        self.live = fetch == self.fetch;
    }

    pub fn records(&mut self, slice: Slice, cx: &mut Context<'_>) {
        let live = self.live || cx.sabotage == Some(Sabotage::StaleFetch);
        if live && !self.leaving && !slice.0.is_empty() {
            self.waiting.push_back(Waiting::Records(slice, 0));
            self.drain(cx);
        }
    }

    pub fn position(&mut self, position: Offset, cx: &mut Context<'_>) {
        if self.live && !self.leaving {
            self.waiting.push_back(Waiting::Position(position));
            self.drain(cx);
        }
    }

    /// Works through what waits, as far as it goes.
    pub fn drain(&mut self, cx: &mut Context<'_>) {
        while let Some(next) = self.waiting.pop_front() {
            match (&mut self.data, next) {
                (Data::Idle, _) => self.waiting.clear(),
                (Data::Open(batch), next) if batch.full().is_some() => {
                    self.waiting.push_front(next);
                    break;
                }
                (Data::Open(_), Waiting::Records(slice, from)) => self.take(slice, from, cx),
                (Data::Open(batch), Waiting::Position(position)) => {
                    batch.advance(position);
                    self.progressed(cx);
                }
                (Data::Replay(batch), Waiting::Position(position)) => {
                    batch.advance(position);
                    self.finish_replay_when_done(cx);
                }
                (Data::Replay(_), Waiting::Records(slice, from)) => self.take_again(&slice, from, cx),
            }
        }
        let pause = self.waiting.len() > WAITING_SLICES_MAX;
        if self.live && !self.paused && pause {
            self.paused = true;
            cx.effects.push(Effect::Fetch(Fetch::Pause));
        } else if self.live && self.paused && self.waiting.is_empty() {
            self.paused = false;
            cx.effects.push(Effect::Fetch(Fetch::Resume));
        }
    }

    /// Records of a slice go into the open batch, up to its first limit.
    fn take(&mut self, slice: Slice, from: usize, cx: &mut Context<'_>) {
        let Data::Open(batch) = &mut self.data else {
            unreachable!("records are taken into an open batch");
        };
        let settings = self.machine.settings();
        let (policy, until) = (&settings.flush, settings.until);
        let (mut index, mut refusal) = (from, None);
        while index < slice.0.len() && batch.full().is_none() {
            let written = &slice.0[index];
            let again = cx.sabotage == Some(Sabotage::TakeEarlierRecords);
            if offset(written.offset) >= batch.position() || again {
                if !batch.append(written, &mut self.recipe, cx) {
                    batch.set_full(CutReason::OpenWriters);
                    break;
                }
                if let Some(reason) = policy.data_limit(&batch.accumulated()) {
                    batch.set_full(reason);
                }
                if until.is_some_and(|until| batch.position() >= until) {
                    batch.set_full(CutReason::UntilEnd);
                }
            } else if offset(written.offset) < self.consumed_from {
                refusal = Some(rewritten(written.offset));
                break;
            }
            index += 1;
        }
        if cx.relieve {
            batch.relieve(cx.codecs.of(&self.recipe.shape.output));
        }
        if index < slice.0.len() && cx.sabotage != Some(Sabotage::DropRestOfSlice) {
            self.waiting.push_front(Waiting::Records(slice, index));
        }
        self.progressed(cx);
        if let Some(refusal) = refusal {
            self.event(Event::Refuse(refusal), cx);
        }
    }

    fn progressed(&mut self, cx: &mut Context<'_>) {
        let Data::Open(batch) = &self.data else {
            return;
        };
        let event =
            Event::Progress { position: batch.position(), accumulated: batch.accumulated(), full: batch.full() };
        self.event(event, cx);
    }

    // --- replay

    pub fn replay(&mut self, id: AskId, plan: ReplayPlan, cx: &mut Context<'_>) {
        if self.replaying != Some(id) {
            return;
        }
        let (log, end) = (plan.log, plan.entry.end);
        if log.end < end {
            // the machine refuses on sight of the log
            self.replaying = None;
            let replay = Replay { log, topic_id: None, leader_epoch_max: None, files: Vec::new() };
            return cx.effects.push(Effect::FinishReplay { id, replay });
        }
        let batch = ReplayBatch::new(plan, cx);
        let from = batch.position();
        self.data = Data::Replay(Box::new(batch));
        if from < end {
            self.fetch_from(from, None, cx);
        } else {
            self.finish_replay_when_done(cx);
        }
    }

    fn take_again(&mut self, slice: &Slice, from: usize, cx: &mut Context<'_>) {
        let Data::Replay(batch) = &mut self.data else {
            unreachable!("records are taken again into a replayed batch");
        };
        for written in &slice.0[from..] {
            let at = offset(written.offset);
            if at < batch.position() {
                continue;
            }
            if batch.ends_before(at) {
                batch.advance(at);
                break;
            }
            batch.saw_epoch(written.epoch);
            let codec = cx.codecs.of(batch.output());
            if let Err(refusal) = batch.append(written, codec) {
                return self.event(Event::Refuse(refusal), cx);
            }
        }
        if cx.relieve {
            batch.relieve(cx.codecs.of(&batch.output().clone()));
        }
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
        let (replay, closed) = batch.finish(cx);
        self.closed = closed;
        self.stop_fetching(cx);
        cx.effects.push(Effect::FinishReplay { id, replay });
    }

    pub fn is_replaying(&self) -> bool {
        matches!(self.data, Data::Replay(_))
    }
}

/// R10: the ledger passed over this offset, because no record was there.
fn rewritten(at: i64) -> Refusal {
    let detail = format!("a record stands at {at}, where the log had none when the ledger passed over it");
    Refusal::new(RefusalCode::LogTruncated, detail)
}
