//! Data by the schema that the file's header says: where each ends, and what it says to people.
//!
//! As JSON: records and maps are objects, of a union stands what its branch holds, an enum is its symbol. What JSON has no
//! word for is a string: bytes are base64, times and dates ISO 8601, decimals and numbers that are none their text.

use super::super::{Archived, Fault, fault, malformed};
use crate::columns::print::{decimal, push_bytes, push_comma, push_number, push_plain, push_text};
use crate::event_time::iso_text;
use crate::fields::Time;
use crate::input::avro::{Kind, TypeId, Types};
use crate::input::cursor::{Cursor, ReadError};

/// Deepest nesting of records, arrays and maps; a datum that was archived has no more, with its defaults.
const DEPTH_MAX: u32 = 200;

/// Most items without bytes of one array; what was archived has fewer.
const NOTHINGS_MAX: u64 = 2_000;

pub(super) struct Values {
    types: Types,
    root: TypeId,
}

// === impl Values ===

impl Values {
    pub(super) fn new(schema: &[u8]) -> Result<Self, Fault> {
        let schema = std::str::from_utf8(schema).map_err(fault)?;
        let mut types = Types::default();
        let (root, _) = types.add(schema).map_err(Fault::Malformed)?;
        Ok(Self { types, root })
    }

    /// Every datum is without bytes.
    pub(super) fn are_nothing(&self) -> bool {
        self.types.is_empty(self.root)
    }

    /// Reads the datum at the beginning of `rest`; returns its length.
    pub(super) fn read(&self, rest: &[u8], archived: &mut Archived) -> Result<usize, Fault> {
        let mut text = archived.value.take().unwrap_or_default();
        let mut printer = Printer { cursor: Cursor::new(rest), types: &self.types, text: &mut text };
        printer.value(self.root, 0).map_err(|error| malformed(&error.to_string()))?;
        let len = printer.cursor.at();
        archived.row = Some(rest[..len].to_vec());
        archived.value = Some(text);
        Ok(len)
    }
}

struct Printer<'v, 't> {
    cursor: Cursor<'v>,
    types: &'t Types,
    text: &'t mut Vec<u8>,
}

// === impl Printer ===

impl<'v> Printer<'v, '_> {
    fn value(&mut self, id: TypeId, depth: u32) -> Result<(), ReadError> {
        if depth > DEPTH_MAX {
            return Err(self.cursor.error("too deep nesting"));
        }
        let types = self.types;
        match types.kind(id) {
            Kind::Null => self.text.extend_from_slice(b"null"),
            Kind::Boolean => {
                let value = self.cursor.byte()? != 0;
                push_plain(self.text, value);
            }
            Kind::Int | Kind::Long => {
                let value = self.cursor.zigzag()?;
                push_plain(self.text, value);
            }
            Kind::Float => {
                let value = f32::from_le_bytes(self.cursor.array()?);
                match value.is_finite() {
                    // with the digits of a float, not of the double that is nearest
                    true => serde_json::to_writer(&mut *self.text, &value).expect("memory takes what is written"),
                    false => push_number(self.text, f64::from(value)),
                }
            }
            Kind::Double => {
                let value = f64::from_le_bytes(self.cursor.array()?);
                push_number(self.text, value);
            }
            Kind::String => {
                let bytes = self.sized()?;
                push_text(self.text, &String::from_utf8_lossy(bytes));
            }
            Kind::Bytes => {
                let bytes = self.sized()?;
                self.bytes(id, bytes);
            }
            Kind::Fixed(size) => {
                let span = self.cursor.span(*size)?;
                let bytes = self.cursor.bytes_of(span);
                self.bytes(id, bytes);
            }
            Kind::Date => {
                let days = self.cursor.zigzag()?;
                let date = i32::try_from(days).ok().map(|days| Time::Date { days });
                self.time(date, days);
            }
            Kind::Instant { per_second } => {
                let value = self.cursor.zigzag()?;
                self.time(Some(Time::instant(value, *per_second)), value);
            }
            Kind::Civil { per_second } => {
                let value = self.cursor.zigzag()?;
                self.time(Some(Time::civil(value, *per_second)), value);
            }
            Kind::Enum { first_symbol, symbols } => {
                let index = self.index(*symbols)?;
                push_text(self.text, &types.symbols[first_symbol + index]);
            }
            Kind::Union(branches) => {
                let index = self.index(branches.len())?;
                // a union holds no union, so it does not count as nesting
                self.value(branches[index], depth)?;
            }
            Kind::Array(items) => self.array(*items, depth)?,
            Kind::Map(values) => self.map(*values, depth)?,
            Kind::Record(fields) => {
                self.text.push(b'{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    push_comma(self.text, index);
                    push_text(self.text, name);
                    self.text.push(b':');
                    self.value(*field, depth + 1)?;
                }
                self.text.push(b'}');
            }
        }
        Ok(())
    }

    fn array(&mut self, items: TypeId, depth: u32) -> Result<(), ReadError> {
        self.text.push(b'[');
        let (mut printed, is_empty) = (0, self.types.is_empty(items));
        while let Some(count) = self.block()? {
            if is_empty && count > NOTHINGS_MAX {
                return Err(self.cursor.error("too many items without bytes"));
            }
            for _ in 0..count {
                push_comma(self.text, printed);
                self.value(items, depth + 1)?;
                printed += 1;
            }
        }
        self.text.push(b']');
        Ok(())
    }

    fn map(&mut self, values: TypeId, depth: u32) -> Result<(), ReadError> {
        self.text.push(b'{');
        let mut printed = 0;
        while let Some(count) = self.block()? {
            for _ in 0..count {
                push_comma(self.text, printed);
                let key = self.sized()?;
                push_text(self.text, &String::from_utf8_lossy(key));
                self.text.push(b':');
                self.value(values, depth + 1)?;
                printed += 1;
            }
        }
        self.text.push(b'}');
        Ok(())
    }

    /// Items of the next block; `None`: it was the last.
    fn block(&mut self) -> Result<Option<u64>, ReadError> {
        let count = self.cursor.zigzag()?;
        if count < 0 {
            self.cursor.zigzag()?;
        }
        Ok(Some(count.unsigned_abs()).filter(|count| *count > 0))
    }

    fn bytes(&mut self, id: TypeId, bytes: &[u8]) {
        match self.types.scale(id).and_then(|scale| Some((scale, unscaled(bytes)?))) {
            Some((scale, number)) => push_text(self.text, &decimal(number, scale)),
            None => push_bytes(self.text, bytes),
        }
    }

    fn time(&mut self, time: Option<Time>, number: i64) {
        match time.and_then(iso_text) {
            Some(iso) => push_text(self.text, &iso),
            // outside the calendar
            None => push_plain(self.text, number),
        }
    }

    fn index(&mut self, count: usize) -> Result<usize, ReadError> {
        let index = self.cursor.zigzag()?;
        let index = usize::try_from(index).ok().filter(|index| *index < count);
        index.ok_or_else(|| self.cursor.error("a number of no branch or symbol"))
    }

    fn sized(&mut self) -> Result<&'v [u8], ReadError> {
        let len = self.cursor.zigzag()?;
        let len = u64::try_from(len).map_err(|_| self.cursor.error("a negative length"))?;
        let span = self.cursor.span(len)?;
        Ok(self.cursor.bytes_of(span))
    }
}

/// A number of up to 16 bytes, the highest first, with its sign; longer ones are not printed in decimal.
fn unscaled(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let mut number = [if first & 0x80 == 0 { 0 } else { 0xff }; 16];
    let start = number.len().checked_sub(bytes.len())?;
    number[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(number))
}
