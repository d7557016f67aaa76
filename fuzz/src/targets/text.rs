//! Text from anywhere, plain, gzip or zstd: damage is an error, and what can be read is what stood there.
//!
//! Input: a byte for compression and delimiter, then the file.

use secor_core::ids::Offset;
use secor_core::shape::{Compression, Output};

use super::bytes::Input;
use super::files::{Owned, assert_reads_back, read};

const DELIMITERS: [&str; 4] = ["\n", "\r\n", "abab", "\0"];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = usize::from(input.byte());
    let compression = [Compression::None, Compression::Gzip, Compression::Zstd][choice % 3];
    let delimiter = DELIMITERS[choice / 3 % DELIMITERS.len()];
    let output = Output { compression, delimiter: delimiter.to_owned(), ..Output::default() };
    let Some(records) = read(&output, false, input.rest()) else { return };
    if compression == Compression::None {
        let mut stream = Vec::new();
        for record in &records {
            stream.extend_from_slice(record.value.as_deref().unwrap_or_default());
            stream.extend_from_slice(delimiter.as_bytes());
        }
        assert_eq!(stream, input.rest());
    }
    let numbered = records.into_iter().zip(0..);
    let records: Vec<_> = numbered
        .filter_map(|(mut record, number)| {
            record.offset = Offset::new(number).ok();
            Owned::of(&record)
        })
        .collect();
    if !records.is_empty() {
        assert_reads_back(&output, &records);
    }
}
