//! Goal: schemas come from a real registry, an outage of it loses nothing, and a replay does not need it.
//! Method: Apicurio by its Confluent-compatible interface, records in Confluent's wire format, the binary as a process;
//! manifests, dead letters and `verify --against-kafka` are looked at afterwards.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Admin, Archive, Kafka, PATIENCE, Reference, Registry, Secor, Server, expect_verified, free_port, watch};
use serde_json::{Value, json};

const CLICK: &str = r#"{"type":"record","name":"Click","fields":[{"name":"country","type":"string"}]}"#;
/// With a field before and a type of another subject.
const CLICK_2: &str = r#"{"type":"record","name":"Click","fields":[{"name":"at","type":"geo.Place"},
    {"name":"country","type":"string"}]}"#;
const PLACE: &str = r#"{"type":"fixed","name":"Place","namespace":"geo","size":2}"#;
/// No registry gives it to anybody.
const UNKNOWN: u32 = 4_000_000_000;

struct Case<'a> {
    url: &'a str,
    /// Lines of `[schemas.registry]`.
    login: &'a str,
    topic: &'a str,
    /// Lines of `[[archive]]`.
    archive: &'a str,
}

impl Case<'_> {
    fn text(&self, folder: &Path) -> String {
        fs::create_dir_all(folder.join("archive")).expect("the folder is ours");
        format!(
            "[kafka]\nbrokers = [\"{}\"]\ngroup = \"{}\"\n[kafka.properties]\n\"session.timeout.ms\" = 3000\n\
             \"heartbeat.interval.ms\" = 500\n[store]\nurl = \"file://{}/archive\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [schemas.registry]\nurls = [\"{}\"]\n{}\n[[archive]]\ntopics = [\"{}\"]\n{}\n",
            Kafka::shared().bootstrap(),
            self.topic,
            folder.display(),
            self.url,
            self.login,
            self.topic,
            self.archive
        )
    }

    fn secor(&self) -> Secor {
        Secor::new(|folder| self.text(folder))
    }

    fn produce(&self, values: &[Vec<u8>]) {
        Kafka::shared().produce(self.topic, 0, values);
    }
}

fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], body].concat()
}

fn archive(secor: &Secor, topic: &str) -> Archive {
    Archive::new(secor.folder().join("archive"), topic)
}

/// Reasons and details of the dead letters of the batch that begins at 0.
fn dead_letters(secor: &Secor, topic: &str) -> Vec<String> {
    let file = secor.folder().join(format!("archive/_dead_letters/{topic}/1_0_00000000000000000000.json.gz"));
    let output = Command::new("gzip").arg("-dc").arg(&file).output().expect("gzip runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let said = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        format!("{}: {}", line["reason"].as_str().unwrap_or("?"), line["detail"].as_str().unwrap_or("?"))
    };
    lines.lines().map(said).collect()
}

/// The entries of partition 0.
fn entries(secor: &Secor, topic: &str) -> Vec<Value> {
    let folder = secor.folder().join(format!("archive/_secor/topics/{topic}/1/00000/entries"));
    let read = |entry: std::io::Result<fs::DirEntry>| fs::read(entry.expect("an entry").path()).expect("an entry");
    let texts = fs::read_dir(folder).expect("entries").map(read);
    texts.map(|text| serde_json::from_slice(&text).expect("JSON")).collect()
}

/// What the manifests say of schemas: id to hash, or to nothing.
fn named(secor: &Secor, topic: &str) -> BTreeMap<u64, Option<String>> {
    let mut named = BTreeMap::new();
    for entry in entries(secor, topic) {
        for schema in entry["schemas"].as_array().into_iter().flatten() {
            let hash = schema["sha256"].as_str().map(str::to_owned);
            assert_eq!(schema["missing"] == json!(true), hash.is_none(), "{schema}");
            named.insert(schema["id"].as_u64().expect("an id"), hash);
        }
    }
    named
}

