//! A stored shape, as a replay reads it: it is written again with the same meaning and name, everything wrong with it is
//! said, and a pipeline made of it takes any record: to a file that gives it back, under a key of its own.
//!
//! Input: the shape as one line of JSON, then the value of a record.

use secor_core::ids::{Generation, Offset, WriterSchema};
use secor_core::json::parse_defaulted;
use secor_core::layout::{DEAD_LETTERS, Layout, NameParts, check_segment, extension_by};
use secor_core::record::Record;
use secor_core::shape::Shape;
use secor_format::Pipeline;

use super::files::{Owned, assert_reads_back_by};

/// Longer ones are slow to compile as regular expressions, and no different.
const PATTERN_BYTES_MAX: usize = 64;
const LEDGER: &str = "_secor";

pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, value) = data.split_at(end);
    let Ok(shape) = parse_defaulted::<Shape>(line) else { return };
    let (name, stored) = shape.stored();
    let again: Shape = parse_defaulted(&stored).expect("what was written is read");
    assert_eq!(again, shape);
    assert_eq!(again.stored(), (name, stored));
    if shape.timestamp.pattern.as_ref().is_some_and(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        return;
    }
    let mut pipeline = match Pipeline::new(&shape) {
        Ok(pipeline) => pipeline.of("clicks", 3),
        Err(error) => {
            assert!(!error.faults.is_empty());
            for fault in error.faults {
                assert!(!fault.key.is_empty() && !fault.message.is_empty() && !fault.hint.is_empty(), "{fault:?}");
            }
            return;
        }
    };
    let value = value.strip_prefix(b"\n");
    let record =
        Record { offset: Offset::ZERO, timestamp: Some(1_700_000_000_000), key: Some(b"k"), value, headers: &[] };
    let mut owned = Owned {
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key.map(<[u8]>::to_vec),
        value: None,
        headers: Vec::new(),
        bad: None,
        is_flushed: false,
    };
    let (folder, schema) = match pipeline.route(&record, 1_700_000_000_000) {
        Ok(routed) => {
            owned.value = routed.value.map(std::borrow::Cow::into_owned);
            (pipeline.output_partition(routed.partition).to_owned(), pipeline.file_schema(routed.partition))
        }
        Err(bad) => {
            owned.value = value.map(<[u8]>::to_vec);
            owned.bad = Some(bad);
            (String::new(), None)
        }
    };
    let writer = schema.as_ref().and_then(|schema| schema.writer);
    check_key(&shape, &folder, writer, owned.bad.is_some());
    assert_reads_back_by(&shape.output, schema.map(|schema| schema.text).as_ref(), &[owned]);
}

fn check_key(shape: &Shape, output_partition: &str, writer: Option<WriterSchema>, is_bad: bool) {
    let layout = Layout::parse(&shape.layout).expect("the pipeline took it");
    let name = NameParts {
        topic: "clicks",
        output_partition,
        generation: Generation(1),
        partition: 0,
        start: Offset::ZERO,
        ext: &extension_by(&shape.output, writer),
    };
    let dead_letters = layout.dead_letter_key(&name);
    assert!(dead_letters.split('/').all(|segment| check_segment(segment).is_ok()), "{dead_letters}");
    if !is_bad {
        let key = layout.key(&name);
        assert!(key.split('/').all(|segment| check_segment(segment).is_ok()), "{key}");
        let first = key.split('/').next().unwrap_or_default();
        assert!(![LEDGER, DEAD_LETTERS].contains(&first), "{key}");
    }
}
