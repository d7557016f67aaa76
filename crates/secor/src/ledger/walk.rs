//! Reading whole chains: pages of names, several entries in flight, generation after generation through the seals.
//!
//! The partition machine never comes here: it follows ends and reads slot by slot (R9). This is for commands that look
//! at everything, so a slot that can't be read is an item and not the end: `verify` names it and goes on.

use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::{Entry, Kind, paths};

use super::chain::slot_of;
use super::head::PAGE_KEYS;
use super::{Ledger, LedgerError};

/// Entries read at once.
const READS_IN_FLIGHT: usize = 16;

/// One slot that is taken.
#[derive(Debug)]
pub struct Slot {
    pub generation: Generation,
    pub start: Offset,
    /// An error with a refusal when what stands there does not belong there.
    pub entry: Result<Entry, LedgerError>,
}

/// One generation of a topic partition, as the seals lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    pub generation: Generation,
    /// Its last entry; a seal in all generations but the last.
    pub head: Option<Entry>,
}

// === impl Ledger ===

impl Ledger {
    /// The taken slots of one generation from `from` on, in the order of their starts.
    ///
    /// The stream ends with its first error: the store could not be asked.
    pub fn slots(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
        from: Offset,
    ) -> impl Stream<Item = Result<Slot, LedgerError>> + Send + 'static {
        let names = self.slot_names(topic_partition, generation, from);
        let ledger = self.clone();
        let topic_partition = topic_partition.clone();
        let read = move |name: Result<Offset, LedgerError>| {
            let (ledger, topic_partition) = (ledger.clone(), topic_partition.clone());
            async move {
                let start = name?;
                let key = || paths::entry(&topic_partition.topic, generation, topic_partition.partition, start);
                let entry = match ledger.entry(&topic_partition, generation, start).await {
                    Ok(entry) => entry.ok_or_else(|| LedgerError::Vanished(key())),
                    Err(error) if error.refusal().is_some() => Err(error),
                    Err(error) => return Err(error),
                };
                Ok(Slot { generation, start, entry })
            }
        };
        names.map(read).buffered(READS_IN_FLIGHT)
    }

    /// All taken slots of a topic partition, from its genesis through the seals. Empty without a genesis.
    ///
    /// The stream ends with its first error: the store could not be asked.
    pub fn walk(&self, topic_partition: &TopicPartition) -> BoxStream<'static, Result<Slot, LedgerError>> {
        let (ledger, topic_partition) = (self.clone(), topic_partition.clone());
        let begin = async move {
            let genesis = ledger.genesis(&topic_partition.topic).await?;
            let walk = Walk { ledger, topic_partition, slots: stream::empty().boxed(), next: None };
            Ok::<_, LedgerError>(Walk { next: genesis.map(|genesis| genesis.generation), ..walk })
        };
        let step = |mut walk: Walk| async move {
            let slot = walk.step().await?;
            Ok::<_, LedgerError>(slot.map(|slot| (slot, walk)))
        };
        stream::once(begin).map_ok(move |walk| stream::try_unfold(walk, step)).try_flatten().boxed()
    }

    /// The generations of a topic partition from its genesis through the seals, with the head of each. Empty without
    /// a genesis.
    ///
    /// # Errors
    /// When the store can't be asked, or an entry that has to be read does not belong where it stands.
    pub async fn chain_heads(&self, topic_partition: &TopicPartition) -> Result<Vec<ChainHead>, LedgerError> {
        let mut heads = Vec::new();
        let mut next = self.genesis(&topic_partition.topic).await?.map(|genesis| genesis.generation);
        while let Some(generation) = next {
            let head = self.head(topic_partition, generation).await?;
            next = head.as_ref().and_then(next_generation);
            heads.push(ChainHead { generation, head });
        }
        Ok(heads)
    }

    fn slot_names(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
        from: Offset,
    ) -> impl Stream<Item = Result<Offset, LedgerError>> + Send + 'static {
        let folder = paths::entries(&topic_partition.topic, generation, topic_partition.partition);
        let before = Offset::new(from.get() - 1).ok();
        let after = before.map(|before| format!("{folder}/{}", paths::entry_name(before)));
        let slots = std::sync::Arc::clone(&self.slots);
        let page = move |state: Option<(String, Option<String>)>| {
            let slots = std::sync::Arc::clone(&slots);
            async move {
                let Some((folder, after)) = state else { return Ok(None) };
                let listed = slots.list(&folder, after.as_deref(), PAGE_KEYS).await?;
                let more = listed.last().filter(|_| listed.len() == PAGE_KEYS).cloned();
                let starts = stream::iter(listed.into_iter().map(|path| slot_of(&path)));
                Ok::<_, LedgerError>(Some((starts, more.map(|last| (folder, Some(last))))))
            }
        };
        stream::try_unfold(Some((folder, after)), page).try_flatten()
    }
}

struct Walk {
    ledger: Ledger,
    topic_partition: TopicPartition,
    slots: BoxStream<'static, Result<Slot, LedgerError>>,
    next: Option<Generation>,
}

// === impl Walk ===

impl Walk {
    async fn step(&mut self) -> Result<Option<Slot>, LedgerError> {
        loop {
            if let Some(slot) = self.slots.try_next().await? {
                self.next = slot.entry.as_ref().ok().and_then(next_generation);
                return Ok(Some(slot));
            }
            let Some(generation) = self.next.take() else { return Ok(None) };
            self.slots = self.ledger.slots(&self.topic_partition, generation, Offset::ZERO).boxed();
        }
    }
}

fn next_generation(entry: &Entry) -> Option<Generation> {
    match &entry.kind {
        Kind::Seal(seal) => Some(seal.next.generation),
        Kind::Batch(_) | Kind::Empty | Kind::Hole(_) => None,
    }
}