/// Records per folder.
fn counts(secor: &Secor, topic: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for entry in entries(secor, topic) {
        for file in entry["files"].as_array().into_iter().flatten() {
            let (folder, _) = file["key"].as_str().and_then(|key| key.rsplit_once('/')).expect("a key");
            *counts.entry(folder.to_owned()).or_default() += file["records"].as_u64().expect("a number");
        }
    }
    counts
}

#[test]
fn avro_of_several_schemas_and_ids_that_are_unknown() {
    let registry = Registry::shared();
    let topic = "reg-avro";
    let case = Case {
        url: &registry.url(),
        login: "",
        topic,
        archive: "input = { format = \"avro\", framing = \"confluent\" }\noutput_partitions = [\"c={field:country}\"]\n\
                  output = { format = \"avro\", content = \"envelope\" }",
    };
    let first = registry.register("reg-avro-value", "AVRO", CLICK, &[]);
    registry.register("reg-avro-place", "AVRO", PLACE, &[]);
    let place = Reference { name: "geo.Place", subject: "reg-avro-place", version: 1 };
    let second = registry.register("reg-avro-next", "AVRO", CLICK_2, &[place]);
    Kafka::shared().create_topic(topic, 1, &[]);
    let values = [
        framed(first, b"\x04DE"),
        framed(second, b"..\x04FR"),
        framed(UNKNOWN, b"\x04DE"),
        framed(first, b"\x04FR"),
        framed(second, b"\x04DE"),
        b"no frame".to_vec(),
        framed(second, b"..\x04DE"),
    ];
    case.produce(&values);
    let secor = case.secor();
    secor.run(&["check"]).expect_code(0);
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "7"]).expect_code(0);

    let expected = [(format!("_dead_letters/{topic}"), 3), (format!("{topic}/c=DE"), 2), (format!("{topic}/c=FR"), 2)];
    assert_eq!(counts(&secor, topic), BTreeMap::from(expected));
    let bad = dead_letters(&secor, topic);
    assert_eq!(bad[0], format!("unknown_schema: schema id {UNKNOWN}: the registry has no such schema"));
    assert!(bad[1].starts_with("not_avro: ") && bad[2].starts_with("not_avro: "), "{bad:?}");
    let named = named(&secor, topic);
    assert_eq!(named.keys().copied().collect::<Vec<_>>(), [first, second, UNKNOWN].map(u64::from));
    assert_eq!(named[&u64::from(UNKNOWN)], None);
    let stored = |id: u32| {
        let hash = named[&u64::from(id)].as_ref().expect("it was found");
        fs::read_to_string(secor.folder().join("archive/_secor/schemas").join(hash)).expect("its text is stored")
    };
    assert!(stored(first).contains("country") && stored(second).contains("geo.Place"), "{}", stored(second));
}

#[test]
fn protobuf_with_references_and_json() {
    let registry = Registry::shared();
    registry.register(
        "reg-common",
        "PROTOBUF",
        "syntax = \"proto3\"; package acme; message Place { string c = 1; }",
        &[],
    );
    let common = Reference { name: "acme/common.proto", subject: "reg-common", version: 1 };
    let text = "syntax = \"proto3\"; package acme; import \"acme/common.proto\"; message First {} \
                message Click { Place place = 1; }";
    let id = registry.register("reg-proto-value", "PROTOBUF", text, &[common]);
    let topic = "reg-proto";
    let case = Case {
        url: &registry.url(),
        login: "",
        topic,
        archive: "input = { format = \"protobuf\", framing = \"confluent\" }\n\
                  output_partitions = [\"c={field:place.c}\"]\noutput = { format = \"sequence\" }",
    };
    Kafka::shared().create_topic(topic, 1, &[]);
    case.produce(&[framed(id, b"\x02\x02\x0a\x04\x0a\x02DE"), framed(id, b"\x00"), framed(id, b"\x02\x06")]);
    let secor = case.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "3"]).expect_code(0);
    let empty = format!("{topic}/c=__HIVE_DEFAULT_PARTITION__");
    let expected = [(format!("_dead_letters/{topic}"), 1), (format!("{topic}/c=DE"), 1), (empty, 1)];
    assert_eq!(counts(&secor, topic), BTreeMap::from(expected));

    let schema = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#;
    let id = registry.register("reg-json-value", "JSON", schema, &[]);
    let topic = "reg-json";
    let case = Case {
        url: &registry.url(),
        login: "",
        topic,
        archive: "input = { format = \"json\", framing = \"confluent\" }\noutput_partitions = [\"c={field:c}\"]\n\
                  output = { format = \"json\" }",
    };
    Kafka::shared().create_topic(topic, 1, &[]);
    case.produce(&[framed(id, br#"{"c":"DE"}"#), framed(UNKNOWN, br#"{"c":"DE"}"#), br#"{"c":"DE"}"#.to_vec()]);
    let secor = case.secor();
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "3"]).expect_code(0);
    let file = secor.folder().join(format!("archive/{topic}/c=DE/1_0_00000000000000000000.json"));
    assert_eq!(fs::read_to_string(file).expect("a file"), "{\"c\":\"DE\"}\n");
    let bad = dead_letters(&secor, topic);
    assert!(bad[0].starts_with("unknown_schema: ") && bad[1].starts_with("not_json: "), "{bad:?}");
}

