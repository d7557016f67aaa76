//! The ledger in the simulated store: to be read beside `ledger/` and `store/s3/` of the program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use secor_core::ids::{ConfigHash, Digest, Generation, LedgerId, Offset, TopicPartition};
use secor_core::json::{self, FORMAT_VERSION, canonical_json};
use secor_core::manifest::{Arbiter, Entry, Genesis, LedgerIdentity, Resolution, Started, paths};
use secor_core::partition::{Refusal, RefusalCode};
use secor_core::shape::Shape;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::simulator::net::{Info, Net, Place, Reply, Request, StoreReply, StoreRequest};
use crate::simulator::sabotage::Sabotage;

/// How often a create is tried again when the store contradicts itself before the caller is told.
const DOUBTS_MAX: usize = 5;
/// Keys in one listing; few, so that chains have several pages.
const PAGE_KEYS: usize = 4;

/// What stands between a question and its answer.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// Time, or somebody, may mend it: ask again.
    Later,
    /// The topic partition stops.
    Refuse(Refusal),
}

/// What a create has found.
pub(super) enum Create {
    Created(Info),
    Exists(Info),
}

/// A store seen from a process; cheap to clone.
#[derive(Clone)]
pub(super) struct Store {
    pub net: Net,
    pub sabotage: Option<Sabotage>,
}

pub(super) struct Ledger {
    pub store: Store,
    pub identity: RefCell<Option<LedgerId>>,
    configs: RefCell<BTreeMap<ConfigHash, Arc<Shape>>>,
}

// === impl Store ===

impl Store {
    async fn ask(&self, place: Place, request: StoreRequest) -> Result<StoreReply, Trouble> {
        match self.net.call(Request::Store(place, request)).await {
            Reply::Store(reply) => Ok(reply),
            _ => Err(Trouble::Later),
        }
    }

    pub async fn get(&self, place: Place, key: &str) -> Result<Option<Rc<[u8]>>, Trouble> {
        match self.ask(place, StoreRequest::Get { key: key.to_owned() }).await? {
            StoreReply::Bytes(bytes) => Ok(bytes),
            other => unreachable!("`{other:?}` does not answer a get"),
        }
    }

    pub async fn head(&self, place: Place, key: &str) -> Result<Option<Info>, Trouble> {
        match self.ask(place, StoreRequest::Head { key: key.to_owned() }).await? {
            StoreReply::Info(info) => Ok(info),
            other => unreachable!("`{other:?}` does not answer a head"),
        }
    }

    async fn keys(&self, request: StoreRequest) -> Result<Vec<String>, Trouble> {
        match self.ask(Place::Ledger, request).await? {
            StoreReply::Keys(keys) => Ok(keys),
            other => unreachable!("`{other:?}` does not answer a listing"),
        }
    }

    /// Creates if absent. After an answer that leaves doubt the object itself is looked at.
    pub async fn create(
        &self,
        place: Place,
        key: &str,
        bytes: &Rc<[u8]>,
        digest: Option<Digest>,
    ) -> Result<Create, Trouble> {
        for _ in 0..DOUBTS_MAX {
            let put = StoreRequest::Create { key: key.to_owned(), bytes: Rc::clone(bytes), digest };
            let taken = match self.ask(place, put).await {
                Ok(StoreReply::Created(info)) => return Ok(Create::Created(info)),
                Ok(_) => true,
                Err(_) => false,
            };
            if taken && digest.is_some() && self.sabotage == Some(Sabotage::ConflictIsSuccess) {
                let info = Info { size: bytes.len() as u64, checksum: "etag:guessed".to_owned(), digest };
                return Ok(Create::Exists(info));
            }
            if let (false, Some(_), Some(Sabotage::RetryUnderAnotherName)) = (taken, digest, self.sabotage) {
                let put = StoreRequest::Create { key: format!("{key}.1"), bytes: Rc::clone(bytes), digest };
                if let StoreReply::Created(info) = self.ask(place, put).await? {
                    return Ok(Create::Created(info));
                }
            }
            match self.head(place, key).await? {
                Some(info) => return Ok(Create::Exists(info)),
                None if taken => {}
                None => return Err(Trouble::Later),
            }
        }
        Err(Trouble::Later)
    }
}

