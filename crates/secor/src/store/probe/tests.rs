//! The probe against stores that break one promise each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::store::{ByteStream, Checksum, Class, Listed, ObjectInfo, Operation, Traits};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A creator that comes while another is at work wins too, as with a header that is ignored.
    TwoWinners,
    /// The first answer about each of the first keys is lost.
    LostAnswers {
        keys: usize,
    },
    StaleRead,
    Unlisted,
    NoDelete,
    /// So many creates are never answered, one of each key at most.
    Failing {
        creates: usize,
    },
    /// As `TwoWinners`, and one creator of each key is never answered.
    TwoWinnersAndAFailure,
    /// The first listing fails.
    FailingListing,
    /// It is known not to create exclusively.
    Unfit,
    Down,
}

/// A store in memory.
#[derive(Debug)]
struct Memory {
    fault: Fault,
    objects: Mutex<BTreeMap<String, Bytes>>,
    failures: AtomicUsize,
}

impl Memory {
    fn with(fault: Fault) -> Self {
        Self { fault, objects: Mutex::default(), failures: AtomicUsize::default() }
    }

    fn error(&self, operation: Operation) -> StoreError {
        StoreError::new(Class::Unavailable, &"memory://".into(), operation, "down")
    }
}

#[async_trait]
impl Store for Memory {
    async fn create(&self, key: &str, payload: Payload, _: &Attributes) -> Result<Create, StoreError> {
        if self.fault == Fault::Down {
            return Err(self.error(Operation::Create));
        }
        let info = ObjectInfo { size: payload.size(), ..ObjectInfo::default() };
        let Payload::Bytes(bytes) = payload else { unreachable!("the probe stores bytes") };
        let failures_max = match self.fault {
            Fault::Failing { creates } => creates,
            Fault::TwoWinnersAndAFailure => usize::MAX,
            _ => 0,
        };
        if bytes.ends_with(b"3") && self.failures.fetch_add(1, Ordering::Relaxed) < failures_max {
            return Err(self.error(Operation::Create));
        }
        let two_win = matches!(self.fault, Fault::TwoWinners | Fault::TwoWinnersAndAFailure);
        let blind = two_win && bytes.ends_with(b"7");
        let mut objects = self.objects.lock().expect("no panic");
        if objects.contains_key(key) && !blind {
            return Ok(Create::Exists(info));
        }
        objects.insert(key.to_owned(), bytes);
        let lost = matches!(self.fault, Fault::LostAnswers { keys } if objects.len() <= keys);
        Ok(if lost { Create::Exists(info) } else { Create::Created(info) })
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let objects = self.objects.lock().expect("no panic");
        Ok(objects.get(key).map(|bytes| ObjectInfo { size: bytes.len() as u64, ..ObjectInfo::default() }))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let object = self.objects.lock().expect("no panic").get(key).cloned();
        Ok(if self.fault == Fault::StaleRead { None } else { object })
    }

    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError> {
        let object = self.get(key).await?;
        Ok(object.map(|bytes| stream::iter([Ok(bytes)]).boxed()))
    }

