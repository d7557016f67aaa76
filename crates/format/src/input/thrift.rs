//! Thrift: one pass over a struct in the binary or the compact protocol. The whole wire format is validated, nothing is
//! decoded that was not asked for.
//!
//! A value is one struct, without the envelope of a call. Fields go by their ids, with an IDL by their names; enums that
//! it declares by the names of their values. What a field's type on the wire is decides what it is, not the IDL, as
//! readers skip what they do not know. Field paths go through structs and through maps by key, not into lists and sets.

mod binary;
mod compact;
pub(crate) mod idl;
mod walk;

use secor_core::shape::{Input, MessageFraming, ThriftProtocol};

pub(crate) use self::idl::includes;
use self::idl::{Declared, Idl, StructId};
use self::walk::{At, ThriftWalk};
use super::cursor::{Cursor, ReadError, Span};
use super::{Objection, Step};
use crate::bad::{BadReason, BadRecord};
use crate::faults::Faults;
use crate::fields::{Capture, Captures, NodeId, Wanted};
use crate::walk::Visitor;

/// Deepest nesting of structs, maps, lists and sets. Persisted, never change.
const DEPTH_MAX: u32 = 127;

pub(crate) struct ThriftReader {
    protocol: ThriftProtocol,
    idl: Idl,
    /// `None`: fields go by their ids.
    root: Option<StructId>,
}

/// What stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// In the compact protocol the value of a field is in its type.
    Bool(Option<bool>),
    Byte,
    Int16,
    Int32,
    Int64,
    Double,
    Text,
    Uuid,
    Struct,
    Map,
    /// A list or a set.
    List,
}

