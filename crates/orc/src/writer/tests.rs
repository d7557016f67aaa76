//! Bytes of whole files: they depend on the rows alone. Whether readers read them is asked in `tests/`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};

use super::*;

fn schema() -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)])
}

/// Row 700 is larger than a piece, and so are rows 1,500 to 1,900 together. From 10,000 on all are long.
fn rows(range: Range<usize>) -> RecordBatch {
    let numbers = range.clone().map(|row| (row % 7 != 3).then_some((row * row) as i64));
    let texts = range.map(|row| match row {
        700 => Some("long ".repeat(40_000)),
        1_500..1_900 | 10_000.. => Some(format!("{row} {}", "text ".repeat(200))),
        _ => (row % 11 != 5).then(|| format!("text {}", row % 13)),
    });
    let columns: [ArrayRef; 2] = [Arc::new(numbers.collect::<Int64Array>()), Arc::new(texts.collect::<StringArray>())];
    RecordBatch::try_new(schema().into(), columns.to_vec()).unwrap()
}

fn written(batch_rows: usize) -> Vec<u8> {
    let options = Options { stripe_bytes: 50_000, group_rows: 300, block_bytes: 4_096, ..Options::default() };
    let (mut writer, mut out) = (Writer::new(&schema(), options).unwrap(), Vec::new());
    let mut at = 0;
    while at < 5_000 {
        let end = (at + batch_rows).min(5_000);
        writer.write(&rows(at..end), &mut out);
        at = end;
    }
    writer.finish(&mut out);
    out
}

/// Goal: the bytes do not depend on how rows come.
/// Method: the same rows in batches of several sizes, with pieces, row groups and stripes that end within them.
#[test]
fn bytes_do_not_depend_on_batches() {
    let whole = written(5_000);
    for batch_rows in [1, 7, 299, 300, 301, 1_000, 1_024] {
        assert!(written(batch_rows) == whole, "batches of {batch_rows} rows");
    }
}

/// Goal: memory is bounded by the stripe, and given back when it ends early.
/// Method: rows until the buffer is several times what it may hold.
#[test]
fn memory_is_bounded_and_given_back() {
    let options = Options { stripe_bytes: 1 << 20, compression: Compression::None, ..Options::default() };
    let (mut writer, mut out) = (Writer::new(&schema(), options).unwrap(), Vec::new());
    for from in (10_000..22_000).step_by(100) {
        writer.write(&rows(from..from + 100), &mut out);
        assert!(writer.buffered_bytes() < 4 << 20, "{}", writer.buffered_bytes());
    }
    assert!(out.len() > 8 << 20);
    writer.write(&rows(1_500..1_600), &mut out);
    assert!(writer.buffered_bytes() > 100_000);
    writer.end_stripe(&mut out);
    assert_eq!(writer.buffered_bytes(), 0);
}

/// Goal: what ORC has no type for is named when the writer is made.
/// Method: such types at the root and below it, and bloom filters of nothing.
#[test]
fn what_cannot_be_written_is_named() {
    let refused = |field: Field, options| Writer::new(&Schema::new(vec![field]), options).err().map(|e| e.to_string());
    let time = Field::new("t", DataType::Time64(arrow_schema::TimeUnit::Nanosecond), true);
    let list = Field::new_list("l", Field::new_struct("item", vec![time], true), true);
    let seen = refused(list, Options::default()).unwrap();
    assert_eq!(seen, "column `l.item.t`: an ORC file has no type for Time64(ns)");
    let options = Options { bloom_columns: vec!["b".to_owned()], ..Options::default() };
    let seen = refused(Field::new("b", DataType::Boolean, true), options).unwrap();
    assert_eq!(seen, "column `b`: no such column, or one whose type has no bloom filter");
}
