//! The ledger as it stands in a store or a database: reads and creates what [`secor_core::manifest`] defines.
//!
//! This room executes what the partition machine decides and decides nothing itself. It knows where things stand, that
//! they are created once and never changed (R3), and that everything read must carry this ledger's id and stand where
//! its content says (R1); what does not is an error with a refusal, never a guess.
//!
//! Requests, because they are what an object store charges for: a batch costs one create ([`Ledger::create_entry`]);
//! its configuration is stored once per process; the head of a chain is found in about 45 listings at worst and in one
//! as a rule ([`Ledger::head`]).
//!
//! Deliberately absent: retries (the caller repeats what [`LedgerError::is_transient`] allows), deleting, overwriting,
//! and any memory of entries: the arbiter is asked every time, because other processes write there too.
//!
//! Who arbitrates, the store beside the data or a database, is behind [`slots`]; [`open`] finds out which it is.

mod error;
mod slots;
pub(crate) mod schema;
mod sql;
mod open;
mod closing;
mod chain;
mod head;
mod registered;
mod walk;
mod moving;
#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod sql_tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use secor_core::ids::{ConfigHash, Generation, LedgerId};
use secor_core::json::{self, FORMAT_VERSION, canonical_json};
use secor_core::manifest::{Accepted, Arbiter, Genesis, LedgerIdentity, Started, paths};
use secor_core::shape::Shape;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::chain::{EntryCreation, ResolutionCreation};
pub use self::error::LedgerError;
pub use self::moving::{Carried, Move};
pub use self::open::LedgerSettings;
use self::slots::{Creation, Slots};
pub use self::walk::{ChainHead, Slot};
use crate::store::{Payload, Store};

/// The ledger of one prefix. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Arc<dyn Store>,
    slots: Arc<dyn Slots>,
    identity: Arc<LedgerIdentity>,
    role: Role,
    /// Chains that began before any move did.
    begun: closing::Begun,
    /// Configurations known to be stored under their hash: each is written, or read, once per process.
    configs: Arc<Mutex<BTreeMap<ConfigHash, Arc<Shape>>>>,
    /// The same of schemas that a registry gave.
    schemas: registered::Known,
}

/// What this process does with what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It acts on it, so what it has read must survive a power cut first (design, section 5).
    Archiver,
    Reader,
}

/// How often a create is tried again when the store contradicts itself before the caller is told.
const DOUBTS_MAX: usize = 5;

/// How many accepted groups and clusters a ledger can hold.
const ACCEPTED_MAX: usize = 1000;

// === impl Ledger ===

impl Ledger {
    #[must_use]
    pub fn identity(&self) -> &LedgerIdentity {
        &self.identity
    }

    /// Where the entries are, for people: the store's url or the database's, without secrets.
    #[must_use]
    pub fn place(&self) -> String {
        self.slots.place()
    }

    /// Where the data is, and unless a database arbitrates the ledger too.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Does the data store promise that what was created stays as it is? Not where a database arbitrates: there the
    /// last writer of a file may win, with other bytes of the same records (R6).
    #[must_use]
    pub fn files_are_final(&self) -> bool {
        self.identity.arbiter == Arbiter::Store
    }

    /// Where the topic's chains begin (R2).
    ///
    /// # Errors
    /// When the store can't be asked, or the genesis is not this topic's of this ledger.
    pub async fn genesis(&self, topic: &str) -> Result<Option<Genesis>, LedgerError> {
        let key = paths::genesis(topic);
        let genesis: Option<Genesis> = self.read(&key).await?;
        genesis.map(|genesis| self.check_genesis(&key, topic, genesis)).transpose()
    }

    /// Creates the genesis if the topic has none; returns the one that counts, whoever created it (R2).
    ///
    /// # Errors
    /// As [`Self::genesis`].
    pub async fn create_genesis(&self, genesis: &Genesis) -> Result<Genesis, LedgerError> {
        let key = paths::genesis(&genesis.topic);
        match self.create(&key, genesis).await? {
            None => Ok(genesis.clone()),
            Some(won) => self.check_genesis(&key, &genesis.topic, won),
        }
    }

