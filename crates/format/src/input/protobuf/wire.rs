//! The wire format of Protobuf (protobuf.dev/programming-guides/encoding), scanned by descriptors.

use super::super::cursor::{Cursor, ReadError, Span};
use super::schema::{Field, Kind, Message, MessageId, Messages};
use crate::fields::{Capture, Captures, NodeId, Time, Wanted};

/// Deepest nesting of messages and groups, as the official libraries have it. Persisted, never change.
const DEPTH_MAX: u32 = 100;

pub(super) const VARINT: u32 = 0;
pub(super) const EIGHT_BYTES: u32 = 1;
pub(super) const LENGTH: u32 = 2;
pub(super) const GROUP_START: u32 = 3;
pub(super) const GROUP_END: u32 = 4;
pub(super) const FOUR_BYTES: u32 = 5;

pub(super) struct Scan<'w> {
    messages: &'w Messages,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
}

/// A place in a message: what is declared there, and what is wanted.
#[derive(Clone, Copy)]
struct Place {
    /// `None`: nothing is declared.
    message: Option<MessageId>,
    /// `None`: nothing is wanted.
    node: Option<NodeId>,
    depth: u32,
}

// === impl Scan ===

impl<'w> Scan<'w> {
    pub(super) fn new(messages: &'w Messages, wanted: &'w Wanted, captures: &'w mut Captures) -> Self {
        Self { messages, wanted, captures }
    }

    /// All that the cursor still has is one message.
    pub(super) fn whole(&mut self, mut cursor: Cursor<'_>, message: Option<MessageId>) -> Result<(), ReadError> {
        let place = Place { message, node: Some(Wanted::ROOT), depth: 0 };
        self.message(&mut cursor, place, None)
    }

    /// Fields up to the end, or to the end of the group that was opened.
    fn message(&mut self, cursor: &mut Cursor<'_>, place: Place, group: Option<u32>) -> Result<(), ReadError> {
        if place.depth > DEPTH_MAX {
            return Err(cursor.error("too deep nesting"));
        }
        while !cursor.is_at_end() {
            let at = cursor.at();
            let tag = u32::try_from(cursor.varint()?).unwrap_or_default();
            let (number, wire) = (tag >> 3, tag & 7);
            if number == 0 {
                return Err(ReadError { at, what: "a field number that is none" });
            }
            if wire == GROUP_END {
                let is_ours = group == Some(number);
                return if is_ours {
                    Ok(())
                } else {
                    Err(ReadError { at, what: "the end of a group that is not open" })
                };
            }
            let messages = self.messages;
            let declared = place.message.map(|id| messages.get(id));
            match declared.and_then(|message| Some((message, message.field(number)?))) {
                Some((message, field)) => self.known(cursor, place, message, field, wire)?,
                None => self.unknown(cursor, place, number, wire)?,
            }
        }
        match group {
            None => Ok(()),
            Some(_) => Err(cursor.error("a group without its end")),
        }
    }

    fn known(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: Place,
        message: &Message,
        field: &Field,
        wire: u32,
    ) -> Result<(), ReadError> {
        let node = place.node.and_then(|node| self.wanted.child(node, &field.name));
        if let (Some(parent), Some(oneof)) = (place.node, field.oneof) {
            self.forget_others(parent, message, field, oneof);
        }
        let is_packed = wire == LENGTH && field.is_repeated && wire_of(field.kind) != LENGTH;
        if is_packed && !matches!(field.kind, Kind::Group(_)) {
            let mut items = cursor.message()?;
            while !items.is_at_end() {
                read_single(self.messages, &mut items, field.kind)?;
            }
            self.set(node, Capture::Container);
            return Ok(());
        }
        if wire != wire_of(field.kind) {
            return Err(cursor.error("a field with a wire type that its type does not have"));
        }
        let inner = Place { message: None, node, depth: place.depth + 1 };
        let capture = match field.kind {
            Kind::Message(id) if field.is_map => self.entry(&mut cursor.message()?, id, inner)?,
            Kind::Message(id) | Kind::Group(id) => {
                let node = node.filter(|_| !field.is_repeated);
                let inner = Place { message: Some(id), node, ..inner };
                let before = node.map(|node| self.captures.of(self.wanted, node));
                match field.kind {
                    Kind::Message(_) if self.messages.get(id).is_timestamp && node.is_some() => {
                        self.timestamp(&mut cursor.message()?, inner, before.unwrap_or_default())?
                    }
                    Kind::Message(_) => {
                        self.message(&mut cursor.message()?, inner, None).map(|()| Capture::Container)?
                    }
                    _ => self.message(cursor, inner, Some(field.number)).map(|()| Capture::Container)?,
                }
            }
            kind => read_single(self.messages, cursor, kind)?,
        };
        self.set(node, if field.is_repeated { Capture::Container } else { capture });
        Ok(())
    }

