//! A good datum, place by place. Of a key that occurs twice in a map the last counts.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use super::datum::{Datum, Rules};
use super::types::{Kind, TypeId, Types};
use crate::fields::{Capture, Captures, Wanted};
use crate::walk::{EachMember, Seen, Walk, last};

const VALID: &str = "the datum was found good";

static NOTHING: LazyLock<Wanted> = LazyLock::new(Wanted::new);

pub(super) struct AvroWalk<'v> {
    body: &'v [u8],
    types: &'v Types,
}

/// Where a datum begins, in bytes, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub at: usize,
    pub id: TypeId,
}

// === impl AvroWalk ===

impl<'v> AvroWalk<'v> {
    pub(super) fn new(body: &'v [u8], types: &'v Types) -> Self {
        Self { body, types }
    }

    /// The datum behind what says which branch of a union it is, and its type. Nothing is captured.
    fn open<'c>(&'c self, places: &[Place], captures: &'c mut Captures) -> (Datum<'v, 'c>, TypeId) {
        let Place { at, mut id } = last(places);
        let mut datum = Datum::new(self.body, self.types, Rules::Alone, &NOTHING, captures).from(at);
        while let Kind::Union(branches) = self.types.kind(id) {
            id = datum.branch(branches).expect(VALID);
        }
        (datum, id)
    }
}

impl<'v> Walk<'v> for AvroWalk<'v> {
    type Place = Place;

    fn look(&self, places: &[Place]) -> Seen<'v> {
        let mut captures = Captures::default();
        let (mut datum, id) = self.open(places, &mut captures);
        match self.types.kind(id) {
            Kind::Record(_) => Seen::Members,
            Kind::Map(_) => Seen::Entries,
            // as many as it likes, and all of them nothing
            Kind::Array(items) if self.types.is_empty(*items) => Seen::Other,
            Kind::Array(_) => Seen::Items,
            _ => match (datum.step(id).expect(VALID), self.types.scale(id)) {
                (Capture::Plain(start, end), Some(scale)) => {
                    Seen::Decimal { unscaled: &self.body[start..end], scale: u32::from(scale) }
                }
                (capture, _) => Seen::captured(capture, self.body, &self.types.symbols),
            },
        }
    }

    fn members(&self, places: &[Place], each: &mut EachMember<'_, Place>) {
        let mut captures = Captures::default();
        let (mut datum, id) = self.open(places, &mut captures);
        match self.types.kind(id) {
            Kind::Record(fields) => {
                for &(ref name, id) in fields {
                    each(Some(name), Some(Place { at: datum.at(), id }));
                    datum.step(id).expect(VALID);
                }
            }
            &Kind::Map(id) => {
                while let Some(block) = datum.block().expect(VALID) {
                    for _ in 0..block.count {
                        let key = datum.key().expect(VALID);
                        each(Some(key), Some(Place { at: datum.at(), id }));
                        datum.step(id).expect(VALID);
                    }
                }
            }
            _ => {}
        }
    }

    fn items(&self, places: &[Place], each: &mut dyn FnMut(Place) -> ControlFlow<()>) {
        let mut captures = Captures::default();
        let (mut datum, id) = self.open(places, &mut captures);
        let &Kind::Array(id) = self.types.kind(id) else { return };
        while let Some(block) = datum.block().expect(VALID) {
            for _ in 0..block.count {
                if each(Place { at: datum.at(), id }).is_break() {
                    return;
                }
                datum.step(id).expect(VALID);
            }
        }
    }
}