    fn check_genesis(&self, key: &str, topic: &str, genesis: Genesis) -> Result<Genesis, LedgerError> {
        self.check_ledger(key, &genesis.ledger)?;
        expect(key, "topic", &*genesis.topic, topic)?;
        Ok(genesis)
    }

    /// Whether the first start is over (R2).
    ///
    /// # Errors
    /// When the store can't be asked, or the object is not this ledger's.
    pub async fn started(&self) -> Result<Option<Started>, LedgerError> {
        let started: Option<Started> = self.read(paths::STARTED).await?;
        started.map(|started| self.check_started(started)).transpose()
    }

    /// Records that the geneses of `topics` are there, unless another process has recorded its own; returns the one
    /// that counts.
    ///
    /// # Errors
    /// As [`Self::started`].
    pub async fn create_started(&self, topics: Vec<String>) -> Result<Started, LedgerError> {
        let own = Started { version: FORMAT_VERSION, ledger: self.identity.ledger.clone(), topics };
        let won = self.create(paths::STARTED, &own).await?;
        won.map_or(Ok(own), |won| self.check_started(won))
    }

    fn check_started(&self, started: Started) -> Result<Started, LedgerError> {
        self.check_ledger(paths::STARTED, &started.ledger)?;
        Ok(started)
    }

    /// The groups and clusters that the operator has accepted beside the recorded ones, oldest first (R2).
    ///
    /// # Errors
    /// When the store can't be asked, or one of them is not this ledger's.
    pub async fn accepted(&self) -> Result<Vec<Accepted>, LedgerError> {
        let mut all = Vec::new();
        for path in self.slots.list(paths::ACCEPTED, None, ACCEPTED_MAX).await? {
            let accepted: Accepted = self.read(&path).await?.ok_or(LedgerError::Vanished(path.clone()))?;
            self.check_ledger(&path, &accepted.ledger)?;
            all.push(accepted);
        }
        Ok(all)
    }

    /// Adds a group, a cluster or both to what is accepted. One that is accepted already is not added twice.
    ///
    /// # Errors
    /// As [`Self::accepted`].
    pub async fn accept(&self, group: Option<String>, cluster: Option<String>) -> Result<Accepted, LedgerError> {
        let own = Accepted { version: FORMAT_VERSION, ledger: self.identity.ledger.clone(), group, cluster };
        for n in 1..=u32::MAX {
            let key = paths::accepted(n);
            match self.create(&key, &own).await? {
                None => break,
                Some(there) if there == own => break,
                Some(_) => {}
            }
        }
        Ok(own)
    }

