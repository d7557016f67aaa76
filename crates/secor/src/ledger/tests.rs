//! The ledger against a store in memory: who wins, what is refused, and how many requests it takes.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::TryStreamExt;
use proptest::prelude::*;
use secor_core::flush::CutReason;
use secor_core::ids::{ConfigHash, Digest, Generation, LedgerId, Offset, TopicPartition};
use secor_core::json::canonical_json;
use secor_core::manifest::{
    Arbiter, Batch, Entry, FileEntry, Genesis, Isolation, Kind, Next, Resolution, ResolutionReason, Seal, paths,
};
use secor_core::partition::RefusalCode;
use secor_core::shape::{BadRecords, Input, Output, Shape, Timestamp};

use super::memory::MemoryStore;
use super::*;

const FIRST: Generation = Generation(1);

fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn clicks() -> TopicPartition {
    TopicPartition::new("clicks", 3)
}

async fn ledger() -> (Arc<MemoryStore>, Ledger) {
    let store = Arc::new(MemoryStore::new("memory://one"));
    let ledger =
        Ledger::open_or_create(store.clone(), &LedgerSettings::default()).await.expect("the store is exclusive");
    store.take_requests();
    (store, ledger)
}

fn entry(ledger: &Ledger, start: i64, end: i64, kind: Kind) -> Entry {
    Entry {
        version: FORMAT_VERSION,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition: 3,
        generation: FIRST,
        start: offset(start),
        end: offset(end),
        receipt: None,
        kind,
    }
}

fn batch(key: &str) -> Kind {
    let file = FileEntry {
        key: key.to_owned(),
        records: 1,
        first_offset: Offset::ZERO,
        last_offset: Offset::ZERO,
        timestamps: None,
        event_times: None,
        bytes: 1,
        records_digest: Digest(1),
        values_digest: Digest(2),
        dead_letters: false,
        schema: None,
    };
    Kind::Batch(Batch {
        reason: CutReason::MaxAge,
        clock: 0,
        isolation: Isolation::ReadCommitted,
        leader_epoch: None,
        config: ConfigHash::of(b""),
        time_zone_data: "2025b".to_owned(),
        schemas: Vec::new(),
        records: 1,
        files: vec![file],
    })
}

fn seal(ledger: &Ledger, at: i64, next: u32) -> Entry {
    let next = Next { generation: Generation(next), topic_id: None, start: offset(at) };
    entry(ledger, at, at, Kind::Seal(Seal { next }))
}

fn genesis(ledger: &Ledger) -> Genesis {
    Genesis {
        version: FORMAT_VERSION,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        cluster: Arc::from("cluster"),
        group: Arc::from("group"),
        generation: FIRST,
        start: BTreeMap::new(),
    }
}

fn shape() -> Shape {
    Shape {
        version: Shape::VERSION,
        input: Input::default(),
        timestamp: Timestamp::default(),
        time_zone: "UTC".to_owned(),
        output_partitions: Vec::new(),
        output: Output::default(),
        layout: "secor".to_owned(),
        bad_records: BadRecords::default(),
    }
}

fn code(error: &LedgerError) -> RefusalCode {
    error.refusal().expect("a refusal").code
}

// === identity ===

#[tokio::test]
async fn the_first_one_creates_the_ledger_and_all_others_adopt_it() {
    let (store, first) = ledger().await;
    let second = Ledger::open_or_create(store.clone(), &LedgerSettings::default()).await.expect("adopts");
    assert_eq!(first.identity(), second.identity());
    // is it there, was it moved, is a move under way?
    assert_eq!(store.take_requests(), BTreeMap::from([("get", 3)]), "a known ledger is not probed again");
    let reader = Ledger::open(store.clone(), &LedgerSettings::default()).await.expect("opens");
    assert_eq!(first.identity(), reader.identity());
    let sql = LedgerSettings { arbiter: Arbiter::Sql, url: None };
    let other = Ledger::open_or_create(store, &sql).await.expect_err("another arbiter");
    assert_eq!(other.to_string(), "`_secor/ledger.json` has arbiter `store`, not `sql`");
}

#[tokio::test]
async fn a_store_that_is_not_exclusive_gets_no_ledger() {
    let store = Arc::new(MemoryStore { overwrites: true, ..MemoryStore::new("memory://loose") });
    let error = Ledger::open_or_create(store.clone(), &LedgerSettings::default()).await.expect_err("refused");
    assert!(matches!(error, LedgerError::Probe { .. }), "{error}");
    assert_eq!(store.bytes(paths::LEDGER), None);
    assert!(error.hint().contains("ledger.type"), "{}", error.hint());
}

