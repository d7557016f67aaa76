//! A small archive in a folder, written as secor would write it, for tests of what reads archives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use secor_core::flush::CutReason;
use secor_core::ids::{Digest, Generation, Offset};
use secor_core::manifest::{Batch, Entry, FileEntry, Genesis, Isolation, Kind, Next, Receipt, Seal, StoredFile, paths};
use secor_core::record::Record;
use secor_core::shape::{BadRecords, Compression, Input, Output, OutputFormat, Shape, Timestamp};
use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary};
use tempfile::TempDir;

use crate::ledger::{Ledger, LedgerSettings};
use crate::store::{self, Attributes, Create, Payload, StoreSettings};

/// An archive of `clicks:0` that is written as secor would: batch after batch, each with its receipt in the next.
pub(crate) struct Archive {
    pub(crate) folder: TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) shape: Shape,
    pub(crate) generation: Generation,
    pub(crate) next: Offset,
    pub(crate) receipt: Option<Receipt>,
}

/// Of the record at offset 0, in milliseconds; each record is one later.
pub(crate) const TIME: i64 = 1_000_000;

pub(crate) fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn shape(format: OutputFormat) -> Shape {
    let output = Output { format, compression: Compression::Gzip, ..Output::default() };
    Shape {
        version: Shape::VERSION,
        input: Input::default(),
        timestamp: Timestamp::default(),
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output,
        layout: "secor".to_owned(),
        bad_records: BadRecords::default(),
    }
}

// === impl Archive ===

impl Archive {
    pub(crate) async fn new(format: OutputFormat) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", folder.path().display());
        let store = store::open(&StoreSettings::at(url)).expect("a store");
        let ledger = Ledger::open_or_create(store, &LedgerSettings::default()).await.expect("a ledger");
        let genesis = Genesis {
            version: 1,
            ledger: ledger.identity().ledger.clone(),
            topic: Arc::from("clicks"),
            topic_id: None,
            cluster: Arc::from("cluster"),
            group: Arc::from("group"),
            generation: Generation(1),
            start: BTreeMap::from([(0, Offset::ZERO)]),
        };
        ledger.create_genesis(&genesis).await.expect("a genesis");
        let shape = shape(format);
        Self { folder, ledger, shape, generation: Generation(1), next: Offset::ZERO, receipt: None }
    }

    /// Three batches of ten records: 0..10, 10..20, 20..30.
    pub(crate) async fn of_three() -> Self {
        let mut archive = Self::new(OutputFormat::Text).await;
        for _ in 0..3 {
            archive.batch(10).await;
        }
        archive
    }

    pub(crate) fn key(&self, start: i64) -> String {
        format!("clicks/{}_0_{start:020}.gz", self.generation)
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    pub(crate) fn entry_path(&self, start: i64) -> PathBuf {
        self.path(&paths::entry("clicks", self.generation, 0, offset(start)))
    }

    pub(crate) fn encode(&self, start: Offset, records: i64, salt: &str) -> (Vec<u8>, FileSummary) {
        let mut codec = Codec::new(&self.shape.output);
        let identity = FileIdentity { topic: Arc::from("clicks"), partition: 0 };
        let mut encoder = FileEncoder::new(&self.shape.output, identity, &codec);
        let mut out = Vec::new();
        for n in start.get()..start.get() + records {
            let value = format!("{{\"n\":{n}}}{salt}");
            let value = Some(value.as_bytes());
            let record = Record { offset: offset(n), timestamp: Some(TIME + n), key: None, value, headers: &[] };
            encoder.append(&record, value, None, &mut codec, &mut out);
        }
        let summary = encoder.finish(&mut codec, &mut out);
        (out, summary)
    }

    pub(crate) async fn batch(&mut self, records: i64) -> Entry {
        let (bytes, summary) = self.encode(self.next, records, "");
        self.batch_with(records, bytes, summary).await
    }

    /// A batch whose manifest says `summary` and whose file holds `bytes`.
    pub(crate) async fn batch_with(&mut self, length: i64, bytes: Vec<u8>, summary: FileSummary) -> Entry {
        let start = self.next;
        let files = vec![file_entry(self.key(start.get()), &summary, false)];
        let entry = self.manifest(length, files).await;
        let digest = Some(summary.records_digest);
        self.upload(&entry, vec![(self.key(start.get()), bytes, digest)]).await;
        entry
    }

    pub(crate) async fn manifest(&mut self, length: i64, files: Vec<FileEntry>) -> Entry {
        let config = self.ledger.store_config(&self.shape).await.expect("stores");
        let batch = Batch {
            reason: CutReason::MaxAge,
            clock: 0,
            isolation: Isolation::ReadCommitted,
            leader_epoch: None,
            config,
            time_zone_data: "2025b".to_owned(),
            schemas: Vec::new(),
            records: files.iter().map(|file| file.records).sum(),
            files,
        };
        self.entry(length, Kind::Batch(batch)).await
    }

    pub(crate) async fn entry(&mut self, length: i64, kind: Kind) -> Entry {
        let entry = Entry {
            version: 1,
            ledger: self.ledger.identity().ledger.clone(),
            topic: Arc::from("clicks"),
            topic_id: None,
            partition: 0,
            generation: self.generation,
            start: self.next,
            end: offset(self.next.get() + length),
            receipt: self.receipt.take(),
            kind,
        };
        self.ledger.create_entry(&entry).await.expect("creates");
        self.next = entry.end;
        entry
    }

    pub(crate) async fn upload(&mut self, entry: &Entry, files: Vec<(String, Vec<u8>, Option<Digest>)>) {
        let mut receipt = Receipt { start: entry.start, files: Vec::new() };
        for (key, bytes, digest) in files {
            let attributes = Attributes { digest, ..Attributes::default() };
            let created = self.ledger.store().create(&key, Payload::Bytes(Bytes::from(bytes)), &attributes).await;
            let Create::Created(info) = created.expect("creates") else { panic!("`{key}` was there") };
            let checksum = info.checksum.expect("a checksum").to_string();
            receipt.files.push(StoredFile { key, size: info.size, checksum });
        }
        self.receipt = Some(receipt);
    }

    pub(crate) async fn seal(&mut self) {
        let next = Next { generation: Generation(self.generation.0 + 1), topic_id: None, start: self.next };
        self.entry(0, Kind::Seal(Seal { next: next.clone() })).await;
        self.generation = next.generation;
    }
}

pub(crate) fn file_entry(key: String, summary: &FileSummary, dead_letters: bool) -> FileEntry {
    FileEntry {
        key,
        records: summary.records,
        first_offset: summary.first_offset,
        last_offset: summary.last_offset,
        timestamps: summary.timestamps,
        event_times: summary.event_times,
        bytes: summary.bytes,
        records_digest: summary.records_digest,
        values_digest: summary.values_digest,
        dead_letters,
        schema: None,
    }
}
