//! A Confluent-compatible schema registry: which schema has this id?
//!
//! Ids come from the records themselves, so the answer decides what is a bad record, and a wrong one would be archived
//! for ever. There are three, and they must not be confused: a schema, with the texts of all that it refers to; no such
//! schema, which only the registry's own words can say; and no answer, which is never taken for one of the others. A
//! proxy's 404, refused credentials, a time-out: the caller asks again, and records wait.
//!
//! The addresses are taken for replicas of one registry and asked in turn. One that has the schema is believed at once.
//! That there is none is believed only when every address says so: one that does not answer, or is behind, may know
//! better.
//!
//! An id never changes its meaning, so a schema that was found is kept for the life of the process; one that was missing
//! is asked for each time. Deliberately absent: retries (the caller goes on, with growing pauses, until its epoch ends),
//! writing, and any look at what a schema says.

mod answer;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use metrics::counter;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client};
use secor_core::manifest::RegisteredSchema;
use tokio::sync::Semaphore;
use url::Url;

use self::answer::{Answer, Schema};
pub use self::error::{RegistryError, RegistrySetupError};
use crate::config;

/// A registry and what it has said. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SchemaRegistry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    /// At least one.
    urls: Vec<Url>,
    /// The one that answered last.
    preferred: AtomicUsize,
    found: Mutex<BTreeMap<u32, Arc<RegisteredSchema>>>,
    requests: Semaphore,
}

/// Many topic partitions meet a new schema at once; the first to ask saves the others the request.
const REQUESTS_MAX: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of one answer.
const BODY_BYTES_MAX: usize = 16 << 20;
/// Texts that one schema can refer to, directly or not.
const REFERENCES_MAX: usize = 1_000;
const MEDIA_TYPES: &str = "application/vnd.schemaregistry.v1+json, application/json;q=0.9";

// === impl SchemaRegistry ===

impl SchemaRegistry {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    /// When the file of certificates can't be used.
    pub fn new(settings: &config::SchemaRegistry) -> Result<Self, RegistrySetupError> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MEDIA_TYPES))]);
        if let Some(login) = &settings.login {
            let text = match login {
                config::RegistryLogin::Basic { username, password } => {
                    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.expose())))
                }
                config::RegistryLogin::Bearer(token) => format!("Bearer {}", token.expose()),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| RegistrySetupError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut client =
            Client::builder().default_headers(headers).connect_timeout(CONNECT_TIMEOUT).timeout(settings.timeout);
        if let Some(file) = &settings.ca_file {
            let name = || file.display().to_string();
            let pem = std::fs::read(file).map_err(|source| RegistrySetupError::CaFile { file: name(), source })?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(RegistrySetupError::NoCertificate(name()));
            }
            client = certificates.into_iter().fold(client, reqwest::ClientBuilder::add_root_certificate);
        }
        let client = client.build().map_err(RegistrySetupError::Client)?;
        Ok(Self(Arc::new(Inner {
            client,
            urls: settings.urls.clone(),
            preferred: AtomicUsize::new(0),
            found: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
        })))
    }

    /// The schema of this id; `None`: every address says that there is none.
    ///
    /// # Errors
    /// When it is not known. Time, or somebody, may mend it: ask again.
    pub async fn schema(&self, id: u32) -> Result<Option<Arc<RegisteredSchema>>, RegistryError> {
        if let Some(known) = self.known(id) {
            return Ok(Some(known));
        }
        let _turn = self.0.requests.acquire().await.expect("the semaphore is never closed");
        if let Some(known) = self.known(id) {
            return Ok(Some(known));
        }
        let asked = self.ask(id).await;
        let result = match &asked {
            Ok(Some(_)) => "found",
            Ok(None) => "missing",
            Err(_) => "failed",
        };
        counter!("secor_schema_registry_questions_total", "result" => result).increment(1);
        let Some(schema) = asked? else { return Ok(None) };
        let schema = Arc::new(schema);
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&schema));
        Ok(Some(schema))
    }

    /// Whether each address answers and takes the credentials; for `secor check`.
    ///
    /// # Errors
    /// Of the first that does not.
    pub async fn check(&self) -> Result<(), RegistryError> {
        for url in &self.0.urls {
            if self.get::<serde_json::Value>(url, &["schemas", "types"]).await? == Answer::Missing {
                return Err(RegistryError::NoRegistry { url: url.to_string() });
            }
        }
        Ok(())
    }

    fn known(&self, id: u32) -> Option<Arc<RegisteredSchema>> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    async fn ask(&self, id: u32) -> Result<Option<RegisteredSchema>, RegistryError> {
        let Some(main) = self.get_anywhere(&["schemas", "ids", &id.to_string()]).await? else { return Ok(None) };
        let mut texts = BTreeMap::new();
        let mut needed = VecDeque::from(main.references);
        while let Some(reference) = needed.pop_front() {
            if texts.contains_key(&reference.name) {
                continue;
            }
            if texts.len() == REFERENCES_MAX {
                return Err(RegistryError::TooManyReferences { id });
            }
            let version = reference.version.to_string();
            let path = ["subjects", reference.subject.as_str(), "versions", &version];
            // a schema of which a part is gone can't be read by anybody
            let Some(schema) = self.get_anywhere(&path).await? else { return Ok(None) };
            texts.insert(reference.name, schema.text);
            needed.extend(schema.references);
        }
        let kind = main.kind.unwrap_or_else(|| "AVRO".to_owned());
        Ok(Some(RegisteredSchema::new(kind, main.text, texts)))
    }

    /// `None`: every address says that there is no such thing.
    async fn get_anywhere(&self, path: &[&str]) -> Result<Option<Schema>, RegistryError> {
        let (urls, first) = (&self.0.urls, self.0.preferred.load(Ordering::Relaxed));
        let mut failure = None;
        for step in 0..urls.len() {
            let index = (first + step) % urls.len();
            match self.get(&urls[index], path).await {
                Ok(Answer::Found(schema)) => {
                    self.0.preferred.store(index, Ordering::Relaxed);
                    return Ok(Some(schema));
                }
                Ok(Answer::Missing) => {}
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(None), Err)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, base: &Url, path: &[&str]) -> Result<Answer<T>, RegistryError> {
        let mut url = base.clone();
        url.path_segments_mut().expect("an http url has a path").pop_if_empty().extend(path);
        // what is deleted softly is still referred to
        url.set_query(Some("deleted=true"));
        let unanswered = |source: reqwest::Error| RegistryError::Unanswered {
            url: base.to_string(),
            source: Box::new(source.without_url()),
        };
        let mut response = self.0.client.get(url).send().await.map_err(unanswered)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unanswered)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(RegistryError::TooLong { url: base.to_string() });
            }
            body.extend_from_slice(&chunk);
        }
        answer::read(base, status, &body)
    }
}
