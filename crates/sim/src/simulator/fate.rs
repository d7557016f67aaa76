//! What becomes of what a process sends: when it arrives, whether it does, and whether the answer comes back.

use std::rc::Rc;

use secor_core::ids::{Offset, TopicPartition};

use super::coverage::Path;
use super::log::{From, offset};
use super::net::{CallId, KafkaRequest, Place, Reply, Request, StoreReply, StoreRequest};
use super::process::{Address, Order};
use super::scenario::Faults;
use super::store::{Applied, Consistency};
use super::world::{Happening, World};

/// After so long a process gives a request up.
const TIMEOUT_MS: i64 = 10_000;

/// One life of a process: whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub number: usize,
    pub life: u64,
}

/// The way back of an answer.
#[derive(Clone, Debug)]
pub(super) struct Back {
    pub task: u64,
    pub call: CallId,
    pub delay_ms: i64,
    pub disguise: Disguise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disguise {
    Truth,
    /// It has been applied, and the answer says that it failed.
    Error,
    /// It has been applied by a first try that the client repeated by itself.
    Exists,
}

/// A request on its way to a store.
#[derive(Debug)]
pub(super) struct Arrival {
    from: Life,
    place: Place,
    request: StoreRequest,
    back: Option<Back>,
}

#[derive(Clone, Debug)]
pub(super) struct CommitArrival {
    from: Life,
    address: Address,
    offset: Offset,
    metadata: String,
    /// A commit that waited in the client goes out with the membership that the process has by then.
    member: Option<(u64, u64)>,
    is_late: bool,
    answers: bool,
}

impl World {
    /// Carries out what a process ordered; notes are the caller's.
    pub(super) fn order(&mut self, from: Life, order: Order) {
        match order {
            Order::Call { task, call, request } => self.send(from, task, call, request),
            Order::Announce { address, fetch } => {
                let delay_ms = self.net.between(1, 40);
                self.after(delay_ms, Happening::Announced { to: from, address, fetch });
            }
            Order::Fetch { address, fetch, from: position, pause_ms } => {
                let delay_ms = pause_ms + self.latency_ms();
                self.after(delay_ms, Happening::Fetch { from, address, fetch, position });
            }
            Order::Commit { address, offset, metadata } => self.send_commit(from, address, offset, metadata),
            Order::Note { address, note } => self.noted(from, &address, &note),
            Order::RevokeTimedOut => self.coverage.met(Path::RevokeTimedOut),
            Order::Finished => self.finished.push(from),
        }
    }

    fn latency_ms(&mut self) -> i64 {
        if self.net.chance(30) { self.net.between(200, 3_000) } else { self.net.between(2, 60) }
    }

    fn faults(&self) -> Faults {
        if self.is_healed { Faults::default() } else { self.scenario.faults }
    }

    fn send(&mut self, from: Life, task: u64, call: CallId, request: Request) {
        let reply = |reply| Happening::Reply { to: from, task, call, reply };
        match request {
            Request::Sleep(ms) => self.after(ms, reply(Reply::Slept)),
            Request::Kafka(request) => {
                let fails = self.faults().kafka;
                let delay_ms = self.latency_ms();
                if self.net.chance(fails) {
                    self.after(delay_ms, reply(Reply::Failed));
                } else {
                    self.after(delay_ms, Happening::Asked { to: from, task, call, request });
                }
            }
            Request::Store(place, request) => self.send_to_store(from, (task, call), place, request),
        }
    }

    fn send_to_store(&mut self, from: Life, (task, call): (u64, CallId), place: Place, request: StoreRequest) {
        let (there_ms, delay_ms) = (self.latency_ms(), self.latency_ms());
        let failed = || Happening::Reply { to: from, task, call, reply: Reply::Failed };
        let back = |disguise| Some(Back { task, call, delay_ms, disguise });
        let arrive = |request, back| Happening::Arrived(Arrival { from, place, request, back });
        if self.outage_until > self.now {
            self.coverage.met(Path::Outage);
            return self.after(there_ms + delay_ms, failed());
        }
        let faults = self.faults();
        let is_create = matches!(request, StoreRequest::Create { .. });
        // a table has a primary key: it knows no conflict without a row
        let is_table = self.table_arbitrates() && place == Place::Ledger;
        if self.net.chance(faults.lost) {
            self.coverage.met(Path::RequestLost);
            self.after(TIMEOUT_MS, failed());
        } else if self.net.chance(faults.before) {
            self.coverage.met(Path::ErrorBefore);
            self.after(there_ms + delay_ms, failed());
        } else if self.net.chance(faults.after) {
            self.after(there_ms, arrive(request, back(Disguise::Error)));
        } else if is_create && !is_table && self.net.chance(faults.own_exists) {
            self.after(there_ms, arrive(request, back(Disguise::Exists)));
        } else if is_create && !is_table && self.net.chance(faults.conflict) {
            self.coverage.met(Path::ConflictWithoutObject);
            let reply = Reply::Store(StoreReply::Exists);
            self.after(there_ms + delay_ms, Happening::Reply { to: from, task, call, reply });
        } else if is_create && self.net.chance(faults.late) {
            self.after(TIMEOUT_MS, failed());
            let lands_ms = self.net.between(1_000, 70_000);
            self.after(lands_ms, arrive(request, None));
        } else if self.net.chance(faults.slow) {
            self.coverage.met(Path::SlowRequest);
            self.after(TIMEOUT_MS, failed());
            let lands_ms = self.net.between(4_000, 12_000);
            self.after(lands_ms, arrive(request, None));
        } else {
            self.after(there_ms, arrive(request, back(Disguise::Truth)));
        }
    }

