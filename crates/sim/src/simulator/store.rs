//! Simulated stores: one that creates exclusively and shows at once what it has, and one that does neither.
//!
//! Only what a store does with a request is here; whether the request arrives, and whether its answer comes back, is
//! [`super::fate`]'s.

use std::collections::BTreeMap;
use std::rc::Rc;

use secor_core::ids::Digest;
use xxhash_rust::xxh3::xxh3_64;

use super::net::{Info, StoreReply, StoreRequest};
use super::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    /// Atomic create-if-absent, read after write: S3, GCS, Azure, a local disk, a table with a primary key.
    Exclusive,
    /// The last writer wins, and reads lag behind by up to this many milliseconds: an old Swift.
    Eventual { lag_ms_max: i64 },
}

pub(super) struct Bucket {
    consistency: Consistency,
    /// Digests are kept beside objects.
    keeps_attributes: bool,
    objects: BTreeMap<String, Vec<Version>>,
}

#[derive(Clone)]
struct Version {
    visible_ms: i64,
    bytes: Rc<[u8]>,
    digest: Option<Digest>,
}

/// What a request has changed.
pub(super) struct Change {
    pub key: String,
    pub bytes: Rc<[u8]>,
    /// It stood there before.
    pub replaced: bool,
}

/// What became of a request that arrived.
pub(super) struct Applied {
    pub reply: StoreReply,
    pub change: Option<Change>,
    /// The reply shows an earlier state.
    pub is_stale: bool,
}

// === impl Bucket ===

impl Bucket {
    pub fn new(consistency: Consistency, keeps_attributes: bool) -> Self {
        Self { consistency, keeps_attributes, objects: BTreeMap::new() }
    }

    pub fn apply(&mut self, now_ms: i64, request: StoreRequest, rng: &mut Rng) -> Applied {
        match request {
            StoreRequest::Create { key, bytes, digest } => self.create(now_ms, key, bytes, digest, rng),
            StoreRequest::Get { key } => self
                .read(now_ms, &key, |_, version| StoreReply::Bytes(version.map(|version| Rc::clone(&version.bytes)))),
            StoreRequest::Head { key } => {
                self.read(now_ms, &key, |bucket, version| StoreReply::Info(version.map(|it| bucket.info(it))))
            }
            StoreRequest::List { folder, after, limit } => {
                let prefix = format!("{folder}/");
                let from = after.filter(|after| *after > prefix).unwrap_or_else(|| prefix.clone());
                let above = self.objects.range(from.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
                let listed: Vec<_> = above.filter(|(key, _)| **key > from).collect();
                let visible = listed.iter().filter(|(_, versions)| visible(versions, now_ms).is_some());
                let keys: Vec<String> = visible.take(limit).map(|(key, _)| (*key).clone()).collect();
                let is_stale = keys.len() < listed.len().min(limit);
                Applied { reply: StoreReply::Keys(keys), change: None, is_stale }
            }
            StoreRequest::Folders { folder } => {
                let prefix = format!("{folder}/");
                let below = self.objects.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
                let visible = below.filter(|(_, versions)| visible(versions, now_ms).is_some());
                let names = visible.filter_map(|(key, _)| Some(key[prefix.len()..].split_once('/')?.0.to_owned()));
                let mut names: Vec<String> = names.collect();
                names.dedup();
                Applied { reply: StoreReply::Keys(names), change: None, is_stale: false }
            }
        }
    }

    fn create(&mut self, now_ms: i64, key: String, bytes: Rc<[u8]>, digest: Option<Digest>, rng: &mut Rng) -> Applied {
        let replaced = self.objects.contains_key(&key);
        if replaced && self.consistency == Consistency::Exclusive {
            return Applied { reply: StoreReply::Exists, change: None, is_stale: false };
        }
        let visible_ms = match self.consistency {
            Consistency::Exclusive => now_ms,
            Consistency::Eventual { lag_ms_max } => now_ms + rng.between(0, lag_ms_max + 1),
        };
        let version =
            Version { visible_ms, bytes: Rc::clone(&bytes), digest: digest.filter(|_| self.keeps_attributes) };
        let reply = StoreReply::Created(self.info(&version));
        self.objects.entry(key.clone()).or_default().push(version);
        Applied { reply, change: Some(Change { key, bytes, replaced }), is_stale: false }
    }

    fn read(&self, now_ms: i64, key: &str, reply: impl FnOnce(&Self, Option<&Version>) -> StoreReply) -> Applied {
        let versions = self.objects.get(key);
        let seen = versions.and_then(|versions| visible(versions, now_ms));
        Applied { reply: reply(self, seen), change: None, is_stale: versions.is_some() && seen.is_none() }
    }

    fn info(&self, version: &Version) -> Info {
        let checksum = format!("etag:{:016x}", xxh3_64(&version.bytes));
        Info { size: version.bytes.len() as u64, checksum, digest: version.digest }
    }

    // --- for the oracle and the operator, who see the truth

    pub fn truth(&self, key: &str) -> Option<&Rc<[u8]>> {
        Some(&self.objects.get(key)?.last()?.bytes)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }
}

/// The newest version that readers see by now.
fn visible(versions: &[Version], now_ms: i64) -> Option<&Version> {
    versions.iter().rev().find(|version| version.visible_ms <= now_ms)
}
