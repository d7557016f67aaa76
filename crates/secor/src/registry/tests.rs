//! Goal: a registry's answer is never taken for another one.
//! Method: a small HTTP server in this process that says what a table says, counts, and looks at the login.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};

use super::*;
use crate::config::{RegistryLogin, Secret};

/// Path to status and body; what is not listed is not found in the registry's own words.
type Script = &'static [(&'static str, u16, &'static str)];

struct Stub {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Says {
    script: Script,
    login: Option<&'static str>,
    asked: Arc<AtomicUsize>,
}

async fn answer(State(says): State<Says>, uri: Uri, headers: HeaderMap) -> (StatusCode, String) {
    says.asked.fetch_add(1, Ordering::SeqCst);
    let login = headers.get("authorization").map(|value| value.to_str().unwrap());
    if login != says.login {
        return (StatusCode::UNAUTHORIZED, "{\"error_code\":401}".to_owned());
    }
    let listed = says.script.iter().find(|(path, ..)| *path == uri.path());
    let (_, status, body) = listed.unwrap_or(&("", 404, NOT_FOUND));
    (StatusCode::from_u16(*status).unwrap(), (*body).to_owned())
}

const NOT_FOUND: &str = r#"{"error_code":40403,"message":"Schema not found"}"#;
const CLICK: &str = r#"{"schema":"{\"type\":\"int\"}"}"#;

impl Stub {
    async fn start(script: Script, login: Option<&'static str>) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let says = Says { script, login, asked: Arc::clone(&asked) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(says);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }
}

fn settings(urls: Vec<Url>) -> config::SchemaRegistry {
    config::SchemaRegistry { urls, login: None, ca_file: None, timeout: Duration::from_secs(5) }
}

fn registry(urls: Vec<Url>) -> SchemaRegistry {
    SchemaRegistry::new(&settings(urls)).unwrap()
}

/// A port on which nobody listens.
async fn nowhere() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
}

#[tokio::test]
async fn a_schema_comes_with_all_that_it_refers_to_and_is_asked_once() {
    let stub = Stub::start(
        &[
            (
                "/schemas/ids/7",
                200,
                r#"{"schema":"main","schemaType":"PROTOBUF","references":[
                    {"name":"a.proto","subject":"a/b c","version":3},{"name":"b.proto","subject":"b","version":1}]}"#,
            ),
            (
                "/subjects/a%2Fb%20c/versions/3",
                200,
                r#"{"schema":"a","references":[{"name":"b.proto","subject":"b","version":1},
                    {"name":"a.proto","subject":"a/b c","version":3}]}"#,
            ),
            ("/subjects/b/versions/1", 200, r#"{"schema":"b"}"#),
        ],
        None,
    )
    .await;
    let registry = registry(vec![stub.url()]);
    for _ in 0..2 {
        let schema = registry.schema(7).await.unwrap().expect("it is there");
        assert_eq!((schema.kind.as_str(), schema.text.as_str()), ("PROTOBUF", "main"));
        assert_eq!(
            schema.references,
            BTreeMap::from([("a.proto", "a"), ("b.proto", "b")].map(|(k, v)| (k.into(), v.into())))
        );
    }
    assert_eq!(stub.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn only_the_registrys_own_words_say_that_there_is_none() {
    let stub = Stub::start(
        &[
            ("/schemas/ids/2", 404, "<html>no such page</html>"),
            ("/schemas/ids/3", 404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            ("/schemas/ids/4", 500, NOT_FOUND),
            ("/schemas/ids/5", 200, r#"{"id":5}"#),
            ("/schemas/ids/6", 200, r#"{"schema":"x","references":[{"name":"y","subject":"gone","version":1}]}"#),
        ],
        None,
    )
    .await;
    let registry = registry(vec![stub.url()]);
    for id in [1, 6] {
        assert!(registry.schema(id).await.unwrap().is_none(), "{id}");
    }
    for (id, expected) in [
        (2, "answers with status 404: <html>no such page</html>"),
        (3, "answers with status 404"),
        (4, "answers with status 500"),
        (5, "answers with something that can't be read"),
    ] {
        let error = registry.schema(id).await.expect_err("no answer").to_string();
        assert!(error.contains(expected), "{id}: {error}");
    }
    // one that was missing may be there now
    let before = stub.asked.load(Ordering::SeqCst);
    assert!(registry.schema(1).await.unwrap().is_none());
    assert_eq!(stub.asked.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn any_replica_can_say_that_there_is_one_and_only_all_that_there_is_none() {
    let (empty, full) = (Stub::start(&[], None).await, Stub::start(&[("/schemas/ids/7", 200, CLICK)], None).await);
    let behind = registry(vec![empty.url(), full.url()]);
    assert_eq!(behind.schema(7).await.unwrap().expect("the second has it").kind, "AVRO");
    assert!(behind.schema(8).await.unwrap().is_none());
    let half = registry(vec![nowhere().await, full.url()]);
    assert!(half.schema(7).await.unwrap().is_some());
    let error = half.schema(8).await.expect_err("one of them did not answer");
    assert!(matches!(error, RegistryError::Unanswered { .. }), "{error}");
}

#[tokio::test]
async fn logins_are_sent_and_a_refused_one_waits() {
    let script: Script = &[("/schemas/ids/7", 200, CLICK)];
    let basic = Stub::start(script, Some("Basic YW5uOnMzY3JldA==")).await;
    let bearer = Stub::start(script, Some("Bearer t0ken")).await;
    let password = |text: &str| RegistryLogin::Basic { username: "ann".to_owned(), password: Secret::new(text) };
    let with = |stub: &Stub, login| {
        SchemaRegistry::new(&config::SchemaRegistry { login: Some(login), ..settings(vec![stub.url()]) }).unwrap()
    };
    assert!(with(&basic, password("s3cret")).schema(7).await.unwrap().is_some());
    assert!(with(&bearer, RegistryLogin::Bearer(Secret::new("t0ken"))).schema(7).await.unwrap().is_some());
    let error = with(&basic, password("wrong")).schema(7).await.expect_err("refused");
    assert!(matches!(error, RegistryError::Refused { status: 401, .. }), "{error}");
    assert!(error.hint().contains("[schemas.registry]"), "{}", error.hint());
    assert!(!format!("{error:?}").contains("wrong"), "a secret is never printed");
    let broken = RegistryLogin::Bearer(Secret::new("two\nlines"));
    let broken = SchemaRegistry::new(&config::SchemaRegistry { login: Some(broken), ..settings(vec![basic.url()]) });
    assert!(matches!(broken, Err(RegistrySetupError::Token)));
}

#[tokio::test]
async fn a_registry_that_hangs_is_one_that_does_not_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let hanging = config::SchemaRegistry { timeout: Duration::from_millis(50), ..settings(vec![url]) };
    let error = SchemaRegistry::new(&hanging).unwrap().schema(1).await.expect_err("nobody answers");
    assert!(matches!(error, RegistryError::Unanswered { .. }), "{error}");
}

#[tokio::test]
async fn schema_types_answer_the_check() {
    let stub = Stub::start(&[("/apis/ccompat/v7/schemas/types", 200, r#"["AVRO"]"#)], None).await;
    registry(vec![stub.url().join("apis/ccompat/v7").unwrap()]).check().await.unwrap();
    registry(vec![stub.url()]).check().await.expect_err("that is not where the registry is");
}

#[test]
fn certificates_that_are_none_are_refused_with_their_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = || vec![Url::parse("https://registry").unwrap()];
    let with = |ca_file: &std::path::Path| {
        SchemaRegistry::new(&config::SchemaRegistry { ca_file: Some(ca_file.to_owned()), ..settings(url()) })
    };
    assert!(matches!(with(file.path()), Err(RegistrySetupError::NoCertificate(_))));
    assert!(matches!(with(std::path::Path::new("/nowhere.pem")), Err(RegistrySetupError::CaFile { .. })));
}
