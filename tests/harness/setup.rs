//! The archive of one topic on S3, as most black-box tests want it: its configuration, its processes, its files.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{Archive, Gate, Kafka, Process, S3, Secor, eventually, free_port};

/// How long anything may take on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A broker that all tests of this process share, and that a busy machine may starve for a while.
pub fn patient_kafka() -> &'static Kafka {
    static PATIENT: OnceLock<Kafka> = OnceLock::new();
    PATIENT.get_or_init(|| Kafka::start_with(&["broker.session.timeout.ms=60000", "broker.heartbeat.interval.ms=500"]))
}

/// The configuration of one archive on S3, in the parts that tests differ in.
pub struct Setup<'a> {
    pub kafka: &'a Kafka,
    pub s3: &'a S3,
    /// Where the store is reached: the server's own endpoint or a gate's.
    pub endpoint: String,
    /// Prefix in the bucket, consumer group, and the only topic.
    pub name: &'a str,
    /// Lines of `[kafka.properties]`.
    pub properties: &'a str,
    /// Lines of `[limits]`.
    pub limits: &'a str,
    /// Lines of `[[archive]]` after the topics.
    pub archive: &'a str,
}

// === impl Setup ===

impl<'a> Setup<'a> {
    pub fn new(kafka: &'a Kafka, s3: &'a S3, name: &'a str) -> Self {
        Self { kafka, s3, endpoint: s3.endpoint(), name, properties: SHORT_SESSIONS, limits: "", archive: "" }
    }

    pub fn through(self, gate: &Gate) -> Self {
        Self { endpoint: gate.endpoint(), ..self }
    }

    pub fn properties(self, properties: &'a str) -> Self {
        Self { properties, ..self }
    }

    pub fn limits(self, limits: &'a str) -> Self {
        Self { limits, ..self }
    }

    pub fn archive(self, archive: &'a str) -> Self {
        Self { archive, ..self }
    }

    /// A folder with this configuration.
    pub fn secor(&self) -> Secor {
        Secor::new(|folder| self.text(folder))
    }

    /// The same folder with this configuration.
    pub fn apply(&self, secor: &Secor) {
        secor.configure(&self.text(secor.folder()));
    }

    pub fn text(&self, folder: &Path) -> String {
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
            free_port(),
            self.name,
            self.archive,
        )
    }

    /// The archive as files.
    pub fn files(&self) -> Archive {
        Archive::new(self.s3.dir().join(self.name), self.name)
    }
}

/// `secor verify --deep --against-kafka` finds nothing.
#[track_caller]
pub fn expect_verified(secor: &Secor) {
    secor.run_within(PATIENCE, &["verify", "--deep", "--against-kafka"]).expect_code(0);
}

/// Looks until `look` returns a value, while the process runs.
///
/// # Panics
/// When the process ends or the patience is over, with what the process said.
#[track_caller]
pub fn watch<T>(process: &mut Process, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
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
