//! The consumer group: who owns what, and the register of offsets.
//!
//! One coordinator for three protocols. They differ in when a partition may change hands: *eager* takes everything from
//! everybody first; *cooperative* and *consumer* (KIP-848) move only what must move, and give a partition away once its
//! owner has given it back or its session is over. Generations and member epochs are one number here.
//!
//! What a real broker allows is allowed: a live member may commit for a partition that it does not own, an offset may
//! lie anywhere, a commit without membership counts while the group is empty. So the register proves nothing, which is
//! the point.

use std::collections::{BTreeMap, BTreeSet};

use secor_core::ids::{Offset, TopicPartition};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Eager,
    Cooperative,
    Consumer,
}

pub(super) type MemberId = u64;

pub(super) struct Group {
    protocol: Protocol,
    session_ms: i64,
    rebalance_ms: i64,
    members: BTreeMap<MemberId, Member>,
    target: BTreeMap<TopicPartition, MemberId>,
    /// Who was given it and has not given it back.
    owner: BTreeMap<TopicPartition, MemberId>,
    generation: u64,
    joined: u64,
    /// Eager: since when everybody is to give everything back.
    preparing: Option<i64>,
    topic_partitions: Vec<TopicPartition>,
    register: BTreeMap<TopicPartition, (Offset, String)>,
}

struct Member {
    static_name: Option<usize>,
    heard_ms: i64,
    /// As the member was told.
    epoch: u64,
    has_rejoined: bool,
}

/// What the coordinator answers a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Its session is over: everything is lost.
    Unknown,
    /// It owns these, and nothing else. With the epoch for its commits.
    Owns(BTreeSet<TopicPartition>, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitAnswer {
    Accepted { by_owner: bool },
    Rejected,
}

/// How a process joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub member: MemberId,
    /// A static member took its place again.
    pub returned: bool,
}

// === impl Group ===

impl Group {
    pub fn new(protocol: Protocol, session_ms: i64, rebalance_ms: i64) -> Self {
        Self {
            protocol,
            session_ms,
            rebalance_ms,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            owner: BTreeMap::new(),
            generation: 0,
            joined: 0,
            preparing: None,
            topic_partitions: Vec::new(),
            register: BTreeMap::new(),
        }
    }

    pub fn join(&mut self, now_ms: i64, static_name: Option<usize>) -> Joined {
        self.joined += 1;
        let member = self.joined;
        let before = self.members.iter().find(|(_, m)| static_name.is_some() && m.static_name == static_name);
        let before = before.map(|(id, m)| (*id, m.epoch));
        let epoch = before.map_or(0, |(_, epoch)| epoch);
        self.members.insert(member, Member { static_name, heard_ms: now_ms, epoch, has_rejoined: false });
        if let Some((old, _)) = before {
            self.members.remove(&old);
            let renamed = |id: &mut MemberId| *id = if *id == old { member } else { *id };
            self.target.values_mut().for_each(renamed);
            self.owner.values_mut().for_each(renamed);
        } else {
            self.rebalance(now_ms);
        }
        Joined { member, returned: before.is_some() }
    }

    pub fn leave(&mut self, now_ms: i64, member: MemberId) {
        if self.members.remove(&member).is_some() {
            self.owner.retain(|_, owner| *owner != member);
            self.rebalance(now_ms);
        }
    }

