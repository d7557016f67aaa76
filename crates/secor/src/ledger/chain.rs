//! Entries and resolutions: what stands in the slots of one chain.

use std::collections::BTreeSet;

use futures::FutureExt;
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::{Entry, Kind, Resolution, paths};

use super::{Ledger, LedgerError, expect, head, mismatch};

/// Who got a slot (R3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryCreation {
    Created,
    /// What stands there: another's, or one's own whose answer was lost; [`Entry::same_content`] tells (R5).
    Exists(Box<Entry>),
}

/// Who got a resolution's number (R12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolutionCreation {
    Created,
    Exists(Box<Resolution>),
}

/// How many resolutions one batch can have: each settles at least one file more, and ten are already strange.
const RESOLUTIONS_MAX: usize = 1000;

// === impl Ledger ===

impl Ledger {
    /// What stands in a slot.
    ///
    /// # Errors
    /// When the store can't be asked, or what stands there does not belong there.
    pub async fn entry(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
        start: Offset,
    ) -> Result<Option<Entry>, LedgerError> {
        let key = paths::entry(&topic_partition.topic, generation, topic_partition.partition, start);
        let Some(entry): Option<Entry> = self.read(&key).await? else { return Ok(None) };
        let entry = self.check_entry(&key, topic_partition, generation, start, entry)?;
        self.expect_begun(topic_partition, generation).await?;
        Ok(Some(entry))
    }

    /// Creates the entry if its slot is free: one request when it is. A doubtful answer is settled by reading back.
    ///
    /// # Errors
    /// As [`Self::entry`]; [`LedgerError::Closed`] also when it was created after a move had begun. Then nobody acts on it.
    pub async fn create_entry(&self, entry: &Entry) -> Result<EntryCreation, LedgerError> {
        let (place, key) =
            (entry.topic_partition(), paths::entry(&entry.topic, entry.generation, entry.partition, entry.start));
        let there = self.create(&key, entry).await?;
        let there =
            there.map(|there| self.check_entry(&key, &place, entry.generation, entry.start, there)).transpose()?;
        self.expect_begun(&place, entry.generation).await?;
        Ok(there.map_or(EntryCreation::Created, |there| EntryCreation::Exists(Box::new(there))))
    }

