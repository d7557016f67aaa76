//! Where a selftest happens: names that nobody else uses, the configuration of its processes, a local folder for their
//! logs; and how all of it goes away again.
//!
//! The configuration is the user's own with other places in it: `[kafka]`, `[store]` and `[ledger]` are taken over as
//! they are written, so that references to secrets stay references, and every key that exists tomorrow is used too. What
//! is another: group, prefix, topic, flush, and a session short enough to be waited for.
//!
//! Only here is anything deleted from a store, and only below the prefix that this run has made up.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use rand::Rng;
use secor_core::manifest::Arbiter;
use toml::{Table, Value};

use crate::cli::errors::{Class, CliError};
use crate::config::{Config, ProcessEnvironment};
use crate::kafka::scratch::ScratchAdmin;
use crate::kafka::{self, KafkaError};
use crate::service::settings;
use crate::store::{self, Store, StoreError};

/// How long a question to Kafka may take.
pub(super) const KAFKA_TIMEOUT: Duration = Duration::from_secs(15);
/// Partitions for each process.
const PARTITIONS_PER_PROCESS: u32 = 2;
/// The least that brokers allow unless told otherwise.
const SESSION_MS_MAX: u64 = 6_000;
/// Of the brokers, for the consumer protocol, which has no such property.
const BROKERS_SESSION_MS: u64 = 45_000;
/// Parts of a session between two heartbeats.
const HEARTBEATS: u64 = 6;
const SESSION: &str = "session.timeout.ms";
const HEARTBEAT: &str = "heartbeat.interval.ms";
const INSTANCE: &str = "group.instance.id";
/// How long a group may take to be empty, beyond its session.
const GROUP_PATIENCE: Duration = Duration::from_secs(10);
const GROUP_INTERVAL: Duration = Duration::from_millis(500);
const FOLDER: &str = "_selftest";
const PAGE_KEYS: usize = 1_000;
const DELETIONS_AT_ONCE: usize = 16;

/// The names of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub topic: String,
    pub group: String,
    /// Below the configured url.
    pub url: String,
    pub partitions: u32,
    /// Of a group session.
    pub session: Duration,
    id: String,
}

/// One run's places.
pub(super) struct Site {
    pub names: Names,
    /// Of the first process; the others differ in their member's name at most.
    pub config: Config,
    pub store: Arc<dyn Store>,
    folder: PathBuf,
    processes: usize,
    store_used: AtomicBool,
    topic_created: AtomicBool,
    group_joined: AtomicBool,
}

/// What becomes of a run's places when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    Delete,
    Keep,
}

// === impl Names ===

impl Names {
    /// Makes up names for this run; nothing is created.
    pub(super) fn draw(config: &Config, topic: Option<&str>, processes: u32) -> Self {
        let id = format!("{:08x}", rand::rng().random::<u32>());
        let group = format!("secor-selftest-{id}");
        Self {
            topic: topic.map_or_else(|| group.clone(), str::to_owned),
            group,
            url: format!("{}/{FOLDER}/{id}", config.store.url),
            partitions: processes * PARTITIONS_PER_PROCESS,
            session: session(config),
            id,
        }
    }
}

/// The configured session if it is short, else a short one.
fn session(config: &Config) -> Duration {
    let property = |name| config.kafka.properties.get(name);
    let ms = if property("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer")) {
        BROKERS_SESSION_MS
    } else {
        let configured = property(SESSION).and_then(|ms| ms.parse().ok());
        configured.map_or(SESSION_MS_MAX, |ms: u64| ms.min(SESSION_MS_MAX))
    };
    Duration::from_millis(ms)
}

// === impl Site ===

