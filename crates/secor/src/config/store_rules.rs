//! Keys of `[store]` that are each right and don't go together. What has no effect is a mistake too: who writes
//! `external_id` without `role_arn` believes in a check that nobody makes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::store::{Azure, Gs, S3, Sse, Store, Swift};
use super::tree::Findings;

/// Bytes of a key that the customer provides.
const CUSTOMER_KEY_BYTES: usize = 32;
/// Tags of an object on S3.
const TAGS_MAX: usize = 10;

/// The tables of `[store]` and the schemes that each is for.
const TABLES: [(&str, &[&str]); 5] = [
    ("file", &["file"]),
    ("s3", &["s3"]),
    ("gs", &["gs"]),
    ("azure", &["azure", "az", "abfs", "abfss"]),
    ("swift", &["swift"]),
];

pub(super) fn apply(store: &Store, findings: &mut Findings) {
    if !tables_fit(&store.url, findings) {
        return;
    }
    if store.proxy_bypass.is_some() && store.proxy.is_none() {
        useless("store.proxy_bypass", "there is no `proxy`", "set `proxy`, or use NO_PROXY", findings);
    }
    if let Some(proxy) = &store.proxy
        && !url::Url::parse(proxy.expose()).is_ok_and(|url| url.has_host())
    {
        let hint = "write \"http://host:port\" or \"http://user:password@host:port\"";
        findings.contradiction(&["store.proxy"], "not valid", "it is no URL with a host", hint);
    }
    let encrypted = [
        ("store.s3", "endpoint", store.s3.endpoint.as_deref(), store.s3.allow_http),
        ("store.gs", "endpoint", store.gs.endpoint.as_deref(), store.gs.allow_http),
        ("store.azure", "endpoint", store.azure.endpoint.as_deref(), store.azure.allow_http),
        ("store.swift", "auth_url", store.swift.auth_url.as_deref(), store.swift.allow_http),
        ("store.swift", "storage_url", store.swift.storage_url.as_deref(), store.swift.allow_http),
    ];
    for (table, name, endpoint, allow_http) in encrypted {
        if endpoint.is_some_and(|endpoint| endpoint.starts_with("http:")) && !allow_http {
            findings.contradiction(
                &[&format!("{table}.{name}"), &format!("{table}.allow_http")],
                "not encrypted",
                "an endpoint without TLS must be allowed",
                "write https://, or set allow_http = true",
            );
        }
    }
    s3_login(&store.s3, findings);
    s3_writes(&store.s3, findings);
    gs(&store.gs, findings);
    azure(&store.azure, findings);
    if store.url.starts_with("swift:") {
        swift(&store.swift, findings);
    }
}

/// Is there no table for another kind of store than the url's?
fn tables_fit(url: &str, findings: &mut Findings) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let mut fits = true;
    for (table, schemes) in TABLES {
        let path = format!("store.{table}");
        if !schemes.contains(&scheme) && findings.is_written(&path) {
            let why = match scheme {
                "file" => "store.url is a folder".to_owned(),
                scheme => format!("store.url is `{scheme}://`"),
            };
            findings.contradiction(&[&path, "store.url"], "has no effect", why, format!("leave [{path}] out"));
            fits = false;
        }
    }
    fits
}

fn s3_login(s3: &S3, findings: &mut Findings) {
    let pairs = [
        ("access_key_id", s3.access_key_id.is_some(), "secret_access_key", s3.secret_access_key.is_some()),
        ("secret_access_key", s3.secret_access_key.is_some(), "access_key_id", s3.access_key_id.is_some()),
        ("session_token", s3.session_token.is_some(), "access_key_id", s3.access_key_id.is_some()),
    ];
    for (name, is_set, needed, has_needed) in pairs {
        if is_set && !has_needed {
            findings.contradiction(
                &[&format!("store.s3.{name}"), &format!("store.s3.{needed}")],
                "half a login",
                format!("`{needed}` is missing"),
                "write both keys, or none for the default chain of credentials",
            );
        }
    }
    if s3.profile.is_some() && s3.access_key_id.is_some() {
        useless("store.s3.profile", "`access_key_id` is the login", "leave one of them out", findings);
    }
    let of_a_role = [
        ("external_id", s3.external_id.is_some()),
        ("role_session_name", s3.role_session_name.is_some()),
        ("sts_endpoint", s3.sts_endpoint.is_some()),
    ];
    for (name, is_set) in of_a_role {
        if is_set && s3.role_arn.is_none() {
            useless(&format!("store.s3.{name}"), "there is no `role_arn`", "set `role_arn`, or leave it out", findings);
        }
    }
}