    /// A field of a oneof takes the place of the others.
    fn forget_others(&mut self, parent: NodeId, message: &Message, field: &Field, oneof: usize) {
        for other in message.in_oneof(oneof).filter(|other| other.number != field.number) {
            if let Some(node) = self.wanted.child(parent, &other.name) {
                self.captures.forget(self.wanted, node);
            }
        }
    }

    /// Seconds and nanoseconds of a `google.protobuf.Timestamp`. One that occurs again adds to what was there before.
    fn timestamp(&mut self, cursor: &mut Cursor<'_>, place: Place, before: Capture) -> Result<Capture, ReadError> {
        let (mut seconds, mut nanos) = match before {
            Capture::Time(Time::Instant { seconds, nanoseconds }) => (seconds, i64::from(nanoseconds)),
            _ => (0, 0),
        };
        let whole = Span { start: cursor.at(), end: cursor.end_at() };
        self.message(cursor, place, None)?;
        // it is valid: the two fields are looked for again
        let mut again = cursor.within(whole);
        while !again.is_at_end() {
            let tag = again.varint()?;
            match (tag >> 3, tag & 7) {
                (1, 0) => seconds = again.varint()?.cast_signed(),
                (2, 0) => nanos = i64::from(low(again.varint()?).cast_signed()),
                (number, wire) => {
                    let nowhere = Place { message: None, node: None, depth: place.depth };
                    self.unknown(&mut again, nowhere, low(number), low(wire))?;
                }
            }
        }
        Ok(match u32::try_from(nanos).ok().filter(|&nanos| nanos < 1_000_000_000) {
            Some(nanoseconds) => Capture::Time(Time::Instant { seconds, nanoseconds }),
            None => Capture::Container,
        })
    }

    /// An entry of a map: a message of a key (1) and a value (2). Of a key that occurs twice the last counts.
    fn entry(&mut self, cursor: &mut Cursor<'_>, id: MessageId, place: Place) -> Result<Capture, ReadError> {
        let whole = Span { start: cursor.at(), end: cursor.end_at() };
        self.message(cursor, Place { message: Some(id), node: None, depth: place.depth }, None)?;
        let Some(map) = place.node.filter(|node| self.wanted.has_children(*node)) else {
            return Ok(Capture::Container);
        };
        // it is valid: key and value are looked for again
        let mut wishes = Wanted::new();
        let key_slot = wishes.add(["key"]);
        let mut found = Captures::default();
        found.clear(&wishes);
        let node = Some(Wanted::ROOT);
        let mut keys = Scan { messages: self.messages, wanted: &wishes, captures: &mut found };
        keys.message(&mut cursor.within(whole), Place { message: Some(id), node, depth: place.depth }, None)?;
        let Some(child) = self.key_node(map, cursor, found.at(key_slot)) else { return Ok(Capture::Container) };
        self.captures.forget(self.wanted, child);
        let Some(value) = self.messages.get(id).field(2) else { return Ok(Capture::Container) };
        self.value_of(&mut cursor.within(whole), value, child, place.depth)?;
        Ok(Capture::Container)
    }

    /// The child of the map that is wanted under this key; a key that is not there is the default of its type.
    fn key_node(&self, map: NodeId, cursor: &Cursor<'_>, key: Capture) -> Option<NodeId> {
        match key {
            Capture::Plain(start, end) => {
                self.wanted.child(map, std::str::from_utf8(cursor.bytes_of(Span { start, end })).ok()?)
            }
            Capture::Integer(number) => self.wanted.child_numbered(map, number),
            Capture::Bool(key) => self.wanted.child(map, if key { "true" } else { "false" }),
            _ => None,
        }
    }

    fn value_of(&mut self, entry: &mut Cursor<'_>, value: &Field, child: NodeId, depth: u32) -> Result<(), ReadError> {
        while !entry.is_at_end() {
            let tag = entry.varint()?;
            if tag >> 3 != 2 {
                let nowhere = Place { message: None, node: None, depth };
                self.unknown(entry, nowhere, low(tag >> 3), low(tag & 7))?;
                continue;
            }
            let capture = match value.kind {
                Kind::Message(id) => {
                    let place = Place { message: Some(id), node: Some(child), depth: depth + 1 };
                    if self.messages.get(id).is_timestamp {
                        self.timestamp(&mut entry.message()?, place, Capture::Missing)?
                    } else {
                        self.message(&mut entry.message()?, place, None).map(|()| Capture::Container)?
                    }
                }
                kind => read_single(self.messages, entry, kind)?,
            };
            self.set(Some(child), capture);
        }
        Ok(())
    }

