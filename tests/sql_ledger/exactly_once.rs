//! The promise with each arbiter: real flights by the hour, two processes, one of which dies at a named step again and
//! again, and the database with it. Then DuckDB counts, and `secor verify` agrees.
//!
//! On a store where the last writer wins, what a dead process had on the way arrives late and replaces files that
//! another process has made meanwhile.

use std::fs;
use std::path::PathBuf;

use rdkafka::producer::BaseRecord;

use super::harness::{
    Admin, Archive, DatabaseServer, Engine, Gate, Hold, Kafka, PATIENCE, Process, Release, S3, Secor, Setup,
    expect_mistake, expect_verified, patient_kafka, python, watch,
};

const PARTITIONS: i32 = 4;
const RUN: usize = 500;
const FLIGHTS: i64 = 24_000;

const ARCHIVE: &str = r#"
input = { format = "json" }
timestamp = { field = "meta.ts" }
output_partitions = ["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]
output = { format = "text", compression = "gzip" }
flush = { max_records = 300, max_age = "1m" }
"#;
/// Of each process; the flights last longer than the deaths.
const THROTTLE: &str = "records_per_second = 600";

/// One archive with its ledger.
struct Place<'a> {
    name: &'static str,
    s3: &'a S3,
    /// `[ledger]`'s url.
    ledger: String,
    endpoint: String,
    counts: tempfile::NamedTempFile,
}

// === impl Place ===

impl<'a> Place<'a> {
    fn new(name: &'static str, s3: &'a S3, ledger: String) -> Self {
        let counts = tempfile::NamedTempFile::new().unwrap();
        produce(patient_kafka(), name, counts.path().to_str().unwrap());
        Self { name, s3, ledger, endpoint: s3.endpoint(), counts }
    }

    fn secor(&self, limits: &str) -> Secor {
        self.secor_through(&self.endpoint, limits)
    }

    fn secor_through(&self, endpoint: &str, limits: &str) -> Secor {
        let setup = Setup { endpoint: endpoint.to_owned(), ..Setup::new(patient_kafka(), self.s3, self.name) };
        let setup = setup.limits(limits).archive(ARCHIVE);
        Secor::new(|folder| format!("[ledger]\ntype = \"sql\"\nurl = \"{}\"\n{}", self.ledger, setup.text(folder)))
    }

    fn archive(&self) -> Archive {
        Setup::new(patient_kafka(), self.s3, self.name).files()
    }

    /// The rest by two processes, then DuckDB's count and the audit.
    fn finish(&self, processes: Vec<Process>) -> Secor {
        for mut process in processes {
            process.term();
            process.wait(PATIENCE).expect_code(0);
        }
        let (one, other) = (self.secor(""), self.secor(""));
        for process in [one.start(&["run", "--until-end"]), other.start(&["run", "--until-end"])] {
            process.wait(2 * PATIENCE).expect_code(0);
        }
        let found = self.archive().expect_each_once(FLIGHTS);
        assert!(found.counts == fs::read_to_string(self.counts.path()).unwrap(), "flights per hour differ");
        expect_verified(&one);
        assert!(!self.archive().path("_secor/topics").exists(), "no entry is in the data store");
        one
    }
}

fn produce(kafka: &Kafka, topic: &str, counts: &str) {
    let events = python("lab/flights.py", &["--limit", &FLIGHTS.to_string(), "--counts", counts]);
    kafka.create_topic(topic, PARTITIONS, &[]);
    kafka.produce_with(|send| {
        for (row, event) in events.lines().enumerate() {
            let partition = i32::try_from(row / RUN).unwrap() % PARTITIONS;
            send(BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(event.as_bytes()));
        }
    });
}

/// Dies at each of the steps, beside a process that lives; returns both, running.
fn die_at(place: &Place<'_>, steps: &[&str], mut between: impl FnMut()) -> Vec<Process> {
    let (mut mortal, steady) = (place.secor(THROTTLE), place.secor(THROTTLE));
    let beside = steady.start(&["run"]);
    for step in steps {
        mortal.set_env("SECOR_FAILPOINTS", &format!("{step}#2=kill"));
        let process = mortal.start(&["run"]);
        let finished = process.wait(PATIENCE);
        assert_eq!(finished.code, 128 + libc::SIGKILL, "at {step}:\n{}", finished.stderr);
        assert!(finished.stderr.contains("failpoint reached"), "{}", finished.stderr);
        between();
    }
    mortal.set_env("SECOR_FAILPOINTS", "");
    let mut last = mortal.start(&["run"]);
    Admin::of(&mut last);
    vec![beside, last]
}

