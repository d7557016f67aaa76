//! `secor cat`: prints archived records, in the order of batches and, within a batch, file by file.
//!
//! Without Kafka, and without listing data: the ledger names the files (design, section 6). A file gives back what its
//! format kept. Text keeps no offsets; they are known all the same where a file holds every offset of its range, and
//! where they are not, `--offsets` and a start inside a batch are refused rather than guessed. A time begins at the
//! first batch that holds a record at or after it. Dead letters are not mixed in: their files are named on standard
//! error and printed by their URL.

mod records;
mod url;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::time::Duration;

use futures::stream::{StreamExt, TryStreamExt};
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::{Batch, Entry, FileEntry, Kind, ResolvedOutcome};

use self::records::{FileFacts, Mode, Printer};
use super::args::CatArgs;
use super::errors::{Class, CliError};
use super::ledger::known_topic;
use super::target::{At, Source, Target};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::service::settings;
use crate::store;

/// How long `--follow` waits before it looks again.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// Between the printer and standard output, which is line-buffered.
const OUT_BYTES: usize = 64 << 10;

/// # Errors
/// When archive or file can't be read, or do not hold what is asked for.
pub async fn run(args: &CatArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let mode = match (args.json, args.offsets) {
        (true, _) => Mode::Json,
        (false, true) => Mode::Offsets,
        (false, false) => Mode::Values,
    };
    let mut buffered = BufWriter::with_capacity(OUT_BYTES, out);
    let mut printer = Printer::new(&mut buffered, mode, args.records);
    let done = match &args.source {
        Source::Url(url) => url::print(url, config, &mut printer).await,
        Source::Archived(target) => archived(target, args.follow, config, &mut printer).await,
    };
    // what was good before an error is printed too
    let flushed = printer.flush();
    done.and(flushed)
}

async fn archived(target: &Target, waits: bool, config: &Config, printer: &mut Printer<'_>) -> Result<(), CliError> {
    let ledger = Ledger::open(store::open(&settings::store(config))?, &config.ledger).await?;
    known_topic(&ledger, &target.topic).await?;
    follow(&ledger, target, waits, printer).await
}

