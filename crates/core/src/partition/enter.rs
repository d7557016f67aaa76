//! From an assignment to the head of the chain: R1, R2, R9, R10, R11.

use super::protocol::{Action, Answer, Ask, Behind, Committed, Errand, Facts, LogRange, Note, OnTopicRecreated};
use super::{Chain, OwnCommit, PartitionMachine, Phase, Previous, Refusal, RefusalCode, replaced};
use crate::ids::{Generation, Offset};
use crate::manifest::{CommitMetadata, CommitOrigin, Entry, Genesis, Hole, HoleReason, Kind, Next, Seal};

impl PartitionMachine {
    pub(super) fn look_up(&mut self, out: &mut Vec<Action>) {
        self.forget();
        self.ask(Ask::LookUp, Phase::LookingUp { suspicion: None }, out);
    }

    /// Answers of the phases before the head is reached.
    pub(super) fn entered(&mut self, now_ms: i64, phase: Phase, answer: Answer, out: &mut Vec<Action>) {
        match (phase, answer) {
            (Phase::LookingUp { suspicion }, Answer::Facts(facts)) => self.looked_up(now_ms, *facts, suspicion, out),
            (Phase::GuardingGenesis { facts }, Answer::Entry(None)) => {
                self.ask(Ask::Genesis, Phase::CreatingGenesis { facts }, out);
            }
            (Phase::GuardingGenesis { .. }, Answer::Entry(Some(entry))) => {
                let suspicion = Some(format!("there is no genesis, but an entry at {}", entry.start));
                self.ask(Ask::LookUp, Phase::LookingUp { suspicion }, out);
            }
            (Phase::CreatingGenesis { facts }, Answer::Genesis(genesis)) => self.begin(now_ms, facts, *genesis, out),
            (Phase::Proving { facts, commit }, Answer::Entry(entry)) => {
                self.proved(now_ms, facts, commit, entry.map(|entry| *entry), out);
            }
            (Phase::SeekingHead { facts, start }, Answer::Entry(entry)) => {
                self.head_found(now_ms, facts, start, entry.map(|entry| *entry), out);
            }
            (Phase::Recalling { facts, entry }, Answer::Entry(before)) => {
                self.recalled(now_ms, facts, entry, before.map(|before| *before), out);
            }
            (Phase::Walking { facts, at, last }, Answer::Entry(None)) => {
                self.tail_reached(now_ms, facts, at, last, out)
            }
            (Phase::Walking { facts, at, .. }, Answer::Entry(Some(entry))) => {
                self.walked(now_ms, facts, at, *entry, out);
            }
            (Phase::Doubting { facts, at }, Answer::TopicId(now)) if replaced(&self.chain().topic_id, &now) => {
                self.topic_recreated(now_ms, &Facts { topic_id: now, ..facts }, at, out);
            }
            // the facts were older than the chain
            (Phase::Doubting { .. }, Answer::TopicId(_)) => self.look_up(out),
            (phase, answer) => self.completed(now_ms, phase, answer, out),
        }
    }

    fn looked_up(&mut self, now_ms: i64, facts: Facts, suspicion: Option<String>, out: &mut Vec<Action>) {
        if let Some(refusal) = self.foreign_owner(&facts) {
            return self.refuse(now_ms, refusal, out);
        }
        if let Some(genesis) = facts.genesis.clone() {
            return self.begin(now_ms, facts, genesis, out);
        }
        if let Some(detail) = suspicion {
            return self.refuse(now_ms, Refusal::new(RefusalCode::LedgerLostEntries, detail), out);
        }
        if self.own_commit(&facts).is_some() {
            let suspicion = Some("our own commit exists, but there is no genesis".to_owned());
            return self.ask(Ask::LookUp, Phase::LookingUp { suspicion }, out);
        }
        let generation = self.settings.generation;
        self.ask(Ask::Head { generation }, Phase::GuardingGenesis { facts }, out);
    }

