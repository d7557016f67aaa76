//! A small world around the real [`PartitionMachine`](secor_core::partition::PartitionMachine): one topic partition, one
//! thread, one schedule, virtual time.
//!
//! Why: the promise of exactly once is about crashes, stalls and requests that land late, in orders that no test against
//! a real broker meets often enough. Here every such order is a [`Schedule`], a plain list of [`Step`]s, so that a
//! property test can draw it, shrink it, and a regression test can keep it. What decides is the real machine; what is
//! simulated is only what surrounds it: the [`log`], the store and the group's register ([`world`]), and executors
//! ([`process`]) that all believe they own the partition. After every step the [`oracle`] looks at the world, and at the
//! end faults stop and everything must come to rest, archived, or refused where a promise can't be kept ([`schedule`]).
//!
//! The same world is looked at in three ways:
//!
//! * **drawn**: thousands of schedules by chance, in five weathers (`tests/exactly_once.rs`);
//! * **explored**: every state of small worlds, none left out ([`explore`], `tests/exhaustive.rs`);
//! * **sabotaged**: [`Sabotage`] takes one clause of the rules away, and the oracle must notice. [`clauses`] lists them
//!   all. For each, the shortest run that [`shrink`] could make is kept as text ([`trace`]) in `traces/`, and passes as
//!   soon as the clause is back (`tests/clauses.rs`). What only notices damage is in `tests/detections.rs`.
//!
//! A switch sits in the executor or in the world, never in the machine, so the machine that is tried is the one that is
//! shipped. A clause that the machine keeps is taken away by lying to it.
//!
//! What the log may do has limits, because the machine's means have: an unclean election is noticed by leader epochs,
//! and retention that takes the new leader's only records, or a long stretch of markers, leaves none to compare. Weather
//! with unclean elections leaves these two out; `docs/guarantee.md` says so.
//!
//! Deliberately absent: bytes (a record is its identity), more than one partition, and rebalance as Kafka does it (here
//! everybody owns everything, which is worse). The simulator has those.
pub mod log;
pub mod sabotage;
pub mod clauses;
pub mod draft;
pub mod world;
pub mod process;
pub mod oracle;
pub mod schedule;
pub mod trace;
pub mod shrink;
pub mod explore;

pub use sabotage::Sabotage;
pub use schedule::{Schedule, Step, Violation, run};
