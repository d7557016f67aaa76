//! What the fuzz targets need: their bodies, and the rooms of `crates/secor` that they try.
//!
//! The rooms are taken in as files, not by depending on the crate: that would compile librdkafka and the object stores
//! under a sanitizer, for nothing, since none of these files knows them. `config` is the first room and imports no
//! other; that `tests/rooms.rs` holds. The bodies say `crate::config` and so on, which `tests/corpus.rs` provides from
//! the crate itself.

#[path = "../../crates/secor/src/config/mod.rs"]
pub mod config;
#[path = "../../crates/secor/src/store/checksum.rs"]
pub mod checksum;
#[path = "../../crates/secor/src/store/key.rs"]
#[expect(dead_code, reason = "joining keys is not tried here")]
pub mod key;
#[path = "../../crates/secor/src/cli/target.rs"]
pub mod target;
pub mod targets;
