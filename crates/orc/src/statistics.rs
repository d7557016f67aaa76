//! What readers skip by: counts, extents and sums of a column, for a row group, a stripe and the file.
//!
//! A statistic that is missing costs time; one that is wrong loses rows. So what cannot be said exactly is left out, or
//! said as a bound that is surely outside.

use crate::proto::Message;

/// Longest text that is stored as an extent; of a longer one a bound is stored.
const TEXT_BYTES_MAX: usize = 1_024;
/// One more, to know that it was longer.
const HEAD_BYTES: usize = TEXT_BYTES_MAX + 1;

/// Largest sum that a decimal column can hold.
const DECIMAL_SUM_MAX: i128 = 10_i128.pow(38) - 1;

/// `ColumnStatistics`.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    /// Without nulls.
    pub(crate) values: u64,
    pub(crate) has_null: bool,
    pub(crate) kind: Kind,
}

/// What a type knows of its values.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Structs and unions.
    Count,
    Integers {
        extent: Extent,
        sum: i128,
    },
    Floats(Floats),
    Text(Text),
    Bits {
        trues: u64,
    },
    Decimals(Decimals),
    /// Days.
    Dates(Extent),
    /// Milliseconds, rounded down.
    Timestamps(Extent),
    Bytes {
        total: u64,
    },
    /// Lengths of lists and maps.
    Collections {
        extent: Extent,
        total: u64,
    },
}

/// Smallest and largest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent(Option<[i64; 2]>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floats {
    extent: Option<[f64; 2]>,
    sum: f64,
}

/// Smallest and largest text; of long ones the first bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    extent: Option<[Head; 2]>,
    total: u64,
}

#[derive(Clone, Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// The first eight bytes as a number: most comparisons end here.
    key: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimals {
    scale: u8,
    extent: Option<[i128; 2]>,
    /// `None` after an overflow.
    sum: Option<i128>,
}

// === impl Statistics ===

impl Statistics {
    /// Of no values.
    pub(crate) fn empty(kind: Kind) -> Self {
        Self { values: 0, has_null: false, kind }
    }

    /// # Panics
    /// When the other is of another type.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.values += other.values;
        self.has_null |= other.has_null;
        self.kind.merge(&other.kind);
    }

    pub(crate) fn message(&self) -> Message {
        let mut message = Message::default();
        message.uint(1, self.values);
        if let Some((field, kind)) = self.kind.message() {
            message.message(field, &kind);
        }
        message.boolean(10, self.has_null);
        message
    }
}

// === impl Kind ===

impl Kind {
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count, Self::Count) => {}
            (Self::Integers { extent, sum }, Self::Integers { extent: other, sum: others }) => {
                extent.merge(*other);
                *sum = sum.saturating_add(*others);
            }
            (Self::Floats(floats), Self::Floats(other)) => floats.merge(other),
            (Self::Text(text), Self::Text(other)) => text.merge(other),
            (Self::Bits { trues }, Self::Bits { trues: others }) => *trues += others,
            (Self::Decimals(decimals), Self::Decimals(other)) => decimals.merge(other),
            (Self::Dates(extent), Self::Dates(other)) | (Self::Timestamps(extent), Self::Timestamps(other)) => {
                extent.merge(*other);
            }
            (Self::Bytes { total }, Self::Bytes { total: others }) => *total += others,
            (Self::Collections { extent, total }, Self::Collections { extent: other, total: others }) => {
                extent.merge(*other);
                *total += others;
            }
            (this, other) => panic!("a column has one kind of statistics, not {this:?} and {other:?}"),
        }
    }

    /// With its field in `ColumnStatistics`.
    fn message(&self) -> Option<(u32, Message)> {
        let mut message = Message::default();
        let field = match self {
            Self::Count => return None,
            Self::Integers { extent, sum } => {
                extent.push([1, 2], &mut message);
                if let Ok(sum) = i64::try_from(*sum) {
                    message.sint(3, sum);
                }
                2
            }
            Self::Floats(floats) => {
                floats.push(&mut message);
                3
            }
            Self::Text(text) => {
                text.push(&mut message);
                4
            }
            Self::Bits { trues } => {
                message.packed(1, &[*trues]);
                5
            }
            Self::Decimals(decimals) => {
                decimals.push(&mut message);
                6
            }
            Self::Dates(extent) => {
                extent.push([1, 2], &mut message);
                7
            }
            Self::Bytes { total } => {
                message.sint(1, total.cast_signed());
                8
            }
            Self::Timestamps(extent) => {
                // in UTC; without the six digits below a millisecond readers take the widest ones
                extent.push([3, 4], &mut message);
                9
            }
            Self::Collections { extent, total } => {
                if let Some([min, max]) = extent.0 {
                    message.uint(1, min.cast_unsigned());
                    message.uint(2, max.cast_unsigned());
                }
                message.uint(3, *total);
                12
            }
        };
        Some((field, message))
    }
}

