//! The arbiter in a database: one table, whose primary key decides.
//!
//! `secor_ledger` has a row for every path below `_secor/` that must have one creator; `secor_ledgers` a row for every
//! ledger, so that a database which lost its ledger (or got an older one back) is told from one that never had it. A
//! path is compared byte by byte, whatever the database's own collation makes of case and trailing spaces.
//!
//! Nothing is updated or deleted, and every statement is a transaction of its own, so there is nothing to deadlock. Who
//! was answered with an error that leaves the outcome open tries again and then finds its own row (R5).
//!
//! Persisted: the tables, versioned by `secor_schema`. A migration is a further step in [`super::schema`].

use async_trait::async_trait;
use bytes::Bytes;
use secor_core::ids::LedgerId;

use super::slots::{Creation, Slots};
use super::{LedgerError, schema};
use crate::sql::{Class, Database, Row, SqlError, Value};

/// A page of a listing is no longer than this.
const LIST_MAX: usize = 1000;

/// One ledger in a database.
#[derive(Debug)]
pub(super) struct SqlSlots {
    database: Database,
    /// The `ledger_id` of its rows: its own, or the seat's that it was moved to.
    ledger: LedgerId,
}

/// The database's own record of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Registered {
    /// The data store that it belongs to.
    store: String,
}

// === impl SqlSlots ===

impl SqlSlots {
    /// The slots of a ledger that the database must know, for data at `place`.
    ///
    /// # Errors
    /// [`LedgerError::NotInDatabase`] when it does not: it is never made up for; [`LedgerError::OtherPlace`] when the
    /// ledger belongs to data elsewhere.
    pub(super) async fn attach(database: Database, ledger: LedgerId, place: &str) -> Result<Self, LedgerError> {
        schema::expect(&database, schema::LEDGER).await?.ok_or_else(|| not_in(&database, &ledger))?;
        let registered = registered(&database, &ledger).await?.ok_or_else(|| not_in(&database, &ledger))?;
        if registered.store != place {
            let database = database.to_string();
            return Err(LedgerError::OtherPlace { database, registered: registered.store, place: place.to_owned() });
        }
        Ok(Self { database, ledger })
    }

    /// Records a new ledger, before `ledger.json` names it; makes the tables if they are missing.
    ///
    /// # Errors
    /// [`LedgerError::KnownElsewhere`] when the database has a ledger with entries for this place: then `ledger.json`
    /// was lost, and a new ledger would archive everything again.
    pub(super) async fn register(database: &Database, ledger: &LedgerId, place: &str) -> Result<(), LedgerError> {
        schema::make(database, schema::LEDGER).await?;
        let used = "SELECT l.ledger_id FROM secor_ledgers l WHERE l.store = ? AND EXISTS \
                    (SELECT 1 FROM secor_ledger s WHERE s.ledger_id = l.ledger_id) LIMIT 1";
        if let Some(known) = first_text(database.query(used, &[Value::Text(place)]).await?) {
            return Err(LedgerError::KnownElsewhere { database: database.to_string(), ledger: known });
        }
        insert(database, ledger, place).await
    }

    /// The slots for a ledger that is moved here; what an attempt before has made stays.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub(super) async fn found(database: Database, seat: LedgerId, place: &str) -> Result<Self, LedgerError> {
        schema::make(&database, schema::LEDGER).await?;
        insert(&database, &seat, place).await?;
        Self::attach(database, seat, place).await
    }

    async fn query(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, LedgerError> {
        let mut all = vec![Value::Text(&self.ledger.0)];
        all.extend_from_slice(values);
        match self.database.query(statement, &all).await {
            Ok(rows) => Ok(rows),
            Err(SqlError { class: Class::NoParent | Class::NoTable, .. }) => Err(not_in(&self.database, &self.ledger)),
            Err(error) => Err(error.into()),
        }
    }

    async fn page(&self, from: &str, until: &str, limit: usize) -> Result<Vec<String>, LedgerError> {
        let statement = "SELECT path FROM secor_ledger WHERE ledger_id = ? AND path > ? AND path < ? \
                         ORDER BY path LIMIT ?";
        let limit = i64::try_from(limit.min(LIST_MAX)).expect("a small number");
        let rows = self.query(statement, &[Value::Text(from), Value::Text(until), Value::Integer(limit)]).await?;
        Ok(rows.into_iter().filter_map(|row| text(row.into_iter().next())).collect())
    }
}

#[async_trait]
impl Slots for SqlSlots {
    async fn create(&self, path: &str, body: Bytes) -> Result<Creation, LedgerError> {
        let statement = "INSERT INTO secor_ledger (ledger_id, path, body) VALUES (?, ?, ?)";
        match self.query(statement, &[Value::Text(path), Value::Bytes(&body)]).await {
            Ok(_) => Ok(Creation::Created),
            Err(LedgerError::Sql(error)) if error.class == Class::Taken => Ok(Creation::Exists),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        let statement = "SELECT body FROM secor_ledger WHERE ledger_id = ? AND path = ?";
        let rows = self.query(statement, &[Value::Text(path)]).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()?).map(Bytes::from))
    }

    async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, LedgerError> {
        let (first, until) = below(folder);
        let from = after.filter(|after| **after > *first).unwrap_or(&first);
        self.page(from, &until, limit).await
    }

    /// One statement for each folder: a jump in the index behind everything that is in the one before.
    async fn folders(&self, folder: &str) -> Result<Vec<String>, LedgerError> {
        let (first, until) = below(folder);
        let mut names = Vec::new();
        let mut from = first.clone();
        while let Some(path) = self.page(&from, &until, 1).await?.pop() {
            from = match path[first.len()..].split_once('/') {
                Some((name, _)) => {
                    names.push(name.to_owned());
                    below(&format!("{first}{name}")).1
                }
                None => path,
            };
        }
        // paths sort with the slash behind a name, so `a-b/` comes before `a/`
        names.sort_unstable();
        Ok(names)
    }

    fn place(&self) -> String {
        self.database.to_string()
    }

    async fn make_durable(&self, _: &str) -> Result<(), LedgerError> {
        Ok(())
    }
}

async fn insert(database: &Database, ledger: &LedgerId, place: &str) -> Result<(), LedgerError> {
    let insert = "INSERT INTO secor_ledgers (ledger_id, store) VALUES (?, ?)";
    match database.query(insert, &[Value::Text(&ledger.0), Value::Text(place)]).await {
        Err(SqlError { class: Class::Taken, .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The range of everything below a folder, both ends excluded: `/` is followed by `0`.
fn below(folder: &str) -> (String, String) {
    (format!("{folder}/"), format!("{folder}0"))
}

async fn registered(database: &Database, ledger: &LedgerId) -> Result<Option<Registered>, LedgerError> {
    let statement = "SELECT store FROM secor_ledgers WHERE ledger_id = ?";
    let rows = database.query(statement, &[Value::Text(&ledger.0)]).await?;
    Ok(first_text(rows).map(|store| Registered { store }))
}

fn first_text(rows: Vec<Row>) -> Option<String> {
    rows.into_iter().next().and_then(|row| text(row.into_iter().next()))
}

/// All texts in these tables were written as UTF-8.
fn text(column: Option<Option<Vec<u8>>>) -> Option<String> {
    String::from_utf8(column??).ok()
}

fn not_in(database: &Database, ledger: &LedgerId) -> LedgerError {
    LedgerError::NotInDatabase { database: database.to_string(), ledger: ledger.clone() }
}
