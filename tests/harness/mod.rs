//! What black-box tests stand on: real servers, the `secor` binary as a process, other people's readers.
//!
//! A test says `mod harness;`, takes a broker from [`Kafka::shared`] or [`Kafka::start`], a bucket from [`S3`], writes a
//! configuration with [`Secor`], and waits with [`eventually`]. Servers live on free loopback ports in folders of their
//! own under the temporary folder. They are held through a pipe by `tests/lab/keep.sh`, so that nothing stays behind
//! however the test process ends: by its last line, a panic, or SIGKILL.
//!
//! Absent on purpose: sleeps, fixed ports, and installing anything. A missing server is a panic that names the command.

// Every test file compiles its own copy of this module and uses a part of it.
#![allow(dead_code, unused_imports)]

mod admin;
mod archive;
mod clouds;
mod databases;
mod gate;
mod kafka;
mod listener;
mod mistakes;
mod python;
mod registry;
mod s3;
mod secor;
mod server;
mod setup;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use admin::Admin;
pub use archive::{Archive, Found, Slot};
pub use clouds::{Azure, Gcs, Swift};
pub use databases::{DatabaseServer, Engine};
pub use gate::{BatchName, Gate, Hold, Release, Request, Weather};
pub use kafka::{Consumed, Kafka};
pub use listener::{Listener, last_of_its_connection};
pub use mistakes::{complaint, errors_page, expect_mistake, fits};
pub use python::{java, python};
pub use registry::{Reference, Registry};
pub use s3::S3;
pub use secor::{Finished, Process, Secor};
pub use server::{NotReady, Server, free_port, is_alive, send};
pub use setup::{PATIENCE, Setup, expect_verified, patient_kafka, watch};

/// Looks until `look` returns a value, and returns it.
///
/// # Panics
/// When there is none after `patience`; the message says `what` was waited for.
#[track_caller]
pub fn eventually<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// The repository.
pub fn repository() -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("../..").canonicalize().expect("the repository has the folder of the crate that is tested")
}

/// Where `tests/lab/install.sh` puts things: `.lab` in the repository, or `SECOR_LAB`.
pub fn lab() -> PathBuf {
    std::env::var_os("SECOR_LAB").map_or_else(|| repository().join(".lab"), PathBuf::from)
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