    /// A request has reached the store: whatever became of its sender, it is applied now.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let Arrival { from, place, request, back } = arrival;
        let now = self.now;
        let at_table = place == Place::Ledger && self.table_arbitrates();
        let wanted = match &request {
            StoreRequest::Create { key, bytes, .. } if key.contains("/entries/") => {
                Some((key.clone(), Rc::clone(bytes)))
            }
            _ => None,
        };
        let bucket = if at_table { &mut self.table } else { &mut self.store };
        let Applied { mut reply, change, is_stale } = bucket.apply(now, request, &mut self.net);
        if let (Some((key, bytes)), StoreReply::Exists) = (wanted, &reply)
            && bucket.truth(&key) != Some(&bytes)
        {
            self.coverage.met(Path::LostSlot);
        }
        if is_stale {
            self.coverage.met(Path::StaleRead);
        }
        if let Some(change) = change {
            let met = |is: bool, path, coverage: &mut super::coverage::Coverage| {
                if is {
                    coverage.met(path);
                }
            };
            let is_dead = !self.is_alive(from);
            met(back.is_none(), Path::LateWrite, &mut self.coverage);
            met(is_dead, Path::WriteOfTheDead, &mut self.coverage);
            met(change.replaced, Path::SecondPut, &mut self.coverage);
            if let Some(back) = &back {
                met(back.disguise == Disguise::Error, Path::ErrorAfter, &mut self.coverage);
                met(back.disguise == Disguise::Exists, Path::OwnWriteExists, &mut self.coverage);
            }
            let what = if change.replaced { "put again" } else { "stored" };
            self.trace.line(now, format_args!("p{} {what} `{}` {}", from.number, change.key, change.bytes.len()));
            self.oracle.stored(&self.broker, &change);
        }
        let Some(back) = back else { return };
        let reply = match (back.disguise, &mut reply) {
            (Disguise::Error, _) => Reply::Failed,
            (Disguise::Exists, StoreReply::Created(_)) => Reply::Store(StoreReply::Exists),
            _ => Reply::Store(reply),
        };
        self.after(back.delay_ms, Happening::Reply { to: from, task: back.task, call: back.call, reply });
    }

    /// Is the ledger elsewhere than the data?
    fn table_arbitrates(&self) -> bool {
        self.scenario.store != Consistency::Exclusive
            && self.sabotage != Some(super::sabotage::Sabotage::EventualArbiter)
    }

    pub(super) fn asked(&mut self, to: Life, (task, call): (u64, CallId), request: &KafkaRequest) {
        let isolation = self.scenario.isolation;
        let topic = |name: &Rc<str>| self.broker.topic(name);
        let reply = match request {
            KafkaRequest::TopicId(name) => topic(name).map(|topic| Reply::TopicId(topic.id.clone())),
            KafkaRequest::Partitions(name) => topic(name)
                .map(|topic| Reply::Partitions((0..topic.partitions.len()).map(super::broker::number).collect())),
            KafkaRequest::LogRange(tp) => self.broker.log(tp).map(|log| Reply::LogRange(log.range(isolation))),
            KafkaRequest::Committed(tp) => {
                let committed = self.group.committed(tp);
                if committed.as_ref().is_some_and(|(_, metadata)| metadata.starts_with("secor/1 ")) {
                    self.coverage.met(Path::OwnCommitRead);
                }
                Some(Reply::Committed(committed))
            }
        };
        let reply = reply.unwrap_or(Reply::UnknownTopic);
        let delay_ms = self.latency_ms();
        self.after(delay_ms, Happening::Reply { to, task, call, reply });
    }

