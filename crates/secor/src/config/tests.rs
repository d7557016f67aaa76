use std::collections::BTreeMap;

use secor_core::json::canonical_json;
use secor_core::shape::{Compression, InputFormat, TimestampSource};

use super::schema::{self, Fallback, Kind};
use super::*;

const MINIMAL: &str = r#"
[kafka]
brokers = ["localhost:9092"]
group = "backup"
[store]
url = "file:///var/archive"
[[archive]]
topics = ["clicks"]
"#;

/// Design, section 8, as far as this version goes.
const FULL: &str = r#"
generation = 2
on_refused = "exit"
on_topic_recreated = "new_generation"

[kafka]
brokers = ["a:9092", "b:9092"]
group   = "secor_backup"
start   = 2026-11-01T00:00:00Z
isolation = "read_uncommitted"
revoke_timeout = "20s"
shutdown_timeout = "1m30s"
[kafka.properties]
"session.timeout.ms" = "45000"
max.poll.interval.ms = 60000
"security.protocol" = "sasl_ssl"
"sasl.password" = "${PASSWORD}"

[store]
url = "s3://bucket/raw_logs/"
[store.s3]
region = "us-east-1"
endpoint = "http://127.0.0.1:7070"
allow_http = true
access_key_id = "key"
secret_access_key = "${file:/run/secret}"

[ledger]
type = "store"
[staging]
path = "/var/lib/secor"
[limits]
memory = "64MiB"
disk = "1GB"
open_writers = 100
records_per_second = 1_000
[workers]
threads = 3
[admin]
listen = "0.0.0.0:9998"
token = "${PASSWORD}"

[[archive]]
topics    = ["clicks", '^app\..*']
exclude_topics = ['^app\.debug']
input     = { format = "json" }
timestamp = { field = "meta.ts", unit = "seconds", missing = "kafka" }
time_zone = "Europe/Berlin"
output_partitions = ["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]
output    = { format = "text", compression = "gzip", level = 9, delimiter = "\r\n" }
flush     = { max_bytes = "100MB", every = "15m" }
bad_records = "fail"

[[archive]]
topics = ['^.*']
"#;

fn environment() -> BTreeMap<String, String> {
    [("PASSWORD", "hush-hush"), ("/run/secret", "wJalr\n")].map(|(name, value)| (name.into(), value.into())).into()
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(Path::new("secor.toml"), text, &environment())
}

/// Line and hint of every mistake.
fn mistakes(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.lines().map(|(line, hint)| format!("{line} ({hint})")).collect(),
    }
}

/// The minimal configuration, with `line` added to its `[[archive]]`.
fn archive_with(line: &str) -> String {
    format!("{MINIMAL}{line}\n")
}

#[track_caller]
fn assert_mistake(text: &str, wanted: &str) {
    let found = mistakes(text);
    assert!(found.iter().any(|mistake| mistake.contains(wanted)), "wanted `{wanted}`, found {found:#?}");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn little_is_needed_and_the_rest_has_defaults() {
    let config = parse(MINIMAL).expect("is valid");
    assert_eq!(config.generation, Generation(1));
    assert_eq!(config.kafka.start, Start::Earliest);
    assert_eq!(config.kafka.revoke_timeout, Duration::from_secs(15));
    assert_eq!(config.limits.memory, 256 << 20);
    assert_eq!(config.staging.path, Path::new("/var/archive/_secor/tmp"));
    let archive = &config.archives[0];
    assert_eq!(archive.flush.bytes_max, Some(200_000_000));
    assert_eq!(archive.flush.age_ms_max, Some(3_600_000));
    assert_eq!(archive.shape.input.format, InputFormat::Bytes);
    assert_eq!(archive.shape.timestamp.effective_source(), TimestampSource::Kafka);
    assert_eq!(archive.shape.output.delimiter, "\n");
    assert_eq!(archive.shape.layout, "secor");
}

#[test]
fn the_example_of_the_design_is_read_in_full() {
    let config = parse(FULL).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.on_refused, OnRefused::Exit);
    assert_eq!(config.on_topic_recreated, OnTopicRecreated::NewGeneration);
    assert_eq!(config.kafka.start, Start::Time(1_793_491_200_000));
    assert_eq!(config.kafka.shutdown_timeout, Duration::from_secs(90));
    assert_eq!(config.kafka.properties.get("max.poll.interval.ms"), Some("60000"));
    assert_eq!(config.kafka.properties.get("sasl.password"), Some("hush-hush"));
    assert_eq!(config.store.url, "s3://bucket/raw_logs");
    assert_eq!(config.store.s3.endpoint.as_deref(), Some("http://127.0.0.1:7070"));
    assert_eq!(config.store.s3.secret_access_key.as_ref().map(Secret::expose), Some("wJalr"));
    assert_eq!(config.limits.disk, 1_000_000_000);
    assert_eq!(config.limits.records_per_second, 1000);
    assert_eq!(config.admin.listen.port(), 9998);
    let archive = &config.archives[0];
    assert_eq!(archive.shape.timestamp.effective_source(), TimestampSource::Field);
    assert_eq!(archive.shape.output.compression, Compression::Gzip);
    assert_eq!(archive.flush.every_ms, Some(900_000));
    assert_eq!(archive.flush.age_ms_max, None);
}