// === impl Extent ===

impl Extent {
    #[inline]
    pub(crate) fn add(&mut self, value: i64) {
        self.widen(value, value);
    }

    #[inline]
    pub(crate) fn widen(&mut self, low: i64, high: i64) {
        self.0 = Some(self.0.map_or([low, high], |[min, max]| [min.min(low), max.max(high)]));
    }

    fn merge(&mut self, other: Self) {
        if let Some([low, high]) = other.0 {
            self.widen(low, high);
        }
    }

    fn push(self, fields: [u32; 2], message: &mut Message) {
        if let Some(extent) = self.0 {
            message.sint(fields[0], extent[0]);
            message.sint(fields[1], extent[1]);
        }
    }
}

// === impl Floats ===

impl Floats {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.widen(value, value);
    }

    fn widen(&mut self, low: f64, high: f64) {
        self.extent = Some(self.extent.map_or([low, high], |[min, max]| [min.min(low), max.max(high)]));
    }

    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        if let Some([low, high]) = other.extent {
            self.widen(low, high);
        }
    }

    /// With a value that is not a number there is no extent: readers order those differently. The sum is not a number
    /// then (also when both infinities met), which is how Java's reader knows.
    fn push(&self, message: &mut Message) {
        if let Some([min, max]) = self.extent.filter(|_| !self.sum.is_nan()) {
            // the two zeros are equal, but readers may order them
            message.double(1, if min == 0.0 { -0.0 } else { min });
            message.double(2, if max == 0.0 { 0.0 } else { max });
        }
        if !self.sum.is_infinite() {
            message.double(3, self.sum);
        }
    }
}

// === impl Text ===

impl Text {
    #[inline]
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.total += value.len() as u64;
        self.widen(value);
    }

    #[inline]
    fn widen(&mut self, value: &[u8]) {
        let value = &value[..value.len().min(HEAD_BYTES)];
        let key = key(value);
        match &mut self.extent {
            None => self.extent = Some([Head::new(value), Head::new(value)]),
            Some([min, max]) => {
                if key < min.key || key == min.key && value < &min.bytes[..] {
                    min.set(value, key);
                }
                if key > max.key || key == max.key && value > &max.bytes[..] {
                    max.set(value, key);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.total += other.total;
        if let Some([min, max]) = &other.extent {
            self.widen(&min.bytes);
            self.widen(&max.bytes);
        }
    }

    fn push(&self, message: &mut Message) {
        if let Some([min, max]) = &self.extent {
            // both or none: readers ask for the one when they have seen the other
            match (min.bytes.len(), max.bytes.len()) {
                (..=TEXT_BYTES_MAX, ..=TEXT_BYTES_MAX) => {
                    message.blob(1, &min.bytes);
                    message.blob(2, &max.bytes);
                }
                _ => {
                    if let Some(upper) = max.upper() {
                        let min_fields = if min.bytes.len() > TEXT_BYTES_MAX { 4 } else { 1 };
                        let max_fields = if max.bytes.len() > TEXT_BYTES_MAX { 5 } else { 2 };
                        message.blob(min_fields, min.lower());
                        message.blob(max_fields, &upper);
                    }
                }
            }
        }
        message.sint(3, self.total.cast_signed());
    }
}

// === impl Head ===

impl Head {
    fn new(value: &[u8]) -> Self {
        Self { bytes: value.to_vec(), key: key(value) }
    }

    fn set(&mut self, value: &[u8], key: u64) {
        self.bytes.clear();
        self.bytes.extend_from_slice(value);
        self.key = key;
    }

    /// Itself, or whole characters of its front: not larger than any text that begins like it.
    fn lower(&self) -> &[u8] {
        let front = &self.bytes[..self.bytes.len().min(TEXT_BYTES_MAX)];
        match std::str::from_utf8(front) {
            Ok(_) => front,
            Err(error) => &front[..error.valid_up_to()],
        }
    }

    /// Itself, or a text that is larger than any that begins like it; `None` when there is none.
    fn upper(&self) -> Option<Vec<u8>> {
        if self.bytes.len() <= TEXT_BYTES_MAX {
            return Some(self.bytes.clone());
        }
        let mut text = std::str::from_utf8(self.lower()).ok()?.to_owned();
        while let Some(last) = text.pop() {
            // steps over the surrogates, which are no characters
            if let Some(next) = (last..=char::MAX).nth(1) {
                text.push(next);
                return Some(text.into_bytes());
            }
        }
        None
    }
}

#[inline]
fn key(value: &[u8]) -> u64 {
    match value.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..value.len()].copy_from_slice(value);
            u64::from_be_bytes(first)
        }
    }
}

