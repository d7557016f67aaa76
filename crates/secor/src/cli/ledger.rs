//! `secor ledger`: looks into the ledger, creates it where no process may do so by itself, and moves it.

use std::io::Write;
use std::sync::Arc;

use futures::stream::TryStreamExt;
use secor_core::ids::TopicPartition;
use secor_core::manifest::{Entry, Kind};
use serde_json::json;

use super::args::{LedgerArgs, LedgerCommand, LedgerInitArgs, LedgerListArgs, LedgerSyncArgs};
use super::errors::{Class, CliError};
use super::ledger_move;
use crate::audit::align;
use crate::config::Config;
use crate::index::{Index, IndexError};
use crate::ledger::{ChainHead, Ledger, LedgerError};
use crate::service::settings;
use crate::store::{self, Store};

/// # Errors
/// When the ledger can't be read, or knows no such topic.
pub async fn run(args: &LedgerArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let store = store::open(&settings::store(config))?;
    match &args.command {
        LedgerCommand::List(args) => list(args, &Ledger::open(store, &config.ledger).await?, out).await,
        LedgerCommand::Sync(args) => sync(args, &Ledger::open(store, &config.ledger).await?, config, out).await,
        LedgerCommand::Init(LedgerInitArgs {}) => init(store, config, out).await,
        LedgerCommand::Move(args) => ledger_move::run(args, store, config, out).await,
    }
}

async fn init(store: Arc<dyn Store>, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let there = match Ledger::open(Arc::clone(&store), &config.ledger).await {
        Err(LedgerError::Absent(_)) => None,
        opened => Some(opened?),
    };
    let (ledger, word) = match there {
        Some(ledger) => (ledger, "is there already"),
        None => (Ledger::init(store, &config.ledger).await?, "created"),
    };
    writeln!(out, "ledger {} in {} for {}: {word}", ledger.identity().ledger, ledger.place(), ledger.store())?;
    Ok(())
}

/// One line for each topic partition.
async fn sync(args: &LedgerSyncArgs, ledger: &Ledger, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(url) = &config.index.url else {
        let what = "the configuration has no index";
        return Err(CliError::new(Class::Configuration, what).with_hint("set `url` in `[index]`"));
    };
    let index = Index::new(url).map_err(IndexError::from)?;
    let topics = match &args.target {
        Some(target) => {
            known_topic(ledger, &target.topic).await?;
            vec![target.topic.clone()]
        }
        None => ledger.topics().await?,
    };
    for topic in topics {
        let mut partitions = ledger.known_partitions(&topic).await?;
        if let Some(only) = args.target.as_ref().and_then(|target| target.partition) {
            partitions.retain(|partition| *partition == only);
        }
        for partition in partitions {
            let tp = TopicPartition::new(topic.as_str(), partition);
            let synced = index.sync(ledger, &tp).await?;
            writeln!(out, "{tp}: {} batches, {} files", synced.batches, synced.files)?;
        }
    }
    Ok(())
}

async fn list(args: &LedgerListArgs, ledger: &Ledger, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.target {
        None => list_chains(args, ledger, &ledger.topics().await?, out).await,
        Some(target) => {
            let place = TopicPartition::new(target.topic.as_str(), target.partition.unwrap_or_default());
            known_topic(ledger, &place.topic).await?;
            match target.partition {
                None => list_chains(args, ledger, std::slice::from_ref(&target.topic), out).await,
                Some(_) => list_entries(args, ledger, &place, out).await,
            }
        }
    }
}

/// Fails with the topics that there are when `topic` is none of them.
pub(super) async fn known_topic(ledger: &Ledger, topic: &str) -> Result<(), CliError> {
    if ledger.genesis(topic).await?.is_some() {
        return Ok(());
    }
    let text = format!("the ledger at {} knows no topic `{topic}`", ledger.store());
    Err(CliError::new(Class::Configuration, text).with_hint("`secor ledger list` shows the topics that it knows"))
}

/// One line for each generation of each partition: two or three requests, however long the chain is.
async fn list_chains(
    args: &LedgerListArgs,
    ledger: &Ledger,
    topics: &[String],
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let headings = ["topic", "partition", "generation", "start", "end", "last entry"].map(str::to_owned);
    let mut rows = vec![headings];
    for topic in topics {
        for partition in ledger.known_partitions(topic).await? {
            let place = TopicPartition::new(topic.as_str(), partition);
            let mut start = ledger.genesis(topic).await?.map(|genesis| genesis.start_of(partition));
            for ChainHead { generation, head } in ledger.chain_heads(&place).await? {
                let end = head.as_ref().map(|entry| entry.end).or(start);
                let last = head.as_ref().map(|entry| entry.kind.as_str());
                if args.json {
                    let line = json!({
                        "topic": topic, "partition": partition, "generation": generation,
                        "start": start, "end": end, "last_entry": last,
                    });
                    writeln!(out, "{line}")?;
                } else {
                    let number = |offset: Option<_>| {
                        offset.map_or_else(|| "-".to_owned(), |it: secor_core::ids::Offset| it.to_string())
                    };
                    rows.push([
                        topic.clone(),
                        partition.to_string(),
                        generation.to_string(),
                        number(start),
                        number(end),
                        last.unwrap_or("none").to_owned(),
                    ]);
                }
                if let Some(Kind::Seal(seal)) = head.map(|entry| entry.kind) {
                    start = Some(seal.next.start);
                }
            }
        }
    }
    if !args.json {
        out.write_all(align(&rows).as_bytes())?;
    }
    Ok(())
}

async fn list_entries(
    args: &LedgerListArgs,
    ledger: &Ledger,
    place: &TopicPartition,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut slots = ledger.walk(place);
    if !args.json {
        let names = ["start", "end", "generation", "kind", "reason", "records", "files"];
        writeln!(
            out,
            "{:>20}  {:>20}  {:>10}  {:<5}  {:<15}  {:>12}  {:>6}",
            names[0], names[1], names[2], names[3], names[4], names[5], names[6]
        )?;
    }
    while let Some(slot) = slots.try_next().await? {
        let entry = slot.entry?;
        if args.json {
            writeln!(out, "{}", line(&entry))?;
        } else {
            let (records, files) = entry.batch().map_or((0, 0), |batch| (batch.records, batch.files.len()));
            let Entry { start, end, generation, kind, .. } = &entry;
            let (word, reason) = (kind.as_str(), reason(kind));
            writeln!(
                out,
                "{start:>20}  {end:>20}  {generation:>10}  {word:<5}  {reason:<15}  {records:>12}  {files:>6}"
            )?;
        }
    }
    Ok(())
}

fn line(entry: &Entry) -> serde_json::Value {
    let files: Vec<_> = entry.batch().iter().flat_map(|batch| &batch.files).map(|file| json!(file.key)).collect();
    json!({
        "topic": &*entry.topic,
        "partition": entry.partition,
        "generation": entry.generation,
        "start": entry.start,
        "end": entry.end,
        "kind": entry.kind.as_str(),
        "reason": reason(&entry.kind),
        "records": entry.batch().map_or(0, |batch| batch.records),
        "files": files,
    })
}

fn reason(kind: &Kind) -> String {
    match kind {
        Kind::Batch(batch) => batch.reason.as_str().to_owned(),
        Kind::Empty => String::new(),
        Kind::Hole(hole) => hole.reason.as_str().to_owned(),
        Kind::Seal(seal) => format!("next is {}", seal.next.generation),
    }
}
