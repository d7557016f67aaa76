//! The short texts of the protocol: commit metadata, names of slots, digests, checksums, keys. Each is accepted in one
//! spelling only, the one in which it is written: another spelling was not written by this program.

use secor_core::ids::Digest;
use secor_core::layout::check_key;
use secor_core::manifest::{CommitOrigin, paths};

use crate::checksum::Checksum;
use crate::key;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let CommitOrigin::Secor(metadata) = CommitOrigin::of(text) {
        assert_eq!(metadata.to_string(), text);
    }
    let name = text.rsplit('/').next().unwrap_or_default();
    if let Some(start) = paths::entry_start(text) {
        assert_eq!(paths::entry_name(start), name);
    }
    if let Some(start) = paths::resolution_start(text) {
        let n = name.split('.').nth(1).and_then(|n| n.parse::<u32>().ok()).expect("a resolution has a number");
        assert_eq!(format!("{:020}.{n}.json", start.get()), name);
    }
    if let Ok(digest) = Digest::try_from(text) {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(checksum) = text.parse::<Checksum>() {
        assert_eq!(checksum.to_string(), text);
    }
    // two rooms have the rules of keys: the store's forbids control characters on top
    let is_plain = !text.bytes().any(|byte| byte.is_ascii_control());
    assert_eq!(key::check(text).is_ok(), check_key(text).is_ok() && is_plain);
}
