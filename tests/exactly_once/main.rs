//! Goal: prove the promise of the whole, that every record is in exactly one archived file, from outside.
//! Method: the binary between a real Kafka and a real S3 server, killed, restarted, rebalanced and misled; then other
//! people's readers (DuckDB, Hadoop) look at the files, and `secor verify` must agree with them.
//!
//! Try not to add modules that need no kill, no second process and no foreign reader: `tests/operations` has those.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod flights;
mod smaller_limit;

use std::time::{Duration, Instant};

use harness::{Archive, Gate, Kafka, Process, S3, Secor, eventually};

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// The configuration of one archive on S3, in the parts that tests differ in.
struct Setup<'a> {
    kafka: &'a Kafka,
    s3: &'a S3,
    /// Where the store is reached: the server's own endpoint or a gate's.
    endpoint: String,
    /// Prefix in the bucket, consumer group, and the only topic.
    name: &'a str,
    /// Lines of `[kafka.properties]`.
    properties: &'a str,
    /// Lines of `[limits]`.
    limits: &'a str,
    /// Lines of `[[archive]]` after the topics.
    archive: &'a str,
}

// === impl Setup ===

impl<'a> Setup<'a> {
    fn new(kafka: &'a Kafka, s3: &'a S3, name: &'a str) -> Self {
        Self { kafka, s3, endpoint: s3.endpoint(), name, properties: SHORT_SESSIONS, limits: "", archive: "" }
    }

    fn through(self, gate: &Gate) -> Self {
        Self { endpoint: gate.endpoint(), ..self }
    }

    fn limits(self, limits: &'a str) -> Self {
        Self { limits, ..self }
    }

    fn archive(self, archive: &'a str) -> Self {
        Self { archive, ..self }
    }

    /// A folder with this configuration.
    fn secor(&self) -> Secor {
        Secor::new(|folder| self.text(folder))
    }

    /// The same folder with this configuration.
    fn apply(&self, secor: &Secor) {
        secor.configure(&self.text(secor.folder()));
    }

    fn text(&self, folder: &std::path::Path) -> String {
        let store = self.s3.config(self.name).replace(&self.s3.endpoint(), &self.endpoint);
        format!(
            "[kafka]\nbrokers = [\"{}\"]\ngroup = \"{}\"\nrevoke_flush_min = \"1B\"\n[kafka.properties]\n{}\n{store}\n\
             [staging]\npath = \"{}\"\n[limits]\n{}\n[admin]\nlisten = \"127.0.0.1:{}\"\ntoken = \"open\"\n\
             [[archive]]\ntopics = [\"{}\"]\n{}\n",
            self.kafka.bootstrap(),
            self.name,
            self.properties,
            folder.join("staging").display(),
            self.limits,
            harness::free_port(),
            self.name,
            self.archive,
        )
    }

    /// The archive as files.
    fn files(&self) -> Archive {
        Archive::new(self.s3.dir().join(self.name), self.name)
    }
}

/// `secor verify --deep --against-kafka` finds nothing.
#[track_caller]
fn expect_verified(secor: &Secor) {
    secor.run_within(PATIENCE, &["verify", "--deep", "--against-kafka"]).expect_code(0);
}

/// Looks until `look` returns a value, while the process runs.
///
/// # Panics
/// When the process ends or the patience is over, with what the process said.
#[track_caller]
fn watch<T>(process: &mut Process, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    eventually(2 * PATIENCE, what, || {
        let found = look();
        let hopeless = found.is_none() && (!process.is_running() || began.elapsed() > PATIENCE);
        assert!(!hopeless, "no {what} after {:?}:\n{}", began.elapsed(), process.stderr());
        found
    })
}

/// A killed member is missed after this long.
const SHORT_SESSIONS: &str = "\"session.timeout.ms\" = 3000\n\"heartbeat.interval.ms\" = 500";
