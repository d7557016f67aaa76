//! What must hold, whatever happened: looked at after every step, in terms of the world and not of the machine.
//!
//! What the store has lost is not lost to the oracle: it judges all that was ever decided.

use std::collections::{BTreeMap, BTreeSet};

use secor_core::ids::Offset;
use secor_core::manifest::{Batch, Entry, FileEntry, HoleReason, Kind, Resolution, ResolutionReason, ResolvedOutcome};

use crate::model::draft::{File, digests};
use crate::model::log::{RecordId, Slot, Written, index};
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
        return Err(what.clone());
    }
    let chain = chain(world)?;
    if chain.len() != world.entries.len() {
        return Err(format!("{} entries, but the chain has {}", world.entries.len(), chain.len()));
    }
    genesis_is_true(world)?;
    holes_are_true(world, &chain)?;
    is_one_function_of_the_log(world, &chain)?;
    for pair in chain.windows(2) {
        is_followed_rightly(world, pair[0], pair[1])?;
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
    let incarnation = world.log.incarnation_of(topic_id).ok_or("an unknown topic id")?;
    Ok(Some(Tip { end, incarnation, complete: chain.last().is_none_or(|entry| complete(world, entry)) }))
}

/// Every file of the entry is settled (R6).
#[must_use]
pub fn complete(world: &World, entry: &Entry) -> bool {
    entry.batch().is_none_or(|batch| {
        batch.files.iter().all(|file| match world.files.get(&file.key) {
            Some(stored) => explained(world, entry, file, stored),
            None => world.resolutions_of(entry).any(|r| r.outcome(&file.key) == Some(&ResolvedOutcome::Absent)),
        })
    })
}

fn explained(world: &World, entry: &Entry, file: &FileEntry, stored: &File) -> bool {
    let digest = digests(&stored.records).0;
    digest == file.records_digest
        || world.resolutions_of(entry).any(|resolution| {
            matches!(resolution.outcome(&file.key), Some(ResolvedOutcome::Subset { records_digest, .. })
                if *records_digest == digest)
        })
}

/// The genesis names an offset that its topic had (R2).
fn genesis_is_true(world: &World) -> Result<(), String> {
    let Some(genesis) = &world.genesis else {
        return Ok(());
    };
    let incarnation = world.log.incarnation_of(&genesis.topic_id).ok_or("a genesis of an unknown topic")?;
    let start = genesis.start_of(0);
    let had = world.log.histories(incarnation).any(|history| index(start) <= history.len());
    if had { Ok(()) } else { Err(format!("the genesis begins at {start}, where its topic has nothing")) }
}

/// What is recorded as gone is gone, and a person has said so where one must (R10).
fn holes_are_true(world: &World, chain: &[&Entry]) -> Result<(), String> {
    for (at, entry) in chain.iter().enumerate() {
        let (Kind::Hole(hole), range) = (&entry.kind, entry.range()) else {
            continue;
        };
        let incarnation = incarnation(world, entry)?;
        let history = world.log.histories(incarnation).next().expect("a log has a present");
        let written = |offset: Offset| history.get(index(offset)).map(|(_, epoch)| *epoch);
        let id = |offset| written(offset).map(|epoch| RecordId { incarnation, offset, epoch });
        if let Some(alive) = offsets(entry).filter_map(id).find(|id| world.log.alive(*id)) {
            return Err(format!("the hole {range} covers the record {}", alive.offset));
        }
        let archived = |e: &&Entry| e.topic_id == entry.topic_id && e.batch().is_some();
        let consented = match hole.reason {
            HoleReason::Retention => !chain[..at].iter().any(archived),
            HoleReason::AcceptedLoss => world.consented,
        };
        if !consented {
            return Err(format!("the hole {range} was recorded without consent"));
        }
    }
    Ok(())
}

/// The chain says what the log had: the whole chain of a topic, one and the same log. An unclean election makes
/// another log, and a chain that follows neither has mixed them.
fn is_one_function_of_the_log(world: &World, chain: &[&Entry]) -> Result<(), String> {
    let incarnations: BTreeSet<_> = chain.iter().map(|entry| incarnation(world, entry)).collect::<Result<_, _>>()?;
    for number in incarnations {
        let of_topic = |entry: &&&Entry| incarnation(world, entry) == Ok(number);
        let follows = |history: &[Written]| {
            chain.iter().filter(of_topic).try_for_each(|entry| covers_its_range(world, entry, number, history))
        };
        let mut verdicts = world.log.histories(number).map(follows);
        let present = verdicts.next().expect("a log has a present");
        if present.is_err() && !verdicts.any(|verdict| verdict.is_ok()) {
            return present;
        }
    }
    Ok(())
}

