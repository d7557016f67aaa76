//! Workload identity federation for Google Cloud: a token of another identity provider becomes one of Google's.
//!
//! The file of the kind `external_account` says where the subject token comes from (a file that Kubernetes or a CI
//! system renews, or a URL), where it is exchanged (RFC 8693), and whose service account is impersonated, if any
//! (`generateAccessToken`). Followed: <https://google.aip.dev/auth/4117>.
//!
//! Deliberately absent: subject tokens from AWS and from executables. The first needs a signed request to AWS, the
//! second runs a program that a file names; both are refused by name.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::gcp::GcpCredential;
use object_store::{CredentialProvider, Error, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::errors::NoCredentials;
use super::kept::{Fetched, Kept};
use crate::store::Class;

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of a token whose answer names no end: Google's default.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(3600);

/// Where a token comes from and what becomes of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Source {
    audience: String,
    subject_token_type: String,
    token_url: String,
    #[serde(default)]
    service_account_impersonation_url: Option<String>,
    credential_source: SubjectSource,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SubjectSource {
    file: Option<PathBuf>,
    url: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    format: Format,
    environment_id: Option<String>,
    executable: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: String,
}

/// Tokens of Google's, renewed ahead of their end.
#[derive(Debug)]
pub(super) struct Federated {
    source: Source,
    client: HttpClient,
    kept: Kept<GcpCredential>,
}

// === impl Source ===

impl Source {
    /// # Errors
    /// Why it can't be used, and a hint.
    pub(super) fn parse(json: &str) -> Result<Self, (String, &'static str)> {
        const HINT: &str = "make the file anew with `gcloud iam workload-identity-pools create-cred-config`";
        let source: Self = serde_json::from_str(json)
            .map_err(|error| (format!("the federated credentials are not whole: {error}"), HINT))?;
        let SubjectSource { file, url, environment_id, executable, .. } = &source.credential_source;
        if environment_id.is_some() || executable.is_some() {
            let what = "federated credentials from AWS or an executable are not supported";
            return Err((what.to_owned(), "use a source of the kind `file` or `url`"));
        }
        if file.is_some() == url.is_some() {
            return Err(("`credential_source` names neither a file nor a URL, or both".to_owned(), HINT));
        }
        Ok(source)
    }
}

// === impl Federated ===

impl Federated {
    pub(super) fn new(source: Source, client: HttpClient) -> Self {
        Self { source, client, kept: Kept::new() }
    }

    async fn fetch(&self) -> Result<Fetched<GcpCredential>, NoCredentials> {
        let subject = self.subject_token().await?;
        let (token, ends) = self.exchange(&subject).await?;
        let (bearer, ends) = match &self.source.service_account_impersonation_url {
            Some(url) => self.impersonate(url, &token).await?,
            None => (token, ends),
        };
        Ok(Fetched { credential: GcpCredential { bearer }, ends: Some(ends) })
    }

    /// The token of the other identity provider.
    async fn subject_token(&self) -> Result<String, NoCredentials> {
        let source = &self.source.credential_source;
        let (text, place) = match (&source.file, &source.url) {
            (Some(file), _) => {
                let place = file.display().to_string();
                let read = tokio::fs::read_to_string(file).await;
                (read.map_err(|error| denied(format!("`{place}` can't be read: {error}")))?, place)
            }
            (None, url) => {
                let url = url.as_deref().unwrap_or_default();
                let mut request = self.request("GET", url, String::new(), "text/plain")?;
                for (name, value) in &source.headers {
                    let pair = (name.parse::<http::HeaderName>(), HeaderValue::from_str(value));
                    let (Ok(name), Ok(value)) = pair else { return Err(denied(format!("`{name}` is no header"))) };
                    request.headers_mut().insert(name, value);
                }
                (String::from_utf8_lossy(&self.send(request, url).await?).into_owned(), url.to_owned())
            }
        };
        if source.format.kind != "json" {
            return Ok(text.trim().to_owned());
        }
        let field = &source.format.subject_token_field_name;
        let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = parsed[field].as_str().map(str::to_owned);
        token.ok_or_else(|| denied(format!("`{place}` has no field `{field}`")))
    }

    async fn exchange(&self, subject: &str) -> Result<(String, SystemTime), NoCredentials> {
        let impersonates = self.source.service_account_impersonation_url.is_some();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("audience", &self.source.audience)
            .append_pair("scope", if impersonates { IMPERSONATION_SCOPE } else { SCOPE })
            .append_pair("requested_token_type", ACCESS_TOKEN)
            .append_pair("subject_token", subject)
            .append_pair("subject_token_type", &self.source.subject_token_type)
            .finish();
        let url = &self.source.token_url;
        let request = self.request("POST", url, form, "application/x-www-form-urlencoded")?;
        let answer = parsed(&self.send(request, url).await?);
        let life = answer["expires_in"].as_u64().map_or(LIFETIME_DEFAULT, Duration::from_secs);
        let token = answer["access_token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| denied(format!("`{url}` answered without an access token")))?;
        Ok((token, SystemTime::now() + life))
    }

    async fn impersonate(&self, url: &str, token: &str) -> Result<(String, SystemTime), NoCredentials> {
        let body = json!({ "scope": [SCOPE] }).to_string();
        let mut request = self.request("POST", url, body, "application/json")?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| denied("the exchanged token can't stand in a header".to_owned()))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert("authorization", bearer);
        let answer = parsed(&self.send(request, url).await?);
        let token = answer["accessToken"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| denied(format!("`{url}` answered without an access token")))?;
        let ends = answer["expireTime"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        Ok((token, ends.map_or_else(|| SystemTime::now() + LIFETIME_DEFAULT, SystemTime::from)))
    }

    fn request(&self, method: &str, url: &str, body: String, kind: &'static str) -> Result<HttpRequest, NoCredentials> {
        let bad = |what: &dyn fmt::Display| NoCredentials { class: Class::Invalid, what: format!("`{url}`: {what}") };
        let mut request = HttpRequest::new(HttpRequestBody::from(Bytes::from(body)));
        *request.method_mut() = method.parse().map_err(|error| bad(&error as &dyn fmt::Display))?;
        *request.uri_mut() = url.parse().map_err(|error| bad(&error as &dyn fmt::Display))?;
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        Ok(request)
    }

    /// The body of a good answer.
    async fn send(&self, request: HttpRequest, url: &str) -> Result<Bytes, NoCredentials> {
        let unavailable = |what: String| NoCredentials { class: Class::Unavailable, what: format!("`{url}`: {what}") };
        let answer = async {
            let (parts, body) = self.client.execute(request).await?.into_parts();
            Ok((parts.status, body.bytes().await?))
        };
        let answer = tokio::time::timeout(TIMEOUT, answer).await;
        let answer = answer.map_err(|_| unavailable(format!("no answer within {} s", TIMEOUT.as_secs())))?;
        let (status, body) = answer.map_err(|error: object_store::client::HttpError| unavailable(error.to_string()))?;
        if status.is_success() {
            return Ok(body);
        }
        let said = parsed(&body);
        let said = said["error_description"].as_str().or(said["error"]["message"].as_str()).unwrap_or_default();
        let what = format!("`{url}`: status {} {said}", status.as_u16());
        let class = if status.is_server_error() { Class::Unavailable } else { Class::Denied };
        Err(NoCredentials { class, what: what.trim_end().to_owned() })
    }
}

#[async_trait]
impl CredentialProvider for Federated {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        let credential = self.kept.get(self.fetch()).await;
        credential.map_err(|error| Error::Generic { store: "GCS", source: Box::new(error) })
    }
}

fn denied(what: String) -> NoCredentials {
    NoCredentials { class: Class::Denied, what }
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}
