//! Goal: every store keeps the promises that the protocol stands on, and says clearly why it can't when it can't.
//! Method: one suite (`suite.rs`) runs against a folder and against a real S3 server; a proxy (`proxy.rs`) in front of
//! that server loses answers, invents conflicts and lies.

#[path = "../harness/mod.rs"]
mod harness;
mod proxy;
mod suite;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::S3;
use proxy::{Fault, Proxy};
use secor::store::{
    Attributes, Class, Create, ProbeFailure, S3Settings, Secret, Store, StoreError, StoreSettings, open, probe,
};
use tempfile::TempDir;

// === the suite against a folder ===

/// Runs one case of the suite in a folder of its own and below a prefix of its own.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = tempfile::TempDir::new().expect("a temporary folder");
                super::suite::$case(super::folder_store(&folder)).await;
            })*
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::suite::$case(super::s3_store(stringify!($case))).await;
            })*
        }
    };
}

conformance!(
    a_free_key_has_exactly_one_winner,
    what_was_created_is_read_back_at_once,
    what_is_not_there_is_none,
    keys_keep_every_byte,
    unfit_keys_are_refused,
    an_empty_object_is_an_object,
    a_big_file_goes_in_and_comes_out,
    listings_are_sorted_and_start_behind_a_key,
    listings_go_over_pages,
    folders_are_the_next_segments,
    deleting_is_possible_and_repeatable,
    the_probe_passes_and_leaves_nothing,
);

fn folder_store(folder: &TempDir) -> Arc<dyn Store> {
    open(&StoreSettings::at(format!("file://{}", folder.path().display()))).expect("a folder is a store")
}

// === S3: what goes wrong before an answer ===

#[tokio::test]
async fn a_missing_bucket_is_named_and_never_created() {
    let settings = StoreSettings { url: "s3://no-such-bucket/p".to_owned(), ..s3_settings("") };
    let store = open(&settings).expect("good settings");
    let bytes = Bytes::from("x");
    let errors = [
        store.create("a", bytes.into(), &Attributes::default()).await.map(drop),
        store.get("a").await.map(drop),
        store.list("", None, 1).await.map(drop),
        store.folders("").await.map(drop),
    ];
    for error in errors {
        let error = error.expect_err("there is no such bucket");
        assert_eq!((error.class, error.status), (Class::Missing, Some(404)), "{error}");
        assert!(error.to_string().starts_with("s3://no-such-bucket/p: "), "{error}");
        assert!(error.hint().contains("create the bucket"), "{}", error.hint());
    }
    assert!(!S3::shared().dir().with_file_name("no-such-bucket").exists());
}

