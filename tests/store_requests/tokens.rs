//! Where tokens for Google Cloud and Azure come from: what is asked, in which words, and what the store is then shown.

use secor::store::{AzureSettings, Class, GsSettings, Secret, StoreSettings, open};
use serde_json::{Value, json};

use super::recorder::{Answer, Recorder, Request};

fn cloud() -> Recorder {
    Recorder::start(|request| match request.target.as_str() {
        "/token" => Answer::new(200, json!({"access_token": "exchanged", "expires_in": 3600}).to_string()),
        "/impersonate" => {
            Answer::new(200, json!({"accessToken": "impersonated", "expireTime": "2099-01-01T00:00:00Z"}).to_string())
        }
        "/subject" => Answer::new(200, json!({"id_token": "subject-of-url"}).to_string()),
        "/tenant-1/oauth2/v2.0/token" => {
            Answer::new(200, json!({"access_token": "entra", "expires_in": 3600, "token_type": "Bearer"}).to_string())
        }
        _ => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    })
}

fn gs(recorder: &Recorder, credentials: &Value) -> StoreSettings {
    StoreSettings {
        gs: GsSettings {
            endpoint: Some(recorder.endpoint()),
            allow_http: true,
            credentials: Some(Secret::new(credentials.to_string())),
            ..GsSettings::default()
        },
        ..StoreSettings::at("gs://bucket/raw")
    }
}

fn federated(recorder: &Recorder, source: Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/token", recorder.endpoint()),
        "credential_source": source,
    })
}

fn asked<'a>(requests: &'a [Request], target: &str) -> &'a Request {
    requests.iter().find(|request| request.target == target).unwrap_or_else(|| panic!("no {target} in {requests:?}"))
}

#[tokio::test]
async fn a_federated_identity_is_exchanged_and_impersonates() {
    let recorder = cloud();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("jwt"), "subject-of-file\n").expect("writable");
    let mut account = federated(&recorder, json!({"file": folder.path().join("jwt")}));
    account["service_account_impersonation_url"] = json!(format!("{}/impersonate", recorder.endpoint()));
    let store = open(&gs(&recorder, &account)).expect("good settings");
    for _ in 0..2 {
        assert_eq!(store.get("x").await.expect("answered"), None);
    }
    let requests = recorder.requests();
    let exchange = asked(&requests, "/token").text();
    for field in [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "subject_token=subject-of-file&",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
        "audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1",
    ] {
        assert!(exchange.contains(field), "no {field} in {exchange}");
    }
    let impersonation = asked(&requests, "/impersonate");
    assert_eq!(impersonation.header("authorization"), "Bearer exchanged");
    assert!(impersonation.text().contains("devstorage.read_write"), "{}", impersonation.text());
    assert_eq!(asked(&requests, "/bucket/raw%2Fx").header("authorization"), "Bearer impersonated");
    assert_eq!(requests.len(), 4, "the token is kept: {requests:?}");
}

#[tokio::test]
async fn a_subject_token_may_come_from_a_url() {
    let recorder = cloud();
    let source = json!({
        "url": format!("{}/subject", recorder.endpoint()),
        "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    });
    let store = open(&gs(&recorder, &federated(&recorder, source))).expect("good settings");
    assert_eq!(store.get("x").await.expect("answered"), None);
    let requests = recorder.requests();
    assert_eq!(asked(&requests, "/subject").header("metadata"), "True");
    assert!(asked(&requests, "/token").text().contains("subject_token=subject-of-url&"));
    assert_eq!(asked(&requests, "/bucket/raw%2Fx").header("authorization"), "Bearer exchanged");
}

#[tokio::test]
async fn a_refused_exchange_is_denied_with_what_was_said() {
    let recorder = Recorder::start(|_| {
        let said = json!({"error": "invalid_grant", "error_description": "The token has expired."});
        Answer::new(400, said.to_string())
    });
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("jwt"), "old").expect("writable");
    let account = federated(&recorder, json!({"file": folder.path().join("jwt")}));
    let error = open(&gs(&recorder, &account)).expect("good settings").get("x").await.expect_err("refused");
    assert_eq!(error.class, Class::Denied);
    assert!(error.to_string().contains("status 400 The token has expired"), "{error}");
    assert!(error.hint().contains("credentials_file"), "{}", error.hint());
    let executable = federated(&recorder, json!({"executable": {"command": "/bin/true"}}));
    let error = open(&gs(&recorder, &executable)).expect_err("programs are not run");
    assert!(error.to_string().contains("executable are not supported"), "{error}");
}

fn azure(recorder: &Recorder, azure: AzureSettings) -> StoreSettings {
    StoreSettings {
        azure: AzureSettings {
            endpoint: Some(recorder.endpoint()),
            authority_host: Some(recorder.endpoint()),
            allow_http: true,
            account: Some("lake".to_owned()),
            tenant_id: Some("tenant-1".to_owned()),
            client_id: Some("client-1".to_owned()),
            ..azure
        },
        ..StoreSettings::at("azure://container/raw")
    }
}

#[tokio::test]
async fn a_service_principal_and_a_workload_identity_get_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwt");
    std::fs::write(&file, "kubernetes-token").expect("writable");
    let secret = AzureSettings { client_secret: Some(Secret::new("hush")), ..AzureSettings::default() };
    let workload = AzureSettings { federated_token_file: Some(file), ..AzureSettings::default() };
    for (login, proof) in [(secret, "client_secret=hush"), (workload, "client_assertion=kubernetes-token")] {
        let recorder = cloud();
        let store = open(&azure(&recorder, login)).expect("good settings");
        assert_eq!(store.get("x").await.expect("answered"), None);
        let requests = recorder.requests();
        let exchange = asked(&requests, "/tenant-1/oauth2/v2.0/token").text();
        for field in
            ["client_id=client-1", "grant_type=client_credentials", "scope=https%3A%2F%2Fstorage.azure.com", proof]
        {
            assert!(exchange.contains(field), "no {field} in {exchange}");
        }
        assert_eq!(asked(&requests, "/container/raw/x").header("authorization"), "Bearer entra");
    }
}
