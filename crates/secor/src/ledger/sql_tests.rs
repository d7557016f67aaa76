//! A ledger in SQLite beside a store that does not create exclusively: who may found it, what is refused, what a lost
//! row means. The same on real servers is in `tests/sql_ledger`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use secor_core::ids::{Generation, LedgerId, Offset, TopicPartition};
use secor_core::json::{FORMAT_VERSION, canonical_json};
use secor_core::manifest::{Arbiter, Entry, Genesis, Kind, LedgerIdentity, paths};
use secor_core::partition::RefusalCode;

use super::memory::MemoryStore;
use super::*;
use crate::config::Secret;
use crate::sql::{Database, Value};

const PLACE: &str = "memory://loose";

/// A data store on which every creator wins, and a folder for the database.
struct Site {
    store: Arc<MemoryStore>,
    folder: tempfile::TempDir,
}

// === impl Site ===

impl Site {
    fn new() -> Self {
        let store = MemoryStore { overwrites: true, ..MemoryStore::new(PLACE) };
        Self { store: Arc::new(store), folder: tempfile::tempdir().expect("a folder") }
    }

    fn settings(&self) -> LedgerSettings {
        settings(&self.folder.path().join("ledger.db"))
    }

    fn database(&self) -> Database {
        Database::new(&self.settings().url.expect("has one")).expect("a url")
    }

    async fn init(&self) -> Ledger {
        Ledger::init(self.store.clone(), &self.settings()).await.expect("founds")
    }

    async fn refused(&self) -> LedgerError {
        let opened = Ledger::open_or_create(self.store.clone(), &self.settings()).await;
        opened.map(|ledger| ledger.place()).expect_err("refused")
    }
}

fn settings(file: &Path) -> LedgerSettings {
    let url = Secret::new(format!("sqlite://{}", file.display()));
    LedgerSettings { arbiter: Arbiter::Sql, url: Some(url) }
}

fn clicks() -> TopicPartition {
    TopicPartition::new("clicks", 3)
}

fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn entry(ledger: &Ledger, start: i64) -> Entry {
    Entry {
        version: FORMAT_VERSION,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition: 3,
        generation: Generation(1),
        start: offset(start),
        end: offset(start + 10),
        receipt: None,
        kind: Kind::Empty,
    }
}

fn genesis(ledger: &Ledger) -> Genesis {
    Genesis {
        version: FORMAT_VERSION,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        cluster: Arc::from("cluster"),
        group: Arc::from("group"),
        generation: Generation(1),
        start: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_process_founds_no_ledger_where_every_creator_wins_and_a_person_does() {
    let site = Site::new();
    let error = site.refused().await;
    assert!(matches!(error, LedgerError::NeedsInit { .. }), "{error}");
    assert!(error.hint().contains("secor ledger init"), "{}", error.hint());
    assert_eq!(site.store.bytes(paths::LEDGER), None);

    let founded = site.init().await;
    let opened = Ledger::open_or_create(site.store.clone(), &site.settings()).await.expect("is there");
    assert_eq!(opened.identity(), founded.identity());
    let again = site.init().await;
    assert_eq!(again.identity(), founded.identity(), "a ledger that is there is left as it is");
    assert!(!opened.files_are_final());
    let error = Ledger::open(site.store.clone(), &LedgerSettings::default()).await.expect_err("another arbiter");
    assert_eq!(error.to_string(), "`_secor/ledger.json` has arbiter `sql`, not `store`");
    assert!(error.hint().contains("ledger.type"), "{}", error.hint());
}

#[tokio::test]
async fn the_first_process_founds_the_ledger_where_the_store_is_exclusive() {
    let site = Site { store: Arc::new(MemoryStore::new(PLACE)), ..Site::new() };
    let first = Ledger::open_or_create(site.store.clone(), &site.settings()).await.expect("founds");
    let second = Ledger::open_or_create(site.store.clone(), &site.settings()).await.expect("adopts");
    assert_eq!(first.identity(), second.identity());
}

#[tokio::test]
async fn entries_geneses_and_lists_are_in_the_database_and_configurations_are_not() {
    let site = Site::new();
    let ledger = site.init().await;
    site.store.take_requests();
    ledger.create_genesis(&genesis(&ledger)).await.expect("creates");
    for start in [0, 10, 20] {
        let made = ledger.create_entry(&entry(&ledger, start)).await.expect("creates");
        assert_eq!(made, EntryCreation::Created);
    }
    let other = Entry { end: offset(15), ..entry(&ledger, 10) };
    let there = ledger.create_entry(&other).await.expect("reads back");
    assert_eq!(there, EntryCreation::Exists(Box::new(entry(&ledger, 10))));
    ledger.create_started(vec!["clicks".to_owned()]).await.expect("creates");
    ledger.accept(Some("other".to_owned()), None).await.expect("creates");
    assert_eq!(site.store.take_requests(), BTreeMap::new(), "the data store is not asked");

    let reader = Ledger::open(site.store.clone(), &site.settings()).await.expect("opens");
    assert_eq!(reader.topics().await.expect("lists"), ["clicks"]);
    assert_eq!(reader.generations("clicks").await.expect("lists"), [Generation(1)]);
    assert_eq!(reader.partitions("clicks", Generation(1)).await.expect("lists"), [3]);
    assert_eq!(reader.accepted().await.expect("lists").len(), 1);
    let head = reader.head(&clicks(), Generation(1)).await.expect("searches").expect("is there");
    assert_eq!(head, entry(&ledger, 20));
    let floor = reader.floor(&clicks(), Generation(1), offset(19)).await.expect("searches").expect("is there");
    assert_eq!(floor, entry(&ledger, 10));
}

#[tokio::test]
async fn a_database_that_lost_the_ledger_is_refused_and_never_filled_again() {
    let site = Site::new();
    let ledger = site.init().await;
    ledger.create_genesis(&genesis(&ledger)).await.expect("creates");
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        // not every one of them is there
        let _ = std::fs::remove_file(site.folder.path().join(file));
    }
    let error = site.refused().await;
    assert!(matches!(error, LedgerError::NotInDatabase { .. }), "{error}");
    assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::LedgerLostEntries);
    let error = Ledger::init(site.store.clone(), &site.settings()).await.expect_err("refused");
    assert!(matches!(error, LedgerError::NotInDatabase { .. }), "{error}");
}