    /// Ends sessions that are over; gives how many.
    pub fn expire(&mut self, now_ms: i64) -> usize {
        let over: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| now_ms - member.heard_ms > self.session_ms)
            .map(|(id, _)| *id)
            .collect();
        over.iter().for_each(|id| self.leave(now_ms, *id));
        over.len()
    }

    /// The topics are others now.
    pub fn set_topic_partitions(&mut self, now_ms: i64, all: Vec<TopicPartition>) {
        if self.topic_partitions != all {
            self.topic_partitions = all;
            let known = &self.topic_partitions;
            self.owner.retain(|tp, _| known.contains(tp));
            self.rebalance(now_ms);
        }
    }

    fn rebalance(&mut self, now_ms: i64) {
        if self.protocol == Protocol::Eager {
            self.preparing.get_or_insert(now_ms);
            self.members.values_mut().for_each(|member| member.has_rejoined = false);
        } else {
            self.assign();
        }
    }

    fn assign(&mut self) {
        self.generation += 1;
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        let before = std::mem::take(&mut self.target);
        if members.is_empty() {
            return;
        }
        let most = self.topic_partitions.len().div_ceil(members.len());
        let mut loads: BTreeMap<MemberId, usize> = members.iter().map(|id| (*id, 0)).collect();
        let all = self.topic_partitions.clone();
        if self.protocol != Protocol::Eager {
            for tp in &all {
                if let Some((id, load)) = before.get(tp).and_then(|id| loads.get_mut(id).map(|load| (*id, load)))
                    && *load < most
                {
                    *load += 1;
                    self.target.insert(tp.clone(), id);
                }
            }
        }
        for tp in all {
            self.target.entry(tp).or_insert_with(|| {
                let (id, load) = loads.iter_mut().min_by_key(|(_, load)| **load).expect("there are members");
                *load += 1;
                *id
            });
        }
    }

    /// A member says that it is alive and what it holds, and hears what it is to hold.
    pub fn heartbeat(&mut self, now_ms: i64, id: MemberId, held: &BTreeSet<TopicPartition>) -> Beat {
        let Some(member) = self.members.get_mut(&id) else {
            return Beat::Unknown;
        };
        member.heard_ms = now_ms;
        self.owner.retain(|tp, owner| *owner != id || held.contains(tp));
        if let Some(since_ms) = self.preparing {
            member.has_rejoined = held.is_empty();
            let epoch = member.epoch;
            let in_time = now_ms - since_ms <= self.rebalance_ms;
            if in_time && !self.members.values().all(|member| member.has_rejoined) {
                return Beat::Owns(BTreeSet::new(), epoch);
            }
            self.members.retain(|_, member| member.has_rejoined);
            let members = &self.members;
            self.owner.retain(|_, owner| members.contains_key(owner));
            self.preparing = None;
            self.assign();
        }
        let Some(member) = self.members.get_mut(&id) else {
            return Beat::Unknown;
        };
        member.epoch = self.generation;
        let mut owns = BTreeSet::new();
        for (tp, target) in &self.target {
            if *target == id && self.owner.get(tp).is_none_or(|owner| *owner == id) {
                self.owner.insert(tp.clone(), id);
                owns.insert(tp.clone());
            }
        }
        Beat::Owns(owns, self.generation)
    }

    // --- the register

    pub fn commit(
        &mut self,
        member: Option<(MemberId, u64)>,
        tp: &TopicPartition,
        offset: Offset,
        metadata: String,
    ) -> CommitAnswer {
        let allowed = match member {
            Some((id, epoch)) => self.members.get(&id).is_some_and(|member| member.epoch == epoch),
            None => self.members.is_empty(),
        };
        if !allowed {
            return CommitAnswer::Rejected;
        }
        self.register.insert(tp.clone(), (offset, metadata));
        CommitAnswer::Accepted { by_owner: self.owner.get(tp).copied() == member.map(|(id, _)| id) }
    }

    /// A commit from outside the protocol: an operator's tool.
    pub fn overwrite(&mut self, tp: &TopicPartition, offset: Offset, metadata: String) {
        self.register.insert(tp.clone(), (offset, metadata));
    }

    pub fn committed(&self, tp: &TopicPartition) -> Option<(Offset, String)> {
        self.register.get(tp).cloned()
    }

    pub fn delete_offsets(&mut self, which: impl Fn(&TopicPartition) -> bool) {
        self.register.retain(|tp, _| !which(tp));
    }
}