#[test]
fn flights_are_archived_exactly_once_with_the_ledger_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new("sqlite_flights", S3::shared(), format!("sqlite://{}/l.db", folder.path().display()));
    let processes = die_at(&place, &["before-manifest", "each-file", "commit-sent"], || ());
    place.finish(processes);
}

#[test]
fn flights_are_archived_exactly_once_with_the_ledger_in_mariadb_that_is_killed_too() {
    let server = DatabaseServer::start(Engine::MariaDb);
    let place = Place::new("mariadb_flights", S3::shared(), server.url());
    let processes = die_at(&place, &["manifest-sent", "manifest-created", "files-complete"], || {
        server.kill();
        server.restart();
    });
    place.finish(processes);
}

#[test]
fn flights_are_archived_exactly_once_on_a_store_where_the_last_writer_wins() {
    let (s3, server) = (S3::start(), DatabaseServer::start(Engine::Postgres));
    let gate = Gate::last_writer_wins(&s3.endpoint(), &s3.dir());
    let place = Place { endpoint: gate.endpoint(), ..Place::new("last_writer_wins", &s3, server.url()) };
    // mistake: ledger-not-founded
    let asked = place.secor(THROTTLE).run(&["run"]).expect_code(64);
    expect_mistake("ledger-not-founded", &asked);
    let init = place.secor("").run(&["ledger", "init"]).expect_code(0);
    assert!(init.stdout.contains("created"), "{}", init.stdout);

    let late = late_writer(&place, &s3);
    let mut processes = die_at(&place, &["manifest-created", "each-file", "files-complete"], || {
        server.kill();
        server.restart();
    });
    watch(&mut processes[0], "the late writer's batch to be complete", || {
        late.files.iter().all(|file| file.is_file()).then_some(())
    });
    late.gate.release(Release::CarryOut);
    let secor = place.finish(processes);
    expect_other_bytes_accepted_and_other_records_found(&place, &secor);
}

/// A process that died while the files of a batch were on their way: they arrive when the gate is released.
struct LateWriter {
    gate: Gate,
    /// What it had on the way.
    files: Vec<PathBuf>,
}

fn late_writer(place: &Place<'_>, s3: &S3) -> LateWriter {
    let gate = Gate::last_writer_wins(&s3.endpoint(), &s3.dir());
    gate.hold(Hold::Files);
    let secor = place.secor_through(&gate.endpoint(), THROTTLE);
    let mut process = secor.start(&["run"]);
    let batch = watch(&mut process, "files on their way", || gate.held());
    process.kill();
    let target = format!("{}:{}", place.name, batch.partition);
    let listed = place.secor("").run(&["ledger", "list", &target, "--json"]).expect_code(0);
    let line = listed.stdout.lines().find(|line| line.contains(&format!("\"start\":{},", batch.start)));
    let entry: serde_json::Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{}", listed.stdout))).unwrap();
    let keys = entry["files"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    let files: Vec<PathBuf> = keys.map(|key| place.archive().path(key)).collect();
    assert!(files.len() > 1, "{entry}");
    LateWriter { gate, files }
}

/// The receipt says which bytes were stored; where the last writer wins, the records count.
fn expect_other_bytes_accepted_and_other_records_found(place: &Place<'_>, secor: &Secor) {
    let archive = place.archive();
    let listed = secor.run(&["ledger", "list", &format!("{}:1", place.name), "--json"]).expect_code(0);
    let second: serde_json::Value = serde_json::from_str(listed.stdout.lines().nth(1).unwrap()).unwrap();
    let key = second["files"][0].as_str().unwrap();
    let file = archive.path(key);
    let rewrite = |change: &str| {
        let script = "import gzip,sys; p=sys.argv[1]; b=gzip.open(p).read(); b=eval(sys.argv[2])(b); \
                      f=open(p,'r+b'); f.truncate(0); f.write(gzip.compress(b, 1, mtime=0))";
        let done = std::process::Command::new("python3").args(["-c", script, file.to_str().unwrap(), change]).status();
        assert!(done.unwrap().success());
    };
    rewrite("lambda b: b");
    secor.run_within(PATIENCE, &["verify", place.name]).expect_code(0);
    rewrite("lambda b: b.replace(b'2013', b'2014', 1)");
    let found = secor.run_within(PATIENCE, &["verify", place.name]).expect_code(1);
    assert!(found.stdout.contains(key) && found.stdout.contains("other values"), "{}", found.stdout);
}
