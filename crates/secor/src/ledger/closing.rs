//! What keeps a process from going on in a place that its ledger was moved from.
//!
//! A move (see [`super::moving`]) first creates `closing.json`, then closes the next slot of every chain that it finds.
//! So a chain that had an entry before `closing.json` was created ends there, for everybody and whenever they come. What
//! that can't reach is a chain without an entry: of a partition, or a topic, that nobody knew when the move looked.
//! Therefore the first entry of a chain that a process sees, its own included, counts only if there is no `closing.json`
//! afterwards. Was there none, the entry is older than any move, and the move will find the chain. Was there one, the
//! process stops, and so does everybody else who sees that entry: nobody has acted on it.
//!
//! That is one read per process and chain, and none after it. There is one more whenever a process has asked Kafka where a
//! partition stands: a commit may speak of an entry that is in the new place only, and would look as if the ledger had
//! lost it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use secor_core::ids::{Generation, TopicPartition};
use secor_core::json;
use secor_core::manifest::{Closing, paths};

use super::slots::Slots;
use super::{Ledger, LedgerError, Role, read};

/// Chains that had an entry when no move had begun.
pub(super) type Begun = Arc<Mutex<BTreeSet<(TopicPartition, Generation)>>>;

// === impl Ledger ===

impl Ledger {
    /// To be asked after anything was learned that a process of the new place may have said.
    ///
    /// # Errors
    /// [`LedgerError::Closed`] when a move from here has begun, or when the arbiter can't be asked.
    pub async fn expect_open(&self) -> Result<(), LedgerError> {
        expect_open(&*self.slots).await
    }

    /// To be asked when an entry of the chain was seen, before anything is done about it.
    pub(super) async fn expect_begun(&self, tp: &TopicPartition, generation: Generation) -> Result<(), LedgerError> {
        // who only reads does nothing about it
        if self.role == Role::Reader || self.begun().contains(&(tp.clone(), generation)) {
            return Ok(());
        }
        self.expect_open().await?;
        self.begun().insert((tp.clone(), generation));
        Ok(())
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, BTreeSet<(TopicPartition, Generation)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No move from here has begun.
pub(super) async fn expect_open(slots: &dyn Slots) -> Result<(), LedgerError> {
    let closing: Option<Closing> = read(slots, paths::CLOSING).await?;
    closing.map_or(Ok(()), |closing| Err(LedgerError::Closed(closing.moving_to)))
}

/// Is this what a move puts into a slot?
pub(super) fn found(bytes: &[u8]) -> Option<Closing> {
    json::parse(bytes).ok()
}
