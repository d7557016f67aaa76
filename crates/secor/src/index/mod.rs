//! The index: a table in a database with a row for every archived file, for people and programs that ask in SQL which
//! file holds an offset, or what came in between two times.
//!
//! It never arbitrates and never blocks: the ledger knows all of it, the index is a copy. [`Feeder`] adds the rows of a
//! batch after it is complete; what it can't add now it adds later, by following the chain from where the rows end.
//! [`Index::sync`] makes the rows anew from the ledger.
//!
//! Persisted: the tables, versioned as the ledger's are ([`crate::ledger::schema`]).
//!
//! Deliberately absent: reading it. No command of secor asks the index anything but where its rows end.

mod feed;
mod rows;
mod tables;
#[cfg(test)]
mod tests;

pub use self::feed::Feeder;
pub use self::rows::Synced;
use crate::config::Secret;
use crate::ledger::{LedgerError, schema};
use crate::sql::{Database, SqlError};
use crate::store::StoreError;

/// The rows of one ledger's files.
#[derive(Clone, Debug)]
pub struct Index {
    database: Database,
}

/// What keeps rows from the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index can't be written")]
    Sql(#[from] SqlError),
    #[error("the ledger can't be read for the index")]
    Ledger(#[from] LedgerError),
    #[error("a file can't be looked at for the index")]
    Store(#[from] StoreError),
    #[error("the index has a row that secor did not write: {0}")]
    Foreign(String),
}

// === impl Index ===

impl Index {
    /// Asks nothing of the database.
    ///
    /// # Errors
    /// When the url names no database.
    pub fn new(url: &Secret) -> Result<Self, SqlError> {
        Ok(Self { database: Database::new(url)? })
    }

    /// Makes the tables if they are missing.
    ///
    /// # Errors
    /// When the database can't be asked, does not allow it, or has tables of a newer secor.
    pub async fn prepare(&self) -> Result<(), IndexError> {
        Ok(schema::make(&self.database, tables::INDEX).await?)
    }
}
