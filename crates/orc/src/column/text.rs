//! Strings and binaries.
//!
//! Each stripe of a string column begins with a dictionary and drops it for good reasons only: too many of the values
//! are different, or the texts are too long to be kept. The reasons are counted in values and bytes, so the choice is a
//! function of the data.

use std::ops::Range;

use arrow_array::Array;
use arrow_array::cast::AsArray as _;
use arrow_schema::DataType;

use super::{Body, Encoding, Part, StreamKind, Usage};
use crate::bloom::Bloom;
use crate::dictionary::Dictionary;
use crate::rle::IntRle;
use crate::statistics::{self, Kind};
use crate::stream::Stream;

/// Longest distinct texts of a column and stripe that are kept, in bytes.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;

/// From so many values on a dictionary goes if more than 19 of 20 are different.
const EARLY_VALUES: usize = 1_000;
/// From so many values on, and when the stripe ends, it goes if more than half are.
const LATE_VALUES: usize = 10_000;

/// `string`.
pub(crate) struct Texts {
    /// While it pays.
    dictionary: Option<Dictionary>,
    /// Of the values, while there is a dictionary.
    numbers: Vec<u32>,
    /// Where row groups begin in `numbers`.
    group_starts: Vec<usize>,
    /// Texts of all values, or of the dictionary.
    data: Stream,
    lengths: IntRle,
    /// Of the values in the dictionary, when it was kept.
    references: IntRle,
    dictionary_texts: Option<usize>,
    statistics: statistics::Text,
}

/// `binary`.
pub(crate) struct Binaries {
    data: Stream,
    lengths: IntRle,
    total: u64,
}

// === impl Texts ===

impl Default for Texts {
    fn default() -> Self {
        Self {
            dictionary: Some(Dictionary::new()),
            numbers: Vec::new(),
            group_starts: Vec::new(),
            data: Stream::default(),
            lengths: IntRle::unsigned(),
            references: IntRle::unsigned(),
            dictionary_texts: None,
            statistics: statistics::Text::default(),
        }
    }
}

impl Texts {
    #[inline]
    fn push_direct(&mut self, value: &[u8]) {
        self.data.tail().extend_from_slice(value);
        self.lengths.push(value.len() as i64);
    }

    fn mark_direct(&self, marks: &mut Vec<u64>) {
        marks.push(self.data.len() as u64);
        self.lengths.mark(marks);
    }

    /// Whether the dictionary is worth keeping, after at least `late_values` by the strict rule.
    fn pays(&self, late_values: usize) -> bool {
        let Some(dictionary) = &self.dictionary else { return true };
        let (texts, values) = (dictionary.len(), self.numbers.len());
        dictionary.text_bytes() <= DICTIONARY_BYTES_MAX
            && (values < EARLY_VALUES || texts * 20 <= values * 19)
            && (values < late_values || texts * 2 <= values)
    }

    /// Writes the values so far as they are, and all that come until the stripe ends.
    fn drop_dictionary(&mut self, marks: &mut Vec<u64>) {
        let Some(dictionary) = self.dictionary.take() else { return };
        let (numbers, starts) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.group_starts));
        let mut from = 0;
        for &start in &starts {
            numbers[from..start].iter().for_each(|number| self.push_direct(dictionary.text(*number)));
            self.mark_direct(marks);
            from = start;
        }
        numbers[from..].iter().for_each(|number| self.push_direct(dictionary.text(*number)));
    }

    /// Writes the dictionary in the order of its texts, and the values as references into it.
    fn write_dictionary(&mut self, marks: &mut Vec<u64>) {
        let Some(dictionary) = self.dictionary.take() else { return };
        let mut ranks = vec![0; dictionary.len()];
        for (rank, number) in (0..).zip(dictionary.sorted()) {
            ranks[number as usize] = rank;
            self.push_direct(dictionary.text(number));
        }
        let (numbers, starts) = (std::mem::take(&mut self.numbers), std::mem::take(&mut self.group_starts));
        let mut from = 0;
        for &start in &starts {
            self.references.extend(&numbers[from..start], |number| ranks[number as usize]);
            self.references.mark(marks);
            from = start;
        }
        self.references.extend(&numbers[from..], |number| ranks[number as usize]);
        self.references.flush();
        self.dictionary_texts = Some(dictionary.len());
    }
}

