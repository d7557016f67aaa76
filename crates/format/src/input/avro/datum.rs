//! The walk over one datum by its type: everything validated, and what is wanted captured.

use super::types::{Kind, TypeId, Types};
use crate::fields::{Capture, Captures, NodeId, Time, Wanted};
use crate::input::cursor::{Cursor, ReadError, Span};

/// Deepest nesting of records, arrays and maps. Persisted, never change.
const DEPTH_MAX: u32 = 127;

/// Most items of arrays without bytes in one datum of a file. A few bytes may claim any number of them, and a reader of
/// the file would build them all. Persisted, never change.
const NOTHINGS_MAX: u64 = 1_024;

/// How strictly a datum is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Is it one datum of its schema?
    Alone,
    /// And may it stand in a block of a file, where a reader that fails over it loses its neighbours too? Java's fails over
    /// an int of six bytes, whatever its number, so every number has its shortest form; and see [`NOTHINGS_MAX`].
    InFile,
}

pub(super) struct Datum<'v, 'w> {
    cursor: Cursor<'v>,
    types: &'w Types,
    rules: Rules,
    wanted: &'w Wanted,
    captures: &'w mut Captures,
    /// Items without bytes so far.
    nothings: u64,
}

// === impl Datum ===

impl<'v, 'w> Datum<'v, 'w> {
    pub(super) fn new(
        body: &'v [u8],
        types: &'w Types,
        rules: Rules,
        wanted: &'w Wanted,
        captures: &'w mut Captures,
    ) -> Self {
        Self { cursor: Cursor::new(body), types, rules, wanted, captures, nothings: 0 }
    }

    /// One datum of type `root` and nothing behind it.
    pub(super) fn whole(&mut self, root: TypeId) -> Result<(), ReadError> {
        self.value(root, Some(Wanted::ROOT), 0)?;
        self.cursor.end()
    }

    /// Not from its first byte.
    pub(super) fn from(mut self, at: usize) -> Self {
        self.cursor = self.cursor.moved_to(at);
        self
    }

    pub(super) fn at(&self) -> usize {
        self.cursor.at()
    }

    /// The next value, of which nothing is wanted.
    pub(super) fn step(&mut self, id: TypeId) -> Result<Capture, ReadError> {
        self.value(id, None, 0)
    }

    /// The type of the branch of a union that is there.
    pub(super) fn branch(&mut self, branches: &[TypeId]) -> Result<TypeId, ReadError> {
        let branch = usize::try_from(self.long()?).ok().and_then(|index| branches.get(index)).copied();
        branch.ok_or_else(|| self.cursor.error("a union that has no such branch"))
    }

    pub(super) fn key(&mut self) -> Result<&'v str, ReadError> {
        let len = self.length()?;
        let span = self.cursor.span(len)?;
        let key = std::str::from_utf8(self.cursor.bytes_of(span));
        key.map_err(|_| ReadError { at: span.start, what: "a key that is no UTF-8" })
    }

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
            Kind::Union(branches) => {
                // a union holds no union, so it does not count as nesting
                let branch = self.branch(branches)?;
                self.value(branch, node, depth)?
            }
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
            if is_empty {
                self.count_nothings(block.count)?;
            }
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
                let key = self.key()?;
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
    pub(super) fn block(&mut self) -> Result<Option<Block>, ReadError> {
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
        let start = self.cursor.at();
        let long = self.cursor.zigzag()?;
        let end = self.cursor.at();
        let is_padded = || self.cursor.bytes_of(Span { start: end - 1, end }) == [0];
        if self.rules == Rules::InFile && end - start > 1 && is_padded() {
            return Err(ReadError { at: start, what: "a number that is longer than it must be" });
        }
        Ok(long)
    }

    fn int(&mut self) -> Result<i32, ReadError> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| self.cursor.error("an int beyond 32 bits"))
    }

    fn count_nothings(&mut self, count: u64) -> Result<(), ReadError> {
        self.nothings = self.nothings.saturating_add(count);
        match self.rules {
            Rules::InFile if self.nothings > NOTHINGS_MAX => Err(self.cursor.error("too many items without bytes")),
            Rules::InFile | Rules::Alone => Ok(()),
        }
    }

    fn deeper(&self, depth: u32) -> Result<u32, ReadError> {
        if depth == DEPTH_MAX { Err(self.cursor.error("too deep nesting")) } else { Ok(depth + 1) }
    }
}

/// A run of items of an array or a map.
pub(super) struct Block {
    pub count: u64,
    /// Where it says that it ends.
    end: Option<u64>,
}
