//! Text from anywhere, plain or compressed: damage is an error, and what can be read is what stood there.
//!
//! Input: a byte for compression and delimiter, then the file.

use secor_core::ids::Offset;
use secor_core::shape::{Compression, Framing, Output};

use super::bytes::Input;
use super::files::{Owned, assert_reads_back, read};

const DELIMITERS: [&str; 4] = ["\n", "\r\n", "abab", "\0"];

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];
const LATER: [(Compression, Option<Framing>); 7] = [
    (Compression::Snappy, Some(Framing::Hadoop)),
    (Compression::Snappy, Some(Framing::Stream)),
    (Compression::Lz4, Some(Framing::Hadoop)),
    (Compression::Lz4, Some(Framing::Stream)),
    (Compression::Bzip2, None),
    (Compression::Deflate, None),
    (Compression::Lzo, None),
];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = usize::from(input.byte());
    let (compression, framing) = match choice.checked_sub(12) {
        None => (COMPRESSIONS[choice % 3], None),
        Some(other) => LATER[other % LATER.len()],
    };
    let delimiter = DELIMITERS[choice / 3 % DELIMITERS.len()];
    let output = Output { compression, framing, delimiter: delimiter.to_owned(), ..Output::default() };
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
