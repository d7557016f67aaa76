//! What counts: other people's code reads the files and compares them with the producer's list, and the archive's own
//! audit must agree with it.

use std::time::Duration;

use serde_json::Value;

use super::harness::{Finished, eventually, python};
use super::members::Site;
use super::source::Ids;

/// What DuckDB found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub acked: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Records in the archive.
    pub archived: u64,
    /// Ids that are there once.
    pub once: u64,
    /// Ids that are there more often than in Kafka's log.
    pub repeated: u64,
    /// Ids that are acked or in Kafka's log, and that are there less often.
    pub lost: u64,
    /// Archived ids that were never made.
    pub strange: u64,
    pub unknown_archived: u64,
    pub failed_archived: u64,
    /// Ids that the producer wrote twice: its idempotence ends with a request that nobody answers in time.
    pub log_repeated: u64,
    pub files: u64,
    /// Some of the ids that should not be so, as JSON.
    pub examples: String,
}

/// Archives what is left up to the logs' ends, by a process that nobody disturbs.
#[track_caller]
pub fn finish(site: &Site<'_>, patience: Duration) {
    run(site, patience, &["run", "--until-end"]).expect_code(0);
}

/// Counts the archive in `folder` against the ids.
#[track_caller]
pub fn count(folder: &std::path::Path, topic: &str, ids: &Ids) -> Count {
    let list = tempfile::tempdir().expect("a temporary folder");
    ids.write(list.path());
    let said = python("lab/count_ids.py", &[&path(folder), topic, &path(list.path())]);
    let found: Value = serde_json::from_str(&said).expect("a line of JSON");
    let number = |name: &str| found[name].as_u64().unwrap_or_else(|| panic!("`{name}` in {found}"));
    assert_eq!(number("dead_letters"), 0, "every record was good");
    Count {
        acked: number("acked"),
        failed: number("failed"),
        unknown: number("unknown"),
        archived: number("archived"),
        once: number("once"),
        repeated: number("repeated"),
        lost: number("lost"),
        strange: number("strange"),
        unknown_archived: number("unknown_archived"),
        failed_archived: number("failed_archived"),
        log_repeated: number("log_repeated"),
        files: number("files"),
        examples: found["examples"].to_string(),
    }
}

/// What `secor verify --deep --against-kafka` finds.
#[track_caller]
pub fn verify(site: &Site<'_>, patience: Duration) -> Option<String> {
    let verified = run(site, patience, &["verify", "--deep", "--against-kafka"]);
    (verified.code != 0)
        .then(|| format!("verify ended with {}:\n{}{}", verified.code, verified.stdout, verified.stderr))
}

/// Runs a command to an end that says something: 69 says *unavailable, start me again*, and a broker that was just
/// started again may well be.
#[track_caller]
fn run(site: &Site<'_>, patience: Duration, arguments: &[&str]) -> Finished {
    let auditor = site.auditor();
    eventually(3 * patience, "a command to find Kafka and the store", || {
        Some(auditor.run_within(patience, arguments)).filter(|finished| finished.code != UNAVAILABLE)
    })
}

const UNAVAILABLE: i32 = 69;

fn path(path: &std::path::Path) -> String {
    path.to_str().expect("an ordinary path").to_owned()
}

// === impl Count ===

impl Count {
    /// Every acked id once, an unknown one at most once, and nothing else: what is not so, in words.
    pub fn wrong(&self) -> Option<String> {
        let wrong = [
            (self.lost, "ids are lost"),
            (self.repeated, "ids are there too often"),
            (self.strange, "archived ids were never made"),
            (self.failed_archived, "ids are there that were never sent"),
        ];
        let words: Vec<_> =
            wrong.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
        (!words.is_empty()).then(|| format!("{}: {}", words.join(", "), self.examples))
    }
}
