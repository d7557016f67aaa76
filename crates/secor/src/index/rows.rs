//! From the ledger's entries to rows: where they end, what is missing, all of them anew.

use secor_core::ids::{Generation, LedgerId, Offset, TopicPartition};
use secor_core::manifest::{Entry, FileEntry, Genesis, Kind, Resolution, ResolvedOutcome};

use super::feed::Reached;
use super::{Index, IndexError};
use crate::ledger::Ledger;
use crate::sql::{Class, Dialect, SqlError, Value};

/// What [`Index::sync`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub batches: u64,
    pub files: u64,
}

/// The slot behind the rows of a topic partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub generation: Generation,
    pub next: Offset,
}

/// A file as it is stored.
struct Stored {
    size: u64,
    checksum: Option<String>,
}

const INSERT: &str = "\
INSERT INTO secor_files (ledger_id, file_key, topic, kafka_partition, generation, batch_start, batch_end, first_offset, \
last_offset, records, bytes, size, checksum, timestamp_min, timestamp_max, event_time_min, event_time_max, dead_letters) \
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

// === impl Index ===

impl Index {
    /// Makes the rows of a topic partition anew, up to the last batch that is complete.
    ///
    /// # Errors
    /// When ledger, store or database can't be asked. Rows that were there before may be gone then: sync again.
    pub async fn sync(&self, ledger: &Ledger, tp: &TopicPartition) -> Result<Synced, IndexError> {
        self.prepare().await?;
        let id = &ledger.identity().ledger;
        let statement = "DELETE FROM secor_files WHERE ledger_id = ? AND topic = ? AND kafka_partition = ?";
        self.database.query(statement, &of(id, tp)).await?;
        let mut synced = Synced::default();
        if let Some(genesis) = ledger.genesis(&tp.topic).await? {
            self.follow(ledger, tp, beginning(&genesis, tp.partition), None, &mut synced).await?;
        }
        Ok(synced)
    }

