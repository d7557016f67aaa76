//! SequenceFiles of every layout are read back by Hadoop's own reader, and the key of every record is its offset.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::harness::{S3, Setup, expect_verified, java, patient_kafka};

const RECORDS: i64 = 2_500;

/// Any bytes, also line breaks and none at all.
fn value(offset: i64) -> Vec<u8> {
    let bytes = offset.to_be_bytes().repeat(5);
    bytes[..usize::try_from(offset % 40).unwrap()].to_vec()
}

/// Archives a topic with `output`, and compares what Hadoop reads. `offset` understands a printed key.
fn is_read_by_hadoop(name: &str, output: &str, expected_header: &str, offset: impl Fn(&str) -> i64) {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    kafka.create_topic(name, 1, &[]);
    kafka.produce(name, 0, (0..RECORDS).map(value));
    let lines = format!("output = {{ format = \"sequence\", {output} }}\nflush = {{ max_records = 1000 }}");
    let setup = Setup::new(kafka, s3, name).archive(&lines);
    let secor = setup.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    let files = files(&setup.files().folder().join(name));
    assert_eq!(files.len(), 3, "{files:?}");

    let arguments: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let read = java("lab/ReadSequence.java", &arguments);

    let (headers, records): (Vec<_>, Vec<_>) = read.lines().partition(|line| line.starts_with("# "));
    assert_eq!(headers, [expected_header; 3]);
    let records: Vec<_> = records
        .into_iter()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(key, value)| (offset(key), BASE64_STANDARD.decode(value).unwrap()))
        .collect();
    let produced: Vec<_> = (0..RECORDS).map(|offset| (offset, value(offset))).collect();
    assert!(records == produced, "Hadoop reads other records than were produced");
    expect_verified(&secor);
}

/// All files below `folder`, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn number(key: &str) -> i64 {
    key.parse().unwrap()
}

/// The offset in a MessagePack map, which is its first field, under 1.
fn messagepack_offset(key: &str) -> i64 {
    let key = BASE64_STANDARD.decode(key).unwrap();
    let [map, field, rest @ ..] = &key[..] else { panic!("{key:?}") };
    assert_eq!((map & 0xf0, *field), (0x80, 1), "a small map that begins with field 1: {key:?}");
    let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
    match rest[0] {
        small @ 0..=0x7f => i64::from(small),
        0xcc => big_endian(&rest[1..2]),
        0xcd => big_endian(&rest[1..3]),
        _ => panic!("no positive number below 65536: {key:?}"),
    }
}

const LONG_TO_BYTES: &str = "# org.apache.hadoop.io.LongWritable org.apache.hadoop.io.BytesWritable";

#[test]
fn blocks_of_gzip() {
    let header = format!("{LONG_TO_BYTES} block:org.apache.hadoop.io.compress.GzipCodec");
    is_read_by_hadoop("sequence_block", r#"compression = "gzip""#, &header, number);
}

#[test]
fn records_of_gzip() {
    let header = format!("{LONG_TO_BYTES} record:org.apache.hadoop.io.compress.GzipCodec");
    let output = r#"compression = "gzip", sequence_compression = "record""#;
    is_read_by_hadoop("sequence_record", output, &header, number);
}

#[test]
fn uncompressed() {
    let header = format!("{LONG_TO_BYTES} none");
    is_read_by_hadoop("sequence_none", r#"compression = "none""#, &header, number);
}

#[test]
fn messagepack_keys() {
    let header = "# org.apache.hadoop.io.BytesWritable org.apache.hadoop.io.BytesWritable \
                  block:org.apache.hadoop.io.compress.GzipCodec";
    let output = r#"compression = "gzip", sequence_key = "messagepack""#;
    is_read_by_hadoop("sequence_messagepack", output, header, messagepack_offset);
}
