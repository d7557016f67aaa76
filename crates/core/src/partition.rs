//! The machine that decides everything about one topic partition during one epoch (one grant of it to this process).
//!
//! It is told what happened ([`Event`]) and answers what to do ([`Action`]). It reads no clock and does no I/O; its
//! executor (the worker) carries out actions and reports back. Recovery, rebalance and shutdown are events like any
//! other. The rules R1 to R12 that it keeps are in `ARCHITECTURE.md`; the code names them where it keeps them.
//!
//! There are three lanes:
//!
//! * **ledger**: at most one question ([`Ask`]) is open at a time; [`Phase`] says which. An answer that nobody waits
//!   for any more carries an old [`AskId`] and is ignored.
//! * **data**: the worker fills the open batch and reports [`Event::Progress`]; [`Action::CloseBatch`] is answered at
//!   once. While batch *k* is written and uploaded in the ledger lane, batch *k+1* accumulates here, so at most one
//!   batch is past its cut.
//! * **commits**: sent and forgotten (R7).
//!
//! Deliberately absent: retries (the executor repeats a question until it has an answer or the epoch ends), time-outs
//! (the executor sends [`Event::Lost`]) and any knowledge of how records become files.

mod protocol;
mod refusal;
mod enter;
mod complete;
mod archive;
#[cfg(test)]
mod tests;

pub use protocol::{
    Action, Answer, Ask, AskId, Behind, Committed, Draft, Errand, Event, Facts, FileState, Inspection, LogRange, Note,
    OnTopicRecreated, Rebuilt, Replay, Settings, Stored,
};
pub use refusal::{Refusal, RefusalCode};

use crate::flush::{Accumulated, CutReason};
use crate::ids::{Generation, Offset, TopicId};
use crate::manifest::{Entry, Receipt, Resolution};

/// See the module's essay. Plain data, so that a model checker can copy, compare and hash it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PartitionMachine {
    settings: Settings,
    phase: Phase,
    /// Of the open question; the next one gets the next number.
    ask_id: AskId,
    chain: Option<Chain>,
    previous: Previous,
    open: Option<Open>,
    /// A cut that somebody asked for and that waits for the ledger lane.
    cut_wanted: Option<CutReason>,
    /// Retention has overtaken the position: the log begins here now.
    log_start_passed: Option<Offset>,
    leaving: Option<CutReason>,
    /// Where the chain of a generation ended, and the log, which was looked up before, below it. Kept over a new look:
    /// a log that is looked up after the chain was read, and ends below it still, is shorter than it was.
    ahead_of_log: Option<(Generation, Offset)>,
}

/// What the ledger lane is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// With a `suspicion`, a genesis that is still missing is a lost one: asked twice, because another process may
    /// have begun the topic between two reads of the first look.
    LookingUp {
        suspicion: Option<String>,
    },
    /// There is no genesis; were there entries, the ledger lost it.
    GuardingGenesis {
        facts: Facts,
    },
    CreatingGenesis {
        facts: Facts,
    },
    /// Reads the entry that our own commit names.
    Proving {
        facts: Facts,
        commit: OwnCommit,
    },
    /// Searches the last entry of the chain, whose first slot is `start`.
    SeekingHead {
        facts: Facts,
        start: Offset,
    },
    /// Reads the batch whose receipt `entry` carries: an entry without records does not say what was read last.
    Recalling {
        facts: Facts,
        entry: Entry,
    },
    /// Reads the slot at `at`; `last` is the batch before it, not known to be complete.
    Walking {
        facts: Facts,
        at: Offset,
        last: Option<Entry>,
    },
    /// At the head, `facts` name another topic than the chain does. Facts may be older than the chain: only an id that
    /// is asked for now, after the chain was read, says which of the two is the newer topic.
    Doubting {
        facts: Facts,
        at: Offset,
    },
    Inspecting {
        facts: Facts,
        entry: Entry,
    },
    /// As `Doubting`, for a last batch that lacks the files `missing`.
    DoubtingBatch {
        facts: Facts,
        entry: Entry,
        resolutions: Vec<Resolution>,
        missing: Vec<String>,
    },
    Replaying {
        facts: Facts,
        entry: Entry,
        resolutions: Vec<Resolution>,
    },
    Resolving {
        facts: Facts,
        entry: Entry,
        upload: Vec<String>,
    },
    /// Files of an adopted batch, made again, are on their way.
    UploadingReplay {
        facts: Facts,
        entry: Entry,
    },
    /// A slot is being written: first the receipt of the batch before, then the topic id, then the entry.
    Receipting {
        entry: Entry,
    },
    Confirming {
        entry: Entry,
    },
    Creating {
        entry: Entry,
    },
    /// Files of our own batch are on their way.
    Uploading {
        entry: Entry,
    },
    /// Own files that existed with another digest: a resolution may explain them.
    Reinspecting {
        entry: Entry,
    },
    /// The lane is free; records accumulate.
    Archiving,
    /// The worker closes the open batch.
    Closing,
    Refused {
        refusal: Refusal,
        retry_at_ms: i64,
    },
    Released,
}

