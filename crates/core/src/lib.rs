//! The pure heart of Secor: what a record is, what files are called, what the ledger says, and the machine that
//! decides everything about a topic partition. No I/O, no clock, no randomness, no async: all of it is data in, data
//! out, so that a model checker can drive it.
//!
//! Modules in reading order; each imports only from those above it.

pub mod ids;
pub mod json;
pub mod record;
pub mod flush;
pub mod shape;
pub mod layout;
pub mod manifest;
pub mod partition;