    /// Stores what shapes output under its hash, before a manifest names it (R4). One request per process and shape.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn store_config(&self, shape: &Shape) -> Result<ConfigHash, LedgerError> {
        let (hash, bytes) = shape.stored();
        if self.known_config(&hash).is_none() {
            let key = paths::config(&hash);
            // what is there is not written again where a write replaces it
            let is_there = !self.files_are_final() && self.store.head(&key).await?.is_some();
            if is_there {
                self.remember_config(&hash, Arc::new(shape.clone()));
                return Ok(hash);
            }
            self.store.create(&key, Payload::Bytes(Bytes::from(bytes)), &slots::json_object()).await?;
            self.remember_config(&hash, Arc::new(shape.clone()));
        }
        Ok(hash)
    }

    /// The configuration that a manifest names.
    ///
    /// # Errors
    /// [`LedgerError::ConfigMissing`] when it is not there, [`LedgerError::ConfigChanged`] when it is not the same
    /// any more.
    pub async fn config(&self, hash: &ConfigHash) -> Result<Arc<Shape>, LedgerError> {
        if let Some(shape) = self.known_config(hash) {
            return Ok(shape);
        }
        let key = paths::config(hash);
        let bytes = self.store.get(&key).await?.ok_or_else(|| LedgerError::ConfigMissing(key.clone()))?;
        if ConfigHash::of(&bytes) != *hash {
            return Err(LedgerError::ConfigChanged(key));
        }
        let shape: Shape = json::parse_defaulted(&bytes).map_err(|source| LedgerError::Unreadable { key, source })?;
        let shape = Arc::new(shape);
        self.remember_config(hash, Arc::clone(&shape));
        Ok(shape)
    }

    fn known_config(&self, hash: &ConfigHash) -> Option<Arc<Shape>> {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn remember_config(&self, hash: &ConfigHash, shape: Arc<Shape>) {
        self.configs.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.clone(), shape);
    }

    /// Topics that the ledger knows, sorted.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn topics(&self) -> Result<Vec<String>, LedgerError> {
        self.slots.folders(paths::TOPICS).await
    }

    /// Generations of a topic in which a partition has entries, ascending.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn generations(&self, topic: &str) -> Result<Vec<Generation>, LedgerError> {
        let names = self.slots.folders(&paths::topic(topic)).await?;
        let mut generations: Vec<_> = names.iter().filter_map(|name| name.parse().ok()).map(Generation).collect();
        generations.sort_unstable();
        Ok(generations)
    }

    /// Partitions that have entries in a generation of a topic, ascending.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn partitions(&self, topic: &str, generation: Generation) -> Result<Vec<i32>, LedgerError> {
        let names = self.slots.folders(&paths::generation(topic, generation)).await?;
        let mut partitions: Vec<i32> = names.iter().filter_map(|name| name.parse().ok()).collect();
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// The partitions of a topic that its genesis or its entries name, ascending.
    ///
    /// # Errors
    /// As [`Self::genesis`].
    pub async fn known_partitions(&self, topic: &str) -> Result<Vec<i32>, LedgerError> {
        let genesis = self.genesis(topic).await?;
        let mut partitions: Vec<i32> = genesis.iter().flat_map(|genesis| genesis.start.keys().copied()).collect();
        for generation in self.generations(topic).await? {
            partitions.extend(self.partitions(topic, generation).await?);
        }
        partitions.sort_unstable();
        partitions.dedup();
        Ok(partitions)
    }

    /// A stored form; durable when this process is going to act on it.
    async fn read<T: DeserializeOwned + Serialize>(&self, path: &str) -> Result<Option<T>, LedgerError> {
        let value = read(&*self.slots, path).await?;
        if value.is_some() && self.role == Role::Archiver {
            self.slots.make_durable(path).await?;
        }
        Ok(value)
    }

    /// Creates `value` under `path`, or returns what stands there: perhaps this very value, written by an attempt whose
    /// answer was lost (R5).
    async fn create<T: DeserializeOwned + Serialize>(&self, path: &str, value: &T) -> Result<Option<T>, LedgerError> {
        create(&*self.slots, path, value).await
    }

    fn check_ledger(&self, key: &str, found: &LedgerId) -> Result<(), LedgerError> {
        expect(key, error::LEDGER_ID, found, &self.identity.ledger)
    }
}

async fn read<T: DeserializeOwned + Serialize>(slots: &dyn Slots, path: &str) -> Result<Option<T>, LedgerError> {
    let Some(bytes) = slots.get(path).await? else { return Ok(None) };
    json::parse(&bytes).map(Some).map_err(|source| match closing::found(&bytes) {
        Some(closing) => LedgerError::Closed(closing.moving_to),
        None => LedgerError::Unreadable { key: path.to_owned(), source },
    })
}

async fn create<T: DeserializeOwned + Serialize>(
    slots: &dyn Slots,
    path: &str,
    value: &T,
) -> Result<Option<T>, LedgerError> {
    let body = Bytes::from(canonical_json(value));
    for _ in 0..DOUBTS_MAX {
        match slots.create(path, body.clone()).await? {
            Creation::Created => return Ok(None),
            Creation::Exists => {
                if let Some(there) = read(slots, path).await? {
                    return Ok(Some(there));
                }
            }
        }
    }
    Err(LedgerError::Doubtful(path.to_owned()))
}

fn expect<T: PartialEq + std::fmt::Display + ?Sized>(
    key: &str,
    what: &'static str,
    found: &T,
    expected: &T,
) -> Result<(), LedgerError> {
    if found == expected { Ok(()) } else { Err(mismatch(key, what, format!("`{found}`"), format!("`{expected}`"))) }
}

fn mismatch(key: &str, what: &'static str, found: String, expected: String) -> LedgerError {
    LedgerError::Mismatch { key: key.to_owned(), what, found, expected }
}
