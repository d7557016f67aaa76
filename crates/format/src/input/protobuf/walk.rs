//! A good message, place by place.
//!
//! A field may be anywhere in a message, any number of times. What is repeated are items of one list; a message that occurs
//! again is joined with what was there before, as all libraries do; of anything else the last one counts. Keys of maps that
//! are no texts are texts of their digits, as in paths; a key or a value that is not on the wire is its type's default.
//!
//! Without a schema every field may be one of a list, and nothing can be entered.

use std::ops::{ControlFlow, Range};

use super::super::cursor::Cursor;
use super::schema::{Field, Kind, MessageId, Messages};
use super::wire::{EIGHT_BYTES, FOUR_BYTES, GROUP_END, GROUP_START, LENGTH, VARINT, low, read_single, wire_of};
use crate::fields::{Capture, Found, Time};
use crate::walk::{EachMember, Seen, Walk, last};

const VALID: &str = "the message was found good";

/// Numbers of the fields of an entry of a map, and of a timestamp.
const KEY: u32 = 1;
const VALUE: u32 = 2;
const SECONDS: u32 = 1;
const NANOS: u32 = 2;

pub(super) struct ProtobufWalk<'v> {
    value: &'v [u8],
    messages: &'v Messages,
}

/// Bytes of a value, and what they are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    start: usize,
    end: usize,
    what: What,
    /// One of a list or of a map.
    is_repeated: bool,
}

#[derive(Clone, Copy)]
enum What {
    /// `None`: nothing is declared.
    Message(Option<MessageId>),
    /// An entry of a map.
    Entry(MessageId),
    Single(Kind),
    /// Several of them, one behind the other.
    Packed(Kind),
    /// It has the value that is not on the wire.
    Default(Kind),
    /// What is not declared, by its wire type.
    Undeclared(u32),
}

// === impl Place ===

impl Place {
    pub(super) fn message(span: Range<usize>, message: Option<MessageId>) -> Self {
        Self { start: span.start, end: span.end, what: What::Message(message), is_repeated: false }
    }

    fn of(field: &Field, wire: u32, span: Range<usize>) -> Self {
        let is_packed = wire == LENGTH && field.is_repeated && wire_of(field.kind) != LENGTH;
        let what = match field.kind {
            Kind::Message(entry) if field.is_map => What::Entry(entry),
            Kind::Message(message) | Kind::Group(message) => What::Message(Some(message)),
            kind if is_packed => What::Packed(kind),
            kind => What::Single(kind),
        };
        Self { start: span.start, end: span.end, what, is_repeated: field.is_repeated }
    }
}

// === impl ProtobufWalk ===

impl<'v> ProtobufWalk<'v> {
    pub(super) fn new(value: &'v [u8], messages: &'v Messages) -> Self {
        Self { value, messages }
    }

    /// Calls `each` with number, wire type and bytes of every field of a message: those behind a length, without it.
    fn fields(&self, place: Place, mut each: impl FnMut(u32, u32, Range<usize>)) {
        let mut cursor = Cursor::starting_at(&self.value[..place.end], place.start);
        while !cursor.is_at_end() {
            let tag = low(cursor.varint().expect(VALID));
            let (number, wire) = (tag >> 3, tag & 7);
            each(number, wire, skip(&mut cursor, wire));
        }
    }

    fn single(&self, place: Place, kind: Kind) -> Seen<'v> {
        let capture = match kind {
            // without the length in front
            Kind::Text | Kind::Bytes => Capture::Plain(place.start, place.end),
            _ => {
                let mut cursor = Cursor::starting_at(self.value, place.start);
                read_single(self.messages, &mut cursor, kind).expect(VALID)
            }
        };
        Seen::captured(capture, self.value, &self.messages.symbols)
    }

    fn default(&self, kind: Kind) -> Seen<'v> {
        let zero = Seen::Single(Found::Integer(0));
        match kind {
            Kind::Text | Kind::Bytes => Seen::Bytes(b""),
            Kind::Bool => Seen::Single(Found::Bool(false)),
            Kind::Float => Seen::Single(Found::Single(0.0)),
            Kind::Double => Seen::Single(Found::Double(0.0)),
            Kind::Enum(index) => {
                let symbol = self.messages.symbol(index, 0);
                symbol.map_or(zero, |symbol| Seen::Symbol(&self.messages.symbols[symbol]))
            }
            Kind::Message(message) if self.messages.get(message).is_timestamp => {
                Seen::Single(Found::Time(Time::Instant { seconds: 0, nanoseconds: 0 }))
            }
            Kind::Message(_) | Kind::Group(_) => Seen::Members,
            _ => zero,
        }
    }

    /// Seconds and nanoseconds of all that `places` have together.
    fn timestamp(&self, places: &[Place]) -> Seen<'v> {
        let (mut seconds, mut nanos) = (0, 0);
        for place in places {
            self.fields(*place, |number, wire, span| {
                let number_at = || Cursor::starting_at(self.value, span.start).varint().expect(VALID);
                match (number, wire) {
                    (SECONDS, VARINT) => seconds = number_at().cast_signed(),
                    (NANOS, VARINT) => nanos = low(number_at()).cast_signed(),
                    _ => {}
                }
            });
        }
        match u32::try_from(nanos).ok().filter(|&nanos| nanos < 1_000_000_000) {
            Some(nanoseconds) => Seen::Single(Found::Time(Time::Instant { seconds, nanoseconds })),
            None => Seen::Other,
        }
    }

    fn undeclared(&self, place: Place, wire: u32) -> Seen<'v> {
        let mut cursor = Cursor::starting_at(self.value, place.start);
        Seen::Single(Found::Integer(match wire {
            VARINT => i128::from(cursor.varint().expect(VALID)),
            EIGHT_BYTES => i128::from(u64::from_le_bytes(cursor.array().expect(VALID))),
            FOUR_BYTES => i128::from(u32::from_le_bytes(cursor.array().expect(VALID))),
            LENGTH => return Seen::Bytes(&self.value[place.start..place.end]),
            _ => return Seen::Other,
        }))
    }

    fn entry(&self, place: Place, id: MessageId, each: &mut EachMember<'_, Place>) {
        let entry = self.messages.get(id);
        let (Some(key), Some(value)) = (entry.field(KEY), entry.field(VALUE)) else { return };
        let absent = |field: &Field| Place {
            start: place.end,
            end: place.end,
            what: What::Default(field.kind),
            is_repeated: false,
        };
        let (mut key_at, mut value_at) = (absent(key), absent(value));
        self.fields(place, |number, wire, span| match number {
            KEY => key_at = Place::of(key, wire, span),
            VALUE => value_at = Place::of(value, wire, span),
            _ => {}
        });
        match self.look(&[key_at]) {
            Seen::Bytes(text) => each(std::str::from_utf8(text).ok(), Some(value_at)),
            Seen::Single(Found::Integer(number)) => each(Some(&number.to_string()), Some(value_at)),
            Seen::Single(Found::Bool(key)) => each(Some(if key { "true" } else { "false" }), Some(value_at)),
            _ => each(None, Some(value_at)),
        }
    }
}

