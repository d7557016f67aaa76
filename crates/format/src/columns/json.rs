//! From a JSON object to a row, straight over its text: no tree of values is made.
//!
//! The text was validated before, so nothing is checked twice. Of a name that occurs twice the last counts; names that no
//! column has are skipped. A column of type `json` takes the text of any value as it came.

use memchr::memchr2;

use super::cell::{Mismatch, push_absent, push_cell};
use super::row::{push_bytes, push_list, push_struct};
use super::types::{Field, Kind};
use crate::fields::{Found, unescape};

/// What one worker uses again for each record.
#[derive(Default)]
pub(crate) struct JsonRows {
    /// Where the values of the objects that are open start, one for each of their fields.
    starts: Vec<Option<usize>>,
}

struct Walk<'t, 's> {
    text: &'t str,
    at: usize,
    starts: &'s mut Vec<Option<usize>>,
}

// === impl JsonRows ===

impl JsonRows {
    /// Appends the row of `text`, which is one valid JSON object.
    pub(crate) fn push_row(&mut self, row: &mut Vec<u8>, fields: &[Field], text: &str) -> Result<(), Mismatch> {
        self.starts.clear();
        let mut walk = Walk { text, at: 0, starts: &mut self.starts };
        walk.skip_space();
        walk.object(row, fields)
    }
}

// === impl Walk ===

impl<'t> Walk<'t, '_> {
    /// The cells of an object's fields; ends behind it.
    fn object(&mut self, row: &mut Vec<u8>, fields: &[Field]) -> Result<(), Mismatch> {
        let base = self.starts.len();
        self.starts.resize(base + fields.len(), None);
        let mut likely = 0;
        self.members(|walk, name, start| {
            // fields mostly come in one order
            let is = |field: &Field| *field.name == *name;
            let found = match fields.get(likely) {
                Some(field) if is(field) => Some(likely),
                _ => fields.iter().position(is),
            };
            if let Some(index) = found {
                walk.starts[base + index] = Some(start);
                likely = index + 1;
            }
        });
        let end = self.at;
        for (index, field) in fields.iter().enumerate() {
            match self.starts[base + index] {
                Some(start) => {
                    self.at = start;
                    self.value(row, field)?;
                }
                None => push_absent(row, field)?,
            }
        }
        self.starts.truncate(base);
        self.at = end;
        Ok(())
    }

    /// Calls `each` with the name of every member and where its value starts; ends behind the object.
    fn members(&mut self, mut each: impl FnMut(&mut Self, &str, usize)) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.byte() {
                b'}' => break self.at += 1,
                b',' => self.at += 1,
                _ => {
                    let (raw, escaped) = self.string();
                    self.skip_space();
                    self.at += 1;
                    self.skip_space();
                    let start = self.at;
                    self.skip_value();
                    if escaped {
                        // half a surrogate pair is no name of a column
                        if let Some(name) = unescape(raw) {
                            each(self, &name, start);
                        }
                    } else {
                        each(self, raw, start);
                    }
                }
            }
        }
    }

    /// The cell of one value.
    fn value(&mut self, row: &mut Vec<u8>, field: &Field) -> Result<(), Mismatch> {
        match (&field.kind, self.byte()) {
            (_, b'n') => {
                self.skip_value();
                push_absent(row, field)
            }
            (Kind::Json, _) => {
                let start = self.at;
                self.skip_value();
                push_bytes(row, &self.text.as_bytes()[start..self.at]);
                Ok(())
            }
            (Kind::Struct(fields), b'{') => {
                push_struct(row);
                self.object(row, fields).map_err(|mismatch| mismatch.within(field))
            }
            (Kind::List(element), b'[') => self.list(row, element).map_err(|mismatch| mismatch.within(field)),
            (Kind::Map(entry), b'{') => self.map(row, entry).map_err(|mismatch| mismatch.within(field)),
            _ => {
                let found = self.scalar();
                push_cell(row, field, found)
            }
        }
    }

    fn list(&mut self, row: &mut Vec<u8>, element: &Field) -> Result<(), Mismatch> {
        let place = row.len();
        push_list(row, 0);
        let mut count = 0;
        self.at += 1;
        loop {
            self.skip_space();
            match self.byte() {
                b']' => break self.at += 1,
                b',' => self.at += 1,
                _ => {
                    self.value(row, element)?;
                    count += 1;
                }
            }
        }
        set_count(row, place, count);
        Ok(())
    }

    fn map(&mut self, row: &mut Vec<u8>, value: &Field) -> Result<(), Mismatch> {
        let mut entries: Vec<(String, usize)> = Vec::new();
        self.members(|_, name, start| entries.push((name.to_owned(), start)));
        let end = self.at;
        // the last of each name, in the order of names: readers of maps have no other
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let is_last = |at: usize| entries.get(at + 1).is_none_or(|next| next.0 != entries[at].0);
        let last: Vec<_> = (0..entries.len()).filter(|&at| is_last(at)).collect();
        push_list(row, last.len());
        for at in last {
            let (name, start) = &entries[at];
            push_bytes(row, name.as_bytes());
            self.at = *start;
            self.value(row, value)?;
        }
        self.at = end;
        Ok(())
    }

    /// What stands here, if it is no container.
    fn scalar(&mut self) -> Found<'t> {
        let start = self.at;
        match self.byte() {
            b'"' => {
                let (raw, escaped) = self.string();
                Found::text(raw, escaped)
            }
            first => {
                self.skip_value();
                match first {
                    b't' => Found::Bool(true),
                    b'f' => Found::Bool(false),
                    b'{' | b'[' => Found::Container,
                    _ => Found::Number(&self.text[start..self.at]),
                }
            }
        }
    }

    /// The characters between two quotes, and whether there are escapes among them.
    fn string(&mut self) -> (&'t str, bool) {
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            let rest = &self.text.as_bytes()[at..];
            at += memchr2(b'"', b'\\', rest).expect("a valid text ends its strings");
            if self.text.as_bytes()[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        (&self.text[start..at], escaped)
    }

    fn skip_value(&mut self) {
        let mut open = 0u32;
        loop {
            match self.byte() {
                b'"' => drop(self.string()),
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open -= 1;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => {
                    let rest = &self.text.as_bytes()[self.at..];
                    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
                    self.at += rest.iter().position(is_end).unwrap_or(rest.len());
                }
            }
            if open == 0 {
                return;
            }
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn byte(&self) -> u8 {
        self.text.as_bytes()[self.at]
    }
}

/// Says how many elements the list at `place` has got.
fn set_count(row: &mut [u8], place: usize, count: usize) {
    let count = u32::try_from(count).expect("no record has 4 GiB");
    row[place + 1..place + 5].copy_from_slice(&count.to_le_bytes());
}
