//! The committed offset as an observer sees it: how often it goes backward. The archive must not mind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::cluster::{self, Cluster};

/// Looks five times a second until it is dropped.
pub struct Register {
    stop: Arc<AtomicBool>,
    went_back: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

// === impl Register ===

impl Register {
    pub fn watch(cluster: &Cluster, name: &str, partitions: i32) -> Self {
        let (stop, went_back) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = cluster.client(&[("group.id", name)]);
        let (stopping, counter, topic) = (Arc::clone(&stop), Arc::clone(&went_back), name.to_owned());
        let thread = thread::spawn(move || {
            let mut last = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                if let Some(committed) = cluster::committed(&client, &topic, partitions) {
                    let offsets: Vec<i64> =
                        committed.iter().map(|committed| committed.as_ref().map_or(0, |(offset, _)| *offset)).collect();
                    let back = offsets.iter().zip(&last).filter(|(offset, last)| offset < last).count();
                    counter.fetch_add(u64::try_from(back).expect("few partitions"), Ordering::Relaxed);
                    last = offsets;
                }
                thread::sleep(Duration::from_millis(200)); // an observer's pace, nothing waits for it
            }
        });
        Self { stop, went_back, thread: Some(thread) }
    }

    /// How often the offset of some partition was lower than at the look before.
    pub fn went_back(&self) -> u64 {
        self.went_back.load(Ordering::Relaxed)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}
