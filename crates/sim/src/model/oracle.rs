//! What must hold, whatever happened: looked at after every step, in terms of the world and not of the machine.

use std::collections::{BTreeMap, BTreeSet};

use secor_core::ids::Offset;
use secor_core::manifest::{Entry, FileEntry, HoleReason, Kind, Resolution, ResolutionReason, ResolvedOutcome};

use crate::model::draft::{File, digests};
use crate::model::log::{RecordId, Slot};
use crate::model::world::World;

/// Where the chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    pub end: Offset,
    /// Of the chain's topic.
    pub incarnation: usize,
    /// The last entry is complete, or there is none.
    pub complete: bool,
}

/// # Errors
/// The first promise that is broken, in words.
pub fn check(world: &World) -> Result<(), String> {
    if let Some(what) = world.changed.first() {
        return Err(format!("{what} was changed"));
    }
    let chain = chain(world)?;
    if chain.len() != world.entries.len() {
        return Err(format!("{} entries, but the chain has {}", world.entries.len(), chain.len()));
    }
    for (index, entry) in chain.iter().enumerate() {
        covers_its_range(world, entry, &chain[..index])?;
        if index + 1 < chain.len() && !complete(world, entry) {
            return Err(format!("the batch {} has a successor, but is incomplete", entry.range()));
        }
    }
    for resolution in world.resolutions.values() {
        resolution_is_true(world, resolution)?;
    }
    commits_are_true(world)?;
    each_file_is_explained(world, &chain)
}

/// The chain of all generations, from the genesis on.
///
/// # Errors
/// When there are entries without a genesis, or an entry does not fit.
pub fn chain(world: &World) -> Result<Vec<&Entry>, String> {
    let Some(genesis) = &world.genesis else {
        return if world.entries.is_empty() { Ok(Vec::new()) } else { Err("entries without a genesis".to_owned()) };
    };
    let (mut generation, mut at, mut topic_id) = (genesis.generation, genesis.start_of(0), genesis.topic_id.clone());
    let mut chain = Vec::new();
    while let Some(entry) = world.entries.get(&(generation, at)) {
        if entry.topic_id != topic_id {
            return Err(format!("the entry {} of generation {generation} has another topic id", entry.range()));
        }
        chain.push(entry);
        if let Kind::Seal(seal) = &entry.kind {
            if seal.next.generation <= generation {
                return Err(format!("the seal of generation {generation} leads back"));
            }
            (generation, at, topic_id) = (seal.next.generation, seal.next.start, seal.next.topic_id.clone());
        } else if entry.end <= at {
            return Err(format!("the entry at {at} has no length"));
        } else {
            at = entry.end;
        }
    }
    Ok(chain)
}

/// # Errors
/// As [`chain`].
pub fn tip(world: &World) -> Result<Option<Tip>, String> {
    let Some(genesis) = &world.genesis else {
        return Ok(None);
    };
    let chain = chain(world)?;
    let (end, topic_id) = match chain.last() {
        None => (genesis.start_of(0), &genesis.topic_id),
        Some(Entry { kind: Kind::Seal(seal), .. }) => (seal.next.start, &seal.next.topic_id),
        Some(entry) => (entry.end, &entry.topic_id),
    };
    let incarnation = topic_id.as_ref().and_then(|id| world.log.incarnation_of(id)).ok_or("an unknown topic id")?;
    Ok(Some(Tip { end, incarnation, complete: chain.last().is_none_or(|entry| complete(world, entry)) }))
}

/// Every file of the entry is settled (R6).
#[must_use]
pub fn complete(world: &World, entry: &Entry) -> bool {
    let Some(batch) = entry.batch() else {
        return true;
    };
    let resolutions = world.resolutions_of(entry);
    batch.files.iter().all(|file| match world.files.get(&file.key) {
        Some(stored) => explained(file, stored, &resolutions),
        None => resolutions.iter().any(|r| r.outcome(&file.key) == Some(&ResolvedOutcome::Absent)),
    })
}

fn explained(file: &FileEntry, stored: &File, resolutions: &[Resolution]) -> bool {
    let digest = digests(&stored.records).0;
    let subset = |resolution: &Resolution| matches!(resolution.outcome(&file.key), Some(ResolvedOutcome::Subset { records_digest, .. }) if *records_digest == digest);
    digest == file.records_digest || resolutions.iter().any(subset)
}

