//! Goal: prove the promise of the whole, that every record is in exactly one archived file, from outside.
//! Method: the binary between a real Kafka and a real S3 server, killed, restarted, rebalanced and misled; then other
//! people's readers (DuckDB, Hadoop) look at the files, and `secor verify` must agree with them.
//!
//! Try not to add modules that need no kill, no second process and no foreign reader: `tests/operations` has those.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod clouds;
mod flights;
mod groups;
mod rebalance;
mod sequence;
mod smaller_limit;
