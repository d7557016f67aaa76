//! What is wrong before an answer: bucket, login, permission, address. Each has its class, its message and its hint, on
//! every cloud.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use secor::store::{Attributes, AzureSettings, Class, Secret, Store, StoreError, StoreSettings};

use super::harness::{Azure, Gcs, S3, Swift};
use super::proxy::{Fault, Proxy};
use super::servers::{self, CLOUDS, EXCLUSIVE, open};

async fn create(store: &dyn Store) -> Result<(), StoreError> {
    store.create("a", Bytes::from("x").into(), &Attributes::default()).await.map(drop)
}

#[tokio::test]
async fn a_missing_bucket_is_named_and_never_created() {
    for cloud in CLOUDS {
        let mut settings = cloud("");
        let (scheme, _) = settings.url.split_once("://").expect("a url");
        settings.url = format!("{scheme}://no-such-bucket/p");
        let store = open(&settings);
        // GCS answers a GET of a missing bucket with its name too; Azure as for a missing blob does
        for error in [create(&*store).await, store.list("", None, 1).await.map(drop), store.folders("").await.map(drop)]
        {
            let error = error.expect_err("there is no such bucket");
            assert_eq!((error.class, error.status), (Class::Missing, Some(404)), "{error}");
            assert!(error.to_string().starts_with(&format!("{}: ", settings.url)), "{error}");
            assert!(error.hint().contains("create the bucket"), "{}", error.hint());
        }
    }
    assert!(!S3::shared().dir().with_file_name("no-such-bucket").exists());
    let settings = StoreSettings { url: "s3://no-such-bucket/p".to_owned(), ..servers::s3("") };
    assert_eq!(open(&settings).get("a").await.expect_err("no bucket").class, Class::Missing);
}

#[tokio::test]
async fn a_wrong_secret_is_denied_and_not_printed() {
    const GUESS: &str = "Z3Vlc3NlZC1zZWNyZXQ=";
    for cloud in EXCLUSIVE {
        let mut settings = cloud("wrong_secret");
        let logins =
            [&mut settings.s3.secret_access_key, &mut settings.gs.access_token, &mut settings.azure.account_key];
        for login in logins.into_iter().flatten() {
            *login = Secret::new(GUESS);
        }
        let store = open(&settings);
        let errors = [
            create(&*store).await,
            store.head("a").await.map(drop),
            store.get("a").await.map(drop),
            store.list("", None, 1).await.map(drop),
        ];
        for error in errors {
            let error = error.expect_err("nobody knows this secret");
            assert_eq!(error.class, Class::Denied, "{error}");
            assert!(matches!(error.status, Some(401 | 403)), "{error}");
            assert!(!error.is_transient());
            assert!(error.hint().contains("credentials"), "{}", error.hint());
            let printed = format!("{store:?} {store} {settings:?} {error:?} {error}");
            assert!(!printed.contains(GUESS) && !printed.contains("guessed-secret"), "{printed}");
        }
    }
    let mut settings = servers::s3("wrong_secret");
    settings.s3.secret_access_key = Some(Secret::new("guessed-secret"));
    let error = open(&settings).get("a").await.expect_err("the signature is wrong");
    assert!(error.to_string().contains("get `a`: status 403 SignatureDoesNotMatch"), "{error}");
}

#[tokio::test]
async fn who_may_only_read_is_denied_and_told_what_is_needed() {
    let mut gcs = servers::gcs("reader");
    gcs.gs.access_token = Some(Secret::new(Gcs::shared().reader_token));
    let mut azure = servers::azure("reader");
    azure.azure.account_key = None;
    azure.azure.sas_token = Some(Secret::new(Azure::shared().reader.as_str()));
    // versitygw's root may do everything: the words are Amazon's, the server is not
    let s3 = servers::s3("reader");
    let proxy = Proxy::start(&servers::endpoint(&s3), Fault::Forbidden);
    let s3 = servers::at(&s3, &proxy.endpoint());
    let mut swift = servers::swift("reader");
    swift.swift.user = Some(Swift::shared().reader.to_owned());
    swift.swift.password = Some(Secret::new(Swift::shared().reader_key));
    for (settings, needed) in
        [(swift, "write the container"), (s3, "s3:PutObject"), (gcs, "storage.objects.create"), (azure, "adding")]
    {
        let store = open(&settings);
        let error = create(&*store).await.expect_err("it may only read");
        assert_eq!((error.class, error.status), (Class::Denied, Some(403)), "{error}");
        assert!(error.hint().contains(needed), "{}", error.hint());
        assert_eq!(store.get("a").await.expect("it may read"), None);
        assert_eq!(store.list("", None, 1).await.expect("it may list"), []);
    }
}