/// A manifest names its shape by the hash of these bytes: a key that is added later is left out where it has its default.
#[test]
fn shapes_keep_the_bytes_that_they_had() {
    let golden = [
        (MINIMAL, include_bytes!("testdata/shape_minimal.json").as_slice()),
        (FULL, include_bytes!("testdata/shape_full.json")),
    ];
    for (text, bytes) in golden {
        let config = parse(text).expect("a correct file");
        let written = canonical_json(&config.archives[0].shape);
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(bytes));
    }
}

#[test]
fn the_first_archive_that_matches_takes_a_topic() {
    let config = parse(FULL).expect("is valid");
    let table = [("clicks", Some(0)), ("app.web", Some(0)), ("app.debug.x", Some(1)), ("x", Some(1)), ("__tx", None)];
    for (topic, archive) in table {
        assert_eq!(config.archive_for(topic), archive, "{topic}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let config = parse(FULL).expect("is valid");
    let printed = format!("{config:?}");
    assert!(!printed.contains("hush-hush") && !printed.contains("wJalr"), "{printed}");
    assert!(printed.contains("***"));
}

#[test]
fn an_objection_does_not_repeat_what_the_environment_holds() {
    let text = MINIMAL.replace("file:///var/archive", "${PASSWORD}");
    assert_mistake(&text, "secor.toml:6:7: store.url: not valid: `${PASSWORD}` is not a URL");
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"
generation = "one"
[kafka]
brokers = ["localhost:9092"]
gruop = "backup"
[store]
url = "ftp://bucket"
[limits]
memory = "lots"
[[archive]]
topics = ["clicks"]
output = { level = 3 }
flush = { max_age = 60 }
[[archive]]
topics = ["clicks"]
"#;
    let found = mistakes(text);
    let wanted = [
        "secor.toml:2:14: generation: expected a number: found text",
        "secor.toml:3:2: kafka.group: is missing",
        "secor.toml:5:1: kafka.gruop: unknown key (did you mean `group`?)",
        "secor.toml:7:7: store.url: not valid: `ftp://` is no store",
        "secor.toml:9:10: limits.memory: not valid: `lots` is no size",
        "secor.toml:12:20: archive[0].output.level: not valid: level 3 is set, but nothing is compressed",
        "secor.toml:13:21: archive[0].flush.max_age: expected a duration: found a number",
        "secor.toml:15:11: archive[1].topics[0]: never reached: archive[0] takes `clicks` first",
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.starts_with(wanted), "wanted {wanted}\n found {found}");
    }
}

#[test]
fn syntax_errors_have_places_too() {
    assert_mistake("generation = \n", "secor.toml:1:");
    assert_mistake("[kafka]\ngroup = \"a\"\ngroup = \"b\"\n", "secor.toml:3:1: not TOML: duplicate key");
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    let table = [
        (MINIMAL.replace("[\"localhost:9092\"]", "\"localhost:9092\""), "kafka.brokers: expected a list: found text"),
        (MINIMAL.replace("localhost:9092", "localhost:port"), "kafka.brokers[0]: not valid: `localhost:port` has no"),
        (MINIMAL.replace("localhost:9092", "a:1,b:2"), "is not one `host:port`"),
        (MINIMAL.replace("[[archive]]", "[archive]"), "archive: expected [[archive]] tables: found a table"),
        (archive_with("input = \"json\""), "archive[0].input: expected a table: found text (write input = { format"),
        (archive_with("output = { compression = \"gzi\" }"), "not a known word: found `gzi` (did you mean \"gzip\"?"),
        (archive_with("output = { format = \"orcs\" }"), "not a known word: found `orcs` (did you mean \"orc\"?"),
        (archive_with("flush = { at_minute = 60 }"), "out of range: 60 is above 59 (write 59 or less)"),
        (archive_with("flush = { at_minute = -1 }"), "out of range: it is negative or too large"),
        (archive_with("time_zone = \"Mars/Olympus\""), "`Mars/Olympus` is not a known time zone"),
        (archive_with("exclude_topics = ['^(']"), "`^(` is not a regular expression: unclosed group"),
        (archive_with("output = { compression = \"gzip\", extension = \"gz\" }"), "`gz` has no dot (write \".gz\")"),
        (MINIMAL.replace("clicks", "app.*"), "`app.*` can't be the name of a topic"),
        (MINIMAL.replace("clicks", "_secor"), "`_secor` is the name of a folder of Secor's own"),
        (format!("[limits]\nmemory = \"1MiB\"{MINIMAL}"), "limits.memory: out of range: 1MiB is below 16MiB"),
        (format!("[ledger]\ntype = \"sql\"{MINIMAL}"), "ledger.type: has no database: `ledger.url` is missing"),
        (
            format!("[ledger]\nurl = \"sqlite:///a.db\"{MINIMAL}"),
            "ledger.url: has no effect: the ledger is in the store",
        ),
        (
            format!("[ledger]\ntype = \"sql\"\nurl = \"oracle://u:hush@h/d\"{MINIMAL}"),
            "ledger.url: not valid: `oracle://` is no database that secor knows",
        ),
        (format!("[catalog]\n{MINIMAL}"), "catalog: not in this version: it is for table catalogs"),
        (format!("[admin]\ntoken = \"${{NOBODY}}\"{MINIMAL}"), "environment variable `NOBODY` is not set"),
        (format!("[admin]\nlisten = \"9999\"{MINIMAL}"), "`9999` is not an IP address and port"),
        (format!("[staging]\npath = \"tmp\"{MINIMAL}"), "`tmp` is not an absolute path"),
    ];
    for (text, wanted) in &table {
        assert_mistake(text, wanted);
    }
}

#[test]
fn fixed_properties_are_refused_with_their_reason() {
    for property in FIXED_PROPERTIES {
        let line = format!("[kafka.properties]\n\"{}\" = \"true\"\n{MINIMAL}", property.name);
        assert_mistake(&line, &format!("can't be set: {}", property.why));
    }
}

#[test]
fn contradictions_are_refused() {
    let kafka = |line: &str| MINIMAL.replace("[store]", &format!("{line}\n[store]"));
    let s3 = |lines: &str| MINIMAL.replace("file:///var/archive\"", &format!("s3://bucket\"\n[store.s3]\n{lines}"));
    let cloud = |url: &str, table: &str, lines: &str| {
        MINIMAL.replace("file:///var/archive\"", &format!("{url}\"\n[store.{table}]\n{lines}"))
    };
    let swift = |lines: &str| cloud("swift://c", "swift", &format!("auth_url = \"https://k/v3\"\n{lines}"));
    let json = |line: &str| archive_with(&format!("input = {{ format = \"json\" }}\n{line}"));
    let table = [
        (kafka("revoke_timeout = \"10m\""), "kafka.revoke_timeout: too long"),
        (kafka("properties = { \"sasl.mechanism\" = \"PLAIN\" }"), "has no effect: security.protocol is `plaintext`"),
        (kafka("start = \"yesterday\""), "`yesterday` is neither a word nor a time"),
        (MINIMAL.replace("[store]", "[store.s3]\nregion = \"x\"\n[store]"), "store.s3: has no effect"),
        (MINIMAL.replace("[store]", "[store.gs]\naccess_token = \"x\"\n[store]"), "store.gs: has no effect"),
        (s3("access_key_id = \"x\""), "half a login: `secret_access_key` is missing"),
        (s3("secret_access_key = \"x\""), "half a login: `access_key_id` is missing"),
        (s3("external_id = \"x\""), "external_id: has no effect: there is no `role_arn`"),
        (s3("profile = \"x\"\naccess_key_id = \"x\"\nsecret_access_key = \"y\""), "profile: has no effect"),
        (s3("sse = \"sse-s3\"\nsse_kms_key_id = \"x\""), "the encryption has no key in KMS"),
        (s3("sse = \"dsse-kms\"\nbucket_key = true"), "a bucket key is for `sse-kms`"),
        (s3("sse = \"sse-c\""), "sse: has no key"),
        (s3("sse = \"sse-c\"\nsse_customer_key = \"short\""), "it is not 32 bytes in base64"),
        (s3("tags = [\"team\"]"), "`team` has no `=`"),
        (cloud("gs://b", "gs", "access_token = \"x\"\ncredentials = \"{}\""), "a second login"),
        (cloud("gs://b", "gs", "credentials = \"key\""), "it is no JSON object"),
        (cloud("gs://b", "gs", "kms_key = \"key\""), "`key` is no name of a key"),
        (cloud("gs://b", "s3", "region = \"x\""), "store.s3: has no effect: store.url is `gs://`"),
        (cloud("azure://c", "azure", "account_key = \"x\"\nsas_token = \"y\""), "a second login"),
        (cloud("azure://c", "azure", "client_secret = \"x\"\ntenant_id = \"y\""), "`client_id` is missing"),
        (cloud("azure://c", "azure", "encryption_key = \"x\""), "it is not 32 bytes in base64"),
        (swift("user = \"a:b\""), "half a login: `password` is missing"),
        (swift("application_credential_id = \"x\""), "half a login"),
        (swift("user = \"a:b\"\npassword = \"x\"\ntoken = \"y\""), "a second login"),
        (cloud("swift://c", "swift", "user = \"a:b\"\npassword = \"x\""), "auth_url: is missing"),
        (cloud("swift://c", "swift", "allow_http = true"), "no login"),
        (
            cloud("swift://c", "swift", "token = \"x\"\nstorage_url = \"http://s/v1/a\""),
            "store.swift.storage_url: not encrypted",
        ),
        (MINIMAL.replace("file:///var/archive", "abfss://c"), "it does not name container and account"),
        (MINIMAL.replace("file:///var/archive", "gs://"), "url: not valid"),
        (MINIMAL.replace("[store]", "[store]\nproxy_bypass = \"x\""), "there is no `proxy`"),
        (MINIMAL.replace("[store]", "[store]\nproxy = \"x\""), "it is no URL with a host"),
        (cloud("file:///a", "file", "file_mode = \"0200\""), "`0200` can't be the permissions"),
        (s3("endpoint = \"http://x:1\""), "not encrypted"),
        (s3("endpoint = \"http://x:1/bucket\"\nallow_http = true"), "`http://x:1/bucket` has a path"),
        (
            archive_with("timestamp = { field = \"ts\" }"),
            "timestamp.field: not valid: field `ts` is named, but `bytes` input has no fields",
        ),
        (
            archive_with("layout = '{dt<2026-01-01?a:b}/{topic}/{generation}_{partition}_{start}{ext}'"),
            "layout: has no date",
        ),
        (json("timestamp = { source = \"iso8601\" }"), "timestamp.field: not valid: the source needs a field"),
        (
            json("timestamp = { field = \"a\", source = \"kafka\" }"),
            "timestamp.field: not valid: a field is named, but the source does not read one",
        ),
        (
            archive_with("timestamp = { source = \"regex\" }"),
            "timestamp.pattern: not valid: the source needs a pattern",
        ),
        (archive_with("timestamp = { source = \"regex\", pattern = 'ts=[0-9]+' }"), "has no group"),
        (json("timestamp = { source = \"pattern\", field = \"a\", pattern = '%H' }"), "timestamp.pattern: not valid"),
        (json("timestamp = { field = \"a\", pattern = '%d' }"), "timestamp.pattern: not valid: a pattern is set"),
        (
            archive_with("output_partitions = [\"{field:country}\"]"),
            "output_partitions[0]: not valid: field `country` is named",
        ),
        (archive_with("output_partitions = [\"dt={timestamp:%Q}\"]"), "output_partitions[0]: not valid"),
        (
            archive_with("timestamp = { source = \"clock\" }\noutput_partitions = [\"dt={timestamp:%Y}\"]"),
            "output_partitions[0]: ambiguous",
        ),
        (
            archive_with("output = { compression = \"gzip\", level = 13 }"),
            "output.level: not valid: gzip has no level 13",
        ),
        (archive_with("output = { delimiter = \"\" }"), "output.delimiter: not valid: the delimiter has 0 bytes"),
        (archive_with("output = { sequence_key = \"offset\" }"), "output.sequence_key: has no effect"),
        (archive_with("output = { format = \"sequence\", delimiter = \",\" }"), "output.delimiter: has no effect"),
        (
            archive_with("output = { format = \"sequence\", sequence_compression = \"record\" }"),
            "output.sequence_compression: has no effect: nothing is compressed",
        ),
        (archive_with("layout = \"{topic}/{start}{ext}\""), "layout: not valid"),
        (
            archive_with("layout = \"kafka-store\"\noutput_partitions = [\"{clock:%Y}\"]"),
            "layout: not valid: layout `kafka-store` has no place for output partitions",
        ),
        (archive_with("flush = {}"), "flush: has no limit"),
        (archive_with("flush = { max_bytes = \"1TB\" }"), "flush.max_bytes: never reached: 1000GB is more than"),
        (archive_with("exclude_topics = ['^cli']"), "topics[0]: never reached: exclude_topics takes `clicks` away"),
        (MINIMAL.replace("[\"clicks\"]", "[]"), "archive[0].topics: is empty"),
        (MINIMAL.replace("[\"localhost:9092\"]", "[]"), "kafka.brokers: is empty"),
    ];
    for (text, wanted) in &table {
        assert_mistake(text, wanted);
    }
}

#[test]
fn what_follows_from_a_refused_value_is_not_reported() {
    assert_mistake(&archive_with("output = { compression = \"gzipp\", level = 3 }"), "output.compression: not a known");
    let lines = "input = { format = \"jason\" }\noutput_partitions = [\"{field:a}\"]";
    assert_mistake(&archive_with(lines), "input.format: not a known word");
}

#[test]
fn what_is_missing_is_named() {
    let found = mistakes("");
    let keys: Vec<_> = ["kafka.brokers", "kafka.group", "store.url", "archive"].to_vec();
    assert_eq!(found.len(), keys.len(), "{found:#?}");
    assert!(found.iter().zip(keys).all(|(line, key)| line.contains(&format!("{key}: is missing"))), "{found:#?}");
}

/// The table of keys against the structs: what one has, the other must have. `deny_unknown_fields` finds a key that
/// only the table has, the missing default one that only a struct has.
#[test]
fn the_table_of_keys_and_the_structs_agree() {
    for key in schema::keys() {
        if let Kind::Word(words) = &key.kind {
            for word in *words {
                assert_word_is_known(key.path, word);
            }
        }
        if let Fallback::Toml(text) = key.fallback {
            assert!(toml::de::DeValue::parse(text).is_ok(), "default of {}", key.path);
        }
        assert!(!key.doc.is_empty() || key.path.ends_with("compression"), "{} has no text", key.path);
    }
}

#[track_caller]
fn assert_word_is_known(path: &str, word: &str) {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let text = match table.strip_prefix("archive") {
        Some("") => archive_with(&format!("{name} = \"{word}\"")),
        Some(inner) => archive_with(&format!("{} = {{ {name} = \"{word}\" }}", inner.trim_start_matches('.'))),
        None if table.is_empty() => format!("{name} = \"{word}\"\n{MINIMAL}"),
        None if table == "kafka" => MINIMAL.replace("[store]", &format!("{name} = \"{word}\"\n[store]")),
        None => format!("[{table}]\n{name} = \"{word}\"\n{MINIMAL}"),
    };
    let found = mistakes(&text);
    let strange = found.iter().find(|line| line.contains("unknown variant") || line.contains("not a known word"));
    assert_eq!(strange, None, "{path} = {word}");
}

#[test]
fn reference_page_is_the_one_in_the_repository() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("SECOR_BLESS").is_some() {
        std::fs::write(&file, reference_page()).expect("docs can be written");
    }
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(page == reference_page(), "docs/configuration.md is not what the code says: run with SECOR_BLESS=1");
}