/// What the group's register says in our own words: the entry at `start` of `generation` ends at `committed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OwnCommit {
    generation: Generation,
    start: Offset,
    committed: Offset,
}

/// The chain that the machine walks: one generation of the topic partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Chain {
    generation: Generation,
    topic_id: Option<TopicId>,
    /// Nothing but holes of retention stands in this partition's chains of this topic id: what retention took is
    /// another one (R10).
    fresh: bool,
    /// Of the last batch of the chain (R3).
    leader_epoch: Option<i32>,
    /// The last record of that batch, as far as it tells whether the log was truncated since (R10).
    behind: Option<Behind>,
}

/// The entry before the next slot, as far as its receipt is concerned (R4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Previous {
    /// There is none, or it is no batch.
    NoBatch,
    /// Proved complete by a commit of ours; nobody has looked at its files in this epoch.
    Unseen(Box<Entry>),
    /// Its files have been uploaded or looked at.
    Seen(Receipt),
}

/// The open batch as the machine knows it; the records are with the worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    start: Offset,
    position: Offset,
    accumulated: Accumulated,
    /// When its first record came.
    opened_ms: Option<i64>,
    /// When the position left `start`.
    moved_ms: Option<i64>,
    /// A limit of the data is reached: the worker waits for the cut.
    full: Option<CutReason>,
}

/// A summary for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// One word: what the ledger lane is doing.
    pub phase: &'static str,
    pub generation: Option<Generation>,
    /// Start of the open batch.
    pub start: Option<Offset>,
    pub position: Option<Offset>,
    pub accumulated: Accumulated,
    pub refusal: Option<Refusal>,
}

// === impl PartitionMachine ===

