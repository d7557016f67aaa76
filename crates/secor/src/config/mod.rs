//! The configuration: one TOML file becomes plain, checked values, or a list of everything that is wrong with it.
//!
//! The way of a file: [`tree`] parses it with positions and checks every value against the table of keys in
//! [`schema`]; [`document`] gives it the form of structs; [`rules`] looks for keys that contradict each other. Each step
//! goes on over what the one before refused, so that a user sees all mistakes at once. The reference page
//! `docs/configuration.md` is written by [`mod@reference`] from the same table.
//!
//! Deliberately absent: anything that asks the world outside the file, its environment variables and secret files.
//! Whether a bucket exists is for `secor check`. What Kafka and the store make of their settings is for those rooms.

mod archive_rules;
mod checks;
mod document;
mod environment;
mod error;
mod output_keys;
mod ledger_rules;
mod properties;
mod reference;
mod rules;
mod schema;
mod schema_registry;
mod schemas;
mod secret;
mod store;
mod store_checks;
mod store_keys;
mod store_rules;
mod suggest;
mod topics;
mod tree;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use secor_core::flush::FlushPolicy;
use secor_core::ids::Generation;
use secor_core::manifest::{Arbiter, Isolation};
use secor_core::shape::Shape;

pub use self::environment::{Environment, ProcessEnvironment};
pub use self::error::{ConfigErrors, Mistake, Position};
pub use self::properties::{FIXED_PROPERTIES, FixedProperty, Properties};
pub use self::reference::reference_page;
pub use self::schema_registry::{RegistryLogin, SchemaRegistry};
pub use self::secret::Secret;
pub use self::store::{Azure, File, Gs, S3, Sse, Store, Swift, UploadChecksum};
pub use self::topics::{TopicPattern, TopicSet};
pub use self::units::{format_duration, format_size, parse_duration_ms, parse_size};

/// Names the file when no `--config` does.
pub const CONFIG_VARIABLE: &str = "SECOR_CONFIG";

/// Everything a process needs to know, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read from.
    pub file: PathBuf,
    pub generation: Generation,
    pub on_refused: OnRefused,
    pub on_topic_recreated: OnTopicRecreated,
    pub kafka: Kafka,
    pub store: Store,
    pub ledger: Ledger,
    pub index: Index,
    pub staging: Staging,
    pub limits: Limits,
    pub workers: Workers,
    pub admin: Admin,
    pub schema_registry: Option<SchemaRegistry>,
    /// At least one; the first that matches a topic decides.
    pub archives: Vec<Archive>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRefused {
    StopPartition,
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTopicRecreated {
    Refuse,
    NewGeneration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// At least one, each `host:port`.
    pub brokers: Vec<String>,
    pub group: String,
    pub start: Start,
    pub isolation: Isolation,
    #[serde(deserialize_with = "document::milliseconds")]
    pub revoke_timeout: Duration,
    /// Bytes.
    pub revoke_flush_min: u64,
    #[serde(deserialize_with = "document::milliseconds")]
    pub shutdown_timeout: Duration,
    #[serde(deserialize_with = "document::milliseconds")]
    pub wait_for_broker: Duration,
    /// None of [`FIXED_PROPERTIES`].
    pub properties: Properties,
}

/// Where a topic without a ledger begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Start {
    Earliest,
    Latest,
    Committed,
    /// Milliseconds since 1970.
    Time(i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Who decides which of two creators of a slot wins.
    #[serde(rename = "type")]
    pub arbiter: Arbiter,
    /// Of the database, for [`Arbiter::Sql`].
    pub url: Option<Secret>,
}

/// The offset-range index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Of its database; `None`: there is no index.
    pub url: Option<Secret>,
}

#[derive(Clone, Debug)]
pub struct Staging {
    /// Absolute.
    pub path: PathBuf,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
    pub open_writers: usize,
    /// Files on their way to the store at once.
    pub uploads: usize,
    /// 0: no limit.
    pub records_per_second: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// 0: the number of cores.
    pub threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub listen: std::net::SocketAddr,
    pub token: Option<Secret>,
}

/// One `[[archive]]`.
#[derive(Clone, Debug)]
pub struct Archive {
    pub topics: TopicSet,
    /// What decides bytes and names.
    pub shape: Arc<Shape>,
    /// At least one limit.
    pub flush: FlushPolicy,
}

// === impl Config ===

impl Config {
    /// Reads `file`, or the one that `SECOR_CONFIG` names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let environment = ProcessEnvironment;
        let from_variable = || environment.variable(CONFIG_VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from);
        let Some(file) = file.map(Path::to_owned).or_else(from_variable) else {
            return Err(ConfigErrors::of_file(
                Path::new("configuration"),
                "is missing",
                "no file was named",
                format!("write --config FILE or set {CONFIG_VARIABLE}"),
            ));
        };
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text, &environment),
            Err(error) => {
                let hint = format!("check the path given by --config or {CONFIG_VARIABLE}");
                Err(ConfigErrors::of_file(&file, "can't be read", error.to_string(), hint))
            }
        }
    }

    /// Reads the text of a configuration; `file` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Path, text: &str, environment: &dyn Environment) -> Result<Self, ConfigErrors> {
        rules::apply(file, tree::read(text, environment), environment)
            .map_err(|mistakes| ConfigErrors { file: file.to_owned(), mistakes })
    }

    /// The archive that takes `topic`, by its index: the first that matches.
    #[must_use]
    pub fn archive_for(&self, topic: &str) -> Option<usize> {
        self.archives.iter().position(|archive| archive.topics.matches(topic))
    }
}

// === impl Ledger ===

impl Default for Ledger {
    fn default() -> Self {
        Self { arbiter: Arbiter::Store, url: None }
    }
}

// === impl Start ===

impl TryFrom<String> for Start {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "committed" => Ok(Self::Committed),
            time => time.parse::<jiff::Timestamp>().map(|time| Self::Time(time.as_millisecond())),
        }
    }
}

#[cfg(test)]
mod tests;
