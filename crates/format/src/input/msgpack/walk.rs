//! A good MessagePack map, place by place. Of a key that occurs twice the last counts; keys that are integers are texts of
//! their digits, as in paths.

use std::ops::ControlFlow;

use super::super::cursor::Cursor;
use super::{Head, head};
use crate::fields::Capture;
use crate::walk::{EachMember, Seen, Walk, last};

const VALID: &str = "the value was found good";

/// A place is where a value begins, in bytes.
pub(crate) struct MessagePackWalk<'v> {
    value: &'v [u8],
}

// === impl MessagePackWalk ===

impl<'v> MessagePackWalk<'v> {
    /// `value` is one map; its place comes with it.
    pub(crate) fn new(value: &'v [u8]) -> (Self, usize) {
        (Self { value }, 0)
    }
}

impl<'v> Walk<'v> for MessagePackWalk<'v> {
    type Place = usize;

    fn look(&self, places: &[usize]) -> Seen<'v> {
        match head(&mut Cursor::starting_at(self.value, last(places))).expect(VALID) {
            Head::Single(capture) => Seen::captured(capture, self.value, &[]),
            Head::Array(_) => Seen::Items,
            Head::Map(_) => Seen::Entries,
        }
    }

    fn members(&self, places: &[usize], each: &mut EachMember<'_, usize>) {
        let mut cursor = Cursor::starting_at(self.value, last(places));
        let Head::Map(pairs) = head(&mut cursor).expect(VALID) else { return };
        for _ in 0..pairs {
            let key_at = cursor.at();
            skip(&mut cursor);
            let at = cursor.at();
            skip(&mut cursor);
            match head(&mut Cursor::starting_at(self.value, key_at)).expect(VALID) {
                Head::Single(Capture::Plain(start, end)) => {
                    each(std::str::from_utf8(&self.value[start..end]).ok(), Some(at));
                }
                Head::Single(Capture::Integer(number)) => each(Some(&number.to_string()), Some(at)),
                _ => each(None, Some(at)),
            }
        }
    }

    fn items(&self, places: &[usize], each: &mut dyn FnMut(usize) -> ControlFlow<()>) {
        let mut cursor = Cursor::starting_at(self.value, last(places));
        let Head::Array(items) = head(&mut cursor).expect(VALID) else { return };
        for _ in 0..items {
            if each(cursor.at()).is_break() {
                return;
            }
            skip(&mut cursor);
        }
    }
}

/// Goes behind the value that begins here.
fn skip(cursor: &mut Cursor<'_>) {
    let mut values = 1;
    while values > 0 {
        values += match head(cursor).expect(VALID) {
            Head::Single(_) => 0,
            Head::Array(items) => items,
            Head::Map(pairs) => 2 * pairs,
        };
        values -= 1;
    }
}
