//! Logins of OpenStack Swift and what its requests carry, after the Identity API v3 and the Object Storage API v1. A real
//! Keystone is asked in `keystone.rs`.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use secor::store::{Attributes, Class, Secret, StoreSettings, SwiftSettings, open};
use secor_core::ids::Digest;
use serde_json::{Value, json};

use super::recorder::{Answer, Recorder, Request};

/// Keystone under `/v3` and the account in the region `here` under `/v1/AUTH_p`. Each login gives another token; the
/// account knows only tokens from the second on when `forgets` says so.
fn cloud(forgets: bool) -> Recorder {
    let logins = AtomicU32::new(0);
    Recorder::start(move |request| {
        if request.target == "/v3/auth/tokens" {
            let number = logins.fetch_add(1, Ordering::Relaxed) + 1;
            let at = |account: &str| format!("http://{}/v1/{account}", request.header("host"));
            let endpoints = json!([
                { "interface": "public", "region_id": "there", "url": at("AUTH_elsewhere") },
                { "interface": "internal", "region_id": "here", "url": at("AUTH_inside") },
                { "interface": "public", "region_id": "here", "url": at("AUTH_p") },
            ]);
            let token = json!({ "expires_at": "2099-01-01T00:00:00.000000Z",
                "catalog": [{ "type": "object-store", "endpoints": endpoints }] });
            let answer = Answer::new(201, json!({ "token": token }).to_string());
            return Answer { headers: vec![("X-Subject-Token", format!("token-{number}"))], ..answer };
        }
        match (request.method.as_str(), request.header("x-auth-token")) {
            (_, "token-1") if forgets => Answer::new(401, "<html><h1>Unauthorized</h1><p>Who are you.</p></html>"),
            ("PUT", _) => Answer::created(),
            _ => Answer::new(404, ""),
        }
    })
}

fn settings(recorder: &Recorder, login: SwiftSettings) -> StoreSettings {
    let auth_url = Some(format!("{}/v3/", recorder.endpoint()));
    let swift = SwiftSettings { auth_url, allow_http: true, region: Some("here".to_owned()), ..login };
    StoreSettings { swift, ..StoreSettings::at("swift://archive/raw") }
}

fn by_password() -> SwiftSettings {
    SwiftSettings {
        user: Some("archiver".to_owned()),
        password: Some(Secret::new("hush")),
        project: Some("logs".to_owned()),
        project_domain: Some("ops".to_owned()),
        ..SwiftSettings::default()
    }
}

fn login(request: &Request) -> Value {
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v3/auth/tokens"));
    assert_eq!(request.header("content-type"), "application/json");
    serde_json::from_str(&request.text()).expect("a login is JSON")
}

#[tokio::test]
async fn keystone_is_asked_by_password_credential_or_token_as_its_reference_has_it() {
    let scope = json!({ "project": { "name": "logs", "domain": { "name": "ops" } } });
    let user = json!({ "name": "archiver", "domain": { "name": "Default" }, "password": "hush" });
    let credential = SwiftSettings {
        application_credential_id: Some("id".to_owned()),
        application_credential_secret: Some(Secret::new("hush")),
        ..SwiftSettings::default()
    };
    let token = SwiftSettings { token: Some(Secret::new("old")), user: None, password: None, ..by_password() };
    let cases = [
        (
            by_password(),
            json!({ "identity": { "methods": ["password"], "password": { "user": user } }, "scope": scope }),
        ),
        (
            credential,
            json!({ "identity": { "methods": ["application_credential"],
                "application_credential": { "id": "id", "secret": "hush" } } }),
        ),
        (token, json!({ "identity": { "methods": ["token"], "token": { "id": "old" } }, "scope": scope })),
    ];
    for (swift, auth) in cases {
        let recorder = cloud(false);
        let store = open(&settings(&recorder, swift)).expect("good settings");
        for _ in 0..2 {
            assert_eq!(store.get("a b").await.expect("answered"), None);
        }
        let requests = recorder.requests();
        assert_eq!(login(&requests[0]), json!({ "auth": auth }));
        let asked: Vec<_> = requests[1..].iter().map(|it| (it.target.as_str(), it.header("x-auth-token"))).collect();
        assert_eq!(asked, [("/v1/AUTH_p/archive/raw/a%20b", "token-1"); 2], "one login, by region and interface");
    }
}

#[tokio::test]
async fn a_token_that_is_not_known_any_more_is_renewed_once() {
    let recorder = cloud(true);
    let store = open(&settings(&recorder, by_password())).expect("good settings");
    store.create("a", Bytes::from("x").into(), &Attributes::default()).await.expect("the second token is good");
    let tokens: Vec<String> = recorder.requests().iter().map(|it| it.header("x-auth-token").to_owned()).collect();
    assert_eq!(tokens, ["", "token-1", "", "token-2"]);

    // whoever brings a token can't get another
    let token = SwiftSettings { token: Some(Secret::new("token-1")), ..SwiftSettings::default() };
    let storage_url = Some(format!("{}/v1/AUTH_p", recorder.endpoint()));
    let settings = settings(&recorder, SwiftSettings { storage_url, ..token });
    let swift = SwiftSettings { auth_url: None, ..settings.swift };
    let error = open(&StoreSettings { swift, url: settings.url, ..StoreSettings::default() }).expect("good settings");
    let error = error.get("a").await.expect_err("the token has ended");
    assert_eq!((error.class, error.status), (Class::Denied, Some(401)), "{error}");
    assert!(error.to_string().ends_with("get `a`: status 401: Who are you"), "{error}");
}

#[tokio::test]
async fn a_region_that_the_catalog_does_not_name_is_denied_with_its_name() {
    let recorder = cloud(false);
    let mut settings = settings(&recorder, by_password());
    settings.swift.region = Some("nowhere".to_owned());
    let error = open(&settings).expect("good settings").get("a").await.expect_err("no such region");
    assert_eq!(error.class, Class::Denied);
    assert!(error.to_string().contains("no object store of region `nowhere`"), "{error}");
}

#[tokio::test]
async fn a_create_carries_condition_checksum_digest_and_for_files_alone_a_life() {
    let recorder = cloud(false);
    let swift = SwiftSettings { delete_after: Some(86_400_000), ..by_password() };
    let store = open(&settings(&recorder, swift)).expect("good settings");
    let digest = Some(Digest(0xfeed));
    store.create("file", Bytes::from("x").into(), &Attributes { digest, content_type: None }).await.expect("free");
    let put = recorder.last("PUT");
    assert_eq!(put.target, "/v1/AUTH_p/archive/raw/file");
    let expected = [
        ("if-none-match", "*"),
        ("etag", "9dd4e461268c8034f5c8564e155c67a6"), // of `x`, by md5sum
        ("content-length", "1"),
        ("x-object-meta-secor-records", "0000000000000000000000000000feed"),
        ("x-delete-after", "86400"),
        ("content-type", "application/octet-stream"),
    ];
    for (name, value) in expected {
        assert_eq!(put.header(name), value, "{name}");
    }
    let of_the_ledger = Attributes { digest: None, content_type: Some("application/json".to_owned()) };
    store.create("_secor/ledger.json", Bytes::from("{}").into(), &of_the_ledger).await.expect("free");
    let put = recorder.last("PUT");
    assert_eq!((put.header("x-delete-after"), put.header("x-object-meta-secor-records")), ("", ""));
    assert_eq!(put.header("content-type"), "application/json");
}
