//! What a sabotaged executor tells the machine: each function is the truth unless its switch is on.

use std::collections::BTreeMap;
use std::sync::Arc;

use secor_core::ids::{Generation, Offset, TopicId};
use secor_core::manifest::{CommitMetadata, CommitOrigin, Entry, FileEntry, Genesis, Kind};
use secor_core::partition::{Committed, Errand, Facts, FileState, RefusalCode, Stored};

use super::Process;
use crate::model::oracle;
use crate::model::sabotage::Sabotage;
use crate::model::world::{OwnCommit, World, ledger};

/// The offset commit that the machine wants sent (R7).
pub(super) fn commit(offset: Offset, metadata: CommitMetadata, world: &mut World) {
    let early = world.sabotaged(Sabotage::SuccessorEarly)
        && world.entries.get(&(metadata.generation, metadata.prev)).is_some_and(|e| !oracle::complete(world, e));
    if !early {
        world.send_commit(OwnCommit { offset, metadata });
    }
}

/// What is said of a file that nobody looked at.
pub(super) fn as_counted(file: &FileEntry) -> FileState {
    let (size, checksum) = (file.records, file.records_digest.to_string());
    let stored = Stored { size, checksum, records_digest: file.records_digest };
    FileState { key: file.key.clone(), stored: Some(stored) }
}

impl Process {
    /// The register, as the machine is told of it (R9).
    pub(super) fn register(&self, world: &World) -> Option<Committed> {
        let committed = world.register.clone()?;
        match &committed.origin {
            CommitOrigin::Foreign if world.sabotaged(Sabotage::TrustForeign) => {
                let ends_there = |entry: &&Entry| entry.end == committed.offset && entry.start < entry.end;
                let Some(last) = world.entries.values().find(ends_there) else {
                    return Some(committed);
                };
                let metadata = CommitMetadata { ledger: ledger(), generation: last.generation, prev: last.start };
                Some(Committed { origin: CommitOrigin::Secor(metadata), ..committed })
            }
            CommitOrigin::Secor(own) if world.sabotaged(Sabotage::ForgiveLostEntry) => {
                let there = world.read_entry(own.generation, own.prev).is_some();
                let origin = if there { committed.origin.clone() } else { CommitOrigin::Foreign };
                Some(Committed { origin, ..committed })
            }
            CommitOrigin::Secor(_) if world.sabotaged(Sabotage::ForgiveLostGenesis) => {
                world.read_genesis().is_some().then_some(committed)
            }
            CommitOrigin::Secor(own) if world.sabotaged(Sabotage::NoSeal) => {
                (own.generation.0 >= self.config.generation).then_some(committed)
            }
            _ => Some(committed),
        }
    }

    /// The genesis, as the machine is told of it (R2, R11).
    pub(super) fn genesis(&self, genesis: &Genesis, world: &World) -> Genesis {
        let mut told = genesis.clone();
        let settings = self.machine.settings();
        if world.sabotaged(Sabotage::AnyOwner) {
            told.group = Arc::clone(&settings.group);
            told.cluster = Arc::clone(&settings.cluster);
        }
        if world.sabotaged(Sabotage::UnnamedAtEnd) && !told.names(0) {
            told.start = BTreeMap::from([(0, world.log.range().end)]);
        }
        if world.sabotaged(Sabotage::NoSeal) && settings.generation > told.generation {
            let head = world.read_head(told.generation).map_or(told.start_of(0), |entry| entry.end);
            told = Genesis { generation: settings.generation, start: BTreeMap::from([(0, head)]), ..told };
        }
        told
    }

    /// The topic id that is asked for afresh (R3, R11).
    pub(super) fn fresh_topic_id(&self, world: &World) -> Option<TopicId> {
        let stale = match self.machine.status().phase {
            "doubting" => world.sabotaged(Sabotage::StaleDoubt),
            _ => world.sabotaged(Sabotage::StaleTopicId),
        };
        if stale { self.topic_id_of_facts.clone() } else { world.topic_id() }
    }

    /// What a slot holds, for this process (R11).
    pub(super) fn entry_at(&self, generation: Generation, start: Offset, world: &World) -> Option<Entry> {
        let found = world.read_entry(generation, start).filter(|entry| !hides(entry, world));
        self.private.get(&(generation, start)).or(found).cloned()
    }

    /// The last entry of a generation, for this process (R9, R11).
    pub(super) fn head_of(&self, generation: Generation, world: &World) -> Option<Entry> {
        let guarding = self.machine.status().phase == "genesis";
        if guarding && world.sabotaged(Sabotage::ForgiveLostGenesis) {
            return None;
        }
        let private = self.private.values().find(|entry| entry.generation == generation);
        let head = world.read_head(generation);
        let before = || {
            let slots = (generation, Offset::ZERO)..(generation, head?.start);
            world.entries.range(slots).next_back().map(|(_, entry)| entry)
        };
        let shown = if head.is_some_and(|entry| hides(entry, world)) { before() } else { head };
        private.or(shown).cloned()
    }

    pub(super) fn keeps_private(&self, world: &World, entry: &Entry) -> bool {
        world.sabotaged(Sabotage::PrivateSeal) && matches!(entry.kind, Kind::Seal(_))
    }

    /// Is the answer to a creation that lost said to be a success (R5, R11)?
    pub(super) fn ignores(&self, there: &Entry, world: &World) -> bool {
        world.sabotaged(Sabotage::IgnoreExists) || hides(there, world)
    }

    /// Gives up what expired, although nobody said so (R10, R12).
    pub(super) fn consents_unasked(&self, world: &World) -> bool {
        let expired = |code| code == RefusalCode::RecordsExpired;
        world.sabotaged(Sabotage::AlwaysConsent)
            && self.config.errand == Errand::Archive
            && self.machine.status().refusal.is_some_and(|refusal| expired(refusal.code))
    }

    /// The log range of the first look (R10).
    pub(super) fn look_at_log(&self, facts: &mut Facts, world: &World) {
        facts.log = world.log.range();
        if world.sabotaged(Sabotage::JumpToStart) {
            facts.log.start = Offset::ZERO;
        }
    }
}

fn hides(entry: &Entry, world: &World) -> bool {
    world.sabotaged(Sabotage::HiddenSeals) && matches!(entry.kind, Kind::Seal(_))
}
