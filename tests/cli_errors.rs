//! Goal: every row of `docs/errors.md` is what the program really says, and no mistake is tested without a row.
//! Method: the page is the expectation. Each case runs the binary with one mistake; exit code, message and hint are
//! compared with its row, in which `…` stands for anything. Rows that need a running archive are tested elsewhere, by
//! tests that say `// mistake: ID` above them.

mod harness;

use std::collections::BTreeSet;
use std::fs;

use harness::{Kafka, S3, Secor, Swift, complaint, errors_page, expect_mistake, fits, repository};

/// A configuration that is right, but for its broker, which nobody asks offline.
const BASE: &str = r#"[kafka]
brokers = ["127.0.0.1:9"]
group = "backup"

[store]
url = "file:///tmp"

[[archive]]
topics = ["clicks"]
"#;

const OFFLINE: &[&str] = &["check", "--offline", "--config", "secor.toml"];
const ONLINE: &[&str] = &["check", "--config", "secor.toml"];

#[test]
fn the_page_and_the_tests_name_the_same_mistakes() {
    let mut tested: BTreeSet<String> = command_line().into_iter().map(|(id, _)| id.to_owned()).collect();
    tested.extend(configurations().into_iter().map(|(id, _)| id.to_owned()));
    let folders = ["tests", "tests/sql_ledger"].map(|folder| fs::read_dir(repository().join(folder)));
    for file in folders.into_iter().flat_map(|folder| folder.expect("the tests are there")).flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        let marks = text.lines().filter_map(|line| line.trim().strip_prefix("// mistake: "));
        tested.extend(marks.map(str::to_owned));
    }
    let rows: BTreeSet<String> = errors_page().into_keys().collect();
    assert!(rows.len() >= 25, "{} rows", rows.len());
    assert_eq!(rows.difference(&tested).collect::<Vec<_>>(), Vec::<&String>::new(), "rows that nothing tests");
    assert_eq!(tested.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "tests without a row");
}

