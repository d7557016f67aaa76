//! The promise on the other clouds: processes are killed once in every window of the protocol, what was on its way is
//! lost or arrives late, and every record is in one file all the same. The archive is read by the servers' own REST
//! interface, and by DuckDB.

use std::path::Path;

use super::harness::{
    Archive, Azure, Gate, Gcs, Hold, Kafka, PATIENCE, Process, Release, Secor, Swift, eventually, expect_verified,
    free_port, patient_kafka, python, watch,
};

const PARTITIONS: i32 = 2;
const RECORDS: i64 = 12_000;
/// In the order of the protocol; a batch has two files.
const WINDOWS: [Hold; 4] = [Hold::Entries, Hold::Files, Hold::LastFile, Hold::LastAnswer];

const ARCHIVE: &str = r#"
input = { format = "json" }
output_partitions = ["half={field:half}"]
output = { format = "text", compression = "gzip" }
flush = { max_records = 400, max_age = "1m" }
"#;
/// The records last longer than the kills.
const THROTTLE: &str = "records_per_second = 300";

/// Where an archive is.
struct Place {
    /// Topic, group and prefix.
    name: &'static str,
    /// `[store]` and its tables.
    store: String,
    /// The server's `http://host:port`, as it stands in `store`.
    server: String,
}

#[test]
fn records_are_archived_exactly_once_on_gcs_through_kills_in_every_window() {
    let (gcs, name) = (Gcs::shared(), "kills_on_gcs");
    let place = Place { name, store: gcs.config(name), server: gcs.endpoint() };
    survive(&place, |folder| drop(python("lab/mirror.py", &["gcs", &gcs.json_endpoint(), name, folder])));
}

#[test]
fn records_are_archived_exactly_once_on_azure_through_kills_in_every_window() {
    let (azure, name) = (Azure::shared(), "kills_on_azure");
    let place = Place { name, store: azure.config(name), server: azure.server() };
    survive(&place, |folder| {
        drop(python("lab/mirror.py", &["azure", &azure.endpoint(), name, folder, &azure.reader]));
    });
}

/// Swift lets several creators win, so the ledger is in a database and its entries are not seen on the wire: the process
/// ends itself where it is told to.
#[test]
fn records_are_archived_exactly_once_on_swift_with_the_ledger_in_sqlite() {
    const STEPS: [&str; 4] = ["before-manifest", "manifest-created", "each-file", "files-complete"];
    let (kafka, swift, name) = (patient_kafka(), Swift::shared(), "kills_on_swift");
    produce(kafka, name);
    let database = tempfile::tempdir().unwrap();
    let ledger = format!("[ledger]\ntype = \"sql\"\nurl = \"sqlite://{}/ledger.db\"\n", database.path().display());
    let place = Place { name, store: format!("{ledger}{}", swift.config(name)), server: swift.endpoint() };
    let mut secor = Secor::new(|folder| config(&place, kafka, &place.server, "", folder));
    secor.run(&["ledger", "init"]).expect_code(0);
    for step in STEPS {
        secor.set_env("SECOR_FAILPOINTS", &format!("{step}#3=kill"));
        let killed = secor.start(&["run"]).wait(PATIENCE);
        assert_eq!(killed.code, 128 + libc::SIGKILL, "at {step}:\n{}", killed.stderr);
    }
    secor.set_env("SECOR_FAILPOINTS", "");
    secor.run_within(2 * PATIENCE, &["run", "--until-end"]).expect_code(0);
    let account = format!("{}/v1/AUTH_test", swift.endpoint());
    let seen = Seen::of(&|folder: &str| drop(python("lab/mirror.py", &["swift", &account, name, folder])), name);
    seen.archive.expect_each_once(RECORDS);
    expect_verified(&secor);
}

/// `mirror` copies the archive into a folder.
fn survive(place: &Place, mirror: impl Fn(&str)) {
    let kafka = patient_kafka();
    produce(kafka, place.name);
    let gate = Gate::start(&place.server);
    let secor = Secor::new(|folder| config(place, kafka, &gate.endpoint(), THROTTLE, folder));
    let mut process = secor.start(&["run"]);
    for (number, window) in WINDOWS.into_iter().enumerate() {
        gate.hold(window);
        let batch = watch(&mut process, &format!("batch to hold at {window:?}"), || gate.held());
        let stored = || {
            let seen = Seen::of(&mirror, place.name);
            seen.archive.slot(batch.partition, batch.start).map(|slot| seen.archive.stored(&slot))
        };
        let wanted = [None, Some(0), Some(1), Some(2)][number];
        // what is not held goes on: the other file may still be on its way
        watch(&mut process, &format!("{wanted:?} files of {batch:?}"), || (stored() == wanted).then_some(()));
        process.kill();
        assert_eq!(stored(), wanted, "files of {batch:?}, killed at {window:?}");
        gate.release(if number % 2 == 0 { Release::CarryOut } else { Release::Drop });
        process = secor.start(&["run"]);
    }
    finish(process, &secor, &config(place, kafka, &place.server, "", secor.folder()));
    let seen = Seen::of(&mirror, place.name);
    seen.archive.expect_each_once(RECORDS);
    expect_verified(&secor);
}

/// The rest, unthrottled.
fn finish(mut process: Process, secor: &Secor, config: &str) {
    eventually(PATIENCE, "the last process to run", || process.stderr().contains("the admin page").then_some(()));
    process.term();
    process.wait(PATIENCE).expect_code(0);
    secor.configure(config);
    secor.run_within(2 * PATIENCE, &["run", "--until-end"]).expect_code(0);
}

fn produce(kafka: &Kafka, topic: &str) {
    kafka.create_topic(topic, PARTITIONS, &[]);
    let each = RECORDS / i64::from(PARTITIONS);
    for partition in 0..PARTITIONS {
        let first = i64::from(partition) * each;
        let ids = first..first + each;
        kafka.produce(topic, partition, ids.map(|id| format!(r#"{{"id":{id},"half":"{}"}}"#, id % 2)));
    }
}

fn config(place: &Place, kafka: &Kafka, endpoint: &str, limits: &str, folder: &Path) -> String {
    format!(
        "[kafka]\nbrokers = [\"{}\"]\ngroup = \"{name}\"\nrevoke_flush_min = \"1B\"\n[kafka.properties]\n\
         \"session.timeout.ms\" = 3000\n\"heartbeat.interval.ms\" = 500\n{}\n[staging]\npath = \"{}\"\n[limits]\n\
         {limits}\n[admin]\nlisten = \"127.0.0.1:{}\"\n[[archive]]\ntopics = [\"{name}\"]\n{ARCHIVE}\n",
        kafka.bootstrap(),
        place.store.replace(&place.server, endpoint),
        folder.join("staging").display(),
        free_port(),
        name = place.name,
    )
}

/// The archive as it is at this moment.
struct Seen {
    archive: Archive,
    // holds the files
    _folder: tempfile::TempDir,
}

impl Seen {
    fn of(mirror: &impl Fn(&str), topic: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        mirror(folder.path().to_str().unwrap());
        Self { archive: Archive::new(folder.path(), topic), _folder: folder }
    }
}
