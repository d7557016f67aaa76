//! Goal: nobody ever acts on an entry that the new place does not have, whatever a move and workers do in between, and
//! wherever a move dies.
//! Method: the real code on a store in memory, behind an arbiter that lets a task do one request at a time. All orders of
//! the requests of a move and one or two workers are tried, with a bound on how often they interrupt each other; then a
//! worker goes on in the new place. Every worker cuts elsewhere, so two that act on different entries in one slot show.
//! Then moves between real arbiters, there and back.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::future::poll_fn;
use futures::task::noop_waker;
use secor_core::ids::{Generation, Offset};
use secor_core::manifest::{Genesis, Next, Resolution, ResolutionReason, Seal, Started};
use secor_core::partition::RefusalCode;

use super::*;
use crate::config::Secret;
use crate::ledger::memory::MemoryStore;
use crate::ledger::{EntryCreation, ResolutionCreation};

const FIRST: Generation = Generation(1);
const PLACE: &str = "memory://archive";
/// Named by the genesis, with entries.
const KNOWN: i32 = 0;
/// Named by the genesis, without entries.
const FRESH: i32 = 1;
/// Came to the topic later: nothing names it.
const LATER: i32 = 2;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("clicks", partition)
}

fn offset(value: i64) -> Offset {
    Offset::new(value).expect("not negative")
}

fn entry(ledger: &LedgerId, partition: i32, start: i64, end: i64) -> Entry {
    Entry {
        version: FORMAT_VERSION,
        ledger: ledger.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition,
        generation: FIRST,
        start: offset(start),
        end: offset(end),
        receipt: None,
        kind: Kind::Empty,
    }
}

// === one request at a time ===

/// An arbiter that gives way before each request.
#[derive(Debug)]
struct Turns(Arc<dyn Slots>);

