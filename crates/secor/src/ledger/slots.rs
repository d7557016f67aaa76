//! What decides who got a slot: the data store, or a database.
//!
//! All that the protocol asks of an arbiter is here: create if absent, read, list what is sorted, and the names one
//! level down. Geneses, entries, resolutions, `started.json` and what was accepted go through it. `ledger.json` and
//! `configs/` do not: the first says where the arbiter is, and a configuration stands under the hash of its own bytes,
//! so it does not matter who stored it last.
//!
//! Deliberately absent: updating and deleting (R3).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use secor_core::manifest::paths;

use super::LedgerError;
use crate::store::{Attributes, Create, Payload, Store};

/// Who got a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Created,
    /// It is taken; perhaps by an attempt of this very call whose answer was lost (R5).
    Exists,
}

/// An arbiter. Paths are those of [`secor_core::manifest::paths`].
#[async_trait]
pub(super) trait Slots: Send + Sync + fmt::Debug {
    /// Creates the path if it is free. When it returns, what stands there survives a power cut.
    async fn create(&self, path: &str, body: Bytes) -> Result<Creation, LedgerError>;

    /// What stands there, as soon as its creation was acknowledged to anybody.
    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError>;

    /// The first `limit` paths below `folder` that are above `after`, sorted by their bytes.
    async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, LedgerError>;

    /// The names of the folders right below `folder`, sorted.
    async fn folders(&self, folder: &str) -> Result<Vec<String>, LedgerError>;

    /// For people: a url without secrets.
    fn place(&self) -> String;

    /// Makes sure that what was read survives a power cut.
    async fn make_durable(&self, path: &str) -> Result<(), LedgerError>;
}

/// The store beside the data. After a move into it, everything lies below the seat's folder instead of `_secor/`.
#[derive(Debug)]
pub(super) struct StoreSlots {
    store: Arc<dyn Store>,
    folder: String,
}

// === impl StoreSlots ===

impl StoreSlots {
    /// `seat`: of a ledger that was moved here.
    pub(super) fn new(store: Arc<dyn Store>, seat: Option<&str>) -> Self {
        Self { store, folder: seat.map_or_else(|| paths::FOLDER.to_owned(), paths::seat) }
    }

    fn key(&self, path: &str) -> String {
        let below = path.strip_prefix(paths::FOLDER).expect("all paths of a ledger begin so");
        format!("{}{below}", self.folder)
    }

    fn path(&self, key: &str) -> String {
        let below = key.strip_prefix(&self.folder).expect("a listing stays below its folder");
        format!("{}{below}", paths::FOLDER)
    }
}

#[async_trait]
impl Slots for StoreSlots {
    async fn create(&self, path: &str, body: Bytes) -> Result<Creation, LedgerError> {
        Ok(match self.store.create(&self.key(path), Payload::Bytes(body), &json_object()).await? {
            Create::Created(_) => Creation::Created,
            Create::Exists(_) => Creation::Exists,
        })
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.store.get(&self.key(path)).await?)
    }

    async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, LedgerError> {
        let after = after.map(|after| self.key(after));
        let listed = self.store.list(&self.key(folder), after.as_deref(), limit).await?;
        Ok(listed.iter().map(|listed| self.path(&listed.key)).collect())
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LedgerError> {
        Ok(self.store.folders(&self.key(folder)).await?)
    }

    fn place(&self) -> String {
        self.store.to_string()
    }

    async fn make_durable(&self, path: &str) -> Result<(), LedgerError> {
        Ok(self.store.make_durable(&self.key(path)).await?)
    }
}

pub(super) fn json_object() -> Attributes {
    Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() }
}
