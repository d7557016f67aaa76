//! Avro binary: one pass over a datum by its writer's schema (Apache Avro 1.12). Everything is validated, nothing is
//! decoded that was not asked for.
//!
//! Field paths go through records, maps (by key) and unions (into the branch that is there), not into arrays. Logical
//! types of dates and timestamps are times; all others count as what they annotate. Stricter than most decoders, which
//! trust what they skip: a block that says its length in bytes must have it.

mod canonical;
mod inline;
mod types;

use secor_core::manifest::RegisteredSchema;
use secor_core::shape::{Input, MessageFraming};

pub(crate) use self::types::Types;
use self::types::{Kind, TypeId};
use super::cursor::{Cursor, ReadError};
use super::framing::{SchemaName, read_frame};
use super::{Objection, expected_schemas};
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Capture, Captures, NodeId, Time, Wanted};

/// Deepest nesting of records, arrays and maps. Persisted, never change.
const DEPTH_MAX: u32 = 127;

pub(crate) struct AvroReader {
    framing: MessageFraming,
    types: Types,
    /// At least one, but where a registry is asked.
    schemas: Vec<(SchemaName, TypeId)>,
    /// Those that a registry gave.
    registered: Vec<TypeId>,
    asks_registry: bool,
}

// === impl AvroReader ===