    /// The last entry of a chain; by search, so the cost does not grow with the number of entries. While other
    /// processes append, an entry that was the last one at some time during the search.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub async fn head(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
    ) -> Result<Option<Entry>, LedgerError> {
        self.floor(topic_partition, generation, LAST_OFFSET).await
    }

    /// The entry with the largest start that is not above `offset`: the one that holds it, if any does.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub async fn floor(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
        offset: Offset,
    ) -> Result<Option<Entry>, LedgerError> {
        let TopicPartition { topic, partition } = topic_partition;
        let folder = paths::entries(topic, generation, *partition);
        let page = |after: Option<Offset>| {
            let folder = folder.clone();
            let list = async move {
                let after = after.map(|after| format!("{folder}/{}", paths::entry_name(after)));
                let listed = self.slots.list(&folder, after.as_deref(), head::PAGE_KEYS).await?;
                listed.iter().map(|path| slot_of(path)).collect::<Result<Vec<Offset>, LedgerError>>()
            };
            list.boxed()
        };
        let Some(start) = head::search(offset, page).await? else { return Ok(None) };
        let key = paths::entry(topic, generation, *partition, start);
        let entry = self.entry(topic_partition, generation, start).await?;
        entry.map(Some).ok_or(LedgerError::Vanished(key))
    }

    /// What of a batch can no longer be made whole, in the order of their numbers (R12).
    ///
    /// # Errors
    /// When the store can't be asked, or what stands there does not belong there.
    pub async fn resolutions(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
        start: Offset,
    ) -> Result<Vec<Resolution>, LedgerError> {
        let TopicPartition { topic, partition } = topic_partition;
        let mut all = Vec::new();
        for n in 1..=u32::try_from(RESOLUTIONS_MAX).expect("a small number") {
            let key = paths::resolution(topic, generation, *partition, start, n);
            let Some(resolution): Option<Resolution> = self.read(&key).await? else { break };
            all.push(self.check_resolution(&key, topic_partition, (generation, start, n), resolution)?);
        }
        Ok(all)
    }

    /// The batches of a chain that have resolutions; one listing as a rule, because few have any.
    ///
    /// # Errors
    /// When the store can't be asked, or something else stands among the resolutions.
    pub async fn resolved(
        &self,
        topic_partition: &TopicPartition,
        generation: Generation,
    ) -> Result<BTreeSet<Offset>, LedgerError> {
        let folder = paths::resolutions(&topic_partition.topic, generation, topic_partition.partition);
        let mut starts = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.slots.list(&folder, after.as_deref(), head::PAGE_KEYS).await?;
            for path in &page {
                let start = paths::resolution_start(path);
                starts.insert(start.ok_or_else(|| LedgerError::NoEntry(path.clone()))?);
            }
            after = page.last().cloned();
            if page.len() < head::PAGE_KEYS {
                return Ok(starts);
            }
        }
    }

    /// Creates the resolution if its number is free.
    ///
    /// # Errors
    /// As [`Self::resolutions`].
    pub async fn create_resolution(&self, resolution: &Resolution) -> Result<ResolutionCreation, LedgerError> {
        let Resolution { topic, generation, partition, start, n, .. } = resolution;
        let key = paths::resolution(topic, *generation, *partition, *start, *n);
        let Some(there) = self.create(&key, resolution).await? else { return Ok(ResolutionCreation::Created) };
        let topic_partition = TopicPartition::new(topic.clone(), *partition);
        let there = self.check_resolution(&key, &topic_partition, (*generation, *start, *n), there)?;
        Ok(ResolutionCreation::Exists(Box::new(there)))
    }

    fn check_entry(
        &self,
        key: &str,
        place: &TopicPartition,
        generation: Generation,
        start: Offset,
        entry: Entry,
    ) -> Result<Entry, LedgerError> {
        self.check_ledger(key, &entry.ledger)?;
        expect(key, "topic", &*entry.topic, &*place.topic)?;
        expect(key, "partition", &entry.partition, &place.partition)?;
        expect(key, "generation", &entry.generation, &generation)?;
        expect(key, "start", &entry.start, &start)?;
        let length = entry.end.get().checked_sub(entry.start.get());
        match (&entry.kind, length) {
            (Kind::Seal(seal), Some(0)) if seal.next.generation > generation => {}
            (Kind::Seal(seal), Some(0)) => {
                let expected = format!("one above `{generation}`");
                return Err(mismatch(key, "next generation", format!("`{}`", seal.next.generation), expected));
            }
            (Kind::Seal(_), _) => expect(key, "end", &entry.end, &entry.start)?,
            (_, Some(1..)) => {}
            _ => return Err(mismatch(key, "end", format!("`{}`", entry.end), format!("one above `{start}`"))),
        }
        Ok(entry)
    }

    fn check_resolution(
        &self,
        key: &str,
        place: &TopicPartition,
        (generation, start, n): (Generation, Offset, u32),
        resolution: Resolution,
    ) -> Result<Resolution, LedgerError> {
        self.check_ledger(key, &resolution.ledger)?;
        expect(key, "topic", &*resolution.topic, &*place.topic)?;
        expect(key, "partition", &resolution.partition, &place.partition)?;
        expect(key, "generation", &resolution.generation, &generation)?;
        expect(key, "start", &resolution.start, &start)?;
        expect(key, "number", &resolution.n, &n)?;
        Ok(resolution)
    }
}

const LAST_OFFSET: Offset = match Offset::new(i64::MAX) {
    Ok(offset) => offset,
    Err(_) => unreachable!(),
};

/// The slot that a listed key names; anything else among the entries was put there by somebody else.
pub(super) fn slot_of(key: &str) -> Result<Offset, LedgerError> {
    paths::entry_start(key).ok_or_else(|| LedgerError::NoEntry(key.to_owned()))
}
