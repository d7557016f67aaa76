//! What a database's failover can do wrong, and that it is refused: a standby, a server that takes no writes, a promoted
//! replica that lacks what was acknowledged.

use std::time::Duration;

use secor::config::Secret;
use secor::sql::{Class, Database};

use super::harness::{
    DatabaseServer, Engine, Kafka, PATIENCE, S3, Secor, Setup, eventually, expect_mistake, expect_verified,
    patient_kafka,
};

fn secor(kafka: &Kafka, name: &str, ledger: &str, more: &str) -> Secor {
    let text = Setup::new(kafka, S3::shared(), name).archive("flush = { max_records = 100, max_age = \"1m\" }");
    Secor::new(|folder| format!("{more}\n[ledger]\ntype = \"sql\"\nurl = \"{ledger}\"\n{}", text.text(folder)))
}

fn produce(kafka: &Kafka, topic: &str, ids: std::ops::Range<i64>) {
    kafka.produce(topic, 0, ids.map(|id| format!(r#"{{"id":{id}}}"#)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_and_a_server_that_takes_no_writes_are_refused() {
    let primary = DatabaseServer::start(Engine::Postgres);
    let standby = DatabaseServer::standby_of(&primary);
    let mariadb = DatabaseServer::start(Engine::MariaDb);
    let reach = async |server: &DatabaseServer| {
        let database = Database::new(&Secret::new(server.url())).unwrap();
        database.query("SELECT 1", &[]).await.map(drop)
    };
    reach(&primary).await.unwrap();
    assert_eq!(reach(&standby).await.expect_err("a standby").class, Class::Standby);

    let kept = Database::new(&Secret::new(mariadb.url())).unwrap();
    kept.query("SELECT 1", &[]).await.unwrap();
    mariadb.ask("SET GLOBAL read_only = 1");
    let error = kept.query("SELECT 1", &[]).await.expect_err("on a connection from before, too");
    assert_eq!(error.class, Class::Standby, "{error}");
    mariadb.ask("SET GLOBAL read_only = 0");
    kept.query("SELECT 1", &[]).await.unwrap();

    patient_kafka().create_topic("standby", 1, &[]);
    // mistake: ledger-standby
    let check = secor(patient_kafka(), "standby", &standby.url(), "").run(&["check"]);
    expect_mistake("ledger-standby", &check);
    assert!(!check.stderr.contains("lab-secret"));
}

/// The database came back without the last entries, whose files and commits are there.
#[test]
fn entries_that_a_failover_lost_are_noticed() {
    let (kafka, server, name) = (patient_kafka(), DatabaseServer::shared(Engine::Postgres), "lost_entries");
    kafka.create_topic(name, 1, &[]);
    produce(kafka, name, 0..500);
    let secor = secor(kafka, name, &server.url(), "on_refused = \"exit\"");
    secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(0);
    expect_verified(&secor);
    let lost = format!(
        "DELETE FROM secor_ledger WHERE path >= '_secor/topics/{name}/1/00000/entries/00000000000000000300' \
         AND path LIKE '_secor/topics/{name}/%'"
    );
    server.ask(&lost);
    produce(kafka, name, 500..700);
    let refused = secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(76);
    assert!(refused.stderr.contains("ledger_lost_entries"), "{}", refused.stderr);

    // mistake: ledger-lost
    let own = format!("(SELECT ledger_id FROM secor_ledgers WHERE store LIKE '%/{name}')");
    server.ask(&format!("DELETE FROM secor_ledger WHERE ledger_id IN {own}"));
    server.ask(&format!("DELETE FROM secor_ledgers WHERE ledger_id IN {own}"));
    let refused = secor.run_within(PATIENCE, &["run", "--until-end"]).expect_code(76);
    expect_mistake("ledger-lost", &refused);
}

/// The database is away for a while: archiving waits, and goes on by itself.
#[test]
fn a_run_goes_on_when_the_database_comes_back() {
    for (engine, name) in [(Engine::Postgres, "away_postgres"), (Engine::MariaDb, "away_mariadb")] {
        let (kafka, server) = (patient_kafka(), DatabaseServer::start(engine));
        kafka.create_topic(name, 1, &[]);
        produce(kafka, name, 0..300);
        let secor = secor(kafka, name, &server.url(), "");
        let mut process = secor.start(&["run"]);
        let entries = || secor.run(&["ledger", "list", &format!("{name}:0"), "--json"]).stdout.lines().count();
        eventually(PATIENCE, "three entries", || (entries() == 3).then_some(()));
        server.kill();
        produce(kafka, name, 300..600);
        eventually(PATIENCE, "a line in the log", || process.stderr().contains("trying again").then_some(()));
        server.restart();
        eventually(PATIENCE + Duration::from_secs(30), "six entries", || (entries() == 6).then_some(()));
        process.term();
        process.wait(PATIENCE).expect_code(0);
        expect_verified(&secor);
    }
}