#[test]
fn schemas_are_read_from_their_files_and_kept_in_the_shape() {
    let text = format!(
        "{MINIMAL}input = {{ format = \"avro\", framing = \"confluent\", schemas = [\"17\"] }}\ntimestamp.field = \"ts\"\n\
         [[archive]]\ntopics = [\"views\"]\ninput = {{ format = \"protobuf\", schemas = [\"view\"] }}\n\
         [schemas.files]\n17 = \"schemas/click.avsc\"\nview = \"/etc/view.proto\"\n"
    );
    let mut files = environment();
    let avro = r#"{"type":"record","name":"Click","fields":[{"name":"ts","type":"long"}]}"#;
    files.insert("/conf/schemas/click.avsc".to_owned(), avro.to_owned());
    files.insert(
        "/etc/view.proto".to_owned(),
        "import \"common.proto\"; message View { optional Meta m = 1; }".to_owned(),
    );
    files.insert("/etc/common.proto".to_owned(), "message Meta { optional int64 ts = 1; }".to_owned());
    let read = |text: &str, files: &BTreeMap<String, String>| Config::parse(Path::new("/conf/secor.toml"), text, files);
    let config = read(&text, &files).unwrap_or_else(|errors| panic!("{errors}"));
    let [clicks, views] = &*config.archives else { panic!("{:?}", config.archives) };
    assert_eq!((&*clicks.shape.input.schemas[0].name, &*clicks.shape.input.schemas[0].text), ("17", avro));
    let (before, _) = views.shape.stored();
    files.insert("/etc/common.proto".to_owned(), "message Meta { optional int64 time = 1; }".to_owned());
    let changed = read(&text, &files).unwrap_or_else(|errors| panic!("{errors}"));
    assert_ne!(changed.archives[1].shape.stored().0, before, "an imported file shapes output too");

    let said = |files: &BTreeMap<String, String>, text: &str| read(text, files).expect_err("is wrong").to_string();
    files.remove("/etc/common.proto");
    assert!(said(&files, &text).contains("schemas.files.view: can't be used: `common.proto`, which it needs: "));
    files.insert("/etc/common.proto".to_owned(), "message Meta {}".to_owned());
    let wrong_field = text.replace("\"ts\"", "\"zeit\"");
    assert!(
        said(&files, &wrong_field)
            .contains("archive[0].timestamp.field: not valid: field `zeit` is named, but no schema")
    );
    files.insert("/conf/schemas/click.avsc".to_owned(), "{}".to_owned());
    assert!(said(&files, &text).contains("archive[0].input.schemas[0]: not valid: schema `17` is no Avro schema"));
}
