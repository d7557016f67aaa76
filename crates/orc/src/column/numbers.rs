//! Booleans, integers, dates, and floating point numbers.

use std::marker::PhantomData;
use std::ops::Range;

use arrow_array::Array;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Int8Type};
use arrow_schema::DataType;

use super::{Body, Encoding, Part, StreamKind};
use crate::bloom::Bloom;
use crate::rle::{BitRle, ByteRle, IntRle};
use crate::statistics::{self, Extent, Kind};
use crate::stream::Stream;

/// `boolean`.
#[derive(Default)]
pub(crate) struct Bits {
    data: BitRle,
    trues: u64,
}

/// `tinyint`.
#[derive(Default)]
pub(crate) struct Bytes {
    data: ByteRle,
    extent: Extent,
    sum: i128,
}

/// `smallint`, `int`, `bigint` and `date`, from Arrow's type `T`.
pub(crate) struct Integers<T> {
    data: IntRle,
    extent: Extent,
    sum: i128,
    of: PhantomData<fn() -> T>,
}

/// `float` and `double`, from Arrow's type `T`.
pub(crate) struct Floats<T> {
    data: Stream,
    statistics: statistics::Floats,
    of: PhantomData<fn() -> T>,
}

// === impl Bits ===

impl Body for Bits {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_boolean().values();
        for run in runs {
            let bits = values.slice(run.start, run.len());
            self.trues += bits.count_set_bits() as u64;
            self.data.extend(&bits);
        }
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Bits { trues: std::mem::take(&mut self.trues) }
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.data.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.data.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::Direct
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(2), stream: self.data.stream() });
    }
}

// === impl Bytes ===

impl Body for Bytes {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<Int8Type>().values();
        for value in runs.iter().flat_map(|run| &values[run.clone()]) {
            self.extent.add((*value).into());
            self.sum += i128::from(*value);
            self.data.push(value.cast_unsigned());
        }
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        let values = array.as_primitive::<Int8Type>().values();
        runs.iter().flat_map(|run| &values[run.clone()]).for_each(|value| bloom.add_integer((*value).into()));
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Integers { extent: std::mem::take(&mut self.extent), sum: std::mem::take(&mut self.sum) }
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.data.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.data.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::Direct
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(1), stream: self.data.stream() });
    }
}

// === impl Integers ===

impl<T> Default for Integers<T> {
    fn default() -> Self {
        Self { data: IntRle::signed(), extent: Extent::default(), sum: 0, of: PhantomData }
    }
}

impl<T: ArrowPrimitiveType<Native: Into<i64>>> Body for Integers<T> {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<T>().values();
        for run in runs {
            let values = &values[run.clone()];
            let (mut low, mut high, mut sum) = (i64::MAX, i64::MIN, 0);
            for value in values {
                let value: i64 = (*value).into();
                (low, high) = (low.min(value), high.max(value));
                sum += i128::from(value);
            }
            self.extent.widen(low, high);
            self.sum += sum;
            self.data.extend(values, Into::into);
        }
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        let values = array.as_primitive::<T>().values();
        runs.iter().flat_map(|run| &values[run.clone()]).for_each(|value| bloom.add_integer((*value).into()));
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        let (extent, sum) = (std::mem::take(&mut self.extent), std::mem::take(&mut self.sum));
        if T::DATA_TYPE == DataType::Date32 { Kind::Dates(extent) } else { Kind::Integers { extent, sum } }
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.data.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.data.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(1), stream: self.data.stream() });
    }
}

// === impl Floats ===

/// The width of a floating point type in a file.
pub(crate) trait Float: ArrowPrimitiveType<Native: Into<f64>> {
    fn push(value: Self::Native, out: &mut Vec<u8>);
}

impl Float for arrow_array::types::Float32Type {
    #[inline]
    fn push(value: f32, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

impl Float for arrow_array::types::Float64Type {
    #[inline]
    fn push(value: f64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

impl<T> Default for Floats<T> {
    fn default() -> Self {
        Self { data: Stream::default(), statistics: statistics::Floats::default(), of: PhantomData }
    }
}

impl<T: Float> Body for Floats<T> {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<T>().values();
        for value in runs.iter().flat_map(|run| &values[run.clone()]) {
            self.statistics.add((*value).into());
            T::push(*value, self.data.tail());
        }
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        let values = array.as_primitive::<T>().values();
        runs.iter().flat_map(|run| &values[run.clone()]).for_each(|value| bloom.add_float((*value).into()));
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Floats(std::mem::take(&mut self.statistics))
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        marks.push(self.data.len() as u64);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {}

    fn encoding(&self) -> Encoding {
        Encoding::Direct
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(0), stream: &mut self.data });
    }
}
