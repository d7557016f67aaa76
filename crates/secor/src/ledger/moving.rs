//! Moves a ledger from one arbiter to another: `secor ledger move`.
//!
//! It stays the same ledger: id, paths and bodies are the same, so commits, `verify`, `cat` and the index see no
//! difference. What changes is who arbitrates. Five steps, each of which can be repeated:
//!
//! 1. `closing.json` is created in the old place. Whoever starts there from now on is refused.
//! 2. In every chain the next slot is *closed*: a [`Closing`] is created there, if it is free. Who loses it to a worker
//!    follows the chain and tries the next. A worker that finds its slot closed stops. The same with the next
//!    resolution of the last batch. From now on no chain here can grow; see [`super::closing`] for those not yet begun.
//! 3. All objects are copied, byte by byte, but for what closes.
//! 4. `successor.json` in the old place says where the ledger is now: created if absent, so of two moves one wins.
//! 5. The same words as `ledger.<n>.json` beside the data. From now on processes can start in the new place.
//!
//! A last batch that is not complete stays so: whoever goes on in the new place finds its manifest and makes it whole, and
//! a worker of the old place that is still uploading it makes the same files. So neither waits for the other.
//!
//! After a crash the same move goes on: what is there already is left, and where it is going is a function of ledger,
//! number and place. Another move may be begun instead, also back to where it came from, until step 4.
//!
//! Deliberately absent: removing what was in the old place (R3), `configs/` and `schemas/`, which lie beside the data.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use secor_core::ids::{Digest, LedgerId, TopicPartition};
use secor_core::json::{FORMAT_VERSION, canonical_json};
use secor_core::manifest::{Arbiter, Closing, Entry, Kind, LedgerIdentity, Seat, paths};

use super::head::PAGE_KEYS;
use super::open::{self, Found, LedgerSettings};
use super::slots::{Creation, Slots, StoreSlots};
use super::sql::SqlSlots;
use super::{Ledger, LedgerError, Role, closing, create, mismatch, read};
use crate::store::{self, Store};

/// A chain that grows faster than it can be closed: workers need a second for an entry, this milliseconds.
const CLOSE_TRIES_MAX: usize = 1000;

const COPIES_IN_FLIGHT: usize = 16;

/// A move that was looked at and not yet begun, or not yet ended.
#[derive(Debug)]
pub struct Move {
    /// Where the ledger is.
    from: Ledger,
    to: LedgerSettings,
    /// Where and what it will be.
    next: LedgerIdentity,
    seat: Seat,
    number: u32,
}

/// What a move has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    pub chains: u64,
    pub objects: u64,
}

// === impl Move ===

impl Move {
    /// Looks at where the ledger is and where it shall go, and changes nothing. `None`: it is there already.
    ///
    /// # Errors
    /// [`LedgerError::Absent`] without a ledger; [`LedgerError::Moved`] when `from` is not where it is;
    /// [`LedgerError::Probe`] when it shall go to a store that does not create exclusively.
    pub async fn plan(
        store: Arc<dyn Store>,
        from: &LedgerSettings,
        to: &LedgerSettings,
    ) -> Result<Option<Self>, LedgerError> {
        let Found { identity, number } =
            open::find(&store).await?.ok_or_else(|| LedgerError::Absent(store.to_string()))?;
        let place = match to.arbiter {
            Arbiter::Store => store.to_string(),
            Arbiter::Sql => open::database(to)?.to_string(),
        };
        let arrived = seat(&identity.ledger, number, &place);
        if identity.seat.as_ref() == Some(&arrived) {
            return Ok(None);
        }
        let slots = open::attach(&store, &identity, from).await?;
        let begun = read::<Closing>(&*slots, paths::CLOSING).await?.is_some();
        if !begun && identity.arbiter == to.arbiter && slots.place() == place {
            return Ok(None);
        }
        match to.arbiter {
            Arbiter::Store => {
                let failed = |source| LedgerError::Probe { store: place.clone(), source: Box::new(source) };
                store::probe(&*store).await.map(drop).map_err(failed)?;
            }
            Arbiter::Sql => Ledger::reach(to).await?,
        }
        let seat = seat(&identity.ledger, number + 1, &place);
        let next = LedgerIdentity {
            arbiter: to.arbiter,
            probed: store.to_string(),
            seat: Some(seat.clone()),
            ..identity.clone()
        };
        let from = Ledger::new(store, slots, identity, Role::Reader);
        Ok(Some(Self { from, to: to.clone(), next, seat, number: number + 1 }))
    }

    /// For people: where the ledger is.
    #[must_use]
    pub fn origin(&self) -> String {
        self.from.place()
    }

