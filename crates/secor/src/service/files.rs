//! The files of a batch in the store: looking at them and creating them (R6).

use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use secor_core::ids::Digest;
use secor_core::manifest::{Entry, FileEntry, Resolution};
use secor_core::partition::{FileState, Inspection, Stored};

use super::failpoint::{self, Point};
use super::trouble::Trouble;
use super::uploads::Found;
use super::world::World;
use crate::store::{Attributes, Class, Create, ObjectInfo, Payload, object};
use crate::worker::{Closed, ClosedFile};

/// Files of one batch on their way at the same time.
const FILES_IN_FLIGHT: usize = 16;

/// How the batch's files stand. Resolutions are only read when the manifest alone does not explain what is there.
pub(super) async fn inspect(world: &World, entry: &Entry) -> Result<Inspection, Trouble> {
    let batch = entry.batch().expect("only batches have files");
    let states: Vec<_> = batch.files.iter().map(|file| look(world, entry, file).boxed()).collect();
    let files: Vec<FileState> = stream::iter(states).buffered(FILES_IN_FLIGHT).try_collect().await?;
    let explained = |(file, state): (&FileEntry, &FileState)| {
        state.stored.as_ref().is_some_and(|stored| stored.records_digest == file.records_digest)
    };
    let resolutions =
        if batch.files.iter().zip(&files).all(explained) { Vec::new() } else { resolutions(world, entry).await? };
    Ok(Inspection { files, resolutions })
}

async fn resolutions(world: &World, entry: &Entry) -> Result<Vec<Resolution>, Trouble> {
    Ok(world.ledger.resolutions(&entry.topic_partition(), entry.generation, entry.start).await?)
}

async fn look(world: &World, entry: &Entry, file: &FileEntry) -> Result<FileState, Trouble> {
    let stored = match world.store.head(&file.key).await? {
        None => None,
        Some(info) => {
            // who relies on a file that another process created makes sure of it first (design, section 5)
            world.store.make_durable(&file.key).await?;
            Some(stored(world, entry, file, info).await?)
        }
    };
    Ok(FileState { key: file.key.clone(), stored })
}

async fn stored(world: &World, entry: &Entry, file: &FileEntry, info: ObjectInfo) -> Result<Stored, Trouble> {
    let checksum = match info.checksum {
        Some(checksum) => checksum,
        None => {
            let gone = || Trouble::Later(format!("`{}` was there a moment ago", file.key));
            world.store.checksum(&file.key).await?.ok_or_else(gone)?
        }
    };
    let records_digest = match info.attributes.digest {
        Some(digest) => digest,
        None => digest_of_content(world, entry, file).await?,
    };
    Ok(Stored { size: info.size, checksum: checksum.to_string(), records_digest })
}

/// A store that keeps no attributes: the content itself says whose it is. What a format does not keep cannot be
/// compared, but what it keeps (the values at least, and how many) must be the manifest's or a resolution's.
async fn digest_of_content(world: &World, entry: &Entry, file: &FileEntry) -> Result<Digest, Trouble> {
    let batch = entry.batch().expect("only batches have files");
    let shape = world.ledger.config(&batch.config).await?;
    let Some(reader) = object::open(&*world.store, &file.key).await? else {
        return Err(Trouble::Later(format!("`{}` was there a moment ago", file.key)));
    };
    let (failure, dead_letters) = (reader.failure(), file.dead_letters);
    let read =
        tokio::task::spawn_blocking(move || secor_format::digest_file(&shape.output, dead_letters, reader)).await;
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    // what cannot be read as the format it should be is nobody's file
    let Ok(found) = read.map_err(|error| Trouble::Later(error.to_string()))? else {
        return Ok(Digest(0));
    };
    if (found.records, found.values_digest) == (file.records, file.values_digest) {
        return Ok(file.records_digest);
    }
    let resolved =
        resolutions(world, entry).await?.into_iter().find_map(|resolution| match resolution.outcome(&file.key)? {
            secor_core::manifest::ResolvedOutcome::Subset { records, records_digest, values_digest }
                if (found.records, found.values_digest) == (*records, *values_digest) =>
            {
                Some(*records_digest)
            }
            _ => None,
        });
    Ok(resolved.unwrap_or(Digest(0)))
}

/// Creates the named files from what is staged. Answers how they stand, whoever created them.
pub(super) async fn upload(
    world: &World,
    entry: &Entry,
    keys: &[String],
    staged: &tokio::sync::Mutex<Closed>,
) -> Result<Inspection, Trouble> {
    let mut staged = staged.lock().await;
    let batch = entry.batch().expect("only batches have files");
    let wanted: Vec<_> = staged
        .files
        .iter_mut()
        .filter(|(key, _)| keys.contains(key))
        .map(|(key, file)| (batch.file(key).expect("what is staged stands in the manifest"), file))
        .collect();
    let uploads: Vec<_> =
        wanted.into_iter().map(|(file, closed)| upload_one(world, entry, file, closed).boxed()).collect();
    let files = stream::iter(uploads).buffered(FILES_IN_FLIGHT).try_collect().await?;
    Ok(Inspection { files, resolutions: Vec::new() })
}

async fn upload_one(
    world: &World,
    entry: &Entry,
    file: &FileEntry,
    closed: &mut ClosedFile,
) -> Result<FileState, Trouble> {
    let payload: Payload = closed.staged.payload()?;
    let attributes = Attributes { digest: Some(closed.records_digest), ..Attributes::default() };
    if !world.ledger.files_are_final()
        && let there @ FileState { stored: Some(_), .. } = look(world, entry, file).await?
    {
        // `create` may overwrite: what is there is looked at first, so that a foreign file is refused and not replaced
        return Ok(there);
    }
    let turn = world.uploads.turn(&entry.topic_partition()).await;
    let created = world.store.create(&file.key, payload, &attributes).await;
    turn.learn(match &created {
        Err(error) if error.class == Class::Unavailable => Found::InTrouble,
        _ => Found::Well,
    });
    let created = created.inspect_err(|_| {
        metrics::counter!("uploader_upload_failures_total", "topic" => entry.topic.to_string()).increment(1);
    })?;
    failpoint::reached(Point::EachFile);
    let stored = match created {
        Create::Created(info) => {
            metrics::counter!("uploader_file_uploads_count_total", "topic" => entry.topic.to_string()).increment(1);
            let checksum = info.checksum.ok_or_else(|| Trouble::Later("the store gave no checksum".to_owned()))?;
            let (size, records_digest) = (info.size, closed.records_digest);
            Some(Stored { size, checksum: checksum.to_string(), records_digest })
        }
        Create::Exists(info) => {
            world.store.make_durable(&file.key).await?;
            Some(stored(world, entry, file, info).await?)
        }
    };
    Ok(FileState { key: file.key.clone(), stored })
}