// === impl Decimals ===

impl Decimals {
    pub(crate) fn new(scale: u8) -> Self {
        Self { scale, extent: None, sum: Some(0) }
    }

    #[inline]
    pub(crate) fn add(&mut self, value: i128) {
        self.sum = self.sum.and_then(|sum| sum.checked_add(value));
        self.widen(value, value);
    }

    fn widen(&mut self, low: i128, high: i128) {
        self.extent = Some(self.extent.map_or([low, high], |[min, max]| [min.min(low), max.max(high)]));
    }

    fn merge(&mut self, other: &Self) {
        self.sum = self.sum.zip(other.sum).and_then(|(sum, other)| sum.checked_add(other));
        if let Some([low, high]) = other.extent {
            self.widen(low, high);
        }
    }

    fn push(&self, message: &mut Message) {
        if let Some([min, max]) = self.extent {
            message.blob(1, decimal(min, self.scale).as_bytes());
            message.blob(2, decimal(max, self.scale).as_bytes());
        }
        if let Some(sum) = self.sum.filter(|sum| sum.abs() <= DECIMAL_SUM_MAX) {
            message.blob(3, decimal(sum, self.scale).as_bytes());
        }
    }
}

/// In digits, with `scale` of them behind the point.
fn decimal(value: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: decimals are printed with all their digits.
    /// Method: values around zero and one, without and with a fraction.
    #[test]
    fn decimals_are_printed() {
        let printed = |value, scale| decimal(value, scale);
        assert_eq!(printed(0, 0), "0");
        assert_eq!(printed(-5, 2), "-0.05");
        assert_eq!(printed(1_250, 2), "12.50");
        assert_eq!(printed(DECIMAL_SUM_MAX, 0).len(), 38);
        assert_eq!(printed(-1, 38).len(), 41);
    }

    /// Goal: of long texts a lower and an upper bound are stored, whatever character stands at the cut.
    /// Method: long texts that end, at the cut, in a character of each length, the last of all, and half of one.
    #[test]
    fn long_texts_become_bounds() {
        for (fill, last) in [("a", "b"), ("é", "é"), ("a", "\u{d7ff}"), ("日", "日"), ("a", "\u{10ffff}")] {
            let text = format!("{}{}", fill.repeat((TEXT_BYTES_MAX - last.len()) / fill.len()), last.repeat(400));
            let mut statistics = Text::default();
            statistics.add(text.as_bytes());
            let [min, max] = statistics.extent.as_ref().expect("a value was added");
            let (lower, upper) = (min.lower().to_vec(), max.upper().expect("there are smaller characters"));
            assert!(lower.len() <= TEXT_BYTES_MAX);
            assert!(lower.as_slice() <= text.as_bytes() && text.as_bytes() < upper.as_slice(), "{last}");
            assert!(std::str::from_utf8(&lower).is_ok() && std::str::from_utf8(&upper).is_ok(), "{last}");
        }
        let largest = "\u{10ffff}".repeat(500);
        assert_eq!(Head::new(&largest.as_bytes()[..HEAD_BYTES]).upper(), None);
    }
}
