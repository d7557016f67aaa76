//! Databases behind TLS with an authority of one's own; and the commands that look at a configuration or prove one, with
//! the ledger in such a database.

use std::path::Path;
use std::time::Duration;

use secor::config::Secret;
use secor::sql::{Class, Database, SqlError};
use serde_json::Value;

use super::harness::{DatabaseServer, Engine, S3, Secor, Setup, expect_mistake, patient_kafka, python};

/// Kills, stalls, and counting on a machine that does much else.
const LONG: Duration = Duration::from_secs(400);

struct Site {
    folder: tempfile::TempDir,
    server: DatabaseServer,
}

// === impl Site ===

impl Site {
    fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        python("lab/certificates.py", &[folder.path().to_str().unwrap()]);
        let server = DatabaseServer::start_with_tls(engine, &folder.path().join("server.pem"));
        Self { folder, server }
    }

    /// `host` instead of the address that the certificate names.
    fn url(&self, host: &str, mode: &str, authority: &str) -> String {
        let file = self.folder.path().join(authority);
        let keys = match self.server.engine {
            Engine::Postgres => format!("sslmode={mode}&sslrootcert={}", file.display()),
            Engine::MariaDb => format!("ssl-mode={mode}&ssl-ca={}", file.display()),
        };
        format!("{}?{keys}", self.server.url().replace("127.0.0.1", host))
    }
}

async fn reach(url: &str, statement: &str) -> Result<Vec<u8>, SqlError> {
    let mut rows = Database::new(&Secret::new(url)).unwrap().query(statement, &[]).await?;
    Ok(rows.pop().and_then(|mut row| row.pop()?).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_believed_by_the_certificate_of_its_authority_alone() {
    let cases = [
        (Engine::Postgres, "verify-full", "verify-ca", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
        (
            Engine::MariaDb,
            "VERIFY_IDENTITY",
            "VERIFY_CA",
            "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_version'",
        ),
    ];
    for (engine, full, only_authority, spoken) in cases {
        let site = Site::new(engine);
        let protocol = reach(&site.url("127.0.0.1", full, "ca.pem"), spoken).await.unwrap();
        assert!(protocol.starts_with(b"TLSv1."), "{engine:?}: {}", String::from_utf8_lossy(&protocol));
        let stranger = reach(&site.url("127.0.0.1", full, "other.pem"), "SELECT 1").await.expect_err("not trusted");
        assert_eq!(stranger.class, Class::Untrusted, "{engine:?}: {stranger}");
        assert!(stranger.to_string().ends_with("TLS: invalid peer certificate: UnknownIssuer"), "{stranger}");
        // the certificate names an address and no name
        let other = reach(&site.url("localhost", full, "ca.pem"), "SELECT 1").await.expect_err("another host");
        assert_eq!(other.class, Class::Untrusted, "{engine:?}: {other}");
        reach(&site.url("localhost", only_authority, "ca.pem"), "SELECT 1").await.unwrap();
    }
}

fn secor(name: &str, url: &str) -> Secor {
    let text = Setup::new(patient_kafka(), S3::shared(), name).archive("output = { compression = \"gzip\" }");
    let temporary = |folder: &Path| std::fs::create_dir(folder.join("tmp")).unwrap();
    let mut secor = Secor::new(|folder| {
        temporary(folder);
        format!("[ledger]\ntype = \"sql\"\nurl = \"{url}\"\n{}", text.text(folder))
    });
    let temporary = secor.folder().join("tmp");
    secor.set_env("TMPDIR", temporary.to_str().unwrap());
    secor
}

#[test]
fn check_and_selftest_work_with_a_database_behind_tls() {
    let site = Site::new(Engine::Postgres);
    patient_kafka().create_topic("behind_tls", 1, &[]);
    // mistake: ledger-untrusted
    let stranger = secor("behind_tls", &site.url("127.0.0.1", "verify-full", "other.pem"));
    expect_mistake("ledger-untrusted", &stranger.run(&["check"]));

    let secor = secor("behind_tls", &site.url("127.0.0.1", "verify-full", "ca.pem"));
    let ledger = |said: &str| said.lines().find(|line| line.contains(" ledger ")).unwrap_or_default().to_owned();
    let before = ledger(&secor.run(&["check"]).expect_code(0).stdout);
    assert!(before.contains("none yet: `secor ledger init` creates it"), "{before}");
    secor.run(&["ledger", "init"]).expect_code(0);
    let after = ledger(&secor.run(&["check"]).expect_code(0).stdout);
    assert!(after.starts_with("ok ") && after.contains(" in postgres://127.0.0.1:"), "{after}");

    let arguments = "selftest --yes --json --rounds 1 --processes 1 --records 4000 --seed 1";
    let said = secor.run_within(LONG, &arguments.split(' ').collect::<Vec<_>>()).expect_code(0);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["total"]["archived_once"], 4000, "{report}");
}
