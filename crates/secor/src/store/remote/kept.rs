//! A credential that is kept and renewed ahead of its end.
//!
//! Renewal begins well before the end, so that a source that is down for a minute does not stop the archive: while the
//! credential lasts it is used, and the source is asked again every few seconds. Only one caller asks at a time.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

/// How long before its end a credential is renewed; a short-lived one in the last quarter of its life.
const AHEAD_MAX: Duration = Duration::from_secs(300);
/// Between tries to renew a credential that still lasts.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Kept<C>(Mutex<Option<Slot<C>>>);

/// A credential as its source gave it.
pub(super) struct Fetched<C> {
    pub(super) credential: C,
    /// `None`: it lasts.
    pub(super) ends: Option<SystemTime>,
}

struct Slot<C> {
    credential: Arc<C>,
    ends: Option<SystemTime>,
    renew: Option<SystemTime>,
}

// === impl Kept ===

impl<C> Kept<C> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Lets the next caller fetch another one, unless that happened already.
    pub(super) async fn forget(&self, credential: &Arc<C>) {
        let mut slot = self.0.lock().await;
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.credential, credential)) {
            *slot = None;
        }
    }

    /// The credential, from `fetch` if there is none or it ends soon.
    pub(super) async fn get<E: std::fmt::Display>(
        &self,
        fetch: impl Future<Output = Result<Fetched<C>, E>>,
    ) -> Result<Arc<C>, E> {
        let now = SystemTime::now();
        let mut slot = self.0.lock().await;
        if let Some(kept) = &*slot
            && kept.renew.is_none_or(|renew| now < renew)
        {
            return Ok(Arc::clone(&kept.credential));
        }
        match (fetch.await, &mut *slot) {
            (Ok(Fetched { credential, ends }), slot) => {
                let credential = Arc::new(credential);
                let renew = ends.map(|ends| renewal(now, ends));
                *slot = Some(Slot { credential: Arc::clone(&credential), ends, renew });
                Ok(credential)
            }
            (Err(error), Some(kept)) if kept.ends.is_none_or(|ends| now < ends) => {
                tracing::warn!(%error, "credentials could not be renewed; those at hand still last");
                kept.renew = Some(now + RETRY_INTERVAL);
                Ok(Arc::clone(&kept.credential))
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Without the credential.
impl<C> std::fmt::Debug for Kept<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

fn renewal(now: SystemTime, ends: SystemTime) -> SystemTime {
    let life = ends.duration_since(now).unwrap_or_default();
    ends - AHEAD_MAX.min(life / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(kept: &Kept<u32>, next: Result<(u32, u64), &'static str>) -> Result<u32, &'static str> {
        let fetched = next.map(|(credential, seconds)| Fetched {
            credential,
            ends: Some(SystemTime::now() + Duration::from_secs(seconds)),
        });
        kept.get(std::future::ready(fetched)).await.map(|credential| *credential)
    }

    #[tokio::test]
    async fn a_credential_is_kept_until_shortly_before_its_end() {
        let kept = Kept::new();
        assert_eq!(get(&kept, Err("down")).await, Err("down"));
        assert_eq!(get(&kept, Ok((1, 3600))).await, Ok(1));
        assert_eq!(get(&kept, Ok((2, 3600))).await, Ok(1), "it lasts for an hour");
        let start = SystemTime::UNIX_EPOCH;
        assert_eq!(renewal(start, start + Duration::from_secs(3600)), start + Duration::from_secs(3300));
        assert_eq!(renewal(start, start + Duration::from_secs(40)), start + Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_forgotten_credential_is_fetched_again_and_a_newer_one_is_not_forgotten() {
        let kept = Kept::new();
        let fetch =
            async |value| kept.get::<&str>(std::future::ready(Ok(Fetched { credential: value, ends: None }))).await;
        let first = fetch(1).await.expect("given");
        kept.forget(&first).await;
        let second = fetch(2).await.expect("given");
        kept.forget(&first).await;
        assert_eq!((*second, *fetch(3).await.expect("kept")), (2, 2));
    }

    #[tokio::test]
    async fn a_source_that_is_down_does_not_take_a_credential_that_lasts() {
        let kept = Kept::new();
        get(&kept, Ok((1, 3600))).await.expect("given");
        kept.0.lock().await.as_mut().expect("kept").renew = Some(SystemTime::now());
        assert_eq!(get(&kept, Err("down")).await, Ok(1));
        assert_eq!(get(&kept, Ok((2, 3600))).await, Ok(1), "not asked again at once");
        kept.0.lock().await.as_mut().expect("kept").renew = Some(SystemTime::now());
        assert_eq!(get(&kept, Ok((2, 3600))).await, Ok(2));
        let mut slot = kept.0.lock().await;
        let slot_ref = slot.as_mut().expect("kept");
        (slot_ref.renew, slot_ref.ends) = (Some(SystemTime::UNIX_EPOCH), Some(SystemTime::UNIX_EPOCH));
        drop(slot);
        assert_eq!(get(&kept, Err("down")).await, Err("down"), "it has ended");
    }
}
