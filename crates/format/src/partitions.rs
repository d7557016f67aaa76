//! The output partitions of the open batch: from what a record decides on to a small dense number. Where a file is by one
//! schema, an output partition counts once for each.
//!
//! The key of the cache is not the name but what the name is made of (begin of a time bucket, field values), so that
//! nothing is formatted for a record whose output partition has been seen. Several keys may mean one name: two values
//! that are escaped alike, two buckets of one day.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

const SLOTS_MIN: usize = 64;

/// An output partition of the open batch: small and dense, from 0, stable until
/// [`crate::route::Pipeline::forget_partitions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIdx(u32);

#[derive(Debug)]
pub(crate) struct Partitions {
    names: Vec<Name>,
    by_name: BTreeMap<Name, u32>,
    /// All keys, one behind the other.
    keys: Vec<u8>,
    known: Vec<Known>,
    /// Open addressing: index into `known` plus one, 0 for a free slot; at most half full.
    slots: Vec<u32>,
    /// The last key asked for: most records go where the one before them went.
    last: Option<usize>,
}

/// An output partition, and the place of the schema, if files differ by it.
type Name = (String, Option<usize>);

#[derive(Clone, Copy, Debug)]
struct Known {
    hash: u64,
    start: usize,
    len: usize,
    partition: u32,
}

// === impl PartitionIdx ===

impl PartitionIdx {
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Partitions ===

impl Partitions {
    pub(crate) fn new() -> Self {
        Self {
            names: Vec::new(),
            by_name: BTreeMap::new(),
            keys: Vec::new(),
            known: Vec::new(),
            slots: vec![0; SLOTS_MIN],
            last: None,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.by_name.clear();
        self.keys.clear();
        self.known.clear();
        self.slots.clear();
        self.slots.resize(SLOTS_MIN, 0);
        self.last = None;
    }

    pub(crate) fn name(&self, partition: PartitionIdx) -> &str {
        &self.names[partition.0 as usize].0
    }

    /// The place of the schema, if files differ by it.
    pub(crate) fn schema(&self, partition: PartitionIdx) -> Option<usize> {
        self.names[partition.0 as usize].1
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn find(&mut self, key: &[u8]) -> Option<PartitionIdx> {
        if let Some(last) = self.last {
            let last = self.known[last];
            // without templates the key is empty, and comparing nothing with nothing at a dangling address costs a
            // processor a hundred cycles
            if last.len == key.len() && (key.is_empty() || self.key(last) == key) {
                return Some(PartitionIdx(last.partition));
            }
        }
        let hash = xxh3_64(key);
        let mut slot = self.first_slot(hash);
        while self.slots[slot] != 0 {
            let at = self.slots[slot] as usize - 1;
            let known = self.known[at];
            if known.hash == hash && self.key(known) == key {
                self.last = Some(at);
                return Some(PartitionIdx(known.partition));
            }
            slot = (slot + 1) % self.slots.len();
        }
        None
    }

    /// Remembers that `key`, which [`Self::find`] did not find, means `name` and the schema at a place.
    pub(crate) fn insert(&mut self, key: &[u8], name: String, schema: Option<usize>) -> PartitionIdx {
        let number = |len: usize| u32::try_from(len).expect("fewer output partitions than 32 bits can number");
        let name = (name, schema);
        let partition = match self.by_name.get(&name) {
            Some(&partition) => partition,
            None => {
                let partition = number(self.names.len());
                self.names.push(name.clone());
                self.by_name.insert(name, partition);
                partition
            }
        };
        if (self.known.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let known = Known { hash: xxh3_64(key), start: self.keys.len(), len: key.len(), partition };
        self.keys.extend_from_slice(key);
        self.known.push(known);
        self.place(number(self.known.len()), known.hash);
        self.last = Some(self.known.len() - 1);
        PartitionIdx(partition)
    }

    fn key(&self, known: Known) -> &[u8] {
        &self.keys[known.start..known.start + known.len]
    }

    fn grow(&mut self) {
        let slots = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(slots, 0);
        for at in 0..self.known.len() {
            let number = u32::try_from(at + 1).expect("it was numbered when it came");
            self.place(number, self.known[at].hash);
        }
    }

    fn place(&mut self, number: u32, hash: u64) {
        let mut slot = self.first_slot(hash);
        while self.slots[slot] != 0 {
            slot = (slot + 1) % self.slots.len();
        }
        self.slots[slot] = number;
    }

    fn first_slot(&self, hash: u64) -> usize {
        // the table's length is a power of two far below 32 bits
        (hash as u32) as usize % self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_keys_are_found_again_and_share_names() {
        let mut partitions = Partitions::new();
        let key = |i: u32| i.to_le_bytes();
        for i in 0..5_000 {
            assert_eq!(partitions.find(&key(i)), None);
            assert_eq!(partitions.insert(&key(i), format!("p{}", i / 2), None), PartitionIdx(i / 2));
        }
        for i in (0..5_000).rev() {
            assert_eq!(partitions.find(&key(i)), Some(PartitionIdx(i / 2)));
        }
        assert_eq!((partitions.len(), partitions.name(PartitionIdx(7))), (2_500, "p7"));
        partitions.clear();
        assert_eq!(partitions.find(&key(3)), None);
        assert_eq!(partitions.insert(b"", "x".to_owned(), None), PartitionIdx(0));
        assert_eq!(partitions.find(b""), Some(PartitionIdx(0)));
        assert_eq!(partitions.insert(b"7", "x".to_owned(), Some(7)), PartitionIdx(1));
        assert_eq!(partitions.insert(b"07", "x".to_owned(), Some(7)), PartitionIdx(1));
        assert_eq!((partitions.name(PartitionIdx(1)), partitions.schema(PartitionIdx(1))), ("x", Some(7)));
    }
}
