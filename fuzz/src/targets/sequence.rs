//! SequenceFiles from anywhere: damage is an error, never a panic nor memory without bound; and what can be read is
//! written again with the same records.

use secor_core::shape::{Output, OutputFormat, SequenceKey};

use super::files::{Owned, assert_reads_back, read};

pub fn run(data: &[u8]) {
    let output = Output { format: OutputFormat::Sequence, ..Output::default() };
    let Some(records) = read(&output, false, data) else { return };
    if records.is_empty() {
        return;
    }
    let keeps_more = records.iter().any(|record| record.timestamp.is_some() || record.key.is_some());
    let sequence_key = if keeps_more { SequenceKey::Messagepack } else { SequenceKey::Offset };
    let records: Option<Vec<_>> = records.iter().map(Owned::of).collect();
    assert_reads_back(&Output { sequence_key, ..output }, &records.expect("every key has an offset"));
}
