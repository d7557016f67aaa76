//! MessagePack: one pass over a map; everything is validated by the specification (github.com/msgpack/msgpack, with
//! the timestamp extension), nothing is decoded that was not asked for.
//!
//! The outermost value is a map. Keys are strings, binaries or integers; a key of another type is skipped with its
//! value. The old type `raw` is today's `str`, so strings that are no UTF-8 are good, and bad as a field.

use super::cursor::{Cursor, ReadError};
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
        0xde => reader.length(2)?,
        0xdf => reader.length(4)?,
        _ => return Err(ReadError { at: 0, what: "no map" }),
    };
    reader.map(pairs, Some(Wanted::ROOT), 1)?;
    reader.cursor.end()
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
                let name = self.cursor.bytes_of(super::cursor::Span { start, end });
                self.wanted.child(node, std::str::from_utf8(name).ok()?)
            }
            _ => None,
        }
    }

    /// Any value; what is wanted below it is captured.
    fn value(&mut self, node: Option<NodeId>, depth: u32) -> Result<Capture, ReadError> {
        let at = self.cursor.at();
        let first = self.cursor.byte()?;
        let number = |value: i128| Ok(Capture::Integer(value));
        match first {
            0x00..=0x7f => number(i128::from(first)),
            0x80..=0x8f => self.container_map(u64::from(first & 0x0f), node, depth),
            0x90..=0x9f => self.array(u64::from(first & 0x0f), depth),
            0xa0..=0xbf => self.text(u64::from(first & 0x1f)),
            0xc0 => Ok(Capture::Null),
            0xc1 => Err(ReadError { at, what: "the byte c1, which is never used" }),
            0xc2 => Ok(Capture::Bool(false)),
            0xc3 => Ok(Capture::Bool(true)),
            0xc4..=0xc6 => self.length(1 << (first - 0xc4)).and_then(|len| self.text(len)),
            0xc7..=0xc9 => self.length(1 << (first - 0xc7)).and_then(|len| self.extension(len)),
            0xca => Ok(Capture::Single(f32::from_be_bytes(self.cursor.array()?))),
            0xcb => Ok(Capture::Double(f64::from_be_bytes(self.cursor.array()?))),
            0xcc..=0xcf => number(i128::from(self.length(1 << (first - 0xcc))?)),
            0xd0 => number(i128::from(i8::from_be_bytes(self.cursor.array()?))),
            0xd1 => number(i128::from(i16::from_be_bytes(self.cursor.array()?))),
            0xd2 => number(i128::from(i32::from_be_bytes(self.cursor.array()?))),
            0xd3 => number(i128::from(i64::from_be_bytes(self.cursor.array()?))),
            0xd4..=0xd8 => self.extension(1 << (first - 0xd4)),
            0xd9..=0xdb => self.length(1 << (first - 0xd9)).and_then(|len| self.text(len)),
            0xdc | 0xdd => self.length(2 << (first - 0xdc)).and_then(|len| self.array(len, depth)),
            0xde | 0xdf => self.length(2 << (first - 0xde)).and_then(|len| self.container_map(len, node, depth)),
            0xe0..=0xff => number(i128::from(i8::from_be_bytes([first]))),
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

    fn text(&mut self, len: u64) -> Result<Capture, ReadError> {
        let span = self.cursor.span(len)?;
        Ok(Capture::Plain(span.start, span.end))
    }

    fn extension(&mut self, len: u64) -> Result<Capture, ReadError> {
        let kind = self.cursor.byte()?;
        let span = self.cursor.span(len)?;
        let time = if kind == TIMESTAMP { timestamp(self.cursor.bytes_of(span)) } else { None };
        Ok(time.map_or(Capture::Container, Capture::Time))
    }

    /// An unsigned number of `size` bytes: 1, 2, 4 or 8.
    fn length(&mut self, size: u32) -> Result<u64, ReadError> {
        let mut number = 0;
        for _ in 0..size {
            number = number << 8 | u64::from(self.cursor.byte()?);
        }
        Ok(number)
    }

    fn check_depth(&self, depth: u32) -> Result<(), ReadError> {
        if depth > DEPTH_MAX { Err(self.cursor.error("too deep nesting")) } else { Ok(()) }
    }
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
