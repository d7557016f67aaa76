//! The tables in a database, and their versions.
//!
//! `secor_schema` says for each component which version its tables have. Steps are only added, never changed: a step
//! that ran somewhere can't be taken back. Each is written so that running it twice, or in two processes at once, does
//! no harm, because MySQL can't undo the making of a table.

use super::LedgerError;
use super::error::SCHEMA_VERSION;
use crate::sql::{Class, Database, Dialect, SqlError, Value};

/// Tables that belong together.
pub(crate) struct Component {
    /// Persisted, never change.
    pub name: &'static str,
    /// By version, from 1.
    pub steps: &'static [Step],
}

/// What leads from one version to the next, in three languages.
pub(crate) struct Step {
    pub postgres: &'static str,
    pub mysql: &'static str,
    pub sqlite: &'static str,
}

/// Paths are compared by their bytes: `COLLATE "C"`, `VARBINARY` (MySQL's binary collations of text ignore trailing
/// spaces), SQLite's own default. 600 bytes hold the longest path: a topic has at most 249.
pub(crate) const LEDGER: Component = Component {
    name: "ledger",
    steps: &[Step {
        postgres: "\
CREATE TABLE IF NOT EXISTS secor_ledgers (
    ledger_id text COLLATE \"C\" PRIMARY KEY,
    store text COLLATE \"C\" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS secor_ledger (
    ledger_id text COLLATE \"C\" NOT NULL REFERENCES secor_ledgers (ledger_id),
    path text COLLATE \"C\" NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (ledger_id, path)
);",
        mysql: "\
CREATE TABLE IF NOT EXISTS secor_ledgers (
    ledger_id VARBINARY(32) NOT NULL PRIMARY KEY,
    store VARBINARY(1100) NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS secor_ledger (
    ledger_id VARBINARY(32) NOT NULL,
    path VARBINARY(600) NOT NULL,
    body LONGBLOB NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (ledger_id, path),
    FOREIGN KEY (ledger_id) REFERENCES secor_ledgers (ledger_id)
) ENGINE=InnoDB;",
        sqlite: "\
CREATE TABLE IF NOT EXISTS secor_ledgers (
    ledger_id TEXT NOT NULL PRIMARY KEY,
    store TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secor_ledger (
    ledger_id TEXT NOT NULL REFERENCES secor_ledgers (ledger_id),
    path TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (ledger_id, path)
);",
    }],
};

const VERSIONS: Step = Step {
    postgres: "\
CREATE TABLE IF NOT EXISTS secor_schema (
    component text COLLATE \"C\" NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, version)
);",
    mysql: "\
CREATE TABLE IF NOT EXISTS secor_schema (
    component VARBINARY(32) NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (component, version)
) ENGINE=InnoDB;",
    sqlite: "\
CREATE TABLE IF NOT EXISTS secor_schema (
    component TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (component, version)
) WITHOUT ROWID;",
};

/// The version of a component's tables; `None` when they were never made.
///
/// # Errors
/// When the database can't be asked, or a newer secor has made them.
pub(crate) async fn expect(database: &Database, component: Component) -> Result<Option<usize>, LedgerError> {
    let cast = if database.dialect() == Dialect::MySql { "CHAR" } else { "TEXT" };
    let statement = format!("SELECT CAST(MAX(version) AS {cast}) FROM secor_schema WHERE component = ?");
    let rows = match database.query(&statement, &[Value::Text(component.name)]).await {
        Err(SqlError { class: Class::NoTable, .. }) => return Ok(None),
        rows => rows?,
    };
    let version = rows.into_iter().next().and_then(|row| row.into_iter().next()?);
    let version = version.and_then(|text| std::str::from_utf8(&text).ok()?.parse::<usize>().ok());
    let known = component.steps.len();
    match version {
        Some(version) if version > known => Err(LedgerError::Mismatch {
            key: format!("{database}: secor_schema"),
            what: SCHEMA_VERSION,
            found: format!("`{version}` of `{}`", component.name),
            expected: format!("at most `{known}`"),
        }),
        version => Ok(version),
    }
}

/// Makes the tables, or brings them up to the version that this program knows.
///
/// # Errors
/// As [`expect`], and when the login may not make tables.
pub(crate) async fn make(database: &Database, component: Component) -> Result<(), LedgerError> {
    let (name, steps) = (component.name, component.steps);
    let version = expect(database, component).await?.unwrap_or(0);
    if version == 0 {
        run(database, &VERSIONS).await?;
    }
    for (step, version) in steps.iter().zip(1..).skip(version) {
        run(database, step).await?;
        let insert = "INSERT INTO secor_schema (component, version) VALUES (?, ?)";
        match database.query(insert, &[Value::Text(name), Value::Integer(version)]).await {
            Err(SqlError { class: Class::Taken, .. }) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn run(database: &Database, step: &Step) -> Result<(), SqlError> {
    match database.dialect() {
        // two processes that make the same table at once would collide in the catalogue
        Dialect::Postgres => {
            let text = step.postgres;
            database.script(&format!("BEGIN; SELECT pg_advisory_xact_lock(7299075); {text} COMMIT;")).await
        }
        Dialect::MySql => database.script(step.mysql).await,
        Dialect::Sqlite => database.script(&format!("BEGIN IMMEDIATE; {} COMMIT;", step.sqlite)).await,
    }
}
