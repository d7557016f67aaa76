//! Goal: `secor selftest` finds nothing where nothing is wrong, finds what is, and leaves nothing behind.
//! Method: the command runs against a real broker and a real S3 server. The negative control doubles and takes away
//! files behind its back; the count must see both.

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Kafka, PATIENCE, S3, Secor, Setup, eventually, patient_kafka, repository};
use serde_json::Value;

/// Kills, stalls, and counting on a machine that does much else.
const LONG: Duration = Duration::from_secs(400);

const GZIP: &str = "output = { compression = \"gzip\" }";

/// A configuration whose temporary files lie in its own folder.
fn secor(setup: &Setup<'_>) -> Secor {
    let mut secor = setup.secor();
    let temporary = secor.folder().join("tmp");
    fs::create_dir(&temporary).expect("the folder is ours");
    secor.set_env("TMPDIR", temporary.to_str().expect("an ordinary path"));
    secor
}

#[test]
fn every_record_once_through_kills_and_stalls_and_nothing_is_left() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let setup = Setup::new(kafka, s3, "selftest-good").archive(GZIP);
    let secor = secor(&setup);
    let arguments = "selftest --yes --json --rounds 4 --processes 2 --records 20000 --seed 5";
    let said = secor.run_within(LONG, &arguments.split(' ').collect::<Vec<_>>()).expect_code(0);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let number =
        |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {report}"));
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(number("/total/acked"), 20_000);
    assert_eq!(number("/total/archived_once"), 20_000);
    assert_eq!((number("/total/repeated"), number("/total/lost")), (0, 0));
    assert_eq!((number("/ledger/records"), number("/ledger/logged")), (20_000, 20_000));
    assert_eq!(number("/ledger/chains"), 4);
    let rounds = report["rounds"].as_array().expect("rounds");
    assert_eq!(rounds.len(), 4);
    let harms: Vec<&str> = rounds.iter().filter_map(|round| round["injected"].as_str()).collect();
    assert!(harms.iter().any(|harm| harm.starts_with("SIGSTOP")), "{harms:?}");
    assert!(harms.iter().any(|harm| harm.starts_with("SIGKILL at ")), "{harms:?}");
    assert!(rounds.iter().all(|round| round["reached"] == true && round["taken_over_ms"].is_u64()), "{report}");
    assert_eq!(report["left"].as_array().map(Vec::len), Some(0), "{report}");
    assert_eq!(files(&setup.files().folder().join("_selftest")), Vec::<PathBuf>::new());
    assert_eq!(entries(&secor.folder().join("tmp")), 0, "temporary files");
}

/// The negative control: an archive in which something goes wrong is not called whole.
#[test]
fn a_doubled_and_a_missing_file_are_found() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let setup = Setup::new(kafka, s3, "selftest-harmed").archive(GZIP);
    let secor = secor(&setup);
    let arguments = "selftest --yes --json --rounds 1 --processes 1 --records 4000 --seed 1";
    let mut process = secor.start(&arguments.split(' ').collect::<Vec<_>>());
    let folder = setup.files().folder().join("_selftest");
    // files of three batches of one partition: nobody looks at the first of them again
    let archived = harness::watch(&mut process, "files of several batches", || {
        let mut archived = files(&folder);
        archived.retain(|file| file.extension().is_some_and(|extension| extension == "gz"));
        archived.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("1_0_")));
        archived.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
        let first = archived.first()?.file_name()?.to_owned();
        let batches: std::collections::BTreeSet<_> = archived.iter().map(|file| file.file_name()).collect();
        let of_first = archived.iter().filter(|file| file.file_name() == Some(&first)).count();
        (batches.len() >= 3 && of_first >= 2).then(|| archived.clone())
    });
    let doubled = archived[0].with_file_name("1_0_00000000000000999999.gz");
    fs::copy(&archived[0], doubled).expect("the bucket is a folder");
    fs::remove_file(&archived[1]).expect("the bucket is a folder");
    let said = process.wait(LONG).expect_code(1);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(report["ok"], false, "{report}");
    assert!(report["total"]["repeated"].as_u64() > Some(0), "{report}");
    assert!(report["total"]["lost"].as_u64() > Some(0), "{report}");
    let findings = report["findings"].to_string();
    for words in ["is archived 2 times", "was acknowledged and is in no file", "stray", "missing_file"] {
        assert!(findings.contains(words), "{words}: {findings}");
    }
    assert!(said.stderr.contains("hint: everything was kept"), "{}", said.stderr);
    assert!(!files(&folder).is_empty(), "the evidence is kept");
    assert_eq!(report["left"].as_array().map(Vec::len), Some(3), "{report}");
}

