//! A value that was found good, place by place: for columns, which want lists and maps with all that is in them.
//!
//! Every input format with fields walks over its bytes by positions. Nothing is decoded that is not asked for, and no tree
//! is built: a place is a few numbers, and its content is found when somebody looks.

use std::ops::ControlFlow;

use crate::fields::{Capture, Found};

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Seen<'v> {
    /// Neither a container nor bytes.
    Single(Found<'v>),
    /// A text, or what is none, as it is meant.
    Bytes(&'v [u8]),
    /// A whole number, big-endian in two's complement, with so many digits behind the point.
    Decimal { unscaled: &'v [u8], scale: u32 },
    /// A text that stands in a schema, and is no bytes.
    Symbol(&'v str),
    /// A struct, a record, a message: what its members are called is known beforehand.
    Members,
    /// A map.
    Entries,
    /// A list, an array, a set.
    Items,
    /// What no column has.
    Other,
}

/// Takes the names and the places of members.
pub(crate) type EachMember<'e, P> = dyn FnMut(Option<&str>, Option<P>) + 'e;

/// A good value of an input format. All functions may panic when a place is not of this value.
pub(crate) trait Walk<'v> {
    type Place: Copy;

    /// `places`, at least one, are what a value has under one name, in its order. Where a format does not join them the last
    /// one counts.
    fn look(&self, places: &[Self::Place]) -> Seen<'v>;

    /// Each name with its place, for [`Seen::Members`] and [`Seen::Entries`]. Without a name: the key is no text. Without a
    /// place: what was found under the name before does not count any more.
    fn members(&self, places: &[Self::Place], each: &mut EachMember<'_, Self::Place>);

    /// Each item of a list.
    fn items(&self, places: &[Self::Place], each: &mut dyn FnMut(Self::Place) -> ControlFlow<()>);

    /// Are they items of a list? Without a schema a single value may also be the only item of one.
    fn is_list(&self, places: &[Self::Place]) -> bool {
        matches!(self.look(places), Seen::Items)
    }

    /// The value at the place as JSON, if that is what the format is.
    fn json(&self, _: &[Self::Place]) -> Option<&'v str> {
        None
    }
}

/// Somebody who looks at a value, whatever its format.
pub(crate) trait Visitor {
    type Output;

    fn visit<'v, W: Walk<'v>>(self, walk: &W, root: W::Place) -> Self::Output;
}

/// The place that counts where a format does not join several.
pub(crate) fn last<P: Copy>(places: &[P]) -> P {
    *places.last().expect("there is at least one place")
}

impl<'v> Seen<'v> {
    /// What a reader captured, of `value`; `symbols` as in [`Capture::Symbol`].
    pub(crate) fn captured(capture: Capture, value: &'v [u8], symbols: &'v [Box<str>]) -> Self {
        match capture {
            Capture::Plain(start, end) => Self::Bytes(&value[start..end]),
            Capture::Symbol(index) => Self::Symbol(&symbols[index]),
            Capture::Container => Self::Other,
            single => Self::Single(single.found(value, symbols)),
        }
    }
}