async fn follow(ledger: &Ledger, target: &Target, follow: bool, printer: &mut Printer<'_>) -> Result<(), CliError> {
    let all = match target.partition {
        Some(partition) => vec![partition],
        None => ledger.known_partitions(&target.topic).await?,
    };
    let mut cursors = Vec::new();
    for partition in all {
        let place = TopicPartition::new(target.topic.as_str(), partition);
        cursors.push(Cursor::begin(ledger, place, target.at, follow).await?);
    }
    loop {
        for cursor in &mut cursors {
            cursor.drain(printer).await?;
            if printer.is_done() {
                return Ok(());
            }
        }
        printer.flush()?;
        if !follow {
            return Ok(());
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

/// Where printing is in one topic partition.
struct Cursor<'a> {
    ledger: &'a Ledger,
    place: TopicPartition,
    generation: Generation,
    next: Offset,
    /// Records below are not wanted.
    from: Offset,
    /// Batches whose records are all older are not wanted; once one was not older, all are.
    from_time: Option<i64>,
    follow: bool,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    async fn begin(ledger: &'a Ledger, place: TopicPartition, at: Option<At>, follow: bool) -> Result<Self, CliError> {
        let chains = ledger.chain_heads(&place).await?;
        let first = ledger.genesis(&place.topic).await?;
        let generation = first.as_ref().map_or(Generation(1), |genesis| genesis.generation);
        let next = first.map_or(Offset::ZERO, |genesis| genesis.start_of(place.partition));
        let cursor = Self { ledger, place, generation, next, from: next, from_time: None, follow };
        match at {
            None => Ok(cursor),
            Some(At::Time(ms)) => Ok(Self { from_time: Some(ms), ..cursor }),
            Some(At::Offset(offset)) => {
                // the newest generation that reaches up to the offset: of a topic that was created again, the new one
                for chain in chains.iter().rev() {
                    let Some(entry) = ledger.floor(&cursor.place, chain.generation, offset).await? else { continue };
                    if !matches!(entry.kind, Kind::Seal(_)) || chain.generation == generation {
                        return Ok(Self { generation: chain.generation, next: entry.start, from: offset, ..cursor });
                    }
                }
                Ok(Self { from: offset.max(cursor.next), ..cursor })
            }
        }
    }

    /// Prints what is archived behind the position.
    async fn drain(&mut self, printer: &mut Printer<'_>) -> Result<(), CliError> {
        loop {
            let slots = self.ledger.slots(&self.place, self.generation, self.next);
            let mut slots = std::pin::pin!(slots.peekable());
            let mut sealed = None;
            while let Some(slot) = slots.as_mut().try_next().await? {
                let entry = slot.entry?;
                if entry.start != self.next {
                    let text =
                        format!("no entry of {} stands at {}, but one at {}", self.place, self.next, entry.start);
                    let hint = format!("`secor verify {}` shows what is wrong", self.place);
                    return Err(CliError::new(Class::Refused, text).with_hint(hint));
                }
                let is_last = slots.as_mut().peek().await.is_none();
                if let Some(batch) = entry.batch()
                    && !self.batch(&entry, batch, is_last, printer).await?
                {
                    return Ok(());
                }
                self.next = entry.end;
                if let Kind::Seal(seal) = entry.kind {
                    sealed = Some((seal.next, entry.topic_id));
                }
                if printer.is_done() {
                    return Ok(());
                }
            }
            let Some((next, topic_id)) = sealed else { return Ok(()) };
            (self.generation, self.next) = (next.generation, next.start);
            // a topic that was created again counts its offsets anew
            if next.topic_id != topic_id {
                self.from = Offset::ZERO;
            }
        }
    }

    /// Prints a batch; false when it is the last one and not complete yet.
    async fn batch(
        &mut self,
        entry: &Entry,
        batch: &Batch,
        is_last: bool,
        printer: &mut Printer<'_>,
    ) -> Result<bool, CliError> {
        if entry.end <= self.from || self.is_too_old(batch) {
            return Ok(true);
        }
        let Some(files) = self.files(entry, batch, is_last).await? else {
            if !self.follow {
                let range = entry.range();
                eprintln!("secor: the last batch {} {range} is not complete yet, and is left out", self.place);
            }
            return Ok(false);
        };
        self.from_time = None;
        let shape = self.ledger.config(&batch.config).await?;
        let from = (self.from > entry.start).then_some(self.from);
        // what cannot be answered is said before anything is printed
        for file in files.iter().filter(|file| !file.dead_letters) {
            let (facts, inside) = FileFacts::of(file, &shape.output, &self.place, from);
            facts.check(printer.mode(), inside)?;
        }
        for file in files {
            if file.dead_letters {
                eprintln!("secor: {} dead letters are in {}/{}", file.records, self.ledger.store(), file.key);
                continue;
            }
            printer.file(self.ledger.store(), &shape.output, file, &self.place, from).await?;
        }
        Ok(true)
    }

    fn is_too_old(&self, batch: &Batch) -> bool {
        let Some(from) = self.from_time else { return false };
        batch.files.iter().all(|file| file.timestamps.is_some_and(|[_, latest]| latest < from))
    }

    /// The batch's files that are there, but for those that a resolution calls absent; `None` when the last batch lacks
    /// one, because it is still being uploaded.
    async fn files<'b>(
        &self,
        entry: &Entry,
        batch: &'b Batch,
        is_last: bool,
    ) -> Result<Option<VecDeque<&'b FileEntry>>, CliError> {
        let mut files = VecDeque::new();
        let mut resolutions = None;
        for file in &batch.files {
            if self.ledger.store().head(&file.key).await?.is_some() {
                files.push_back(file);
                continue;
            }
            if resolutions.is_none() {
                resolutions = Some(self.ledger.resolutions(&self.place, entry.generation, entry.start).await?);
            }
            let mut outcomes = resolutions.iter().flatten().filter_map(|resolution| resolution.outcome(&file.key));
            if outcomes.next_back() == Some(&ResolvedOutcome::Absent) {
                continue;
            }
            if is_last {
                return Ok(None);
            }
            let text = format!("`{}` is missing from {}", file.key, self.ledger.store());
            let hint = format!("`secor verify {}` shows all that is wrong", self.place);
            return Err(CliError::new(Class::Refused, text).with_hint(hint));
        }
        Ok(Some(files))
    }
}
