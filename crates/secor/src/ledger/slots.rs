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

/// The store beside the data.
#[derive(Debug)]
pub(super) struct StoreSlots(pub Arc<dyn Store>);

// === impl StoreSlots ===

#[async_trait]
impl Slots for StoreSlots {
    async fn create(&self, path: &str, body: Bytes) -> Result<Creation, LedgerError> {
        Ok(match self.0.create(path, Payload::Bytes(body), &json_object()).await? {
            Create::Created(_) => Creation::Created,
            Create::Exists(_) => Creation::Exists,
        })
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        Ok(self.0.get(path).await?)
    }

    async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, LedgerError> {
        Ok(self.0.list(folder, after, limit).await?.into_iter().map(|listed| listed.key).collect())
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LedgerError> {
        Ok(self.0.folders(folder).await?)
    }

    fn place(&self) -> String {
        self.0.to_string()
    }

    async fn make_durable(&self, path: &str) -> Result<(), LedgerError> {
        Ok(self.0.make_durable(path).await?)
    }
}

pub(super) fn json_object() -> Attributes {
    Attributes { content_type: Some("application/json".to_owned()), ..Attributes::default() }
}