    /// R1, R2: one ledger has one cluster and one group, and a group one ledger.
    fn foreign_owner(&self, facts: &Facts) -> Option<Refusal> {
        let settings = &self.settings;
        if let Some(Committed { origin: CommitOrigin::Secor(metadata), .. }) = &facts.committed
            && metadata.ledger != settings.ledger
        {
            let detail = format!("group `{}` is committed for ledger {}", settings.group, metadata.ledger);
            return Some(Refusal::new(RefusalCode::OtherLedger, detail));
        }
        let genesis = facts.genesis.as_ref()?;
        if genesis.ledger != settings.ledger || genesis.topic != settings.topic_partition.topic {
            let detail = format!("the genesis belongs to topic `{}` of ledger {}", genesis.topic, genesis.ledger);
            return Some(Refusal::new(RefusalCode::BadEntry, detail));
        }
        let group_accepted = facts.accepted.iter().any(|a| a.group.as_deref() == Some(&*settings.group));
        if genesis.group != settings.group && !group_accepted {
            let detail = format!("the genesis names group `{}`, this is `{}`", genesis.group, settings.group);
            return Some(Refusal::new(RefusalCode::OtherGroup, detail));
        }
        let cluster_accepted = facts.accepted.iter().any(|a| a.cluster.as_deref() == Some(&*settings.cluster));
        if genesis.cluster != settings.cluster && !cluster_accepted {
            let detail = format!("the genesis names cluster `{}`, this is `{}`", genesis.cluster, settings.cluster);
            return Some(Refusal::new(RefusalCode::OtherCluster, detail));
        }
        None
    }