impl PartitionMachine {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Idle,
            ask_id: AskId(0),
            chain: None,
            previous: Previous::NoBatch,
            open: None,
            cut_wanted: None,
            log_start_passed: None,
            leaving: None,
            ahead_of_log: None,
        }
    }

    /// Takes in what happened at `now_ms` (milliseconds since 1970) and says what to do, in order.
    ///
    /// # Panics
    /// When the executor breaks the contract of [`protocol`], such as an answer of the wrong kind: a defect of the
    /// program, on which the process must stop rather than guess.
    #[must_use]
    pub fn step(&mut self, now_ms: i64, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Assigned => self.look_up(&mut out),
            Event::Answer(id, answer) if id == self.ask_id => self.answered(now_ms, answer, &mut out),
            Event::Answer(..) => {}
            Event::Progress { position, accumulated, full } => self.progressed(now_ms, position, accumulated, full),
            Event::Closed(draft) => self.closed(now_ms, draft, &mut out),
            Event::OutOfRange(log) => self.out_of_range(now_ms, log, &mut out),
            Event::Refuse(refusal) => self.refuse(now_ms, refusal, &mut out),
            Event::Cut(reason) => self.cut_wanted = self.cut_wanted.or(Some(reason)),
            Event::Leave(reason) => self.leave(reason, &mut out),
            Event::Lost => self.release(&mut out),
            Event::Tick => self.look_again(now_ms, &mut out),
        }
        self.decide(now_ms, &mut out);
        out
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    #[must_use]
    pub fn released(&self) -> bool {
        self.phase == Phase::Released
    }

    #[must_use]
    pub fn status(&self) -> Status {
        let refusal = match &self.phase {
            Phase::Refused { refusal, .. } => Some(refusal.clone()),
            _ => None,
        };
        Status {
            phase: self.phase.word(),
            generation: self.chain.as_ref().map(|chain| chain.generation),
            start: self.open.as_ref().map(|open| open.start),
            position: self.open.as_ref().map(|open| open.position),
            accumulated: self.open.as_ref().map(|open| open.accumulated).unwrap_or_default(),
            refusal,
        }
    }

    fn ask(&mut self, ask: Ask, phase: Phase, out: &mut Vec<Action>) {
        self.ask_id = AskId(self.ask_id.0 + 1);
        self.phase = phase;
        out.push(Action::Ask(self.ask_id, ask));
    }

    fn answered(&mut self, now_ms: i64, answer: Answer, out: &mut Vec<Action>) {
        // an answer is consumed once: what repeats it is not waited for
        self.ask_id = AskId(self.ask_id.0 + 1);
        if let Answer::Refuse(refusal) = answer {
            return self.refuse(now_ms, refusal, out);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        if phase.is_writing() {
            self.written(now_ms, phase, answer, out);
        } else {
            self.entered(now_ms, phase, answer, out);
        }
    }

    /// Stops the topic partition and says why; it looks again from time to time (R12).
    fn refuse(&mut self, now_ms: i64, refusal: Refusal, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Released) {
            return;
        }
        self.forget();
        out.push(Action::Discard);
        out.push(Action::Report(Note::Refused(refusal.clone())));
        if self.leaving.is_some() || self.settings.errand != Errand::Archive {
            self.release_quietly(out);
        } else {
            let retry_at_ms = now_ms.saturating_add(self.settings.retry_refused_ms);
            self.phase = Phase::Refused { refusal, retry_at_ms };
        }
    }

    fn look_again(&mut self, now_ms: i64, out: &mut Vec<Action>) {
        if matches!(&self.phase, Phase::Refused { retry_at_ms, .. } if *retry_at_ms <= now_ms) {
            self.look_up(out);
        }
    }

    /// Somebody wants the topic partition back, or the process ends: keep what is worth keeping, then release it.
    fn leave(&mut self, reason: CutReason, out: &mut Vec<Action>) {
        self.leaving = self.leaving.or(Some(reason));
        if !self.phase.is_writing() && !matches!(self.phase, Phase::Archiving | Phase::Closing | Phase::Released) {
            self.release(out);
        }
    }

    fn release(&mut self, out: &mut Vec<Action>) {
        if self.phase != Phase::Released {
            self.forget();
            out.push(Action::Discard);
            self.release_quietly(out);
        }
    }

    fn release_quietly(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Released;
        out.push(Action::Release);
    }

    /// Nothing of the chain is taken for granted any more.
    fn forget(&mut self) {
        self.ask_id = AskId(self.ask_id.0 + 1);
        self.chain = None;
        self.previous = Previous::NoBatch;
        self.open = None;
        self.cut_wanted = None;
        self.log_start_passed = None;
    }

    fn chain(&self) -> &Chain {
        self.chain.as_ref().expect("a slot is only written or read on a known chain")
    }

    fn chain_mut(&mut self) -> &mut Chain {
        self.chain.as_mut().expect("a slot is only written or read on a known chain")
    }
}

// === impl Chain ===

impl Chain {
    /// The leader epoch of the record right before `position`, if there is one.
    fn epoch_before(&self, position: Offset) -> Option<i32> {
        self.behind.filter(|behind| behind.position == position).map(|behind| behind.leader_epoch)
    }
}

// === impl Phase ===

impl Phase {
    fn is_writing(&self) -> bool {
        matches!(
            self,
            Self::Receipting { .. }
                | Self::Confirming { .. }
                | Self::Creating { .. }
                | Self::Uploading { .. }
                | Self::Reinspecting { .. }
        )
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Idle | Self::LookingUp { .. } => "looking_up",
            Self::GuardingGenesis { .. } | Self::CreatingGenesis { .. } => "genesis",
            Self::Proving { .. } | Self::SeekingHead { .. } | Self::Recalling { .. } | Self::Walking { .. } => {
                "walking"
            }
            Self::Doubting { .. } | Self::DoubtingBatch { .. } => "doubting",
            Self::Inspecting { .. } | Self::Reinspecting { .. } => "inspecting",
            Self::Replaying { .. } | Self::Resolving { .. } | Self::UploadingReplay { .. } => "replaying",
            Self::Receipting { .. } | Self::Confirming { .. } | Self::Creating { .. } => "recording",
            Self::Uploading { .. } => "uploading",
            Self::Archiving | Self::Closing => "archiving",
            Self::Refused { .. } => "refused",
            Self::Released => "released",
        }
    }
}

/// Is the topic behind `now` another one? Without topic ids on either side nobody can tell.
fn replaced(before: &Option<TopicId>, now: &Option<TopicId>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if before != now)
}
