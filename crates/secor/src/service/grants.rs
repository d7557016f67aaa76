//! Which topic partitions are ours, by which worker, and since when.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secor_core::ids::TopicPartition;
use tokio::sync::watch;

use crate::worker::{Address, Epoch, Message};

/// All grants of the process.
#[derive(Debug, Default)]
pub(super) struct Grants {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    queues: Vec<Sender<Message>>,
    epochs: u64,
    granted: BTreeMap<TopicPartition, Grant>,
    /// The process is about to leave the group.
    leaving: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub epoch: Epoch,
    worker: usize,
    queue: Sender<Message>,
    ended: Arc<watch::Sender<bool>>,
    /// One commit of a topic partition at a time, in order.
    pub commits: Arc<tokio::sync::Mutex<()>>,
}

// === impl Grants ===

impl Grants {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_queues(&self, queues: Vec<Sender<Message>>) {
        self.lock().queues = queues;
    }

    /// Binds the topic partition to the worker that has fewest, for a new epoch; `None` after [`Self::leave`].
    pub(super) fn grant(&self, tp: &TopicPartition) -> Option<Grant> {
        let mut inner = self.lock();
        if inner.leaving {
            return None;
        }
        inner.epochs += 1;
        let mut loads = vec![0; inner.queues.len()];
        inner.granted.values().for_each(|grant| loads[grant.worker] += 1);
        let lightest = loads.iter().enumerate().min_by_key(|(_, load)| **load).map(|(worker, _)| worker);
        let worker = lightest.expect("the pool has a thread");
        let grant = Grant {
            epoch: Epoch(inner.epochs),
            worker,
            queue: inner.queues[worker].clone(),
            ended: Arc::new(watch::Sender::new(false)),
            commits: Arc::default(),
        };
        inner.granted.insert(tp.clone(), grant.clone());
        Some(grant)
    }

    /// Grants nothing any more, because nobody would tell it to end; returns what is granted.
    pub(super) fn leave(&self) -> Vec<TopicPartition> {
        let mut inner = self.lock();
        inner.leaving = true;
        inner.granted.keys().cloned().collect()
    }

    pub(super) fn of(&self, tp: &TopicPartition) -> Option<Grant> {
        self.lock().granted.get(tp).cloned()
    }

    /// The grant, if its epoch still is the one of the address.
    pub(super) fn at(&self, address: &Address) -> Option<Grant> {
        self.of(&address.topic_partition).filter(|grant| grant.epoch == address.epoch)
    }

    /// Where messages for the topic partition's present epoch go.
    pub(super) fn address_of(&self, tp: &TopicPartition) -> Option<Address> {
        self.of(tp).map(|grant| Address { topic_partition: tp.clone(), epoch: grant.epoch })
    }

    pub(super) fn all(&self) -> Vec<TopicPartition> {
        self.lock().granted.keys().cloned().collect()
    }

    pub(super) fn send(&self, tp: &TopicPartition, message: Message) {
        if let Some(grant) = self.lock().granted.get(tp) {
            grant.send(message);
        }
    }

    /// Sends to the present epoch of the topic partition, if there is one.
    pub(super) fn tell(&self, tp: &TopicPartition, message: impl FnOnce(Address) -> Message) {
        if let Some(to) = self.address_of(tp) {
            self.send(tp, message(to));
        }
    }

    pub(super) fn send_to_all_workers(&self, message: impl Fn() -> Message) {
        self.lock().queues.iter().for_each(|queue| {
            // a worker that is gone has ended the process already
            let _ = queue.send(message());
        });
    }

    /// The epoch is over.
    pub(super) fn end(&self, address: &Address) {
        let mut inner = self.lock();
        if inner.granted.get(&address.topic_partition).is_some_and(|grant| grant.epoch == address.epoch) {
            let grant = inner.granted.remove(&address.topic_partition).expect("it is there");
            grant.ended.send_replace(true);
        }
        self.changed.notify_all();
    }

    /// Waits until none of these is granted any more; false when `deadline` came first.
    pub(super) fn wait_ended(&self, partitions: &[TopicPartition], deadline: Instant) -> bool {
        let mut inner = self.lock();
        while partitions.iter().any(|tp| inner.granted.contains_key(tp)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets the workers end: nobody holds their queues any more.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.granted.clear();
        inner.queues.clear();
    }
}

// === impl Grant ===

impl Grant {
    pub(super) fn send(&self, message: Message) {
        // a worker that is gone has ended the process already
        let _ = self.queue.send(message);
    }

    /// Resolves when the epoch is over.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.ended.subscribe();
        async move {
            // the sender is dropped with the grant: over, too
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_waits_for_what_it_has_and_is_granted_nothing_more() {
        let grants = Grants::default();
        let (queue, _messages) = std::sync::mpsc::channel();
        grants.set_queues(vec![queue]);
        let [one, other] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let grant = grants.grant(&one).expect("nobody leaves");

        assert_eq!(grants.leave(), std::slice::from_ref(&one));

        // a rebalance gives it back, or another one, while the first is being finished
        assert!(grants.grant(&one).is_none() && grants.grant(&other).is_none());
        grants.end(&Address { topic_partition: one.clone(), epoch: grant.epoch });
        assert!(grants.wait_ended(&[one, other], Instant::now()));
    }
}
