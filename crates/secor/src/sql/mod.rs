//! A relational database, as the ledger and the index use one: statements of one row, each a transaction of its own.
//!
//! One form for PostgreSQL, MySQL and MariaDB, and SQLite: statements are written with `?`, values are text, bytes or
//! integers, and every selected column comes back as bytes (integers are cast to text in the statement). What differs
//! between the three is in [`Dialect`].
//!
//! What the ledger rests on is arranged here, for every connection and not by the administrator's good will:
//! - **only the primary**: before each statement the connection is asked whether its server takes writes; a standby
//!   may show an old state, in which a slot looks free that is not;
//! - **the newest state**: every statement is a transaction of its own, at read committed, so it sees what was committed
//!   before it began;
//! - **what is acknowledged stays**: synchronous commits are switched on where a default has switched them off;
//! - **nothing is cut to fit**: MySQL's strict mode, which refuses what is too long instead of shortening it.
//!
//! A connection is used by one statement at a time. One that failed, or whose statement was given up, is closed and
//! never used again, so an answer can't be taken for another's. Each statement runs in a task of its own: a caller that
//! is not polled for a while, such as a stream with reads in flight, must not hold one of the few connections.
//!
//! Deliberately absent: retries (callers repeat what
//! [`SqlError::is_transient`] allows), transactions over several statements, and prepared statements shared through a
//! proxy. This room is the only one that names `sqlx`.

mod connection;
mod error;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use self::connection::Connection;
pub use self::error::{Class, SqlError};
use crate::config::Secret;

/// Connections of one process to one database.
const CONNECTIONS_MAX: usize = 8;
/// To connect, log in and prepare a session.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// For one statement, the question to the server's role included; above the server's own limit.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(40);

/// Which language is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

/// A value in a statement.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Integer(i64),
    /// A missing integer.
    NoInteger,
    /// A missing text.
    NoText,
}

/// The columns of a row as bytes; `None` is NULL.
pub type Row = Vec<Option<Vec<u8>>>;

/// A value that a task owns.
#[derive(Clone, Debug)]
enum Owned {
    Text(Option<String>),
    Bytes(Vec<u8>),
    Integer(Option<i64>),
}

/// A database that is reached when it is asked. `Display` prints its url without user, password and parameters. Cheap to
/// clone; clones share connections.
#[derive(Clone)]
pub struct Database {
    pool: Arc<Pool>,
}

struct Pool {
    location: Location,
    label: Arc<str>,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

/// Where it is; of the first two the whole url, with the password.
enum Location {
    Postgres(Secret),
    MySql(Secret),
    Sqlite(PathBuf),
}

// === impl Database ===

impl Database {
    /// Asks nothing of the database: whether it answers shows at the first statement.
    ///
    /// # Errors
    /// [`Class::Invalid`] when the url names no database.
    pub fn new(url: &Secret) -> Result<Self, SqlError> {
        let (location, label) = locate(url)?;
        let permits = Semaphore::new(CONNECTIONS_MAX);
        Ok(Self { pool: Arc::new(Pool { location, label: Arc::from(label), permits, idle: Mutex::default() }) })
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.pool.location {
            Location::Postgres(_) => Dialect::Postgres,
            Location::MySql(_) => Dialect::MySql,
            Location::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Executes one statement and returns its rows. Dropping the future leaves the statement running.
    ///
    /// # Errors
    /// [`SqlError`]. After [`Class::Unavailable`] it is open whether the statement was executed.
    pub async fn query(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, SqlError> {
        let (statement, values) = (statement.to_owned(), values.iter().map(|value| value.owned()).collect());
        self.in_task(|pool| async move { pool.query(&statement, values).await }).await
    }

    /// Executes several statements without values, as one text; for tables and views.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn script(&self, statements: &str) -> Result<(), SqlError> {
        let statements = statements.to_owned();
        self.in_task(|pool| async move { pool.script(&statements).await }).await
    }

    async fn in_task<T, F>(&self, work: impl FnOnce(Arc<Pool>) -> F) -> Result<T, SqlError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SqlError>> + Send + 'static,
    {
        let done = tokio::spawn(work(Arc::clone(&self.pool))).await;
        done.unwrap_or_else(|error| Err(SqlError::new(Class::Unavailable, &self.pool.label, error.to_string())))
    }
}

// === impl Pool ===

impl Pool {
    async fn query(&self, statement: &str, values: Vec<Owned>) -> Result<Vec<Row>, SqlError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut connection = self.primary().await?;
        let answer = timeout(STATEMENT_TIMEOUT, connection.fetch(statement, values)).await;
        let rows = match answer {
            Ok(answer) => answer.map_err(|error| SqlError::of(&self.label, &error)),
            Err(_) => return Err(self.silent(STATEMENT_TIMEOUT)),
        };
        // what is still busy, or may be broken, is not kept
        if rows.as_ref().map_or_else(SqlError::leaves_connection_usable, |_| true) {
            self.idle().push(connection);
        }
        rows
    }

    async fn script(&self, statements: &str) -> Result<(), SqlError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut connection = self.primary().await?;
        let done = timeout(STATEMENT_TIMEOUT, connection.script(statements)).await;
        done.map_err(|_| self.silent(STATEMENT_TIMEOUT))?.map_err(|error| SqlError::of(&self.label, &error))
    }