fn s3_writes(s3: &S3, findings: &mut Findings) {
    let with_kms = matches!(s3.sse, Some(Sse::SseKms | Sse::DsseKms));
    if s3.sse_kms_key_id.is_some() && !with_kms {
        let hint = "set sse = \"sse-kms\" or \"dsse-kms\"";
        useless("store.s3.sse_kms_key_id", "the encryption has no key in KMS", hint, findings);
    }
    if s3.bucket_key.is_some() && s3.sse != Some(Sse::SseKms) {
        useless("store.s3.bucket_key", "a bucket key is for `sse-kms`", "set sse = \"sse-kms\"", findings);
    }
    match (&s3.sse_customer_key, s3.sse == Some(Sse::SseC)) {
        (Some(_), false) => {
            useless("store.s3.sse_customer_key", "the key is for `sse-c`", "set sse = \"sse-c\"", findings);
        }
        (Some(key), true) => customer_key("store.s3.sse_customer_key", key.expose(), findings),
        (None, true) => {
            let hint = "set sse_customer_key = \"${file:/path}\" to 32 bytes in base64";
            findings.contradiction(&["store.s3.sse"], "has no key", "`sse_customer_key` is missing", hint);
        }
        (None, false) => {}
    }
    if s3.tags.len() > TAGS_MAX {
        let why = format!("an object has at most {TAGS_MAX}");
        findings.contradiction(&["store.s3.tags"], "too many", why, "leave some out");
    }
}

fn gs(gs: &Gs, findings: &mut Findings) {
    let logins = [
        ("credentials_file", gs.credentials_file.is_some()),
        ("credentials", gs.credentials.is_some()),
        ("access_token", gs.access_token.is_some()),
    ];
    one_login("store.gs", &logins, findings);
    if let Some(json) = &gs.credentials
        && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json.expose()).is_err()
    {
        let hint = "write credentials = \"${file:/path/key.json}\", or name the file in credentials_file";
        findings.contradiction(&["store.gs.credentials"], "not valid", "it is no JSON object", hint);
    }
}

fn azure(azure: &Azure, findings: &mut Findings) {
    let logins = [
        ("account_key", azure.account_key.is_some()),
        ("sas_token", azure.sas_token.is_some()),
        ("client_secret", azure.client_secret.is_some()),
        ("federated_token_file", azure.federated_token_file.is_some()),
    ];
    one_login("store.azure", &logins, findings);
    for (name, is_set) in &logins[2..] {
        for (needed, has_needed) in [("tenant_id", azure.tenant_id.is_some()), ("client_id", azure.client_id.is_some())]
        {
            if *is_set && !has_needed {
                findings.contradiction(
                    &[&format!("store.azure.{name}"), &format!("store.azure.{needed}")],
                    "half a login",
                    format!("`{needed}` is missing"),
                    "write tenant_id and client_id beside it",
                );
            }
        }
    }
    if let Some(key) = &azure.encryption_key {
        customer_key("store.azure.encryption_key", key.expose(), findings);
    }
}

fn swift(swift: &Swift, findings: &mut Findings) {
    let logins = [
        ("password", swift.password.is_some()),
        ("application_credential_secret", swift.application_credential_secret.is_some()),
        ("token", swift.token.is_some()),
    ];
    one_login("store.swift", &logins, findings);
    let half = |name: &str, needed: &str, findings: &mut Findings| {
        let paths = [format!("store.swift.{name}"), format!("store.swift.{needed}")];
        let hint = "write user and password, an application credential's id and secret, or a token";
        findings.contradiction(&[&paths[0], &paths[1]], "half a login", format!("`{needed}` is missing"), hint);
    };
    let id = swift.application_credential_id.is_some();
    let pairs = [
        ("user", swift.user.is_some(), "password", swift.password.is_some()),
        ("password", swift.password.is_some(), "user", swift.user.is_some()),
        ("application_credential_id", id, "application_credential_secret", logins[1].1),
        ("application_credential_secret", logins[1].1, "application_credential_id", id),
    ];
    for (name, is_set, needed, has_needed) in pairs {
        if is_set && !has_needed {
            half(name, needed, findings);
        }
    }
    if logins.iter().all(|(_, is_set)| !is_set) && swift.user.is_none() && !id {
        let hint = "write auth_url, user and password into [store.swift], or another of its logins";
        findings.contradiction(&["store.url"], "no login", "`[store.swift]` has none", hint);
    } else if swift.auth_url.is_none() && (swift.token.is_none() || swift.storage_url.is_none()) {
        let hint = "write auth_url = \"https://keystone:5000/v3\", or tempauth's address";
        findings.contradiction(&["store.swift.auth_url"], "is missing", "it says where to log in", hint);
    }
}

fn one_login(table: &str, logins: &[(&str, bool)], findings: &mut Findings) {
    let written: Vec<&str> = logins.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if let [first, second, ..] = written[..] {
        let why = format!("`{first}` is one already");
        findings.contradiction(&[&format!("{table}.{second}")], "a second login", why, "leave one of them out");
    }
}

fn customer_key(path: &str, key: &str, findings: &mut Findings) {
    if BASE64.decode(key).is_ok_and(|bytes| bytes.len() == CUSTOMER_KEY_BYTES) {
        return;
    }
    let why = format!("it is not {CUSTOMER_KEY_BYTES} bytes in base64");
    findings.contradiction(&[path], "not valid", why, "make one with `openssl rand -base64 32`, and keep it safe");
}

fn useless(path: &str, why: &str, hint: &str, findings: &mut Findings) {
    findings.contradiction(&[path], "has no effect", why, hint);
}