#[tokio::test]
async fn a_ledger_that_was_moved_to_another_store_is_probed_there() {
    let (store, _) = ledger().await;
    let moved = MemoryStore { overwrites: true, ..MemoryStore::new("memory://elsewhere") };
    moved.put(paths::LEDGER, store.bytes(paths::LEDGER).expect("is there"));
    let error = Ledger::open_or_create(Arc::new(moved), &LedgerSettings::default()).await.expect_err("refused");
    assert!(matches!(error, LedgerError::Probe { .. }), "{error}");
}

#[tokio::test]
async fn reading_commands_say_that_there_is_no_ledger() {
    let error = Ledger::open(Arc::new(MemoryStore::new("memory://empty")), &LedgerSettings::default())
        .await
        .expect_err("nothing there");
    assert_eq!(error.to_string(), "there is no ledger at `memory://empty`");
    assert_eq!(error.refusal(), None);
}

// === what is created once ===

#[tokio::test]
async fn whoever_creates_the_genesis_first_decides() {
    let (_, ledger) = ledger().await;
    let first = genesis(&ledger);
    assert_eq!(ledger.genesis("clicks").await.expect("asks"), None);
    assert_eq!(ledger.create_genesis(&first).await.expect("creates"), first);
    let second = Genesis { start: BTreeMap::from([(0, offset(9))]), ..first.clone() };
    assert_eq!(ledger.create_genesis(&second).await.expect("adopts"), first);
    assert_eq!(ledger.genesis("clicks").await.expect("asks"), Some(first));
    assert_eq!(ledger.topics().await.expect("lists"), ["clicks"]);
}

#[tokio::test]
async fn started_is_recorded_once() {
    let (_, ledger) = ledger().await;
    assert_eq!(ledger.started().await.expect("asks"), None);
    let first = ledger.create_started(vec!["a".to_owned()]).await.expect("creates");
    assert_eq!(ledger.create_started(vec!["b".to_owned()]).await.expect("adopts"), first);
    assert_eq!(ledger.started().await.expect("asks"), Some(first));
}

#[tokio::test]
async fn what_is_accepted_adds_up_and_is_not_added_twice() {
    let (_, ledger) = ledger().await;
    for group in ["one", "two", "one"] {
        ledger.accept(Some(group.to_owned()), None).await.expect("creates");
    }
    ledger.accept(None, Some("cluster".to_owned())).await.expect("creates");
    let accepted = ledger.accepted().await.expect("lists");
    let groups: Vec<_> = accepted.iter().map(|one| (one.group.as_deref(), one.cluster.as_deref())).collect();
    assert_eq!(groups, [(Some("one"), None), (Some("two"), None), (None, Some("cluster"))]);
}

#[tokio::test]
async fn a_batch_costs_one_create() {
    let (store, ledger) = ledger().await;
    ledger.store_config(&shape()).await.expect("stores");
    store.take_requests();
    for n in 0..10 {
        ledger.store_config(&shape()).await.expect("is known");
        let made = ledger.create_entry(&entry(&ledger, n * 10, n * 10 + 10, Kind::Empty)).await.expect("creates");
        assert_eq!(made, EntryCreation::Created);
    }
    // and, once for each chain, the question whether a move has begun
    assert_eq!(store.take_requests(), BTreeMap::from([("create", 10), ("get", 1)]));
}

#[tokio::test]
async fn a_taken_slot_shows_what_stands_there() {
    let (store, ledger) = ledger().await;
    let own = entry(&ledger, 10, 20, batch("clicks/1_3_00000000000000000010"));
    assert_eq!(ledger.create_entry(&own).await.expect("creates"), EntryCreation::Created);
    let again = ledger.create_entry(&own).await.expect("reads back");
    assert_eq!(again, EntryCreation::Exists(Box::new(own.clone())));
    let other = ledger.create_entry(&entry(&ledger, 10, 15, Kind::Empty)).await.expect("reads back");
    assert_eq!(other, EntryCreation::Exists(Box::new(own.clone())));
    store.take_requests();
    assert_eq!(ledger.entry(&clicks(), FIRST, offset(10)).await.expect("reads"), Some(own));
    assert_eq!(ledger.entry(&clicks(), FIRST, offset(20)).await.expect("reads"), None);
    assert_eq!(store.take_requests(), BTreeMap::from([("get", 2)]));
}

#[tokio::test]
async fn resolutions_count_up() {
    let (_, ledger) = ledger().await;
    let resolution = |n| Resolution {
        version: FORMAT_VERSION,
        ledger: ledger.identity().ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition: 3,
        generation: FIRST,
        start: offset(10),
        n,
        reason: ResolutionReason::Retention,
        files: Vec::new(),
    };
    for n in [1, 2] {
        assert_eq!(ledger.create_resolution(&resolution(n)).await.expect("creates"), ResolutionCreation::Created);
    }
    let other = Resolution { reason: ResolutionReason::Compaction, ..resolution(2) };
    let there = ledger.create_resolution(&other).await.expect("reads back");
    assert_eq!(there, ResolutionCreation::Exists(Box::new(resolution(2))));
    let all = ledger.resolutions(&clicks(), FIRST, offset(10)).await.expect("reads");
    assert_eq!(all, [resolution(1), resolution(2)]);
    assert_eq!(ledger.resolutions(&clicks(), FIRST, offset(11)).await.expect("reads"), []);
    assert_eq!(ledger.resolved(&clicks(), FIRST).await.expect("lists"), BTreeSet::from([offset(10)]));
}