#[tokio::test]
async fn a_shared_access_signature_is_a_login_and_not_printed() {
    let mut settings = servers::azure("signature");
    settings.azure.account_key = None;
    let signature = &Azure::shared().writer;
    settings.azure.sas_token = Some(Secret::new(format!("?{signature}")));
    create(&*open(&settings)).await.expect("it may write");
    assert_eq!(open(&settings).get("a").await.expect("it may read").as_deref(), Some(&b"x"[..]));

    let secret = signature.rsplit("sig=").next().expect("a signature");
    settings.azure.sas_token = Some(Secret::new(signature.replace("sp=r", "sp=d")));
    let error = create(&*open(&settings)).await.expect_err("it was tampered with");
    assert_eq!(error.class, Class::Denied);
    assert!(!format!("{error:?} {error}").contains(secret), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_on_is_unavailable_soon() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    for cloud in CLOUDS {
        let store = open(&servers::at(&cloud("nobody"), &format!("http://{nobody}")));
        let began = Instant::now();
        let error = create(&*store).await.expect_err("nobody");
        assert_eq!((error.class, error.status), (Class::Unavailable, None), "{error}");
        assert!(error.is_transient());
        assert!(error.to_string().contains("create `a`: no connection: Connection refused"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10), "a refused connection is known at once");
    }
}

#[tokio::test]
async fn an_endpoint_without_tls_is_refused_unless_allowed() {
    for cloud in CLOUDS {
        let mut settings = cloud("plain");
        let StoreSettings { s3, gs, azure, swift, .. } = &mut settings;
        for allow in [&mut s3.allow_http, &mut gs.allow_http, &mut azure.allow_http, &mut swift.allow_http] {
            *allow = false;
        }
        let error = secor::store::open(&settings).expect_err("the lab speaks no TLS");
        assert_eq!(error.class, Class::Invalid);
        assert!(error.to_string().contains("has no TLS"), "{error}");
        assert!(error.hint().contains("allow_http = true"));
    }
}

/// Azure names an account in the host; the url of a data lake names account and host.
#[tokio::test]
async fn the_url_of_a_data_lake_names_its_account_and_its_server() {
    let settings = StoreSettings {
        azure: AzureSettings { account_key: Some(Secret::new("a2V5")), ..AzureSettings::default() },
        ..StoreSettings::at("abfss://logs@lake.dfs.core.nowhere.invalid/raw")
    };
    let error = create(&*open(&settings)).await.expect_err("there is no such domain");
    assert_eq!((error.class, error.status), (Class::Unavailable, None), "{error}");
}

/// Azure takes a backslash for a slash, so such a key would be stored under another name. Elsewhere it is a letter.
#[tokio::test]
async fn a_backslash_is_refused_where_the_server_takes_it_for_a_slash() {
    const KEY: &str = "topic/name=a\\b/1";
    for cloud in [servers::s3, servers::gcs] {
        let store = open(&cloud("backslash"));
        store.create(KEY, Bytes::from("x").into(), &Attributes::default()).await.expect("a letter like others");
        let listed = store.list("", None, 10).await.expect("listable");
        assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), [KEY]);
    }
    let store = open(&servers::azure("backslash"));
    let error = store.create(KEY, Bytes::from("x").into(), &Attributes::default()).await.expect_err("another name");
    assert_eq!(error.class, Class::Invalid);
    assert!(error.to_string().contains("backslash"), "{error}");
}
