//! MessagePack: one pass over a map; everything is validated by the specification (github.com/msgpack/msgpack, with
//! the timestamp extension), nothing is decoded that was not asked for.
//!
//! The outermost value is a map. Keys are strings, binaries or integers; a key of another type is skipped with its
//! value. The old type `raw` is today's `str`, so strings that are no UTF-8 are good, and bad as a field.

mod walk;

pub(crate) use self::walk::MessagePackWalk;
use super::cursor::{Cursor, ReadError, Span};
use crate::fields::{Capture, Captures, NodeId, Time, Wanted};

/// Deepest nesting of maps and arrays. Persisted, never change.
const DEPTH_MAX: u32 = 127;

/// The extension type of the specification's timestamps.
const TIMESTAMP: u8 = 0xff;

/// Validates that `value` is one map and captures the wanted fields. Of a key that occurs twice the last counts.
pub(crate) fn read_map(value: &[u8], wanted: &Wanted, captures: &mut Captures) -> Result<(), ReadError> {
    captures.clear(wanted);
    let mut reader = MapReader { cursor: Cursor::new(value), wanted, captures };
    let pairs = match reader.cursor.byte()? {
        byte @ 0x80..=0x8f => u64::from(byte & 0x0f),
        0xde => length(&mut reader.cursor, 2)?,
        0xdf => length(&mut reader.cursor, 4)?,
        _ => return Err(ReadError { at: 0, what: "no map" }),
    };
    reader.map(pairs, Some(Wanted::ROOT), 1)?;
    reader.cursor.end()
}

/// What a value begins with; a single one is whole.
enum Head {
    Single(Capture),
    /// Of so many items.
    Array(u64),
    /// Of so many pairs.
    Map(u64),
}

struct MapReader<'v, 'w> {
    cursor: Cursor<'v>,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
}

// === impl MapReader ===

impl MapReader<'_, '_> {
    fn map(&mut self, pairs: u64, node: Option<NodeId>, depth: u32) -> Result<(), ReadError> {
        self.check_depth(depth)?;
        for _ in 0..pairs {
            let key = self.value(None, depth)?;
            let child = node.and_then(|node| self.child(node, key));
            if let Some(child) = child {
                self.captures.forget(self.wanted, child);
            }
            let capture = self.value(child, depth)?;
            if let Some(child) = child {
                self.captures.set(self.wanted, child, capture);
            }
        }
        Ok(())
    }

    fn child(&self, node: NodeId, key: Capture) -> Option<NodeId> {
        match key {
            Capture::Integer(number) => self.wanted.child_numbered(node, number),
            Capture::Plain(start, end) => {
                let name = self.cursor.bytes_of(Span { start, end });
                self.wanted.child(node, std::str::from_utf8(name).ok()?)
            }
            _ => None,
        }
    }

    /// Any value; what is wanted below it is captured.
    fn value(&mut self, node: Option<NodeId>, depth: u32) -> Result<Capture, ReadError> {
        match head(&mut self.cursor)? {
            Head::Single(capture) => Ok(capture),
            Head::Array(items) => self.array(items, depth),
            Head::Map(pairs) => self.container_map(pairs, node, depth),
        }
    }

    fn container_map(&mut self, pairs: u64, node: Option<NodeId>, depth: u32) -> Result<Capture, ReadError> {
        self.map(pairs, node, depth + 1)?;
        Ok(Capture::Container)
    }

    fn array(&mut self, items: u64, depth: u32) -> Result<Capture, ReadError> {
        self.check_depth(depth + 1)?;
        for _ in 0..items {
            self.value(None, depth + 1)?;
        }
        Ok(Capture::Container)
    }

    fn check_depth(&self, depth: u32) -> Result<(), ReadError> {
        if depth > DEPTH_MAX { Err(self.cursor.error("too deep nesting")) } else { Ok(()) }
    }
}

fn head(cursor: &mut Cursor<'_>) -> Result<Head, ReadError> {
    let at = cursor.at();
    let first = cursor.byte()?;
    let number = |value: i128| Ok(Capture::Integer(value));
    let single = match first {
        0x00..=0x7f => number(i128::from(first)),
        0x80..=0x8f => return Ok(Head::Map(u64::from(first & 0x0f))),
        0x90..=0x9f => return Ok(Head::Array(u64::from(first & 0x0f))),
        0xa0..=0xbf => text(cursor, u64::from(first & 0x1f)),
        0xc0 => Ok(Capture::Null),
        0xc1 => Err(ReadError { at, what: "the byte c1, which is never used" }),
        0xc2 => Ok(Capture::Bool(false)),
        0xc3 => Ok(Capture::Bool(true)),
        0xc4..=0xc6 => length(cursor, 1 << (first - 0xc4)).and_then(|len| text(cursor, len)),
        0xc7..=0xc9 => length(cursor, 1 << (first - 0xc7)).and_then(|len| extension(cursor, len)),
        0xca => Ok(Capture::Single(f32::from_be_bytes(cursor.array()?))),
        0xcb => Ok(Capture::Double(f64::from_be_bytes(cursor.array()?))),
        0xcc..=0xcf => number(i128::from(length(cursor, 1 << (first - 0xcc))?)),
        0xd0 => number(i128::from(i8::from_be_bytes(cursor.array()?))),
        0xd1 => number(i128::from(i16::from_be_bytes(cursor.array()?))),
        0xd2 => number(i128::from(i32::from_be_bytes(cursor.array()?))),
        0xd3 => number(i128::from(i64::from_be_bytes(cursor.array()?))),
        0xd4..=0xd8 => extension(cursor, 1 << (first - 0xd4)),
        0xd9..=0xdb => length(cursor, 1 << (first - 0xd9)).and_then(|len| text(cursor, len)),
        0xdc | 0xdd => return length(cursor, 2 << (first - 0xdc)).map(Head::Array),
        0xde | 0xdf => return length(cursor, 2 << (first - 0xde)).map(Head::Map),
        0xe0..=0xff => number(i128::from(i8::from_be_bytes([first]))),
    };
    single.map(Head::Single)
}

fn text(cursor: &mut Cursor<'_>, len: u64) -> Result<Capture, ReadError> {
    let span = cursor.span(len)?;
    Ok(Capture::Plain(span.start, span.end))
}

fn extension(cursor: &mut Cursor<'_>, len: u64) -> Result<Capture, ReadError> {
    let kind = cursor.byte()?;
    let span = cursor.span(len)?;
    let time = if kind == TIMESTAMP { timestamp(cursor.bytes_of(span)) } else { None };
    Ok(time.map_or(Capture::Container, Capture::Time))
}

/// An unsigned number of `size` bytes: 1, 2, 4 or 8.
fn length(cursor: &mut Cursor<'_>, size: u32) -> Result<u64, ReadError> {
    let mut number = 0;
    for _ in 0..size {
        number = number << 8 | u64::from(cursor.byte()?);
    }
    Ok(number)
}

/// The three lengths of the timestamp extension; `None` for anything else.
fn timestamp(bytes: &[u8]) -> Option<Time> {
    let (seconds, nanoseconds) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, u32::try_from(both >> 34).ok()?)
        }
        [a, b, c, d, ref seconds @ ..] => (
            i64::from_be_bytes(*seconds.first_chunk().filter(|_| seconds.len() == 8)?),
            u32::from_be_bytes([a, b, c, d]),
        ),
        _ => return None,
    };
    (nanoseconds < 1_000_000_000).then_some(Time::Instant { seconds, nanoseconds })
}

#[cfg(test)]
mod tests;
