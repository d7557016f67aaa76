//! The reading commands over small archives in a folder.

use std::fs;
use std::path::Path;

use secor_core::manifest::{Hole, HoleReason, Kind};
use secor_core::shape::OutputFormat;

use super::*;
use crate::audit::sample::{Archive, TIME, offset};
use crate::cli::args::{LedgerArgs, LedgerCommand, LedgerListArgs, LocateArgs, VerifyArgs};
use crate::cli::{ledger, locate, target, verify};
use crate::config::ProcessEnvironment;

fn config(archive: &Archive) -> Config {
    let text = format!(
        "[kafka]\nbrokers = [\"localhost:1\"]\ngroup = \"g\"\n[store]\nurl = \"file://{}\"\n\
         [[archive]]\ntopics = [\"clicks\"]\nflush = {{ max_age = \"1h\" }}\n",
        archive.folder.path().display()
    );
    Config::parse(Path::new("secor.toml"), &text, &ProcessEnvironment).expect("a configuration")
}

fn arguments(source: &str) -> CatArgs {
    let source = source.parse().expect("a source");
    CatArgs { source, follow: false, offsets: false, json: false, records: None }
}

async fn cat_with(archive: &Archive, args: &CatArgs) -> (String, Option<CliError>) {
    let mut out = Vec::new();
    let done = run(args, &config(archive), &mut out).await;
    (String::from_utf8(out).expect("text"), done.err())
}

async fn cat(archive: &Archive, source: &str) -> String {
    let (out, error) = cat_with(archive, &arguments(source)).await;
    assert!(error.is_none(), "{error:?}");
    out
}

fn values(range: std::ops::Range<i64>) -> String {
    range.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

#[tokio::test]
async fn cat_prints_values_from_where_it_is_told() {
    let mut archive = Archive::of_three().await;
    archive.entry(5, Kind::Empty).await;
    archive.seal().await;
    archive.batch(3).await;
    let all = values(0..30) + &values(35..38);
    assert_eq!(cat(&archive, "clicks").await, all);
    assert_eq!(cat(&archive, "clicks:0@0").await, all);
    assert_eq!(cat(&archive, "clicks:0@17").await, values(17..30) + &values(35..38));
    assert_eq!(cat(&archive, "clicks:0@33").await, values(35..38));
    assert_eq!(cat(&archive, "clicks:0@37").await, values(37..38));
    assert_eq!(cat(&archive, "clicks:0@99").await, "");
    let time = jiff::Timestamp::from_millisecond(TIME + 12).expect("a time");
    assert_eq!(cat(&archive, &format!("clicks:0@{time}")).await, values(10..30) + &values(35..38));
    let (out, _) = cat_with(&archive, &CatArgs { records: Some(12), ..arguments("clicks") }).await;
    assert_eq!(out, values(0..12));
}

#[tokio::test]
async fn cat_tells_offsets_where_they_are_known() {
    let mut archive = Archive::of_three().await;
    let offsets = |source| CatArgs { offsets: true, ..arguments(source) };
    let (out, error) = cat_with(&archive, &offsets("clicks:0@28")).await;
    assert_eq!((out.as_str(), error.is_none()), ("0:28\t{\"n\":28}\n0:29\t{\"n\":29}\n", true));
    let (out, _) = cat_with(&archive, &CatArgs { json: true, ..arguments("clicks:0@29") }).await;
    let line: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let expected = serde_json::json!({
        "topic": "clicks", "partition": 0, "offset": 29, "file": archive.key(20), "value": "{\"n\":29}",
    });
    assert_eq!(line, expected);
    // the log had a gap at 33, and text does not say where
    let (bytes, mut summary) = archive.encode(archive.next, 9, "");
    summary.last_offset = offset(39);
    archive.batch_with(10, bytes, summary).await;
    let (out, error) = cat_with(&archive, &offsets("clicks")).await;
    assert_eq!(out.lines().count(), 30, "what is known is printed");
    let error = error.expect("refused").to_string();
    assert!(error.contains("keeps no offsets, and does not hold every offset"), "{error}");
    let (_, error) = cat_with(&archive, &arguments("clicks:0@35")).await;
    let error = error.expect("refused").to_string();
    assert!(error.contains("so where 35 is in it is not known"), "{error}");
    assert_eq!(cat(&archive, "clicks:0@30").await.lines().count(), 9);
}

#[tokio::test]
async fn cat_reads_sequence_files_and_urls() {
    let mut archive = Archive::new(OutputFormat::Sequence).await;
    archive.batch(5).await;
    let args = CatArgs { offsets: true, ..arguments("clicks:0@3") };
    assert_eq!(cat_with(&archive, &args).await.0, "0:3\t{\"n\":3}\n0:4\t{\"n\":4}\n");
    let url = format!("file://{}/{}", archive.folder.path().display(), archive.key(0));
    assert_eq!(cat(&archive, &url).await, values(0..5));
    // also from an archive that the configuration does not name
    let other = Archive::of_three().await;
    assert_eq!(cat(&other, &url).await, values(0..5));
    let text = format!("file://{}/{}", other.folder.path().display(), other.key(10));
    assert_eq!(cat(&archive, &text).await, values(10..20));
    let (_, error) = cat_with(&archive, &arguments(&(text + "x"))).await;
    assert!(error.expect("no such file").to_string().contains("there is no file"));
}

#[tokio::test]
async fn cat_leaves_out_a_batch_that_is_not_complete_and_names_what_is_missing() {
    let archive = Archive::of_three().await;
    fs::remove_file(archive.path(&archive.key(20))).expect("was there");
    assert_eq!(cat(&archive, "clicks").await, values(0..20));
    fs::remove_file(archive.path(&archive.key(10))).expect("was there");
    let (out, error) = cat_with(&archive, &arguments("clicks")).await;
    assert_eq!(out, values(0..10));
    let error = error.expect("a complete batch lacks a file");
    assert_eq!(error.class.exit_code(), 76);
    assert!(error.to_string().contains(&archive.key(10)), "{error}");
}

#[tokio::test]
async fn cat_follows_what_is_archived_meanwhile() {
    let mut archive = Archive::new(OutputFormat::Text).await;
    archive.batch(2).await;
    let (config, args) = (config(&archive), CatArgs { follow: true, records: Some(5), ..arguments("clicks") });
    let mut out = Vec::new();
    let follow = run(&args, &config, &mut out);
    let (done, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(30), follow), async {
        archive.batch(2).await;
        archive.seal().await;
        archive.batch(2).await;
    });
    assert!(done.expect("in time").is_ok());
    assert_eq!(String::from_utf8(out).expect("text"), values(0..5));
}

