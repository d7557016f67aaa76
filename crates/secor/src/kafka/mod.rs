//! Kafka, as the rest of Secor sees it. The only room that names rdkafka or librdkafka.
//!
//! # What is here
//! * [`Consumer`]: owned by one thread; serves the group's rebalances and delivers records as [`Slice`]s, runs of one
//!   topic partition that stay in librdkafka's buffers until they are dropped. No record is copied, none allocated for.
//! * [`Handle`]: blocking questions and commits from any thread: committed offsets with their metadata, the log's
//!   range, topic ids, the cluster's id.
//! * [`TopicSelection`]: which topics, by name and by regular expression, with exclusions.
//! * [`mock`] and [`producer`]: an in-process cluster and a producer, for `secor demo` and for tests; [`scratch`]: what
//!   `secor selftest` does to a cluster.
//!
//! # Why it is built this way
//! Design R10 says: never guess a position. So librdkafka gets none of the decisions: `auto.offset.reset=error`, no
//! auto commit, and a partition that the group grants is assigned *paused*. Nothing is fetched until
//! [`Consumer::start`] names an offset. Each partition's next offset is tracked here and is the only truth: a record
//! below it is dropped, and every resume seeks to it, because librdkafka's own notion of the position is wrong in one
//! case (see `flow.rs`).
//!
//! Records are taken with `rd_kafka_consume_batch_queue` from one queue to which each partition's queue is forwarded.
//! librdkafka forgets that forwarding whenever it stops a partition; it is renewed after every assign and every start,
//! and records that still end up in the consumer's main queue are noticed and their partition is started again.
//!
//! Topic patterns are evaluated here and not by librdkafka: one dialect for every group protocol, the same as in the
//! rest of the configuration, and exclusions work.
//!
//! # What is deliberately absent
//! Offsets kept in memory as "the" progress, retries of commits, any decision about what a missing range means, async.
//! Those belong to the partition machine and to the service. `unsafe` is confined to `native.rs`, `client.rs`,
//! `queue.rs`, `message.rs`, `admin.rs`, `mock.rs` and `scratch.rs`.

mod admin;
mod client;
mod consumer;
mod error;
mod flow;
mod handle;
mod message;
pub mod mock;
mod native;
pub mod producer;
mod properties;
mod queue;
pub mod scratch;
mod topics;

pub use consumer::{Consumer, Delivery, Ignored, RebalanceListener};
pub use error::{Class, KafkaError};
pub use handle::{Committed, Handle, LogRange, PerPartition};
pub use message::Slice;
pub use properties::{FIXED_PROPERTIES, Isolation, Settings, check_properties};
pub use queue::Waker;
pub use topics::{BadPattern, TopicSelection};