#[tokio::test]
async fn a_configuration_is_read_back_and_its_hash_checked() {
    let (store, writer) = ledger().await;
    let hash = writer.store_config(&shape()).await.expect("stores");
    let reader = Ledger::open(store.clone(), &LedgerSettings::default()).await.expect("opens");
    assert_eq!(*reader.config(&hash).await.expect("reads"), shape());
    let missing = reader.config(&ConfigHash::of(b"other")).await.expect_err("not there");
    assert_eq!(code(&missing), RefusalCode::ConfigMissing);
    let changed = Shape { time_zone: "Europe/Berlin".to_owned(), ..shape() };
    store.put(&paths::config(&hash), canonical_json(&changed));
    let fresh = Ledger::open(store, &LedgerSettings::default()).await.expect("opens");
    assert_eq!(code(&fresh.config(&hash).await.expect_err("changed")), RefusalCode::ConfigMissing);
}

// === what is refused ===

#[tokio::test]
async fn what_does_not_belong_where_it_stands_is_refused() {
    let (store, ledger) = ledger().await;
    let good = entry(&ledger, 10, 20, Kind::Empty);
    let key = paths::entry("clicks", FIRST, 3, offset(10));
    let other_ledger = LedgerId(Arc::from("ffffffffffffffffffffffffffffffff"));
    let seal_back = Entry { start: offset(10), end: offset(10), ..seal(&ledger, 10, 1) };
    let cases = [
        (Entry { ledger: other_ledger, ..good.clone() }, RefusalCode::OtherLedger, "ledger id"),
        (Entry { topic: Arc::from("views"), ..good.clone() }, RefusalCode::BadEntry, "topic"),
        (Entry { partition: 4, ..good.clone() }, RefusalCode::BadEntry, "partition"),
        (Entry { generation: Generation(2), ..good.clone() }, RefusalCode::BadEntry, "generation"),
        (Entry { start: offset(11), ..good.clone() }, RefusalCode::BadEntry, "start"),
        (Entry { end: offset(10), ..good.clone() }, RefusalCode::BadEntry, "end"),
        (Entry { end: offset(9), ..good.clone() }, RefusalCode::BadEntry, "end"),
        (seal_back, RefusalCode::BadEntry, "next generation"),
    ];
    for (bad, expected, word) in cases {
        store.put(&key, canonical_json(&bad));
        let error = ledger.entry(&clicks(), FIRST, offset(10)).await.expect_err(word);
        assert_eq!(code(&error), expected, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        let created = ledger.create_entry(&good).await.expect_err("also when losing the slot");
        assert_eq!(code(&created), expected);
    }
    let later = String::from_utf8(canonical_json(&good)).expect("text").replace(r#""version":1"#, r#""version":2"#);
    for bytes in [later.as_str(), "{}", ""] {
        store.put(&key, bytes.to_owned());
        let error = ledger.entry(&clicks(), FIRST, offset(10)).await.expect_err("unreadable");
        assert_eq!(code(&error), RefusalCode::BadEntry);
    }
}

#[tokio::test]
async fn a_genesis_of_another_ledger_is_refused() {
    let (store, ledger) = ledger().await;
    let other = Genesis { ledger: LedgerId(Arc::from("ffffffffffffffffffffffffffffffff")), ..genesis(&ledger) };
    store.put(&paths::genesis("clicks"), canonical_json(&other));
    let error = ledger.create_genesis(&genesis(&ledger)).await.expect_err("refused");
    assert_eq!(code(&error), RefusalCode::OtherLedger);
}

#[tokio::test]
async fn a_stranger_among_the_entries_is_refused() {
    let (store, ledger) = ledger().await;
    store.put(&format!("{}/notes.txt", paths::entries("clicks", FIRST, 3)), "hello");
    let error = ledger.head(&clicks(), FIRST).await.expect_err("refused");
    assert_eq!(code(&error), RefusalCode::BadEntry);
}

// === searching and walking ===

#[tokio::test]
async fn heads_lead_through_the_seals() {
    let (_, ledger) = ledger().await;
    assert_eq!(ledger.chain_heads(&clicks()).await.expect("asks"), []);
    ledger.create_genesis(&genesis(&ledger)).await.expect("creates");
    let second = |start, end| Entry { generation: Generation(2), ..entry(&ledger, start, end, Kind::Empty) };
    let all = [
        entry(&ledger, 0, 10, Kind::Empty),
        entry(&ledger, 10, 30, Kind::Empty),
        seal(&ledger, 30, 2),
        second(30, 31),
        second(31, 99),
    ];
    for one in &all {
        ledger.create_entry(one).await.expect("creates");
    }
    let heads = ledger.chain_heads(&clicks()).await.expect("asks");
    let found: Vec<_> = heads.iter().map(|head| (head.generation.0, head.head.clone())).collect();
    assert_eq!(found, [(1, Some(all[2].clone())), (2, Some(all[4].clone()))]);
    let slots: Vec<Slot> = ledger.walk(&clicks()).try_collect().await.expect("reads");
    let entries: Vec<Entry> = slots.into_iter().map(|slot| slot.entry.expect("good")).collect();
    assert_eq!(entries, all);
    assert_eq!(ledger.generations("clicks").await.expect("lists"), [FIRST, Generation(2)]);
    assert_eq!(ledger.partitions("clicks", FIRST).await.expect("lists"), [3]);
    let within = async |at| ledger.floor(&clicks(), FIRST, offset(at)).await;
    assert_eq!(within(29).await.expect("asks"), Some(all[1].clone()));
    assert_eq!(within(9).await.expect("asks"), Some(all[0].clone()));
}

#[tokio::test]
async fn a_walk_names_what_it_can_not_read_and_goes_on() {
    let (store, ledger) = ledger().await;
    for start in 0..2500 {
        ledger.create_entry(&entry(&ledger, start, start + 1, Kind::Empty)).await.expect("creates");
    }
    store.put(&paths::entry("clicks", FIRST, 3, offset(1200)), "{}");
    store.take_requests();
    let slots: Vec<Slot> = ledger.slots(&clicks(), FIRST, offset(100)).try_collect().await.expect("reads");
    let starts: Vec<i64> = slots.iter().map(|slot| slot.start.get()).collect();
    assert_eq!(starts, (100..2500).collect::<Vec<_>>());
    let bad: Vec<i64> = slots.iter().filter(|slot| slot.entry.is_err()).map(|slot| slot.start.get()).collect();
    assert_eq!(bad, [1200]);
    assert_eq!(store.take_requests(), BTreeMap::from([("get", 2400), ("list", 3)]));
}

/// Searches among `slots`, sorted; gives what was found and how many listings it took.
fn search_counted(slots: &[i64], limit: i64) -> (Option<i64>, u32) {
    let count = Cell::new(0);
    let list = |after: Option<Offset>| {
        count.set(count.get() + 1);
        let from = after.map_or(0, |after| slots.partition_point(|slot| *slot <= after.get()));
        let page = slots[from..].iter().take(head::PAGE_KEYS).map(|slot| offset(*slot)).collect::<Vec<_>>();
        futures::future::ready(Ok::<_, std::convert::Infallible>(page)).boxed()
    };
    let found = futures::executor::block_on(head::search(offset(limit), list)).expect("lists");
    (found.map(Offset::get), count.get())
}

proptest! {
    #[test]
    fn search_finds_what_reading_all_finds(
        lengths in proptest::collection::vec(prop_oneof![1..3_i64, 1..1_000_000_000_i64], 0..4_000),
        start in 0..1_000_000_i64,
        limit in prop_oneof![Just(i64::MAX), 0..2_000_000_000_000_i64],
    ) {
        let slots: Vec<i64> = lengths.iter().scan(start, |at, length| {
            *at += length;
            Some(*at - length)
        }).collect();
        let naive = slots.iter().copied().filter(|slot| *slot <= limit).max();
        let (found, listings) = search_counted(&slots, limit);
        prop_assert_eq!(found, naive);
        prop_assert!(listings <= 45, "{} listings", listings);
    }
}

#[test]
fn the_head_of_a_long_chain_takes_few_listings() {
    assert_eq!(search_counted(&[], i64::MAX), (None, 1));
    assert_eq!(search_counted(&[i64::MAX - 1], i64::MAX), (Some(i64::MAX - 1), 1));
    let even: Vec<i64> = (0..2_000_000).map(|n| n * 1_000_000).collect();
    let (found, listings) = search_counted(&even, i64::MAX);
    assert_eq!(found, even.last().copied());
    assert!(listings <= 25, "{listings} listings");
    // the first thousand batches are tiny, the rest is huge
    let uneven: Vec<i64> = (0..1_000).chain((1..100_000).map(|n| n * 10_000_000)).collect();
    let (found, listings) = search_counted(&uneven, i64::MAX);
    assert_eq!(found, uneven.last().copied());
    assert!(listings <= 45, "{listings} listings");
}
