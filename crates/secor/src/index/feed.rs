//! Feeds the index beside the archiving: a task of its own, which is told what is complete and never waited for.
//!
//! What is pending is one position per topic partition, however long the database is away; where the rows end is asked of
//! the database once, and then known. So an outage, a crash and an index that was added later are the same case: follow
//! the chain from where the rows end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secor_core::ids::{Generation, Offset, TopicPartition};
use tokio::sync::Notify;

use super::rows::{Position, Synced};
use super::{Index, IndexError};
use crate::ledger::Ledger;
use crate::store::Backoff;

/// At most one line in the log per interval.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);

/// Tells the task what is complete; cheap to clone. Without an index it does nothing.
#[derive(Clone, Debug, Default)]
pub struct Feeder {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Up to where each topic partition is complete and not yet in the index. With the generation, because offsets begin
    /// anew when a topic was created again: the same offset may lie ahead there.
    pending: Mutex<BTreeMap<TopicPartition, Reached>>,
    wake: Notify,
}

/// A generation, and an offset in it.
pub(super) type Reached = (Generation, Offset);

/// The task's own.
struct Task {
    shared: Arc<Shared>,
    index: Index,
    ledger: Ledger,
    prepared: bool,
    positions: BTreeMap<TopicPartition, Position>,
}

// === impl Feeder ===

impl Feeder {
    /// Starts the task; it ends with the runtime.
    #[must_use]
    pub fn start(index: Index, ledger: Ledger) -> Self {
        let shared = Arc::new(Shared::default());
        let task = Task { shared: Arc::clone(&shared), index, ledger, prepared: false, positions: BTreeMap::new() };
        tokio::spawn(task.run());
        Self { shared: Some(shared) }
    }

    /// Everything below `end` of that generation is archived, and the generations before it are.
    pub fn complete(&self, tp: &TopicPartition, generation: Generation, end: Offset) {
        let Some(shared) = &self.shared else { return };
        let mut pending = shared.pending();
        let reached = (generation, end);
        let known = pending.entry(tp.clone()).or_insert(reached);
        *known = reached.max(*known);
        drop(pending);
        shared.wake.notify_one();
    }

    /// Waits until nothing is pending, at most this long; what is left then is for the next start.
    pub async fn drained(&self, patience: Duration) {
        let Some(shared) = &self.shared else { return };
        let deadline = Instant::now() + patience;
        while !shared.pending().is_empty() && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_INTERVAL).await;
        }
        let left = shared.pending().len();
        if left > 0 {
            tracing::warn!(topic_partitions = left, "the index lacks their last files; it is fed when they go on");
        }
    }
}

// === impl Shared ===

impl Shared {
    fn pending(&self) -> std::sync::MutexGuard<'_, BTreeMap<TopicPartition, Reached>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one off the list, unless more of it was archived meanwhile.
    fn done(&self, tp: &TopicPartition, until: Reached) {
        let mut pending = self.pending();
        if pending.get(tp) == Some(&until) {
            pending.remove(tp);
        }
    }
}

// === impl Task ===

impl Task {
    async fn run(mut self) {
        let mut said: Option<Instant> = None;
        let mut pauses = Backoff::default().pauses();
        loop {
            let next = self.shared.pending().iter().next().map(|(tp, until)| (tp.clone(), *until));
            let Some((tp, until)) = next else {
                self.shared.wake.notified().await;
                continue;
            };
            match self.feed(&tp, until).await {
                Ok(()) => {
                    self.shared.done(&tp, until);
                    pauses = Backoff::default().pauses();
                }
                Err(error) => {
                    metrics::counter!("secor_index_failures_total").increment(1);
                    if said.is_none_or(|said| said.elapsed() >= LOG_INTERVAL) {
                        said = Some(Instant::now());
                        let why = chain(&error);
                        tracing::warn!(topic_partition = %tp, why, "the index is not fed; archiving goes on");
                    }
                    // where the rows end may have been changed by others
                    self.positions.remove(&tp);
                    tokio::time::sleep(pauses.next().expect("pauses never end")).await;
                }
            }
        }
    }

    async fn feed(&mut self, tp: &TopicPartition, until: Reached) -> Result<(), IndexError> {
        if !self.prepared {
            self.index.prepare().await?;
            self.prepared = true;
        }
        let known = self.positions.get(tp).copied();
        let position = match known {
            Some(position) => Some(position),
            None => self.index.position(&self.ledger, tp).await?,
        };
        let Some(position) = position else { return Ok(()) };
        let mut synced = Synced::default();
        let reached = self.index.follow(&self.ledger, tp, position, Some(until), &mut synced).await?;
        metrics::counter!("secor_index_files_total").increment(synced.files);
        self.positions.insert(tp.clone(), reached);
        Ok(())
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