#[test]
fn mistakes_on_the_command_line() {
    let mut secor = Secor::new(|_| BASE.to_owned());
    // the harness names a configuration, and here none shall be named
    secor.set_env("SECOR_CONFIG", "");
    let all = command_line().into_iter();
    let wrong: Vec<String> = all.filter_map(|(id, arguments)| complaint(id, &secor.run(arguments))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    secor.run(&["--help"]).expect_code(0);
    secor.run(&["--version"]).expect_code(0);
}

#[test]
fn mistakes_in_the_configuration() {
    let secor = Secor::new(|_| BASE.to_owned());
    secor.run(OFFLINE).expect_code(0);
    let mut wrong = Vec::new();
    for (id, config) in configurations() {
        secor.configure(&config);
        wrong.extend(complaint(id, &secor.run(OFFLINE)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Goal: what `secor columns` prints can be put into a configuration, as it was into that of the example.
#[test]
fn printed_columns_are_those_of_the_example() {
    let secor = Secor::new(|_| BASE.to_owned());
    let folder = repository().join("examples");
    let path = |name: &str| folder.join(name).to_str().expect("our names are text").to_owned();
    let said = secor.run(&["columns", "--avro", &path("schemas/click-21.avsc")]).expect_code(0);
    assert_eq!(said.stderr, "");
    let example = fs::read_to_string(folder.join("avro-columns.toml")).expect("it is there");
    assert!(example.contains(&format!("schema = \"\"\"\n{}\"\"\"", said.stdout)), "{}", said.stdout);

    let said = secor.run(&["columns", "--protobuf", &path("schemas/click.proto"), "--message", "acme.Click"]);
    assert_eq!(said.expect_code(0).stdout, "struct<\n  at: timestamp,\n  url: string,\n  color: string\n>\n");
    let idl = secor.folder().join("tree.thrift");
    fs::write(&idl, "struct Tree { 1: i64 id, 2: list<Tree> branches }").expect("the folder is ours");
    let said = secor.run(&["columns", "--thrift", idl.to_str().expect("our names are text")]).expect_code(0);
    assert_eq!(said.stdout, "struct<\n  id: bigint\n>\n");
    assert!(said.stderr.starts_with("secor: left out `branches`: it holds itself\nhint: "), "{}", said.stderr);
}

#[test]
fn all_mistakes_are_printed_in_one_run() {
    let secor = Secor::new(|_| BASE.replace("group", "gruop").replace("file:///tmp", "ftp://bucket"));
    let said = secor.run(OFFLINE).expect_code(64);
    let lines: Vec<_> = said.stderr.lines().filter(|line| line.starts_with("secor: ")).collect();
    assert_eq!(lines.len(), 3, "unknown, missing, no store:\n{}", said.stderr);
}

// mistake: folder-missing
// mistake: folder-is-a-file
// mistake: staging-unwritable
// mistake: broker-down
#[test]
fn mistakes_about_folders_and_brokers() {
    let secor = Secor::new(|_| BASE.to_owned());
    let folder = secor.folder().join("archive");
    let at = |path: &std::path::Path| BASE.replace("file:///tmp", &format!("file://{}", path.display()));

    secor.configure(&at(&folder));
    expect_mistake("folder-missing", &secor.run(ONLINE));
    fs::create_dir(&folder).unwrap();
    expect_mistake("broker-down", &secor.run(ONLINE));
    secor.configure(&format!("{}\n[staging]\npath = \"/proc/secor\"\n", at(&folder)));
    expect_mistake("staging-unwritable", &secor.run(ONLINE));
    secor.configure(&at(&secor.config_file()));
    expect_mistake("folder-is-a-file", &secor.run(ONLINE));
}

// mistake: bucket-missing
// mistake: secret-wrong
// mistake: endpoint-unreachable
#[test]
fn mistakes_about_s3() {
    let s3 = S3::shared();
    let kafka = Kafka::shared();
    kafka.create_topic("s3-mistakes", 1, &[]);
    let config = format!(
        "[kafka]\nbrokers = [\"{}\"]\ngroup = \"s3-mistakes\"\n{}\n[[archive]]\ntopics = [\"s3-mistakes\"]\n",
        kafka.bootstrap(),
        s3.config("cli-errors")
    );
    let mut secor = Secor::new(|_| config.clone());
    let said = secor.run(ONLINE).expect_code(0);
    assert!(said.stdout.contains("exactly one won"), "{}", said.stdout);
    assert!(said.stdout.contains("`s3-mistakes`: 1 partitions"), "{}", said.stdout);

    secor.configure(&config.replace(&format!("s3://{}/", s3.bucket), "s3://no-such-bucket/"));
    expect_mistake("bucket-missing", &secor.run(ONLINE));
    secor.configure(&config.replace(s3.secret_access_key, "not-the-secret"));
    let said = secor.run(ONLINE);
    expect_mistake("secret-wrong", &said);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains("not-the-secret"), "the secret is printed");
    secor.set_env("RUST_LOG", "off");
    secor.configure(&config.replace(&s3.endpoint(), "http://127.0.0.1:9"));
    expect_mistake("endpoint-unreachable", &secor.run(ONLINE));
}

// mistake: swift-ledger
// mistake: swift-key-wrong
#[test]
fn mistakes_about_swift() {
    let (swift, kafka) = (Swift::shared(), Kafka::shared());
    kafka.create_topic("swift-mistakes", 1, &[]);
    let config = format!(
        "[kafka]\nbrokers = [\"{}\"]\ngroup = \"swift-mistakes\"\n{}\n[[archive]]\ntopics = [\"swift-mistakes\"]\n",
        kafka.bootstrap(),
        swift.config("cli-errors")
    );
    let secor = Secor::new(|_| config.clone());
    expect_mistake("swift-ledger", &secor.run(ONLINE));
    secor.configure(&config.replace(swift.key, "not-the-key"));
    // `check` has nothing to ask of a store that it refuses; what reads the archive logs in
    expect_mistake("swift-key-wrong", &secor.run(&["verify", "--config", "secor.toml"]));
}

// mistake: topic-unknown
#[test]
fn mistakes_about_topics() {
    let kafka = Kafka::shared();
    let secor = Secor::new(|folder| {
        let base = BASE.replace("127.0.0.1:9", kafka.bootstrap()).replace("clicks", "nothing-here");
        base.replace("file:///tmp", &format!("file://{}", folder.display()))
    });
    expect_mistake("topic-unknown", &secor.run(ONLINE));
}

// mistake: login-refused
#[test]
fn mistakes_about_the_login() {
    let kafka = Kafka::start_with(&[
        "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN",
        "sasl.mechanism.inter.broker.protocol=PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"broker\" password=\"lab\" user_broker=\"lab\" user_secor=\"right\";",
    ]);
    let login = |password: &str| {
        format!(
            "[kafka.properties]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
             \"sasl.username\" = \"secor\"\n\"sasl.password\" = \"{password}\"\n\n[store]"
        )
    };
    let config = |folder: &std::path::Path, password: &str| {
        let base = BASE.replace("127.0.0.1:9", kafka.bootstrap()).replace("\"clicks\"", "'^nothing'");
        base.replace("file:///tmp", &format!("file://{}", folder.display())).replace("[store]", &login(password))
    };
    let secor = Secor::new(|folder| config(folder, "right"));
    secor.run(ONLINE).expect_code(0);
    secor.configure(&config(secor.folder(), "wrong-password"));
    let said = secor.run(ONLINE);
    expect_mistake("login-refused", &said);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains("wrong-password"), "the password is printed");
}

// mistake: tls-not-built
#[test]
fn tls_needs_a_binary_that_has_it() {
    let secor = Secor::new(|_| BASE.replace("[store]", "properties = { \"security.protocol\" = \"SSL\" }\n[store]"));
    let said = secor.run(OFFLINE);
    if cfg!(feature = "full") {
        said.expect_code(0);
    } else {
        expect_mistake("tls-not-built", &said);
    }
}

/// The examples are read as they are; TLS among them only by a binary that has it.
#[test]
fn every_example_is_right() {
    let mut secor = Secor::new(|_| BASE.to_owned());
    for name in [
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
        "KAFKA_PASSWORD",
        "SECOR_ADMIN_TOKEN",
        "SECOR_DB_PASSWORD",
        "SECOR_SWIFT_SECRET",
    ] {
        secor.set_env(name, "set-by-the-test");
    }
    let files = fs::read_dir(repository().join("examples")).expect("they are there").flatten();
    let files: Vec<_> = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "toml")).collect();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        let path = file.path();
        let said = secor.run(&["check", "--offline", "--config", path.to_str().expect("our names are text")]);
        let needs_tls = path.ends_with("sasl-tls.toml") && !cfg!(feature = "full");
        let said = if needs_tls { said.expect_code(64) } else { said.expect_code(0) };
        // the id of a key is no secret
        let names_a_key = ["minio.toml", "sql-ledger.toml"].iter().any(|name| path.ends_with(name));
        assert!(!said.stdout.contains("set-by-the-test") || names_a_key, "{}", said.stdout);
        assert_eq!(needs_tls, said.stderr.contains("cargo feature `full`"), "{}: {}", path.display(), said.stderr);
    }
}