async fn locate_at(archive: &Archive, record: &str) -> (String, Option<CliError>) {
    let mut out = Vec::new();
    let args = LocateArgs { record: target::parse_record(record).expect("a record"), json: false };
    let done = locate::run(&args, &config(archive), &mut out).await;
    (String::from_utf8(out).expect("text"), done.err())
}

#[tokio::test]
async fn locate_names_the_file_or_says_why_there_is_none() {
    let mut archive = Archive::of_three().await;
    archive.entry(5, Kind::Empty).await;
    archive.entry(5, Kind::Hole(Hole { reason: HoleReason::Retention })).await;
    let (out, error) = locate_at(&archive, "clicks:0@17").await;
    assert!(error.is_none(), "{error:?}");
    let url = format!("file://{}/{}", archive.folder.path().display(), archive.key(10));
    assert_eq!(out, format!("clicks:0@17 lies in 10..20 of generation 1, a batch\n{url}\n"));
    let (out, error) = locate_at(&archive, "clicks:0@32").await;
    assert!(out.contains("lies in 30..35 of generation 1, a stretch without records"), "{out}");
    assert_eq!(error.expect("no file").class.exit_code(), 1);
    let (out, _) = locate_at(&archive, "clicks:0@35").await;
    assert!(out.contains("lies in 35..40 of generation 1, a recorded hole"), "{out}");
    let (out, error) = locate_at(&archive, "clicks:0@40").await;
    assert_eq!(out, "");
    let error = error.expect("not archived").to_string();
    assert_eq!(error, "secor: clicks:0@40 is not archived yet: the archive ends at 40");
    let (_, error) = locate_at(&archive, "views:0@0").await;
    assert_eq!(error.expect("no such topic").class.exit_code(), 64);
}

#[tokio::test]
async fn ledger_lists_chains_and_entries() {
    let mut archive = Archive::of_three().await;
    archive.seal().await;
    archive.batch(3).await;
    let list = async |target: Option<&str>, json| {
        let target = target.map(|target| target::parse_topic(target).expect("a target"));
        let args = LedgerArgs { command: LedgerCommand::List(LedgerListArgs { target, json }) };
        let mut out = Vec::new();
        ledger::run(&args, &config(&archive), &mut out).await.expect("lists");
        String::from_utf8(out).expect("text")
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(&list(None, false).await),
        "topic partition generation start end last entry clicks 0 1 0 30 seal clicks 0 2 30 33 batch"
    );
    let entries = list(Some("clicks:0"), false).await;
    let lines: Vec<String> = entries.lines().map(words).collect();
    assert_eq!(lines[1], "0 10 1 batch max_age 10 1");
    assert_eq!(lines[4], "30 30 1 seal next is 2 0 0");
    let first = list(Some("clicks:0"), true).await;
    let first: serde_json::Value = serde_json::from_str(first.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["files"], serde_json::json!([archive.key(0).replacen("/2_", "/1_", 1)]));
}

#[tokio::test]
async fn verify_prints_a_verdict_and_fails_when_it_found_something() {
    let archive = Archive::of_three().await;
    let args = |json| VerifyArgs {
        target: None,
        deep: true,
        against_kafka: false,
        from: None,
        to: None,
        expect: Some(30),
        json,
    };
    let mut out = Vec::new();
    verify::run(&args(false), &config(&archive), &mut out).await.expect("all holds");
    let text = String::from_utf8(out).expect("text");
    assert!(text.ends_with("all holds: 30 records (looked at chains, sizes, checksums and every record)\n"), "{text}");
    fs::remove_file(archive.path(&archive.key(0))).expect("was there");
    let mut out = Vec::new();
    let error = verify::run(&args(true), &config(&archive), &mut out).await.expect_err("a finding");
    assert_eq!(error.class.exit_code(), 1);
    let report: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(report["findings"][0]["code"], "missing_file");
}