async fn turn() {
    let mut came = false;
    poll_fn(|context| {
        if std::mem::replace(&mut came, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Slots for Turns {
    async fn create(&self, path: &str, body: Bytes) -> Result<Creation, LedgerError> {
        turn().await;
        self.0.create(path, body).await
    }

    async fn get(&self, path: &str) -> Result<Option<Bytes>, LedgerError> {
        turn().await;
        self.0.get(path).await
    }

    async fn list(&self, folder: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, LedgerError> {
        turn().await;
        self.0.list(folder, after, limit).await
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LedgerError> {
        turn().await;
        self.0.folders(folder).await
    }

    fn place(&self) -> String {
        self.0.place()
    }

    async fn make_durable(&self, path: &str) -> Result<(), LedgerError> {
        self.0.make_durable(path).await
    }
}

type Acted = Arc<Mutex<Vec<Entry>>>;
type Task = Pin<Box<dyn Future<Output = Result<(), LedgerError>>>>;

/// A ledger with a topic of two partitions, one of which has an entry, and all that was done about entries.
struct World {
    store: Arc<MemoryStore>,
    identity: LedgerIdentity,
    acted: Acted,
}

// === impl World ===

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new(PLACE));
        let ledger = LedgerId(Arc::from("0".repeat(32)));
        let identity = LedgerIdentity {
            version: FORMAT_VERSION,
            ledger: ledger.clone(),
            arbiter: Arbiter::Store,
            probed: PLACE.to_owned(),
            seat: None,
        };
        let genesis = Genesis {
            version: FORMAT_VERSION,
            ledger: ledger.clone(),
            topic: Arc::from("clicks"),
            topic_id: None,
            cluster: Arc::from("cluster"),
            group: Arc::from("group"),
            generation: FIRST,
            start: BTreeMap::from([(KNOWN, offset(0)), (FRESH, offset(5))]),
        };
        store.put(paths::LEDGER, canonical_json(&identity));
        store.put(&paths::genesis("clicks"), canonical_json(&genesis));
        store.put(&paths::entry("clicks", FIRST, KNOWN, offset(0)), canonical_json(&entry(&ledger, KNOWN, 0, 1)));
        Self { store, identity, acted: Acted::default() }
    }

    fn data(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// The old place, as a process that opened it before sees it.
    fn old(&self, role: Role) -> Ledger {
        let slots = Arc::new(Turns(Arc::new(StoreSlots::new(self.data(), None))));
        Ledger::new(self.data(), slots, self.identity.clone(), role)
    }

    fn the_move(&self) -> Task {
        let seat = seat(&self.identity.ledger, 2, PLACE);
        let next = LedgerIdentity { seat: Some(seat.clone()), ..self.identity.clone() };
        let (from, to) = (self.old(Role::Reader), LedgerSettings::default());
        let planned = Move { from, to, next, seat, number: 2 };
        Box::pin(async move { planned.carry_out().await.map(drop) })
    }

    fn worker(&self, partition: i32, step: i64) -> Task {
        Box::pin(archive(self.old(Role::Archiver), partition, step, Arc::clone(&self.acted)))
    }

    fn acted(&self) -> Vec<Entry> {
        self.acted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What must hold when the move is over and nobody of the old place runs any more.
    fn judge(&self, schedule: &[usize]) {
        let before = self.acted();
        let opened = run(Ledger::open_or_create(self.data(), &LedgerSettings::default()));
        let new = opened.unwrap_or_else(|error| panic!("{schedule:?}: {error}"));
        assert_eq!(new.identity().ledger, self.identity.ledger, "{schedule:?}");
        for acted in &before {
            let there = run(new.entry(&acted.topic_partition(), FIRST, acted.start)).expect("can be read");
            assert_eq!(there.as_ref(), Some(acted), "{schedule:?}: was acted on, and is not in the new place");
        }
        for partition in [KNOWN, FRESH, LATER] {
            run(archive(new.clone(), partition, 3, Arc::clone(&self.acted))).expect("goes on");
        }
        let mut slots: BTreeMap<(i32, Offset), Entry> = BTreeMap::new();
        for acted in self.acted() {
            let there = slots.entry((acted.partition, acted.start)).or_insert_with(|| acted.clone());
            assert_eq!(*there, acted, "{schedule:?}: two entries were acted on in one slot");
        }
    }
}

/// As a worker does: follow the chain to its end and write two entries; whatever stands in a slot is acted on.
async fn archive(ledger: Ledger, partition: i32, step: i64, acted: Acted) -> Result<(), LedgerError> {
    let act = |entry: &Entry| acted.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
    let genesis = ledger.genesis("clicks").await?.expect("the topic has one");
    let mut at = genesis.start_of(partition);
    if let Some(head) = ledger.head(&tp(partition), FIRST).await? {
        act(&head);
        at = head.end;
    }
    for _ in 0..2 {
        let own = entry(&genesis.ledger, partition, at.get(), at.get() + step);
        let there = match ledger.create_entry(&own).await? {
            EntryCreation::Created => own,
            EntryCreation::Exists(there) => *there,
        };
        act(&there);
        at = there.end;
    }
    Ok(())
}

fn poll(task: &mut Task) -> Poll<Result<(), LedgerError>> {
    task.as_mut().poll(&mut Context::from_waker(&noop_waker()))
}

fn run<T>(operation: impl Future<Output = T>) -> T {
    let mut operation = Box::pin(operation);
    loop {
        if let Poll::Ready(value) = operation.as_mut().poll(&mut Context::from_waker(&noop_waker())) {
            return value;
        }
    }
}

/// The move ends well; a worker ends well or is told that the place is closed.
fn expect_end(task: usize, end: Result<(), LedgerError>, schedule: &[usize]) {
    match end {
        Err(error @ LedgerError::Closed(_)) if task > 0 => {
            assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::LedgerMoved);
            assert!(error.to_string().contains(PLACE), "{error}");
        }
        end => end.unwrap_or_else(|error| panic!("{schedule:?}: task {task}: {error}")),
    }
}

/// Runs all orders of the tasks' requests in which at most `interruptions` tasks are interrupted; how many there were.
/// The first task is the move.
fn explore(interruptions: usize, tasks: impl Fn(&World) -> Vec<Task>) -> usize {
    let mut schedules = 0;
    let mut next: Option<Vec<usize>> = Some(Vec::new());
    while let Some(prefix) = next {
        let world = World::new();
        let (schedule, options) = follow(&prefix, tasks(&world), interruptions);
        world.judge(&schedule);
        schedules += 1;
        next = (0..schedule.len()).rev().find_map(|at| {
            let other = options[at].iter().position(|task| *task == schedule[at]).map(|index| index + 1)?;
            let task = *options[at].get(other)?;
            Some([&schedule[..at], &[task]].concat())
        });
    }
    schedules
}

/// Who was at turn, and who could have been, at each step; after the prefix always the first that can.
fn follow(prefix: &[usize], tasks: Vec<Task>, interruptions: usize) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(Some).collect();
    let (mut schedule, mut options, mut left) = (Vec::new(), Vec::new(), interruptions);
    let mut current: Option<usize> = None;
    loop {
        let mut able: Vec<usize> = (0..tasks.len()).filter(|task| tasks[*task].is_some()).collect();
        let goes_on = current.filter(|task| able.contains(task));
        if let Some(current) = goes_on {
            able.retain(|task| left > 0 || *task == current);
            able.sort_by_key(|task| *task != current);
        }
        let Some(first) = able.first() else { return (schedule, options) };
        let task = prefix.get(schedule.len()).copied().unwrap_or(*first);
        left -= usize::from(goes_on.is_some_and(|current| current != task));
        schedule.push(task);
        options.push(able);
        current = Some(task);
        if let Poll::Ready(end) = poll(tasks[task].as_mut().expect("it was able")) {
            tasks[task] = None;
            expect_end(task, end, &schedule);
        }
    }
}

#[test]
fn a_worker_that_races_a_move_is_followed_or_stopped() {
    let known = explore(4, |world| vec![world.the_move(), world.worker(KNOWN, 10)]);
    let fresh = explore(4, |world| vec![world.the_move(), world.worker(FRESH, 10)]);
    assert!(known > 500 && fresh > 500, "{known} {fresh}");
}

#[test]
fn a_chain_that_nobody_knew_is_begun_before_the_move_or_not_at_all() {
    let one = explore(4, |world| vec![world.the_move(), world.worker(LATER, 10)]);
    let two = explore(2, |world| vec![world.the_move(), world.worker(LATER, 10), world.worker(LATER, 7)]);
    assert!(one > 500 && two > 500, "{one} {two}");
}

/// The move dies after each of its requests, a worker does some of its own then, and a second move brings it to an end.
#[test]
fn a_move_that_died_anywhere_is_brought_to_an_end_by_the_next() {
    let mut deaths = 0;
    for partition in [KNOWN, FRESH, LATER] {
        for death in 0.. {
            let mut over = false;
            for requests in 0..8 {
                let world = World::new();
                let (mut first, mut worker) = (world.the_move(), Some(world.worker(partition, 10)));
                over = (0..death).any(|_| poll(&mut first).is_ready());
                drop(first);
                // said to be there, so all of it is
                if !over && world.store.bytes(&paths::moved_ledger(2)).is_some() {
                    world.judge(&[death]);
                    continue;
                }
                let mut go_on = |count: usize| {
                    for _ in 0..count {
                        let Some(task) = &mut worker else { return };
                        if let Poll::Ready(end) = poll(task) {
                            worker = None;
                            expect_end(1, end, &[death, requests]);
                        }
                    }
                };
                go_on(requests);
                run(world.the_move()).unwrap_or_else(|error| panic!("{death} {requests}: {error}"));
                go_on(usize::MAX);
                world.judge(&[death, requests]);
                deaths += 1;
            }
            if over {
                break;
            }
        }
    }
    assert!(deaths > 300, "{deaths}");
}

// === what a move finds ===

async fn opened(store: &Arc<MemoryStore>, settings: &LedgerSettings) -> Ledger {
    Ledger::open_or_create(store.clone(), settings).await.expect("opens")
}

async fn moved(store: &Arc<MemoryStore>, from: &LedgerSettings, to: &LedgerSettings) -> Carried {
    let planned = Move::plan(store.clone(), from, to).await.expect("can be planned").expect("is elsewhere");
    planned.carry_out().await.expect("moves")
}

fn sqlite(folder: &tempfile::TempDir, name: &str) -> LedgerSettings {
    let url = Secret::new(format!("sqlite://{}/{name}.db", folder.path().display()));
    LedgerSettings { arbiter: Arbiter::Sql, url: Some(url) }
}

async fn refused(store: &Arc<MemoryStore>, settings: &LedgerSettings) -> LedgerError {
    Ledger::open_or_create(store.clone(), settings).await.map(|ledger| ledger.place()).expect_err("refused")
}

/// Everything that a reader sees.
async fn seen(ledger: &Ledger) -> (Vec<Entry>, usize, Option<Started>) {
    let slots: Vec<_> = ledger.walk(&tp(KNOWN)).try_collect().await.expect("walks");
    let entries = slots.into_iter().map(|slot| slot.entry.expect("belongs there")).collect();
    (entries, ledger.accepted().await.expect("lists").len(), ledger.started().await.expect("reads"))
}

async fn write(ledger: &Ledger, start: i64, end: i64) -> Result<EntryCreation, LedgerError> {
    ledger.create_entry(&entry(&ledger.identity().ledger, KNOWN, start, end)).await
}

#[tokio::test]
async fn there_and_back_and_on_all_is_as_before() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("a folder"));
    let store = &world.store;
    let places = [sqlite(&folder, "one"), LedgerSettings::default(), sqlite(&folder, "one"), sqlite(&folder, "two")];
    let mut before = LedgerSettings::default();
    let first = opened(store, &before).await;
    first.create_started(vec!["clicks".to_owned()]).await.expect("creates");
    first.accept(Some("other".to_owned()), None).await.expect("creates");
    for (start, to) in (1..).zip(places) {
        let old = opened(store, &before).await;
        write(&old, start, start + 1).await.expect("creates");
        let wanted = seen(&old).await;
        let carried = moved(store, &before, &to).await;
        // geneses, entries, started, accepted; what closes is not copied, neither now nor by a later move
        let objects = u64::try_from(wanted.0.len()).expect("a few") + 3;
        assert_eq!(carried, Carried { chains: 2, objects });

        let error = write(&old, start + 1, start + 9).await.expect_err("nobody writes there any more");
        assert!(matches!(&error, LedgerError::Closed(_)), "{error}");
        let error = refused(store, &before).await;
        assert_eq!(error.refusal().expect("a refusal").code, RefusalCode::LedgerMoved, "{error}");
        assert!(error.to_string().starts_with("the ledger was moved to `"), "{error}");
        let new = opened(store, &to).await;
        assert_eq!(seen(&new).await, wanted);
        assert_eq!(
            Move::plan(store.clone(), &before, &to).await.expect("looks").map(|it| it.origin()),
            None,
            "is there"
        );
        before = to;
    }
    assert_eq!(opened(store, &before).await.identity().ledger, world.identity.ledger);
}

#[tokio::test]
async fn a_move_that_was_begun_can_end_elsewhere_and_one_place_wins() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("a folder"));
    let (store, here) = (&world.store, LedgerSettings::default());
    let plan = |to: LedgerSettings| async move {
        let planned = Move::plan(store.clone(), &LedgerSettings::default(), &to).await;
        planned.expect("can be planned").expect("is elsewhere")
    };
    let lost = plan(sqlite(&folder, "lost")).await;
    lost.begin().await.expect("closes");
    lost.copy(&*lost.prepare().await.expect("makes tables")).await.expect("copies");
    let error = refused(store, &here).await;
    assert!(error.to_string().starts_with("a move of the ledger to `sqlite:"), "{error}");
    let error = refused(store, &sqlite(&folder, "lost")).await;
    assert!(matches!(error, LedgerError::Mismatch { .. }), "not yet there: {error}");

    // back to where it came from
    let back = plan(here.clone()).await;
    back.carry_out().await.expect("moves");
    let error = lost.carry_out().await.expect_err("another was faster");
    assert!(matches!(&error, LedgerError::Moved(place) if place == PLACE), "{error}");
    let error = refused(store, &sqlite(&folder, "lost")).await;
    assert!(matches!(&error, LedgerError::Moved(place) if place == PLACE), "{error}");
    let ledger = opened(store, &here).await;
    write(&ledger, 1, 2).await.expect("goes on");
}