impl Site {
    /// Makes the local folder with the configurations, and on a local disk the prefix. Asks nobody.
    ///
    /// # Errors
    /// When the temporary folder can't be written.
    pub(super) fn new(user: &Config, names: Names, processes: u32, records_per_batch: u64) -> Result<Self, CliError> {
        let folder = std::env::temp_dir().join(format!("secor-selftest-{}", names.id));
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| cannot(&folder, &error))?;
        let made = Self::furnish(user, names, processes as usize, records_per_batch, folder.clone());
        if made.is_err() {
            // what went wrong is said; that the folder can't be removed either says nothing more
            let _ = fs::remove_dir_all(&folder);
        }
        made
    }

    fn furnish(
        user: &Config,
        names: Names,
        processes: usize,
        records_per_batch: u64,
        folder: PathBuf,
    ) -> Result<Self, CliError> {
        let written = fs::read_to_string(&user.file).map_err(|error| cannot(&user.file, &error))?;
        let written: Table = written.parse().map_err(|error: toml::de::Error| {
            CliError::caused_by(Class::Configuration, &error).while_doing(&user.file.display().to_string())
        })?;
        let mut first = None;
        for process in 0..processes {
            let text = configuration(&written, user, &names, &folder, process, records_per_batch);
            let file = config_file(&folder, process);
            fs::write(&file, &text).map_err(|error| cannot(&file, &error))?;
            let config = Config::parse(&file, &text, &ProcessEnvironment)?;
            first.get_or_insert(config);
        }
        let config = first.expect("there is at least one process");
        if let Some(prefix) = local_prefix(&config)
            && prefix.ancestors().nth(2).is_some_and(Path::is_dir)
        {
            fs::create_dir_all(&prefix).map_err(|error| cannot(&prefix, &error))?;
        }
        let store = store::open(&settings::store(&config))?;
        let [store_used, topic_created, group_joined] = [false; 3].map(AtomicBool::new);
        Ok(Self { names, config, store, folder, processes, store_used, topic_created, group_joined })
    }

    pub(super) fn processes(&self) -> usize {
        self.processes
    }

    pub(super) fn config_file(&self, process: usize) -> PathBuf {
        config_file(&self.folder, process)
    }

    pub(super) fn log_file(&self, process: usize) -> PathBuf {
        self.folder.join(format!("process-{process}.log"))
    }

    pub(super) fn kafka(&self) -> kafka::Settings {
        settings::kafka(&self.config, KAFKA_TIMEOUT)
    }

    /// From now on there are objects below the prefix.
    pub(super) fn note_store_used(&self) {
        self.store_used.store(true, Ordering::Relaxed);
    }

    /// From now on the topic is ours to delete.
    pub(super) fn note_topic_created(&self) {
        self.topic_created.store(true, Ordering::Relaxed);
    }

    /// From now on there may be a group.
    pub(super) fn note_group_joined(&self) {
        self.group_joined.store(true, Ordering::Relaxed);
    }

    /// Deletes what this run has made, or leaves it. Returns what stays, a line for each place.
    pub(super) async fn leave(self, afterwards: Afterwards) -> Vec<String> {
        let mut left = Vec::new();
        if afterwards == Afterwards::Keep {
            if self.topic_created.load(Ordering::Relaxed) {
                left.push(format!("topic `{}`, group `{}`", self.names.topic, self.names.group));
            }
            left.push(format!("files and ledger: {}", self.names.url));
            left.push(format!("configurations and logs: {}", self.folder.display()));
            return left;
        }
        self.delete_from_kafka(&mut left).await;
        match local_prefix(&self.config) {
            Some(prefix) => delete_folder(&prefix, &mut left),
            None if self.store_used.load(Ordering::Relaxed) => self.delete_objects(&mut left).await,
            None => {}
        }
        if self.config.ledger.arbiter == Arbiter::Sql && self.store_used.load(Ordering::Relaxed) {
            left.push(format!("rows in the ledger's database, those of the ledger for {}", self.names.url));
        }
        delete_folder(&self.folder, &mut left);
        left
    }

    async fn delete_from_kafka(&self, left: &mut Vec<String>) {
        let admin = match ScratchAdmin::new(&self.kafka()) {
            Ok(admin) => admin,
            Err(error) => return left.push(format!("group `{}`: {error}", self.names.group)),
        };
        if self.topic_created.load(Ordering::Relaxed)
            && let Err(error) = admin.delete_topic(&self.names.topic).await
        {
            left.push(format!("topic `{}`: {error}", self.names.topic));
        }
        if !self.group_joined.load(Ordering::Relaxed) {
            return;
        }
        // members that were killed belong to it until their session is over
        let deadline = Instant::now() + self.names.session + GROUP_PATIENCE;
        loop {
            match admin.delete_group(&self.names.group).await {
                Ok(()) => return,
                Err(KafkaError::Broker { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(GROUP_INTERVAL).await;
                }
                Err(error) => return left.push(format!("group `{}`: {error}", self.names.group)),
            }
        }
    }

    async fn delete_objects(&self, left: &mut Vec<String>) {
        let mut after: Option<String> = None;
        let (mut kept, mut why) = (0_usize, None);
        loop {
            let page = match self.store.list("", after.as_deref(), PAGE_KEYS).await {
                Ok(page) => page,
                Err(error) => return left.push(format!("objects below {}: {error}", self.names.url)),
            };
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let deletions = stream::iter(&page).map(|object| self.store.delete(&object.key));
            let refused: Vec<StoreError> =
                deletions.buffer_unordered(DELETIONS_AT_ONCE).filter_map(async |done| done.err()).collect().await;
            kept += refused.len();
            why = why.or_else(|| refused.into_iter().next());
        }
        if let Some(why) = why {
            left.push(format!("{kept} objects below {}: {why}", self.names.url));
        }
    }
}

