//! One node of the schema's tree.
//!
//! A [`Column`] keeps what all types have: which values are present, row groups with positions and statistics, a bloom
//! filter. What depends on the type is its [`Body`]. Values of nested columns are handed down as ranges of their Arrow
//! arrays, so nothing is copied: a null list has no range, and one that hides values below it hides them here too.

use std::ops::Range;

use arrow_array::Array;
use arrow_buffer::bit_iterator::BitSliceIterator;

use crate::bloom::Bloom;
use crate::compress::Compressor;
use crate::proto::Message;
use crate::rle::BitRle;
use crate::statistics::{Kind, Statistics};
use crate::stream::Stream;

mod decimals;
mod nested;
mod numbers;
mod text;
mod timestamps;

pub(crate) use decimals::{Decimals, UnsignedLongs};
pub(crate) use nested::{Lists, Maps, Structs, Unions};
pub(crate) use numbers::{Bits, Bytes, Floats, Integers};
pub(crate) use text::{Binaries, Texts};
pub(crate) use timestamps::Timestamps;
pub use timestamps::holds_timestamp;

/// What a type does with its values.
pub(crate) trait Body: Send {
    /// Writes the values of `runs`; none of them is null.
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]);

    /// Adds the values to a bloom filter. Only called on types that [`Self::can_bloom`].
    fn hash(&self, array: &dyn Array, runs: &[Range<usize>], bloom: &mut Bloom);

    fn can_bloom(&self) -> bool;

    /// Of the values since the last call.
    fn take_statistics(&mut self) -> Kind;

    /// Appends the positions of the next value in all indexed streams, in the order that the specification fixes.
    fn mark(&mut self, marks: &mut Vec<u64>);

    /// May change its mind about the encoding; `marks` are those of the stripe.
    fn settle(&mut self, _marks: &mut Vec<u64>) {}

    /// Encodes what waits: the stripe ends.
    fn flush(&mut self, marks: &mut Vec<u64>);

    /// Of the stripe that was flushed.
    fn encoding(&self) -> Encoding;

    /// In the order of [`Self::mark`].
    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>));

    /// What it holds beside its streams.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Begins a stripe: everything was taken.
    fn restart(&mut self) {}

    fn children(&mut self) -> &mut [Column] {
        &mut []
    }
}

/// A stream of a column.
pub(crate) struct Part<'a> {
    pub(crate) kind: StreamKind,
    /// Numbers that a position has after the byte; `None` when the index leaves the stream out.
    pub(crate) counts: Option<usize>,
    pub(crate) stream: &'a mut Stream,
}

/// `Stream.Kind`; persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Present = 0,
    Data = 1,
    Length = 2,
    DictionaryData = 3,
    Secondary = 5,
    RowIndex = 6,
    BloomFilterUtf8 = 8,
}

/// `ColumnEncoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Direct,
    DirectV2,
    DictionaryV2 { texts: usize },
}

/// Bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Of the stripe, before compression.
    pub(crate) encoded: usize,
    /// Of memory.
    pub(crate) held: usize,
}

pub(crate) struct Column {
    id: u32,
    body: Box<dyn Body>,
    present: BitRle,
    values: u64,
    has_null: bool,
    present_marks: Vec<u64>,
    marks: Vec<u64>,
    groups: Vec<Message>,
    bloom: Option<Bloom>,
    stripe: Statistics,
    file: Statistics,
    runs: Vec<Range<usize>>,
}

/// Numbers of a position in a bit stream: byte, bytes of the run, bits.
const PRESENT_STRIDE: usize = 3;

/// Memory of blocks that wait in run-length encoders: less than one of integers and two of bytes.
const WAITING_BYTES: usize = 4 * 1_024;

// === impl Column ===

impl Column {
    pub(crate) fn new(id: u32, mut body: Box<dyn Body>, bloom: Option<Bloom>) -> Self {
        let empty = Statistics::empty(body.take_statistics());
        let mut column = Self {
            id,
            body,
            present: BitRle::default(),
            values: 0,
            has_null: false,
            present_marks: Vec::new(),
            marks: Vec::new(),
            groups: Vec::new(),
            bloom,
            stripe: empty.clone(),
            file: empty,
            runs: Vec::new(),
        };
        column.mark();
        column
    }

