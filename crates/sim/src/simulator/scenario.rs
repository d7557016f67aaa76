//! What a seed means: the cluster, the store, how bad things get, and what each process is configured to do.

use std::rc::Rc;
use std::sync::Arc;

use secor_core::flush::FlushPolicy;
use secor_core::ids::Generation;
use secor_core::manifest::Isolation;
use secor_core::partition::OnTopicRecreated;
use secor_core::shape::{
    BadRecords, Compression, Input, InputFormat, Output, SequenceCompression, SequenceKey, Shape, Timestamp,
    TimestampPolicy, TimestampSource,
};

use super::group::Protocol;
use super::rng::Rng;
use super::store::Consistency;

/// 2026-11-21T10:00:00Z, when every run begins, in milliseconds since 1970.
pub(super) const BEGIN_MS: i64 = 1_795_255_200_000;

/// Everything that a seed decides before the first event.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub topics: Vec<TopicPlan>,
    pub isolation: Isolation,
    pub has_topic_ids: bool,
    pub store: Consistency,
    pub keeps_attributes: bool,
    pub protocol: Protocol,
    pub static_members: bool,
    pub processes: usize,
    /// One more, which believes that it owns everything.
    pub has_ungrouped: bool,
    /// Faults happen for so long.
    pub chaos_ms: i64,
    pub begins_latest: bool,
    pub faults: Faults,
    pub mishaps: usize,
    /// Unclean elections, which the protocol detects and does not repair.
    pub truncates: bool,
    pub recreates: bool,
    pub expires: bool,
}

#[derive(Clone, Debug)]
pub(super) struct TopicPlan {
    pub name: Rc<str>,
    pub partitions: usize,
    pub is_compacted: bool,
    pub records: usize,
}

/// In how many of 1,000 requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub lost: u32,
    pub before: u32,
    pub after: u32,
    pub own_exists: u32,
    pub conflict: u32,
    pub late: u32,
    pub slow: u32,
    pub kafka: u32,
    pub commit_lost: u32,
    pub commit_slow: u32,
    pub commit_repeated: u32,
}

/// What one process is told, for as long as it lives.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    pub generation: Generation,
    pub shape: Arc<Shape>,
    pub flush: FlushPolicy,
    pub on_topic_recreated: OnTopicRecreated,
    pub revoke_flush_bytes_min: u64,
    pub open_writers_max: usize,
    /// Blocks are closed early in this many of 1,000 slices: memory is short.
    pub relief: u32,
    pub isolation: Isolation,
    pub begins_latest: bool,
    /// Of a slice.
    pub records_max: usize,
}

// === impl Scenario ===

impl Scenario {
    pub fn draw(rng: &mut Rng) -> Self {
        let topics = (0..=rng.below(2)).map(|n| TopicPlan {
            name: Rc::from(format!("t{n}")),
            partitions: 1 + rng.below(3),
            is_compacted: rng.chance(250),
            records: 20 + rng.below(80),
        });
        let topics: Vec<_> = topics.collect();
        let eventual = rng.chance(200);
        let store = if eventual { Consistency::Eventual { lag_ms_max: 5_000 } } else { Consistency::Exclusive };
        let has_topic_ids = rng.chance(900);
        Self {
            isolation: if rng.chance(800) { Isolation::ReadCommitted } else { Isolation::ReadUncommitted },
            has_topic_ids,
            store,
            // the content itself says whose it is: what the last writer left is as good as what the first did
            keeps_attributes: rng.chance(700),
            protocol: *rng.pick(&[Protocol::Eager, Protocol::Cooperative, Protocol::Consumer]),
            static_members: rng.chance(300),
            processes: 1 + rng.below(4),
            has_ungrouped: rng.chance(150),
            chaos_ms: rng.between(40_000, 160_000),
            begins_latest: rng.chance(80),
            faults: Faults::draw(rng),
            mishaps: rng.below(14),
            truncates: rng.chance(120),
            recreates: has_topic_ids && rng.chance(250),
            expires: rng.chance(250),
            topics,
        }
    }
}

// === impl Faults ===

