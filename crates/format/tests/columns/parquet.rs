//! Parquet: what files say of themselves, where row groups end, statistics and filters. Footers are read with the
//! `parquet` crate.

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use secor_core::ids::Offset;
use secor_core::record::Record;
use secor_core::shape::{Compression, Input, Output, OutputFormat, Statistics};
use secor_format::{Codec, FileEncoder, FileIdentity, Pipeline, read_file};

use crate::files::{assert_damage_is_told, assert_golden_envelope, encoded, envelope, shape, with_records};

const PARQUET: OutputFormat = OutputFormat::Parquet;

fn footer(file: &[u8]) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file)).expect("a footer")
}

#[test]
fn files_say_the_same_of_themselves_for_ever() {
    let (bytes, _) = encoded(&envelope(PARQUET, Compression::None));
    let described = |file: &[u8]| {
        let metadata = footer(file);
        let (file, group) = (metadata.file_metadata(), metadata.row_group(0));
        let mut schema = Vec::new();
        parquet::schema::printer::print_schema(&mut schema, file.schema());
        let sorting = format!("{:?}", group.sorting_columns());
        assert!(file.key_value_metadata().is_none(), "nothing of the library or of this machine");
        (String::from_utf8(schema).unwrap(), file.created_by().unwrap().to_owned(), sorting)
    };
    let golden = include_bytes!("../../testdata/envelope.parquet");
    assert_eq!(described(&bytes), described(golden));
    assert_golden_envelope(PARQUET, golden);
}

#[test]
fn a_file_cut_or_damaged_anywhere_is_an_error_and_no_panic() {
    let golden = include_bytes!("../../testdata/envelope_snappy.parquet");
    assert_damage_is_told(&envelope(PARQUET, Compression::Snappy), golden);
}

/// A file of 3,000 records of about 500 bytes.
fn long_file(output: &Output) -> Vec<u8> {
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "t".into(), partition: 0 }, &codec);
    for i in 0..3_000 {
        let value =
            format!("{{\"n\":{i},\"text\":\"{}\"}}", "abcdefghij".repeat(usize::try_from(i % 97).expect("small")));
        let value = Some(value.as_bytes());
        let record = Record {
            offset: Offset::new(i).expect("not negative"),
            timestamp: Some(i),
            key: None,
            value,
            headers: &[],
        };
        encoder.append(&record, record.value, None, &mut codec, &mut out);
    }
    let _ = encoder.finish(&mut codec, &mut out);
    out
}

#[test]
fn a_row_group_ends_as_the_output_says() {
    let groups = |output: Output| {
        let metadata = footer(&long_file(&output));
        metadata.row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>()
    };
    let parquet = envelope(PARQUET, Compression::Snappy);
    assert_eq!(groups(parquet.clone()), [3_000]);
    assert_eq!(groups(Output { row_group_rows: 1_300, ..parquet.clone() }), [1_300, 1_300, 400]);
    let by_bytes = groups(Output { row_group_bytes: 1_000_000, ..parquet });
    assert!(by_bytes.len() == 2 && by_bytes.iter().sum::<i64>() == 3_000, "{by_bytes:?}");
}

#[test]
fn statistics_and_bloom_filters_are_there_as_the_output_says() {
    let of = |statistics, bloom_filters: &[&str]| {
        let bloom_filters = bloom_filters.iter().map(|&path| path.to_owned()).collect();
        let output = Output { statistics, bloom_filters, ..envelope(PARQUET, Compression::Zstd) };
        let metadata = footer(&encoded(&output).0);
        let columns = metadata.row_group(0).columns();
        let count = |is: fn(&parquet::file::metadata::ColumnChunkMetaData) -> bool| {
            columns.iter().filter(|column| is(column)).count()
        };
        [
            count(|column| column.statistics().is_some()),
            count(|column| column.column_index_offset().is_some()),
            count(|column| column.bloom_filter_offset().is_some()),
        ]
    };
    assert_eq!(of(Statistics::None, &[]), [0, 0, 0]);
    assert_eq!(of(Statistics::RowGroup, &["key"]), [9, 0, 1]);
    assert_eq!(of(Statistics::Page, &["key", "offset"]), [9, 9, 2]);
}

#[test]
fn a_timestamp_that_no_calendar_has_makes_its_record_bad() {
    let shape = shape(Input::default(), envelope(PARQUET, Compression::None));
    let mut pipeline = Pipeline::new(&shape).unwrap();
    let mut verdict = |timestamp| {
        let record = Record { offset: Offset::ZERO, timestamp, key: None, value: None, headers: &[] };
        pipeline.route(&record, 0).map(drop).map_err(|bad| bad.to_string())
    };
    let bad = "column_mismatch: column `timestamp` can't hold 253402300800000: outside the years 1 to 9999";
    assert_eq!(verdict(Some(253_402_300_799_999)), Ok(()));
    assert_eq!(verdict(Some(253_402_300_800_000)), Err(bad.to_owned()));
    assert!(verdict(Some(i64::MIN)).is_err());
    assert_eq!((verdict(None), verdict(Some(-62_135_596_800_000))), (Ok(()), Ok(())));
}

#[test]
fn no_page_or_footer_of_a_golden_file_is_strange_to_its_reader() {
    for (name, golden) in [
        ("gzip", &include_bytes!("../../testdata/envelope_gzip.parquet")[..]),
        ("zstd", include_bytes!("../../testdata/envelope_zstd.parquet")),
        ("snappy", include_bytes!("../../testdata/envelope_snappy.parquet")),
        ("lz4", include_bytes!("../../testdata/envelope_lz4.parquet")),
        ("brotli", include_bytes!("../../testdata/envelope_brotli.parquet")),
    ] {
        let mut expected = Vec::new();
        with_records(|record| {
            expected.push((record.offset, record.value.map(<[u8]>::to_vec), record.headers.to_vec()))
        });
        let read = read_file(&envelope(PARQUET, Compression::None), false, golden).map(|archived| {
            let archived = archived.unwrap();
            (archived.offset.unwrap(), archived.value, archived.headers)
        });
        assert_eq!(read.collect::<Vec<_>>(), expected, "{name}");
    }
}