    /// A connection to a server that takes writes, new if no idle one is good.
    async fn primary(&self) -> Result<Connection, SqlError> {
        loop {
            let idle = self.idle().pop();
            let (mut connection, is_new) = match idle {
                Some(connection) => (connection, false),
                None => (self.connect().await?, true),
            };
            match timeout(STATEMENT_TIMEOUT, connection.is_primary()).await {
                Ok(Ok(true)) => return Ok(connection),
                // the next one may be to another server
                _ if !is_new => {}
                Ok(Ok(false)) => return Err(SqlError::standby(&self.label)),
                Ok(Err(error)) => return Err(SqlError::of(&self.label, &error)),
                Err(_) => return Err(self.silent(STATEMENT_TIMEOUT)),
            }
        }
    }

    async fn connect(&self) -> Result<Connection, SqlError> {
        let opened = match &self.location {
            Location::Postgres(url) => timeout(CONNECT_TIMEOUT, Connection::postgres(url.expose())).await,
            Location::MySql(url) => timeout(CONNECT_TIMEOUT, Connection::mysql(url.expose())).await,
            Location::Sqlite(path) => timeout(CONNECT_TIMEOUT, Connection::sqlite(path)).await,
        };
        opened.map_err(|_| self.silent(CONNECT_TIMEOUT))?.map_err(|error| SqlError::of(&self.label, &error))
    }

    fn silent(&self, waited: Duration) -> SqlError {
        SqlError::new(Class::Unavailable, &self.label, format!("no answer for {} s", waited.as_secs()))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pool.label)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.pool.label).finish()
    }
}

// === impl Value ===

impl Value<'_> {
    fn owned(self) -> Owned {
        match self {
            Self::Text(text) => Owned::Text(Some(text.to_owned())),
            Self::Bytes(bytes) => Owned::Bytes(bytes.to_vec()),
            Self::Integer(integer) => Owned::Integer(Some(integer)),
            Self::NoInteger => Owned::Integer(None),
            Self::NoText => Owned::Text(None),
        }
    }
}

/// The url's meaning, and what of it may be printed.
fn locate(url: &Secret) -> Result<(Location, String), SqlError> {
    let text = url.expose();
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let label = |parsed: &Url| {
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}{}", parsed.scheme(), parsed.host_str().unwrap_or("localhost"), parsed.path())
    };
    let invalid = |what: &str| SqlError::new(Class::Invalid, &Arc::from(format!("{scheme}://")), what);
    match scheme {
        "postgres" | "postgresql" | "mysql" | "mariadb" => {
            let parsed = Url::parse(text).map_err(|error| invalid(&format!("the url can't be parsed: {error}")))?;
            if parsed.path().trim_start_matches('/').is_empty() {
                return Err(invalid("the url names no database"));
            }
            let label = label(&parsed);
            Ok(match scheme {
                "postgres" | "postgresql" => (Location::Postgres(url.clone()), label),
                _ => (Location::MySql(url.clone()), label),
            })
        }
        "sqlite" => {
            let path = PathBuf::from(text.trim_start_matches("sqlite://"));
            if !path.is_absolute() {
                return Err(invalid("the url names no absolute path"));
            }
            Ok((Location::Sqlite(path), text.to_owned()))
        }
        _ => Err(invalid("it is no database that secor knows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let url = Secret::new("postgres://secor:hush@db.example.com:5433/archive?sslmode=require&password=hush");
        let database = Database::new(&url).expect("a url");
        let printed = format!("{database} {database:?}");
        assert_eq!(database.to_string(), "postgres://db.example.com:5433/archive");
        assert!(!printed.contains("hush"), "{printed}");
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["oracle://host/db", "postgres://host", "sqlite://relative.db", "mysql://", "x"] {
            let error = Database::new(&Secret::new(url)).expect_err(url);
            assert_eq!(error.class, Class::Invalid, "{error}");
        }
    }

    /// As when a stream holds reads that nobody polls, and its consumer asks something else meanwhile.
    #[tokio::test]
    async fn statements_that_nobody_waits_for_hold_no_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            Database::new(&Secret::new(format!("sqlite://{}/x.db", folder.path().display()))).expect("a url");
        let mut held: Vec<_> = (0..2 * CONNECTIONS_MAX).map(|_| Box::pin(database.query("SELECT 1", &[]))).collect();
        for query in &mut held {
            // begun, and then left alone
            assert!(futures::poll!(query.as_mut()).is_pending());
        }
        let answer = timeout(STATEMENT_TIMEOUT, database.query("SELECT CAST(2 AS TEXT)", &[])).await;
        assert_eq!(answer.expect("an answer").expect("rows"), [vec![Some(b"2".to_vec())]]);
        drop(held);
    }

    #[tokio::test]
    async fn values_come_back_as_they_went_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            Database::new(&Secret::new(format!("sqlite://{}/x.db", folder.path().display()))).expect("a url");
        database.script("CREATE TABLE t (a TEXT, b BLOB, c INTEGER, d INTEGER, e TEXT)").await.expect("creates");
        let row = [Value::Text("ä "), Value::Bytes(&[0, 255]), Value::Integer(-7), Value::NoInteger, Value::NoText];
        database.query("INSERT INTO t VALUES (?, ?, ?, ?, ?)", &row).await.expect("inserts");
        let rows = database.query("SELECT a, b, CAST(c AS TEXT), d, e FROM t", &[]).await.expect("selects");
        assert_eq!(rows, [vec![Some("ä ".into()), Some(vec![0, 255]), Some("-7".into()), None, None]]);
        let error = database.query("SELECT a FROM nowhere", &[]).await.expect_err("no such table");
        assert_eq!(error.class, Class::NoTable, "{error}");
    }
}
