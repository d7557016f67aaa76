//! Structs, lists, maps and unions: they hand ranges of rows down to their children.

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, OffsetSizeTrait};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

use super::{Body, Column, Encoding, Part, StreamKind, push_run};
use crate::bloom::Bloom;
use crate::rle::{ByteRle, IntRle};
use crate::statistics::{Extent, Kind};

/// `struct`.
pub(crate) struct Structs {
    fields: Vec<Column>,
}

/// `array`.
pub(crate) struct Lists {
    lengths: Lengths,
    items: Vec<Column>,
}

/// `map`.
pub(crate) struct Maps {
    lengths: Lengths,
    /// Keys and values.
    entries: Vec<Column>,
}

/// `uniontype`.
pub(crate) struct Unions {
    tags: ByteRle,
    /// Arrow's number of each child; ORC's is the place in this list.
    type_ids: Vec<i8>,
    variants: Vec<Column>,
    /// Scratch: the rows of each child.
    ranges: Vec<Vec<Range<usize>>>,
}

/// What lists and maps have in common.
struct Lengths {
    stream: IntRle,
    extent: Extent,
    total: u64,
    /// Scratch.
    ranges: Vec<Range<usize>>,
}

// === impl Structs ===

impl Structs {
    pub(crate) fn new(fields: Vec<Column>) -> Self {
        Self { fields }
    }
}

impl Body for Structs {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        for (field, values) in self.fields.iter_mut().zip(array.as_struct().columns()) {
            field.write(values, runs);
        }
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Count
    }

    fn mark(&mut self, _marks: &mut Vec<u64>) {}

    fn flush(&mut self, _marks: &mut Vec<u64>) {}

    fn encoding(&self) -> Encoding {
        Encoding::Direct
    }

    fn each_stream(&mut self, _visit: &mut dyn FnMut(Part<'_>)) {}

    fn children(&mut self) -> &mut [Column] {
        &mut self.fields
    }
}

// === impl Lengths ===

impl Lengths {
    fn new() -> Self {
        Self { stream: IntRle::unsigned(), extent: Extent::default(), total: 0, ranges: Vec::new() }
    }

    /// Writes the lengths; `ranges` are then the children's rows.
    fn write<O: OffsetSizeTrait>(&mut self, offsets: &OffsetBuffer<O>, runs: &[Range<usize>]) {
        self.ranges.clear();
        for run in runs {
            let offsets = &offsets[run.start..=run.end];
            for pair in offsets.windows(2) {
                let length = pair[1].as_usize() - pair[0].as_usize();
                self.extent.add(length as i64);
                self.stream.push(length as i64);
            }
            let rows = offsets[0].as_usize()..offsets[run.len()].as_usize();
            self.total += rows.len() as u64;
            push_run(&mut self.ranges, rows);
        }
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Collections { extent: std::mem::take(&mut self.extent), total: std::mem::take(&mut self.total) }
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Length, counts: Some(1), stream: self.stream.stream() });
    }
}

// === impl Lists ===

impl Lists {
    pub(crate) fn new(items: Column) -> Self {
        Self { lengths: Lengths::new(), items: vec![items] }
    }
}

impl Body for Lists {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let items = if matches!(array.data_type(), DataType::LargeList(_)) {
            let list = array.as_list::<i64>();
            self.lengths.write(list.offsets(), runs);
            list.values()
        } else {
            let list = array.as_list::<i32>();
            self.lengths.write(list.offsets(), runs);
            list.values()
        };
        self.items[0].write(items, &self.lengths.ranges);
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        self.lengths.take_statistics()
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.lengths.stream.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.lengths.stream.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        self.lengths.each_stream(visit);
    }

    fn children(&mut self) -> &mut [Column] {
        &mut self.items
    }
}

// === impl Maps ===

impl Maps {
    pub(crate) fn new(keys: Column, values: Column) -> Self {
        Self { lengths: Lengths::new(), entries: vec![keys, values] }
    }
}

impl Body for Maps {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let map = array.as_map();
        self.lengths.write(map.offsets(), runs);
        for (column, values) in self.entries.iter_mut().zip([map.keys(), map.values()]) {
            column.write(values, &self.lengths.ranges);
        }
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        self.lengths.take_statistics()
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.lengths.stream.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.lengths.stream.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::DirectV2
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        self.lengths.each_stream(visit);
    }

    fn children(&mut self) -> &mut [Column] {
        &mut self.entries
    }
}

// === impl Unions ===

impl Unions {
    /// Children with Arrow's numbers.
    pub(crate) fn new(variants: Vec<(i8, Column)>) -> Self {
        let (type_ids, variants): (_, Vec<_>) = variants.into_iter().unzip();
        let ranges = vec![Vec::new(); variants.len()];
        Self { tags: ByteRle::default(), type_ids, variants, ranges }
    }
}

impl Body for Unions {
    fn write(&mut self, array: &dyn Array, runs: &[Range<usize>]) {
        let union = array.as_union();
        self.ranges.iter_mut().for_each(Vec::clear);
        for row in runs.iter().flat_map(Clone::clone) {
            let type_id = union.type_id(row);
            let tag =
                self.type_ids.iter().position(|id| *id == type_id).expect("a union's number is of one of its fields");
            self.tags.push(tag as u8);
            let at = union.value_offset(row);
            push_run(&mut self.ranges[tag], at..at + 1);
        }
        for ((variant, type_id), ranges) in self.variants.iter_mut().zip(&self.type_ids).zip(&self.ranges) {
            variant.write(union.child(*type_id), ranges);
        }
    }

    fn hash(&self, _array: &dyn Array, _runs: &[Range<usize>], _bloom: &mut Bloom) {}

    fn can_bloom(&self) -> bool {
        false
    }

    fn take_statistics(&mut self) -> Kind {
        Kind::Count
    }

    fn mark(&mut self, marks: &mut Vec<u64>) {
        self.tags.mark(marks);
    }

    fn flush(&mut self, _marks: &mut Vec<u64>) {
        self.tags.flush();
    }

    fn encoding(&self) -> Encoding {
        Encoding::Direct
    }

    fn each_stream(&mut self, visit: &mut dyn FnMut(Part<'_>)) {
        visit(Part { kind: StreamKind::Data, counts: Some(1), stream: self.tags.stream() });
    }

    fn children(&mut self) -> &mut [Column] {
        &mut self.variants
    }
}
