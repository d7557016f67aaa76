//! When a batch is cut. Pure: the clock is an argument.
//!
//! Limits that follow from the data (`max_bytes`, `max_records`, `max_timestamp_range`) are asked after every record
//! by [`FlushPolicy::data_limit`], which is a few comparisons. Limits that follow from the clock (`max_age`, `every`,
//! `at_minute`) are asked on ticks by [`FlushPolicy::clock_limit`].

use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Limits of one batch; a limit that is `None` never cuts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlushPolicy {
    /// Encoded bytes staged, over all files of the batch.
    pub bytes_max: Option<u64>,
    pub records_max: Option<u64>,
    /// Wall clock since the batch's first record, in milliseconds.
    pub age_ms_max: Option<i64>,
    /// Largest minus smallest Kafka timestamp, in milliseconds.
    pub timestamp_range_ms_max: Option<i64>,
    /// Cut whenever the clock passes a multiple of this many milliseconds since 1970.
    pub every_ms: Option<i64>,
    /// Cut whenever the clock passes this minute of an hour: 0 to 59.
    pub at_minute: Option<u8>,
}

/// What a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accumulated {
    pub records: u64,
    /// Encoded bytes.
    pub bytes: u64,
    /// Smallest and largest Kafka timestamp in milliseconds.
    pub timestamps: Option<(i64, i64)>,
}

/// Why a batch was cut. Persisted in its manifest, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutReason {
    MaxBytes,
    MaxRecords,
    MaxAge,
    TimestampRange,
    Every,
    AtMinute,
    Shutdown,
    Revocation,
    /// `limits.memory` was reached.
    Memory,
    /// `limits.disk` was reached, or the disk is full.
    Disk,
    /// `limits.open_writers` was reached.
    OpenWriters,
    /// `POST /api/flush`.
    Admin,
    /// The log end at which `run --until-end` stops.
    UntilEnd,
    /// Retention overtook the position: what is staged is kept before the hole is dealt with.
    LogStart,
    /// The records name as many schemas of a registry as a manifest lists.
    Schemas,
}

// === impl FlushPolicy ===

impl FlushPolicy {
    /// Which limit of the data, if any, `batch` has reached.
    #[must_use]
    pub fn data_limit(&self, batch: &Accumulated) -> Option<CutReason> {
        let reached = |limit: Option<u64>, value: u64| limit.is_some_and(|limit| value >= limit);
        if reached(self.bytes_max, batch.bytes) {
            return Some(CutReason::MaxBytes);
        }
        if reached(self.records_max, batch.records) {
            return Some(CutReason::MaxRecords);
        }
        match (self.timestamp_range_ms_max, batch.timestamps) {
            (Some(limit), Some((min, max))) if max.saturating_sub(min) >= limit => Some(CutReason::TimestampRange),
            _ => None,
        }
    }

    /// Which limit of the clock, if any, a batch whose first record came at `opened_ms` has reached at `now_ms`.
    #[must_use]
    pub fn clock_limit(&self, opened_ms: i64, now_ms: i64) -> Option<CutReason> {
        if self.age_ms_max.is_some_and(|age_ms_max| now_ms.saturating_sub(opened_ms) >= age_ms_max) {
            return Some(CutReason::MaxAge);
        }
        if self.every_ms.is_some_and(|every_ms| passed(opened_ms, now_ms, every_ms, 0)) {
            return Some(CutReason::Every);
        }
        let at_minute = |minute: u8| passed(opened_ms, now_ms, HOUR_MS, i64::from(minute) * MINUTE_MS);
        self.at_minute.is_some_and(at_minute).then_some(CutReason::AtMinute)
    }
}

impl CutReason {
    pub const ALL: [Self; 15] = [
        Self::MaxBytes,
        Self::MaxRecords,
        Self::MaxAge,
        Self::TimestampRange,
        Self::Every,
        Self::AtMinute,
        Self::Shutdown,
        Self::Revocation,
        Self::Memory,
        Self::Disk,
        Self::OpenWriters,
        Self::Admin,
        Self::UntilEnd,
        Self::LogStart,
        Self::Schemas,
    ];

    /// The persisted word, also the label of the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxBytes => "max_bytes",
            Self::MaxRecords => "max_records",
            Self::MaxAge => "max_age",
            Self::TimestampRange => "timestamp_range",
            Self::Every => "every",
            Self::AtMinute => "at_minute",
            Self::Shutdown => "shutdown",
            Self::Revocation => "revocation",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::OpenWriters => "open_writers",
            Self::Admin => "admin",
            Self::UntilEnd => "until_end",
            Self::LogStart => "log_start",
            Self::Schemas => "schemas",
        }
    }
}

/// Is there a mark `k * period + phase` in `(from, to]`?
fn passed(from: i64, to: i64, period: i64, phase: i64) -> bool {
    (to - phase).div_euclid(period) > (from - phase).div_euclid(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_limit_cuts_at_its_value_and_not_before() {
        let policy = FlushPolicy {
            bytes_max: Some(100),
            records_max: Some(10),
            timestamp_range_ms_max: Some(1_000),
            ..FlushPolicy::default()
        };
        let below = Accumulated { records: 9, bytes: 99, timestamps: Some((-500, 499)) };
        assert_eq!(policy.data_limit(&below), None);
        assert_eq!(policy.data_limit(&Accumulated { bytes: 100, ..below }), Some(CutReason::MaxBytes));
        assert_eq!(policy.data_limit(&Accumulated { records: 10, ..below }), Some(CutReason::MaxRecords));
        let range = Accumulated { timestamps: Some((-500, 500)), ..below };
        assert_eq!(policy.data_limit(&range), Some(CutReason::TimestampRange));
    }

    #[test]
    fn age_counts_from_the_first_record() {
        let policy = FlushPolicy { age_ms_max: Some(HOUR_MS), ..FlushPolicy::default() };
        assert_eq!(policy.clock_limit(5, HOUR_MS + 4), None);
        assert_eq!(policy.clock_limit(5, HOUR_MS + 5), Some(CutReason::MaxAge));
    }

    #[test]
    fn marks_of_the_clock_cut_once_they_are_passed() {
        let every = FlushPolicy { every_ms: Some(15 * MINUTE_MS), ..FlushPolicy::default() };
        assert_eq!(every.clock_limit(0, 15 * MINUTE_MS - 1), None);
        assert_eq!(every.clock_limit(1, 15 * MINUTE_MS), Some(CutReason::Every));
        let minute = FlushPolicy { at_minute: Some(50), ..FlushPolicy::default() };
        assert_eq!(minute.clock_limit(50 * MINUTE_MS, HOUR_MS), None);
        assert_eq!(minute.clock_limit(HOUR_MS, HOUR_MS + 50 * MINUTE_MS), Some(CutReason::AtMinute));
    }

    #[test]
    fn the_words_are_the_persisted_ones() {
        for reason in CutReason::ALL {
            assert_eq!(serde_json::to_string(&reason).expect("serializes"), format!("\"{}\"", reason.as_str()));
        }
    }
}
