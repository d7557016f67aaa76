//! Decimals: unscaled values as varints of any length, and the scale beside each.

use std::ops::Range;

use arrow_array::Array;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, UInt64Type};

use super::{Body, Encoding, Part, StreamKind};
use crate::bloom::Bloom;
use crate::rle::IntRle;
use crate::statistics::{self, Kind};
use crate::stream::Stream;

/// `decimal`.
pub(crate) struct Decimals {
    scale: u8,
    data: Stream,
    scales: IntRle,
    statistics: statistics::Decimals,
}

/// `decimal(20,0)` from unsigned integers of 64 bits, for which ORC has no type.
pub(crate) struct UnsignedLongs(Decimals);

// === impl Decimals ===

impl Decimals {
    pub(crate) fn new(scale: u8) -> Self {
        let statistics = statistics::Decimals::new(scale);
        Self { scale, data: Stream::default(), scales: IntRle::signed(), statistics }
    }

    #[inline]
    fn push(&mut self, value: i128) {
        self.statistics.add(value);
        let mut bits = (value << 1 ^ value >> 127).cast_unsigned();
        let out = self.data.tail();
        while bits > 0x7f {
            out.push(bits as u8 | 0x80);
            bits >>= 7;
        }
        out.push(bits as u8);
        self.scales.push(self.scale.into());
    }
}

/// A bloom filter of decimals would be one of their texts, which implementations print differently.
impl Body for Decimals {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<Decimal128Type>().values();
        runs.iter().flat_map(|run| &values[run.clone()]).for_each(|value| self.push(*value));
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Decimals(std::mem::replace(&mut self.statistics, statistics::Decimals::new(self.scale)))
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        marks.push(self.data.len() as u64);
        self.scales.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.scales.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(0), stream: &mut self.data });
        visit(Part { kind: StreamKind::Secondary, counts: Some(1), stream: self.scales.stream() });
    }
}

// === impl UnsignedLongs ===

impl Default for UnsignedLongs {
    fn default() -> Self {
        Self(Decimals::new(0))
    }
}

impl Body for UnsignedLongs {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<UInt64Type>().values();
        runs.iter().flat_map(|run| &values[run.clone()]).for_each(|value| self.0.push((*value).into()));
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        self.0.hash(array, runs, bloom);
    }

    fn can_bloom(&self) -> bool {
        self.0.can_bloom()
    }

    fn take_statistics(&mut self) -> Kind {
        self.0.take_statistics()
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.0.mark(marks);
    }

    fn flush(&mut self, marks: &mut Vec<u64>) {
        self.0.flush(marks);
    }

    fn encoding(&self) -> Encoding {
        self.0.encoding()
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        self.0.each_stream(visit);
    }
}