    /// Where the rows of a topic partition end; where its chain begins if there are none.
    pub(super) async fn position(&self, ledger: &Ledger, tp: &TopicPartition) -> Result<Option<Position>, IndexError> {
        let text = if self.database.dialect() == Dialect::MySql { "CHAR" } else { "TEXT" };
        let statement = format!(
            "SELECT CAST(generation AS {text}), CAST(batch_end AS {text}) FROM secor_files WHERE ledger_id = ? AND \
             topic = ? AND kafka_partition = ? ORDER BY secor_files.generation DESC, secor_files.batch_end DESC LIMIT 1"
        );
        let rows = self.database.query(&statement, &of(&ledger.identity().ledger, tp)).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(ledger.genesis(&tp.topic).await?.map(|genesis| beginning(&genesis, tp.partition)));
        };
        let number =
            |column: usize| -> Option<i64> { std::str::from_utf8(row.get(column)?.as_deref()?).ok()?.parse().ok() };
        let position = number(0).and_then(|generation| u32::try_from(generation).ok()).zip(number(1)).and_then(
            |(generation, end)| Some(Position { generation: Generation(generation), next: Offset::new(end).ok()? }),
        );
        position.map(Some).ok_or_else(|| IndexError::Foreign(tp.to_string()))
    }

    /// Adds the rows of complete batches from `position` on, up to `until` if it is given: the generation and the end of a
    /// batch that is known to be complete. Returns where it came to.
    pub(super) async fn follow(
        &self,
        ledger: &Ledger,
        tp: &TopicPartition,
        mut position: Position,
        until: Option<Reached>,
        synced: &mut Synced,
    ) -> Result<Position, IndexError> {
        let mut entry = ledger.entry(tp, position.generation, position.next).await?;
        while let Some(current) = entry {
            if let Kind::Seal(seal) = &current.kind {
                position = Position { generation: seal.next.generation, next: seal.next.start };
                entry = ledger.entry(tp, position.generation, position.next).await?;
                continue;
            }
            let successor = ledger.entry(tp, position.generation, current.end).await?;
            // an entry proves the batch before it complete (R8), and so does its own commit (R7)
            let complete = successor.is_some() || until.is_some_and(|until| (current.generation, current.end) <= until);
            if !complete && current.batch().is_some() && !self.is_stored(ledger, &current).await? {
                break;
            }
            self.add(ledger, &current, successor.as_ref(), synced).await?;
            position.next = current.end;
            entry = successor;
        }
        Ok(position)
    }

    /// Are all files of a last batch there?
    async fn is_stored(&self, ledger: &Ledger, entry: &Entry) -> Result<bool, IndexError> {
        for file in entry.batch().iter().flat_map(|batch| &batch.files) {
            if ledger.store().head(&file.key).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn add(
        &self,
        ledger: &Ledger,
        entry: &Entry,
        successor: Option<&Entry>,
        synced: &mut Synced,
    ) -> Result<(), IndexError> {
        let Some(batch) = entry.batch() else { return Ok(()) };
        let resolutions = ledger.resolutions(&entry.topic_partition(), entry.generation, entry.start).await?;
        synced.batches += 1;
        for file in &batch.files {
            let Some(stored) = stored(ledger, file, successor).await? else { continue };
            self.insert(entry, file, records(file, &resolutions), &stored).await?;
            synced.files += 1;
        }
        Ok(())
    }

    async fn insert(&self, entry: &Entry, file: &FileEntry, records: u64, stored: &Stored) -> Result<(), IndexError> {
        let time = |times: Option<[i64; 2]>, which: usize| {
            times.map_or(Value::NoInteger, |times| Value::Integer(times[which]))
        };
        let values = [
            Value::Text(&entry.ledger.0),
            Value::Text(&file.key),
            Value::Text(&entry.topic),
            Value::Integer(entry.partition.into()),
            Value::Integer(entry.generation.0.into()),
            Value::Integer(entry.start.get()),
            Value::Integer(entry.end.get()),
            Value::Integer(file.first_offset.get()),
            Value::Integer(file.last_offset.get()),
            Value::Integer(signed(records)),
            Value::Integer(signed(file.bytes)),
            Value::Integer(signed(stored.size)),
            stored.checksum.as_deref().map_or(Value::NoText, Value::Text),
            time(file.timestamps, 0),
            time(file.timestamps, 1),
            time(file.event_times, 0),
            time(file.event_times, 1),
            Value::Integer(file.dead_letters.into()),
        ];
        match self.database.query(INSERT, &values).await {
            // another process was here first
            Ok(_) | Err(SqlError { class: Class::Taken, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// As the receipt says, else as the store says; `None` for a file that is not there, which a resolution explains.
async fn stored(ledger: &Ledger, file: &FileEntry, successor: Option<&Entry>) -> Result<Option<Stored>, IndexError> {
    if let Some(receipt) = successor.and_then(|entry| entry.receipt.as_ref()) {
        let stored = receipt.files.iter().find(|stored| stored.key == file.key);
        return Ok(stored.map(|stored| Stored { size: stored.size, checksum: Some(stored.checksum.clone()) }));
    }
    let info = ledger.store().head(&file.key).await?;
    Ok(info.map(|info| Stored { size: info.size, checksum: info.checksum.map(|checksum| checksum.to_string()) }))
}

/// How many records the file holds, after what was resolved last (R12).
fn records(file: &FileEntry, resolutions: &[Resolution]) -> u64 {
    let last = resolutions.iter().rev().find_map(|resolution| resolution.outcome(&file.key));
    match last {
        Some(ResolvedOutcome::Subset { records, .. }) => *records,
        Some(ResolvedOutcome::Absent) | None => file.records,
    }
}

fn beginning(genesis: &Genesis, partition: i32) -> Position {
    Position { generation: genesis.generation, next: genesis.start_of(partition) }
}

fn of<'a>(ledger: &'a LedgerId, tp: &'a TopicPartition) -> [Value<'a>; 3] {
    [Value::Text(&ledger.0), Value::Text(&tp.topic), Value::Integer(tp.partition.into())]
}

/// Counts of one file stay far below what the type of the column holds.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