// === impl Ledger ===

impl Ledger {
    pub fn new(store: Store) -> Self {
        Self { store, identity: RefCell::default(), configs: RefCell::default() }
    }

    /// The id of the ledger that was opened.
    pub fn id(&self) -> LedgerId {
        self.identity.borrow().clone().expect("a process asks the ledger only once it is open")
    }

    /// Reads `ledger.json`, or creates it with the id that this process has drawn, or adopts another's (R1).
    pub async fn open_or_create(&self, drawn: u64, arbiter: Arbiter) -> Result<LedgerId, Trouble> {
        let identity: LedgerIdentity = match self.read(Place::Data, paths::LEDGER).await? {
            Some(identity) => identity,
            // only `secor ledger init` writes it where the store cannot create exclusively
            None if arbiter == Arbiter::Sql => return Err(Trouble::Later),
            None => {
                let ledger = LedgerId(Arc::from(format!("{drawn:032x}")));
                let own = LedgerIdentity {
                    version: FORMAT_VERSION,
                    ledger,
                    arbiter,
                    probed: "sim://".to_owned(),
                    seat: None,
                };
                let won = self.create(Place::Data, paths::LEDGER, &own).await?;
                won.filter(|_| self.store.sabotage != Some(Sabotage::OwnLedgerId)).unwrap_or(own)
            }
        };
        assert_eq!(identity.arbiter, arbiter, "all processes of a run have the same arbiter");
        *self.identity.borrow_mut() = Some(identity.ledger.clone());
        Ok(identity.ledger)
    }

    pub async fn genesis(&self, topic: &str) -> Result<Option<Genesis>, Trouble> {
        self.read(Place::Ledger, &paths::genesis(topic)).await
    }

    pub async fn create_genesis(&self, genesis: &Genesis) -> Result<Genesis, Trouble> {
        let won = self.create(Place::Ledger, &paths::genesis(&genesis.topic), genesis).await?;
        Ok(won.unwrap_or_else(|| genesis.clone()))
    }

    pub async fn started(&self) -> Result<Option<Started>, Trouble> {
        self.read(Place::Ledger, paths::STARTED).await
    }

    pub async fn create_started(&self, topics: Vec<String>) -> Result<(), Trouble> {
        let own = Started { version: FORMAT_VERSION, ledger: self.id(), topics };
        self.create(Place::Ledger, paths::STARTED, &own).await.map(drop)
    }

    pub async fn has_entries(&self, topic: &str) -> Result<bool, Trouble> {
        let folders = StoreRequest::Folders { folder: paths::topic(topic) };
        let names = self.store.keys(folders).await?;
        Ok(names.iter().any(|name| name.parse::<u32>().is_ok()))
    }

    /// What a manifest names by hash is stored before it (R4).
    pub async fn store_config(&self, shape: &Arc<Shape>) -> Result<(), Trouble> {
        let (hash, bytes) = shape.stored();
        if self.store.sabotage == Some(Sabotage::ConfigNotStored) {
            return Ok(());
        }
        if !self.configs.borrow().contains_key(&hash) {
            self.store.create(Place::Data, &paths::config(&hash), &bytes.into(), None).await?;
            self.configs.borrow_mut().insert(hash, Arc::clone(shape));
        }
        Ok(())
    }

