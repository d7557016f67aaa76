//! An archive seen from outside: the folder that holds it, read as plain files and plain JSON, not by our code.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::python;

/// The archive of one topic in a folder.
pub struct Archive {
    folder: PathBuf,
    topic: String,
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub start: i64,
    pub end: i64,
    /// `batch`, `empty`, `hole` or `seal`.
    pub kind: String,
    /// Why a batch was cut; empty for other kinds.
    pub reason: String,
    pub records: i64,
    /// Keys of the files.
    pub files: Vec<String>,
}

/// What DuckDB found in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub records: i64,
    /// Different values of the field `id`, the smallest and the largest.
    pub ids: i64,
    pub first_id: i64,
    pub last_id: i64,
    pub files: i64,
    /// Lines `dt=YYYY-MM-DD/hr=HH<TAB>N`, sorted.
    pub counts: String,
}

// === impl Archive ===

impl Archive {
    /// `folder` is where the prefix of the store leads.
    pub fn new(folder: impl Into<PathBuf>, topic: &str) -> Self {
        Self { folder: folder.into(), topic: topic.to_owned() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key)
    }

    /// The entries of a partition in its first generation, by start.
    pub fn slots(&self, partition: i32) -> Vec<Slot> {
        let folder = self.entries(partition);
        let Ok(listed) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let paths = listed.map(|entry| entry.expect("the folder can be listed").path());
        let mut slots: Vec<_> = paths.filter_map(|path| slot(&path)).collect();
        slots.sort_by_key(|slot| slot.start);
        slots
    }

    /// The entry that stands under `start`.
    pub fn slot(&self, partition: i32, start: i64) -> Option<Slot> {
        slot(&self.entries(partition).join(format!("{start:020}.json")))
    }

    /// How many of the entry's files are there.
    pub fn stored(&self, slot: &Slot) -> usize {
        slot.files.iter().filter(|key| self.path(key).is_file()).count()
    }

    /// The end of the last entry of each of so many partitions; 0 where there is none.
    pub fn ends(&self, partitions: i32) -> Vec<i64> {
        (0..partitions).map(|partition| self.slots(partition).last().map_or(0, |slot| slot.end)).collect()
    }

    /// The reasons of all cuts of a partition, in order.
    pub fn reasons(&self, partition: i32) -> Vec<String> {
        let batches = self.slots(partition).into_iter().filter(|slot| slot.kind == "batch");
        batches.map(|slot| slot.reason).collect()
    }

    /// What DuckDB finds in the files of the topic, which hold JSON lines with a number `id`. With folders by hour, the
    /// hours are counted, and every record must lie in the folder of its `meta.ts`.
    #[track_caller]
    pub fn read_by_duckdb(&self) -> Found {
        let folder = self.folder.join(&self.topic);
        let said = python("lab/read_archive.py", &[folder.to_str().expect("an ordinary path")]);
        let (summary, counts) = said.split_once('\n').expect("a summary and lines");
        let summary: Value = serde_json::from_str(summary).expect("the summary is JSON");
        let number = |name: &str| summary[name].as_i64().unwrap_or_else(|| panic!("`{name}` in {summary}"));
        assert_eq!(number("misplaced"), 0, "records in the folder of another hour: {summary}");
        Found {
            records: number("records"),
            ids: number("ids"),
            first_id: number("first_id"),
            last_id: number("last_id"),
            files: number("files"),
            counts: counts.to_owned(),
        }
    }

    /// All ids from 0 to `records` are there, each once, says DuckDB.
    #[track_caller]
    pub fn expect_each_once(&self, records: i64) -> Found {
        let found = self.read_by_duckdb();
        let seen = (found.records, found.ids, found.first_id, found.last_id);
        assert_eq!(seen, (records, records, 0, records - 1), "records, different ids, first and last id");
        found
    }

    fn entries(&self, partition: i32) -> PathBuf {
        self.folder.join(format!("_secor/topics/{}/1/{partition:05}/entries", self.topic))
    }
}

/// `None` when it is not there.
fn slot(path: &Path) -> Option<Slot> {
    let text = fs::read(path).ok()?;
    let entry: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| entry[name].as_i64().unwrap_or_default();
    let files = entry["files"].as_array().into_iter().flatten();
    Some(Slot {
        start: number("start"),
        end: number("end"),
        kind: text("kind"),
        reason: text("reason"),
        records: number("records"),
        files: files.filter_map(|file| Some(file["key"].as_str()?.to_owned())).collect(),
    })
}