    pub(crate) fn can_bloom(&self) -> bool {
        self.body.can_bloom()
    }

    pub(crate) fn add_bloom(&mut self, bloom: Bloom) {
        self.bloom = Some(bloom);
    }

    pub(crate) fn write(&mut self, array: &dyn Array, ranges: &[Range<usize>]) {
        let total: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
            self.present.push_times(true, total);
            self.values += total as u64;
            return self.write_runs(array, ranges);
        };
        let mut runs = std::mem::take(&mut self.runs);
        runs.clear();
        let bits = nulls.inner();
        for range in ranges {
            self.present.extend(&bits.slice(range.start, range.len()));
            for (start, end) in BitSliceIterator::new(bits.values(), bits.offset() + range.start, range.len()) {
                push_run(&mut runs, range.start + start..range.start + end);
            }
        }
        let valid: usize = runs.iter().map(ExactSizeIterator::len).sum();
        self.values += valid as u64;
        self.has_null |= valid < total;
        self.write_runs(array, &runs);
        self.runs = runs;
    }

    fn write_runs(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        self.body.write(array, runs);
        if let Some(bloom) = &mut self.bloom {
            self.body.hash(array, runs, bloom);
        }
    }

    /// Compresses what makes full chunks. What is used is added to `usage`.
    pub(crate) fn settle(&mut self, compressor: &mut Compressor, usage: &mut Usage) {
        self.body.settle(&mut self.marks);
        let mut add = |stream: &mut Stream| {
            stream.settle(compressor);
            usage.encoded += stream.len();
            usage.held += stream.held_bytes();
        };
        add(self.present.stream());
        self.body.each_stream(&mut |part| add(part.stream));
        let body = self.body.usage();
        usage.encoded += body.encoded;
        usage.held += body.held + WAITING_BYTES + self.bloom.as_ref().map_or(0, Bloom::held_bytes);
        for child in self.body.children() {
            child.settle(compressor, usage);
        }
    }

    pub(crate) fn end_group(&mut self) {
        let (values, has_null) = (self.values, self.has_null);
        (self.values, self.has_null) = (0, false);
        let group = Statistics { values, has_null, kind: self.body.take_statistics() };
        self.groups.push(group.message());
        self.stripe.merge(&group);
        if let Some(bloom) = &mut self.bloom {
            bloom.end_group();
        }
        self.mark();
        for child in self.body.children() {
            child.end_group();
        }
    }

    fn mark(&mut self) {
        self.present.mark(&mut self.present_marks);
        self.body.mark(&mut self.marks);
    }

    /// Completes all streams. The row group must have been ended.
    pub(crate) fn finish(&mut self, compressor: &mut Compressor) {
        self.present.flush();
        self.body.flush(&mut self.marks);
        self.present.stream().finish(compressor);
        self.body.each_stream(&mut |part| part.stream.finish(compressor));
        for child in self.body.children() {
            child.finish(compressor);
        }
    }

    /// Of finished columns: row indexes and bloom filters.
    pub(crate) fn write_index(&mut self, compressor: &mut Compressor, footer: &mut StripeFooter, out: &mut Vec<u8>) {
        let index = self.row_index(compressor);
        let start = out.len();
        compressor.push_all(index.bytes(), out);
        footer.push_stream(StreamKind::RowIndex, self.id, out.len() - start);
        if let Some(bloom) = &mut self.bloom {
            let start = out.len();
            compressor.push_all(bloom.take_index().bytes(), out);
            footer.push_stream(StreamKind::BloomFilterUtf8, self.id, out.len() - start);
        }
        for child in self.body.children() {
            child.write_index(compressor, footer, out);
        }
    }

    /// Of finished columns: the streams and the encodings. The column is as new then, but for the file's statistics.
    pub(crate) fn write_data(&mut self, footer: &mut StripeFooter, out: &mut Vec<u8>) {
        let mut push = |kind, bytes: Vec<u8>| {
            footer.push_stream(kind, self.id, bytes.len());
            out.extend_from_slice(&bytes);
        };
        let present = self.present.stream().take();
        if self.stripe.has_null {
            push(StreamKind::Present, present);
        }
        self.body.each_stream(&mut |part| push(part.kind, part.stream.take()));
        footer.push_encoding(self.body.encoding(), self.bloom.is_some());
        self.file.merge(&self.stripe);
        self.stripe = Statistics::empty(self.body.take_statistics());
        self.groups.clear();
        self.present_marks.clear();
        self.marks.clear();
        self.body.restart();
        self.mark();
        for child in self.body.children() {
            child.write_data(footer, out);
        }
    }

    /// `field` for each column, in the order of their numbers: of the stripe.
    pub(crate) fn stripe_statistics(&mut self, field: u32, to: &mut Message) {
        to.message(field, &self.stripe.message());
        for child in self.body.children() {
            child.stripe_statistics(field, to);
        }
    }

    /// `field` for each column, in the order of their numbers: of all stripes.
    pub(crate) fn file_statistics(&mut self, field: u32, to: &mut Message) {
        to.message(field, &self.file.message());
        for child in self.body.children() {
            child.file_statistics(field, to);
        }
    }

    /// `RowIndex`, with the positions as readers want them.
    fn row_index(&mut self, compressor: &Compressor) -> Message {
        let mut index = Message::default();
        let mut positions = vec![Vec::new(); self.groups.len()];
        if self.stripe.has_null {
            let stream = self.present.stream();
            for (marks, positions) in self.present_marks.chunks(PRESENT_STRIDE).zip(&mut positions) {
                stream.push_position(marks[0], compressor, positions);
                positions.extend_from_slice(&marks[1..]);
            }
        }
        let mut stride = 0;
        self.body.each_stream(&mut |part| stride += part.counts.map_or(0, |counts| counts + 1));
        let (all_marks, mut at) = (&self.marks, 0);
        self.body.each_stream(&mut |part| {
            let Some(counts) = part.counts else { return };
            for (marks, positions) in all_marks.chunks(stride).zip(&mut positions) {
                part.stream.push_position(marks[at], compressor, positions);
                positions.extend_from_slice(&marks[at + 1..=at + counts]);
            }
            at += counts + 1;
        });
        for (positions, statistics) in positions.iter().zip(&self.groups) {
            let mut entry = Message::default();
            entry.packed(1, positions);
            entry.message(2, statistics);
            index.message(1, &entry);
        }
        index
    }
}

