//! The crash laboratory: what it takes to doubt the guarantee with real parts.
//!
//! Three brokers ([`cluster`]), an S3 server behind a gate with bad weather, processes that die at named steps
//! ([`members`], [`matrix`]), a producer that knows of every id what became of it ([`source`]), and a reader that shares
//! no code with the archiver ([`referee`]). `tests/crash_short.rs` runs a few cases in CI, `tests/heavy_crashlab.rs` all
//! that `just crashlab` asks for, `tests/heavy_soak.rs` an hour of everything at once.
//!
//! Deliberately absent: knowledge of the ledger's rules. The laboratory knows which ids were acked and which are in the
//! files; it would find a loss in any archiver, and [`control`] shows that it does.

// Every test file compiles its own copy of this module and uses a part of it.
#![allow(dead_code)]

#[path = "../harness/mod.rs"]
pub mod harness;

pub mod cluster;
pub mod source;
pub mod matrix;
pub mod members;
pub mod referee;
pub mod register;
pub mod disk;
pub mod runner;
pub mod control;
pub mod commits;
pub mod plan;
pub mod samples;
pub mod report;