/// The two protocols: how headers and scalars are written.
trait Protocol {
    /// Type and id of the next field; `None`: the struct ends. `last` is the id of the field before, at first 0.
    fn field(cursor: &mut Cursor<'_>, last: i16) -> Result<Option<(Wire, i16)>, ReadError>;
    /// How many items, and of what type; of no items the type is not looked at.
    fn list(cursor: &mut Cursor<'_>) -> Result<(u64, Wire), ReadError>;
    fn map(cursor: &mut Cursor<'_>) -> Result<(u64, Wire, Wire), ReadError>;
    fn bool(cursor: &mut Cursor<'_>) -> Result<bool, ReadError>;
    fn int16(cursor: &mut Cursor<'_>) -> Result<i16, ReadError>;
    fn int32(cursor: &mut Cursor<'_>) -> Result<i32, ReadError>;
    fn int64(cursor: &mut Cursor<'_>) -> Result<i64, ReadError>;
    fn double(cursor: &mut Cursor<'_>) -> Result<f64, ReadError>;
    /// The length of a text.
    fn length(cursor: &mut Cursor<'_>) -> Result<u64, ReadError>;
}

// === impl ThriftReader ===

impl ThriftReader {
    pub(crate) fn new(input: &Input, faults: &mut Faults) -> Option<Self> {
        if input.framing != MessageFraming::None {
            faults.add("input.framing", "Thrift messages have no framing", "leave it out");
            return None;
        }
        let schema = match &*input.schemas {
            [] => {
                if input.message.is_some() {
                    let hint = "name the schema that has it in `input.schemas`";
                    faults.add("input.message", "a message is named, but no schema is given", hint);
                    return None;
                }
                return Some(Self { protocol: input.protocol, idl: Idl::default(), root: None });
            }
            [schema] => schema,
            _ => {
                let message = "messages do not say which of several schemas they have";
                faults.add("input.schemas", message, "name one schema");
                return None;
            }
        };
        let idl = match Idl::parse(&schema.text, &schema.includes) {
            Ok(idl) => idl,
            Err(why) => {
                let message = format!("schema `{}` is no Thrift IDL: {why}", schema.name);
                faults.add("input.schemas[0]", message, "a .thrift file");
                return None;
            }
        };
        match idl.root(input.message.as_deref()) {
            Ok(root) => Some(Self { protocol: input.protocol, idl, root: Some(root) }),
            Err(why) => {
                let hint = "set `input.message` to the name of a struct of the file";
                faults.add("input.message", format!("schema `{}`: {why}", schema.name), hint);
                None
            }
        }
    }

    pub(crate) fn symbols(&self) -> Vec<Box<str>> {
        self.idl.symbols.clone()
    }

    pub(crate) fn objection(&self, path: &[Step<'_>]) -> Option<Objection> {
        match self.root {
            Some(root) if self.idl.has(root, path) => None,
            Some(_) => {
                let hint = "write the path of a field of the struct, names separated by `timestamp.separator`";
                Some(Objection::new("the struct of the input has no such field", hint))
            }
            None if path.first().is_some_and(|step| step.name().is_some_and(|id| id.parse::<i16>().is_ok())) => None,
            None => {
                let hint = "write ids, such as `1` or `3.1`, or give an IDL in `input.schemas`";
                Some(Objection::new("without a schema fields go by their ids", hint))
            }
        }
    }

    pub(crate) fn read(&self, value: &[u8], wanted: &Wanted, captures: &mut Captures) -> Result<(), BadRecord> {
        captures.clear(wanted);
        let mut scan =
            Scan { cursor: Cursor::new(value), idl: &self.idl, has_idl: self.root.is_some(), wanted, captures };
        let root = Place { declared: self.declared(), node: Some(Wanted::ROOT) };
        let read = match self.protocol {
            ThriftProtocol::Binary => scan.structure::<binary::Binary>(root, 1),
            ThriftProtocol::Compact => scan.structure::<compact::Compact>(root, 1),
        };
        read.and_then(|()| scan.cursor.end()).map_err(|error| BadReason::NotThrift.with(error.to_string()))
    }

    /// Over `value`, which was found good.
    pub(crate) fn walk<V: Visitor>(&self, value: &[u8], visitor: V) -> V::Output {
        let (idl, root) = (self.root.map(|_| &self.idl), At::root(self.declared()));
        match self.protocol {
            ThriftProtocol::Binary => visitor.visit(&ThriftWalk::<binary::Binary>::new(value, idl), root),
            ThriftProtocol::Compact => visitor.visit(&ThriftWalk::<compact::Compact>::new(value, idl), root),
        }
    }

    fn declared(&self) -> Declared {
        self.root.map_or(Declared::Unknown, Declared::Struct)
    }
}

/// What the IDL declares somewhere, and what is wanted there.
#[derive(Clone, Copy)]
struct Place {
    declared: Declared,
    node: Option<NodeId>,
}

struct Scan<'v, 'w> {
    cursor: Cursor<'v>,
    idl: &'w Idl,
    has_idl: bool,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
}

// === impl Scan ===

impl Scan<'_, '_> {
    fn structure<P: Protocol>(&mut self, place: Place, depth: u32) -> Result<(), ReadError> {
        self.check_depth(depth)?;
        let mut last = 0;
        while let Some((wire, id)) = P::field(&mut self.cursor, last)? {
            last = id;
            let field = match place.declared {
                Declared::Struct(it) => self.idl.field(it, id),
                _ => None,
            };
            let node = place.node.and_then(|node| match field {
                Some(field) => self.wanted.child(node, &field.name),
                None if self.has_idl => None,
                None => self.wanted.child_numbered(node, i128::from(id)),
            });
            if let Some(node) = node {
                self.captures.forget(self.wanted, node);
            }
            let declared = field.map_or(Declared::Unknown, |field| field.declared);
            let capture = self.value::<P>(wire, Place { declared, node }, depth)?;
            if let Some(node) = node {
                self.captures.set(self.wanted, node, capture);
            }
        }
        Ok(())
    }

    fn value<P: Protocol>(&mut self, wire: Wire, place: Place, depth: u32) -> Result<Capture, ReadError> {
        Ok(match wire {
            Wire::Struct => {
                self.structure::<P>(place, depth + 1)?;
                Capture::Container
            }
            Wire::Map => {
                self.map::<P>(place, depth + 1)?;
                Capture::Container
            }
            Wire::List => {
                self.check_depth(depth + 1)?;
                let (items, item) = P::list(&mut self.cursor)?;
                let nowhere = Place { declared: Declared::Unknown, node: None };
                for _ in 0..items {
                    self.value::<P>(item, nowhere, depth + 1)?;
                }
                Capture::Container
            }
            single => return read_single::<P>(&mut self.cursor, single, place.declared.as_enum(self.idl)),
        })
    }

    /// Of a key that occurs twice the last counts.
    fn map<P: Protocol>(&mut self, place: Place, depth: u32) -> Result<(), ReadError> {
        self.check_depth(depth)?;
        let (pairs, key, value) = P::map(&mut self.cursor)?;
        let declared = match place.declared {
            Declared::Map(it) => self.idl.map(it).1,
            _ => Declared::Unknown,
        };
        for _ in 0..pairs {
            let key = self.value::<P>(key, Place { declared: Declared::Unknown, node: None }, depth)?;
            let node = place.node.and_then(|node| self.key_node(node, key));
            if let Some(node) = node {
                self.captures.forget(self.wanted, node);
            }
            let capture = self.value::<P>(value, Place { declared, node }, depth)?;
            if let Some(node) = node {
                self.captures.set(self.wanted, node, capture);
            }
        }
        Ok(())
    }

    fn key_node(&self, map: NodeId, key: Capture) -> Option<NodeId> {
        match key {
            Capture::Plain(start, end) => {
                let key = self.cursor.bytes_of(Span { start, end });
                self.wanted.child(map, std::str::from_utf8(key).ok()?)
            }
            Capture::Integer(number) => self.wanted.child_numbered(map, number),
            Capture::Bool(key) => self.wanted.child(map, if key { "true" } else { "false" }),
            _ => None,
        }
    }

    fn check_depth(&self, depth: u32) -> Result<(), ReadError> {
        if depth > DEPTH_MAX { Err(self.cursor.error("too deep nesting")) } else { Ok(()) }
    }
}

/// A value that has no others within.
fn read_single<P: Protocol>(
    cursor: &mut Cursor<'_>,
    wire: Wire,
    enum_of: Option<(&Idl, usize)>,
) -> Result<Capture, ReadError> {
    let integer = |value: i64| Capture::Integer(i128::from(value));
    Ok(match wire {
        Wire::Bool(Some(value)) => Capture::Bool(value),
        Wire::Bool(None) => Capture::Bool(P::bool(cursor)?),
        Wire::Byte => integer(i64::from(cursor.byte()?.cast_signed())),
        Wire::Int16 => integer(i64::from(P::int16(cursor)?)),
        Wire::Int32 => {
            let number = P::int32(cursor)?;
            let symbol = enum_of.and_then(|(idl, it)| idl.symbol(it, number));
            symbol.map_or_else(|| integer(i64::from(number)), Capture::Symbol)
        }
        Wire::Int64 => integer(P::int64(cursor)?),
        Wire::Double => Capture::Double(P::double(cursor)?),
        Wire::Text => {
            let len = P::length(cursor)?;
            let span = cursor.span(len)?;
            Capture::Plain(span.start, span.end)
        }
        Wire::Uuid => {
            let span = cursor.span(16)?;
            Capture::Plain(span.start, span.end)
        }
        Wire::Struct | Wire::Map | Wire::List => Capture::Container,
    })
}

#[cfg(test)]
mod tests;
