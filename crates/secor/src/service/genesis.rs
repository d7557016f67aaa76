//! Where a topic's chains begin: R2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use secor_core::ids::{Offset, TopicPartition};
use secor_core::json::FORMAT_VERSION;
use secor_core::manifest::Genesis;
use secor_core::partition::{Refusal, RefusalCode};

use super::trouble::Trouble;
use super::world::World;
use crate::config::Start;
use crate::kafka::{Handle, KafkaError};

/// A topic that changes its id this often while it is looked at is being created again and again.
const ID_CHANGES_MAX: usize = 10;

/// Geneses that were read or made in this process; they never change.
#[derive(Debug, Default)]
pub(super) struct Geneses {
    known: Mutex<BTreeMap<Arc<str>, Genesis>>,
    making: tokio::sync::Mutex<()>,
}

// === impl Geneses ===

impl Geneses {
    /// The topic's genesis, if it has one.
    pub(super) async fn of(&self, world: &World, topic: &Arc<str>) -> Result<Option<Genesis>, Trouble> {
        if let Some(genesis) = self.known().get(topic) {
            return Ok(Some(genesis.clone()));
        }
        let genesis = world.ledger.genesis(topic).await?;
        if let Some(genesis) = &genesis {
            self.known().insert(Arc::clone(topic), genesis.clone());
        }
        Ok(genesis)
    }

    /// Makes the topic's genesis, or adopts the one that is there.
    pub(super) async fn make(&self, world: &World, topic: &Arc<str>, start: Start) -> Result<Genesis, Trouble> {
        // partitions of one topic ask together: one asks Kafka, the others find what it made
        let _one_at_a_time = self.making.lock().await;
        if let Some(genesis) = self.of(world, topic).await? {
            return Ok(genesis);
        }
        if !world.ledger.generations(topic).await?.is_empty() {
            return self.of(world, topic).await?.ok_or_else(|| {
                let detail = format!("topic `{topic}` has entries, but no genesis");
                Trouble::Refuse(Refusal::new(RefusalCode::LedgerLostEntries, detail))
            });
        }
        let own = propose(world, topic, start).await?;
        let genesis = world.ledger.create_genesis(&own).await?;
        self.known().insert(Arc::clone(topic), genesis.clone());
        Ok(genesis)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, Genesis>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first start creates the geneses of all topics that are there; what comes later begins at `earliest` (R2).
pub(super) async fn first_start(world: &World, topics: Vec<String>, start: Start) -> Result<(), Trouble> {
    if world.ledger.started().await?.is_some() {
        return Ok(());
    }
    for topic in &topics {
        world.geneses.make(world, &Arc::from(topic.as_str()), start).await?;
    }
    world.ledger.create_started(topics).await?;
    Ok(())
}

/// The topic id is asked before and after the offsets, so that they belong to it.
async fn propose(world: &World, topic: &Arc<str>, start: Start) -> Result<Genesis, Trouble> {
    for _ in 0..ID_CHANGES_MAX {
        let name = Arc::clone(topic);
        let (before, starts, after) = world
            .kafka(move |handle| {
                let before = handle.topic_id(&name)?;
                let starts = starts(handle, &name, start)?;
                Ok((before, starts, handle.topic_id(&name)?))
            })
            .await?;
        if before == after {
            return Ok(Genesis {
                version: FORMAT_VERSION,
                ledger: world.ledger.identity().ledger.clone(),
                topic: Arc::clone(topic),
                topic_id: before,
                cluster: Arc::clone(&world.common.cluster),
                group: Arc::clone(&world.common.group),
                generation: world.config.generation,
                start: starts,
            });
        }
    }
    Err(Trouble::Later(format!("topic `{topic}` changes its id again and again")))
}

fn starts(handle: &Handle, topic: &Arc<str>, start: Start) -> Result<BTreeMap<i32, Offset>, KafkaError> {
    let mut starts = BTreeMap::new();
    for partition in handle.partitions(topic)? {
        let tp = TopicPartition::new(Arc::clone(topic), partition);
        let log = handle.log_range(&tp)?;
        let offset = match start {
            Start::Earliest => log.start,
            Start::Latest => log.end,
            Start::Committed => committed(handle, &tp)?.unwrap_or(log.start).clamp(log.start, log.end),
            Start::Time(ms) => handle.offset_for_time(&tp, ms)?.unwrap_or(log.end),
        };
        starts.insert(partition, offset);
    }
    Ok(starts)
}

fn committed(handle: &Handle, tp: &TopicPartition) -> Result<Option<Offset>, KafkaError> {
    match handle.committed(std::slice::from_ref(tp))?.pop() {
        Some((_, committed)) => Ok(committed?.map(|committed| committed.offset)),
        None => Ok(None),
    }
}