/// What the log had in the range of an entry is what the entry says.
fn covers_its_range(world: &World, entry: &Entry, incarnation: usize, history: &[Written]) -> Result<(), String> {
    let range = entry.range();
    if index(entry.end) > history.len() && !matches!(entry.kind, Kind::Seal(_)) {
        return Err(format!("the entry {range} reaches beyond the log"));
    }
    match &entry.kind {
        Kind::Seal(_) | Kind::Hole(_) => Ok(()),
        Kind::Empty => match offsets(entry).find(|at| history[index(*at)].0 == Slot::Record) {
            Some(at) => Err(format!("the empty entry {range} covers the record {at}")),
            None => Ok(()),
        },
        Kind::Batch(batch) => {
            let counted = counted(world, entry, batch)?;
            let was_there = |id: &RecordId| {
                let (slot, epoch) = history[index(id.offset)];
                id.incarnation == incarnation
                    && epoch == id.epoch
                    && (slot == Slot::Compacted || slot.is_visible(batch.isolation))
            };
            let given_up = |id: &RecordId| is_given_up(world, entry, batch, *id);
            if let Some(id) = counted.values().find(|id| !was_there(id) && !given_up(id)) {
                return Err(format!("the batch {range} counts the record {}, which the log has not", id.offset));
            }
            let visible = |at: &Offset| history[index(*at)].0.is_visible(batch.isolation);
            match offsets(entry).find(|at| visible(at) && !counted.contains_key(at)) {
                Some(at) => Err(format!("the batch {range} passes over the record {at}")),
                None => Ok(()),
            }
        }
    }
}

/// Does a resolution say that the archive does not have this record of the batch?
fn is_given_up(world: &World, entry: &Entry, batch: &Batch, id: RecordId) -> bool {
    let holds = |digest| world.contents.get(digest).is_some_and(|records| records.contains(&id));
    let file = batch.files.iter().find(|file| holds(file.records_digest));
    let leaves_out = |outcome: &ResolvedOutcome| match outcome {
        ResolvedOutcome::Absent => true,
        ResolvedOutcome::Subset { records_digest, .. } => !holds(*records_digest),
    };
    file.is_some_and(|file| world.resolutions_of(entry).filter_map(|r| r.outcome(&file.key)).any(leaves_out))
}

/// The records of a manifest, each once and of its range.
fn counted(world: &World, entry: &Entry, batch: &Batch) -> Result<BTreeMap<Offset, RecordId>, String> {
    let range = entry.range();
    let mut counted = BTreeMap::new();
    for file in &batch.files {
        for id in world.contents.get(file.records_digest).ok_or("a manifest with an unknown digest")? {
            if counted.insert(id.offset, *id).is_some() {
                return Err(format!("the batch {range} counts the record {} twice", id.offset));
            }
            if !range.contains(id.offset) {
                return Err(format!("the batch {range} counts the record {}, not its own", id.offset));
            }
        }
    }
    Ok(counted)
}

/// A slot is written when the batch before it is whole (R8), and carries its receipt (R4).
fn is_followed_rightly(world: &World, entry: &Entry, next: &Entry) -> Result<(), String> {
    let Some(batch) = entry.batch() else {
        return Ok(());
    };
    let range = entry.range();
    if !complete(world, entry) {
        return Err(format!("the batch {range} has a successor, but is incomplete"));
    }
    let receipt = next.receipt.as_ref().filter(|receipt| receipt.start == entry.start);
    let Some(receipt) = receipt else {
        return Err(format!("the entry {} has no receipt of the batch {range}", next.range()));
    };
    let as_told = |file: &FileEntry| match receipt.files.iter().find(|told| told.key == file.key) {
        Some(told) => world
            .files
            .get(&file.key)
            .is_some_and(|there| (there.stored.size, &there.stored.checksum) == (told.size, &told.checksum)),
        // a file that was called absent may still come, from a process that had staged it before
        None => world.resolutions_of(entry).any(|r| r.outcome(&file.key) == Some(&ResolvedOutcome::Absent)),
    };
    let of_batch = receipt.files.iter().all(|told| batch.file(&told.key).is_some());
    if of_batch && batch.files.iter().all(as_told) {
        Ok(())
    } else {
        Err(format!("the receipt of the batch {range} is not what is stored"))
    }
}

/// A resolution gives up only what its reason allows, and gives nothing (R12).
fn resolution_is_true(world: &World, resolution: &Resolution) -> Result<(), String> {
    let slot = (resolution.generation, resolution.start);
    let entry = world.entries.get(&slot).ok_or("a resolution without an entry")?;
    let incarnation = incarnation(world, entry)?;
    let current = world.log.incarnation_of(&world.topic_id());
    for resolved in &resolution.files {
        let file = entry.batch().and_then(|batch| batch.file(&resolved.key)).ok_or("a resolution of no file")?;
        let left = match &resolved.outcome {
            ResolvedOutcome::Absent => Some(&[][..]),
            ResolvedOutcome::Subset { records_digest, .. } => world.contents.get(*records_digest),
        };
        let (left, all) = left.zip(world.contents.get(file.records_digest)).ok_or("an unknown digest")?;
        if let Some(id) = left.iter().find(|id| !all.contains(id)) {
            return Err(format!("a resolution adds the record {} of epoch {}", id.offset, id.epoch));
        }
        for id in all.iter().filter(|id| !left.contains(id)) {
            let allowed = match resolution.reason {
                ResolutionReason::Compaction => world.log.gave_way(*id),
                ResolutionReason::Retention => !world.log.alive(*id) && world.consented,
                ResolutionReason::TopicReplaced => current > Some(incarnation),
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
        if !explained(world, entry, file, stored) {
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

fn offsets(entry: &Entry) -> impl Iterator<Item = Offset> {
    (entry.start.get()..entry.end.get()).filter_map(|at| Offset::new(at).ok())
}

fn incarnation(world: &World, entry: &Entry) -> Result<usize, String> {
    world.log.incarnation_of(&entry.topic_id).ok_or_else(|| "an entry of an unknown topic".to_owned())
}
