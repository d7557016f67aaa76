//! Why a question has no answer yet, or never will.

use std::error::Error;
use std::fmt;

use secor_core::partition::{Refusal, RefusalCode};

use crate::kafka::KafkaError;
use crate::ledger::LedgerError;
use crate::registry::RegistryError;
use crate::store::StoreError;

/// What stands between a question and its answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Time, or somebody, may mend it: ask again.
    Later(String),
    /// The topic partition stops.
    Refuse(Refusal),
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Later(_))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Later(why) => f.write_str(why),
            Self::Refuse(refusal) => fmt::Display::fmt(refusal, f),
        }
    }
}

impl Error for Trouble {}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Later(chain(&error))
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        error.refusal().map_or_else(|| Self::Later(chain(&error)), Self::Refuse)
    }
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::UnknownTopic { .. } | KafkaError::UnknownPartition { .. } => {
                Self::Refuse(Refusal::new(RefusalCode::TopicMissing, error.to_string()))
            }
            error => Self::Later(chain(&error)),
        }
    }
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Later(format!("{}; {}", chain(&error), error.hint()))
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Later(chain(&error))
    }
}

/// An error and its sources on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
