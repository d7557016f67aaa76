//! One connection, prepared as the ledger needs it, in three languages.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Error, Row as _};

use super::{Owned, Row};

/// How long SQLite waits for another writer.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Statements are given up by the server after 30 seconds, waits for locks after 10. A commit that is not yet on disk,
/// or not yet on the synchronous standby, would not be an acknowledged one.
const POSTGRES_SESSION: &str = "\
    SET statement_timeout = 30000; \
    SET lock_timeout = 10000; \
    SET default_transaction_isolation = 'read committed'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
const MYSQL_SESSION: &str = "\
    SET SESSION autocommit = 1; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET SESSION innodb_lock_wait_timeout = 10; \
    SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')";

const POSTGRES_PRIMARY: &str = "\
    SELECT CASE WHEN pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' \
    THEN 'standby' ELSE 'primary' END";
const MYSQL_PRIMARY: &str = "SELECT CASE WHEN @@global.read_only THEN 'standby' ELSE 'primary' END";

pub(super) enum Connection {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// All rows of a statement; the types of the three drivers have no trait in common that would say this once.
macro_rules! fetch {
    ($connection:expr, $statement:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($statement));
        for value in $values {
            query = match value {
                Owned::Text(text) => query.bind(text),
                Owned::Bytes(bytes) => query.bind(bytes),
                Owned::Integer(integer) => query.bind(integer),
            };
        }
        let rows = query.fetch_all($connection).await?;
        rows.iter().map(|row| (0..row.len()).map(|column| row.try_get_unchecked(column)).collect()).collect()
    }};
}

// === impl Connection ===

impl Connection {
    pub(super) async fn postgres(url: &str) -> Result<Self, Error> {
        choose_cryptography();
        let options = PgConnectOptions::from_str(url)?.application_name("secor").disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(POSTGRES_SESSION).execute(&mut connection).await?;
        Ok(Self::Postgres(connection))
    }

    pub(super) async fn mysql(url: &str) -> Result<Self, Error> {
        choose_cryptography();
        let options = MySqlConnectOptions::from_str(url)?.disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::raw_sql(MYSQL_SESSION).execute(&mut connection).await?;
        Ok(Self::MySql(connection))
    }

    /// Creates the file if it is missing. Every commit is synced; the log beside the file lets readers go on meanwhile.
    pub(super) async fn sqlite(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(SQLITE_BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .disable_statement_logging();
        Ok(Self::Sqlite(options.connect().await?))
    }

    /// Does this server take writes? Also finds a connection that is dead.
    pub(super) async fn is_primary(&mut self) -> Result<bool, Error> {
        let statement = match self {
            Self::Postgres(_) => POSTGRES_PRIMARY,
            Self::MySql(_) => MYSQL_PRIMARY,
            Self::Sqlite(_) => return Ok(true),
        };
        let rows = self.fetch(statement, Vec::new()).await?;
        let word = rows.first().and_then(|row| row.first()?.as_deref());
        Ok(word == Some(b"primary".as_slice()))
    }

    /// `statement` is one of this crate's own texts: values from outside are in `values` only.
    pub(super) async fn fetch(&mut self, statement: &str, values: Vec<Owned>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Postgres(connection) => fetch!(connection, numbered(statement), values),
            Self::MySql(connection) => fetch!(connection, statement.to_owned(), values),
            Self::Sqlite(connection) => fetch!(connection, statement.to_owned(), values),
        }
    }

    /// `statements` are this crate's own text.
    pub(super) async fn script(&mut self, statements: &str) -> Result<(), Error> {
        let statements = AssertSqlSafe(statements.to_owned());
        match self {
            Self::Postgres(connection) => sqlx::raw_sql(statements).execute(connection).await.map(drop),
            Self::MySql(connection) => sqlx::raw_sql(statements).execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::raw_sql(statements).execute(connection).await.map(drop),
        }
    }
}

/// Where an authority is checked and the host is not (`verify-ca`), sqlx takes the process's choice, and panics when there
/// is none, although two are built in.
fn choose_cryptography() {
    // it was chosen before
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// PostgreSQL's placeholders have numbers. No statement of this crate has a question mark in a text.
fn numbered(statement: &str) -> String {
    let mut numbered = String::with_capacity(statement.len() + 8);
    for (index, part) in statement.split('?').enumerate() {
        if index > 0 {
            numbered.push_str(&format!("${index}"));
        }
        numbered.push_str(part);
    }
    numbered
}
