//! What processes share: the log, the store with its create-if-absent, the group's register, and requests under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use secor_core::ids::{ConfigHash, Digest, Generation, LedgerId, Offset, TopicPartition};
use secor_core::manifest::{CommitMetadata, CommitOrigin, Entry, Genesis, Resolution};
use secor_core::partition::Committed;

use crate::model::draft::{File, Layout};
use crate::model::log::{Log, RecordId};
use crate::model::sabotage::Sabotage;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now_ms: i64,
    pub log: Log,
    pub genesis: Option<Genesis>,
    pub entries: BTreeMap<(Generation, Offset), Entry>,
    pub resolutions: BTreeMap<(Generation, Offset, u32), Resolution>,
    pub files: BTreeMap<String, File>,
    pub configs: BTreeMap<ConfigHash, Layout>,
    pub register: Option<Committed>,
    /// Creations that have left their process and have not arrived: they land at any time, or never.
    pub late: Vec<Creation>,
    /// Every commit of ours: it lands at any time, any number of times, or never.
    pub commits: Vec<OwnCommit>,
    /// Whose digest is it?
    pub contents: BTreeMap<Digest, Vec<RecordId>>,
    /// What was stored and is something else now.
    pub changed: Vec<String>,
    pub sabotage: Option<Sabotage>,
}

/// A request that stores something if it is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Creation {
    Genesis(Box<Genesis>),
    Entry(Box<Entry>),
    Resolution(Box<Resolution>),
    File { key: String, file: File },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnCommit {
    pub offset: Offset,
    pub metadata: CommitMetadata,
}

// === impl World ===

impl World {
    #[must_use]
    pub fn new(sabotage: Option<Sabotage>) -> Self {
        Self {
            now_ms: 1_700_000_000_000,
            log: Log::new(),
            genesis: None,
            entries: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            files: BTreeMap::new(),
            configs: BTreeMap::new(),
            register: None,
            late: Vec::new(),
            commits: Vec::new(),
            contents: BTreeMap::new(),
            changed: Vec::new(),
            sabotage,
        }
    }

    #[must_use]
    pub fn sabotaged(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// A creation arrives. Was it the first?
    pub fn create(&mut self, creation: Creation) -> bool {
        match creation {
            Creation::Genesis(genesis) => {
                let first = self.genesis.is_none();
                self.genesis.get_or_insert(*genesis);
                first
            }
            Creation::Entry(entry) => {
                let slot = (entry.generation, entry.start);
                let overwrite = self.sabotaged(Sabotage::OverwriteEntries);
                match self.entries.get(&slot) {
                    Some(_) if !overwrite => return false,
                    Some(old) if !old.same_content(&entry) => self.changed.push(format!("entry {}", entry.start)),
                    _ => {}
                }
                self.entries.insert(slot, *entry);
                true
            }
            Creation::Resolution(resolution) => {
                let slot = (resolution.generation, resolution.start, resolution.n);
                let first = !self.resolutions.contains_key(&slot);
                self.resolutions.entry(slot).or_insert(*resolution);
                first
            }
            Creation::File { key, mut file } => {
                if self.sabotaged(Sabotage::TornFile) {
                    file.records.pop();
                }
                let first = !self.files.contains_key(&key);
                self.files.entry(key).or_insert(file);
                first
            }
        }
    }

    /// The last entry of a generation.
    #[must_use]
    pub fn head(&self, generation: Generation) -> Option<&Entry> {
        let slots = (generation, Offset::ZERO)..(Generation(generation.0 + 1), Offset::ZERO);
        self.entries.range(slots).next_back().map(|(_, entry)| entry)
    }

    #[must_use]
    pub fn resolutions_of(&self, entry: &Entry) -> Vec<Resolution> {
        let slot = |n| (entry.generation, entry.start, n);
        self.resolutions.range(slot(0)..=slot(u32::MAX)).map(|(_, resolution)| resolution.clone()).collect()
    }

    /// A commit is under way; one that says the same is no other.
    pub fn send_commit(&mut self, commit: OwnCommit) {
        if !self.commits.contains(&commit) {
            self.commits.push(commit);
        }
    }

    /// A commit of ours reaches the register; nothing fences it.
    pub fn land_commit(&mut self, index: usize) {
        if !self.commits.is_empty() {
            let OwnCommit { offset, metadata } = self.commits[index % self.commits.len()].clone();
            self.register = Some(Committed { offset, origin: CommitOrigin::Secor(metadata) });
        }
    }

    pub fn land_late(&mut self, index: usize) {
        if !self.late.is_empty() {
            let creation = self.late.swap_remove(index % self.late.len());
            self.create(creation);
        }
    }

    /// Another program commits in our group: mostly where a batch ends, which is the worst place.
    pub fn foreign_commit(&mut self, index: usize) {
        let ends: Vec<_> = self.entries.values().map(|entry| entry.end).chain([self.log.range().end]).collect();
        let offset = ends[index % ends.len()];
        self.register = Some(Committed { offset, origin: CommitOrigin::Foreign });
    }
}

#[must_use]
pub fn ledger() -> LedgerId {
    LedgerId(Arc::from("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
}

#[must_use]
pub fn topic_partition() -> TopicPartition {
    TopicPartition::new("clicks", 0)
}
