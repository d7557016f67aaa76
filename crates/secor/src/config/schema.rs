//! The one list of keys. Validation ([`super::tree`]), the defaults and the reference page ([`super::reference`]) are
//! all driven by [`keys`]; the serde types of [`super::document`] refuse what is not in it and miss what is, so the two
//! can't drift apart without a failing test.
//!
//! A path is written without indices: `archive.flush.max_bytes` stands for that key of every `[[archive]]`. Defaults
//! are TOML and go through the same checks as what a user writes.
//!
//! The keys of `[store]` are in [`super::store_keys`]. Deliberately absent: rules between two keys; they are in
//! [`super::rules`].

use super::checks::{self, Check};
use super::output_keys::OUTPUT_KEYS;
use super::store_keys::STORE_KEYS;

/// A key of the configuration.
pub(super) struct Key {
    pub path: &'static str,
    pub kind: Kind,
    pub fallback: Fallback,
    /// Does it decide bytes or names of the archived files?
    pub shapes_output: bool,
    pub doc: &'static str,
}

/// What a key's value must be.
pub(super) enum Kind {
    Text(Check),
    /// Text that is never printed.
    Secret,
    /// One of these.
    Word(&'static [&'static str]),
    Flag,
    Integer {
        min: u64,
        max: u64,
    },
    /// In milliseconds.
    Duration {
        min: u64,
        max: u64,
    },
    /// In bytes.
    Size {
        min: u64,
        max: u64,
    },
    Texts(Check),
    /// A table of any names, dotted or quoted.
    Properties,
    /// A table of names and paths.
    Files,
}

/// What holds when a key is not written.
pub(super) enum Fallback {
    Required,
    /// Nothing; the text says on the reference page what that means.
    Absent(&'static str),
    /// This TOML value.
    Toml(&'static str),
}

/// A table of the configuration, in the order of the reference page.
pub(super) struct Section {
    /// Empty: the top of the file.
    pub path: &'static str,
    pub doc: &'static str,
}

/// The one array of tables.
pub(super) const ARCHIVE: &str = "archive";

pub(super) const SECTIONS: &[Section] = &[
    Section { path: "", doc: "At the top of the file, before the first table." },
    Section { path: "kafka", doc: "Where records come from." },
    Section {
        path: "kafka.properties",
        doc: "Any librdkafka property, as text, number or boolean, such as `\"session.timeout.ms\" = 45000`. These are \
              fixed by the ledger protocol, or have a key of their own, and are refused:",
    },
    Section { path: "store", doc: "Where files go." },
    Section { path: "store.file", doc: "For `file://` only." },
    Section { path: "store.s3", doc: "For `s3://` only." },
    Section {
        path: "store.gs",
        doc: "For `gs://` only. At most one of `credentials_file`, `credentials` and `access_token`.",
    },
    Section {
        path: "store.azure",
        doc: "For `azure://` and `abfss://` only. One login: `account_key`, `sas_token`, or `client_id` with what belongs to it.",
    },
    Section {
        path: "store.swift",
        doc: "For `swift://` only. One login: `user` and `password`, an application credential, or a `token`.",
    },
    Section { path: "ledger", doc: "Where it is recorded what is archived." },
    Section { path: "index", doc: "A table of all files in a database, for questions in SQL: `docs/sql-ledger.md`." },
    Section { path: "staging", doc: "Where open batches spill to." },
    Section { path: "limits", doc: "Hard bounds of the process, kept by early cuts and by pausing fetch." },
    Section { path: "workers", doc: "Threads that decode, encode and compress." },
    Section { path: "admin", doc: "The HTTP server for health, metrics, status and flush." },
    Section { path: "schemas", doc: "Schemas of messages, for the input formats that need them." },
    Section {
        path: "schemas.registry",
        doc: "A Confluent-compatible registry, for archives with framing `confluent`. At most one login: `username` and \
              `password`, or `token`.",
    },
    Section {
        path: ARCHIVE,
        doc: "One for each kind of topic; the first whose `topics` match decides. Small tables can be written inline: \
              `output = { format = \"text\", compression = \"gzip\" }`.",
    },
];

/// Known words of later versions: path (with everything below it) and what it is for.
pub(super) const LATER: &[(&str, &str)] =
    &[("catalog", "table catalogs"), ("metrics", "metrics other than Prometheus'"), ("archive.transform", "plug-ins")];

const MAX: u64 = i64::MAX as u64;
const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;
const MIB: u64 = 1 << 20;

const REQUIRED: Fallback = Fallback::Required;
const ANY: Kind = Kind::Text(checks::any);

pub(super) const fn word(words: &'static [&'static str]) -> Kind {
    Kind::Word(words)
}

pub(super) const fn key(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, shapes_output: false, doc }
}

