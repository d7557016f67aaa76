//! What can go wrong with a ledger, and which of it stops a topic partition.
//!
//! Three kinds matter: the store does not answer (try again), what is stored is not what the protocol allows there
//! (refuse, R1 and R3: never guess), and there is no ledger where a reading command looked for one.

use secor_core::ids::LedgerId;
use secor_core::json::ParseError;
use secor_core::partition::{Refusal, RefusalCode};

use crate::sql::SqlError;
use crate::store::{ProbeFailure, StoreError};

/// A fact about the ledger that ends an operation.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger's store does not do what it was asked")]
    Store(#[source] Box<StoreError>),
    #[error("the ledger's database does not do what it was asked")]
    Sql(#[source] Box<SqlError>),
    #[error("`{store}` can't hold a ledger")]
    Probe { store: String, source: Box<ProbeFailure> },
    /// The ledger itself is in a database, but `ledger.json` has to be the only one.
    #[error("`{store}` does not create exclusively, so processes that start together can't agree on one `ledger.json`")]
    NeedsInit { store: String, source: Box<ProbeFailure> },
    #[error("{database} does not hold the ledger `{ledger}` that `_secor/ledger.json` names")]
    NotInDatabase { database: String, ledger: LedgerId },
    #[error("{database} holds this ledger for data at `{registered}`, not at `{place}`")]
    OtherPlace { database: String, registered: String, place: String },
    #[error("there is no `_secor/ledger.json`, but {database} holds the ledger `{ledger}` of this place")]
    KnownElsewhere { database: String, ledger: String },
    #[error("there is no ledger at `{0}`")]
    Absent(String),
    /// Where it is now.
    #[error("the ledger was moved to `{0}`")]
    Moved(String),
    /// Where the move leads.
    #[error("a move of the ledger to `{0}` has begun: nothing more is written here")]
    Closed(String),
    #[error("`{key}` can't be read")]
    Unreadable { key: String, source: ParseError },
    #[error("`{key}` has {what} {found}, not {expected}")]
    Mismatch { key: String, what: &'static str, found: String, expected: String },
    #[error("`{0}` stands in a chain and is no part of it")]
    NoEntry(String),
    #[error("`{0}` was listed and is gone")]
    Vanished(String),
    #[error("`{0}` is named by a manifest and is missing")]
    ConfigMissing(String),
    #[error("`{0}` does not hold the bytes that its name promises")]
    ConfigChanged(String),
    /// Create says that the key is taken, reading says that it is free, again and again.
    #[error("the store says that `{0}` exists, and that it does not")]
    Doubtful(String),
}

/// What of a stored form was compared.
pub(super) const LEDGER_ID: &str = "ledger id";
pub(super) const ARBITER: &str = "arbiter";
pub(super) const SCHEMA_VERSION: &str = "version";

// === impl LedgerError ===

impl LedgerError {
    /// Whether trying again may help without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Doubtful(_) => true,
            Self::Sql(error) => error.is_transient(),
            _ => self.store_error().is_some_and(StoreError::is_transient),
        }
    }

    /// What is stored contradicts the protocol: the topic partition stops with this. `None` when the ledger could not
    /// be asked, or is not there at all.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let code = match self {
            Self::Store(_) | Self::Sql(_) | Self::Probe { .. } | Self::NeedsInit { .. } => return None,
            Self::Absent(_) | Self::Doubtful(_) => return None,
            Self::Mismatch { what, .. } if *what == LEDGER_ID => RefusalCode::OtherLedger,
            Self::OtherPlace { .. } => RefusalCode::OtherLedger,
            Self::Moved(_) | Self::Closed(_) => RefusalCode::LedgerMoved,
            Self::NotInDatabase { .. } | Self::KnownElsewhere { .. } => RefusalCode::LedgerLostEntries,
            Self::Mismatch { .. } | Self::Unreadable { .. } | Self::NoEntry(_) => RefusalCode::BadEntry,
            Self::Vanished(_) => RefusalCode::LedgerLostEntries,
            Self::ConfigMissing(_) | Self::ConfigChanged(_) => RefusalCode::ConfigMissing,
        };
        Some(Refusal::new(code, self.chain()))
    }

    /// One line for the person who reads it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if let Some(error) = self.store_error() {
            return error.hint();
        }
        match self {
            Self::Probe { .. } => {
                "this store does not create exclusively, so it can't arbitrate: a ledger of another type \
                 (`ledger.type = \"sql\"`) or another store is needed"
            }
            Self::Sql(error) => error.hint(),
            Self::NeedsInit { .. } => "run `secor ledger init` once, before the first `secor run`",
            Self::NotInDatabase { .. } => {
                "check `ledger.url`; a database that lost its rows must be restored: a new ledger would archive \
                 everything again"
            }
            Self::OtherPlace { .. } => {
                "check `store.url`; when the data was moved, change the row: docs/sql-ledger.md says how"
            }
            Self::KnownElsewhere { .. } => "restore `_secor/ledger.json`: docs/sql-ledger.md says how",
            Self::Mismatch { what, .. } if *what == ARBITER => {
                "set `ledger.type` to what `_secor/ledger.json` says; `secor ledger move` takes a ledger elsewhere"
            }
            Self::Mismatch { what, .. } if *what == SCHEMA_VERSION => "run the newer secor that made these tables",
            Self::Absent(_) => "check `store.url`; the first `secor run` creates the ledger",
            Self::Doubtful(_) => "try again; if it stays so, the store is not consistent and must not hold a ledger",
            _ => self.refusal().map_or("run `secor verify`", |refusal| refusal.code.hint()),
        }
    }

    /// The store's error behind this one, if the store failed.
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::Probe { source, .. } | Self::NeedsInit { source, .. } => match &**source {
                ProbeFailure::Store(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// The error and its causes in one line, for a refusal, which is text.
    fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<SqlError> for LedgerError {
    fn from(error: SqlError) -> Self {
        Self::Sql(Box::new(error))
    }
}