fn config_file(folder: &Path, process: usize) -> PathBuf {
    folder.join(format!("process-{process}.toml"))
}

/// The folder of a local archive.
fn local_prefix(config: &Config) -> Option<PathBuf> {
    let url = url::Url::parse(&config.store.url).ok().filter(|url| url.scheme() == "file")?;
    url.to_file_path().ok()
}

/// Removes a folder of ours, and the one above it when nothing else is there.
fn delete_folder(folder: &Path, left: &mut Vec<String>) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            left.push(format!("`{}`: {error}", folder.display()));
        }
        _ => {}
    }
    if let Some(above) = folder.parent().filter(|above| above.ends_with(FOLDER)) {
        // other runs may be in it
        let _ = fs::remove_dir(above);
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> CliError {
    CliError::caused_by(Class::Configuration, error).while_doing(&format!("`{}`", path.display()))
}

/// The configuration of one process: `written` is the user's as it stands in the file, `user` what it means.
fn configuration(
    written: &Table,
    user: &Config,
    names: &Names,
    folder: &Path,
    process: usize,
    records_per_batch: u64,
) -> String {
    let mut config = Table::new();
    let text = |text: &str| Value::String(text.to_owned());
    config.insert("on_refused".to_owned(), text("exit"));

    let mut kafka = table(written, "kafka");
    kafka.insert("group".to_owned(), text(&names.group));
    kafka.insert("start".to_owned(), text("earliest"));
    kafka.insert("revoke_flush_min".to_owned(), text("1B"));
    let mut properties = Table::new();
    flatten("", &table(&kafka, "properties"), &mut properties);
    properties.remove("debug");
    if user.kafka.properties.get("group.protocol").is_none_or(|protocol| !protocol.eq_ignore_ascii_case("consumer")) {
        let session_ms = names.session.as_millis() as u64;
        properties.insert(SESSION.to_owned(), number(session_ms));
        properties.insert(HEARTBEAT.to_owned(), number(session_ms / HEARTBEATS));
    }
    if properties.contains_key(INSTANCE) {
        properties.insert(INSTANCE.to_owned(), text(&format!("{}-{process}", names.group)));
    }
    kafka.insert("properties".to_owned(), Value::Table(properties));
    config.insert("kafka".to_owned(), Value::Table(kafka));

    let mut store = table(written, "store");
    let url = store.get("url").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/').to_owned();
    store.insert("url".to_owned(), text(&format!("{url}/{FOLDER}/{}", names.id)));
    config.insert("store".to_owned(), Value::Table(store));
    for kept in ["ledger", "workers"] {
        if let Some(section) = written.get(kept) {
            config.insert(kept.to_owned(), section.clone());
        }
    }
    if local_prefix(user).is_none() {
        let path = folder.join("staging").display().to_string().replace("${", "$${");
        config.insert("staging".to_owned(), Value::Table(Table::from_iter([("path".to_owned(), text(&path))])));
    }
    config.insert("limits".to_owned(), Value::Table(Table::from_iter([("memory".to_owned(), text("64MiB"))])));
    let listen = Table::from_iter([("listen".to_owned(), text("127.0.0.1:0"))]);
    config.insert("admin".to_owned(), Value::Table(listen));
    config.insert("archive".to_owned(), Value::Array(vec![archive(written, names, records_per_batch)]));
    toml::to_string(&config).expect("a table of plain values can be written")
}

/// Of the output of the first archive, what leaves values as they are. A delimiter could be inside the values.
const OUTPUT_KEYS: [&str; 7] =
    ["format", "compression", "level", "framing", "sequence_compression", "sequence_key", "extension"];

/// JSON by hour, with the output of the first archive if that keeps values as they are, else as gzipped text.
fn archive(written: &Table, names: &Names, records_per_batch: u64) -> Value {
    let first = written.get("archive").and_then(Value::as_array).and_then(|archives| archives.first());
    let mut output = first.and_then(Value::as_table).map(|first| table(first, "output")).unwrap_or_default();
    let format = output.get("format").and_then(Value::as_str).unwrap_or("text");
    if matches!(format, "text" | "sequence") {
        output.retain(|key, _| OUTPUT_KEYS.contains(&key));
    } else {
        output = Table::from_iter([("compression".to_owned(), Value::String("gzip".to_owned()))]);
    }
    let texts = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::String((*text).to_owned())).collect());
    let named = |key: &str, value: &str| Table::from_iter([(key.to_owned(), Value::String(value.to_owned()))]);
    let mut flush = named("max_age", "1s");
    flush.insert("max_records".to_owned(), number(records_per_batch));
    let mut archive = Table::new();
    archive.insert("topics".to_owned(), texts(&[&names.topic]));
    archive.insert("input".to_owned(), Value::Table(named("format", "json")));
    archive.insert("timestamp".to_owned(), Value::Table(named("field", "meta.ts")));
    archive.insert("output_partitions".to_owned(), texts(&["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]));
    archive.insert("output".to_owned(), Value::Table(output));
    archive.insert("flush".to_owned(), Value::Table(flush));
    Value::Table(archive)
}

fn table(parent: &Table, name: &str) -> Table {
    parent.get(name).and_then(Value::as_table).cloned().unwrap_or_default()
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Properties may be written dotted, which TOML reads as tables in tables.
fn flatten(prefix: &str, table: &Table, flat: &mut Table) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, flat),
            value => {
                flat.insert(format!("{prefix}{name}"), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const USER: &str = r#"
[kafka]
brokers = ["a:1", "b:2"]
group = "mine"
start = "latest"
isolation = "read_uncommitted"
[kafka.properties]
session.timeout.ms = 45000
"group.instance.id" = "host-7"
"sasl.password" = "${PASSWORD}"
"security.protocol" = "SASL_PLAINTEXT"
[store]
url = "s3://bucket/raw/"
[store.s3]
access_key_id = "key"
secret_access_key = "${file:/run/key}"
[limits]
memory = "4GiB"
[[archive]]
topics = ["clicks"]
output = { compression = "zstd", delimiter = "," }
flush = { max_bytes = "1GB" }
"#;

    fn generated(text: &str) -> (String, Config) {
        let environment =
            [("PASSWORD", "open"), ("/run/key", "secret")].map(|(name, value)| (name.into(), value.into()));
        let environment: BTreeMap<String, String> = environment.into();
        let user = Config::parse(Path::new("secor.toml"), text, &environment).unwrap_or_else(|wrong| panic!("{wrong}"));
        let names = Names { id: "0a".to_owned(), ..Names::draw(&user, None, 3) };
        let written: Table = text.parse().expect("it was parsed before");
        let text = configuration(&written, &user, &names, Path::new("/tmp/x"), 1, 500);
        let config = Config::parse(Path::new("child.toml"), &text, &environment);
        (text, config.unwrap_or_else(|wrong| panic!("{wrong}")))
    }

    #[test]
    fn a_process_gets_the_users_way_in_and_places_of_its_own() {
        let (text, config) = generated(USER);
        assert!(text.contains("${PASSWORD}") && text.contains("${file:/run/key}"), "secrets stay references:\n{text}");
        assert_eq!(config.kafka.brokers, ["a:1", "b:2"]);
        assert!(config.kafka.group.starts_with("secor-selftest-"), "{}", config.kafka.group);
        assert_eq!(config.store.url, "s3://bucket/raw/_selftest/0a");
        let property = |name| config.kafka.properties.get(name).map(str::to_owned);
        assert_eq!(property("session.timeout.ms").as_deref(), Some("6000"));
        assert_eq!(property("sasl.password").as_deref(), Some("open"));
        assert_eq!(property("group.instance.id"), Some(format!("{}-1", config.kafka.group)));
        assert_eq!(config.archives.len(), 1);
        let shape = &config.archives[0].shape;
        assert_eq!(shape.output.compression, secor_core::shape::Compression::Zstd);
        assert_eq!(shape.output.delimiter, "\n");
        assert_eq!(config.archives[0].flush.records_max, Some(500));
        assert!(config.archive_for("clicks").is_none());
    }

    #[test]
    fn a_short_session_is_kept_and_the_consumer_protocol_has_none() {
        let (_, config) = generated(&USER.replace("45000", "3000"));
        assert_eq!(config.kafka.properties.get("session.timeout.ms"), Some("3000"));
        assert_eq!(config.kafka.properties.get("heartbeat.interval.ms"), Some("500"));
        let protocol = USER.replace("session.timeout.ms = 45000", "\"group.protocol\" = \"consumer\"");
        let (_, config) = generated(&protocol);
        assert_eq!(config.kafka.properties.get("session.timeout.ms"), None);
        assert_eq!(session(&config), Duration::from_secs(45));
    }

    #[test]
    fn output_that_takes_values_apart_is_replaced_by_text() {
        let output = |user: &str| {
            let (_, config) = generated(&USER.replace("output = { compression = \"zstd\", delimiter = \",\" }", user));
            let output = config.archives[0].shape.output.clone();
            (output.format, output.compression)
        };
        use secor_core::shape::{Compression, OutputFormat};
        assert_eq!(output("output = { format = \"sequence\" }"), (OutputFormat::Sequence, Compression::None));
        assert_eq!(
            output("input = { format = \"json\" }\noutput = { format = \"json\" }"),
            (OutputFormat::Text, Compression::Gzip)
        );
        assert_eq!(output(""), (OutputFormat::Text, Compression::None));
    }

    #[test]
    fn a_local_archive_is_staged_beside_it() {
        let (_, config) = generated(
            "[kafka]\nbrokers = [\"a:1\"]\ngroup = \"g\"\n[store]\nurl = \"file:///var/archive\"\n\
             [[archive]]\ntopics = [\"t\"]\n",
        );
        assert_eq!(config.staging.path, Path::new("/var/archive/_selftest/0a/_secor/tmp"));
    }
}
