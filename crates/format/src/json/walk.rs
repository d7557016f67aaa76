//! A valid JSON text, place by place, along its outline. Of a name that occurs twice the last counts.

use std::ops::ControlFlow;

use super::outline::{Mark, MarkKind, Outline};
use crate::fields::{Found, unescape};
use crate::walk::{EachMember, Seen, Walk, last};

/// A place is a mark of the outline.
pub(crate) struct JsonWalk<'v> {
    text: &'v str,
    outline: &'v Outline,
}

// === impl JsonWalk ===

impl<'v> JsonWalk<'v> {
    /// `text` is one valid value; its place comes with it.
    pub(crate) fn new(text: &'v str, outline: &'v Outline) -> (Self, u32) {
        (Self { text, outline }, 0)
    }

    fn text(&self, mark: Mark) -> &'v str {
        &self.text[mark.range()]
    }
}

impl<'v> Walk<'v> for JsonWalk<'v> {
    type Place = u32;

    fn look(&self, places: &[u32]) -> Seen<'v> {
        let mark = self.outline.mark(last(places));
        Seen::Single(match mark.kind {
            MarkKind::Object => return Seen::Entries,
            MarkKind::Array => return Seen::Items,
            MarkKind::Plain => Found::text(self.text(mark), false),
            MarkKind::Escaped => Found::text(self.text(mark), true),
            MarkKind::Word => match self.text(mark) {
                "null" => Found::Null,
                "true" => Found::Bool(true),
                "false" => Found::Bool(false),
                number => Found::Number(number),
            },
        })
    }

    fn members(&self, places: &[u32], each: &mut EachMember<'_, u32>) {
        let object = last(places);
        let (mut at, end) = (object + 1, self.outline.mark(object).next());
        while at < end {
            let name = self.outline.mark(at);
            let raw = self.text(name);
            let value = name.next();
            match name.kind {
                // half a surrogate pair is no name
                MarkKind::Escaped => each(unescape(raw).as_deref(), Some(value)),
                _ => each(Some(raw), Some(value)),
            }
            at = self.outline.mark(value).next();
        }
    }

    fn items(&self, places: &[u32], each: &mut dyn FnMut(u32) -> ControlFlow<()>) {
        let array = last(places);
        let (mut at, end) = (array + 1, self.outline.mark(array).next());
        while at < end && each(at).is_continue() {
            at = self.outline.mark(at).next();
        }
    }

    fn json(&self, places: &[u32]) -> Option<&'v str> {
        let mark = self.outline.mark(last(places));
        let range = mark.range();
        Some(match mark.kind {
            // with its quotes
            MarkKind::Plain | MarkKind::Escaped => &self.text[range.start - 1..range.end + 1],
            _ => &self.text[range],
        })
    }
}
