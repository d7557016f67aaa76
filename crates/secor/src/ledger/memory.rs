//! A store in memory that counts requests, for tests of what is above the store room.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use secor_core::ids::Digest;

use crate::store::{Attributes, ByteStream, Checksum, Create, Listed, ObjectInfo, Payload, Store, StoreError, Traits};

/// Objects by key, and how often each operation was asked.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    pub(crate) url: &'static str,
    /// Two creators of one key both win, as on a store that ignores the condition.
    pub(crate) overwrites: bool,
    pub(crate) objects: Mutex<BTreeMap<String, Bytes>>,
    pub(crate) requests: Mutex<BTreeMap<&'static str, u32>>,
}

// === impl MemoryStore ===

impl MemoryStore {
    pub(crate) fn new(url: &'static str) -> Self {
        Self { url, ..Self::default() }
    }

    pub(crate) fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.objects.lock().expect("no panic while locked").insert(key.to_owned(), bytes.into());
    }

    pub(crate) fn bytes(&self, key: &str) -> Option<Bytes> {
        self.objects.lock().expect("no panic while locked").get(key).cloned()
    }

    /// All requests since the last call of this.
    pub(crate) fn take_requests(&self) -> BTreeMap<&'static str, u32> {
        std::mem::take(&mut *self.requests.lock().expect("no panic while locked"))
    }

    fn count(&self, operation: &'static str) {
        *self.requests.lock().expect("no panic while locked").entry(operation).or_default() += 1;
    }

    fn info(bytes: &Bytes) -> ObjectInfo {
        ObjectInfo { size: bytes.len() as u64, checksum: Some(checksum(bytes)), ..ObjectInfo::default() }
    }
}

fn checksum(bytes: &Bytes) -> Checksum {
    Checksum::Xxh3(Digest(xxhash_rust::xxh3::xxh3_128(bytes)))
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, key: &str, payload: Payload, _: &Attributes) -> Result<Create, StoreError> {
        self.count("create");
        let bytes = match payload {
            Payload::Bytes(bytes) => bytes,
            Payload::File(file) => Bytes::from(std::fs::read(file.path).expect("a staged file is there")),
        };
        let mut objects = self.objects.lock().expect("no panic while locked");
        if let Some(there) = objects.get(key).filter(|_| !self.overwrites) {
            return Ok(Create::Exists(Self::info(there)));
        }
        let created = Create::Created(Self::info(&bytes));
        objects.insert(key.to_owned(), bytes);
        Ok(created)
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.count("head");
        Ok(self.bytes(key).as_ref().map(Self::info))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.count("get");
        Ok(self.bytes(key))
    }

    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError> {
        self.count("read");
        Ok(self.bytes(key).map(|bytes| stream::iter([Ok(bytes)]).boxed()))
    }

    async fn checksum(&self, key: &str) -> Result<Option<Checksum>, StoreError> {
        self.count("checksum");
        Ok(self.bytes(key).as_ref().map(checksum))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        self.count("list");
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let objects = self.objects.lock().expect("no panic while locked");
        let below = objects.range(folder.clone()..).take_while(|(key, _)| key.starts_with(&folder));
        let above = below.filter(|(key, _)| start_after.is_none_or(|after| key.as_str() > after));
        Ok(above.take(limit).map(|(key, bytes)| Listed { key: key.clone(), size: bytes.len() as u64 }).collect())
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.count("folders");
        let folder = format!("{prefix}/");
        let objects = self.objects.lock().expect("no panic while locked");
        let below = objects.keys().filter_map(|key| key.strip_prefix(&folder)?.split_once('/'));
        let mut names: Vec<String> = below.map(|(name, _)| name.to_owned()).collect();
        names.dedup();
        Ok(names)
    }

    async fn make_durable(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.count("delete");
        self.objects.lock().expect("no panic while locked").remove(key);
        Ok(())
    }

    async fn traits(&self) -> Result<Traits, StoreError> {
        Ok(Traits { folds_case: false, object_bytes_max: u64::MAX, keeps_attributes: false, exclusive: true })
    }
}