/// `StripeFooter` under construction.
#[derive(Default)]
pub(crate) struct StripeFooter(Message);

impl StripeFooter {
    fn push_stream(&mut self, kind: StreamKind, column: u32, bytes: usize) {
        let mut stream = Message::default();
        stream.uint(1, kind as u64);
        stream.uint(2, column.into());
        stream.uint(3, bytes as u64);
        self.0.message(1, &stream);
    }

    fn push_encoding(&mut self, encoding: Encoding, has_bloom: bool) {
        let mut message = Message::default();
        let (kind, texts) = match encoding {
            Encoding::Direct => (0, None),
            Encoding::DirectV2 => (2, None),
            Encoding::DictionaryV2 { texts } => (3, Some(texts)),
        };
        message.uint(1, kind);
        if let Some(texts) = texts {
            message.uint(2, texts as u64);
        }
        if has_bloom {
            // UTF-8 and UTC
            message.uint(3, 1);
        }
        self.0.message(2, &message);
    }

    /// Timestamps without a zone are written as if they were in UTC: readers show the same digits everywhere.
    pub(crate) fn into_message(mut self) -> Message {
        self.0.blob(3, b"UTC");
        self.0
    }
}

/// Appends a range, to the last one if it goes on from there.
#[inline]
fn push_run(runs: &mut Vec<Range<usize>>, run: Range<usize>) {
    if run.is_empty() {
        return;
    }
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    }
}
