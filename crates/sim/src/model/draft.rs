//! From records to a manifest: output partitions, names and digests, as the real worker makes them.

use std::collections::BTreeMap;

use secor_core::flush::CutReason;
use secor_core::ids::{ConfigHash, Digest, Generation, Offset};
use secor_core::manifest::{Batch, FileEntry, Isolation};
use secor_core::partition::Stored;
use secor_core::record::{Record, RecordDigests};

use crate::model::log::RecordId;

/// The output-shaping configuration: record `i` goes to output partition `i % partitions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub partitions: usize,
    pub extension: &'static str,
    /// The batch's clock value, in seconds, is an output partition too.
    pub clocked: bool,
}

/// What a batch's names are made of, beside its records.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    pub generation: Generation,
    pub start: Offset,
    pub clock: i64,
}

/// How a batch came to be.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub reason: CutReason,
    pub clock: i64,
    pub isolation: Isolation,
    /// Of the last record.
    pub leader_epoch: Option<i32>,
}

/// The files of a batch: key and records.
pub type Routed = BTreeMap<String, Vec<RecordId>>;

impl Layout {
    #[must_use]
    pub fn hash(&self) -> ConfigHash {
        ConfigHash::of(format!("{self:?}").as_bytes())
    }

    /// Secor's names.
    #[must_use]
    pub fn key(&self, naming: Naming, record: RecordId) -> String {
        let Naming { generation, start, clock } = naming;
        let partition = record.offset.get() % i64::try_from(self.partitions).expect("few output partitions");
        let clock = if self.clocked { format!("/s={}", clock / 1_000) } else { String::new() };
        format!("clicks/p={partition}{clock}/{generation}_0_{:020}{}", start.get(), self.extension)
    }

    #[must_use]
    pub fn route(&self, naming: Naming, records: &[RecordId]) -> Routed {
        let mut routed = Routed::new();
        for record in records {
            routed.entry(self.key(naming, *record)).or_default().push(*record);
        }
        routed
    }

    #[must_use]
    pub fn batch(&self, routed: &Routed, cut: Cut) -> Batch {
        let Cut { reason, clock, isolation, leader_epoch } = cut;
        let files: Vec<_> = routed.iter().map(|(key, records)| file_entry(key, records)).collect();
        Batch {
            reason,
            clock,
            isolation,
            leader_epoch,
            config: self.hash(),
            time_zone_data: "2025b".to_owned(),
            schemas: Vec::new(),
            records: files.iter().map(|file| file.records).sum(),
            files,
        }
    }
}

/// The digests of records and of values.
#[must_use]
pub fn digests(records: &[RecordId]) -> (Digest, Digest) {
    let mut digests = RecordDigests::new();
    for id in records {
        let epoch = i64::from(id.epoch);
        let incarnation = i64::try_from(id.incarnation).expect("few topics");
        let value = [incarnation.to_le_bytes(), id.offset.get().to_le_bytes(), epoch.to_le_bytes()].concat();
        digests.push(&Record {
            offset: id.offset,
            timestamp: Some(0),
            key: None,
            value: Some(value.as_slice()),
            headers: &[],
        });
    }
    (digests.records(), digests.values())
}

/// A file as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct File {
    pub records: Vec<RecordId>,
    pub stored: Stored,
}

/// A file as the store keeps it.
#[must_use]
pub fn stored(records: &[RecordId]) -> File {
    let (records_digest, _) = digests(records);
    let stored = Stored { size: records.len() as u64, checksum: records_digest.to_string(), records_digest };
    File { records: records.to_vec(), stored }
}

fn file_entry(key: &str, records: &[RecordId]) -> FileEntry {
    let (records_digest, values_digest) = digests(records);
    FileEntry {
        key: key.to_owned(),
        records: records.len() as u64,
        first_offset: records.first().expect("a file has a record").offset,
        last_offset: records.last().expect("a file has a record").offset,
        timestamps: Some([0, 0]),
        event_times: None,
        bytes: records.len() as u64,
        records_digest,
        values_digest,
        dead_letters: false,
        schema: None,
    }
}
