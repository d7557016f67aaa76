//! What goes wrong after the object was stored, or seems to: a proxy stands before the servers of all clouds.

use bytes::Bytes;
use secor::store::{Attributes, Class, Create, ProbeFailure, StoreError, StoreSettings, probe};

use super::proxy::{Fault, Proxy};
use super::servers::{self, CLOUDS, EXCLUSIVE, open};

/// Creates an object through a proxy; what that said, and what is stored.
async fn create_through(fault: Fault, cloud: fn(&str) -> StoreSettings) -> (Result<Create, StoreError>, Option<Bytes>) {
    let (proxy, settings, direct) = faulty(fault, cloud);
    let created = open(&settings).create("a", Bytes::from("mine").into(), &Attributes::default()).await;
    let stored = open(&direct).get("a").await;
    drop(proxy);
    (created, stored.expect("the server itself is well"))
}

/// Settings that lead through a proxy which does `fault` to every PUT, and settings past it.
fn faulty(fault: Fault, cloud: fn(&str) -> StoreSettings) -> (Proxy, StoreSettings, StoreSettings) {
    let direct = cloud("faulty");
    let proxy = Proxy::start(&servers::endpoint(&direct), fault);
    let settings = servers::at(&direct, &proxy.endpoint());
    (proxy, settings, direct)
}

#[tokio::test]
async fn an_object_whose_answer_was_lost_exists() {
    for cloud in CLOUDS {
        for fault in [Fault::StoreThen503, Fault::StoreThenCut] {
            let (created, stored) = create_through(fault, cloud).await;
            assert!(matches!(created, Ok(Create::Exists(ref info)) if info.size == 4), "{fault:?}: {created:?}");
            assert_eq!(stored.as_deref(), Some(&b"mine"[..]));
        }
    }
}

#[tokio::test]
async fn a_conflict_with_nothing_stored_is_tried_again() {
    for cloud in CLOUDS {
        let (created, stored) = create_through(Fault::Conflicts(2), cloud).await;
        assert!(matches!(created, Ok(Create::Created(_))), "{created:?}");
        assert_eq!(stored.as_deref(), Some(&b"mine"[..]));
    }
}

#[tokio::test]
async fn a_conflict_that_never_ends_is_unavailable() {
    for cloud in CLOUDS {
        let (created, stored) = create_through(Fault::Conflicts(u32::MAX), cloud).await;
        let error = created.expect_err("it always conflicts");
        assert_eq!((error.class, error.status), (Class::Unavailable, Some(409)), "{error}");
        assert_eq!(stored, None);
    }
}

#[tokio::test]
async fn a_store_in_trouble_is_unavailable() {
    for cloud in CLOUDS {
        let (created, stored) = create_through(Fault::Down, cloud).await;
        let error = created.expect_err("it is down");
        assert_eq!((error.class, error.status), (Class::Unavailable, Some(503)), "{error}");
        assert_eq!(stored, None);
    }
}

/// One store that is asked too much is asked less by everybody: a request that never met the limit waits too.
#[tokio::test]
async fn a_store_that_asks_for_fewer_requests_gets_them() {
    let (proxy, settings, direct) = faulty(Fault::SlowDown, servers::s3);
    let store = open(&settings);
    for _ in 0..3 {
        let created = store.create("a", Bytes::from("mine").into(), &Attributes::default()).await;
        let error = created.expect_err("it asks for fewer requests");
        assert_eq!((error.class, error.status), (Class::Unavailable, Some(503)), "{error}");
        assert!(error.to_string().contains("SlowDown"), "{error}");
    }
    let began = std::time::Instant::now();
    store.get("a").await.expect("reads are answered");
    let (slowed, began) = (began.elapsed(), std::time::Instant::now());
    open(&direct).get("a").await.expect("reads are answered");
    assert!(slowed > began.elapsed() + std::time::Duration::from_millis(20), "it waited {slowed:?}");
    drop(proxy);
}

/// The negative control on the wire: a server that tells losers that they won, as one does that ignores the condition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_two_winners_is_refused_by_the_probe() {
    for cloud in EXCLUSIVE {
        let (_proxy, settings, _) = faulty(Fault::EverybodyWins, cloud);
        let store = open(&settings);
        let failure = probe(&*store).await.expect_err("everybody wins");
        assert!(matches!(failure, ProbeFailure::NotExclusive { winners: 2.., .. }), "{failure:?}");
        assert!(failure.hint().contains("ledger.type = \"sql\""), "{}", failure.hint());
        assert_eq!(store.list("_secor/probe", None, 100).await.expect("listable"), [], "the probe cleans up");
    }
}
