//! Goal: what is written comes back through a reader that we did not write, orc-rust.
//! Method: columns of all types with drawn values, nulls, options and batches; compared value by value.

use crate::values::{Draw, all_types, batch, rows, schema, union_of, write};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, UnionMode};
use bytes::Bytes;
use orc_rust::ArrowReaderBuilder;
use orc_rust::predicate::{Predicate, PredicateValue};
use proptest::prelude::*;
use secor_orc::{Compression, Options};

fn read(file: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ArrowReaderBuilder::try_new(Bytes::from(file)).expect("it is an ORC file").build();
    reader.map(|batch| batch.expect("the stripe is readable")).collect()
}

const COMPRESSIONS: [Compression; 5] = [
    Compression::None,
    Compression::Zlib { level: 6 },
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd { level: 3 },
];

fn assert_same(types: &[(&str, DataType)], batches: &[RecordBatch], options: Options) {
    let file = write(batches, &schema(types), options);
    let (expected, seen) = (rows(batches), rows(&read(file)));
    assert_eq!(seen.len(), expected.len());
    for (i, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
        for (j, (name, _)) in types.iter().enumerate() {
            assert_eq!(seen[j], expected[j], "row {i}, column {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: every type comes back, with few, some, many and only nulls.
    /// Method: small row groups, stripes and chunks, so that all of them end within the rows.
    #[test]
    fn all_types_come_back(
        seed in any::<u64>(),
        lengths in prop::collection::vec(0_usize..1_500, 0..4),
        nulls in prop::sample::select(vec![0, 5, 60, 100]),
        compression in prop::sample::select(COMPRESSIONS.to_vec()),
        group_rows in prop::sample::select(vec![10, 512, 10_000]),
        stripe_bytes in prop::sample::select(vec![1, 100_000, 100_000_000]),
        block_bytes in prop::sample::select(vec![100, 256 * 1_024]),
    ) {
        let (mut draw, types) = (Draw::new(seed), all_types());
        let batches: Vec<_> = lengths.iter().map(|length| batch(&mut draw, &types, *length, nulls)).collect();
        let options = Options { compression, group_rows, stripe_bytes, block_bytes, ..Options::default() };
        assert_same(&types, &batches, options);
    }
}

/// Goal: unions come back, whichever of Arrow's two layouts they have, and inside lists.
/// Method: orc-rust knows unions of a few types.
#[test]
fn unions_come_back() {
    for mode in [UnionMode::Dense, UnionMode::Sparse] {
        let union = union_of(&[DataType::Int64, DataType::Utf8, DataType::Float64], mode);
        let types = [("u", union)];
        let mut draw = Draw::new(7);
        let batches = [batch(&mut draw, &types, 3_000, 0), batch(&mut draw, &types, 10, 50)];
        assert_same(&types, &batches, Options { group_rows: 1_000, ..Options::default() });
    }
}

/// Goal: a reader that skips row groups by statistics and bloom filters, and seeks by positions, sees all rows that it
/// asked for, and in every column the right ones.
/// Method: rows are numbered; what comes back for a number is compared with what was written under it, for predicates
/// that hit a single row group, in stripes with many, and with chunks smaller than a row group.
#[test]
fn row_groups_are_skipped_and_sought_rightly() {
    let mut types = all_types();
    types.insert(0, ("n", DataType::Int64));
    for (seed, compression) in (0..).zip(COMPRESSIONS) {
        let mut draw = Draw::new(seed);
        let mut rows_written = batch(&mut draw, &types, 4_000, 20);
        let numbers: arrow_array::ArrayRef = std::sync::Arc::new(arrow_array::Int64Array::from_iter_values(0..4_000));
        let columns = std::iter::once(numbers).chain(rows_written.columns()[1..].iter().cloned()).collect();
        rows_written = RecordBatch::try_new(rows_written.schema(), columns).unwrap();
        let options = Options {
            compression,
            group_rows: 70,
            stripe_bytes: 400_000,
            block_bytes: 1_000,
            bloom_columns: vec!["n".to_owned(), "string".to_owned()],
            ..Options::default()
        };
        let file = Bytes::from(write(std::slice::from_ref(&rows_written), &schema(&types), options));
        let expected = rows(std::slice::from_ref(&rows_written));
        for wanted in [0, 69, 70, 1_234, 3_999] {
            let predicate = Predicate::eq("n", PredicateValue::Int64(Some(wanted)));
            let reader = ArrowReaderBuilder::try_new(file.clone()).unwrap().with_predicate(predicate).build();
            let seen = rows(&reader.map(Result::unwrap).collect::<Vec<_>>());
            assert!(seen.len() <= 70, "{} rows were not skipped", seen.len());
            assert!(seen.iter().any(|row| row[0].as_str() == Some(&wanted.to_string())), "{wanted} was lost");
            for row in &seen {
                let number: usize = row[0].as_str().unwrap().parse().unwrap();
                for (j, (name, _)) in types.iter().enumerate() {
                    assert_eq!(row[j], expected[number][j], "{compression:?}, row {number}, column {name}");
                }
            }
        }
    }
}
