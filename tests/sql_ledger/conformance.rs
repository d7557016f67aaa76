//! What the protocol asks of an arbiter, of each of them: one winner, sorted lists, bytes that are compared as bytes.

use std::sync::Arc;

use futures::future::join_all;
use futures::stream::TryStreamExt;
use secor::config::Secret;
use secor::ledger::{EntryCreation, Ledger, LedgerSettings};
use secor::sql::{Class, Database, Value};
use secor::store::{self, Store, StoreSettings};
use secor_core::ids::{Generation, Offset, TopicPartition};
use secor_core::manifest::{Arbiter, Entry, Kind};

use super::harness::{DatabaseServer, Engine};

const CREATORS: usize = 20;
const FIRST: Generation = Generation(1);

/// A place for data on this disk, and who arbitrates there.
struct Site {
    name: &'static str,
    folder: tempfile::TempDir,
    settings: LedgerSettings,
}

// === impl Site ===

impl Site {
    fn all() -> [Self; 4] {
        [
            Self::new("store", |_| None),
            Self::new("sqlite", |folder| Some(format!("sqlite://{folder}/ledger.db"))),
            Self::new("postgres", |_| Some(DatabaseServer::shared(Engine::Postgres).url())),
            Self::new("mariadb", |_| Some(DatabaseServer::shared(Engine::MariaDb).url())),
        ]
    }

    fn new(name: &'static str, url: impl Fn(&str) -> Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let url = url(folder.path().to_str().unwrap());
        let arbiter = if url.is_some() { Arbiter::Sql } else { Arbiter::Store };
        Self { name, folder, settings: LedgerSettings { arbiter, url: url.map(Secret::new) } }
    }

    fn store(&self) -> Arc<dyn Store> {
        store::open(&StoreSettings::at(format!("file://{}", self.folder.path().join("data").display()))).unwrap()
    }