impl AvroReader {
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        let names = expected_schemas(input, faults)?;
        let mut types = Types::default();
        let mut schemas = Vec::new();
        for (index, (schema, name)) in input.schemas.iter().zip(names).enumerate() {
            match types.add(&schema.text) {
                Ok((root, fingerprint)) => schemas.push(match name {
                    SchemaName::Fingerprint(_) => (SchemaName::Fingerprint(fingerprint), root),
                    name => (name, root),
                }),
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
        let (framing, asks_registry) = (input.framing, input.registry);
        let is_whole = schemas.len() == input.schemas.len();
        is_whole.then_some(Self { framing, types, schemas, registered: Vec::new(), asks_registry })
    }

    /// Adds a schema of a registry; its place, or why no message can be read by it.
    pub(crate) fn register(&mut self, schema: &RegisteredSchema) -> Result<usize, String> {
        let (root, _) = match schema.references.is_empty() {
            true => self.types.add(&schema.text)?,
            false => self.types.add(&inline::inline(&schema.text, &schema.references)?)?,
        };
        self.registered.push(root);
        Ok(self.registered.len() - 1)
    }

    pub(crate) fn symbols(&self) -> Vec<Box<str>> {
        self.types.symbols.clone()
    }

    pub(crate) fn objection(&self, path: &[&str]) -> Option<Objection> {
        if self.asks_registry || self.schemas.iter().any(|&(_, root)| self.types.has(root, path)) {
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
    ) -> Result<(), BadRecord> {
        let not_avro = |error: ReadError| BadReason::NotAvro.with(error.to_string());
        captures.clear(wanted);
        let mut cursor = Cursor::new(value);
        let name = read_frame(self.framing, &mut cursor).map_err(not_avro)?;
        let given = || self.schemas.iter().find(|(given, _)| *given == name).map(|&(_, root)| root);
        let root = registered.map(|place| self.registered[place]).or_else(given).ok_or_else(|| name.unknown())?;
        let mut datum = Datum { cursor, types: &self.types, wanted, captures };
        datum.value(root, Some(Wanted::ROOT), 0).and_then(|_| datum.cursor.end()).map_err(not_avro)
    }
}

struct Datum<'v, 'w> {
    cursor: Cursor<'v>,
    types: &'w Types,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
}

// === impl Datum ===

impl Datum<'_, '_> {
    /// One value of type `id`; what is wanted below it is captured.
    fn value(&mut self, id: TypeId, node: Option<NodeId>, depth: u32) -> Result<Capture, ReadError> {
        let types = self.types;
        Ok(match types.kind(id) {
            Kind::Null => Capture::Null,
            Kind::Boolean => match self.cursor.byte()? {
                0 => Capture::Bool(false),
                1 => Capture::Bool(true),
                _ => return Err(self.cursor.error("a boolean that is neither 0 nor 1")),
            },
            Kind::Int => Capture::Integer(i128::from(self.int()?)),
            Kind::Long => Capture::Integer(i128::from(self.long()?)),
            Kind::Float => Capture::Single(f32::from_le_bytes(self.cursor.array()?)),
            Kind::Double => Capture::Double(f64::from_le_bytes(self.cursor.array()?)),
            Kind::Bytes => self.bytes()?,
            Kind::String => self.string()?,
            Kind::Fixed(size) => self.span(*size)?,
            Kind::Date => Capture::Time(Time::Date { days: self.int()? }),
            Kind::Instant { per_second } => Capture::Time(Time::instant(self.long()?, *per_second)),
            Kind::Civil { per_second } => Capture::Time(Time::civil(self.long()?, *per_second)),
            Kind::Enum { first_symbol, symbols } => match usize::try_from(self.int()?) {
                Ok(index) if index < *symbols => Capture::Symbol(first_symbol + index),
                _ => return Err(self.cursor.error("an enum that has no such symbol")),
            },
            Kind::Union(branches) => match usize::try_from(self.long()?).ok().and_then(|index| branches.get(index)) {
                // a union holds no union, so it does not count as nesting
                Some(&branch) => self.value(branch, node, depth)?,
                None => return Err(self.cursor.error("a union that has no such branch")),
            },
            Kind::Array(items) => self.array(*items, self.deeper(depth)?)?,
            Kind::Map(values) => self.map(*values, node, self.deeper(depth)?)?,
            Kind::Record(fields) => {
                let depth = self.deeper(depth)?;
                for (name, field) in fields {
                    let child = node.and_then(|node| self.wanted.child(node, name));
                    let capture = self.value(*field, child, depth)?;
                    if let Some(child) = child {
                        self.captures.set(self.wanted, child, capture);
                    }
                }
                Capture::Container
            }
        })
    }

    fn array(&mut self, items: TypeId, depth: u32) -> Result<Capture, ReadError> {
        let is_empty = self.types.is_empty(items);
        while let Some(block) = self.block()? {
            // as many as it likes, and all of them nothing
            let count = if is_empty { 0 } else { block.count };
            for _ in 0..count {
                self.value(items, None, depth)?;
            }
            self.check_end(&block)?;
        }
        Ok(Capture::Container)
    }

    /// Of a key that occurs twice the last counts.
    fn map(&mut self, values: TypeId, node: Option<NodeId>, depth: u32) -> Result<Capture, ReadError> {
        while let Some(block) = self.block()? {
            for _ in 0..block.count {
                let len = self.length()?;
                let span = self.cursor.span(len)?;
                let key = std::str::from_utf8(self.cursor.bytes_of(span));
                let key = key.map_err(|_| ReadError { at: span.start, what: "a key that is no UTF-8" })?;
                let child = node.and_then(|node| self.wanted.child(node, key));
                if let Some(child) = child {
                    self.captures.forget(self.wanted, child);
                }
                let capture = self.value(values, child, depth)?;
                if let Some(child) = child {
                    self.captures.set(self.wanted, child, capture);
                }
            }
            self.check_end(&block)?;
        }
        Ok(Capture::Container)
    }

    /// The next block of an array or a map; `None`: it was the last.
    fn block(&mut self) -> Result<Option<Block>, ReadError> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count > 0).then_some(Block { count: count.unsigned_abs(), end: None }));
        }
        let len = self.length()?;
        let at = u64::try_from(self.cursor.at()).expect("a value's length fits 64 bits");
        Ok(Some(Block { count: count.unsigned_abs(), end: Some(at.saturating_add(len)) }))
    }

    fn check_end(&self, block: &Block) -> Result<(), ReadError> {
        let at = u64::try_from(self.cursor.at()).expect("a value's length fits 64 bits");
        match block.end {
            Some(end) if end != at => Err(self.cursor.error("a block that is not as long as it says")),
            _ => Ok(()),
        }
    }

    fn bytes(&mut self) -> Result<Capture, ReadError> {
        let len = self.length()?;
        self.span(len)
    }

    fn string(&mut self) -> Result<Capture, ReadError> {
        let len = self.length()?;
        let span = self.cursor.span(len)?;
        match simdutf8::basic::from_utf8(self.cursor.bytes_of(span)) {
            Ok(_) => Ok(Capture::Plain(span.start, span.end)),
            Err(_) => Err(ReadError { at: span.start, what: "a string that is no UTF-8" }),
        }
    }

    fn span(&mut self, len: u64) -> Result<Capture, ReadError> {
        let span = self.cursor.span(len)?;
        Ok(Capture::Plain(span.start, span.end))
    }

    fn length(&mut self) -> Result<u64, ReadError> {
        let len = self.long()?;
        u64::try_from(len).map_err(|_| self.cursor.error("a negative length"))
    }

    fn long(&mut self) -> Result<i64, ReadError> {
        self.cursor.zigzag()
    }

    fn int(&mut self) -> Result<i32, ReadError> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| self.cursor.error("an int beyond 32 bits"))
    }

    fn deeper(&self, depth: u32) -> Result<u32, ReadError> {
        if depth == DEPTH_MAX { Err(self.cursor.error("too deep nesting")) } else { Ok(depth + 1) }
    }
}

/// A run of items of an array or a map.
struct Block {
    count: u64,
    /// Where it says that it ends.
    end: Option<u64>,
}

#[cfg(test)]
mod tests;