#[tokio::test]
async fn who_died_before_the_last_word_says_it_at_the_next_try() {
    let (world, folder) = (World::new(), tempfile::tempdir().expect("a folder"));
    let (store, here, there) = (&world.store, LedgerSettings::default(), sqlite(&folder, "one"));
    moved(store, &here, &there).await;
    store.objects.lock().expect("no panic while locked").remove(&paths::moved_ledger(2)).expect("was written");
    // even a move to somewhere else finds that it was decided
    let other = Move::plan(store.clone(), &here, &sqlite(&folder, "two")).await.expect("plans").expect("is elsewhere");
    assert!(matches!(other.carry_out().await, Err(LedgerError::Moved(place)) if place.ends_with("one.db")));
    write(&opened(store, &there).await, 1, 2).await.expect("goes on");
}

#[tokio::test]
async fn seals_are_followed_and_late_resolutions_are_stopped() {
    let world = World::new();
    let old = opened(&world.store, &LedgerSettings::default()).await;
    let id = &world.identity.ledger;
    let next = Next { generation: Generation(2), topic_id: None, start: offset(1) };
    let seal = Entry { kind: Kind::Seal(Seal { next }), ..entry(id, KNOWN, 1, 1) };
    old.create_entry(&seal).await.expect("creates");
    let last = Entry { generation: Generation(2), ..entry(id, KNOWN, 1, 4) };
    old.create_entry(&last).await.expect("creates");
    let resolution = |n| Resolution {
        version: FORMAT_VERSION,
        ledger: id.clone(),
        topic: Arc::from("clicks"),
        topic_id: None,
        partition: KNOWN,
        generation: Generation(2),
        start: offset(1),
        n,
        reason: ResolutionReason::Compaction,
        files: Vec::new(),
    };
    old.create_resolution(&resolution(1)).await.expect("creates");

    let folder = tempfile::tempdir().expect("a folder");
    let there = sqlite(&folder, "one");
    moved(&world.store, &LedgerSettings::default(), &there).await;
    let late = old.create_resolution(&resolution(2)).await.expect_err("closed");
    assert!(matches!(late, LedgerError::Closed(_)), "{late}");
    let new = opened(&world.store, &there).await;
    assert_eq!(seen(&new).await.0, [entry(id, KNOWN, 0, 1), seal, last]);
    assert_eq!(new.resolutions(&tp(KNOWN), Generation(2), offset(1)).await.expect("reads"), [resolution(1)]);
    assert_eq!(new.create_resolution(&resolution(2)).await.expect("creates"), ResolutionCreation::Created);
}

/// What stands in the new place and is no copy is never taken for one.
#[tokio::test]
async fn another_content_in_the_new_place_is_refused() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let planned = Move::plan(world.data(), &LedgerSettings::default(), &sqlite(&folder, "one")).await;
    let planned = planned.expect("plans").expect("is elsewhere");
    let there = planned.prepare().await.expect("makes tables");
    let path = paths::entry("clicks", FIRST, KNOWN, offset(0));
    there.create(&path, Bytes::from_static(b"{}")).await.expect("creates");
    let error = planned.carry_out().await.expect_err("refused");
    assert!(error.to_string().contains("another content in"), "{error}");
    assert_eq!(world.store.bytes(&paths::moved_ledger(2)), None);
}

#[tokio::test]
async fn a_store_that_is_not_exclusive_gets_no_ledger_by_a_move() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(MemoryStore { overwrites: true, ..MemoryStore::new(PLACE) });
    Ledger::init(store.clone(), &sqlite(&folder, "one")).await.expect("founds");
    let error = Move::plan(store, &sqlite(&folder, "one"), &LedgerSettings::default()).await.expect_err("refused");
    assert!(matches!(error, LedgerError::Probe { .. }), "{error}");
}
