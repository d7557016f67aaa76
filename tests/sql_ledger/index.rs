//! The index: fed after each batch beside a ledger of either type, caught up after an outage, made anew from the ledger.

use std::path::Path;
use std::process::Command;

use secor_core::manifest::Arbiter;

use super::harness::{
    DatabaseServer, Engine, PATIENCE, S3, Secor, Setup, eventually, expect_verified, patient_kafka, watch,
};

const ARCHIVE: &str = "flush = { max_records = 100, max_age = \"1m\" }";
const ROWS: &str = "SELECT file_key, topic, kafka_partition, generation, batch_start, batch_end, first_offset, last_offset, \
                    records, bytes, size, checksum, timestamp_min, timestamp_max FROM secor_files ORDER BY file_key";

/// With the ledger in the store, or in SQLite.
fn secor(name: &str, database: &str, arbiter: Arbiter) -> Secor {
    let setup = Setup::new(patient_kafka(), S3::shared(), name).archive(ARCHIVE);
    Secor::new(|folder| {
        let ledger = match arbiter {
            Arbiter::Store => String::new(),
            Arbiter::Sql => format!("[ledger]\ntype = \"sql\"\nurl = \"sqlite://{}/ledger.db\"", folder.display()),
        };
        format!("[index]\nurl = \"{database}\"\n{ledger}\n{}", setup.text(folder))
    })
}

fn produce(topic: &str, ids: std::ops::Range<i64>) {
    patient_kafka().produce(topic, 0, ids.map(|id| format!(r#"{{"id":{id}}}"#)));
}

fn md5_of(file: &Path) -> String {
    let said = Command::new("md5sum").arg(file).output().unwrap();
    String::from_utf8(said.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn the_index_is_fed_catches_up_and_is_made_anew() {
    let cases =
        [(Engine::Postgres, "index_postgres", Arbiter::Store), (Engine::MariaDb, "index_mariadb", Arbiter::Sql)];
    for (engine, name, arbiter) in cases {
        let server = DatabaseServer::start(engine);
        patient_kafka().create_topic(name, 1, &[]);
        produce(name, 0..300);
        let secor = secor(name, &server.url(), arbiter);
        let mut process = secor.start(&["run"]);
        eventually(PATIENCE, "three rows", || (rows(&server) == 3).then_some(()));

        server.kill();
        produce(name, 300..600);
        let entries = || secor.run(&["ledger", "list", &format!("{name}:0"), "--json"]).stdout.lines().count();
        watch(&mut process, "three batches more, without the index", || (entries() == 6).then_some(()));
        let said = process.stderr_file();
        watch(&mut process, "a line in the log", || {
            std::fs::read_to_string(&said).unwrap().contains("the index is not fed; archiving goes on").then_some(())
        });
        server.restart();
        watch(&mut process, "six rows", || (rows(&server) == 6).then_some(()));
        process.term();
        process.wait(PATIENCE).expect_code(0);

        expect_what_is_stored(&server, name);
        let fed = server.ask(ROWS);
        server.ask("DELETE FROM secor_files WHERE first_offset >= 200");
        server.ask("UPDATE secor_files SET size = 1");
        let synced = secor.run(&["ledger", "sync"]).expect_code(0);
        assert_eq!(synced.stdout, format!("{name}:0: 6 batches, 6 files\n"));
        assert_eq!(server.ask(ROWS), fed, "{engine:?}");
        expect_verified(&secor);
    }
}

fn rows(server: &DatabaseServer) -> usize {
    let is_there = match server.engine {
        Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE tablename = 'secor_files'",
        Engine::MariaDb => "SELECT count(*) FROM information_schema.tables WHERE table_name = 'secor_files'",
    };
    if server.ask(is_there) == "0" { 0 } else { server.ask("SELECT count(*) FROM secor_files").parse().unwrap() }
}

/// The questions of docs/sql-ledger.md, and Kafka Store's columns.
fn expect_what_is_stored(server: &DatabaseServer, name: &str) {
    let which = format!(
        "SELECT file_key FROM secor_files WHERE topic = '{name}' AND kafka_partition = 0 AND first_offset <= 250 \
         AND last_offset >= 250"
    );
    let key = server.ask(&which);
    assert_eq!(key, format!("{name}/1_0_00000000000000000200"), "{:?}", server.engine);
    let came = format!(
        "SELECT count(*) FROM secor_files WHERE topic = '{name}' AND timestamp_max >= 1600000000000 \
         AND timestamp_min < 4000000000000"
    );
    assert_eq!(server.ask(&came), "6");
    let file = S3::shared().dir().join(name).join(&key);
    let view = server.ask("SELECT * FROM kafka_store_files WHERE start_offset = 200");
    let wanted =
        format!("{name}\t0\t200\t299\t{}\t{}\t{key}\t", std::fs::metadata(&file).unwrap().len(), md5_of(&file));
    assert!(view.starts_with(&wanted), "{view}\n{wanted}");
}

#[test]
fn a_sync_without_an_index_says_what_is_missing() {
    let setup = Setup::new(patient_kafka(), S3::shared(), "no_index").archive(ARCHIVE);
    patient_kafka().create_topic("no_index", 1, &[]);
    let secor = setup.secor();
    secor.run(&["ledger", "init"]).expect_code(0);
    let said = secor.run(&["ledger", "sync"]).expect_code(64);
    assert!(
        said.stderr.contains("secor: the configuration has no index\nhint: set `url` in `[index]`"),
        "{}",
        said.stderr
    );
}