#[tokio::test]
async fn a_running_process_notices_that_the_database_was_replaced() {
    let site = Site::new();
    let ledger = site.init().await;
    ledger.create_entry(&entry(&ledger, 0)).await.expect("creates");
    let database = site.database();
    database.query("DELETE FROM secor_ledger", &[]).await.expect("deletes");
    database.query("DELETE FROM secor_ledgers", &[]).await.expect("deletes");
    let error = ledger.create_entry(&entry(&ledger, 10)).await.expect_err("no such ledger");
    assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::LedgerLostEntries, "{error}");
}

#[tokio::test]
async fn a_lost_ledger_json_is_not_made_up_for() {
    let site = Site::new();
    let ledger = site.init().await;
    ledger.create_genesis(&genesis(&ledger)).await.expect("creates");
    let fresh = Arc::new(MemoryStore::new(PLACE));
    let error = Ledger::open_or_create(fresh, &site.settings()).await.expect_err("refused");
    assert!(
        matches!(&error, LedgerError::KnownElsewhere { ledger: known, .. } if **known == *ledger.identity().ledger.0)
    );
    assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::LedgerLostEntries);
}

#[tokio::test]
async fn data_that_was_copied_elsewhere_does_not_share_the_ledger() {
    let site = Site::new();
    site.init().await;
    let copy = MemoryStore::new("memory://copy");
    copy.put(paths::LEDGER, site.store.bytes(paths::LEDGER).expect("is there"));
    let error = Ledger::open(Arc::new(copy), &site.settings()).await.expect_err("refused");
    assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::OtherLedger, "{error}");
    assert!(error.to_string().contains("`memory://loose`, not at `memory://copy`"), "{error}");
}

#[tokio::test]
async fn what_belongs_to_another_ledger_is_refused() {
    let site = Site::new();
    let ledger = site.init().await;
    let other = Entry { ledger: LedgerId(Arc::from("f".repeat(32))), ..entry(&ledger, 0) };
    let path = paths::entry("clicks", Generation(1), 3, offset(0));
    let insert = "INSERT INTO secor_ledger (ledger_id, path, body) VALUES (?, ?, ?)";
    let (id, body) = (ledger.identity().ledger.0.clone(), canonical_json(&other));
    site.database().query(insert, &[Value::Text(&id), Value::Text(&path), Value::Bytes(&body)]).await.expect("inserts");
    let error = ledger.entry(&clicks(), Generation(1), offset(0)).await.expect_err("refused");
    assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::OtherLedger);
}

#[tokio::test]
async fn tables_of_a_newer_secor_are_refused() {
    let site = Site::new();
    site.init().await;
    site.database()
        .query("INSERT INTO secor_schema (component, version) VALUES ('ledger', 2)", &[])
        .await
        .expect("sets");
    let error = site.refused().await;
    assert!(error.to_string().ends_with("secor_schema` has version `2` of `ledger`, not at most `1`"), "{error}");
    assert!(error.hint().contains("newer"), "{}", error.hint());
}

/// Two ledgers in one database don't see each other.
#[tokio::test]
async fn one_database_holds_many_ledgers() {
    let site = Site::new();
    let first = site.init().await;
    let elsewhere = Arc::new(MemoryStore::new("memory://second"));
    let second = Ledger::open_or_create(elsewhere, &site.settings()).await.expect("founds");
    first.create_genesis(&genesis(&first)).await.expect("creates");
    assert_eq!(second.genesis("clicks").await.expect("asks"), None);
    assert_eq!(second.topics().await.expect("lists"), [] as [String; 0]);
    let identity: &LedgerIdentity = second.identity();
    assert_ne!(identity.ledger, first.identity().ledger);
}