pub(super) const fn shaping(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, shapes_output: true, doc }
}

const POLICIES: &[&str] = &["dead_letter", "kafka", "default_partition", "epoch"];

const SOURCE_KEYS: &[Key] = &[
    shaping(
        "generation",
        Kind::Integer { min: 1, max: u32::MAX as u64 },
        Fallback::Toml("1"),
        "First part of file names. Raise it to begin files anew, for instance after a change of format; it never goes \
         down, and a larger one in the ledger wins.",
    ),
    key(
        "on_refused",
        word(&["stop_partition", "exit"]),
        Fallback::Toml("\"stop_partition\""),
        "When a topic partition is refused: stop it and go on with the others, or end the process with exit code 76.",
    ),
    key(
        "on_topic_recreated",
        word(&["refuse", "new_generation"]),
        Fallback::Toml("\"refuse\""),
        "When a topic was deleted and created again: refuse its partitions, or seal the old files and go on in the next \
         generation.",
    ),
    // --- kafka
    key("kafka.brokers", Kind::Texts(checks::broker), REQUIRED, "Bootstrap brokers, each `host:port`."),
    key(
        "kafka.group",
        Kind::Text(checks::not_empty),
        REQUIRED,
        "Consumer group. Processes with the same group share the partitions; every archive needs a group of its own.",
    ),
    key(
        "kafka.start",
        Kind::Text(checks::start),
        Fallback::Toml("\"earliest\""),
        "Where a topic without a ledger begins: `earliest`, `latest`, `committed` (the group's offsets, say of an older \
         archiver) or a time such as `2026-11-01T00:00:00Z`. Later starts follow the ledger.",
    ),
    key(
        "kafka.isolation",
        word(&["read_committed", "read_uncommitted"]),
        Fallback::Toml("\"read_committed\""),
        "Are records of open and aborted transactions left out? Kept in every manifest.",
    ),
    key(
        "kafka.revoke_timeout",
        Kind::Duration { min: 0, max: HOUR_MS },
        Fallback::Toml("\"15s\""),
        "How long partitions that go to another process may take to upload. Below `max.poll.interval.ms`.",
    ),
    key(
        "kafka.revoke_flush_min",
        Kind::Size { min: 0, max: MAX },
        Fallback::Toml("\"8MiB\""),
        "Open batches below this size are dropped at a revocation; the next owner reads them again.",
    ),
    key(
        "kafka.shutdown_timeout",
        Kind::Duration { min: 0, max: HOUR_MS },
        Fallback::Toml("\"60s\""),
        "How long the process may take to upload and commit after SIGTERM.",
    ),
    key(
        "kafka.wait_for_broker",
        Kind::Duration { min: 0, max: 24 * HOUR_MS },
        Fallback::Toml("\"30s\""),
        "How long to wait at start for a broker that does not answer, before giving up with exit code 69.",
    ),
    key("kafka.properties", Kind::Properties, Fallback::Toml("{}"), "See below."),
];

