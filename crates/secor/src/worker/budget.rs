//! The hard bounds of the process: staged and encoder memory, staging disk, open writers (P5).
//!
//! Everything that takes memory or disk for records holds a [`Share`] and says how much it is; dropping it gives it
//! back. The bound is kept by acting early: at three quarters memory is spilled to disk, at nine tenths the fattest
//! batch is cut, and at the limit fetching pauses until uploads have made room. Nothing ever fails for lack of room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use secor_core::flush::CutReason;

/// What the operator set, under `[limits]`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub memory_bytes_max: u64,
    pub disk_bytes_max: u64,
    pub open_writers_max: u64,
}

/// What is in use, process-wide.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    used: [AtomicU64; 5],
    disk_full: AtomicBool,
}

/// What a [`Share`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Staged and encoder memory, in bytes.
    Memory,
    /// Records in librdkafka's buffers on their way to an encoder, in bytes; counts as memory.
    Fetched,
    /// Staging files, in bytes.
    Disk,
    Writers,
    /// Batches that are being made again: at most one at a time.
    Replays,
}

/// Some of a resource, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    resource: Resource,
    amount: u64,
}

/// How urgently room is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    None,
    /// Move memory to disk.
    Spill,
    /// Cut the fattest batch for this reason.
    Cut(CutReason),
}

// === impl Budget ===

impl Budget {
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, used: Default::default(), disk_full: AtomicBool::new(false) })
    }

    #[must_use]
    pub fn share(self: &Arc<Self>, resource: Resource) -> Share {
        Share { budget: Arc::clone(self), resource, amount: 0 }
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    #[must_use]
    pub fn used(&self, resource: Resource) -> u64 {
        self.used[resource as usize].load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn pressure(&self) -> Pressure {
        let memory = self.used(Resource::Memory) + self.used(Resource::Fetched);
        if self.disk_full() || self.used(Resource::Disk) >= part(self.limits.disk_bytes_max, 90) {
            Pressure::Cut(CutReason::Disk)
        } else if memory >= part(self.limits.memory_bytes_max, 90) {
            Pressure::Cut(CutReason::Memory)
        } else if memory >= part(self.limits.memory_bytes_max, 75) {
            Pressure::Spill
        } else {
            Pressure::None
        }
    }

    /// May more records be fetched? A batch that is made again cannot be cut: it goes on beyond the limit of the disk,
    /// and there is only one of them.
    #[must_use]
    pub fn may_fetch(&self) -> bool {
        let fetched = self.used(Resource::Fetched);
        !self.disk_full()
            && fetched < part(self.limits.memory_bytes_max, 25).min(FETCHED_BYTES_MAX)
            && self.used(Resource::Memory) + fetched < self.limits.memory_bytes_max
            && (self.used(Resource::Disk) < self.limits.disk_bytes_max || self.used(Resource::Replays) > 0)
    }

    #[must_use]
    pub fn writers_left(&self) -> u64 {
        self.limits.open_writers_max.saturating_sub(self.used(Resource::Writers))
    }

    /// A write to the staging folder failed for lack of room; the next success clears it.
    pub fn set_disk_full(&self, full: bool) {
        if self.disk_full.swap(full, Ordering::Relaxed) != full {
            if full {
                tracing::warn!("the staging disk is full: batches are cut early and fetching waits for uploads");
            } else {
                tracing::info!("the staging disk has room again");
            }
        }
    }

    #[must_use]
    pub fn disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }
}

/// More records than this on the way to the encoders gain nothing.
const FETCHED_BYTES_MAX: u64 = 32 << 20;

fn part(of: u64, percent: u64) -> u64 {
    of / 100 * percent
}

// === impl Share ===

impl Share {
    /// The amount is this much now.
    pub fn set(&mut self, amount: u64) {
        let used = &self.budget.used[self.resource as usize];
        if amount >= self.amount {
            used.fetch_add(amount - self.amount, Ordering::Relaxed);
        } else {
            used.fetch_sub(self.amount - amount, Ordering::Relaxed);
        }
        self.amount = amount;
    }

    #[must_use]
    pub fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Arc<Budget> {
        Budget::new(Limits { memory_bytes_max: 1_000, disk_bytes_max: 1_000, open_writers_max: 3 })
    }

    #[test]
    fn pressure_rises_with_memory_and_falls_when_shares_go() {
        let budget = budget();
        let (mut staged, mut fetched) = (budget.share(Resource::Memory), budget.share(Resource::Fetched));
        staged.set(600);
        assert_eq!(budget.pressure(), Pressure::None);
        fetched.set(150);
        assert_eq!(budget.pressure(), Pressure::Spill);
        staged.set(800);
        assert_eq!(budget.pressure(), Pressure::Cut(CutReason::Memory));
        assert!(budget.may_fetch());
        staged.set(900);
        assert!(!budget.may_fetch());
        drop(staged);
        assert_eq!((budget.pressure(), budget.used(Resource::Memory)), (Pressure::None, 0));
    }

    #[test]
    fn a_full_disk_cuts_and_stops_fetching() {
        let budget = budget();
        budget.set_disk_full(true);
        assert_eq!(budget.pressure(), Pressure::Cut(CutReason::Disk));
        assert!(!budget.may_fetch());
        budget.set_disk_full(false);
        assert!(budget.may_fetch());
    }

    #[test]
    fn a_replay_goes_on_beyond_the_limit_of_the_disk() {
        let budget = budget();
        let (mut disk, mut replays) = (budget.share(Resource::Disk), budget.share(Resource::Replays));
        disk.set(1_000);
        assert!(!budget.may_fetch());
        replays.set(1);
        assert!(budget.may_fetch());
        drop(replays);
        assert!(!budget.may_fetch());
    }

    #[test]
    fn writers_are_counted() {
        let budget = budget();
        let mut writers = budget.share(Resource::Writers);
        writers.set(2);
        assert_eq!(budget.writers_left(), 1);
        writers.set(5);
        assert_eq!(budget.writers_left(), 0);
    }
}
