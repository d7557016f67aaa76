//! Where things stand under the store's prefix (design: `<prefix>/_secor/`). Persisted, never change.

use crate::ids::{ConfigHash, Generation, Offset, SchemaHash};

/// Above all others.
pub const FOLDER: &str = "_secor";
pub const LEDGER: &str = "_secor/ledger.json";
pub const STARTED: &str = "_secor/started.json";
pub const TOPICS: &str = "_secor/topics";
pub const ACCEPTED: &str = "_secor/accepted";
pub const CONFIGS: &str = "_secor/configs";
pub const SCHEMAS: &str = "_secor/schemas";
/// A move from here has begun.
pub const CLOSING: &str = "_secor/closing.json";
/// Where the ledger went from here: the `ledger.<n>.json` that follows.
pub const SUCCESSOR: &str = "_secor/successor.json";

/// Who the ledger is since it was moved for the `n`-1st time; the one with the highest number counts.
#[must_use]
pub fn moved_ledger(n: u32) -> String {
    format!("{FOLDER}/ledger.{n}.json")
}

/// What stands for [`FOLDER`] in a store that a ledger was moved into.
#[must_use]
pub fn seat(id: &str) -> String {
    format!("{FOLDER}/seats/{id}")
}

#[must_use]
pub fn accepted(n: u32) -> String {
    format!("{ACCEPTED}/{n:05}.json")
}

#[must_use]
pub fn config(hash: &ConfigHash) -> String {
    format!("{CONFIGS}/{hash}")
}

/// A schema that a registry gave.
#[must_use]
pub fn schema(hash: &SchemaHash) -> String {
    format!("{SCHEMAS}/{hash}")
}

#[must_use]
pub fn genesis(topic: &str) -> String {
    format!("{TOPICS}/{topic}/genesis.json")
}

/// The folder of all of a topic's generations.
#[must_use]
pub fn topic(topic: &str) -> String {
    format!("{TOPICS}/{topic}")
}

/// The folder of all of a generation's chains.
#[must_use]
pub fn generation(topic: &str, generation: Generation) -> String {
    format!("{TOPICS}/{topic}/{generation}")
}

/// The folder of a chain.
#[must_use]
pub fn chain(topic: &str, generation: Generation, partition: i32) -> String {
    format!("{TOPICS}/{topic}/{generation}/{partition:05}")
}

#[must_use]
pub fn entries(topic: &str, generation: Generation, partition: i32) -> String {
    format!("{}/entries", chain(topic, generation, partition))
}

#[must_use]
pub fn entry(topic: &str, generation: Generation, partition: i32, start: Offset) -> String {
    format!("{}/{}", entries(topic, generation, partition), entry_name(start))
}

/// The file name of an entry: 20 digits, so that names sort as offsets.
#[must_use]
pub fn entry_name(start: Offset) -> String {
    format!("{start:020}.json", start = start.get())
}

/// The slot that a key under `entries/` names.
#[must_use]
pub fn entry_start(key: &str) -> Option<Offset> {
    let name = key.rsplit('/').next()?;
    let start = Offset::new(name.strip_suffix(".json")?.parse().ok()?).ok()?;
    (entry_name(start) == name).then_some(start)
}

#[must_use]
pub fn resolutions(topic: &str, generation: Generation, partition: i32) -> String {
    format!("{}/resolutions", chain(topic, generation, partition))
}

#[must_use]
pub fn resolution(topic: &str, generation: Generation, partition: i32, start: Offset, n: u32) -> String {
    format!("{}/{}", resolutions(topic, generation, partition), resolution_name(start, n))
}

fn resolution_name(start: Offset, n: u32) -> String {
    format!("{start:020}.{n}.json", start = start.get())
}

/// The batch that a key under `resolutions/` is about.
#[must_use]
pub fn resolution_start(key: &str) -> Option<Offset> {
    let name = key.rsplit('/').next()?;
    let (start, n) = name.strip_suffix(".json")?.split_once('.')?;
    let start = Offset::new(start.parse().ok()?).ok()?;
    (resolution_name(start, n.parse().ok()?) == name).then_some(start)
}
