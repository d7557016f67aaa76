//! Secor: archives Kafka topics into an object store, every record exactly once. The only crate with I/O.
//!
//! Rooms in reading order; each imports only from those above it. `ARCHITECTURE.md` follows a record through them.

pub mod config;
pub mod store;
pub mod sql;
pub mod ledger;
pub mod index;
pub mod registry;
pub mod kafka;
pub mod worker;
pub mod service;
pub mod audit;
pub mod admin;
pub mod cli;
