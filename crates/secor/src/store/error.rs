//! What can go wrong at a store, in classes that say what to do about it.
//!
//! A store has hundreds of ways to say no; a caller has five ways to react. So an error is a class, the facts (store,
//! operation, key, HTTP status) for the log line, and a hint for the person who reads it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// No answer, or a promise of a better one later: try again.
    Unavailable,
    /// The disk or the quota is full: try again, but call somebody.
    Full,
    /// The credentials are not good for this.
    Denied,
    /// The bucket or the root folder isn't there.
    Missing,
    /// The request itself is wrong, or this store can't do it: trying again is useless.
    Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Open,
    Create,
    Head,
    Get,
    Read,
    Checksum,
    List,
    Folders,
    MakeDurable,
    Delete,
    Traits,
}

/// A request that failed. `Display` prints store, operation, key and what happened; a source, where there is one, is
/// the operating system's error.
#[derive(Debug, thiserror::Error)]
#[error("{store}: {operation}{}: {what}", self.key_text())]
pub struct StoreError {
    pub class: Class,
    /// The url of the store.
    pub store: Arc<str>,
    pub operation: Operation,
    /// `None` when the request was not about one object or folder.
    pub key: Option<String>,
    /// The HTTP status, if the store gave one.
    pub status: Option<u16>,
    /// What happened, in words.
    pub what: String,
    /// A hint that fits better than the one of the class.
    pub(super) special_hint: Option<&'static str>,
    #[source]
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

// === impl StoreError ===

impl StoreError {
    pub(super) fn new(class: Class, store: &Arc<str>, operation: Operation, what: impl Into<String>) -> Self {
        Self {
            class,
            store: Arc::clone(store),
            operation,
            key: None,
            status: None,
            what: what.into(),
            special_hint: None,
            source: None,
        }
    }

    pub(super) fn with_key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    pub(super) fn with_status(self, status: Option<u16>) -> Self {
        Self { status, ..self }
    }

    pub(super) fn with_hint(self, hint: &'static str) -> Self {
        Self { special_hint: Some(hint), ..self }
    }

    pub(super) fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Whether the same request may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.class, Class::Unavailable | Class::Full)
    }

    /// One line for the person who reads the error.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.special_hint.unwrap_or_else(|| self.class.hint())
    }

    fn key_text(&self) -> String {
        self.key.as_ref().map(|key| format!(" `{key}`")).unwrap_or_default()
    }
}

// === impl Class ===

impl Class {
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Unavailable => {
                "check that the store is up and that this host reaches it; secor goes on when it answers"
            }
            Self::Full => "make room; nothing is lost, the batch is uploaded when there is space again",
            Self::Denied => {
                "check the credentials and that they allow reading, writing and listing below the store's url (on S3: \
                 s3:GetObject, s3:PutObject, s3:ListBucket)"
            }
            Self::Missing => "create the bucket or folder that `store.url` names; secor never creates it",
            Self::Invalid => "correct the `[store]` section of the configuration",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
        })
    }
}

// === impl Operation ===

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Head => "head",
            Self::Get => "get",
            Self::Read => "read",
            Self::Checksum => "checksum",
            Self::List => "list",
            Self::Folders => "list folders",
            Self::MakeDurable => "sync",
            Self::Delete => "delete",
            Self::Traits => "ask for traits",
        })
    }
}