#[tokio::test]
async fn a_wrong_secret_is_denied_and_not_printed() {
    let mut settings = s3_settings("wrong_secret");
    settings.s3.secret_access_key = Some(Secret::new("guessed-secret"));
    let store = open(&settings).expect("good settings");
    for error in [
        store.create("a", Bytes::from("x").into(), &Attributes::default()).await.map(drop),
        store.head("a").await.map(drop),
        store.get("a").await.map(drop),
        store.list("", None, 1).await.map(drop),
    ] {
        let error = error.expect_err("the signature is wrong");
        assert_eq!((error.class, error.status), (Class::Denied, Some(403)), "{error}");
        assert!(!error.is_transient());
    }
    let error = store.get("a").await.expect_err("the signature is wrong");
    assert!(error.to_string().contains("get `a`: status 403 SignatureDoesNotMatch"), "{error}");
    assert!(!format!("{store:?} {store} {settings:?} {error:?}").contains("guessed-secret"));
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_on_is_unavailable_soon() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let mut settings = s3_settings("nobody");
    settings.s3.endpoint = Some(format!("http://{nobody}"));
    let store = open(&settings).expect("good settings");
    let began = Instant::now();
    let error = store.create("a", Bytes::from("x").into(), &Attributes::default()).await.expect_err("nobody");
    assert_eq!((error.class, error.status), (Class::Unavailable, None), "{error}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("create `a`: no connection: Connection refused"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "a refused connection is known at once");
}

#[tokio::test]
async fn an_endpoint_without_tls_is_refused_unless_allowed() {
    let mut settings = s3_settings("plain");
    settings.s3.allow_http = false;
    let error = open(&settings).expect_err("the lab speaks no TLS");
    assert_eq!(error.class, Class::Invalid);
    assert!(error.to_string().contains("has no TLS"), "{error}");
    assert!(error.hint().contains("allow_http = true"));
}

// === S3: what goes wrong after the object was stored ===

/// A create whose first answer is lost; what it said, and what is stored.
async fn create_through(fault: Fault) -> (Result<Create, StoreError>, Option<Bytes>) {
    let (proxy, settings) = faulty(fault, "lost");
    let store = open(&settings).expect("good settings");
    let created = store.create("a", Bytes::from("mine").into(), &Attributes::default()).await;
    let stored = open(&StoreSettings { s3: s3_settings("").s3, ..settings }).expect("good settings").get("a").await;
    drop(proxy);
    (created, stored.expect("the server itself is well"))
}

#[tokio::test]
async fn an_object_whose_answer_was_a_503_exists() {
    let (created, stored) = create_through(Fault::StoreThen503).await;
    assert!(matches!(created, Ok(Create::Exists(ref info)) if info.size == 4), "{created:?}");
    assert_eq!(stored.as_deref(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn an_object_whose_connection_broke_exists() {
    let (created, stored) = create_through(Fault::StoreThenCut).await;
    assert!(matches!(created, Ok(Create::Exists(ref info)) if info.size == 4), "{created:?}");
    assert_eq!(stored.as_deref(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn a_conflict_with_nothing_stored_is_tried_again() {
    let (created, stored) = create_through(Fault::Conflicts(2)).await;
    assert!(matches!(created, Ok(Create::Created(_))), "{created:?}");
    assert_eq!(stored.as_deref(), Some(&b"mine"[..]));
}

#[tokio::test]
async fn a_conflict_that_never_ends_is_unavailable() {
    let (created, stored) = create_through(Fault::Conflicts(u32::MAX)).await;
    let error = created.expect_err("it always conflicts");
    assert_eq!((error.class, error.status), (Class::Unavailable, Some(409)), "{error}");
    assert_eq!(stored, None);
}

#[tokio::test]
async fn a_store_in_trouble_is_unavailable() {
    let (created, stored) = create_through(Fault::Down).await;
    let error = created.expect_err("it is down");
    assert_eq!((error.class, error.status), (Class::Unavailable, Some(503)), "{error}");
    assert_eq!(stored, None);
}

/// The negative control on the wire: a server that tells losers that they won, as one does that ignores the header.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_two_winners_is_refused_by_the_probe() {
    let (_proxy, settings) = faulty(Fault::EverybodyWins, "liar");
    let store = open(&settings).expect("good settings");
    let failure = probe(&*store).await.expect_err("everybody wins");
    assert!(matches!(failure, ProbeFailure::NotExclusive { winners: 2.., .. }), "{failure:?}");
    assert!(failure.hint().contains("ledger.type = \"sql\""), "{}", failure.hint());
    assert_eq!(store.list("_secor/probe", None, 100).await.expect("listable"), [], "the probe cleans up");
}

// === servers ===

/// Settings that lead to the shared server, below a prefix that no other test of this run uses.
fn s3_settings(prefix: &str) -> StoreSettings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = S3::shared();
    StoreSettings {
        url: format!("s3://{}/conformance/{prefix}-{}", server.bucket, NEXT.fetch_add(1, Ordering::Relaxed)),
        s3: S3Settings {
            endpoint: Some(server.endpoint()),
            region: Some(server.region.to_owned()),
            access_key_id: Some(server.access_key_id.to_owned()),
            secret_access_key: Some(Secret::new(server.secret_access_key)),
            allow_http: true,
            ..S3Settings::default()
        },
    }
}

fn s3_store(prefix: &str) -> Arc<dyn Store> {
    open(&s3_settings(prefix)).expect("good settings")
}

/// The same through a proxy that does `fault` to every PUT.
fn faulty(fault: Fault, prefix: &str) -> (Proxy, StoreSettings) {
    let mut settings = s3_settings(prefix);
    let proxy = Proxy::start(settings.s3.endpoint.as_deref().expect("the lab has an endpoint"), fault);
    settings.s3.endpoint = Some(proxy.endpoint());
    (proxy, settings)
}