/// The registry is killed before a schema is met for the first time. Records wait, also for another process; the
/// partition is paused and not refused; and with the registry everything goes on.
#[test]
fn an_outage_pauses_and_nothing_is_lost_or_bad() {
    let registry = Registry::start();
    let topic = "reg-outage";
    let case = Case {
        url: &registry.url(),
        login: "",
        topic,
        archive: "input = { format = \"avro\", framing = \"confluent\" }\noutput_partitions = [\"c={field:country}\"]\n\
                  flush = { max_records = 10, max_age = \"1s\" }",
    };
    let first = registry.register("click", "AVRO", CLICK, &[]);
    registry.register("place", "AVRO", PLACE, &[]);
    let place = Reference { name: "geo.Place", subject: "place", version: 1 };
    let second = registry.register("next", "AVRO", CLICK_2, &[place]);
    Kafka::shared().create_topic(topic, 1, &[]);
    case.produce(&vec![framed(first, b"\x04DE"); 25]);
    let secor = case.secor();
    let mut process = secor.start(&["run"]);
    watch(&mut process, "the first records", || (archive(&secor, topic).ends(1) == [25]).then_some(()));

    registry.kill();
    let mixed = |n: usize| if n.is_multiple_of(2) { framed(second, b"..\x04FR") } else { framed(first, b"\x04DE") };
    case.produce(&(0..40).map(|n| if n < 5 { framed(first, b"\x04DE") } else { mixed(n) }).collect::<Vec<_>>());
    let waits = |process: &mut harness::Process| {
        let admin = Admin::of(process);
        watch(process, "the partition that waits", || {
            let row = admin.try_status()?["topic_partitions"][format!("{topic}:0")].clone();
            let trouble = row["trouble"].as_str().is_some_and(|trouble| trouble.contains("does not answer"));
            (row["awaited_schema"] == json!(second) && row["refusal"].is_null() && trouble).then_some(())
        });
        assert_eq!(admin.metric("secor_partition_awaits_schema"), 1.0);
        assert_eq!(admin.get("/ready").0, 503);
        admin
    };
    waits(&mut process);
    watch(&mut process, "the records before it", || (archive(&secor, topic).ends(1)[0] >= 30).then_some(()));
    process.kill();
    let mut process = secor.start(&["run"]);
    let admin = waits(&mut process);

    registry.restart();
    watch(&mut process, "the other records", || (archive(&secor, topic).ends(1) == [65]).then_some(()));
    assert_eq!(admin.metric("secor_partition_awaits_schema"), 0.0);
    process.term();
    process.wait(PATIENCE).expect_code(0);
    expect_verified(&secor);
    let expected = [(format!("{topic}/c=DE"), 48), (format!("{topic}/c=FR"), 17)];
    assert_eq!(counts(&secor, topic), BTreeMap::from(expected));
}

