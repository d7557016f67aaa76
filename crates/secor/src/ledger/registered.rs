//! Schemas that a registry gave, under the hashes that manifests name (R4).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use secor_core::ids::SchemaHash;
use secor_core::json;
use secor_core::manifest::{RegisteredSchema, paths};

use super::slots::json_object;
use super::{Ledger, LedgerError};
use crate::store::Payload;

/// Schemas known to be stored under their hash: each is written, or read, once per process.
pub(super) type Known = Arc<Mutex<BTreeMap<SchemaHash, Arc<RegisteredSchema>>>>;

// === impl Ledger ===

impl Ledger {
    /// Stores a schema under its hash, before a manifest can name it (R4). One request per process and schema.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn store_schema(&self, schema: &Arc<RegisteredSchema>) -> Result<SchemaHash, LedgerError> {
        let (hash, bytes) = schema.stored();
        if self.known_schema(&hash).is_none() {
            let key = paths::schema(&hash);
            // what is there is not written again where a write replaces it
            let is_there = !self.files_are_final() && self.store.head(&key).await?.is_some();
            if !is_there {
                self.store.create(&key, Payload::Bytes(Bytes::from(bytes)), &json_object()).await?;
            }
            self.remember_schema(&hash, Arc::clone(schema));
        }
        Ok(hash)
    }

    /// The schema that a manifest names.
    ///
    /// # Errors
    /// [`LedgerError::ConfigMissing`] when it is not there, [`LedgerError::ConfigChanged`] when it is not the same
    /// any more.
    pub async fn schema(&self, hash: &SchemaHash) -> Result<Arc<RegisteredSchema>, LedgerError> {
        if let Some(schema) = self.known_schema(hash) {
            return Ok(schema);
        }
        let key = paths::schema(hash);
        let bytes = self.store.get(&key).await?.ok_or_else(|| LedgerError::ConfigMissing(key.clone()))?;
        if SchemaHash::of(&bytes) != *hash {
            return Err(LedgerError::ConfigChanged(key));
        }
        let schema: RegisteredSchema = json::parse(&bytes).map_err(|source| LedgerError::Unreadable { key, source })?;
        let schema = Arc::new(schema);
        self.remember_schema(hash, Arc::clone(&schema));
        Ok(schema)
    }

    fn known_schema(&self, hash: &SchemaHash) -> Option<Arc<RegisteredSchema>> {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn remember_schema(&self, hash: &SchemaHash, schema: Arc<RegisteredSchema>) {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.clone(), schema);
    }
}
