//! Timestamps: seconds since 2015 and, apart, nanoseconds with their trailing zeros counted.
//!
//! Readers take the seconds of a time before 1970 as rounded towards 1970 when the fraction has at least a millisecond,
//! and as rounded down when it has less (that is how Java's writer did it, and now nobody can change it: ORC-763). So the
//! times from 999 milliseconds to a nanosecond before 1970 cannot be told from those after it. [`holds_timestamp`] says
//! so beforehand; if one comes nevertheless its milliseconds are dropped, which keeps it in its second and in its order.

use std::marker::PhantomData;
use std::ops::Range;

use arrow_array::Array;
use arrow_array::cast::AsArray as _;
use arrow_array::types::ArrowTimestampType;
use arrow_schema::TimeUnit;

use super::{Body, Encoding, Part, StreamKind};
use crate::bloom::Bloom;
use crate::rle::IntRle;
use crate::statistics::{Extent, Kind};

/// 2015-01-01T00:00:00Z, from which seconds are counted.
const BASE_SECONDS: i64 = 1_420_070_400;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Most zeros that three bits can tell: the code is one less.
const ZEROS_MAX: u32 = 8;

/// `timestamp` and `timestamp with local time zone`, from Arrow's type `T`.
pub(crate) struct Timestamps<T> {
    seconds: IntRle,
    nanos: IntRle,
    extent: Extent,
    of: PhantomData<fn() -> T>,
}

/// Whether readers of ORC see a timestamp as it was: `nanos` since 1970-01-01T00:00:00Z.
#[must_use]
pub fn holds_timestamp(nanos: i128) -> bool {
    !(-999_000_000..0).contains(&nanos)
}

/// Whole seconds, rounded down, and nanoseconds as a file holds them, with trailing zeros that are not written out.
struct Split {
    seconds: i64,
    fraction: i64,
    zeros: u32,
}

impl Split {
    #[inline]
    fn new(value: i64, unit: TimeUnit) -> Self {
        let (per_second, zeros) = match unit {
            TimeUnit::Second => (1, 9),
            TimeUnit::Millisecond => (1_000, 6),
            TimeUnit::Microsecond => (1_000_000, 3),
            TimeUnit::Nanosecond => (1_000_000_000, 0),
        };
        let (seconds, mut fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
        if seconds == -1 && fraction * 10_i64.pow(zeros) >= NANOS_PER_MILLI {
            fraction %= (per_second / 1_000).max(1);
        }
        Self { seconds, fraction, zeros }
    }

    #[inline]
    fn nanos(&self) -> i64 {
        self.fraction * 10_i64.pow(self.zeros)
    }

    /// Since 1970, rounded down; the last one that there is for what lies beyond.
    #[inline]
    fn millis(&self) -> i64 {
        self.seconds.saturating_mul(1_000).saturating_add(self.nanos() / NANOS_PER_MILLI)
    }

    #[inline]
    fn stored_seconds(&self) -> i64 {
        let towards_1970 = i64::from(self.seconds < 0 && self.nanos() >= NANOS_PER_MILLI);
        self.seconds.saturating_sub(BASE_SECONDS - towards_1970)
    }

    /// Three bits say how many zeros were left out, if it is two or more.
    #[inline]
    fn stored_nanos(&self) -> i64 {
        let Self { mut fraction, mut zeros, .. } = *self;
        if fraction == 0 {
            return 0;
        }
        while zeros < ZEROS_MAX && fraction % 10 == 0 {
            (fraction, zeros) = (fraction / 10, zeros + 1);
        }
        if zeros < 2 { self.nanos() << 3 } else { fraction << 3 | i64::from(zeros - 1) }
    }
}

// === impl Timestamps ===

impl<T> Default for Timestamps<T> {
    fn default() -> Self {
        Self { seconds: IntRle::signed(), nanos: IntRle::unsigned(), extent: Extent::default(), of: PhantomData }
    }
}

impl<T: ArrowTimestampType> Body for Timestamps<T> {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let values = array.as_primitive::<T>().values();
        for value in runs.iter().flat_map(|run| &values[run.clone()]) {
            let split = Split::new(*value, T::UNIT);
            self.extent.add(split.millis());
            self.seconds.push(split.stored_seconds());
            self.nanos.push(split.stored_nanos());
        }
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        let values = array.as_primitive::<T>().values();
        for value in runs.iter().flat_map(|run| &values[run.clone()]) {
            bloom.add_integer(Split::new(*value, T::UNIT).millis());
        }
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Timestamps(std::mem::take(&mut self.extent))
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.seconds.mark(marks);
        self.nanos.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.seconds.flush();
        self.nanos.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(1), stream: self.seconds.stream() });
        visit(Part { kind: StreamKind::Secondary, counts: Some(1), stream: self.nanos.stream() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(value: i64, unit: TimeUnit) -> (i64, i64) {
        let split = Split::new(value, unit);
        (split.stored_seconds() + BASE_SECONDS, split.stored_nanos())
    }

    /// As Java's reader does it.
    fn read(stored: (i64, i64)) -> i128 {
        let (seconds, nanos) = stored;
        let zeros = match nanos & 7 {
            0 => 0,
            code => code as u32 + 1,
        };
        let nanos = (nanos >> 3) * 10_i64.pow(zeros);
        let borrowed = i64::from(seconds < 0 && nanos > 999_999);
        i128::from(seconds - borrowed) * 1_000_000_000 + i128::from(nanos)
    }

    /// Goal: trailing zeros are counted as the specification says.
    /// Method: its two examples and the ends of what three bits tell.
    #[test]
    fn trailing_zeros_are_counted() {
        let nanos = |value| stored(value, TimeUnit::Nanosecond).1;
        assert_eq!(nanos(1_000), 0x0a);
        assert_eq!(nanos(100_000), 0x0c);
        assert_eq!(nanos(100_000_000), 1 << 3 | 7);
        assert_eq!(nanos(10), 10 << 3);
        assert_eq!(stored(1, TimeUnit::Millisecond).1, 1 << 3 | 5);
        assert_eq!(stored(1_500, TimeUnit::Millisecond), (1, 5 << 3 | 7));
        assert_eq!(stored(7, TimeUnit::Second), (7, 0));
    }

    /// Goal: every time that ORC can tell comes back, and of the others the second and the order do.
    /// Method: fractions of all sizes around seconds before and after 1970, read as readers read.
    #[test]
    fn times_around_1970_come_back() {
        let fractions = [0, 1, 999, 1_000, 999_999, 1_000_000, 1_000_001, 123_456_789, 500_000_000, 999_999_999];
        let mut last = i128::MIN;
        for second in -3..3_i64 {
            for fraction in fractions {
                let value = second * 1_000_000_000 + fraction;
                let seen = read(stored(value, TimeUnit::Nanosecond));
                if holds_timestamp(value.into()) {
                    assert_eq!(seen, value.into());
                    assert!(seen > last, "{value}");
                } else {
                    assert_eq!(seen.div_euclid(1_000_000_000), -1, "{value}");
                }
                last = seen.max(last);
            }
        }
        for (value, unit) in [(i64::MIN, TimeUnit::Nanosecond), (i64::MAX, TimeUnit::Nanosecond)] {
            assert_eq!(read(stored(value, unit)), value.into());
        }
        assert_eq!(read(stored(-999, TimeUnit::Millisecond)), -1_000_000_000);
        assert_eq!(read(stored(-1_500, TimeUnit::Millisecond)), -1_500_000_000);
        assert_eq!(read(stored(-1_000_001, TimeUnit::Microsecond)), -1_000_001_000);
    }
}