/// Id and arguments.
fn command_line() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("command-unknown", &["chekc"]),
        ("option-unknown", &["check", "--ofline"]),
        ("config-unnamed", &["check"]),
        ("config-missing", &["check", "--config", "nowhere.toml"]),
        ("columns-of-nothing", &["columns"]),
        ("columns-no-schema", &["columns", "--avro", "secor.toml"]),
        ("columns-no-sample", &["columns", "--json", "secor.toml"]),
        ("selftest-unasked", &["selftest", "--config", "secor.toml"]),
        ("selftest-topic-taken", &["selftest", "--config", "secor.toml", "--topic", "clicks"]),
    ]
}

/// Id and a configuration with this one mistake.
fn configurations() -> Vec<(&'static str, String)> {
    // a line of the [[archive]]: line 10 of the file
    let archive = |line: &str| format!("{BASE}{line}\n");
    // a line of [store.s3]: line 8
    let cloud = |name: &str, lines: &str| {
        BASE.replace("file:///tmp\"\n", &format!("{name}://bucket\"\n[store.{name}]\n{lines}\n"))
    };
    let s3 = |line: &str| cloud("s3", line);
    let swap = |from: &str, to: &str| {
        assert!(BASE.contains(from), "`{from}` is in the base");
        BASE.replace(from, to)
    };
    vec![
        ("toml-syntax", swap("[\"127.0.0.1:9\"]", "[127.0.0.1:9]")),
        ("key-twice", swap("group = \"backup\"\n", "group = \"backup\"\ngroup = \"other\"\n")),
        ("key-unknown", swap("group", "gruop")),
        ("key-elsewhere", swap("\n[[archive]]", "memory = \"1GiB\"\n[[archive]]")),
        ("key-missing", swap("group = \"backup\"\n", "")),
        ("archive-missing", swap("[[archive]]\ntopics = [\"clicks\"]\n", "")),
        ("archive-single", swap("[[archive]]", "[archive]")),
        ("type-wrong", swap("[\"127.0.0.1:9\"]", "\"127.0.0.1:9\"")),
        ("table-expected", archive("input = \"json\"")),
        ("duration-bare", archive("flush = { max_age = 60 }")),
        ("size-bad", archive("[limits]\nmemory = \"lots\"")),
        ("memory-small", archive("[limits]\nmemory = \"1MiB\"")),
        ("word-unknown", archive("output = { compression = \"gzipp\" }")),
        ("store-unknown", swap("file:///tmp", "ftp://bucket")),
        ("swift-no-login", swap("file:///tmp", "swift://container")),
        ("ledger-without-url", archive("[ledger]\ntype = \"sql\"")),
        ("ledger-url-useless", archive("[ledger]\nurl = \"sqlite:///var/lib/secor/l.db\"")),
        ("ledger-url-bad", archive("[ledger]\ntype = \"sql\"\nurl = \"oracle://secor:secret@host/db\"")),
        ("section-later", archive("[catalog]")),
        ("store-relative", swap("file:///tmp", "file://archive")),
        ("variable-unset", archive("[admin]\ntoken = \"${SECOR_NOBODY}\"")),
        ("secret-file-missing", archive("[admin]\ntoken = \"${file:/nowhere/token}\"")),
        ("property-fixed", archive("[kafka.properties]\n\"enable.auto.commit\" = true")),
        ("property-unknown", archive("[kafka.properties]\n\"session.timeout\" = 45000")),
        ("property-value", archive("[kafka.properties]\n\"session.timeout.ms\" = 0")),
        ("login-without-protocol", archive("[kafka.properties]\n\"sasl.mechanism\" = \"PLAIN\"")),
        ("revoke-too-long", swap("\n[store]", "revoke_timeout = \"10m\"\n[store]")),
        ("s3-half-login", s3("access_key_id = \"key\"")),
        ("s3-plain-http", s3("endpoint = \"http://127.0.0.1:9000\"")),
        ("s3-key-missing", s3("sse = \"sse-c\"")),
        ("gs-two-logins", cloud("gs", "credentials = \"{}\"\naccess_token = \"t\"")),
        ("azure-half-login", cloud("azure", "client_secret = \"s\"\nclient_id = \"c\"")),
        ("s3-beside-folder", swap("\n[[archive]]", "[store.s3]\nregion = \"us-east-1\"\n[[archive]]")),
        ("topic-pattern", swap("clicks", "app.*")),
        ("topic-twice", archive("[[archive]]\ntopics = [\"clicks\"]")),
        ("field-without-json", archive("timestamp = { field = \"ts\" }")),
        (
            "group-unknown",
            archive("input = { format = \"text\", pattern = '^(?<ts>\\d+)' }\ntimestamp = { field = \"at\" }"),
        ),
        ("registry-url", archive("[schemas.registry]\nurls = [\"registry:8081\"]")),
        ("registry-unused", archive("[schemas.registry]\nurls = [\"http://registry:8081\"]")),
        ("registry-without-url", archive("[schemas.registry]\ntoken = \"t\"")),
        (
            "registry-half-login",
            archive(
                "input = { format = \"avro\", framing = \"confluent\" }\n[schemas.registry]\n\
                 urls = [\"http://registry:8081\"]\nusername = \"ann\"",
            ),
        ),
        ("schema-unnamed", archive("input = { format = \"avro\" }")),
        ("schema-unknown", archive("input = { format = \"avro\", schemas = [\"click\"] }")),
        ("schema-unused", archive("[schemas.files]\nclick = \"/nowhere/click.avsc\"")),
        (
            "schema-unreadable",
            archive(
                "input = { format = \"avro\", schemas = [\"click\"] }\n[schemas.files]\nclick = \"/nowhere/click.avsc\"",
            ),
        ),
        ("input-key-elsewhere", archive("input = { format = \"msgpack\", json = \"any\" }")),
        ("template-bad", archive("output_partitions = [\"dt={timestamp:%Q}\"]")),
        ("regex-without-group", archive("timestamp = { source = \"regex\", pattern = 'ts=[0-9]+' }")),
        ("zone-unknown", archive("time_zone = \"Mars/Olympus\"")),
        ("level-without-codec", archive("output = { level = 3 }")),
        ("level-of-no-codec", archive("output = { compression = \"snappy\", level = 3 }")),
        (
            "codec-not-in-avro",
            archive("output = { format = \"avro\", content = \"envelope\", compression = \"gzip\" }"),
        ),
        ("codec-not-in-sequence", archive("output = { format = \"sequence\", compression = \"lzo\" }")),
        ("framing-useless", archive("output = { compression = \"gzip\", framing = \"hadoop\" }")),
        ("json-of-bytes", archive("output = { format = \"json\" }")),
        ("envelope-of-text", archive("output = { content = \"envelope\" }")),
        ("nested-bytes", archive("output = { format = \"json\", content = \"envelope\", envelope_value = \"json\" }")),
        ("csv-without-columns", archive("input = { format = \"json\" }\noutput = { format = \"csv\" }")),
        ("avro-of-json", archive("input = { format = \"json\" }\noutput = { format = \"avro\" }")),
        (
            "avro-schema-unfit",
            archive("input = { format = \"json\" }\noutput = { format = \"avro\", schema = '[\"int\",\"string\"]' }"),
        ),
        (
            "avro-schema-wrong",
            archive(
                "input = { format = \"avro\", framing = \"confluent\" }\n\
                 output = { format = \"avro\", schema = \"id bigint\" }\n[schemas.registry]\nurls = [\"http://127.0.0.1:9\"]",
            ),
        ),
        (
            "csv-empty-lines",
            archive("input = { format = \"json\" }\noutput = { format = \"csv\", columns = [\"id\"] }"),
        ),
        ("key-of-another-format", archive("output = { columns = [\"id\"] }")),
        (
            "envelope-key-of-values",
            archive("input = { format = \"json\" }\noutput = { format = \"json\", envelope_key = \"base64\" }"),
        ),
        ("delimiter-empty", archive("output = { delimiter = \"\" }")),
        ("layout-ambiguous", archive("layout = \"{topic}/{start}{ext}\"")),
        ("flush-unlimited", archive("flush = {}")),
        ("flush-unreachable", archive("flush = { max_bytes = \"1TB\" }")),
    ]
}

#[test]
fn patterns_fit_or_not() {
    for (pattern, line) in [("a…c", "abc"), ("a…", "a"), ("…", ""), ("abc", "abc"), ("…b…d", "abcd")] {
        assert!(fits(pattern, line), "{pattern} {line}");
    }
    for (pattern, line) in [("a…c", "abd"), ("abc", "abcd"), ("b", "ab"), ("a…c", "acx")] {
        assert!(!fits(pattern, line), "{pattern} {line}");
    }
}
