//! Protobuf: one pass over the wire format by the message's descriptor. All of it is validated, nothing is decoded that
//! was not asked for.
//!
//! A field that the descriptor does not know is good if its wire format is, as newer writers have them; a known one of
//! another wire type is bad, and so is a string that is no UTF-8. Required fields are not asked for. Field paths go
//! through messages by name and through maps by key, not into lists. What is not on the wire is missing,
//! whatever its default.
//!
//! Without a schema every field is unknown: fields go by their numbers, numbers count as unsigned.

pub(crate) mod schema;
mod wire;
mod walk;

use secor_core::manifest::RegisteredSchema;
use secor_core::shape::{Input, MessageFraming};

use self::schema::{MessageId, Messages};
pub(crate) use self::schema::{compile, imports};
use self::walk::{Place, ProtobufWalk};
use self::wire::Scan;
use super::cursor::{Cursor, ReadError};
use super::framing::{SchemaName, read_frame};
use super::{Objection, Step, expected_schemas};
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Captures, Wanted};
use crate::walk::Visitor;

pub(crate) struct ProtobufReader {
    framing: MessageFraming,
    messages: Messages,
    schemas: Vec<(SchemaName, Roots)>,
    /// Those that a registry gave.
    registered: Vec<Roots>,
    asks_registry: bool,
    /// Of the value that was read last: its message, and where it begins behind its frame.
    current: (Option<MessageId>, usize),
}

/// Which message a value is.
enum Roots {
    One(MessageId),
    /// The record says by its indexes: into the top messages of the schema's file, then into the messages within.
    Indexed(Vec<schema::Tree>),
}

// === impl ProtobufReader ===

impl ProtobufReader {
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        let mut reader = Self {
            framing: input.framing,
            messages: Messages::default(),
            schemas: Vec::new(),
            registered: Vec::new(),
            asks_registry: input.registry,
            current: (None, 0),
        };
        let before = faults.0.len();
        if input.framing == MessageFraming::SingleObject {
            faults.add("input.framing", "`single_object` is Avro's", "write framing = \"none\" or \"confluent\"");
        }
        if input.schemas.is_empty() && input.framing == MessageFraming::None {
            if input.message.is_some() {
                let hint = "name the schema that has it in `input.schemas`";
                faults.add("input.message", "a message is named, but no schema is given", hint);
            }
            return (faults.0.len() == before).then_some(reader);
        }
        let names = expected_schemas(input, faults)?;
        for (index, (schema, name)) in input.schemas.iter().zip(names).enumerate() {
            let roots = match input.framing {
                MessageFraming::Confluent => reader.messages.add_tree(&schema.text).map(Roots::Indexed),
                _ => reader.messages.add(&schema.text, input.message.as_deref()).map(Roots::One),
            };
            match roots {
                Ok(roots) => reader.schemas.push((name, roots)),
                Err(error) => {
                    let key =
                        if error.is_of_message { "input.message".into() } else { format!("input.schemas[{index}]") };
                    faults.add(key, format!("schema `{}`: {}", schema.name, error.why), error.hint);
                }
            }
        }
        (faults.0.len() == before).then_some(reader)
    }

    /// Adds a schema of a registry; its place, or why no message can be read by it.
    pub(crate) fn register(&mut self, schema: &RegisteredSchema) -> Result<usize, String> {
        let descriptors = schema::compile_registered(&schema.text, &schema.references)?;
        let trees = self.messages.add_tree(&descriptors).map_err(|error| error.why)?;
        self.registered.push(Roots::Indexed(trees));
        Ok(self.registered.len() - 1)
    }

    fn has_schemas(&self) -> bool {
        self.asks_registry || !self.schemas.is_empty()
    }

    pub(crate) fn symbols(&self) -> Vec<Box<str>> {
        self.messages.symbols.clone()
    }

    pub(crate) fn objection(&self, path: &[Step<'_>]) -> Option<Objection> {
        if !self.has_schemas() {
            let is_number = |step: &Step<'_>| match step {
                Step::Name(name) => name.parse::<u32>().is_ok_and(|number| number > 0),
                Step::Item => true,
            };
            let hint = "write numbers, such as `1` or `3.1`, or give a schema in `input.schemas`";
            let why = "without a schema fields go by their numbers";
            return (!path.iter().all(is_number)).then(|| Objection::new(why, hint));
        }
        let has = |(_, roots): &(SchemaName, Roots)| match roots {
            Roots::One(root) => self.messages.has(*root, path),
            Roots::Indexed(trees) => trees.iter().any(|tree| tree.any(&|message| self.messages.has(message, path))),
        };
        let hint = "write the path of a field of the message, names separated by `timestamp.separator`";
        (!self.asks_registry && !self.schemas.iter().any(has))
            .then(|| Objection::new("no message of the input has such a field", hint))
    }

    /// `registered`: the place of the schema that the value names, where a registry gave it.
    pub(crate) fn read(
        &mut self,
        value: &[u8],
        registered: Option<usize>,
        wanted: &Wanted,
        captures: &mut Captures,
    ) -> Result<(), BadRecord> {
        let not_protobuf = |error: ReadError| BadReason::NotProtobuf.with(error.to_string());
        captures.clear(wanted);
        let mut cursor = Cursor::new(value);
        let root = if self.has_schemas() {
            let name = read_frame(self.framing, &mut cursor).map_err(not_protobuf)?;
            let given = || self.schemas.iter().find(|(given, _)| *given == name).map(|(_, roots)| roots);
            let roots = registered.map(|place| &self.registered[place]).or_else(given).ok_or_else(|| name.unknown())?;
            Some(message_of(roots, &mut cursor).map_err(not_protobuf)?)
        } else {
            None
        };
        self.current = (root, cursor.at());
        Scan::new(&self.messages, wanted, captures).whole(cursor, root).map_err(not_protobuf)
    }

    /// Over `value`, which was read last and found good.
    pub(crate) fn walk<V: Visitor>(&self, value: &[u8], visitor: V) -> V::Output {
        let (message, at) = self.current;
        visitor.visit(&ProtobufWalk::new(value, &self.messages), Place::message(at..value.len(), message))
    }
}

/// The message that the record says it is.
fn message_of(roots: &Roots, cursor: &mut Cursor<'_>) -> Result<MessageId, ReadError> {
    let mut trees = match roots {
        Roots::One(root) => return Ok(*root),
        Roots::Indexed(trees) => trees,
    };
    let at = cursor.at();
    let unknown = ReadError { at, what: "an index of no message of the schema" };
    // a zero alone stands for the first message
    let count = match cursor.zigzag()? {
        0 => return trees.first().map(|tree| tree.message).ok_or(unknown),
        count => count,
    };
    let mut message = Err(unknown);
    for _ in 0..count {
        let index = usize::try_from(cursor.zigzag()?).map_err(|_| unknown)?;
        let tree = trees.get(index).ok_or(unknown)?;
        message = Ok(tree.message);
        trees = &tree.inner;
    }
    message
}

#[cfg(test)]
mod tests;