/// Between manifest and files the process dies; the one that makes the files finds no registry.
#[test]
fn a_replay_needs_no_registry() {
    let registry = Registry::shared();
    let topic = "reg-replay";
    let archived =
        "input = { format = \"avro\", framing = \"confluent\" }\noutput_partitions = [\"c={field:country}\"]";
    let case = Case { url: &registry.url(), login: "", topic, archive: archived };
    let id = registry.register("reg-replay-value", "AVRO", CLICK, &[]);
    Kafka::shared().create_topic(topic, 1, &[]);
    case.produce(&[framed(id, b"\x04DE"), framed(UNKNOWN, b"\x04DE"), framed(id, b"\x04FR")]);
    let mut secor = case.secor();
    secor.set_env("SECOR_FAILPOINTS", "manifest-created=kill");
    secor.run(&["run", "--until-end"]).expect_code(137);
    assert!(!secor.folder().join(format!("archive/{topic}")).exists(), "no file yet");

    secor.set_env("SECOR_FAILPOINTS", "");
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    secor.configure(&Case { url: &nowhere, ..case }.text(secor.folder()));
    secor.run(&["check"]).expect_code(69);
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "3"]).expect_code(0);
    assert_eq!(
        dead_letters(&secor, topic),
        [format!("unknown_schema: schema id {UNKNOWN}: the registry has no such schema")]
    );
}

