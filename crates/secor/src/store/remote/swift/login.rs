//! Tokens: Keystone v3 (password, application credential, token) and tempauth's v1.
//!
//! A login gives a token, its end, and the account's address, which Keystone's catalog lists by region and interface.
//! Followed: <https://docs.openstack.org/api-ref/identity/v3/> and the v1 protocol of Swift's own tempauth.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use serde_json::{Value, json};

use super::super::errors::NoCredentials;
use super::super::http as wire;
use super::super::kept::Fetched;
use super::client::innermost;
use crate::store::{Class, Secret, StoreError, StoreSettings, SwiftSettings};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Of users and projects whose domain is not named.
const DOMAIN_DEFAULT: &str = "Default";

pub(super) const HINT_LOGIN: &str = "check `auth_url`, user, password, project and region in `[store.swift]`";

/// Where requests go, and with which token.
pub(super) struct Session {
    pub(super) token: HeaderValue,
    /// Up to the account, without a slash at its end.
    pub(super) storage_url: String,
}

pub(super) struct Login {
    kind: Kind,
    /// Instead of what the login names.
    storage_url: Option<String>,
    allow_http: bool,
}

enum Kind {
    /// `GET auth_url` with user and key in headers.
    V1 { auth_url: String, user: String, key: Secret },
    /// `POST auth_url/auth/tokens`.
    V3 { auth_url: String, body: Secret, region: Option<String>, interface: String },
    /// As it is; nobody renews it.
    Token(Secret),
}

// === impl Login ===

impl Login {
    pub(super) fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let swift = &settings.swift;
        let checked = |url: &String| wire::checked_endpoint(settings, url, swift.allow_http);
        let storage_url = swift.storage_url.as_ref().map(checked).transpose()?;
        let missing = |what: &str| settings.invalid(format!("`{what}` in `[store.swift]` is missing"));
        let kind = match (&swift.auth_url, &swift.token) {
            (None, Some(token)) if storage_url.is_some() => Kind::Token(token.clone()),
            (None, Some(_)) => return Err(missing("storage_url")),
            (None, None) => return Err(missing("auth_url")),
            (Some(url), _) if is_v1(url) => Kind::V1 {
                auth_url: checked(url)?,
                user: swift.user.clone().ok_or_else(|| missing("user"))?,
                key: swift.password.clone().ok_or_else(|| missing("password"))?,
            },
            (Some(url), _) => Kind::V3 {
                auth_url: checked(url)?,
                body: Secret::new(question(swift).ok_or_else(|| missing("password"))?.to_string()),
                region: swift.region.clone(),
                interface: swift.interface.clone().unwrap_or_else(|| "public".to_owned()),
            },
        };
        Ok(Self { kind, storage_url, allow_http: swift.allow_http })
    }

    /// Whether another token can be had when this one is not known any more.
    pub(super) fn can_renew(&self) -> bool {
        !matches!(self.kind, Kind::Token(_))
    }

    pub(super) async fn fetch(&self, http: &HttpClient) -> Result<Fetched<Session>, NoCredentials> {
        let (token, named, ends) = match &self.kind {
            Kind::Token(token) => (header(token.expose())?, None, None),
            Kind::V1 { auth_url, user, key } => {
                let mut request = request(Method::GET, auth_url, Bytes::new())?;
                request.headers_mut().insert("x-auth-user", header(user)?);
                request.headers_mut().insert("x-auth-key", header(key.expose())?);
                let (headers, _) = send(http, request, auth_url).await?;
                let life = text(&headers, "x-auth-token-expires").and_then(|seconds| seconds.parse().ok());
                let ends = life.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
                (token(&headers, "x-auth-token", auth_url)?, text(&headers, "x-storage-url").map(str::to_owned), ends)
            }
            Kind::V3 { auth_url, body, region, interface } => {
                let url = format!("{auth_url}/auth/tokens");
                let mut request = request(Method::POST, &url, Bytes::from(body.expose().to_owned()))?;
                request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
                let (headers, said) = send(http, request, &url).await?;
                let said: Value = serde_json::from_slice(&said).unwrap_or_default();
                let ends = said["token"]["expires_at"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
                let named = account(&said["token"]["catalog"], region.as_deref(), interface);
                (token(&headers, "x-subject-token", &url)?, named, ends.map(SystemTime::from))
            }
        };
        let storage_url = self.storage_url.clone().or(named).ok_or_else(|| self.no_account())?;
        if storage_url.starts_with("http:") && !self.allow_http {
            let what = format!("the account's address `{storage_url}` has no TLS, and `allow_http` is not set");
            return Err(NoCredentials { class: Class::Invalid, what });
        }
        let session = Session { token, storage_url: storage_url.trim_end_matches('/').to_owned() };
        Ok(Fetched { credential: session, ends })
    }

    fn no_account(&self) -> NoCredentials {
        let what = match &self.kind {
            Kind::V3 { region, interface, .. } => {
                let region = region.as_deref().map(|region| format!(" of region `{region}`")).unwrap_or_default();
                format!("the catalog names no object store{region} with the interface `{interface}`")
            }
            Kind::V1 { .. } | Kind::Token(_) => "the login names no account".to_owned(),
        };
        NoCredentials { class: Class::Denied, what }
    }
}

