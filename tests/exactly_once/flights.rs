//! The main job: a real data set by the hour, while two processes share the partitions and are killed in every window
//! of the protocol.
//!
//! Each process reaches the store through a gate of its own. Before a kill, its gate holds the request that begins the
//! next step; after the kill, before anybody can mend anything, the ledger, the files and the committed offset say
//! which window it was. A kill counts for the window that they name, whatever was intended.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;

use rdkafka::producer::BaseRecord;

use super::harness::{
    Archive, BatchName, Gate, Hold, Kafka, PATIENCE, Process, Release, S3, Secor, Setup, expect_verified,
    patient_kafka, python, watch,
};

const TOPIC: &str = "flights";
const PARTITIONS: i32 = 4;
/// Consecutive flights of one partition, as a producer's sticky partitioner sends them.
const RUN: usize = 1_000;
const FLIGHTS: i64 = 336_776;
const KILLS_PER_WINDOW_MIN: usize = 3;
const KILLS_MAX: usize = 40;

const ARCHIVE: &str = r#"
input = { format = "json" }
timestamp = { field = "meta.ts" }
output_partitions = ["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]
output = { format = "text", compression = "gzip" }
flush = { max_records = 1500, max_bytes = "1MiB", max_age = "1m" }
"#;
/// Of each process; the flights last longer than the kills.
const THROTTLE: &str = "records_per_second = 1500";

/// Between which steps of the protocol a process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Window {
    BeforeManifest,
    BetweenManifestAndFiles,
    BetweenFiles,
    BeforeCommit,
}

const WINDOWS: [Window; 4] =
    [Window::BeforeManifest, Window::BetweenManifestAndFiles, Window::BetweenFiles, Window::BeforeCommit];

#[test]
fn flights_are_archived_exactly_once_through_kills_in_every_window() {
    let (kafka, s3) = (patient_kafka(), S3::start());
    let counts = tempfile::NamedTempFile::new().unwrap();
    produce(kafka, counts.path().to_str().unwrap());
    let archive = Setup::new(kafka, &s3, TOPIC).files();

    let mut fleet = [Member::start(kafka, &s3), Member::start(kafka, &s3)];
    let mut hits: BTreeMap<Window, usize> = BTreeMap::new();
    let mut kills = 0;
    while let Some(wanted) = next_wanted(&hits) {
        assert!(kills < KILLS_MAX, "{kills} kills hit only {hits:?}");
        let member = &mut fleet[kills % 2];
        kills += 1;
        let batch = member.kill_in(wanted, &archive);
        let hit = window_of(batch, kafka, &archive);
        println!("kill {kills}: wanted {wanted:?}, hit {hit:?}: partition {} at {}", batch.partition, batch.start);
        if let Some(hit) = hit {
            *hits.entry(hit).or_default() += 1;
        }
        // every other time what was on the way arrives after the death of its sender
        member.gate.release(if kills % 4 < 2 { Release::Drop } else { Release::CarryOut });
        member.restart();
    }
    assert!(kills >= 10, "{kills} kills");
    let archived: i64 = archive.ends(PARTITIONS).iter().sum();
    assert!(archived < FLIGHTS, "the last kills came when everything was archived");

    finish(fleet, kafka, &s3);
    let found = archive.expect_each_once(FLIGHTS);
    assert!(found.counts == fs::read_to_string(counts.path()).unwrap(), "flights per hour differ from the source");
    let secor = Setup::new(kafka, &s3, TOPIC).archive(ARCHIVE).secor();
    expect_verified(&secor);
    expect_corruption_found(&secor, &archive);
}

/// The window with the fewest hits, while there is one with too few.
fn next_wanted(hits: &BTreeMap<Window, usize>) -> Option<Window> {
    let count = |window: &Window| hits.get(window).copied().unwrap_or_default();
    WINDOWS.into_iter().min_by_key(count).filter(|window| count(window) < KILLS_PER_WINDOW_MIN)
}