const PROCESS_KEYS: &[Key] = &[
    // --- ledger, staging, limits, workers, admin
    key(
        "ledger.type",
        word(&["store", "sql"]),
        Fallback::Toml("\"store\""),
        "`store`: beside the data. The store must create objects exclusively, which is tried at start. `sql`: in a \
         database, for stores that can't; see `docs/sql-ledger.md`. A ledger keeps its type.",
    ),
    key(
        "ledger.url",
        Kind::Secret,
        Fallback::Absent("none"),
        "For `sql`: `postgres://user:password@host/database`, `mysql://...` (MariaDB too) or `sqlite:///folder/file.db`, \
         with the parameters of sqlx such as `?sslmode=verify-full&sslrootcert=/etc/ca.pem`. Always the primary.",
    ),
    key(
        "index.url",
        Kind::Secret,
        Fallback::Absent("no index"),
        "Fed after each batch, with either type of ledger; the same urls as for `ledger.url`, also the same database. It \
         never decides anything, and archiving does not wait for it.",
    ),
    key(
        "staging.path",
        Kind::Text(checks::absolute_path),
        Fallback::Absent("`<root>/_secor/tmp` for `file://`, else `secor` in the system's temporary folder"),
        "Each process locks a folder of its own below it and sweeps those of dead ones.",
    ),
    key(
        "limits.memory",
        Kind::Size { min: 16 * MIB, max: MAX },
        Fallback::Toml("\"256MiB\""),
        "All staged and encoder memory of the process.",
    ),
    key(
        "limits.disk",
        Kind::Size { min: 16 * MIB, max: MAX },
        Fallback::Toml("\"10GiB\""),
        "Staged files of the process.",
    ),
    key("limits.open_writers", Kind::Integer { min: 1, max: 100_000_000 }, Fallback::Toml("10000"), "Open files."),
    key(
        "limits.uploads",
        Kind::Integer { min: 1, max: 1024 },
        Fallback::Toml("32"),
        "Files on their way to the store at once, at most: fewer while the store is in trouble or the line is slow.",
    ),
    key(
        "limits.records_per_second",
        Kind::Integer { min: 0, max: MAX },
        Fallback::Toml("0"),
        "Over all partitions of the process; 0: no limit.",
    ),
    key("workers.threads", Kind::Integer { min: 0, max: 4096 }, Fallback::Toml("0"), "0: the number of cores."),
    key(
        "admin.listen",
        Kind::Text(checks::listen),
        Fallback::Toml("\"127.0.0.1:9999\""),
        "IP address and port. When the port is taken, the next free one; the log says which.",
    ),
    key("admin.token", Kind::Secret, Fallback::Absent("nothing can be written"), "Needed for `POST`."),
    // --- schemas
    key(
        "schemas.files",
        Kind::Files,
        Fallback::Toml("{}"),
        "Names and paths, such as `click = \"/etc/secor/click.avsc\"`, relative to the folder of this file: Avro in JSON; \
         Protobuf as `.proto` or as a descriptor set; Thrift as IDL. What a file imports is looked for in its folder. Files \
         are read at start and kept beside the ledger with what shapes output.",
    ),
    key(
        "schemas.registry.urls",
        Kind::Texts(checks::http_url),
        Fallback::Toml("[]"),
        "Where ids are asked, replicas of one registry: `[\"https://registry:8081\"]`. With a path where it has one: \
         `https://host/apis/ccompat/v7`. Ids that `input.schemas` names are not asked.",
    ),
    key(
        "schemas.registry.username",
        Kind::Text(checks::not_empty),
        Fallback::Absent("no login"),
        "For HTTP basic authentication.",
    ),
    key("schemas.registry.password", Kind::Secret, Fallback::Absent("no login"), "For HTTP basic authentication."),
    key("schemas.registry.token", Kind::Secret, Fallback::Absent("no login"), "Sent as a bearer token."),
    key(
        "schemas.registry.ca_file",
        Kind::Text(checks::absolute_path),
        Fallback::Absent("the system's alone"),
        "PEM file with certificates to trust beside the system's.",
    ),
    key(
        "schemas.registry.timeout",
        Kind::Duration { min: 1, max: HOUR_MS },
        Fallback::Toml("\"10s\""),
        "How long one answer may take. Records wait as long as the registry is away.",
    ),
    // --- archive
    key(
        "archive.topics",
        Kind::Texts(checks::topic),
        REQUIRED,
        "Names, or regular expressions that begin with `^`. An expression need not reach the end of the name: add `$`.",
    ),
    key("archive.exclude_topics", Kind::Texts(checks::topic), Fallback::Toml("[]"), "What `topics` shall not match."),
    shaping(
        "archive.input.format",
        word(&["bytes", "text", "json", "msgpack", "avro", "protobuf", "thrift"]),
        Fallback::Toml("\"bytes\""),
        "What a value must be: anything, UTF-8, JSON, a MessagePack map, an Avro datum, a Protobuf message, a Thrift \
         struct. Anything else is a bad record.",
    ),
    shaping(
        "archive.input.schemas",
        Kind::Texts(checks::not_empty),
        Fallback::Toml("[]"),
        "For `avro`, `protobuf` and `thrift`: names of `[schemas.files]`; with framing `confluent` they are the ids. \
         `avro` needs one, or a registry; without, the fields of the others go by number.",
    ),
    shaping(
        "archive.input.framing",
        word(&["none", "confluent", "single_object"]),
        Fallback::Toml("\"none\""),
        "For `avro`, `protobuf` and `json`, what stands before a message: nothing; a zero byte and the schema's id, for \
         `protobuf` also the message's indexes; or Avro's single-object encoding.",
    ),
    shaping(
        "archive.input.message",
        Kind::Text(checks::not_empty),
        Fallback::Absent("the only one of the schema"),
        "For `protobuf` and `thrift`: the full name of the message or struct, such as `acme.Click`.",
    ),
    shaping(
        "archive.input.protocol",
        word(&["binary", "compact"]),
        Fallback::Toml("\"binary\""),
        "For `thrift`: how structs are written.",
    ),
    shaping(
        "archive.input.json",
        word(&["object", "any", "lines"]),
        Fallback::Toml("\"object\""),
        "For `json`: one object; any one value, with the fields of an object or of the first element of an array; or one \
         or more objects with white space between them, with the fields of the first.",
    ),
    shaping(
        "archive.input.pattern",
        Kind::Text(checks::not_empty),
        Fallback::Absent("any text"),
        "For `text`: a regular expression that every value matches; its named groups `(?<name>...)` are the fields.",
    ),
    shaping(
        "archive.timestamp.source",
        word(&["field", "kafka", "clock", "regex", "iso8601", "pattern"]),
        Fallback::Absent("`field` with a `field`, else `kafka`"),
        "`field`: a number in a field; `kafka`: the record's own; `clock`: the batch's, kept in its manifest; `regex`: \
         the first group of `pattern` over the value; `iso8601`: a string in a field; `pattern`: a string in a field, \
         read by `pattern`. What the input format itself knows as a time is taken as it is.",
    ),
    shaping("archive.timestamp.field", Kind::Text(checks::not_empty), Fallback::Absent("none"), "Path of a field."),
    shaping(
        "archive.timestamp.separator",
        ANY,
        Fallback::Toml("\".\""),
        "Between the segments of field paths; empty: the whole path is one name.",
    ),
    shaping(
        "archive.timestamp.unit",
        word(&["auto", "seconds", "milliseconds", "microseconds", "nanoseconds"]),
        Fallback::Toml("\"auto\""),
        "Of numbers. `auto`: from 10^18 nanoseconds, from 10^15 microseconds, from 10^12 milliseconds, else seconds.",
    ),
    shaping(
        "archive.timestamp.pattern",
        Kind::Text(checks::not_empty),
        Fallback::Absent("none"),
        "For `regex` a regular expression with one group; for `pattern` such as `%d/%b/%Y:%H:%M:%S %z`.",
    ),
    shaping(
        "archive.timestamp.missing",
        word(POLICIES),
        Fallback::Toml("\"dead_letter\""),
        "A record without the time: to the dead letters, by its Kafka timestamp, to `__HIVE_DEFAULT_PARTITION__`, or \
         to 1970-01-01.",
    ),
    shaping(
        "archive.timestamp.bad",
        word(POLICIES),
        Fallback::Toml("\"dead_letter\""),
        "A record whose field is no time: the same words.",
    ),
    shaping(
        "archive.time_zone",
        Kind::Text(checks::time_zone),
        Fallback::Toml("\"UTC\""),
        "IANA name of the zone in which output partitions are written, such as `Europe/Berlin`.",
    ),
    shaping(
        "archive.output_partitions",
        Kind::Texts(checks::output_partition),
        Fallback::Toml("[]"),
        "One folder each, from `{timestamp:%Y-%m-%d}`, `{field:country}`, `{offset:10000000}`, `{clock:%H}` and text.",
    ),
];