    pub(super) fn fetch(&mut self, from: Life, address: Address, fetch: u64, position: From) {
        use super::log::Fetched;
        let earlier = if self.net.chance(150) { self.net.below(4) } else { 0 };
        let mut position = From { earlier, ..position };
        let delay_ms = self.latency_ms();
        let isolation = position.isolation;
        let process = self.slots[&from.number].process.as_ref();
        let is_replay = process.is_some_and(|process| process.is_replaying(&address));
        if is_replay && self.scenario.expires && !self.is_healed && self.net.chance(250) {
            self.overtake(&address.topic_partition, position.offset);
        }
        if is_replay && self.sabotage == Some(super::sabotage::Sabotage::ReplayUncommitted) {
            position.isolation = secor_core::manifest::Isolation::ReadUncommitted;
        }
        let fetched = match self.broker.log(&address.topic_partition) {
            // no such topic: the client asks again until somebody tells it what has become of it
            None => Fetched::Records { records: Vec::new(), next: position.offset, epoch: None, at_end: true },
            Some(log) => {
                let mut fetched = log.fetch(position);
                if let Fetched::Records { records, next, at_end, .. } = &mut fetched {
                    if records.first().is_some_and(|first| first.offset < position.offset) {
                        self.coverage.met(Path::EarlierRecords);
                    }
                    if *at_end && log.visible_end(isolation) < log.end() {
                        self.coverage.met(Path::OpenTransaction);
                        if self.sabotage == Some(super::sabotage::Sabotage::PositionFromHighWatermark) {
                            *next = log.end();
                        }
                    }
                }
                fetched
            }
        };
        match &fetched {
            Fetched::OutOfRange(_) => self.coverage.met(Path::OutOfRange),
            Fetched::Truncated => self.coverage.met(Path::TruncationSeen),
            Fetched::Records { .. } => {}
        }
        self.after(delay_ms, Happening::Fetched { to: from, address, fetch, fetched });
    }

    /// Retention takes the record that a replay wants next.
    fn overtake(&mut self, tp: &TopicPartition, at: i64) {
        let Some(log) = self.broker.log_mut(tp) else { return };
        if log.expire(at + 1) > 0 {
            self.coverage.met(Path::ReplayOvertaken);
            self.trace.line(self.now, format_args!("{tp} begins at {} now", log.start()));
        }
    }

    // --- commits

    fn send_commit(&mut self, from: Life, address: Address, offset: Offset, metadata: String) {
        let faults = self.faults();
        let member = self.slots[&from.number].process.as_ref().and_then(|process| process.member);
        let arrival = CommitArrival { from, address, offset, metadata, member, is_late: false, answers: true };
        if self.net.chance(faults.commit_repeated) {
            self.coverage.met(Path::CommitRepeated);
            let delay_ms = self.net.between(500, 60_000);
            self.after(delay_ms, Happening::Commit(CommitArrival { answers: false, is_late: true, ..arrival.clone() }));
        }
        if self.net.chance(faults.commit_lost) {
            self.coverage.met(Path::CommitLost);
            return self.after(5_000, Happening::Committed { to: from, address: arrival.address });
        }
        let is_late = self.net.chance(faults.commit_slow);
        let delay_ms = if is_late { self.net.between(1_000, 40_000) } else { self.latency_ms() };
        self.after(delay_ms, Happening::Commit(CommitArrival { is_late, ..arrival }));
    }

    pub(super) fn commit(&mut self, arrival: CommitArrival) {
        use super::group::CommitAnswer;
        let CommitArrival { from, address, offset, metadata, member, is_late, answers } = arrival;
        let current = self.slots[&from.number].process.as_ref().and_then(|process| process.member);
        let member = if is_late && self.is_alive(from) { current } else { member };
        let tp: &TopicPartition = &address.topic_partition;
        match self.group.commit(member, tp, offset, metadata.clone()) {
            CommitAnswer::Rejected => self.coverage.met(Path::CommitRejected),
            CommitAnswer::Accepted { by_owner } => {
                if !by_owner {
                    self.coverage.met(Path::StaleCommitAccepted);
                }
                self.trace.line(self.now, format_args!("p{} committed {tp} {offset} `{metadata}`", from.number));
                self.oracle.committed(tp, offset, &metadata);
            }
        }
        if answers {
            let delay_ms = self.latency_ms();
            self.after(delay_ms, Happening::Committed { to: from, address });
        }
    }

    /// Somebody's tool writes into the register.
    pub(super) fn foreign_commit(&mut self, tp: &TopicPartition) {
        let end = self.broker.log(tp).map_or(10, super::log::PartitionLog::end);
        let at = self.rng.between(0, end + 3);
        self.coverage.met(Path::ForeignCommit);
        self.group.overwrite(tp, offset(at), String::new());
        self.trace.line(self.now, format_args!("somebody committed {tp} {at}"));
    }
}
