//! The ledger is moved while it is used: from the store to a database and back, by a command that is killed again and
//! again, under a process that archives and one that was stopped before. All steps of a move, and all orders in which a
//! worker can meet them, are tried in `crates/secor/src/ledger/moving/tests.rs`; here it is the program.

use std::time::Duration;

use super::harness::{
    Admin, DatabaseServer, Engine, PATIENCE, Process, S3, Secor, Setup, expect_mistake, expect_verified, patient_kafka,
    watch,
};

const NAME: &str = "moved";
const PARTITIONS: i32 = 3;
/// Of each partition.
const RECORDS: i64 = 900;
const ARCHIVE: &str = "flush = { max_records = 30, max_age = \"1m\" }";
/// Of each process, so that a move meets it at work.
const THROTTLE: &str = "records_per_second = 400";

/// The archive with its ledger in a database, or in the store.
fn secor(database: Option<&str>) -> Secor {
    let setup = Setup::new(patient_kafka(), S3::shared(), NAME).limits(THROTTLE).archive(ARCHIVE);
    let ledger = database.map_or_else(String::new, |url| format!("[ledger]\ntype = \"sql\"\nurl = \"{url}\""));
    Secor::new(|folder| format!("{ledger}\n{}", setup.text(folder)))
}

fn produce(ids: std::ops::Range<i64>) {
    for partition in 0..PARTITIONS {
        let own = ids.clone().filter(|id| id % i64::from(PARTITIONS) == i64::from(partition));
        patient_kafka().produce(NAME, partition, own.map(|id| format!(r#"{{"id":{id}}}"#)));
    }
}

fn entries(secor: &Secor) -> usize {
    let lines = |partition: i32| secor.run(&["ledger", "list", &format!("{NAME}:{partition}"), "--json"]).stdout;
    (0..PARTITIONS).map(|partition| lines(partition).lines().count()).sum()
}

/// The command is killed ever later, until it has come to its end; how often it was killed.
fn move_and_kill(from: &Secor, to: &Secor) -> u32 {
    let file = to.config_file();
    let arguments = ["ledger", "move", "--to", file.to_str().unwrap(), "--yes"];
    let mut kills = 0;
    loop {
        let mut process = from.start(&arguments);
        // the moment of its death, and no wait for anything
        std::thread::sleep(Duration::from_millis(20 + 15 * u64::from(kills)));
        if process.is_running() {
            process.kill();
            kills += 1;
            continue;
        }
        let finished = process.wait(PATIENCE).expect_code(0);
        assert!(finished.stdout.contains("moved: ") || finished.stdout.contains("is there already"), "{finished:?}");
        return kills;
    }
}

fn expect_stopped(process: Process, place: &str) {
    let stopped = process.wait(PATIENCE).expect_code(76);
    assert!(stopped.stderr.contains("ledger_moved"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains(&format!("a move of the ledger to `{place}")), "{}", stopped.stderr);
}

/// Moves while both run, one of them stopped meanwhile; both end when they want to go on.
fn move_under(from: &Secor, to: &Secor, place: &str) {
    let (mut busy, mut asleep) = (from.start(&["run"]), from.start(&["run"]));
    Admin::of(&mut asleep);
    let before = entries(from);
    watch(&mut busy, "entries of both", || (entries(from) >= before + 4).then_some(()));
    asleep.stop();
    let kills = move_and_kill(from, to);
    assert!(kills > 0, "it was never killed");
    expect_stopped(busy, place);
    let refused = from.run(&["run"]).expect_code(76);
    assert!(refused.stderr.contains(&format!("the ledger was moved to `{place}")), "{}", refused.stderr);
    // the new place is in use when the one that slept wakes up
    let mut after = to.start(&["run"]);
    let before = entries(to);
    watch(&mut after, "an entry in the new place", || (entries(to) > before).then_some(()));
    asleep.cont();
    expect_stopped(asleep, place);
    after.kill();
}

#[test]
fn a_ledger_is_moved_to_a_database_and_back_under_running_processes() {
    let server = DatabaseServer::shared(Engine::Postgres);
    patient_kafka().create_topic(NAME, PARTITIONS, &[]);
    let all = RECORDS * i64::from(PARTITIONS);
    produce(0..all);
    let (beside, database) = (secor(None), secor(Some(&server.url())));
    move_under(&beside, &database, "postgres://127.0.0.1:");
    move_under(&database, &beside, "s3://archive/moved");

    beside.run_within(2 * PATIENCE, &["run", "--until-end"]).expect_code(0);
    Setup::new(patient_kafka(), S3::shared(), NAME).files().expect_each_once(all);
    expect_verified(&beside);
    // mistake: ledger-moved
    expect_mistake("ledger-moved", &database.run(&["run"]));
}

/// What is asked and refused before anything is closed.
#[test]
fn a_move_that_makes_no_sense_changes_nothing() {
    let setup = |name| Setup::new(patient_kafka(), S3::shared(), name).archive(ARCHIVE);
    let (here, elsewhere) = (setup("unmoved").secor(), setup("unmoved_too").secor());
    here.run(&["ledger", "init"]).expect_code(0);
    let to = |secor: &Secor, more: &[&str]| {
        let file = secor.config_file();
        here.run(&[&["ledger", "move", "--to", file.to_str().unwrap()], more].concat())
    };
    let said = to(&elsewhere, &["--yes"]).expect_code(64);
    assert!(
        said.stderr.contains("has another store") && said.stderr.contains("files are not moved"),
        "{}",
        said.stderr
    );
    let said = to(&here, &["--yes"]).expect_code(0);
    assert!(said.stdout.starts_with("the ledger is there already"), "{}", said.stdout);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/l.db", folder.path().display());
    let sql =
        Secor::new(|folder| format!("[ledger]\ntype = \"sql\"\nurl = \"{url}\"\n{}", setup("unmoved").text(folder)));
    let said = to(&sql, &[]).expect_code(76);
    assert!(said.stderr.starts_with("secor: nobody is there to answer, so nothing is moved\n"), "{}", said.stderr);
    here.run(&["ledger", "list"]).expect_code(0);
}