/// Files of each schema, and one of both, made by a process that finds neither its predecessor nor a registry.
#[test]
fn avro_values_of_two_schemas_interleaved() {
    let registry = Registry::shared();
    let (topic, merged) = ("reg-values", "reg-merged");
    let both = r#"{"type":"record","name":"Click","fields":[{"name":"country","type":["null","string"]},
        {"name":"at","type":{"type":"fixed","name":"Place","size":2},"default":"--"}]}"#;
    let input = "input = { format = \"avro\", framing = \"confluent\" }";
    let archived = format!(
        "{input}\noutput = {{ format = \"avro\" }}\n[[archive]]\ntopics = [\"{merged}\"]\n{input}\n\
         output = {{ format = \"avro\", compression = \"deflate\", schema = '''{both}''' }}"
    );
    let case = Case { url: &registry.url(), login: "", topic, archive: &archived };
    let first = registry.register("reg-values-one", "AVRO", CLICK, &[]);
    registry.register("reg-values-place", "AVRO", PLACE, &[]);
    let place = Reference { name: "geo.Place", subject: "reg-values-place", version: 1 };
    let second = registry.register("reg-values-two", "AVRO", CLICK_2, &[place]);
    let value = |n: usize| if n.is_multiple_of(3) { framed(first, b"\x04DE") } else { framed(second, b"..\x04FR") };
    let mut values: Vec<_> = (0..30).map(value).collect();
    // a number that is longer than it must be
    values.push(framed(first, b"\x84\x00DE"));
    for topic in [topic, merged] {
        Kafka::shared().create_topic(topic, 1, &[]);
        Kafka::shared().produce(topic, 0, &values);
    }
    let mut secor = case.secor();
    let said = secor.run(&["check"]).expect_code(0).stdout;
    assert!(said.contains("values in Avro files by their own schemas") && said.contains("100.s17.avro"), "{said}");
    assert!(said.contains("values in Avro files by one schema") && said.contains("100.avro"), "{said}");
    secor.set_env("SECOR_FAILPOINTS", "manifest-created=kill");
    secor.run(&["run", "--until-end"]).expect_code(137);
    // the one that has its manifest needs no registry, the other may
    secor.set_env("SECOR_FAILPOINTS", "");
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "62"]).expect_code(0);

    let files = |topic: &str| -> BTreeMap<String, (u64, Value)> {
        let files =
            entries(&secor, topic).into_iter().flat_map(|entry| entry["files"].as_array().cloned().unwrap_or_default());
        let facts = files.map(|file| {
            let name = file["key"].as_str().and_then(|key| key.rsplit_once('/')).expect("a key").1.to_owned();
            (name, (file["records"].as_u64().expect("a number"), file["schema"].clone()))
        });
        facts.collect()
    };
    let name = |ext: &str| format!("1_0_00000000000000000000{ext}");
    let dead = (name(".json.gz"), (1, Value::Null));
    let by = |id: u32, records: u64| (name(&format!(".s{id}.avro")), (records, json!({"id": id})));
    assert_eq!(files(topic), BTreeMap::from([dead.clone(), by(first, 10), by(second, 20)]));
    assert_eq!(files(merged), BTreeMap::from([dead, (name(".avro"), (30, Value::Null))]));
    let bad = "not_avro: a number that is longer than it must be at byte 5";
    assert_eq!(
        (dead_letters(&secor, topic), dead_letters(&secor, merged)),
        (vec![bad.to_owned()], vec![bad.to_owned()])
    );
    let printed = secor.run(&["cat", topic]).expect_code(0).stdout;
    assert_eq!(printed.lines().filter(|line| *line == r#"{"country":"DE"}"#).count(), 10, "{printed}");
    let printed = secor.run(&["cat", merged]).expect_code(0).stdout;
    let lines: Vec<_> = printed.lines().take(2).collect();
    assert_eq!(lines, [r#"{"country":"DE","at":"LS0="}"#, r#"{"country":"FR","at":"Li4="}"#]);
    let url = format!("file://{}/archive/{topic}/{}", secor.folder().display(), name(&format!(".s{second}.avro")));
    let printed = secor.run(&["cat", &url]).expect_code(0).stdout;
    assert_eq!(printed.lines().next(), Some(r#"{"at":"Li4=","country":"FR"}"#));
}

#[test]
fn a_certificate_and_a_login_of_ones_own() {
    let port = free_port();
    let server = Server::new("registry-tls", "registry_tls.sh", &[port.to_string()]);
    let started = server.start(PATIENCE, |said| said.contains("Listening on"));
    assert!(started.is_ok(), "{} (tests/lab/install.sh aws?)", server.log());
    let topic = "reg-tls";
    Kafka::shared().create_topic(topic, 1, &[]);
    let url = format!("https://127.0.0.1:{port}");
    let ca_file = format!("ca_file = \"{}/ca.pem\"", server.folder().display());
    let archived =
        "input = { format = \"avro\", framing = \"confluent\" }\noutput_partitions = [\"c={field:country}\"]";
    let case = |login| Case { url: &url, login, topic, archive: archived };
    case("").produce(&[framed(7, b"\x04DE"), framed(UNKNOWN, b"\x04DE")]);

    let stranger = case("");
    let secor = stranger.secor();
    let said = secor.run(&["check"]).expect_code(69).stderr;
    assert!(said.contains("does not answer"), "{said}");
    let refused = format!("{ca_file}\nusername = \"ann\"\npassword = \"wrong\"");
    secor.configure(&case(&refused).text(secor.folder()));
    let said = secor.run(&["check"]).expect_code(64).stderr;
    assert!(said.contains("refuses the credentials") && !said.contains("wrong"), "{said}");
    // it waits, and loses nothing
    let mut process = secor.start(&["run"]);
    let admin = Admin::of(&mut process);
    watch(&mut process, "the refused login", || {
        let row = admin.try_status()?["topic_partitions"][format!("{topic}:0")].clone();
        row["trouble"].as_str()?.contains("correct the login in [schemas.registry]").then_some(())
    });
    process.term();
    process.wait(PATIENCE).expect_code(0);
    let login = format!("{ca_file}\nusername = \"ann\"\npassword = \"s3cret\"");
    secor.configure(&case(&login).text(secor.folder()));
    secor.run(&["check"]).expect_code(0);
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", "2"]).expect_code(0);
    let expected = [(format!("_dead_letters/{topic}"), 1), (format!("{topic}/c=DE"), 1)];
    assert_eq!(counts(&secor, topic), BTreeMap::from(expected));
}
