//! What can go wrong at a database, in classes that say what to do about it.

use std::sync::Arc;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::mysql::MySqlDatabaseError;

/// What a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// No answer, a lost connection, a deadlock, too many connections: try again.
    Unavailable,
    /// The server takes no writes now: it is a standby, or was told not to.
    Standby,
    /// The primary key is taken: an outcome of inserts.
    Taken,
    /// The row that this one belongs to is not there.
    NoParent,
    /// The table is not there.
    NoTable,
    /// The login is not good for this.
    Denied,
    /// The server's certificate is not trusted.
    Untrusted,
    /// The url, the database or the statement is wrong: trying again is useless.
    Invalid,
}

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
#[error("{database}: {what}")]
pub struct SqlError {
    pub class: Class,
    /// The url of the database, without user and password.
    pub database: Arc<str>,
    /// What happened, in the words of the server or the driver.
    pub what: String,
}

// === impl SqlError ===

impl SqlError {
    pub(super) fn new(class: Class, database: &Arc<str>, what: impl Into<String>) -> Self {
        Self { class, database: Arc::clone(database), what: what.into() }
    }

    pub(super) fn of(database: &Arc<str>, error: &sqlx::Error) -> Self {
        let (class, what) = match error {
            sqlx::Error::Database(error) => (class_of(&**error), error.message().to_owned()),
            sqlx::Error::Configuration(error) => (Class::Invalid, error.to_string()),
            sqlx::Error::Tls(error) => (Class::Untrusted, format!("TLS: {error}")),
            // what rustls says in the middle of a handshake
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                (Class::Untrusted, format!("TLS: {error}"))
            }
            error => (Class::Unavailable, error.to_string()),
        };
        Self::new(class, database, what)
    }

    pub(super) fn standby(database: &Arc<str>) -> Self {
        Self::new(Class::Standby, database, "is a standby or read-only")
    }

    /// Whether the same statement may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.class, Class::Unavailable | Class::Standby)
    }

    /// Did the server answer, so that the connection is good for the next statement?
    pub(super) fn leaves_connection_usable(&self) -> bool {
        matches!(self.class, Class::Taken | Class::NoParent | Class::NoTable)
    }

    /// One line for the person who reads the error.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.class {
            Class::Unavailable => {
                "check that the database is up and that this host reaches it; secor goes on when it answers"
            }
            Class::Standby => {
                "the url must lead to the primary: a standby may show an old state; after a failover secor goes on by itself"
            }
            Class::Denied => "check user and password, and the grants that docs/sql-ledger.md lists",
            Class::Untrusted => {
                "name the certificate of the database's authority in the url, `sslrootcert=/path` or `ssl-ca=/path`; the \
                 host must be the one that the server's certificate names"
            }
            Class::NoTable => "`secor ledger init` creates the tables of a new ledger; restore those of an old one",
            Class::Taken | Class::NoParent | Class::Invalid => {
                "correct the url: `postgres://user:password@host/database`, `mysql://...` or `sqlite:///absolute/file`"
            }
        }
    }
}

fn class_of(error: &dyn DatabaseError) -> Class {
    match error.kind() {
        ErrorKind::UniqueViolation => return Class::Taken,
        ErrorKind::ForeignKeyViolation => return Class::NoParent,
        _ => {}
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return class_of_mysql(error.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return class_of_sqlite(&code, error.message());
    }
    class_of_state(&code)
}

/// By PostgreSQL's SQLSTATE.
fn class_of_state(code: &str) -> Class {
    match code {
        "25006" => Class::Standby,
        "42P01" => Class::NoTable,
        "42501" => Class::Denied,
        _ if code.starts_with("28") => Class::Denied,
        _ if code.starts_with("42") || code.starts_with("3D") || code.starts_with("22") => Class::Invalid,
        _ => Class::Unavailable,
    }
}

/// By the server's error number.
fn class_of_mysql(number: u16) -> Class {
    match number {
        1290 | 1792 | 1836 | 3100 => Class::Standby,
        1146 => Class::NoTable,
        1044 | 1045 | 1142 | 1143 | 1227 | 1698 => Class::Denied,
        1046 | 1049 | 1054 | 1064 | 1406 => Class::Invalid,
        _ => Class::Unavailable,
    }
}

/// By the primary result code, which is the low byte.
fn class_of_sqlite(code: &str, message: &str) -> Class {
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        1 if message.contains("no such table") => Class::NoTable,
        1 | 14 | 26 => Class::Invalid,
        3 | 8 | 23 => Class::Denied,
        _ => Class::Unavailable,
    }
}
