//! Goal: a Parquet file says the same of itself for ever, ends its row groups where it was told, gives back what went in,
//! and a record that its columns can't hold spoils no other.
//! Method: files are made with the public encoder; their footers are read with the `parquet` crate, and compared with
//! those of golden files. That others read them is tried in `tests/interop.rs`.

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use secor_core::ids::Offset;
use secor_core::record::{Record, push_header};
use secor_core::shape::{BadRecords, Compression, Content, Input, Output, OutputFormat, Shape, Statistics, Timestamp};
use secor_format::{Codec, FileEncoder, FileIdentity, FileSummary, Pipeline, digest_file, read_file};

fn envelope(compression: Compression) -> Output {
    Output { format: OutputFormat::Parquet, content: Content::Envelope, compression, ..Output::default() }
}

/// The records of `testdata/golden.py`.
fn with_records(mut each: impl FnMut(&Record<'_>)) {
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"abc"));
    push_header(&mut headers, b"empty", None);
    push_header(&mut headers, b"\xff", Some(b""));
    let (long_key, long_value) = ([b'x'; 300], [b'v'; 3_000]);
    let record = |offset, timestamp, key, value| {
        let offset = Offset::new(offset).expect("not negative");
        Record { offset, timestamp, key, value, headers: &[] }
    };
    each(&Record { headers: &headers, ..record(100, Some(1_700_000_000_000), Some(b"k1"), Some(b"hello")) });
    each(&record(101, None, None, Some(b"")));
    each(&record(105, Some(-5), Some(b""), None));
    each(&record(70_000, Some(1_700_000_000_001), Some(&long_key), Some(&long_value)));
    each(&record(1 << 40, Some(1), Some(b"\xff"), Some("grüße".as_bytes())));
}

fn encoded(output: &Output) -> (Vec<u8>, FileSummary) {
    let (mut codec, mut out) = (Codec::new(output), Vec::new());
    let mut encoder = FileEncoder::new(output, FileIdentity { topic: "clicks".into(), partition: 3 }, &codec);
    with_records(|record| encoder.append(record, record.value, None, &mut codec, &mut out));
    let summary = encoder.finish(&mut codec, &mut out);
    (out, summary)
}

fn footer(file: &[u8]) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file)).expect("a footer")
}

#[test]
fn files_say_the_same_of_themselves_for_ever() {
    let (bytes, summary) = encoded(&envelope(Compression::None));
    let described = |file: &[u8]| {
        let metadata = footer(file);
        let (file, group) = (metadata.file_metadata(), metadata.row_group(0));
        let mut schema = Vec::new();
        parquet::schema::printer::print_schema(&mut schema, file.schema());
        let sorting = format!("{:?}", group.sorting_columns());
        assert!(file.key_value_metadata().is_none(), "nothing of the library or of this machine");
        (String::from_utf8(schema).unwrap(), file.created_by().unwrap().to_owned(), sorting)
    };
    let golden = include_bytes!("../testdata/envelope.parquet");
    assert_eq!(described(&bytes), described(golden));
    let read = digest_file(&envelope(Compression::None), false, &golden[..]).unwrap();
    assert_eq!((read.records, read.records_digest), (5, Some(summary.records_digest)));
    // a cell is a byte and its content, before which lists and texts have four bytes of length
    assert_eq!(summary.bytes, 106 + 37 + 45 + 3_349 + 57);
}

#[test]
fn a_file_cut_or_damaged_anywhere_is_an_error_and_no_panic() {
    let golden = include_bytes!("../testdata/envelope_snappy.parquet");
    let output = envelope(Compression::Snappy);
    for end in 0..golden.len() {
        assert!(digest_file(&output, false, &golden[..end]).is_err(), "cut at {end}");
    }
    for at in 0..golden.len() {
        let mut damaged = golden.to_vec();
        damaged[at] ^= 0x55;
        // pages have no checksums of their own: some damage gives other values, which the digests tell
        let _ = digest_file(&output, false, &damaged[..]);
    }
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
    let parquet = envelope(Compression::Snappy);
    assert_eq!(groups(parquet.clone()), [3_000]);
    assert_eq!(groups(Output { row_group_rows: 1_300, ..parquet.clone() }), [1_300, 1_300, 400]);
    let by_bytes = groups(Output { row_group_bytes: 1_000_000, ..parquet });
    assert!(by_bytes.len() == 2 && by_bytes.iter().sum::<i64>() == 3_000, "{by_bytes:?}");
}

#[test]
fn statistics_and_bloom_filters_are_there_as_the_output_says() {
    let of = |statistics, bloom_filters: &[&str]| {
        let bloom_filters = bloom_filters.iter().map(|&path| path.to_owned()).collect();
        let output = Output { statistics, bloom_filters, ..envelope(Compression::Zstd) };
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
    let shape = Shape {
        version: Shape::VERSION,
        input: Input::default(),
        timestamp: Timestamp { separator: ".".to_owned(), ..Timestamp::default() },
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output: envelope(Compression::None),
        layout: "secor".to_owned(),
        bad_records: BadRecords::DeadLetter,
    };
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
        ("gzip", &include_bytes!("../testdata/envelope_gzip.parquet")[..]),
        ("zstd", include_bytes!("../testdata/envelope_zstd.parquet")),
        ("snappy", include_bytes!("../testdata/envelope_snappy.parquet")),
        ("lz4", include_bytes!("../testdata/envelope_lz4.parquet")),
        ("brotli", include_bytes!("../testdata/envelope_brotli.parquet")),
    ] {
        let mut expected = Vec::new();
        with_records(|record| {
            expected.push((record.offset, record.value.map(<[u8]>::to_vec), record.headers.to_vec()))
        });
        let read = read_file(&envelope(Compression::None), false, golden).map(|archived| {
            let archived = archived.unwrap();
            (archived.offset.unwrap(), archived.value, archived.headers)
        });
        assert_eq!(read.collect::<Vec<_>>(), expected, "{name}");
    }
}
