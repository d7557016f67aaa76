//! The start-up probe: does this store keep the promises on which the ledger stands?
//!
//! Create-if-absent is a header that some stores ignore and others honour most of the time: Swift lets two concurrent
//! creators win in 48 of 50 tries, and a store was seen that went right in one round of 50. So one try proves nothing.
//! Ten keys, each wanted by eight creators at once: exactly one may win each, everybody must read the winner's bytes at
//! once, and the listing must show the key.
//!
//! A winner whose answer was lost looks like no winner, and a request that failed on the network might have been the
//! second winner. Neither proves anything, so such a round is repeated under another key: the first kind a few times,
//! the second for some seconds, after which the store counts as down. Two winners are two, whatever else failed. Keys
//! are random, lie under `_secor/probe/`, and are deleted afterwards as far as the store allows it.
//!
//! What it can't see: a store that is exclusive only within one of its regions, or only today.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use rand::Rng;

use super::{Attributes, Class, Create, Payload, Store, StoreError, retry_for};

/// Keys that have to go right.
pub const ROUNDS: usize = 10;
/// Creators of one key at once.
pub const CREATORS: usize = 8;
/// Rounds in flight; with more, a far store's connections would be opened for the probe alone.
const ROUNDS_AT_ONCE: usize = 4;
/// Keys tried for one round before silence counts as an answer.
const KEYS_PER_ROUND_MAX: usize = 3;
/// How long a round is repeated because a request failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Keys of one run that are looked for: a round that fails fast and slowly needs a few dozen.
const LISTED_MAX: usize = 1000;
const FOLDER: &str = "_secor/probe";

/// A store that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    pub rounds: usize,
    pub creators: usize,
    pub took: Duration,
    /// Keys under `_secor/probe/` that could not be deleted.
    pub leftovers: Vec<String>,
}

/// Why a store can't hold a ledger, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    #[error("the store could not be probed")]
    Store(#[from] StoreError),
    #[error("this kind of store lets several of those win who create one key at once")]
    KnownNotExclusive,
    #[error("{winners} of {CREATORS} concurrent creators of `{key}` were told that they won, instead of one")]
    NotExclusive { key: String, winners: usize },
    #[error("nobody won `{0}`, although nobody else wanted it")]
    NoWinner(String),
    #[error("`{0}` was created, but a read right afterwards did not show what its creator wrote")]
    Stale(String),
    #[error("`{0}` was created, but a listing right afterwards did not show it")]
    Unlisted(String),
}

/// Probes the store; about a second on a store with 50 ms per request. The caller remembers the verdict.
///
/// # Errors
/// [`ProbeFailure`]; only [`ProbeFailure::Store`] is worth another try.
pub async fn probe(store: &dyn Store) -> Result<ProbeReport, ProbeFailure> {
    probe_within(store, PATIENCE).await
}

async fn probe_within(store: &dyn Store, patience: Duration) -> Result<ProbeReport, ProbeFailure> {
    // a race that is lost in 48 of 50 tries is won in ten rounds once in a while
    // (what can't be asked for its traits will say why in a moment)
    if store.traits().await.is_ok_and(|traits| !traits.exclusive) {
        return Err(ProbeFailure::KnownNotExclusive);
    }
    let began = Instant::now();
    let run: u128 = rand::rng().random();
    let name = format!("{run:032x}");
    let rounds = stream::iter(0..ROUNDS).map(|round| contest(store, &name, round, patience)).buffered(ROUNDS_AT_ONCE);
    let verdict = match rounds.try_collect::<Vec<String>>().await {
        Ok(keys) => check_listing(store, &name, &keys, patience).await,
        Err(failure) => Err(failure),
    };
    let leftovers = clean_up(store, &name).await;
    verdict.map(|()| ProbeReport { rounds: ROUNDS, creators: CREATORS, took: began.elapsed(), leftovers })
}

// === impl ProbeFailure ===

