//! Identities that a machine of Google's or Microsoft's has by itself: the program is started as it would be there, and
//! asks the metadata server in the provider's published words. References:
//! <https://cloud.google.com/docs/authentication/get-id-token#metadata-server>,
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>.

use super::harness::{PATIENCE, Secor};
use super::recorder::{Answer, Recorder, Request};
use serde_json::json;

const RESOURCE: &str = "api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com";

/// The metadata servers of both clouds, and their stores.
fn cloud() -> Recorder {
    Recorder::start(|request| {
        let target = request.target.split('?').next().unwrap_or_default();
        match target.trim_start_matches("http://169.254.169.254") {
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                let token = json!({"access_token": "of-the-machine", "expires_in": 3599, "token_type": "Bearer"});
                Answer::new(200, token.to_string())
            }
            "/metadata/identity/oauth2/token" | "/msi/token" => {
                // numbers are texts there
                let token = json!({
                    "access_token": "managed", "client_id": "c", "expires_on": "4070908800", "not_before": "0",
                    "resource": "https://storage.azure.com", "token_type": "Bearer",
                });
                Answer::new(200, token.to_string())
            }
            _ => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    })
}

/// What the program asks when it runs on a machine with this environment; `@` stands for the recorder's endpoint, `~` for
/// its address.
#[track_caller]
fn asked(cloud: &Recorder, store: &str, environment: &[(&str, &str)]) -> (Request, Request) {
    let endpoint = cloud.endpoint();
    let address = endpoint.trim_start_matches("http://");
    let place = |text: &str| text.replace('@', &endpoint).replace('~', address);
    let mut secor = Secor::new(|_| {
        format!(
            "[kafka]\nbrokers = [\"127.0.0.1:9\"]\ngroup = \"g\"\n[store]\n{}\n[[archive]]\ntopics = [\"clicks\"]\n",
            place(store)
        )
    });
    let home = secor.folder().to_str().expect("an ordinary path").to_owned();
    for (name, value) in [("HOME", &*home), ("GOOGLE_APPLICATION_CREDENTIALS", "")].iter().chain(environment) {
        secor.set_env(name, &place(value));
    }
    let finished = secor.run_within(PATIENCE, &["verify"]);
    let requests = cloud.requests();
    let is_token = |request: &&Request| request.target.contains("token");
    let token = requests.iter().find(is_token).unwrap_or_else(|| panic!("{requests:?}\n{}", finished.stderr));
    let object = requests.iter().rev().find(|request| !is_token(request));
    let object = object.unwrap_or_else(|| panic!("the store was not asked: {requests:?}\n{}", finished.stderr));
    assert_eq!(token.method, "GET");
    (token.clone(), object.clone())
}

#[test]
fn a_machine_of_google_has_the_token_of_its_service_account() {
    let cloud = cloud();
    let store = "url = \"gs://bucket/raw\"\n[store.gs]\nendpoint = \"@\"\nallow_http = true";
    let (token, object) = asked(&cloud, store, &[("GCE_METADATA_HOST", "~")]);
    assert!(token.target.starts_with("/computeMetadata/v1/instance/service-accounts/default/token"), "{token:?}");
    assert_eq!(token.header("metadata-flavor"), "Google");
    assert_eq!(object.header("authorization"), "Bearer of-the-machine");
}

const AZURE: &str =
    "url = \"azure://container/raw\"\n[store.azure]\naccount = \"lake\"\nendpoint = \"@\"\nallow_http = true";

/// The metadata has an address of its own on a virtual machine; a proxy shows what is asked there.
#[test]
fn a_virtual_machine_of_azure_has_a_managed_identity() {
    let store = AZURE.replace("raw\"\n", "raw\"\nproxy = \"@\"\n");
    let user = format!("{store}\nclient_id = \"client-1\"");
    for (store, identity) in [(user, "&client_id=client-1"), (store, "")] {
        let cloud = cloud();
        let (token, object) = asked(&cloud, &store, &[("no_proxy", ""), ("NO_PROXY", "")]);
        let wanted = format!("http://169.254.169.254/metadata/identity/oauth2/token?{RESOURCE}{identity}");
        assert_eq!(token.target, wanted);
        assert_eq!(token.header("metadata"), "true");
        assert_eq!(object.header("authorization"), "Bearer managed");
    }
}

/// App Service, Functions and Container Apps say where to ask.
#[test]
fn a_container_of_azure_has_a_managed_identity() {
    let user = format!("{AZURE}\nclient_id = \"client-1\"");
    for (store, identity) in [(&*user, "&client_id=client-1"), (AZURE, "")] {
        let cloud = cloud();
        let environment = [("IDENTITY_ENDPOINT", "@/msi/token"), ("IDENTITY_HEADER", "853b9a84")];
        let (token, object) = asked(&cloud, store, &environment);
        assert_eq!(token.target, format!("/msi/token?{RESOURCE}{identity}"));
        assert_eq!(token.header("x-identity-header"), "853b9a84");
        assert_eq!(object.header("authorization"), "Bearer managed");
    }
}