    /// For people: where it shall go.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.seat.place
    }

    #[must_use]
    pub fn ledger(&self) -> &LedgerId {
        &self.next.ledger
    }

    /// All steps, whatever of them was done before.
    ///
    /// # Errors
    /// When one of the places can't be asked; [`LedgerError::Moved`] when another move was faster;
    /// [`LedgerError::Mismatch`] when there is something else in the new place.
    pub async fn carry_out(&self) -> Result<Carried, LedgerError> {
        // first, so that what the new place refuses is known before the old one is closed
        let to = self.prepare().await?;
        self.begin().await?;
        let chains = self.close_chains().await?;
        let objects = self.copy(&*to).await?;
        self.end().await?;
        Ok(Carried { chains, objects })
    }

    async fn prepare(&self) -> Result<Arc<dyn Slots>, LedgerError> {
        let store = self.from.store();
        Ok(match self.next.arbiter {
            Arbiter::Store => Arc::new(StoreSlots::new(Arc::clone(store), Some(&self.seat.id))),
            Arbiter::Sql => {
                let rows = LedgerId(Arc::from(&*self.seat.id));
                Arc::new(SqlSlots::found(open::database(&self.to)?, rows, &store.to_string()).await?)
            }
        })
    }

    async fn begin(&self) -> Result<(), LedgerError> {
        create(&*self.from.slots, paths::CLOSING, &self.closing()).await.map(drop)
    }

    async fn close_chains(&self) -> Result<u64, LedgerError> {
        let mut chains = 0;
        for topic in self.from.topics().await? {
            for partition in self.from.known_partitions(&topic).await? {
                self.close_chain(&TopicPartition::new(topic.as_str(), partition)).await?;
                chains += 1;
            }
        }
        Ok(chains)
    }

    /// Closes the slot at the head, in the generation that the seals lead to.
    async fn close_chain(&self, tp: &TopicPartition) -> Result<(), LedgerError> {
        let genesis = self.from.genesis(&tp.topic).await?;
        let genesis = genesis.ok_or_else(|| LedgerError::Vanished(paths::genesis(&tp.topic)))?;
        let (mut generation, mut at) = (genesis.generation, genesis.start_of(tp.partition));
        for _ in 0..CLOSE_TRIES_MAX {
            match self.from.head(tp, generation).await {
                Err(LedgerError::Closed(_)) => return Ok(()),
                Err(error) => return Err(error),
                Ok(None) => {}
                Ok(Some(Entry { kind: Kind::Seal(seal), .. })) => {
                    (generation, at) = (seal.next.generation, seal.next.start);
                    continue;
                }
                Ok(Some(entry)) => {
                    self.close_resolutions(&entry).await?;
                    at = entry.end;
                }
            }
            if self.close(&paths::entry(&tp.topic, generation, tp.partition, at)).await? {
                return Ok(());
            }
        }
        Err(LedgerError::Doubtful(paths::entries(&tp.topic, generation, tp.partition)))
    }

    /// A worker that has begun the last batch may still want to resolve it.
    async fn close_resolutions(&self, entry: &Entry) -> Result<(), LedgerError> {
        let Entry { topic, generation, partition, start, .. } = entry;
        for n in 1..=u32::MAX {
            if self.close(&paths::resolution(topic, *generation, *partition, *start, n)).await? {
                break;
            }
        }
        Ok(())
    }

    /// Is the path closed now?
    async fn close(&self, path: &str) -> Result<bool, LedgerError> {
        let slots = &self.from.slots;
        if slots.create(path, Bytes::from(canonical_json(&self.closing()))).await? == Creation::Created {
            return Ok(true);
        }
        Ok(slots.get(path).await?.is_some_and(|bytes| closing::found(&bytes).is_some()))
    }

    async fn copy(&self, to: &dyn Slots) -> Result<u64, LedgerError> {
        let mut copied = u64::from(self.copy_one(to, paths::STARTED).await?);
        for folder in [paths::ACCEPTED, paths::TOPICS] {
            let mut after: Option<String> = None;
            loop {
                let page = self.from.slots.list(folder, after.as_deref(), PAGE_KEYS).await?;
                let copies = stream::iter(&page).map(|path| self.copy_one(to, path)).buffer_unordered(COPIES_IN_FLIGHT);
                copied += copies.try_fold(0, |sum, one| async move { Ok(sum + u64::from(one)) }).await?;
                after = page.last().cloned();
                if page.len() < PAGE_KEYS {
                    break;
                }
            }
        }
        Ok(copied)
    }

    /// Is there something to copy, and is it there now?
    async fn copy_one(&self, to: &dyn Slots, path: &str) -> Result<bool, LedgerError> {
        let Some(bytes) = self.from.slots.get(path).await? else { return Ok(false) };
        if closing::found(&bytes).is_some() {
            return Ok(false);
        }
        if to.create(path, bytes.clone()).await? == Creation::Exists && to.get(path).await?.as_ref() != Some(&bytes) {
            let found = format!("another content in `{}`", to.place());
            return Err(mismatch(path, "a copy with", found, "the same".to_owned()));
        }
        Ok(true)
    }

    /// From here on the ledger is where the winner says.
    async fn end(&self) -> Result<(), LedgerError> {
        let won = create(&*self.from.slots, paths::SUCCESSOR, &self.next).await?;
        let next = won.as_ref().unwrap_or(&self.next);
        let path = open::identity_path(self.number);
        let beside = StoreSlots::new(Arc::clone(self.from.store()), None);
        if let Some(there) = create(&beside, &path, next).await?
            && there != *next
        {
            let place =
                |identity: &LedgerIdentity| identity.seat.as_ref().map_or_else(String::new, |seat| seat.place.clone());
            return Err(mismatch(&path, "place", place(&there), place(next)));
        }
        match &next.seat {
            Some(seat) if *seat != self.seat => Err(LedgerError::Moved(seat.place.clone())),
            _ => Ok(()),
        }
    }

    fn closing(&self) -> Closing {
        let (ledger, moving_to) = (self.next.ledger.clone(), self.seat.place.clone());
        Closing { version: FORMAT_VERSION, ledger, moving_to }
    }
}

/// The same move has the same seat, so that it goes on after a crash; any two others have different ones.
fn seat(ledger: &LedgerId, number: u32, place: &str) -> Seat {
    let hash = xxhash_rust::xxh3::xxh3_128(format!("{ledger} {number} {place}").as_bytes());
    Seat { id: Digest(hash).to_string(), place: place.to_owned() }
}