    /// As a process of its own would open it: with connections of its own.
    async fn ledger(&self) -> Ledger {
        Ledger::open_or_create(self.store(), &self.settings)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    async fn ledgers(&self, count: usize) -> Vec<Ledger> {
        let mut ledgers = vec![self.ledger().await];
        while ledgers.len() < count {
            ledgers.push(self.ledger().await);
        }
        ledgers
    }
}

fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn entry(ledger: &Ledger, topic: &str, start: i64, end: i64) -> Entry {
    Entry {
        version: 1,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from(topic),
        topic_id: None,
        partition: 0,
        generation: FIRST,
        start: offset(start),
        end: offset(end),
        receipt: None,
        kind: Kind::Empty,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_creators_of_a_slot_one_wins_and_all_see_it() {
    for site in Site::all() {
        let ledgers = site.ledgers(CREATORS).await;
        for round in 0..10 {
            let start = round * 100;
            let own = |end| entry(&ledgers[0], "clicks", start, start + end);
            let attempts = ledgers.iter().zip(1..).map(|(ledger, end)| {
                let own = own(end);
                async move { (ledger.create_entry(&own).await.unwrap(), own) }
            });
            let answers = join_all(attempts).await;
            let won: Vec<&Entry> =
                answers.iter().filter(|(answer, _)| *answer == EntryCreation::Created).map(|(_, own)| own).collect();
            assert_eq!(won.len(), 1, "{}, round {round}", site.name);
            for (answer, _) in &answers {
                let EntryCreation::Exists(there) = answer else { continue };
                assert_eq!(**there, *won[0], "{}, round {round}", site.name);
            }
            let place = TopicPartition::new("clicks", 0);
            for ledger in &ledgers {
                let read = ledger.entry(&place, FIRST, offset(start)).await.unwrap();
                assert_eq!(read.as_ref(), Some(won[0]), "{}: everybody reads it at once", site.name);
            }
        }
    }
}

#[tokio::test]
async fn lists_are_sorted_and_go_over_pages() {
    for site in Site::all() {
        let ledger = site.ledger().await;
        let place = TopicPartition::new("clicks", 0);
        // more than a page, from both ends to the middle
        let starts: Vec<i64> = (0..550).flat_map(|n| [n * 10, 20_000 - n * 10]).collect();
        let created = starts.iter().map(|start| {
            let (ledger, own) = (ledger.clone(), entry(&ledger, "clicks", *start, start + 10));
            async move { ledger.create_entry(&own).await.unwrap() }
        });
        join_all(created).await;
        let mut sorted = starts.clone();
        sorted.sort_unstable();
        let slots: Vec<_> = ledger.slots(&place, FIRST, Offset::ZERO).try_collect().await.unwrap();
        assert_eq!(slots.iter().map(|slot| slot.start.get()).collect::<Vec<_>>(), sorted, "{}", site.name);
        let head = ledger.head(&place, FIRST).await.unwrap().unwrap();
        assert_eq!(head.start.get(), 20_000, "{}", site.name);
        let floor = ledger.floor(&place, FIRST, offset(10_000)).await.unwrap().unwrap();
        assert_eq!(floor.start.get(), 5_490, "{}", site.name);
    }
}

/// Kafka tells `clicks` from `Clicks`; folders of one are not those of the other.
#[tokio::test]
async fn topics_that_differ_in_case_or_by_what_follows_are_different() {
    for site in Site::all() {
        let ledger = site.ledger().await;
        for (topic, end) in [("clicks", 1), ("Clicks", 2), ("clicks-2", 3), ("clicks.2", 4)] {
            let made = ledger.create_entry(&entry(&ledger, topic, 0, end)).await.unwrap();
            assert_eq!(made, EntryCreation::Created, "{}: {topic}", site.name);
        }
        assert_eq!(ledger.topics().await.unwrap(), ["Clicks", "clicks", "clicks-2", "clicks.2"], "{}", site.name);
        assert_eq!(ledger.generations("clicks").await.unwrap(), [FIRST], "{}", site.name);
        assert_eq!(ledger.partitions("clicks", FIRST).await.unwrap(), [0], "{}", site.name);
    }
}

/// Below the ledger: MySQL's binary collations of text take `a` and `a ` for the same.
#[tokio::test]
async fn paths_are_compared_byte_by_byte() {
    for site in Site::all() {
        let Some(url) = &site.settings.url else { continue };
        let ledger = site.ledger().await;
        let (database, id) = (Database::new(url).unwrap(), &*ledger.identity().ledger.0);
        let insert = "INSERT INTO secor_ledger (ledger_id, path, body) VALUES (?, ?, ?)";
        let path = |path| [Value::Text(id), Value::Text(path), Value::Bytes(b"x")];
        for distinct in ["a", "A", "a ", "a  ", "ä", "a\u{308}", "a/", "aa"] {
            database.query(insert, &path(distinct)).await.unwrap_or_else(|error| panic!("{}: {error}", site.name));
        }
        let again = database.query(insert, &path("a ")).await.expect_err("is there");
        assert_eq!(again.class, Class::Taken, "{}: {again}", site.name);
        let select = "SELECT path FROM secor_ledger WHERE ledger_id = ? ORDER BY path";
        let rows = database.query(select, &[Value::Text(id)]).await.unwrap();
        let paths: Vec<Vec<u8>> = rows.into_iter().filter_map(|mut row| row.pop()?).collect();
        assert!(paths.is_sorted() && paths.len() == 8, "{}: {paths:?}", site.name);
    }
}

/// Strict: a path that is too long is refused and not cut.
#[tokio::test]
async fn nothing_is_cut_to_fit() {
    let site = Site::new("mariadb", |_| Some(DatabaseServer::shared(Engine::MariaDb).url()));
    let ledger = site.ledger().await;
    let database = Database::new(site.settings.url.as_ref().unwrap()).unwrap();
    let insert = "INSERT INTO secor_ledger (ledger_id, path, body) VALUES (?, ?, ?)";
    let values = [Value::Text(&ledger.identity().ledger.0), Value::Text(&"a".repeat(601)), Value::Bytes(b"x")];
    let error = database.query(insert, &values).await.expect_err("too long");
    assert_eq!(error.class, Class::Invalid, "{error}");
}

/// Ten processes found ledgers in an empty database at once: tables are made once, each prefix has one ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_once_by_many_at_once() {
    let database = tempfile::tempdir().unwrap();
    let server = DatabaseServer::start(Engine::Postgres);
    for url in [format!("sqlite://{}/l.db", database.path().display()), server.url()] {
        let sites: Vec<Site> = (0..5).map(|_| Site::new("many", |_| Some(url.clone()))).collect();
        let opened = join_all(sites.iter().flat_map(|site| [site.ledger(), site.ledger()])).await;
        for pair in opened.chunks(2) {
            assert_eq!(pair[0].identity(), pair[1].identity(), "{url}");
        }
    }
}
