//! `secor lzo-index`: writes the index beside every `.lzo` file, so that Hadoop can split it.
//!
//! An index is a function of compressed bytes, and those are not decided by the manifest (decision 0004). So it is made
//! here, afterwards, from the stored file: that never changes, and who makes its index twice makes the same. A file
//! without index is still read whole, so a run that was killed has harmed nothing, and the next one does the rest.

use std::io::Write;

use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use secor_core::ids::TopicPartition;
use secor_core::shape::Compression;
use secor_format::{LZO_INDEX, lzo_index};

use super::args::LzoIndexArgs;
use super::errors::{Class, CliError};
use super::ledger::known_topic;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::service::settings;
use crate::store::{self, Attributes, Create, Store, object};

const LZO: &str = ".lzo";

/// Files looked at or read at once.
const FILES_IN_FLIGHT: usize = 8;

/// What was done for the files of a partition.
#[derive(Clone, Copy, Default)]
struct Done {
    files: u64,
    written: u64,
}

/// # Errors
/// When archive or ledger can't be read, a file is damaged, or the store's files may still be replaced.
pub async fn run(args: &LzoIndexArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let ledger = Ledger::open(store::open(&settings::store(config))?, &config.ledger).await?;
    if !ledger.files_are_final() {
        let text =
            format!("a slow process may still replace a file in {}, and its index would be another's", ledger.store());
        let hint = "index the files where they are copied to, with hadoop-lzo's LzoIndexer";
        return Err(CliError::new(Class::Refused, text).with_hint(hint));
    }
    let topics = match &args.target {
        Some(target) => {
            known_topic(&ledger, &target.topic).await?;
            vec![target.topic.clone()]
        }
        None => ledger.topics().await?,
    };
    for topic in topics {
        for partition in ledger.known_partitions(&topic).await? {
            if args.target.as_ref().and_then(|target| target.partition).is_some_and(|only| only != partition) {
                continue;
            }
            let place = TopicPartition::new(topic.as_str(), partition);
            let done = index_partition(&ledger, &place).await?;
            if done.files > 0 {
                writeln!(out, "{place}: {} files, {} indexes written", done.files, done.written)?;
            }
        }
    }
    Ok(())
}

async fn index_partition(ledger: &Ledger, place: &TopicPartition) -> Result<Done, CliError> {
    let mut slots = ledger.walk(place);
    let mut done = Done::default();
    while let Some(slot) = slots.try_next().await? {
        let entry = slot.entry?;
        let Some(batch) = entry.batch() else { continue };
        if ledger.config(&batch.config).await?.output.compression != Compression::Lzo {
            continue;
        }
        // Hadoop's readers ask for the extension too
        let files = batch.files.iter().map(|file| &*file.key).filter(|key| key.ends_with(LZO));
        let indexed = futures::stream::iter(files).map(|key| index_file(&**ledger.store(), key));
        let indexed: Vec<Option<bool>> = indexed.buffer_unordered(FILES_IN_FLIGHT).try_collect().await?;
        done.files += indexed.iter().flatten().count() as u64;
        done.written += indexed.iter().flatten().filter(|is_new| **is_new).count() as u64;
    }
    Ok(done)
}

/// Was the index written, or there already? `None` where there is no file: its batch is still being uploaded, or it was
/// resolved.
async fn index_file(store: &dyn Store, key: &str) -> Result<Option<bool>, CliError> {
    let index_key = format!("{key}{LZO_INDEX}");
    if store.head(&index_key).await?.is_some() {
        return Ok(Some(false));
    }
    let Some(reader) = object::open(store, key).await? else { return Ok(None) };
    let failure = reader.failure();
    let index = tokio::task::spawn_blocking(move || lzo_index(reader)).await;
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    let index = index.map_err(|error| CliError::caused_by(Class::Bug, &error))?.map_err(|error| {
        let hint = "`secor verify --deep` shows all that is wrong";
        CliError::caused_by(Class::Refused, &error).while_doing(&format!("`{key}`")).with_hint(hint)
    })?;
    let created = store.create(&index_key, Bytes::from(index).into(), &Attributes::default()).await?;
    Ok(Some(matches!(created, Create::Created(_))))
}
