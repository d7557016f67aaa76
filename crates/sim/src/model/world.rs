//! What processes share: the log, the store with its create-if-absent, the group's register, and requests under way.
//!
//! What the store has lost ([`World::lose_entry`], [`World::lose_genesis`], [`World::fail_over`]) is only hidden from the
//! processes. The oracle goes on seeing it, so that a slot that is decided a second time is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use secor_core::ids::{ConfigHash, Digest, Generation, LedgerId, Offset, TopicId, TopicPartition};
use secor_core::manifest::{Accepted, CommitMetadata, CommitOrigin, Entry, FORMAT_VERSION, Genesis, Resolution};
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
    pub accepted: Vec<Accepted>,
    pub register: Option<Committed>,
    /// Creations that have left their process and have not arrived: they land at any time, or never.
    pub late: Vec<Creation>,
    /// Every commit of ours: it lands at any time, any number of times, or never.
    pub commits: Vec<OwnCommit>,
    /// What the store had and shows no more.
    pub hidden: BTreeSet<Place>,
    /// What was decided last; remembered only for who wants to lose it.
    newest: Option<Place>,
    /// Somebody has said `recover --accept-loss`.
    pub consented: bool,
    /// What was stored and is something else now.
    pub changed: Vec<String>,
    /// Whose digest is it?
    pub contents: Contents,
    pub sabotage: Option<Sabotage>,
}

/// A request that stores something if it is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Creation {
    Genesis(Box<Genesis>),
    /// With the configuration that it names.
    Entry(Box<Entry>),
    Resolution(Box<Resolution>),
    File {
        key: String,
        file: File,
    },
}