/// What the log had in the range of an entry is what the entry says.
fn covers_its_range(world: &World, entry: &Entry, before: &[&Entry]) -> Result<(), String> {
    let range = entry.range();
    let incarnation = incarnation(world, entry)?;
    let ids = || (range.start.get()..range.end.get()).filter_map(|at| Offset::new(at).ok());
    let ids = || ids().map(|offset| RecordId { incarnation, offset });
    if let Some(beyond) = ids().find(|id| world.log.slot(*id).is_none()) {
        return Err(format!("the entry {range} reaches beyond the log at {}", beyond.offset));
    }
    let kept = |id: &RecordId| world.log.slot(*id) == Some(Slot::Record);
    match &entry.kind {
        Kind::Seal(_) => Ok(()),
        Kind::Empty => match ids().find(kept) {
            Some(id) => Err(format!("the empty entry {range} covers the record {}", id.offset)),
            None => Ok(()),
        },
        Kind::Hole(hole) => {
            if let Some(id) = ids().find(|id| world.log.alive(*id)) {
                return Err(format!("the hole {range} covers the record {}", id.offset));
            }
            let archived = |e: &&Entry| e.topic_id == entry.topic_id && matches!(e.kind, Kind::Batch(_));
            if hole.reason == HoleReason::Retention && before.iter().any(archived) {
                return Err(format!("the hole {range} was recorded without consent"));
            }
            Ok(())
        }
        Kind::Batch(batch) => {
            let mut counted = BTreeSet::new();
            for file in &batch.files {
                for id in world.contents.get(&file.records_digest).ok_or("a manifest with an unknown digest")? {
                    if !counted.insert(*id) {
                        return Err(format!("the batch {range} counts the record {} twice", id.offset));
                    }
                    if id.incarnation != incarnation || !range.contains(id.offset) {
                        return Err(format!("the batch {range} counts the record {}, not its own", id.offset));
                    }
                }
            }
            match ids().find(|id| kept(id) && !counted.contains(id)) {
                Some(id) => Err(format!("the batch {range} passes over the record {}", id.offset)),
                None => Ok(()),
            }
        }
    }
}

/// A resolution gives up only what its reason allows.
fn resolution_is_true(world: &World, resolution: &Resolution) -> Result<(), String> {
    let slot = (resolution.generation, resolution.start);
    let entry = world.entries.get(&slot).ok_or("a resolution without an entry")?;
    let incarnation = incarnation(world, entry)?;
    for resolved in &resolution.files {
        let file = entry.batch().and_then(|batch| batch.file(&resolved.key)).ok_or("a resolution of no file")?;
        let left = match &resolved.outcome {
            ResolvedOutcome::Absent => &Vec::new(),
            ResolvedOutcome::Subset { records_digest, .. } => &world.contents[records_digest],
        };
        for id in world.contents[&file.records_digest].iter().filter(|id| !left.contains(id)) {
            let allowed = match resolution.reason {
                ResolutionReason::Compaction => world.log.slot(*id) == Some(Slot::Compacted),
                ResolutionReason::Retention => !world.log.alive(*id),
                ResolutionReason::TopicReplaced => world.log.incarnation_of(&world.log.topic_id()) > Some(incarnation),
            };
            if !allowed {
                return Err(format!("the record {} was given up for {:?}", id.offset, resolution.reason));
            }
        }
    }
    Ok(())
}

/// Our commits prove what they claim (R7), whether they have landed or not.
fn commits_are_true(world: &World) -> Result<(), String> {
    for commit in &world.commits {
        let slot = (commit.metadata.generation, commit.metadata.prev);
        match world.entries.get(&slot) {
            Some(entry) if entry.end != commit.offset => {
                return Err(format!("the commit of {} names the entry {}", commit.offset, entry.range()));
            }
            Some(entry) if !complete(world, entry) => {
                return Err(format!("the offset {} is committed, but its batch is incomplete", commit.offset));
            }
            Some(_) => {}
            None => return Err(format!("the commit of {} names no entry", commit.offset)),
        }
    }
    Ok(())
}

/// Every file is what its manifest or a resolution says, and no record is in two.
fn each_file_is_explained(world: &World, chain: &[&Entry]) -> Result<(), String> {
    let mut owners = BTreeMap::new();
    for entry in chain {
        for file in entry.batch().into_iter().flat_map(|batch| &batch.files) {
            owners.insert(file.key.as_str(), (*entry, file));
        }
    }
    let mut seen = BTreeMap::new();
    for (key, stored) in &world.files {
        let Some((entry, file)) = owners.get(key.as_str()) else {
            return Err(format!("`{key}` is in no manifest"));
        };
        if !explained(file, stored, &world.resolutions_of(entry)) {
            return Err(format!("`{key}` is not what the batch {} says", entry.range()));
        }
        for id in &stored.records {
            if let Some(other) = seen.insert(*id, key) {
                return Err(format!("the record {} is in `{other}` and in `{key}`", id.offset));
            }
        }
    }
    Ok(())
}

fn incarnation(world: &World, entry: &Entry) -> Result<usize, String> {
    let id = entry.topic_id.as_ref().ok_or("an entry without a topic id")?;
    world.log.incarnation_of(id).ok_or_else(|| "an entry of an unknown topic".to_owned())
}
