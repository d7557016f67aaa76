//! `[schemas.registry]`: where ids of schemas are asked.

use std::path::PathBuf;
use std::time::Duration;

use secor_core::shape::{InputFormat, MessageFraming};
use serde::Deserialize;
use url::Url;

use super::Secret;
use super::document::{self, ArchiveTable};
use super::tree::Findings;

/// A Confluent-compatible registry.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    /// Of replicas; at least one.
    pub urls: Vec<Url>,
    pub login: Option<RegistryLogin>,
    /// PEM; trusted beside the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// Of one request.
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub enum RegistryLogin {
    Basic { username: String, password: Secret },
    Bearer(Secret),
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryTable {
    pub urls: Vec<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub ca_file: Option<String>,
    #[serde(deserialize_with = "document::milliseconds")]
    pub timeout: Duration,
}

const TABLE: &str = "schemas.registry";

// === impl RegistryTable ===

impl RegistryTable {
    /// Whether this archive's ids are asked of the registry.
    pub(super) fn serves(&self, archive: &ArchiveTable) -> bool {
        let has_schemas = matches!(archive.input.format, InputFormat::Avro | InputFormat::Protobuf | InputFormat::Json);
        !self.urls.is_empty() && has_schemas && archive.input.framing == MessageFraming::Confluent
    }

    /// What goes together.
    pub(super) fn check(&self, archives: &[ArchiveTable], findings: &mut Findings) {
        if self.urls.is_empty() {
            for key in ["username", "password", "token", "ca_file", "timeout"] {
                let place = format!("{TABLE}.{key}");
                if findings.is_written(&place) {
                    let hint = "add urls = [\"https://registry:8081\"], or leave it out";
                    findings.contradiction(
                        &[&place, "schemas.registry.urls"],
                        "has no effect",
                        "no url is given",
                        hint,
                    );
                }
            }
            return;
        }
        if !archives.iter().any(|archive| self.serves(archive)) {
            let why = "no archive has messages that name a schema of it";
            let hint = "set input.framing = \"confluent\" for `avro`, `protobuf` or `json`, or leave the table out";
            findings.contradiction(&["schemas.registry.urls"], "never used", why, hint);
        }
        if self.username.is_some() != self.password.is_some() {
            let (has, lacks) =
                if self.username.is_some() { ("username", "password") } else { ("password", "username") };
            let (key, other) = (format!("{TABLE}.{has}"), format!("{TABLE}.{lacks}"));
            let (why, hint) = (format!("`{lacks}` is missing"), format!("write {lacks} beside it"));
            findings.contradiction(&[&key, &other], "half a login", why, hint);
        }
        if self.token.is_some() && self.username.is_some() {
            findings.contradiction(
                &["schemas.registry.token", "schemas.registry.username"],
                "ambiguous",
                "there is a token and a username",
                "leave one of the two logins out",
            );
        }
    }

    /// The checked table; `None`: there is no registry.
    pub(super) fn into_registry(self) -> Option<SchemaRegistry> {
        let urls: Vec<Url> = self.urls.iter().filter_map(|url| Url::parse(url).ok()).collect();
        let login = match (self.username, self.password, self.token) {
            (Some(username), Some(password), _) => Some(RegistryLogin::Basic { username, password }),
            (_, _, Some(token)) => Some(RegistryLogin::Bearer(token)),
            _ => None,
        };
        let registry = SchemaRegistry { urls, login, ca_file: self.ca_file.map(PathBuf::from), timeout: self.timeout };
        (!registry.urls.is_empty()).then_some(registry)
    }
}
