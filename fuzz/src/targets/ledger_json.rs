//! Everything that stands under `_secor/` as JSON: what is accepted is written again byte for byte, so no reader drops
//! what it does not know; and the bytes of one form are never taken for another.

use std::fmt::Debug;

use secor_core::json::{canonical_json, parse};
use secor_core::manifest::{Accepted, Entry, Genesis, LedgerIdentity, Resolution, Started};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub fn run(data: &[u8]) {
    let forms = [
        round_trip::<LedgerIdentity>(data).is_some(),
        round_trip::<Started>(data).is_some(),
        round_trip::<Accepted>(data).is_some(),
        genesis(data),
        entry(data),
        resolution(data),
    ];
    assert!(forms.iter().filter(|read| **read).count() <= 1, "one text, two forms");
}

fn genesis(data: &[u8]) -> bool {
    let Some(genesis) = round_trip::<Genesis>(data) else { return false };
    for (&partition, &start) in &genesis.start {
        assert!(genesis.names(partition));
        assert_eq!(genesis.start_of(partition), start);
    }
    true
}

fn entry(data: &[u8]) -> bool {
    let Some(entry) = round_trip::<Entry>(data) else { return false };
    assert!(entry.same_content(&Entry { receipt: None, ..entry.clone() }));
    if let Some(batch) = entry.batch() {
        assert!(batch.files.iter().all(|file| batch.file(&file.key).is_some()));
    }
    true
}

fn resolution(data: &[u8]) -> bool {
    let Some(resolution) = round_trip::<Resolution>(data) else { return false };
    assert!(resolution.files.iter().all(|file| resolution.outcome(&file.key).is_some()));
    true
}

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = parse(data).ok()?;
    let written = canonical_json(&value);
    assert_eq!(written, data);
    assert_eq!(parse::<T>(&written).expect("what was written is read"), value);
    Some(value)
}
