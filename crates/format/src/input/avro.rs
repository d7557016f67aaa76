//! Avro binary: one pass over a datum by its writer's schema (Apache Avro 1.12). Everything is validated, nothing is
//! decoded that was not asked for.
//!
//! Field paths go through records, maps (by key) and unions (into the branch that is there), not into arrays. Logical
//! types of dates and timestamps are times; all others count as what they annotate. Stricter than most decoders, which
//! trust what they skip: a block that says its length in bytes must have it. Stricter still where the datum will stand
//! in a file behind others ([`Rules`]).

mod canonical;
mod datum;
pub(crate) mod inline;
mod types;
mod walk;

use std::sync::Arc;

use secor_core::ids::WriterSchema;
use secor_core::manifest::RegisteredSchema;
use secor_core::shape::{Input, MessageFraming};

use self::datum::{Datum, Rules};
pub(crate) use self::types::{Kind, TypeId, Types};
use self::walk::{AvroWalk, Place};
use super::cursor::{Cursor, ReadError};
use super::framing::{SchemaName, read_frame};
use super::{Objection, ReadValue, Step, expected_schemas};
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Captures, Wanted};
use crate::walk::Visitor;

pub(crate) struct AvroReader {
    framing: MessageFraming,
    types: Types,
    /// By their places: those that are given, at least one but where a registry is asked, then those of the registry.
    schemas: Vec<Written>,
    given: usize,
    asks_registry: bool,
    rules: Rules,
}

/// A schema that values are written by.
pub(crate) struct Written {
    name: SchemaName,
    root: TypeId,
    /// With all that it refers to: JSON that stands alone.
    pub text: Arc<str>,
}

// === impl AvroReader ===

impl AvroReader {
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        let names = expected_schemas(input, faults)?;
        let mut types = Types::default();
        let mut schemas = Vec::new();
        for (index, (schema, name)) in input.schemas.iter().zip(names).enumerate() {
            match types.add(&schema.text) {
                Ok((root, fingerprint)) => {
                    let name = match name {
                        SchemaName::Fingerprint(_) => SchemaName::Fingerprint(fingerprint),
                        name => name,
                    };
                    schemas.push(Written { name, root, text: schema.text.as_str().into() });
                }
                Err(why) => {
                    let message = format!("schema `{}` is no Avro schema: {why}", schema.name);
                    faults.add(
                        format!("input.schemas[{index}]"),
                        message,
                        "an Avro schema in JSON, as in an .avsc file",
                    );
                }
            }
        }
        let (framing, asks_registry, given) = (input.framing, input.registry, schemas.len());
        let is_whole = given == input.schemas.len();
        is_whole.then_some(Self { framing, types, schemas, given, asks_registry, rules: Rules::Alone })
    }

    /// From now on values must be good neighbours in a file.
    pub(crate) fn hold_to_files(&mut self) {
        self.rules = Rules::InFile;
    }

    /// Adds a schema of a registry; its place, or why no message can be read by it.
    pub(crate) fn register(&mut self, id: u32, schema: &RegisteredSchema) -> Result<usize, String> {
        let text = match schema.references.is_empty() {
            true => schema.text.clone(),
            false => inline::inline(&schema.text, &schema.references)?,
        };
        let (root, _) = self.types.add(&text)?;
        self.schemas.push(Written { name: SchemaName::Id(id), root, text: text.into() });
        Ok(self.schemas.len() - 1)
    }

    /// The schemas that are given, by their places.
    pub(crate) fn given(&self) -> &[Written] {
        &self.schemas[..self.given]
    }

    pub(crate) fn schema(&self, place: usize) -> &Written {
        &self.schemas[place]
    }

    pub(crate) fn symbols(&self) -> Vec<Box<str>> {
        self.types.symbols.clone()
    }

    pub(crate) fn objection(&self, path: &[Step<'_>]) -> Option<Objection> {
        if self.asks_registry || self.given().iter().any(|schema| self.types.has(schema.root, path)) {
            return None;
        }
        let hint = "write the path of a field of the schema, names separated by `timestamp.separator`";
        Some(Objection::new("no schema of the input has such a field", hint))
    }

    /// `registered`: the place of the schema that the value names, where a registry gave it.
    pub(crate) fn read(
        &self,
        value: &[u8],
        registered: Option<usize>,
        wanted: &Wanted,
        captures: &mut Captures,
    ) -> Result<ReadValue, BadRecord> {
        let not_avro = |error: ReadError| BadReason::NotAvro.with(error.to_string());
        captures.clear(wanted);
        let mut frame = Cursor::new(value);
        let name = read_frame(self.framing, &mut frame).map_err(not_avro)?;
        let given = || self.given().iter().position(|given| given.name == name);
        let place = registered.or_else(given).ok_or_else(|| name.unknown())?;
        let body = frame.at();
        let mut datum = Datum::new(&value[body..], &self.types, self.rules, wanted, captures);
        let read = datum.whole(self.schemas[place].root);
        read.map_err(|error| not_avro(ReadError { at: body + error.at, ..error }))?;
        Ok(ReadValue { body, schema: Some(place) })
    }

    /// Over `body`, which was found good by the schema at `place`.
    pub(crate) fn walk<V: Visitor>(&self, body: &[u8], place: usize, visitor: V) -> V::Output {
        visitor.visit(&AvroWalk::new(body, &self.types), Place { at: 0, id: self.schemas[place].root })
    }
}

// === impl Written ===

impl Written {
    /// The name, where the records say it.
    pub(crate) fn name(&self) -> Option<WriterSchema> {
        match self.name {
            SchemaName::Given => None,
            SchemaName::Id(id) => Some(WriterSchema::Id(id)),
            SchemaName::Fingerprint(fingerprint) => Some(WriterSchema::Fingerprint(fingerprint)),
        }
    }
}

#[cfg(test)]
mod tests;
