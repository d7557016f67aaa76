//! Schemas that a registry gave, as far as one batch knows them.
//!
//! A batch decides once: what was learned first of an id holds for all of its records, also that there is no such
//! schema. Between batches a schema that was found stays, because an id never changes its meaning; one that was missing
//! is asked for again. The manifest lists what the records of the batch named, and a replay learns it from there, so
//! both give every record the same verdict.
//!
//! Deliberately absent: asking. Who reads a value sees to it first that nothing [`lacks`](Registered::lacks).

use std::collections::BTreeMap;

use secor_core::ids::SchemaHash;
use secor_core::manifest::NamedSchema;

use crate::bad::{BadReason, BadRecord};

/// Ids that are known at a time, and so the most that a manifest lists.
const KNOWN_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Registered {
    /// Ids that the shape itself gives: nobody is asked about them.
    given: Vec<u32>,
    known: BTreeMap<u32, Known>,
}

/// What was learned of an id.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    schema: Option<SchemaHash>,
    /// Where the reader keeps it; or why no record can be read by it.
    place: Result<usize, String>,
    /// By a record of the open batch.
    is_named: bool,
}

// === impl Registered ===

impl Registered {
    pub(crate) fn beside(given: Vec<u32>) -> Self {
        Self { given, known: BTreeMap::new() }
    }

    /// The id that `value` names, if nothing was learned of it yet.
    pub(crate) fn lacks(&self, value: &[u8]) -> Option<u32> {
        id_of(value).filter(|id| !self.known.contains_key(id) && !self.given.contains(id))
    }

    /// `schema` with its place in the reader; `None`: there is no such schema.
    pub(crate) fn learn(&mut self, id: u32, schema: Option<(SchemaHash, Result<usize, String>)>) {
        let is_named = self.known.get(&id).is_some_and(|known| known.is_named);
        let known = match schema {
            Some((hash, place)) => Known { schema: Some(hash), place, is_named },
            None => Known { schema: None, place: Err("the registry has no such schema".to_owned()), is_named },
        };
        self.known.insert(id, known);
    }

    /// The place of the schema that `value` names. `None`: it is one of the given, or the value has no frame.
    pub(crate) fn place(&mut self, value: &[u8]) -> Result<Option<usize>, BadRecord> {
        let Some(id) = id_of(value) else { return Ok(None) };
        match self.known.get_mut(&id) {
            Some(known) => {
                known.is_named = true;
                let bad = |why: &String| BadReason::UnknownSchema.with(format!("schema id {id}: {why}"));
                known.place.as_ref().map(|place| Some(*place)).map_err(bad)
            }
            None if self.given.contains(&id) => Ok(None),
            None => Err(BadReason::UnknownSchema.with(format!("schema id {id}: nothing is known of it"))),
        }
    }

    /// What records of the open batch named, sorted by id.
    pub(crate) fn named(&self) -> Vec<NamedSchema> {
        let named = self.known.iter().filter(|(_, known)| known.is_named);
        named.map(|(id, known)| NamedSchema { id: *id, schema: known.schema.clone() }).collect()
    }

    /// The open batch can name no more.
    pub(crate) fn is_full(&self) -> bool {
        self.known.len() >= KNOWN_MAX
    }

    /// The batch is over.
    pub(crate) fn forget(&mut self) {
        if self.is_full() {
            self.known.clear();
        }
        self.known.retain(|_, known| known.schema.is_some());
        self.known.values_mut().for_each(|known| known.is_named = false);
    }
}

/// Of Confluent's wire format.
fn id_of(value: &[u8]) -> Option<u32> {
    match *value {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_of_found_schemas_begins_anew_with_the_next_batch() {
        let mut registered = Registered::default();
        for id in 0..u32::try_from(KNOWN_MAX).unwrap() {
            registered.learn(id, Some((SchemaHash::of(b""), Ok(0))));
        }
        registered.forget();
        assert_eq!(registered.known, BTreeMap::new());
    }
}