    pub async fn config(&self, hash: &ConfigHash) -> Result<Arc<Shape>, Trouble> {
        if let Some(shape) = self.configs.borrow().get(hash) {
            return Ok(Arc::clone(shape));
        }
        let refuse = |detail: String| Trouble::Refuse(Refusal::new(RefusalCode::ConfigMissing, detail));
        let key = paths::config(hash);
        let bytes = self.store.get(Place::Data, &key).await?.ok_or_else(|| refuse(format!("`{key}` is missing")))?;
        if ConfigHash::of(&bytes) != *hash {
            return Err(refuse(format!("`{key}` has changed")));
        }
        let shape: Shape = json::parse_defaulted(&bytes).map_err(|error| refuse(error.to_string()))?;
        let shape = Arc::new(shape);
        self.configs.borrow_mut().insert(hash.clone(), Arc::clone(&shape));
        Ok(shape)
    }

    pub async fn entry(
        &self,
        tp: &TopicPartition,
        generation: Generation,
        start: Offset,
    ) -> Result<Option<Entry>, Trouble> {
        self.read(Place::Ledger, &paths::entry(&tp.topic, generation, tp.partition, start)).await
    }

    /// `None`: created. Else what stands there.
    pub async fn create_entry(&self, entry: &Entry) -> Result<Option<Entry>, Trouble> {
        let key = paths::entry(&entry.topic, entry.generation, entry.partition, entry.start);
        self.create(Place::Ledger, &key, entry).await
    }

    /// The last entry of a chain: page by page, because simulated chains are short.
    pub async fn head(&self, tp: &TopicPartition, generation: Generation) -> Result<Option<Entry>, Trouble> {
        let folder = paths::entries(&tp.topic, generation, tp.partition);
        let mut last: Option<String> = None;
        loop {
            let list = StoreRequest::List { folder: folder.clone(), after: last.clone(), limit: PAGE_KEYS };
            let page = self.store.keys(list).await?;
            let is_last = page.len() < PAGE_KEYS;
            last = page.into_iter().next_back().or(last);
            if is_last {
                break;
            }
        }
        let Some(key) = last else { return Ok(None) };
        let entry = self.read(Place::Ledger, &key).await?;
        let vanished = || Trouble::Refuse(Refusal::new(RefusalCode::LedgerLostEntries, format!("`{key}` vanished")));
        entry.map(Some).ok_or_else(vanished)
    }

    pub async fn resolutions(&self, entry: &Entry) -> Result<Vec<Resolution>, Trouble> {
        let mut all = Vec::new();
        for n in 1.. {
            let key = paths::resolution(&entry.topic, entry.generation, entry.partition, entry.start, n);
            let Some(resolution) = self.read(Place::Ledger, &key).await? else { break };
            all.push(resolution);
        }
        Ok(all)
    }

    /// `None`: created. Else what stands there.
    pub async fn create_resolution(&self, own: &Resolution) -> Result<Option<Resolution>, Trouble> {
        let key = paths::resolution(&own.topic, own.generation, own.partition, own.start, own.n);
        self.create(Place::Ledger, &key, own).await
    }

    async fn read<T: DeserializeOwned + Serialize>(&self, place: Place, key: &str) -> Result<Option<T>, Trouble> {
        let Some(bytes) = self.store.get(place, key).await? else { return Ok(None) };
        let unreadable =
            |error: json::ParseError| Trouble::Refuse(Refusal::new(RefusalCode::BadEntry, format!("`{key}` {error}")));
        json::parse(&bytes).map(Some).map_err(unreadable)
    }

    /// `None`: created. Else what stands there: perhaps this very value, written by an attempt whose answer was lost.
    async fn create<T: DeserializeOwned + Serialize>(
        &self,
        place: Place,
        key: &str,
        value: &T,
    ) -> Result<Option<T>, Trouble> {
        let bytes: Rc<[u8]> = canonical_json(value).into();
        for _ in 0..DOUBTS_MAX {
            match self.store.create(place, key, &bytes, None).await? {
                Create::Created(_) => return Ok(None),
                Create::Exists(_) => {
                    if let Some(there) = self.read(place, key).await? {
                        return Ok(Some(there));
                    }
                }
            }
        }
        Err(Trouble::Later)
    }
}