impl Body for Texts {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        // taken out for the time of the loop, so that it can be borrowed beside the rest
        match self.dictionary.take() {
            Some(mut dictionary) => {
                each_value(array, runs, |value| {
                    self.statistics.add(value);
                    self.numbers.push(dictionary.number(value));
                });
                self.dictionary = Some(dictionary);
            }
            None => each_value(array, runs, |value| {
                self.statistics.add(value);
                self.push_direct(value);
            }),
        }
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        each_value(array, runs, |value| bloom.add_bytes(value));
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Text(std::mem::take(&mut self.statistics))
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        if self.dictionary.is_some() {
            self.group_starts.push(self.numbers.len());
        } else {
            self.mark_direct(marks);
        }
    }

    fn settle(&mut self, marks: &mut Vec<u64>) {
        if !self.pays(LATE_VALUES) {
            self.drop_dictionary(marks);
        }
    }

    fn flush(&mut self, marks: &mut Vec<u64>) {
        if self.pays(0) {
            self.write_dictionary(marks);
        } else {
            self.drop_dictionary(marks);
        }
        self.lengths.flush();
    }

    fn encoding(&self) -> Encoding {
        self.dictionary_texts.map_or(Encoding::DirectV2, |texts| Encoding::DictionaryV2 { texts })
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        if self.dictionary_texts.is_some() {
            visit(Part { kind: StreamKind::Data, counts: Some(1), stream: self.references.stream() });
            visit(Part { kind: StreamKind::DictionaryData, counts: None, stream: &mut self.data });
            visit(Part { kind: StreamKind::Length, counts: None, stream: self.lengths.stream() });
        } else {
            visit(Part { kind: StreamKind::Data, counts: Some(0), stream: &mut self.data });
            visit(Part { kind: StreamKind::Length, counts: Some(1), stream: self.lengths.stream() });
        }
    }

    fn usage(&self) -> Usage {
        let Some(dictionary) = &self.dictionary else { return Usage::default() };
        Usage {
            encoded: dictionary.text_bytes() + self.numbers.len() * 2,
            held: dictionary.held_bytes() + self.numbers.capacity() * 4,
        }
    }

    fn restart(&mut self) {
        self.dictionary = Some(Dictionary::new());
        self.dictionary_texts = None;
    }
}

// === impl Binaries ===

impl Default for Binaries {
    fn default() -> Self {
        Self { data: Stream::default(), lengths: IntRle::unsigned(), total: 0 }
    }
}

impl Body for Binaries {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        each_value(array, runs, |value| {
            self.total += value.len() as u64;
            self.data.tail().extend_from_slice(value);
            self.lengths.push(value.len() as i64);
        });
    }

    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom) {
        each_value(array, runs, |value| bloom.add_bytes(value));
    }

    fn can_bloom(&self) -> bool {
        true
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Bytes { total: std::mem::take(&mut self.total) }
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        marks.push(self.data.len() as u64);
        self.lengths.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.lengths.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(0), stream: &mut self.data });
        visit(Part { kind: StreamKind::Length, counts: Some(1), stream: self.lengths.stream() });
    }
}

/// Calls `visit` with the bytes of each value, of any of Arrow's types of strings and binaries.
#[inline]
fn each_value(array: &dyn Array, runs: &[Range<usize>], mut visit: impl FnMut(&[u8])) {
    let rows = runs.iter().flat_map(Clone::clone);
    match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            rows.for_each(|row| visit(array.value(row).as_bytes()));
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            rows.for_each(|row| visit(array.value(row).as_bytes()));
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            rows.for_each(|row| visit(array.value(row).as_bytes()));
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            rows.for_each(|row| visit(array.value(row)));
        }
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>();
            rows.for_each(|row| visit(array.value(row)));
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            rows.for_each(|row| visit(array.value(row)));
        }
        _ => {
            let array = array.as_fixed_size_binary();
            rows.for_each(|row| visit(array.value(row)));
        }
    }
}
