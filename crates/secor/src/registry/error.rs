//! Why a registry did not say whether it has a schema. All of it waits for time or for somebody: nothing here makes a
//! record bad.

/// A question to the registry that has no answer yet.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the schema registry at {url} does not answer")]
    Unanswered { url: String, source: Box<reqwest::Error> },
    #[error("the schema registry at {url} refuses the credentials (status {status})")]
    Refused { url: String, status: u16 },
    #[error("the schema registry at {url} answers with status {status}: {said}")]
    Failed { url: String, status: u16, said: String },
    #[error("the schema registry at {url} answers with something that can't be read")]
    Unreadable { url: String, source: serde_json::Error },
    #[error("the schema registry at {url} answers with more than 16 MiB")]
    TooLong { url: String },
    #[error("what answers at {url} does not say which types of schemas it has")]
    NoRegistry { url: String },
    #[error("schema {id} refers to more than 1000 others")]
    TooManyReferences { id: u32 },
}

/// Why there is no client for a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySetupError {
    #[error("the certificates `{file}` can't be read")]
    CaFile { file: String, source: std::io::Error },
    #[error("`{0}` holds no certificate")]
    NoCertificate(String),
    #[error("the login holds a character that no HTTP header can")]
    Token,
    #[error("the HTTP client can't be made")]
    Client(#[source] reqwest::Error),
}

// === impl RegistryError ===

impl RegistryError {
    /// One line for the person who reads it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "correct the login in [schemas.registry]",
            Self::Unanswered { .. } => "check schemas.registry.urls, and whether the registry runs",
            Self::Failed { .. } | Self::Unreadable { .. } | Self::NoRegistry { .. } => {
                "schemas.registry.urls must lead to where `/schemas/ids/1` can be asked"
            }
            Self::TooLong { .. } | Self::TooManyReferences { .. } => "no message can be read by such a schema",
        }
    }
}

// === impl RegistrySetupError ===

impl RegistrySetupError {
    /// One line for the person who reads it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::CaFile { .. } | Self::NoCertificate(_) => {
                "`schemas.registry.ca_file` names a PEM file with one certificate or more"
            }
            Self::Token => "look for a line break in the password or token",
            Self::Client(_) => "the system's certificates may be missing: install ca-certificates",
        }
    }
}
