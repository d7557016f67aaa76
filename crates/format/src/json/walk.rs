//! A valid JSON text, place by place. Of a name that occurs twice the last counts.

use std::borrow::Cow;
use std::ops::ControlFlow;

use memchr::memchr2;

use crate::fields::{Found, unescape};
use crate::walk::{EachMember, Seen, Walk, last};

/// A place is where a value begins, in bytes.
pub(crate) struct JsonWalk<'v> {
    text: &'v str,
}

struct Cursor<'v> {
    text: &'v str,
    at: usize,
}

// === impl JsonWalk ===

impl<'v> JsonWalk<'v> {
    /// `text` is one valid value; its place comes with it.
    pub(crate) fn new(text: &'v str) -> (Self, usize) {
        let mut cursor = Cursor { text, at: 0 };
        cursor.skip_space();
        (Self { text }, cursor.at)
    }

    fn cursor(&self, places: &[usize]) -> Cursor<'v> {
        Cursor { text: self.text, at: last(places) }
    }
}

impl<'v> Walk<'v> for JsonWalk<'v> {
    type Place = usize;

    fn look(&self, places: &[usize]) -> Seen<'v> {
        let mut cursor = self.cursor(places);
        Seen::Single(match cursor.byte() {
            b'{' => return Seen::Entries,
            b'[' => return Seen::Items,
            b'"' => {
                let (raw, escaped) = cursor.string();
                Found::text(raw, escaped)
            }
            b'n' => Found::Null,
            b't' => Found::Bool(true),
            b'f' => Found::Bool(false),
            _ => Found::Number(cursor.value()),
        })
    }

    fn members(&self, places: &[usize], each: &mut EachMember<'_, usize>) {
        let mut cursor = self.cursor(places);
        cursor.at += 1;
        loop {
            cursor.skip_space();
            match cursor.byte() {
                b'}' => return,
                b',' => cursor.at += 1,
                _ => {
                    let (raw, escaped) = cursor.string();
                    cursor.skip_space();
                    cursor.at += 1;
                    cursor.skip_space();
                    let start = cursor.at;
                    cursor.value();
                    // half a surrogate pair is no name
                    let name = if escaped { unescape(raw).map(Cow::Owned) } else { Some(Cow::Borrowed(raw)) };
                    each(name.as_deref(), Some(start));
                }
            }
        }
    }

    fn items(&self, places: &[usize], each: &mut dyn FnMut(usize) -> ControlFlow<()>) {
        let mut cursor = self.cursor(places);
        cursor.at += 1;
        loop {
            cursor.skip_space();
            match cursor.byte() {
                b']' => return,
                b',' => cursor.at += 1,
                _ => {
                    if each(cursor.at).is_break() {
                        return;
                    }
                    cursor.value();
                }
            }
        }
    }

    fn json(&self, places: &[usize]) -> Option<&'v str> {
        Some(self.cursor(places).value())
    }
}

// === impl Cursor ===

impl<'v> Cursor<'v> {
    /// The characters between two quotes, and whether there are escapes among them.
    fn string(&mut self) -> (&'v str, bool) {
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

    /// The text of the value that stands here; ends behind it.
    fn value(&mut self) -> &'v str {
        let start = self.at;
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
                return &self.text[start..self.at];
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
