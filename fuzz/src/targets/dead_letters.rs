//! Lines of dead-letter files from anywhere: what can be read is written again with the same records, reasons and all.
//!
//! Input: the lines, which the target compresses: a fuzzer does not find its way through a checksum.

use secor_core::ids::Offset;
use secor_core::shape::{Compression, Output};

use super::files::{Owned, assert_reads_back, encode, read};

pub fn run(data: &[u8]) {
    let Some(lines) = data.strip_suffix(b"\n") else { return };
    let compressed = Output { compression: Compression::Gzip, ..Output::default() };
    let whole = Owned {
        offset: Offset::ZERO,
        timestamp: None,
        key: None,
        value: Some(lines.to_vec()),
        headers: Vec::new(),
        bad: None,
        is_flushed: false,
    };
    let (file, _) = encode(&compressed, &[whole]);
    let Some(records) = read(&Output::default(), true, &file) else { return };
    let records: Option<Vec<_>> = records.iter().map(Owned::of).collect();
    let records = records.expect("every line has an offset");
    assert!(records.iter().all(|record| record.bad.is_some()), "every line has a reason");
    assert_reads_back(&Output::default(), &records);
}