#[test]
fn an_interrupted_one_takes_its_processes_with_it() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let setup = Setup::new(kafka, s3, "selftest-interrupted").archive(GZIP);
    let secor = secor(&setup);
    let arguments = "selftest --yes --rounds 50 --processes 2 --records 100000";
    let mut process = secor.start(&arguments.split(' ').collect::<Vec<_>>());
    let folder = setup.files().folder().join("_selftest");
    harness::watch(&mut process, "the first files", || {
        files(&folder).iter().any(|file| file.ends_with("ledger.json")).then_some(())
    });
    assert_eq!(children_of(secor.folder()), 2);
    process.signal(libc::SIGINT);
    let said = process.wait(PATIENCE).expect_code(130);
    assert!(said.stderr.contains("secor: interrupted: there is no verdict"), "{}", said.stderr);
    assert_eq!(children_of(secor.folder()), 0);
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
    assert_eq!(entries(&secor.folder().join("tmp")), 0, "temporary files");
}

#[test]
fn a_killed_one_takes_its_processes_with_it() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let setup = Setup::new(kafka, s3, "selftest-killed").archive(GZIP);
    let secor = secor(&setup);
    let mut process = secor.start(&["selftest", "--yes", "--rounds", "50", "--processes", "2"]);
    harness::watch(&mut process, "its processes", || (children_of(secor.folder()) == 2).then_some(()));
    process.kill();
    eventually(PATIENCE, "its processes to end", || (children_of(secor.folder()) == 0).then_some(()));
}

/// What it says before anything is created is in `docs/errors.md` and tested by `tests/cli_errors.rs`.
// mistake: selftest-topic-used
#[test]
fn what_is_not_there_or_not_ours_is_said() {
    let (kafka, s3) = (patient_kafka(), S3::shared());
    let setup = Setup::new(kafka, s3, "selftest-errors").archive(GZIP);
    let secor = secor(&setup);

    kafka.create_topic("selftest-used", 2, &[]);
    kafka.produce("selftest-used", 1, ["{}", "{}", "{}"]);
    let said = secor.run(&["selftest", "--yes", "--topic", "selftest-used"]).expect_code(64);
    let message = "secor: topic `selftest-used` holds records: 3 in one of its partitions\n\
                   hint: --topic takes an empty topic, or a name that is free";
    assert!(said.stderr.contains(message), "{}", said.stderr);
    assert_eq!(kafka.log_range("selftest-used", 1), (0, 3), "it is not ours to delete");

    let text = setup.text(secor.folder());
    secor.configure(&text.replace(s3.secret_access_key, "another"));
    let said = secor.run(&["selftest", "--yes"]).expect_code(64);
    assert!(said.stderr.starts_with("secor: "), "{}", said.stderr);
    assert!(said.stderr.contains("hint: "), "{}", said.stderr);

    secor.configure(&text.replace(kafka.bootstrap(), "127.0.0.1:9"));
    let said = secor.run(&["selftest", "--yes"]).expect_code(69);
    assert!(said.stderr.contains("no broker of `127.0.0.1:9` answered"), "{}", said.stderr);
    assert_eq!(files(&setup.files().folder().join("_selftest")), Vec::<PathBuf>::new());
    assert_eq!(entries(&secor.folder().join("tmp")), 0, "temporary files");
}

/// An empty topic that somebody else has made is used and stays; a missing one is made and goes.
#[test]
fn a_named_topic_stays_and_keep_keeps() {
    let kafka: &Kafka = patient_kafka();
    kafka.create_topic("selftest-given", 2, &[]);
    let archive = tempfile::tempdir().expect("a temporary folder");
    let mut secor = Secor::new(|_| {
        format!(
            "[kafka]\nbrokers = [\"{}\"]\ngroup = \"g\"\n[kafka.properties]\n\"session.timeout.ms\" = 3000\n\
             [store]\nurl = \"file://{}\"\n[[archive]]\ntopics = [\"other\"]\noutput = {{ format = \"sequence\" }}\n",
            kafka.bootstrap(),
            archive.path().display()
        )
    });
    let temporary = secor.folder().join("tmp");
    fs::create_dir(&temporary).expect("the folder is ours");
    secor.set_env("TMPDIR", temporary.to_str().expect("an ordinary path"));
    let arguments = "selftest --yes --keep --rounds 1 --processes 1 --records 2000 --topic selftest-given";
    let said = secor.run_within(LONG, &arguments.split(' ').collect::<Vec<_>>()).expect_code(0);
    assert!(said.stdout.contains("all holds: 2000 acknowledged records, each in exactly one file"), "{}", said.stdout);
    assert!(said.stdout.contains("left      files and ledger: file://"), "{}", said.stdout);
    assert!(!files(&archive.path().join("_selftest")).is_empty());
    assert_eq!(kafka.log_range("selftest-given", 0), (0, 1_000));
}

/// Golden: changed on purpose only.
#[test]
fn the_help_is_what_the_page_says() {
    let secor = Secor::new(|_| String::new());
    let said = secor.run(&["selftest", "--help"]).expect_code(0);
    let page = fs::read_to_string(repository().join("docs/selftest.md")).expect("the page is there");
    let shown =
        page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block with the help");
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&said.stdout), lines(shown));
}

/// All files below a folder; none when it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(folder) else { return Vec::new() };
    let paths = listed.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("the folder is ours").count()
}

/// Processes whose configuration lies below `folder`, but for the one that is tested itself.
fn children_of(folder: &Path) -> usize {
    let below = folder.join("tmp").to_str().expect("an ordinary path").to_owned();
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(&below)).count()
}
