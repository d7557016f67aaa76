//! A good struct, place by place. Of a field or a key that occurs twice the last counts; keys of maps that are numbers or
//! booleans are texts of them, as in paths.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::super::cursor::Cursor;
use super::idl::{Declared, Idl};
use super::{Protocol, Wire, read_single};
use crate::fields::Capture;
use crate::walk::{EachMember, Seen, Walk, last};

const VALID: &str = "the struct was found good";

pub(super) struct ThriftWalk<'v, P> {
    value: &'v [u8],
    /// `None`: fields go by their ids.
    idl: Option<&'v Idl>,
    protocol: PhantomData<P>,
}

/// Where a value begins, in bytes, and what it is.
#[derive(Clone, Copy)]
pub(super) struct At {
    at: usize,
    wire: Wire,
    declared: Declared,
}

// === impl At ===

impl At {
    pub(super) fn root(declared: Declared) -> Self {
        Self { at: 0, wire: Wire::Struct, declared }
    }
}

// === impl ThriftWalk ===

impl<'v, P: Protocol> ThriftWalk<'v, P> {
    pub(super) fn new(value: &'v [u8], idl: Option<&'v Idl>) -> Self {
        Self { value, idl, protocol: PhantomData }
    }

    fn cursor(&self, place: At) -> Cursor<'v> {
        Cursor::starting_at(self.value, place.at)
    }

    fn single(&self, place: At) -> Capture {
        let enum_of = self.idl.and_then(|idl| place.declared.as_enum(idl));
        read_single::<P>(&mut self.cursor(place), place.wire, enum_of).expect(VALID)
    }

    fn structure(&self, place: At, each: &mut EachMember<'_, At>) {
        let (mut cursor, mut last) = (self.cursor(place), 0);
        while let Some((wire, id)) = P::field(&mut cursor, last).expect(VALID) {
            last = id;
            let at = cursor.at();
            skip::<P>(&mut cursor, wire);
            match (self.idl, place.declared) {
                (Some(idl), Declared::Struct(of)) => {
                    if let Some(field) = idl.field(of, id) {
                        each(Some(&field.name), Some(At { at, wire, declared: field.declared }));
                    }
                }
                (Some(_), _) => {}
                (None, _) => each(Some(&id.to_string()), Some(At { at, wire, declared: Declared::Unknown })),
            }
        }
    }

    fn map(&self, place: At, each: &mut EachMember<'_, At>) {
        let mut cursor = self.cursor(place);
        let (pairs, key_wire, wire) = P::map(&mut cursor).expect(VALID);
        let declared = match (self.idl, place.declared) {
            (Some(idl), Declared::Map(map)) => idl.map(map).1,
            _ => Declared::Unknown,
        };
        for _ in 0..pairs {
            let key = At { at: cursor.at(), wire: key_wire, declared: Declared::Unknown };
            skip::<P>(&mut cursor, key_wire);
            let value = Some(At { at: cursor.at(), wire, declared });
            skip::<P>(&mut cursor, wire);
            match self.single(key) {
                Capture::Plain(start, end) => each(std::str::from_utf8(&self.value[start..end]).ok(), value),
                Capture::Integer(number) => each(Some(&number.to_string()), value),
                Capture::Bool(key) => each(Some(if key { "true" } else { "false" }), value),
                _ => each(None, value),
            }
        }
    }
}

impl<'v, P: Protocol> Walk<'v> for ThriftWalk<'v, P> {
    type Place = At;

    fn look(&self, places: &[At]) -> Seen<'v> {
        let place = last(places);
        match place.wire {
            Wire::Struct => Seen::Members,
            Wire::Map => Seen::Entries,
            Wire::List => Seen::Items,
            _ => Seen::captured(self.single(place), self.value, self.idl.map_or(&[], |idl| &idl.symbols)),
        }
    }

    fn members(&self, places: &[At], each: &mut EachMember<'_, At>) {
        let place = last(places);
        match place.wire {
            Wire::Struct => self.structure(place, each),
            Wire::Map => self.map(place, each),
            _ => {}
        }
    }

    fn items(&self, places: &[At], each: &mut dyn FnMut(At) -> ControlFlow<()>) {
        let place = last(places);
        let mut cursor = self.cursor(place);
        let (items, wire) = P::list(&mut cursor).expect(VALID);
        let declared = match (self.idl, place.declared) {
            (Some(idl), Declared::List(list)) => idl.item_of(list),
            _ => Declared::Unknown,
        };
        for _ in 0..items {
            if each(At { at: cursor.at(), wire, declared }).is_break() {
                return;
            }
            skip::<P>(&mut cursor, wire);
        }
    }
}

/// Goes behind the value that begins here.
fn skip<P: Protocol>(cursor: &mut Cursor<'_>, wire: Wire) {
    match wire {
        Wire::Struct => {
            let mut last = 0;
            while let Some((wire, id)) = P::field(cursor, last).expect(VALID) {
                last = id;
                skip::<P>(cursor, wire);
            }
        }
        Wire::Map => {
            let (pairs, key, value) = P::map(cursor).expect(VALID);
            for _ in 0..pairs {
                skip::<P>(cursor, key);
                skip::<P>(cursor, value);
            }
        }
        Wire::List => {
            let (items, item) = P::list(cursor).expect(VALID);
            (0..items).for_each(|_| skip::<P>(cursor, item));
        }
        single => drop(read_single::<P>(cursor, single, None).expect(VALID)),
    }
}