/// Where something is decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Genesis,
    Entry(Generation, Offset),
    Resolution(Generation, Offset, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnCommit {
    pub offset: Offset,
    pub metadata: CommitMetadata,
}

/// Which records a digest stands for: knowledge of the oracle and no state, so it tells no two worlds apart.
#[derive(Clone, Debug, Default)]
pub struct Contents(BTreeMap<Digest, Vec<RecordId>>);

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
            accepted: Vec::new(),
            register: None,
            late: Vec::new(),
            commits: Vec::new(),
            hidden: BTreeSet::new(),
            newest: None,
            consented: false,
            changed: Vec::new(),
            contents: Contents::default(),
            sabotage,
        }
    }

    #[must_use]
    pub fn sabotaged(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// As the broker tells it.
    #[must_use]
    pub fn topic_id(&self) -> Option<TopicId> {
        (!self.sabotaged(Sabotage::NoTopicIds)).then(|| self.log.topic_id())
    }

    /// A creation arrives. Was it the first?
    pub fn create(&mut self, creation: Creation) -> bool {
        match creation {
            Creation::Genesis(genesis) => {
                let same = self.genesis.as_ref().map(|old| *old == *genesis);
                let first = self.decide(Place::Genesis, same, false);
                self.genesis = if first { Some(*genesis) } else { self.genesis.take() };
                first
            }
            Creation::Entry(entry) => {
                let slot = (entry.generation, entry.start);
                let same = self.entries.get(&slot).map(|old| old.same_content(&entry));
                let first = self.decide(Place::Entry(slot.0, slot.1), same, self.sabotaged(Sabotage::OverwriteEntries));
                if first {
                    self.entries.insert(slot, *entry);
                }
                first
            }
            Creation::Resolution(resolution) => {
                let slot = (resolution.generation, resolution.start, resolution.n);
                let same = self.resolutions.get(&slot).map(|old| *old == *resolution);
                let place = Place::Resolution(slot.0, slot.1, slot.2);
                let first = self.decide(place, same, self.sabotaged(Sabotage::OverwriteResolutions));
                if first {
                    self.resolutions.insert(slot, *resolution);
                }
                first
            }
            Creation::File { key, file } => self.create_file(key, file),
        }
    }

    /// Is the place free? `same` says whether what stood there says the same.
    fn decide(&mut self, place: Place, same: Option<bool>, overwrite: bool) -> bool {
        if same.is_some() && !self.hidden.contains(&place) && !overwrite {
            return false;
        }
        if same == Some(false) {
            self.changed.push(format!("{place} was decided twice"));
        }
        self.hidden.remove(&place);
        if self.sabotaged(Sabotage::LoseAcknowledged) {
            self.newest = Some(place);
        }
        true
    }

    fn create_file(&mut self, key: String, mut file: File) -> bool {
        if self.sabotaged(Sabotage::TornFile) {
            file.records.pop();
        }
        match self.files.get(&key) {
            Some(_) if !self.sabotaged(Sabotage::OverwriteFiles) => return false,
            Some(old) if *old != file => self.changed.push(format!("the file `{key}` was changed")),
            _ => {}
        }
        self.files.insert(key, file);
        true
    }

    #[must_use]
    pub fn read_genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref().filter(|_| !self.hidden.contains(&Place::Genesis))
    }

    #[must_use]
    pub fn read_entry(&self, generation: Generation, start: Offset) -> Option<&Entry> {
        let hidden = self.hidden.contains(&Place::Entry(generation, start));
        self.entries.get(&(generation, start)).filter(|_| !hidden)
    }

    /// The last entry of a generation.
    #[must_use]
    pub fn read_head(&self, generation: Generation) -> Option<&Entry> {
        let slots = (generation, Offset::ZERO)..(Generation(generation.0 + 1), Offset::ZERO);
        self.entries.range(slots).rev().find_map(|((generation, start), _)| self.read_entry(*generation, *start))
    }

    #[must_use]
    pub fn read_resolutions(&self, entry: &Entry) -> Vec<Resolution> {
        let shown = |r: &&Resolution| !self.hidden.contains(&Place::Resolution(r.generation, r.start, r.n));
        self.resolutions_of(entry).filter(shown).cloned().collect()
    }

    /// All that were ever made, for the oracle.
    pub fn resolutions_of(&self, entry: &Entry) -> impl Iterator<Item = &Resolution> {
        let slot = |n| (entry.generation, entry.start, n);
        self.resolutions.range(slot(0)..=slot(u32::MAX)).map(|(_, resolution)| resolution)
    }

    /// The last entry of the ledger is deleted.
    pub fn lose_entry(&mut self) {
        let shown = |(generation, start): &(Generation, Offset)| self.read_entry(*generation, *start).is_some();
        if let Some((generation, start)) = self.entries.keys().copied().rfind(shown) {
            self.hidden.insert(Place::Entry(generation, start));
        }
    }

    pub fn lose_genesis(&mut self) {
        if self.genesis.is_some() {
            self.hidden.insert(Place::Genesis);
        }
    }

    /// The ledger's database fails over. One that keeps its word has lost nothing that was acknowledged.
    pub fn fail_over(&mut self) {
        self.hidden.extend(self.newest.take());
    }

    pub fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
        if self.sabotaged(Sabotage::ExpireEntries) {
            self.lose_entry();
        }
    }

    /// A commit is under way; one that says the same is no other, and none comes before another.
    pub fn send_commit(&mut self, commit: OwnCommit) {
        let place = |commit: &OwnCommit| (commit.metadata.generation, commit.metadata.prev, commit.offset);
        if let Err(at) = self.commits.binary_search_by_key(&place(&commit), place) {
            self.commits.insert(at, commit);
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

    /// The group comes from the archive of another ledger.
    pub fn other_ledgers_commit(&mut self) {
        let other = LedgerId(Arc::from("00000000000000000000000000000000"));
        let metadata = CommitMetadata { ledger: other, generation: Generation(1), prev: Offset::ZERO };
        self.register = Some(Committed { offset: self.log.range().end, origin: CommitOrigin::Secor(metadata) });
    }

    /// The topic got this partition after its genesis was made.
    pub fn add_partition(&mut self) {
        let genesis = Genesis {
            version: FORMAT_VERSION,
            ledger: ledger(),
            topic: topic_partition().topic,
            topic_id: self.topic_id(),
            cluster: Arc::from(CLUSTERS[0]),
            group: Arc::from(GROUPS[0]),
            generation: Generation(1),
            start: BTreeMap::new(),
        };
        self.create(Creation::Genesis(Box::new(genesis)));
    }

    /// `secor recover --accept-group --accept-cluster` for what the numbered owner is.
    pub fn accept(&mut self, owner: Owner) {
        let accepted = |group, cluster| Accepted { version: FORMAT_VERSION, ledger: ledger(), group, cluster };
        self.accepted.push(accepted(Some(owner.group().to_owned()), None));
        self.accepted.push(accepted(None, Some(owner.cluster().to_owned())));
    }

    /// Is the owner the one of the genesis, or accepted?
    #[must_use]
    pub fn is_owner(&self, owner: Owner) -> bool {
        let accepted = |what: fn(&Accepted) -> Option<&str>, name| self.accepted.iter().any(|a| what(a) == Some(name));
        self.genesis.as_ref().is_none_or(|genesis| {
            (*genesis.group == *owner.group() || accepted(|a| a.group.as_deref(), owner.group()))
                && (*genesis.cluster == *owner.cluster() || accepted(|a| a.cluster.as_deref(), owner.cluster()))
        })
    }
}

/// In which consumer group and at which cluster a process works. The clusters mirror each other: only the names differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    #[default]
    Usual,
    OtherGroup,
    OtherCluster,
}

const GROUPS: [&str; 2] = ["backup", "other-group"];
const CLUSTERS: [&str; 2] = ["cluster", "other-cluster"];

impl Owner {
    #[must_use]
    pub fn group(self) -> &'static str {
        GROUPS[usize::from(self == Self::OtherGroup)]
    }

    #[must_use]
    pub fn cluster(self) -> &'static str {
        CLUSTERS[usize::from(self == Self::OtherCluster)]
    }
}

// === impl Contents ===

impl Contents {
    pub fn insert(&mut self, digest: Digest, records: Vec<RecordId>) {
        self.0.insert(digest, records);
    }

    #[must_use]
    pub fn get(&self, digest: Digest) -> Option<&[RecordId]> {
        self.0.get(&digest).map(Vec::as_slice)
    }
}

impl PartialEq for Contents {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Contents {}

impl Hash for Contents {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Genesis => f.write_str("the genesis"),
            Self::Entry(generation, start) => write!(f, "the slot {start} of generation {generation}"),
            Self::Resolution(_, start, n) => write!(f, "the resolution {n} of batch {start}"),
        }
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