    /// A field that is not declared: its wire format must be right, and it may be wanted by its number.
    fn unknown(&mut self, cursor: &mut Cursor<'_>, place: Place, number: u32, wire: u32) -> Result<(), ReadError> {
        let is_undeclared = place.message.is_none();
        let wanted = place.node.filter(|_| is_undeclared);
        let node = wanted.and_then(|node| self.wanted.child_numbered(node, i128::from(number)));
        let capture = match wire {
            VARINT => Capture::Integer(i128::from(cursor.varint()?)),
            EIGHT_BYTES => Capture::Integer(i128::from(u64::from_le_bytes(cursor.array()?))),
            FOUR_BYTES => Capture::Integer(i128::from(u32::from_le_bytes(cursor.array()?))),
            LENGTH => {
                let len = cursor.varint()?;
                let span = cursor.span(len)?;
                if let Some(node) = node.filter(|node| self.wanted.has_children(*node)) {
                    // it may be a message: if it is none, nothing is found in it
                    let inner = Place { message: None, node: Some(node), depth: place.depth + 1 };
                    if self.message(&mut cursor.within(span), inner, None).is_err() {
                        self.captures.forget(self.wanted, node);
                    }
                }
                Capture::Plain(span.start, span.end)
            }
            GROUP_START => {
                let inner = Place { message: None, node, depth: place.depth + 1 };
                self.message(cursor, inner, Some(number))?;
                Capture::Container
            }
            _ => return Err(cursor.error("a wire type that is none")),
        };
        self.set(node, capture);
        Ok(())
    }

    fn set(&mut self, node: Option<NodeId>, capture: Capture) {
        if let Some(node) = node {
            self.captures.set(self.wanted, node, capture);
        }
    }
}

/// A value that is no message.
pub(super) fn read_single(messages: &Messages, cursor: &mut Cursor<'_>, kind: Kind) -> Result<Capture, ReadError> {
    let integer = |value: i64| Capture::Integer(i128::from(value));
    let sign = |value: u64| (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
    Ok(match kind {
        Kind::Int32 => integer(i64::from(low(cursor.varint()?).cast_signed())),
        Kind::Int64 => integer(cursor.varint()?.cast_signed()),
        Kind::Uint32 => integer(i64::from(low(cursor.varint()?))),
        Kind::Uint64 => Capture::Integer(i128::from(cursor.varint()?)),
        Kind::Sint32 => integer(sign(u64::from(low(cursor.varint()?)))),
        Kind::Sint64 => integer(sign(cursor.varint()?)),
        Kind::Bool => Capture::Bool(cursor.varint()? != 0),
        Kind::Enum(index) => {
            let number = low(cursor.varint()?).cast_signed();
            messages.symbol(index, number).map_or_else(|| integer(i64::from(number)), Capture::Symbol)
        }
        Kind::Fixed32 => integer(i64::from(u32::from_le_bytes(cursor.array()?))),
        Kind::Sfixed32 => integer(i64::from(i32::from_le_bytes(cursor.array()?))),
        Kind::Float => Capture::Single(f32::from_le_bytes(cursor.array()?)),
        Kind::Fixed64 => Capture::Integer(i128::from(u64::from_le_bytes(cursor.array()?))),
        Kind::Sfixed64 => integer(i64::from_le_bytes(cursor.array()?)),
        Kind::Double => Capture::Double(f64::from_le_bytes(cursor.array()?)),
        Kind::Text | Kind::Bytes => {
            let len = cursor.varint()?;
            let Span { start, end } = cursor.span(len)?;
            if kind == Kind::Text && simdutf8::basic::from_utf8(cursor.bytes_of(Span { start, end })).is_err() {
                return Err(ReadError { at: start, what: "a string that is no UTF-8" });
            }
            Capture::Plain(start, end)
        }
        Kind::Message(_) | Kind::Group(_) => unreachable!("messages are no scalars"),
    })
}

impl<'v> Cursor<'v> {
    /// A message with its length in front.
    pub(super) fn message(&mut self) -> Result<Self, ReadError> {
        let len = self.varint()?;
        let span = self.span(len)?;
        Ok(self.within(span))
    }
}

pub(super) fn wire_of(kind: Kind) -> u32 {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 => VARINT,
        Kind::Bool | Kind::Enum(_) => VARINT,
        Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => FOUR_BYTES,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => EIGHT_BYTES,
        Kind::Text | Kind::Bytes | Kind::Message(_) => LENGTH,
        Kind::Group(_) => GROUP_START,
    }
}

/// The low 32 bits, as the official libraries take them of a longer number.
pub(super) fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).expect("32 bits fit")
}