/// Whether this is tempauth's address and not Keystone's.
fn is_v1(auth_url: &str) -> bool {
    let path = auth_url.trim_end_matches('/');
    path.ends_with("/v1.0") || path.ends_with("/v1")
}

/// What Keystone is asked; `None` without a login.
fn question(swift: &SwiftSettings) -> Option<Value> {
    let domain = |name: &Option<String>| json!({ "name": name.as_deref().unwrap_or(DOMAIN_DEFAULT) });
    let scope = swift
        .project
        .as_ref()
        .map(|project| json!({ "project": { "name": project, "domain": domain(&swift.project_domain) } }));
    let credential = (&swift.application_credential_id, &swift.application_credential_secret);
    let (identity, scope) = match (credential, &swift.token, (&swift.user, &swift.password)) {
        // it has its project in itself, and a scope would be refused
        ((Some(id), Some(secret)), _, _) => {
            let credential = json!({ "id": id, "secret": secret.expose() });
            (json!({ "methods": ["application_credential"], "application_credential": credential }), None)
        }
        (_, Some(token), _) => (json!({ "methods": ["token"], "token": { "id": token.expose() } }), scope),
        (_, _, (Some(user), Some(password))) => {
            let user = json!({ "name": user, "domain": domain(&swift.user_domain), "password": password.expose() });
            (json!({ "methods": ["password"], "password": { "user": user } }), scope)
        }
        _ => return None,
    };
    let mut auth = json!({ "identity": identity });
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    Some(json!({ "auth": auth }))
}

/// The account's address in a catalog.
fn account(catalog: &Value, region: Option<&str>, interface: &str) -> Option<String> {
    let services = catalog.as_array()?.iter().filter(|service| service["type"] == "object-store");
    let mut endpoints = services.filter_map(|service| service["endpoints"].as_array()).flatten();
    let fits = |endpoint: &&Value| {
        let of_region = region.is_none_or(|region| endpoint["region"] == region || endpoint["region_id"] == region);
        of_region && endpoint["interface"] == interface
    };
    endpoints.find(fits)?["url"].as_str().map(str::to_owned)
}

fn request(method: Method, url: &str, body: Bytes) -> Result<HttpRequest, NoCredentials> {
    let uri = url.parse().map_err(|error| denied(format!("`{url}` is no URL: {error}")))?;
    let mut request = HttpRequest::new(HttpRequestBody::from(body));
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    Ok(request)
}

/// Headers and content of a good answer.
async fn send(http: &HttpClient, request: HttpRequest, url: &str) -> Result<(HeaderMap, Bytes), NoCredentials> {
    let unavailable =
        |why: String| NoCredentials { class: Class::Unavailable, what: format!("{why} (at the login, `{url}`)") };
    let answer = async {
        let (parts, body) = http.execute(request).await?.into_parts();
        Ok((parts, body.bytes().await?))
    };
    let answer = tokio::time::timeout(TIMEOUT, answer).await;
    let answer = answer.map_err(|_| unavailable(format!("no answer within {} s", TIMEOUT.as_secs())))?;
    let (parts, content) = answer.map_err(|error: object_store::client::HttpError| {
        unavailable(format!("no connection: {}", innermost(&error)))
    })?;
    match parts.status {
        status if status.is_success() => Ok((parts.headers, content)),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(unavailable(format!("status {}", status.as_u16())))
        }
        status => Err(NoCredentials {
            class: if status == StatusCode::NOT_FOUND { Class::Invalid } else { Class::Denied },
            what: format!("`{url}`: status {}", status.as_u16()),
        }),
    }
}

fn token(headers: &HeaderMap, name: &str, url: &str) -> Result<HeaderValue, NoCredentials> {
    let mut token = headers.get(name).cloned().ok_or_else(|| denied(format!("`{url}` answered without a token")))?;
    token.set_sensitive(true);
    Ok(token)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn header(text: &str) -> Result<HeaderValue, NoCredentials> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| denied("the login can't stand in a header of HTTP".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn denied(what: String) -> NoCredentials {
    NoCredentials { class: Class::Denied, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_is_searched_by_region_and_interface() {
        let catalog = json!([
            { "type": "identity", "endpoints": [{ "interface": "public", "region": "a", "url": "http://id" }] },
            { "type": "object-store", "endpoints": [
                { "interface": "internal", "region": "a", "url": "http://a.internal" },
                { "interface": "public", "region": "a", "url": "http://a" },
                { "interface": "public", "region_id": "b", "url": "http://b" },
            ] },
        ]);
        assert_eq!(account(&catalog, None, "public").as_deref(), Some("http://a"));
        assert_eq!(account(&catalog, Some("a"), "internal").as_deref(), Some("http://a.internal"));
        assert_eq!(account(&catalog, Some("b"), "public").as_deref(), Some("http://b"));
        assert_eq!(account(&catalog, Some("b"), "admin"), None);
        assert_eq!(account(&Value::Null, None, "public"), None);
    }

    #[test]
    fn the_address_says_which_protocol() {
        assert!(is_v1("http://swift/auth/v1.0") && is_v1("http://swift/auth/v1/"));
        assert!(!is_v1("https://keystone:5000/v3") && !is_v1("https://cloud/identity"));
    }
}