    async fn checksum(&self, _: &str) -> Result<Option<Checksum>, StoreError> {
        Ok(None)
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        if self.fault == Fault::FailingListing && self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(self.error(Operation::List));
        }
        let objects = self.objects.lock().expect("no panic");
        let skipped = usize::from(self.fault == Fault::Unlisted);
        let below =
            objects.iter().filter(|(key, _)| key.starts_with(prefix) && start_after.is_none_or(|s| key.as_str() > s));
        let listed = below.skip(skipped).take(limit);
        Ok(listed.map(|(key, bytes)| Listed { key: key.clone(), size: bytes.len() as u64 }).collect())
    }

    async fn folders(&self, _: &str) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn make_durable(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        if self.fault == Fault::NoDelete {
            return Err(self.error(Operation::Delete));
        }
        self.objects.lock().expect("no panic").remove(key);
        Ok(())
    }

    async fn traits(&self) -> Result<Traits, StoreError> {
        Ok(Traits {
            folds_case: false,
            object_bytes_max: 1,
            keeps_attributes: false,
            exclusive: self.fault != Fault::Unfit,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory://")
    }
}

#[tokio::test]
async fn a_store_that_keeps_its_promises_passes_and_is_left_clean() {
    let store = Memory::with(Fault::None);
    let report = probe(&store).await.expect("nothing is wrong");
    assert_eq!((report.rounds, report.creators, report.leftovers), (10, 8, vec![]));
    assert!(store.objects.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn two_winners_are_refused_with_a_hint_to_a_database() {
    let failure = probe(&Memory::with(Fault::TwoWinners)).await.expect_err("two won");
    assert!(matches!(failure, ProbeFailure::NotExclusive { winners: 2, .. }), "{failure:?}");
    assert!(failure.hint().contains("ledger.type = \"sql\""));
}

#[tokio::test]
async fn a_lost_answer_is_no_verdict_but_silence_is() {
    probe(&Memory::with(Fault::LostAnswers { keys: 2 })).await.expect("another key is tried");
    let failure = probe(&Memory::with(Fault::LostAnswers { keys: 1000 })).await.expect_err("nobody ever wins");
    assert!(matches!(failure, ProbeFailure::NoWinner(_)), "{failure:?}");
}

#[tokio::test]
async fn a_read_or_listing_that_lags_behind_is_refused() {
    let failure = probe(&Memory::with(Fault::StaleRead)).await.expect_err("nobody sees the object");
    assert!(matches!(failure, ProbeFailure::Stale(_)), "{failure:?}");
    let failure = probe(&Memory::with(Fault::Unlisted)).await.expect_err("a key is not listed");
    assert!(matches!(failure, ProbeFailure::Unlisted(_)), "{failure:?}");
}

#[tokio::test]
async fn a_store_without_delete_passes_and_the_leftovers_are_named() {
    let report = probe(&Memory::with(Fault::NoDelete)).await.expect("deleting is a courtesy");
    assert_eq!(report.leftovers.len(), ROUNDS);
    assert!(report.leftovers.iter().all(|key| key.starts_with("_secor/probe/")));
}

#[tokio::test]
async fn a_store_that_is_down_is_not_judged() {
    let down = Memory::with(Fault::Down);
    let failure = probe_within(&down, Duration::from_millis(1)).await.expect_err("it is down");
    assert!(matches!(&failure, ProbeFailure::Store(error) if error.class == Class::Unavailable), "{failure:?}");
    assert!(!failure.hint().contains("sql"));
}

#[tokio::test]
async fn a_request_that_fails_proves_nothing_and_another_key_is_tried() {
    let store = Memory::with(Fault::Failing { creates: 5 });
    let report = probe(&store).await.expect("the failures were the network's");
    assert_eq!(report.leftovers, [""; 0]);
    assert_eq!(store.failures.load(Ordering::Relaxed), 5 + ROUNDS, "five rounds were repeated");
    probe(&Memory::with(Fault::FailingListing)).await.expect("it is listed the second time");
}

#[tokio::test]
async fn two_winners_are_two_whatever_else_failed() {
    let failure = probe(&Memory::with(Fault::TwoWinnersAndAFailure)).await.expect_err("two won");
    assert!(matches!(failure, ProbeFailure::NotExclusive { winners: 2, .. }), "{failure:?}");
}

#[tokio::test]
async fn a_store_that_is_known_not_to_be_exclusive_is_refused_however_lucky_it_is() {
    let failure = probe(&Memory::with(Fault::Unfit)).await.expect_err("luck is no promise");
    assert!(matches!(failure, ProbeFailure::KnownNotExclusive), "{failure:?}");
    assert!(failure.hint().contains("ledger.type = \"sql\""));
}
