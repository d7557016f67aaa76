//! Goal: a bad record never stops the archive and is never lost (P6), and `docs/errors.md` says what becomes of it.
//! Method: records that are wrong in one way each, archived by the binary from a real broker; the dead-letter file is
//! read back with gzip, and each line is compared with the row of the page.

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{Kafka, Secor, repository};

/// The first column of the rows of the page's section on records, to the message and the exit code.
fn rows() -> BTreeMap<String, (String, i32)> {
    let page = fs::read_to_string(repository().join("docs/errors.md")).expect("the page");
    let section = page.split("\n## Records\n").nth(1).expect("a section on records").to_owned();
    let rows = section.lines().filter(|line| line.starts_with("| `record-"));
    let cell = |cells: &[&str], n: usize| cells[n].trim().trim_matches('`').trim().to_owned();
    rows.map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        let exit = cells[4].trim().trim_end_matches('|').trim().parse().expect("an exit code");
        (cell(&cells, 0).trim_start_matches("| `").to_owned(), (cell(&cells, 2), exit))
    })
    .collect()
}

/// `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    for (index, part) in pattern.split('…').enumerate() {
        match rest.find(part) {
            Some(at) if index > 0 || at == 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    pattern.ends_with('…') || rest.is_empty()
}

fn configuration(kafka: &Kafka, folder: &Path, topic: &str, archive: &str) -> String {
    fs::create_dir_all(folder.join("archive")).expect("the folder is ours");
    format!(
        "on_refused = \"exit\"\n[kafka]\nbrokers = [\"{}\"]\ngroup = \"{topic}\"\n[store]\nurl = \"file://{}/archive\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[[archive]]\ntopics = [\"{topic}\"]\n{archive}\n",
        kafka.bootstrap(),
        folder.display()
    )
}

/// Archives `records` and returns the lines of the dead-letter file, in the order of the records.
fn dead_letters(topic: &str, archive: &str, records: &[&[u8]]) -> Vec<String> {
    let kafka = Kafka::shared();
    kafka.create_topic(topic, 1, &[]);
    kafka.produce(topic, 0, records);
    let secor = Secor::new(|folder| configuration(kafka, folder, topic, archive));
    secor.run(&["run", "--until-end"]).expect_code(0);
    secor.run(&["verify", "--deep", "--against-kafka", "--expect", &records.len().to_string()]).expect_code(0);
    let file = secor.folder().join(format!("archive/_dead_letters/{topic}/1_0_00000000000000000000.json.gz"));
    let output = Command::new("gzip").arg("-dc").arg(&file).output().expect("gzip runs");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON is UTF-8").lines().map(str::to_owned).collect()
}

fn compare(ids: &[&str], lines: &[String]) {
    let rows = rows();
    assert_eq!(ids.len(), lines.len(), "{lines:#?}");
    for (id, line) in ids.iter().zip(lines) {
        let (message, exit) = &rows[*id];
        assert!(matches(message, line), "{id}: the page says\n{message}\nthe dead letter is\n{line}");
        assert_eq!(*exit, 0, "{id}");
    }
}

// mistake: record-no-json
// mistake: record-json-array
// mistake: record-time-missing
// mistake: record-time-bad
// mistake: record-field-object
// mistake: record-name-illegal
#[test]
fn bad_json_records_become_dead_letters_and_their_neighbours_files() {
    let long = format!(r#"{{"ts":1,"country":"{}"}}"#, "x".repeat(600));
    let records: [&[u8]; 8] = [
        br#"{"ts":1700000000,"country":"DE"}"#,
        b"{\"ts\":1700000000,\"country\":",
        b"[1,2]",
        br#"{"country":"DE"}"#,
        br#"{"ts":"yesterday","country":"DE"}"#,
        br#"{"ts":1700000000,"country":{"code":"DE"}}"#,
        long.as_bytes(),
        br#"{"ts":1700000001,"country":"FR"}"#,
    ];
    let archive = r#"input = { format = "json" }
timestamp = { field = "ts" }
output_partitions = ["dt={timestamp:%Y-%m-%d}", "country={field:country}"]"#;
    let lines = dead_letters("bad-json", archive, &records);
    let ids = [
        "record-no-json",
        "record-json-array",
        "record-time-missing",
        "record-time-bad",
        "record-field-object",
        "record-name-illegal",
    ];
    compare(&ids, &lines);
}

// mistake: record-no-utf8
// mistake: record-delimiter
#[test]
fn bad_text_records_become_dead_letters() {
    let lines =
        dead_letters("bad-text", r#"input = { format = "text" }"#, &[b"fine", b"\xff\xfe", b"two\nlines", b"fine"]);
    compare(&["record-no-utf8", "record-delimiter"], &lines);
}

// mistake: record-refused
#[test]
fn a_bad_record_stops_its_partition_where_that_was_asked_for() {
    let kafka = Kafka::shared();
    kafka.create_topic("bad-fails", 1, &[]);
    kafka.produce("bad-fails", 0, [b"{}".as_slice(), b"no json"]);
    let archive = "input = { format = \"json\" }\nbad_records = \"fail\"";
    let secor = Secor::new(|folder| configuration(kafka, folder, "bad-fails", archive));
    let said = secor.run(&["run", "--until-end"]);
    let (message, exit) = &rows()["record-refused"];
    assert_eq!(said.code, *exit, "{}", said.stderr);
    assert!(said.stderr.lines().any(|line| matches(message, line)), "the page says\n{message}\n{}", said.stderr);
}
