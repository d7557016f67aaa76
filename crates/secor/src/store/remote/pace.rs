//! Slowing down together when a store says that it is asked too much.
//!
//! A store that answers `503 SlowDown` means everybody, not the request that happened to meet the limit: S3 counts
//! requests per prefix, Azure per account. If only that request paused, the others would keep the store where it is. So
//! the pause belongs to the store: it doubles with such an answer, at most once per pause, and shrinks with every other
//! one; each request waits for it, jittered, before it is sent. A healthy store costs one look at a lock.
//!
//! Uploads wait here too, so a throttled store slows consumption by the usual way: batches stay staged, the budget
//! pauses fetching.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;

/// The first pause.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// A shorter one is none.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The pause before a request.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Zero for a store that does not complain.
    pause: Duration,
    grown: Option<Instant>,
}

// === impl Pace ===

impl Pace {
    pub(super) async fn wait(&self) {
        let pause = self.pause();
        if !pause.is_zero() {
            let jitter = rand::rng().random_range(0.5..=1.0);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
        }
    }

    /// What the last answer was.
    pub(super) fn learn(&self, slow_down: bool) {
        self.learn_at(Instant::now(), slow_down);
    }

    fn learn_at(&self, now: Instant, slow_down: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !slow_down {
            let pause = state.pause.mul_f64(0.75);
            state.pause = if pause < PAUSE_MIN { Duration::ZERO } else { pause };
            return;
        }
        // answers to requests that were sent before the pause grew say nothing about it
        if state.grown.is_some_and(|grown| now.duration_since(grown) < state.pause) {
            return;
        }
        state.pause = (state.pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX);
        state.grown = Some(now);
        tracing::debug!(pause = ?state.pause, "the store asks for fewer requests");
    }

    fn pause(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_once_per_pause_and_shrinks_with_good_answers() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.learn_at(start, false);
        assert_eq!(pace.pause(), Duration::ZERO);
        for _ in 0..8 {
            pace.learn_at(start, true);
        }
        assert_eq!(pace.pause(), PAUSE_FIRST, "eight answers to one burst are one complaint");
        for second in 1..20 {
            pace.learn_at(start + Duration::from_secs(10 * second), true);
        }
        assert_eq!(pace.pause(), PAUSE_MAX);
        for _ in 0..30 {
            pace.learn_at(start, false);
        }
        assert_eq!(pace.pause(), Duration::ZERO);
    }
}
