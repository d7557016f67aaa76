//! The proofs of exactly once: simulated worlds around the real
//! [`PartitionMachine`](secor_core::partition::PartitionMachine).
//!
//! [`model`] is small and thorough: one topic partition, records without bytes, every order of requests that its bounds
//! allow, and a switch for every clause of the rules, to show that its absence would be noticed.
//!
//! [`simulator`] is wide: brokers, a group, stores and processes from one seed, with the real encoders, names and
//! manifests inside.
//!
//! Deliberately absent: anything that is part of the product. This crate is for tests only.
pub mod model;
pub mod simulator;
