//! A small world around the real [`PartitionMachine`](secor_core::partition::PartitionMachine): one topic partition, one
//! thread, one schedule, virtual time.
//!
//! Why: the promise of exactly once is about crashes, stalls and requests that land late, in orders that no test against
//! a real broker meets often enough. Here every such order is a [`Schedule`], a plain list of [`Step`]s, so that a
//! property test can draw it, shrink it, and a regression test can keep it. What decides is the real machine; what is
//! simulated is only what surrounds it: the [`log`], the store and the group's register ([`world`]), and executors
//! ([`process`]) that all believe they own the partition. After every step the [`oracle`] looks at the world, and at the
//! end faults stop and everything must come to rest, archived ([`schedule`]).
//!
//! [`Sabotage`] switches take one rule away, in the executor or in the world, never in the machine: a test shows that
//! the oracle notices each.
//!
//! Deliberately absent: bytes (a record is its identity), more than one partition, rebalance as Kafka does it (here
//! everybody owns everything, which is worse), and topics without ids.
pub mod log;
pub mod sabotage;
pub mod draft;
pub mod world;
pub mod process;
pub mod oracle;
pub mod schedule;

pub use sabotage::Sabotage;
pub use schedule::{Schedule, Step, Violation, run};