impl ProbeFailure {
    /// One line for the person who reads the error.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::KnownNotExclusive
            | Self::NotExclusive { .. }
            | Self::NoWinner(_)
            | Self::Stale(_)
            | Self::Unlisted(_) => {
                "this store can't arbitrate between two processes: keep the ledger in a database, `ledger.type = \"sql\"`"
            }
        }
    }
}

/// One round; returns the key that was contested.
async fn contest(store: &dyn Store, run: &str, round: usize, patience: Duration) -> Result<String, ProbeFailure> {
    let mut keys = (0..).map(|attempt: usize| key_of(run, round, attempt));
    let mut next_key = || keys.next().expect("numbers never end");
    for silent in 1.. {
        let (key, won) = retry_for(patience, "probe the store", is_transient, || race(store, next_key())).await?;
        if won {
            return Ok(key);
        }
        if silent == KEYS_PER_ROUND_MAX {
            return Err(ProbeFailure::NoWinner(key));
        }
    }
    unreachable!("the limit was met")
}

/// Lets all creators want the key at once. Was one of them told that it won? That nobody was proves nothing.
async fn race(store: &dyn Store, key: String) -> Result<(String, bool), ProbeFailure> {
    let payloads: Vec<Bytes> = (0..CREATORS).map(|creator| format!("{key} by creator {creator}").into()).collect();
    let attributes = Attributes { content_type: Some("text/plain".to_owned()), ..Attributes::default() };
    let answers =
        join_all(payloads.iter().map(|bytes| store.create(&key, Payload::Bytes(bytes.clone()), &attributes))).await;
    let winners: Vec<&Bytes> = std::iter::zip(&payloads, &answers)
        .filter_map(|(bytes, answer)| matches!(answer, Ok(Create::Created(_))).then_some(bytes))
        .collect();
    if winners.len() > 1 {
        return Err(ProbeFailure::NotExclusive { winners: winners.len(), key });
    }
    answers.into_iter().collect::<Result<Vec<Create>, StoreError>>()?;
    let Some(winner) = winners.first() else { return Ok((key, false)) };
    let reads = join_all((0..CREATORS).map(|_| store.get(&key))).await;
    let reads = reads.into_iter().collect::<Result<Vec<Option<Bytes>>, StoreError>>()?;
    if reads.iter().all(|read| read.as_ref() == Some(winner)) { Ok((key, true)) } else { Err(ProbeFailure::Stale(key)) }
}

async fn check_listing(store: &dyn Store, run: &str, keys: &[String], patience: Duration) -> Result<(), ProbeFailure> {
    let look = || async { Ok::<_, ProbeFailure>(list(store, run).await?) };
    let listed = retry_for(patience, "probe the store", is_transient, look).await?;
    match keys.iter().find(|key| !listed.contains(key)) {
        Some(key) => Err(ProbeFailure::Unlisted(key.clone())),
        None => Ok(()),
    }
}

/// Whether it is the network, or a store in trouble, that failed.
fn is_transient(failure: &ProbeFailure) -> bool {
    matches!(failure, ProbeFailure::Store(error) if error.class == Class::Unavailable)
}

/// The keys of this run, as the store lists them.
async fn list(store: &dyn Store, run: &str) -> Result<Vec<String>, StoreError> {
    let start = format!("{FOLDER}/{run}");
    let listed = store.list(FOLDER, Some(&start), LISTED_MAX).await?;
    Ok(listed.into_iter().map(|object| object.key).filter(|key| key.starts_with(&start)).collect())
}

/// Deletes the keys of this run that the store lists; returns those that could not be deleted.
async fn clean_up(store: &dyn Store, run: &str) -> Vec<String> {
    let listed = list(store, run).await.unwrap_or_default();
    let deletions = join_all(listed.iter().map(|key| store.delete(key))).await;
    std::iter::zip(listed, deletions).filter(|(_, deletion)| deletion.is_err()).map(|(key, _)| key).collect()
}

/// Sorts right behind `_secor/probe/<run>`.
fn key_of(run: &str, round: usize, attempt: usize) -> String {
    format!("{FOLDER}/{run}-{round:02}-{attempt}")
}

#[cfg(test)]
mod tests;
