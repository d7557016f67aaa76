//! Objects in a topic's folders that no manifest names.
//!
//! A topic's folders are where its manifests put files: a key up to the segment that is the topic's name; and where the
//! default layout would put them, because a manifest may be what is missing. Layouts that hide the topic inside a longer
//! segment have no such folder, and are not searched. Listing is cheap beside the HEAD
//! for each file, so this is part of every audit of whole topics.
//!
//! The archive may grow meanwhile. A manifest is there before its files (R3), so an object that was listed and is not
//! known gets a second chance: the chain is read again before anything is called stray.

use std::collections::{BTreeSet, HashSet};

use futures::stream::TryStreamExt;
use secor_core::ids::TopicPartition;
use secor_format::LZO_INDEX;
use xxhash_rust::xxh3::xxh3_128;

use super::AuditError;
use super::report::{Finding, FindingCode, Place};
use crate::ledger::Ledger;

/// Names that are put into an archive's folders by agreement.
const MARKERS: [&str; 1] = ["_SUCCESS"];

/// Persisted, never change: where dead letters lie, in every layout.
const DEAD_LETTERS: &str = "_dead_letters";

/// Files that have an index beside them.
const LZO: &str = ".lzo";

const PAGE_KEYS: usize = 1000;

/// The keys of a topic's manifests: 16 bytes each, so that millions fit.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    hashes: HashSet<u128>,
    folders: BTreeSet<String>,
}

// === impl KnownKeys ===

impl KnownKeys {
    pub(super) fn insert(&mut self, topic: &str, key: &str) {
        self.hashes.insert(xxh3_128(key.as_bytes()));
        self.insert_folder(topic, key);
    }

    /// Looks where `key` is, without knowing the key itself.
    pub(super) fn insert_folder(&mut self, topic: &str, key: &str) {
        if let Some(folder) = folder_of(topic, key)
            && !self.folders.contains(folder)
        {
            self.folders.insert(folder.to_owned());
        }
    }

    /// An index of LZO belongs to its file.
    fn contains(&self, key: &str) -> bool {
        let file = key.strip_suffix(LZO_INDEX).filter(|file| file.ends_with(LZO)).unwrap_or(key);
        self.hashes.contains(&xxh3_128(file.as_bytes()))
    }
}

/// The findings of one topic, whose partitions were walked into `known`.
pub(super) async fn search(
    ledger: &Ledger,
    topic: &str,
    partitions: &[i32],
    known: &mut KnownKeys,
) -> Result<Vec<Finding>, AuditError> {
    let mut folders = known.folders.clone();
    folders.extend([topic.to_owned(), format!("{DEAD_LETTERS}/{topic}")]);
    let mut candidates = Vec::new();
    for folder in folders {
        let mut after: Option<String> = None;
        loop {
            let page = ledger.store().list(&folder, after.as_deref(), PAGE_KEYS).await?;
            let is_last = page.len() < PAGE_KEYS;
            after = page.last().map(|listed| listed.key.clone());
            candidates.extend(page.into_iter().map(|listed| listed.key).filter(|key| !known.contains(key)));
            if is_last {
                break;
            }
        }
    }
    candidates.retain(|key| !MARKERS.iter().any(|marker| key.rsplit('/').next() == Some(*marker)));
    if !candidates.is_empty() {
        for partition in partitions {
            let mut slots = ledger.walk(&TopicPartition::new(topic, *partition));
            while let Some(slot) = slots.try_next().await? {
                let files = slot.entry.iter().filter_map(|entry| entry.batch()).flat_map(|batch| &batch.files);
                files.for_each(|file| known.insert(topic, &file.key));
            }
        }
        candidates.retain(|key| !known.contains(key));
    }
    let place = Place { topic: topic.to_owned(), ..Place::default() };
    let stray = |key: &String| place.file(FindingCode::Stray, key, "no manifest names it");
    Ok(candidates.iter().map(stray).collect())
}

/// `key` up to the segment that names the topic; Kafka Store's layout appends the generation to it.
fn folder_of<'a>(topic: &str, key: &'a str) -> Option<&'a str> {
    let mut end = 0;
    for segment in key.split('/') {
        end += segment.len();
        let generation = segment.strip_prefix(topic);
        if generation.is_some_and(|rest| rest.is_empty() || is_generation(rest)) {
            return (end < key.len()).then(|| &key[..end]);
        }
        end += 1;
    }
    None
}

fn is_generation(text: &str) -> bool {
    text.strip_prefix(".g").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_folder_ends_with_its_name() {
        let folder = |key| folder_of("clicks", key);
        assert_eq!(folder("clicks/dt=2014-05-01/1_0_00000000000000000100.gz"), Some("clicks"));
        assert_eq!(folder("_dead_letters/clicks/1_0_00000000000000000100.json.gz"), Some("_dead_letters/clicks"));
        assert_eq!(folder("clicks.g2/000001/00000000000000000100"), Some("clicks.g2"));
        assert_eq!(folder("year=2014/clicks/1_0_00000000000000000100"), Some("year=2014/clicks"));
        assert_eq!(folder("clicks.gone/1_0_1"), None);
        assert_eq!(folder("all/clicks-1-0-100.gz"), None);
    }
    #[test]
    fn only_the_index_of_lzo_belongs_to_its_file() {
        let mut known = KnownKeys::default();
        known.insert("clicks", "clicks/1_0_00000000000000000100.lzo");
        known.insert("clicks", "clicks/1_0_00000000000000000100.gz");
        assert!(known.contains("clicks/1_0_00000000000000000100.lzo.index"));
        for key in ["clicks/1_0_00000000000000000100.gz.index", "clicks/1_0_00000000000000000200.lzo.index"] {
            assert!(!known.contains(key), "{key}");
        }
    }
}