/// Behind those of the output.
const BATCH_KEYS: &[Key] = &[
    shaping(
        "archive.layout",
        Kind::Text(checks::layout),
        Fallback::Toml("\"secor\""),
        "`secor`, `kafka-store`, or a template such as \
         `{topic}/{output_partition}/{generation}_{partition}_{start:020}{ext}`. Folders of a template can be `{md5}`, \
         four digits of a hash of topic and output partition, and `{dt<2026-01-01?before:after}`, by the date in the \
         output partition's folder `dt=…`: Secor's prefixes.",
    ),
    shaping(
        "archive.bad_records",
        word(&["dead_letter", "fail"]),
        Fallback::Toml("\"dead_letter\""),
        "Bad records go to the dead-letter file of their batch, or the topic partition is refused.",
    ),
    key(
        "archive.flush.max_bytes",
        Kind::Size { min: 1, max: MAX },
        Fallback::Absent("`\"200MB\"` when `flush` is left out, else no limit"),
        "Cut a batch at this many encoded bytes over all its files.",
    ),
    key(
        "archive.flush.max_age",
        Kind::Duration { min: 1, max: MAX },
        Fallback::Absent("`\"1h\"` when `flush` is left out, else no limit"),
        "Cut a batch this long after its first record came.",
    ),
    key(
        "archive.flush.max_records",
        Kind::Integer { min: 1, max: MAX },
        Fallback::Absent("no limit"),
        "Cut a batch at this many records.",
    ),
    key(
        "archive.flush.max_timestamp_range",
        Kind::Duration { min: 1, max: MAX },
        Fallback::Absent("no limit"),
        "Cut a batch when its smallest and largest Kafka timestamp are this far apart.",
    ),
    key(
        "archive.flush.every",
        Kind::Duration { min: SECOND_MS, max: MAX },
        Fallback::Absent("no limit"),
        "Cut all batches whenever the clock passes a multiple of this, counted from 1970-01-01 UTC.",
    ),
    key(
        "archive.flush.at_minute",
        Kind::Integer { min: 0, max: 59 },
        Fallback::Absent("no limit"),
        "Cut all batches at this minute of every hour.",
    ),
];

/// All keys, in the order of the reference page.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    SOURCE_KEYS.iter().chain(STORE_KEYS).chain(PROCESS_KEYS).chain(OUTPUT_KEYS).chain(BATCH_KEYS)
}

/// The key of a schema path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

/// Is `path` a table that holds keys?
pub(super) fn is_table(path: &str) -> bool {
    path.is_empty() || keys().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// Names directly below the table `path`, keys and tables, in the order of [`keys`].
pub(super) fn children(path: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in keys() {
        let rest = match path {
            "" => Some(key.path),
            _ => key.path.strip_prefix(path).and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(rest) = rest else { continue };
        let name = rest.split('.').next().unwrap_or(rest);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What the word at `path` will be for, when it is known but not in this version.
pub(super) fn later(path: &str) -> Option<&'static str> {
    LATER.iter().find(|(known, _)| path == *known).map(|(_, purpose)| *purpose)
}