impl<'v> Walk<'v> for ProtobufWalk<'v> {
    type Place = Place;

    fn look(&self, places: &[Place]) -> Seen<'v> {
        let place = last(places);
        match place.what {
            What::Entry(_) => Seen::Entries,
            What::Undeclared(wire) => self.undeclared(place, wire),
            _ if place.is_repeated => Seen::Items,
            What::Message(Some(message)) if self.messages.get(message).is_timestamp => self.timestamp(places),
            What::Message(_) => Seen::Members,
            What::Single(kind) => self.single(place, kind),
            What::Default(kind) => self.default(kind),
            What::Packed(_) => Seen::Items,
        }
    }

    fn members(&self, places: &[Place], each: &mut EachMember<'_, Place>) {
        for place in places {
            match place.what {
                What::Entry(entry) => self.entry(*place, entry, each),
                What::Message(Some(id)) => {
                    let message = self.messages.get(id);
                    self.fields(*place, |number, wire, span| {
                        let Some(field) = message.field(number) else { return };
                        // a field of a oneof takes the place of the others
                        for other in field.oneof.into_iter().flat_map(|oneof| message.in_oneof(oneof)) {
                            if other.number != number {
                                each(Some(&other.name), None);
                            }
                        }
                        each(Some(&field.name), Some(Place::of(field, wire, span)));
                    });
                }
                What::Message(None) => self.fields(*place, |number, wire, span| {
                    let what = What::Undeclared(wire);
                    let place = Place { start: span.start, end: span.end, what, is_repeated: true };
                    each(Some(&number.to_string()), Some(place));
                }),
                // a value that is not on the wire has no fields
                What::Single(_) | What::Packed(_) | What::Default(_) | What::Undeclared(_) => {}
            }
        }
    }

    fn is_list(&self, places: &[Place]) -> bool {
        let place = last(places);
        place.is_repeated && !matches!(place.what, What::Entry(_))
    }

    fn items(&self, places: &[Place], each: &mut dyn FnMut(Place) -> ControlFlow<()>) {
        for place in places {
            let What::Packed(kind) = place.what else {
                if each(Place { is_repeated: false, ..*place }).is_break() {
                    return;
                }
                continue;
            };
            let mut cursor = Cursor::starting_at(&self.value[..place.end], place.start);
            while !cursor.is_at_end() {
                let span = skip(&mut cursor, wire_of(kind));
                let item = Place { start: span.start, end: span.end, what: What::Single(kind), is_repeated: false };
                if each(item).is_break() {
                    return;
                }
            }
        }
    }
}

/// Goes behind the value that begins here; where it is, without a length in front and without the end of a group.
fn skip(cursor: &mut Cursor<'_>, wire: u32) -> Range<usize> {
    let start = cursor.at();
    match wire {
        VARINT => drop(cursor.varint().expect(VALID)),
        EIGHT_BYTES => drop(cursor.array::<8>().expect(VALID)),
        FOUR_BYTES => drop(cursor.array::<4>().expect(VALID)),
        LENGTH => {
            let len = cursor.varint().expect(VALID);
            let span = cursor.span(len).expect(VALID);
            return span.start..span.end;
        }
        GROUP_START => loop {
            let end = cursor.at();
            let wire = low(cursor.varint().expect(VALID)) & 7;
            if wire == GROUP_END {
                return start..end;
            }
            skip(cursor, wire);
        },
        _ => unreachable!("{VALID}"),
    }
    start..cursor.at()
}