impl Faults {
    fn draw(rng: &mut Rng) -> Self {
        // one run in five has a quiet network, so that mishaps of processes are seen alone
        let scale = *rng.pick(&[0, 20, 60, 60, 150]);
        let mut up_to = || u32::try_from(rng.below(scale + 1)).expect("a small number");
        Self {
            lost: up_to(),
            before: up_to(),
            after: up_to(),
            own_exists: up_to(),
            conflict: up_to(),
            late: up_to(),
            slow: up_to(),
            kafka: up_to(),
            commit_lost: up_to() * 3,
            commit_slow: up_to() * 3,
            commit_repeated: up_to() * 3,
        }
    }
}

// === impl Configuration ===

impl Configuration {
    /// A version of the program, or of its configuration: two of a run may differ in everything but what the ledger
    /// and the group fix.
    pub fn draw(rng: &mut Rng, scenario: &Scenario, generation: u32) -> Self {
        let some = |rng: &mut Rng, per_mille, low, high| rng.chance(per_mille).then(|| rng.between(low, high));
        let count = |value: i64| value.unsigned_abs();
        Self {
            generation: Generation(generation),
            shape: Arc::new(draw_shape(rng)),
            flush: FlushPolicy {
                bytes_max: some(rng, 300, 100, 2_000).map(count),
                records_max: some(rng, 700, 1, 16).map(count),
                age_ms_max: Some(rng.between(2_000, 40_000)),
                timestamp_range_ms_max: some(rng, 150, 1_000, 60_000),
                every_ms: some(rng, 150, 10_000, 60_000),
                at_minute: some(rng, 100, 0, 60).and_then(|minute| u8::try_from(minute).ok()),
            },
            on_topic_recreated: if rng.chance(600) {
                OnTopicRecreated::NewGeneration
            } else {
                OnTopicRecreated::Refuse
            },
            revoke_flush_bytes_min: if rng.chance(500) { 0 } else { count(rng.between(1, 1_000)) },
            open_writers_max: 1 + rng.below(6),
            relief: *rng.pick(&[0, 0, 300]),
            isolation: scenario.isolation,
            begins_latest: scenario.begins_latest,
            records_max: 1 + rng.below(12),
        }
    }
}

/// One of the shapes whose names and content [`super::expected`] can tell without the product's code.
fn draw_shape(rng: &mut Rng) -> Shape {
    let kind = rng.below(7);
    let templates: &[&str] = match kind {
        0 => &[],
        1 | 2 => &["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"],
        3 => &["c={field:country}"],
        4 => &["dt={clock:%Y-%m-%d}", "at={clock:%H-%M-%S}"],
        5 => &["o={offset:10}"],
        _ => &["c={field:country}", "dt={timestamp:%Y-%m-%d-%H-%M}"],
    };
    let needs_fields = matches!(kind, 1 | 3 | 6);
    let by_field = matches!(kind, 1 | 6);
    let layouts = ["secor", "{topic}/p{partition:03}/{output_partition}/{start:020}_{generation}{ext}", "kafka-store"];
    let layout = if templates.is_empty() { *rng.pick(&layouts) } else { layouts[rng.below(2)] };
    let (compression, level) = *rng.pick(&[
        (Compression::None, None),
        (Compression::None, None),
        (Compression::Gzip, Some(1)),
        (Compression::Gzip, Some(3)),
        (Compression::Zstd, Some(1)),
    ]);
    let input = if needs_fields || rng.chance(500) { InputFormat::Json } else { InputFormat::Bytes };
    Shape {
        version: Shape::VERSION,
        input: Input { format: input, ..Input::default() },
        timestamp: Timestamp {
            source: Some(if by_field { TimestampSource::Field } else { TimestampSource::Kafka }),
            field: by_field.then(|| "ts".to_owned()),
            separator: ".".to_owned(),
            missing: *rng.pick(&[TimestampPolicy::DeadLetter, TimestampPolicy::DeadLetter, TimestampPolicy::Kafka]),
            ..Timestamp::default()
        },
        time_zone: (*rng.pick(&["UTC", "Asia/Kolkata"])).to_owned(),
        output_partitions: templates.iter().map(|text| (*text).to_owned()).collect(),
        output: Output {
            compression,
            level,
            sequence_compression: SequenceCompression::Block,
            sequence_key: SequenceKey::Offset,
            ..Output::default()
        },
        layout: layout.to_owned(),
        bad_records: BadRecords::DeadLetter,
    }
}
