//! From a value of any input format to a row, straight from its bytes: no tree of values is made.
//!
//! The value was found good before, so nothing is checked twice. Names that no column has are skipped. Of a name that
//! occurs twice the last counts, unless the format joins them. The depth of what is done here is that of the columns.

use std::ops::{ControlFlow, Range};

use super::cell::{Mismatch, push_absent, push_cell, push_decimal};
use super::metadata::{Metadata, Part, RecordWalk};
use super::row::{push_bytes, push_list, push_struct};
use super::types::{Field, Kind};
use crate::fields::Found;
use crate::walk::{Seen, Visitor, Walk};

/// Longest row, in bytes: an empty item of a list takes a byte in a message, and a row has a cell for each column below it.
/// Persisted, never change.
const ROW_BYTES_MAX: usize = 1 << 28;

/// Appends the row of a value.
pub(crate) struct RowOf<'f, 'r> {
    pub fields: &'f [Field],
    pub row: &'f mut Vec<u8>,
    pub beside: &'f Beside<'r>,
}

/// What of the record stands beside the columns of its value.
pub(crate) struct Beside<'r> {
    /// Of every column; `None`: one of the value.
    pub metadata: &'r [Option<Metadata>],
    pub record: RecordWalk<'r>,
}

struct Filler<'f, W, P> {
    walk: &'f W,
    row: &'f mut Vec<u8>,
    /// The places of the structs that are open, and which of their columns each belongs to.
    found: Vec<(usize, P)>,
}

// === impl RowOf ===

impl Visitor for RowOf<'_, '_> {
    type Output = Result<(), Mismatch>;

    fn visit<'v, W: Walk<'v>>(self, walk: &W, root: W::Place) -> Self::Output {
        // and for those of structs within
        let found = Vec::with_capacity(2 * self.fields.len());
        Filler { walk, row: self.row, found }.structure(self.fields, &[root], Some(self.beside))
    }
}

// === impl Beside ===

impl Beside<'_> {
    /// Appends the cell of the column at `index`, if it is not of the value.
    pub(crate) fn push(&self, row: &mut Vec<u8>, index: usize, field: &Field) -> Option<Result<(), Mismatch>> {
        let part = Part::Whole(self.metadata[index]?);
        Some(Filler { walk: &self.record, row, found: Vec::new() }.cell(field, &[part]))
    }
}

// === impl Filler ===

