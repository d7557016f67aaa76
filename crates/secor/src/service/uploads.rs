//! Whose turn it is to upload: how many files are on their way at once, and of which topic partitions.
//!
//! The number adapts to what the store and the line to it can take, as TCP does: every success adds a little, a request
//! that found the store in trouble halves it, once per second at most, because many answers to one burst are one
//! complaint. It stays between one and `limits.uploads`. The turns go round over the topic partitions that wait, so a
//! batch of ten thousand files does not keep others from uploading one.
//!
//! What waits here is staged and counts against the limits: so a store that is slow slows consumption down, and memory
//! stays within its bound.
//!
//! Deliberately absent: a limit for requests of the ledger, which are small and few, and which everything waits for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secor_core::ids::TopicPartition;
use tokio::sync::oneshot;

/// Complaints within this time are one.
const SHRINK_INTERVAL: Duration = Duration::from_secs(1);

/// The turns of one process.
#[derive(Debug)]
pub(super) struct Uploads {
    state: Mutex<State>,
    /// The most that may be on their way.
    max: usize,
}

#[derive(Debug)]
struct State {
    /// How many may be on their way; the fraction grows into the next one.
    limit: f64,
    running: usize,
    waiting: BTreeMap<TopicPartition, VecDeque<oneshot::Sender<Turn>>>,
    /// Those who wait, in the order in which they are served: each once.
    order: VecDeque<TopicPartition>,
    shrunk: Option<Instant>,
}

/// The right to upload one file, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Uploads>);

/// How an upload found the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Well,
    /// It asked for fewer requests, did not answer, or did not answer in time.
    InTrouble,
}

// === impl Uploads ===

impl Uploads {
    /// At most `max` at once, at least one.
    pub(super) fn new(max: usize) -> Arc<Self> {
        let max = max.max(1);
        let state =
            State { limit: max as f64, running: 0, waiting: BTreeMap::new(), order: VecDeque::new(), shrunk: None };
        Arc::new(Self { state: Mutex::new(state), max })
    }

    /// Waits for a turn of this topic partition.
    pub(super) async fn turn(self: &Arc<Self>, topic_partition: &TopicPartition) -> Turn {
        let (sender, receiver) = oneshot::channel();
        self.lock().enqueue(topic_partition, sender);
        self.serve();
        receiver.await.expect("who waits is served: turns outlive their waiting")
    }

    /// How many may be on their way now, and how many are.
    pub(super) fn level(&self) -> (usize, usize) {
        let state = self.lock();
        (state.whole_limit(), state.running)
    }

    fn serve(self: &Arc<Self>) {
        loop {
            let next = self.lock().next();
            let Some(sender) = next else { return };
            // who has gone away meanwhile gives the turn back by dropping it
            drop(sender.send(Turn(Arc::clone(self))));
        }
    }

    fn learn_at(&self, now: Instant, found: Found) {
        let mut state = self.lock();
        match found {
            Found::Well => state.limit = (state.limit + 1.0 / state.limit).min(self.max as f64),
            Found::InTrouble => {
                if state.shrunk.is_some_and(|shrunk| now.duration_since(shrunk) < SHRINK_INTERVAL) {
                    return;
                }
                state.limit = (state.limit / 2.0).max(1.0);
                state.shrunk = Some(now);
                tracing::debug!(uploads = state.whole_limit(), "fewer uploads at once");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn whole_limit(&self) -> usize {
        self.limit as usize
    }

    fn enqueue(&mut self, topic_partition: &TopicPartition, sender: oneshot::Sender<Turn>) {
        let queue = self.waiting.entry(topic_partition.clone()).or_default();
        if queue.is_empty() {
            self.order.push_back(topic_partition.clone());
        }
        queue.push_back(sender);
    }

    /// Who is served next, if there is room.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while self.running < self.whole_limit() {
            let topic_partition = self.order.pop_front()?;
            let queue = self.waiting.get_mut(&topic_partition).expect("who stands in the order waits");
            let sender = queue.pop_front().expect("who waits has an upload");
            if queue.is_empty() {
                self.waiting.remove(&topic_partition);
            } else {
                self.order.push_back(topic_partition);
            }
            if !sender.is_closed() {
                self.running += 1;
                return Some(sender);
            }
        }
        None
    }
}

// === impl Turn ===

impl Turn {
    pub(super) fn learn(&self, found: Found) {
        self.0.learn_at(Instant::now(), found);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.serve();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("clicks", partition)
    }

    #[tokio::test]
    async fn turns_go_round_over_the_topic_partitions() {
        let uploads = Uploads::new(1);
        let first = uploads.turn(&tp(0)).await;
        let served = Arc::new(Mutex::new(Vec::new()));
        // a big batch of partition 0 waits before the small ones of the others
        let tasks: Vec<_> = [0, 0, 0, 0, 1, 2, 1]
            .map(|partition| {
                let (uploads, served) = (Arc::clone(&uploads), Arc::clone(&served));
                async move {
                    let _turn = uploads.turn(&tp(partition)).await;
                    served.lock().expect("no panic").push(partition);
                }
            })
            .into_iter()
            .collect();
        let mut tasks = Box::pin(futures::future::join_all(tasks));
        assert!((&mut tasks).now_or_never().is_none(), "the only turn is taken");
        drop(first);
        tasks.await;
        assert_eq!(*served.lock().expect("no panic"), [0, 1, 2, 0, 1, 0, 0]);
        assert_eq!(uploads.level(), (1, 0));
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_takes_no_turn_along() {
        let (uploads, other) = (Uploads::new(1), tp(1));
        let first = uploads.turn(&tp(0)).await;
        let mut gone = Box::pin(uploads.turn(&other));
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        let mut served = Box::pin(uploads.turn(&other));
        assert!((&mut served).now_or_never().is_none());
        drop(first);
        // served before it looks, and then gone
        drop(served);
        drop(uploads.turn(&tp(2)).await);
        assert_eq!(uploads.level(), (1, 0));
    }

    #[tokio::test]
    async fn trouble_halves_and_success_adds_one_per_round() {
        let (uploads, start) = (Uploads::new(8), Instant::now());
        for _ in 0..8 {
            uploads.learn_at(start, Found::InTrouble);
        }
        assert_eq!(uploads.level().0, 4, "eight complaints about one burst are one");
        for second in 1..10 {
            uploads.learn_at(start + Duration::from_secs(2 * second), Found::InTrouble);
        }
        assert_eq!(uploads.level().0, 1, "one is always allowed");
        uploads.learn_at(start, Found::Well);
        assert_eq!(uploads.level().0, 2);
        for _ in 0..3 {
            uploads.learn_at(start, Found::Well);
        }
        assert_eq!(uploads.level().0, 3);
        for _ in 0..100 {
            uploads.learn_at(start, Found::Well);
        }
        assert_eq!(uploads.level().0, 8, "not above the limit");
        let turns: Vec<_> = (0..8).map(|n| uploads.turn(&tp(n)).now_or_never().expect("there is room")).collect();
        assert_eq!(uploads.level(), (8, 8));
        assert!(uploads.turn(&tp(9)).now_or_never().is_none());
        drop(turns);
        assert_eq!(uploads.level(), (8, 0));
    }
}
