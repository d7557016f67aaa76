//! `secor locate`: names the file that holds a record. The ledger answers, without Kafka and without listing data.

use std::io::Write;

use secor_core::ids::{Offset, OffsetRange, TopicPartition};
use secor_core::manifest::{Batch, Entry, FileEntry, Kind, ResolvedOutcome};
use serde_json::{Value, json};

use super::args::LocateArgs;
use super::errors::{Class, CliError};
use super::ledger::known_topic;
use crate::config::Config;
use crate::ledger::{ChainHead, Ledger};
use crate::service::settings;
use crate::store;

/// # Errors
/// [`Class::Found`] when no file holds the offset; or when the ledger can't be read.
pub async fn run(args: &LocateArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let ledger = Ledger::open(store::open(&settings::store(config))?, &config.ledger).await?;
    let (place, offset) = &args.record;
    known_topic(&ledger, &place.topic).await?;
    let heads = ledger.chain_heads(place).await?;
    let mut entries = Vec::new();
    // a topic that was created again has the same offsets twice: each generation is asked
    for ChainHead { generation, .. } in &heads {
        let entry = ledger.floor(place, *generation, *offset).await?;
        entries.extend(entry.filter(|entry| entry.range().contains(*offset)));
    }
    if entries.is_empty() {
        let text = not_archived(&ledger, place, *offset, &heads).await?;
        return Err(CliError::new(Class::Found, text));
    }
    let mut held = false;
    for entry in &entries {
        let found = Found::of(&ledger, entry, *offset).await?;
        held |= !found.files.is_empty();
        if args.json { writeln!(out, "{}", found.json())? } else { found.print(&ledger, out)? }
    }
    if held {
        return Ok(());
    }
    Err(CliError::new(Class::Found, format!("no file holds {place}@{offset}")))
}

async fn not_archived(
    ledger: &Ledger,
    place: &TopicPartition,
    offset: Offset,
    heads: &[ChainHead],
) -> Result<String, CliError> {
    let start = ledger.genesis(&place.topic).await?.map(|genesis| genesis.start_of(place.partition));
    let end = heads.iter().rev().find_map(|chain| chain.head.as_ref()).map(|entry| entry.end);
    Ok(match (start, end) {
        (Some(start), _) if offset < start => {
            format!("{place}@{offset} is before the archive, which begins at {start}")
        }
        (_, Some(end)) if offset >= end => format!("{place}@{offset} is not archived yet: the archive ends at {end}"),
        (_, Some(_)) => format!("no entry covers {place}@{offset}: `secor verify {place}` shows what is wrong"),
        (_, None) => format!("{place}@{offset} is not archived: the partition has no entry yet"),
    })
}

/// An entry that covers the offset, and its files that may hold the record.
struct Found<'a> {
    entry: &'a Entry,
    offset: Offset,
    files: Vec<&'a FileEntry>,
    /// There is one candidate, and every offset in its range has a record.
    certain: bool,
}

// === impl Found ===

impl<'a> Found<'a> {
    async fn of(ledger: &Ledger, entry: &'a Entry, offset: Offset) -> Result<Self, CliError> {
        let mut found = Self { entry, offset, files: Vec::new(), certain: false };
        let Some(batch) = entry.batch() else { return Ok(found) };
        let resolutions = ledger.resolutions(&entry.topic_partition(), entry.generation, entry.start).await?;
        let absent = |file: &FileEntry| {
            let mut outcomes = resolutions.iter().filter_map(|resolution| resolution.outcome(&file.key));
            outcomes.next_back() == Some(&ResolvedOutcome::Absent)
        };
        let covers = |file: &&FileEntry| file.first_offset <= offset && offset <= file.last_offset;
        found.files = batch.files.iter().filter(covers).filter(|file| !absent(file)).collect();
        found.certain = matches!(found.files.as_slice(), [file] if is_dense(file, batch, entry.range()));
        Ok(found)
    }

    fn print(&self, ledger: &Ledger, out: &mut dyn Write) -> Result<(), CliError> {
        let Entry { start, end, generation, kind, .. } = self.entry;
        let place = self.entry.topic_partition();
        let offset = self.offset;
        let what = match kind {
            Kind::Batch(_) if self.files.is_empty() => {
                "a batch that has no record there: a marker, or a record that was aborted or compacted away"
            }
            Kind::Batch(_) if self.certain => "a batch",
            Kind::Batch(_) if self.files.len() == 1 => "a batch; if it is a record, this file holds it",
            Kind::Batch(_) => "a batch; if it is a record, one of these files holds it",
            Kind::Empty => "a stretch without records: markers, or records that were aborted or compacted away",
            Kind::Hole(_) => "a recorded hole: it was gone before it could be archived",
            Kind::Seal(_) => "a seal",
        };
        writeln!(out, "{place}@{offset} lies in {start}..{end} of generation {generation}, {what}")?;
        for file in &self.files {
            let note = if file.dead_letters { "  (dead letters)" } else { "" };
            writeln!(out, "{}/{}{note}", ledger.store(), file.key)?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let file = |file: &&FileEntry| {
            json!({
                "key": file.key, "records": file.records, "first_offset": file.first_offset,
                "last_offset": file.last_offset, "dead_letters": file.dead_letters,
            })
        };
        json!({
            "topic": &*self.entry.topic,
            "partition": self.entry.partition,
            "offset": self.offset,
            "generation": self.entry.generation,
            "start": self.entry.start,
            "end": self.entry.end,
            "kind": self.entry.kind.as_str(),
            "certain": self.certain,
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
        })
    }
}

fn is_dense(file: &FileEntry, batch: &Batch, range: OffsetRange) -> bool {
    let span = OffsetRange::new(file.first_offset, file.last_offset.next()).len();
    file.records == span || batch.records == range.len()
}