impl<'v, W: Walk<'v>> Filler<'_, W, W::Place> {
    /// The cells of a struct's fields; only at the top there are others beside them.
    fn structure(
        &mut self,
        fields: &[Field],
        places: &[W::Place],
        beside: Option<&Beside<'_>>,
    ) -> Result<(), Mismatch> {
        let base = self.found.len();
        self.find(fields, places);
        let mut at = base;
        for (index, field) in fields.iter().enumerate() {
            let start = at;
            while self.found.get(at).is_some_and(|(of, _)| *of == index) {
                at += 1;
            }
            match beside.and_then(|beside| beside.push(self.row, index, field)) {
                Some(done) => done?,
                None => self.column(field, start..at)?,
            }
        }
        self.found.truncate(base);
        Ok(())
    }

    /// The places of all fields, in the order of the fields.
    fn find(&mut self, fields: &[Field], places: &[W::Place]) {
        let base = self.found.len();
        let found = &mut self.found;
        let mut likely = 0;
        self.walk.members(places, &mut |name, place| {
            let Some(name) = name else { return };
            // fields mostly come in one order
            let is = |field: &Field| *field.name == *name;
            let index = match fields.get(likely) {
                Some(field) if is(field) => likely,
                _ => match fields.iter().position(is) {
                    Some(index) => index,
                    None => return,
                },
            };
            match place {
                Some(place) => {
                    found.push((index, place));
                    likely = index + 1;
                }
                None => forget(found, base, index),
            }
        });
        let found = &mut self.found[base..];
        if !found.is_sorted_by_key(|(index, _)| *index) {
            // stable: what has one name stays in its order
            found.sort_by_key(|(index, _)| *index);
        }
    }

    /// The cell of a field with the places at `range`.
    fn column(&mut self, field: &Field, range: Range<usize>) -> Result<(), Mismatch> {
        match self.found[range] {
            [] => push_absent(self.row, field),
            [(_, place)] => self.cell(field, &[place]),
            ref several => {
                let places: Vec<_> = several.iter().map(|(_, place)| *place).collect();
                self.cell(field, &places)
            }
        }
    }

    fn cell(&mut self, field: &Field, places: &[W::Place]) -> Result<(), Mismatch> {
        let seen = self.walk.look(places);
        match (&field.kind, seen) {
            (_, Seen::Single(Found::Missing | Found::Null)) => push_absent(self.row, field),
            (Kind::Json, _) => match self.walk.json(places) {
                Some(text) => {
                    push_bytes(self.row, text.as_bytes());
                    Ok(())
                }
                None => Err(Mismatch::unfit(field, Found::Container)),
            },
            (Kind::Struct(fields), Seen::Members | Seen::Entries) => {
                push_struct(self.row);
                self.structure(fields, places, None).map_err(|mismatch| mismatch.within(field))
            }
            (Kind::List(element), _) if self.walk.is_list(places) => self.list(field, element, places),
            (Kind::Map(value), Seen::Entries) => self.map(field, value, places),
            (Kind::Binary, Seen::Bytes(bytes) | Seen::Decimal { unscaled: bytes, .. }) => {
                push_bytes(self.row, bytes);
                Ok(())
            }
            (_, Seen::Decimal { unscaled, scale }) => push_decimal(self.row, field, unscaled, scale),
            (Kind::Binary, Seen::Symbol(symbol)) => Err(Mismatch::unfit(field, Found::plain(symbol))),
            (_, Seen::Bytes(bytes)) => {
                push_cell(self.row, field, std::str::from_utf8(bytes).map_or(Found::Binary, Found::plain))
            }
            (_, Seen::Symbol(symbol)) => push_cell(self.row, field, Found::plain(symbol)),
            (_, Seen::Single(found)) => push_cell(self.row, field, found),
            (_, Seen::Members | Seen::Entries | Seen::Items | Seen::Other) => {
                Err(Mismatch::unfit(field, Found::Container))
            }
        }
    }

    fn list(&mut self, field: &Field, element: &Field, places: &[W::Place]) -> Result<(), Mismatch> {
        let place = self.row.len();
        push_list(self.row, 0);
        let (mut count, mut done) = (0, Ok(()));
        let walk = self.walk;
        walk.items(places, &mut |item| {
            count += 1;
            done = self.cell(element, &[item]).and_then(|()| self.check_len(element));
            if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        set_count(self.row, place, count);
        done.map_err(|mismatch| mismatch.within(field))
    }

    fn map(&mut self, field: &Field, value: &Field, places: &[W::Place]) -> Result<(), Mismatch> {
        let mut entries: Vec<(String, W::Place)> = Vec::new();
        let mut has_other_keys = false;
        self.walk.members(places, &mut |key, place| match (key, place) {
            (Some(key), Some(place)) => entries.push((key.to_owned(), place)),
            (Some(_), None) => {}
            (None, _) => has_other_keys = true,
        });
        if has_other_keys {
            return Err(Mismatch::new(field, "a key of the map is no text"));
        }
        // the last of each name, in the order of names: readers of maps have no other
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let is_last = |at: usize| entries.get(at + 1).is_none_or(|next| next.0 != entries[at].0);
        let kept: Vec<_> = (0..entries.len()).filter(|&at| is_last(at)).collect();
        push_list(self.row, kept.len());
        for at in kept {
            let (key, place) = &entries[at];
            push_bytes(self.row, key.as_bytes());
            let done = self.cell(value, &[*place]).and_then(|()| self.check_len(value));
            done.map_err(|mismatch| mismatch.within(field))?;
        }
        Ok(())
    }

    fn check_len(&self, field: &Field) -> Result<(), Mismatch> {
        match self.row.len() {
            0..=ROW_BYTES_MAX => Ok(()),
            _ => Err(Mismatch::new(field, "the row has more than 256 MiB")),
        }
    }
}

/// What was found for `index` in the struct that began at `base` does not count.
fn forget<P: Copy>(found: &mut Vec<(usize, P)>, base: usize, index: usize) {
    let mut kept = base;
    for at in base..found.len() {
        if found[at].0 != index {
            found[kept] = found[at];
            kept += 1;
        }
    }
    found.truncate(kept);
}

/// Says how many elements the list at `place` has got.
fn set_count(row: &mut [u8], place: usize, count: usize) {
    let count = u32::try_from(count).expect("a row has less than 4 GiB");
    row[place + 1..place + 5].copy_from_slice(&count.to_le_bytes());
}