    fn own_commit<'f>(&self, facts: &'f Facts) -> Option<(Offset, &'f CommitMetadata)> {
        match &facts.committed {
            Some(Committed { offset, origin: CommitOrigin::Secor(metadata) })
                if metadata.ledger == self.settings.ledger =>
            {
                Some((*offset, metadata))
            }
            _ => None,
        }
    }

    /// With a genesis: prove our own commit, or search the head (R9).
    fn begin(&mut self, now_ms: i64, facts: Facts, genesis: Genesis, out: &mut Vec<Action>) {
        let adopted = Facts { genesis: Some(genesis.clone()), ..facts };
        if let Some(refusal) = self.foreign_owner(&adopted) {
            return self.refuse(now_ms, refusal, out);
        }
        if let Some((committed, metadata)) = self.own_commit(&adopted) {
            let (generation, start) = (metadata.generation, metadata.prev);
            let commit = OwnCommit { generation, start, committed };
            let phase = Phase::Proving { facts: adopted, commit };
            return self.ask(Ask::Entry { generation, start }, phase, out);
        }
        if let Some(Committed { offset, .. }) = &adopted.committed {
            out.push(Action::Report(Note::ForeignCommit { offset: *offset }));
        }
        self.first_chain(&genesis);
        let start = genesis.start_of(self.settings.topic_partition.partition);
        self.seek_head(adopted, start, out);
    }

    fn seek_head(&mut self, facts: Facts, start: Offset, out: &mut Vec<Action>) {
        let generation = self.chain().generation;
        self.ask(Ask::Head { generation }, Phase::SeekingHead { facts, start }, out);
    }

    fn first_chain(&mut self, genesis: &Genesis) {
        self.chain = Some(Chain {
            generation: genesis.generation,
            topic_id: genesis.topic_id.clone(),
            fresh: true,
            leader_epoch: None,
            behind: None,
        });
    }

    /// R7, R9: an entry at `prev` that ends at the committed offset is a batch that we know to be complete.
    fn proved(&mut self, now_ms: i64, facts: Facts, commit: OwnCommit, entry: Option<Entry>, out: &mut Vec<Action>) {
        let OwnCommit { generation, start, committed } = commit;
        let Some(entry) = entry.filter(|entry| entry.end == committed) else {
            let detail = format!("our commit of offset {committed} names an entry that is not there");
            return self.refuse(now_ms, Refusal::new(RefusalCode::LedgerLostEntries, detail), out);
        };
        let topic_id = entry.topic_id.clone();
        self.chain = Some(Chain { generation, topic_id, fresh: false, leader_epoch: None, behind: None });
        if let Some(refusal) = self.bad_entry(start, &entry) {
            return self.refuse(now_ms, refusal, out);
        }
        if entry.batch().is_none() {
            return self.recall(now_ms, facts, entry, out);
        }
        self.follow(&entry);
        self.previous = Previous::Unseen(Box::new(entry));
        self.walk(facts, committed, None, out);
    }

    fn head_found(&mut self, now_ms: i64, facts: Facts, start: Offset, head: Option<Entry>, out: &mut Vec<Action>) {
        let Some(entry) = head else {
            return self.walk(facts, start, None, out);
        };
        if entry.start != start {
            // between the two stand batches that have not been read
            self.chain_mut().behind = None;
        }
        if entry.batch().is_some() {
            return self.walked(now_ms, facts, entry.start, entry, out);
        }
        if let Some(refusal) = self.bad_entry(entry.start, &entry) {
            return self.refuse(now_ms, refusal, out);
        }
        // what stands before a seal has not been read
        self.chain_mut().fresh &= entry.start == start;
        self.recall(now_ms, facts, entry, out);
    }

    /// R3, R10: the leader epoch of the last record is in the batch before an entry that has none.
    fn recall(&mut self, now_ms: i64, facts: Facts, entry: Entry, out: &mut Vec<Action>) {
        let Some(receipt) = &entry.receipt else {
            return self.pass(now_ms, facts, entry, out);
        };
        let ask = Ask::Entry { generation: entry.generation, start: receipt.start };
        self.ask(ask, Phase::Recalling { facts, entry }, out);
    }

    fn recalled(&mut self, now_ms: i64, facts: Facts, entry: Entry, before: Option<Entry>, out: &mut Vec<Action>) {
        let Some(before) = before.filter(|before| before.end == entry.start && before.batch().is_some()) else {
            let detail = format!("the entry at {} names a batch before it that is not there", entry.start);
            return self.refuse(now_ms, Refusal::new(RefusalCode::LedgerLostEntries, detail), out);
        };
        if let Some(refusal) = self.bad_entry(before.start, &before) {
            return self.refuse(now_ms, refusal, out);
        }
        self.follow(&before);
        self.pass(now_ms, facts, entry, out);
    }

    /// On from an entry that holds no records.
    fn pass(&mut self, now_ms: i64, facts: Facts, entry: Entry, out: &mut Vec<Action>) {
        let Kind::Seal(Seal { next }) = &entry.kind else {
            return self.walked(now_ms, facts, entry.start, entry, out);
        };
        self.enter_generation(next);
        self.seek_head(facts, next.start, out);
    }

    pub(super) fn walk(&mut self, facts: Facts, at: Offset, last: Option<Entry>, out: &mut Vec<Action>) {
        let generation = self.chain().generation;
        self.ask(Ask::Entry { generation, start: at }, Phase::Walking { facts, at, last }, out);
    }

    /// One step of the walk: `entry` stands in the slot `at`, so every batch before it is complete (R8).
    pub(super) fn walked(&mut self, now_ms: i64, facts: Facts, at: Offset, entry: Entry, out: &mut Vec<Action>) {
        if let Some(refusal) = self.bad_entry(at, &entry) {
            return self.refuse(now_ms, refusal, out);
        }
        self.follow(&entry);
        self.previous = Previous::NoBatch;
        match &entry.kind {
            Kind::Seal(seal) => {
                let next = seal.next.clone();
                self.enter_generation(&next);
                self.walk(facts, next.start, None, out);
            }
            Kind::Batch(_) => self.walk(facts, entry.end, Some(entry), out),
            Kind::Empty | Kind::Hole(_) => self.walk(facts, entry.end, None, out),
        }
    }

    /// An entry must fit its slot and its chain, whoever wrote it (R1, R3).
    fn bad_entry(&self, at: Offset, entry: &Entry) -> Option<Refusal> {
        let chain = self.chain();
        let in_its_slot = entry.start == at
            && entry.generation == chain.generation
            && entry.ledger == self.settings.ledger
            && entry.topic == self.settings.topic_partition.topic
            && entry.partition == self.settings.topic_partition.partition;
        let end_fits = match &entry.kind {
            Kind::Seal(seal) => entry.end == at && seal.next.generation > chain.generation,
            Kind::Batch(_) | Kind::Empty | Kind::Hole(_) => entry.end > at,
        };
        let same_topic = entry.topic_id == chain.topic_id;
        (!in_its_slot || !end_fits || !same_topic).then(|| {
            let detail = format!("the entry in slot {at} of generation {} does not fit its chain", chain.generation);
            Refusal::new(RefusalCode::BadEntry, detail)
        })
    }

    /// What the chain remembers of an entry.
    pub(super) fn follow(&mut self, entry: &Entry) {
        let chain = self.chain_mut();
        match &entry.kind {
            Kind::Batch(batch) => {
                chain.fresh = false;
                chain.leader_epoch = batch.leader_epoch.or(chain.leader_epoch);
                chain.behind = Behind::of(batch);
            }
            Kind::Empty | Kind::Hole(Hole { reason: HoleReason::AcceptedLoss }) => chain.fresh = false,
            // written on fresh chains only
            Kind::Hole(Hole { reason: HoleReason::Retention }) => chain.fresh = true,
            Kind::Seal(_) => {}
        }
    }

    fn enter_generation(&mut self, next: &Next) {
        let chain = self.chain_mut();
        let another_topic = replaced(&chain.topic_id, &next.topic_id);
        let fresh = chain.fresh || another_topic;
        let known = (chain.leader_epoch, chain.behind);
        let (leader_epoch, behind) = if another_topic { (None, None) } else { known };
        let (generation, topic_id) = (next.generation, next.topic_id.clone());
        *chain = Chain { generation, topic_id, fresh, leader_epoch, behind };
        self.previous = Previous::NoBatch;
    }

    /// No entry at `at`: make the last batch whole, if its completeness is not proved, then act at the head.
    fn tail_reached(&mut self, now_ms: i64, facts: Facts, at: Offset, last: Option<Entry>, out: &mut Vec<Action>) {
        match last {
            Some(entry) => {
                out.push(Action::Report(Note::Adopted { range: entry.range() }));
                let ask = Ask::Inspect(Box::new(entry.clone()));
                self.ask(ask, Phase::Inspecting { facts, entry }, out);
            }
            None => self.at_head(now_ms, facts, at, out),
        }
    }

    /// All batches are complete and the slot `at` is free.
    pub(super) fn at_head(&mut self, now_ms: i64, facts: Facts, at: Offset, out: &mut Vec<Action>) {
        if replaced(&self.chain().topic_id, &facts.topic_id) {
            return self.ask(Ask::TopicId, Phase::Doubting { facts, at }, out);
        }
        if self.settings.generation > self.chain().generation {
            let topic_id = facts.topic_id.or_else(|| self.chain().topic_id.clone());
            let next = Next { generation: self.settings.generation, topic_id, start: at };
            return self.seal(at, next, out);
        }
        if facts.log.start > at {
            return self.expired(now_ms, at, facts.log.start, out);
        }
        if self.settings.errand != Errand::Archive {
            return self.release(out);
        }
        if self.settings.until.is_some() && at > facts.log.end {
            return self.log_is_short(now_ms, facts.log, at, out);
        }
        self.ahead_of_log = None;
        self.consume(at, facts.log.start, out);
    }

    /// R10: a run that goes on reads at `at`, and the broker says that there is no such offset. One up to the log's end
    /// would read nothing and be content.
    fn log_is_short(&mut self, now_ms: i64, log: LogRange, at: Offset, out: &mut Vec<Action>) {
        let generation = self.chain().generation;
        match self.ahead_of_log {
            Some((of, reached)) if of == generation && log.end < reached => {
                let detail = format!("the archive reaches up to {reached}, and the log is {}..{}", log.start, log.end);
                self.refuse(now_ms, Refusal::new(RefusalCode::LogTruncated, detail), out);
            }
            // another process may have been faster than the facts
            _ => {
                self.ahead_of_log = Some((generation, at));
                self.look_up(out);
            }
        }
    }

    /// R11: a topic that was created again is refused, or sealed and begun anew.
    fn topic_recreated(&mut self, now_ms: i64, facts: &Facts, at: Offset, out: &mut Vec<Action>) {
        let allowed = self.settings.on_topic_recreated == OnTopicRecreated::NewGeneration;
        let (Some(topic_id), true) = (&facts.topic_id, allowed) else {
            return self.refuse(now_ms, self.recreated(facts), out);
        };
        let generation = Generation(self.chain().generation.0 + 1).max(self.settings.generation);
        self.seal(at, Next { generation, topic_id: Some(topic_id.clone()), start: Offset::ZERO }, out);
    }

    pub(super) fn recreated(&self, facts: &Facts) -> Refusal {
        let id = |id: &Option<_>| id.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let detail =
            format!("the chain has topic id {}, the topic {}", id(&self.chain().topic_id), id(&facts.topic_id));
        Refusal::new(RefusalCode::TopicRecreated, detail)
    }

    fn seal(&mut self, at: Offset, next: Next, out: &mut Vec<Action>) {
        let entry = self.entry(at, at, Kind::Seal(Seal { next }));
        self.write(entry, out);
    }

    /// R10: the log begins at `log_start`, behind `at`. Never trimmed over in silence.
    pub(super) fn expired(&mut self, now_ms: i64, at: Offset, log_start: Offset, out: &mut Vec<Action>) {
        let accepted = self.settings.errand == Errand::Recover { accept_loss: true };
        let reason = match (self.chain().fresh, accepted) {
            (true, _) => HoleReason::Retention,
            (false, true) => HoleReason::AcceptedLoss,
            (false, false) => {
                let detail = format!("offsets {at}..{log_start} are gone from the log and not in the archive");
                return self.refuse(now_ms, Refusal::new(RefusalCode::RecordsExpired, detail), out);
            }
        };
        let entry = self.entry(at, log_start, Kind::Hole(Hole { reason }));
        self.write(entry, out);
    }
}
