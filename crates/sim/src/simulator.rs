//! A whole cluster in one thread: brokers, a consumer group, stores and processes, from one seed and in virtual time.
//!
//! The [model](crate::model) is thorough and knows no bytes. This is the other half: the real
//! [`PartitionMachine`](secor_core::partition::PartitionMachine), the real pipeline and encoders of `secor-format`, the
//! real names, manifests and commit metadata of `secor-core`, in [`process`]es whose executor is a compact mirror of the
//! program's. Around them a [`broker`] with several topics and partitions, a [`group`] with three protocols, a
//! [`store`], and a network that loses, delays and repeats what it is given ([`fate`]). [`mishap`]s befall all of them;
//! then faults end, and within a bounded time everything must be archived ([`mod@run`]).
//!
//! The [`oracle`] looks at every step; it reads files with a reader of its own ([`expected`]). [`sabotage`] shows that
//! it would notice, [`coverage`] that the faults are met.
//!
//! Deliberately absent: threads, sockets, a real clock; SequenceFiles, whose bytes the black-box tests read with Hadoop's
//! own reader; more than one ledger or cluster, which the model has; metadata of brokers that disagree with each other.

mod rng;
mod trace;
pub mod coverage;
pub mod sabotage;
mod net;
mod log;
mod broker;
mod group;
mod store;
mod scenario;
mod expected;
mod process;
mod oracle;
mod fate;
mod producer;
mod mishap;
mod world;
mod run;
mod sweep;

pub use coverage::{Coverage, Path};
pub use run::{Report, Run, run};
pub use sabotage::Sabotage;
pub use sweep::{Difference, Sweep, hunt, meta, replay_command, sweep};