fn produce(kafka: &Kafka, counts: &str) {
    let events = python("lab/flights.py", &["--counts", counts]);
    kafka.create_topic(TOPIC, PARTITIONS, &[]);
    kafka.produce_with(|send| {
        for (row, event) in events.lines().enumerate() {
            let partition = i32::try_from(row / RUN).unwrap() % PARTITIONS;
            send(BaseRecord::<(), [u8]>::to(TOPIC).partition(partition).payload(event.as_bytes()));
        }
    });
}

/// Reads from ledger, files and committed offset in which window of this batch its process was killed.
fn window_of(batch: BatchName, kafka: &Kafka, archive: &Archive) -> Option<Window> {
    let Some(slot) = archive.slot(batch.partition, batch.start) else {
        // cut, as its manifest was on the way; the batch before is complete, and nothing of this one is stored
        let before = archive.slots(batch.partition).pop();
        let complete = before.is_none_or(|slot| slot.end == batch.start && archive.stored(&slot) == slot.files.len());
        return complete.then_some(Window::BeforeManifest);
    };
    match archive.stored(&slot) {
        0 => Some(Window::BetweenManifestAndFiles),
        some if some < slot.files.len() => Some(Window::BetweenFiles),
        _ => {
            let committed = kafka.committed(TOPIC, TOPIC, batch.partition).map_or(0, |(offset, _)| offset);
            (committed < slot.end).then_some(Window::BeforeCommit)
        }
    }
}

/// The rest, unthrottled, by two processes that end by themselves.
fn finish(fleet: [Member; 2], kafka: &Kafka, s3: &S3) {
    for mut member in fleet {
        member.process.term();
        member.process.wait(PATIENCE).expect_code(0);
    }
    let setup = Setup::new(kafka, s3, TOPIC).archive(ARCHIVE);
    let (one, other) = (setup.secor(), setup.secor());
    let processes = [one.start(&["run", "--until-end"]), other.start(&["run", "--until-end"])];
    for process in processes {
        process.wait(2 * PATIENCE).expect_code(0);
    }
}

/// One byte of one object is changed behind the server's back.
fn expect_corruption_found(secor: &Secor, archive: &Archive) {
    let slots = archive.slots(2);
    let key = slots[slots.len() / 2].files.first().expect("a batch has files");
    let file = fs::OpenOptions::new().read(true).write(true).open(archive.path(key)).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();

    let found = secor.run_within(PATIENCE, &["verify", TOPIC, "--deep"]).expect_code(1);

    assert!(found.stdout.contains(key), "`{key}` is not named:\n{}", found.stdout);
}

/// One of the processes that share the work, behind its gate.
struct Member {
    gate: Gate,
    secor: Secor,
    process: Process,
}

// === impl Member ===

impl Member {
    fn start(kafka: &Kafka, s3: &S3) -> Self {
        let gate = Gate::start(&s3.endpoint());
        let secor = Setup::new(kafka, s3, TOPIC).through(&gate).limits(THROTTLE).archive(ARCHIVE).secor();
        let process = secor.start(&["run"]);
        Self { gate, secor, process }
    }

    /// Waits until a batch is in this window, and kills.
    fn kill_in(&mut self, window: Window, archive: &Archive) -> BatchName {
        self.gate.hold(match window {
            Window::BeforeManifest => Hold::Entries,
            Window::BetweenManifestAndFiles => Hold::Files,
            Window::BetweenFiles => Hold::LastFile,
            Window::BeforeCommit => Hold::LastAnswer,
        });
        let (gate, process) = (&self.gate, &mut self.process);
        let batch = watch(process, &format!("batch for {window:?}"), || gate.held());
        let stored =
            || archive.slot(batch.partition, batch.start).map(|slot| (archive.stored(&slot), slot.files.len()));
        match window {
            Window::BeforeManifest | Window::BetweenManifestAndFiles => {}
            Window::BetweenFiles => watch(process, "file", || stored().filter(|(some, _)| *some > 0).map(|_| ())),
            Window::BeforeCommit => {
                watch(process, "batch with all files", || stored().filter(|(n, all)| n == all).map(|_| ()))
            }
        }
        self.process.kill();
        batch
    }

    fn restart(&mut self) {
        self.process = self.secor.start(&["run"]);
    }
}
