//! Goal: hold the guarantee in CI where it is easiest to lose: at named steps, with brokers and store that fail.
//! Method: a few cases of the crash laboratory (`tests/crashlab`), chosen so that each point, fate, kind of group and most
//! troubles appear; and proof that the laboratory finds what is wrong. `just crashlab` plays all of them.

mod crashlab;

use std::fs;
use std::sync::OnceLock;

use crashlab::cluster::{Cluster, Release};
use crashlab::control::{self, First};
use crashlab::harness::{S3, Secor};
use crashlab::matrix::{self, Membership};
use crashlab::runner::{self, Outcome};
use crashlab::samples::{Moment, median, sixth};
use crashlab::source::Ids;
use crashlab::{commits, referee};

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(Release::Kafka43);
        cluster.create_probe_topic();
        cluster
    })
}

#[track_caller]
fn expect_nothing_found(outcome: &Outcome) {
    assert!(outcome.finding.is_none(), "{}: {}", outcome.name, outcome.finding.as_deref().unwrap_or_default());
    assert!(outcome.count.acked > 0, "{outcome:?}");
}

#[track_caller]
fn play(name: &str) {
    let case = matrix::named(name).expect("the name of a case");
    expect_nothing_found(&runner::run(cluster(), S3::shared(), case));
}

#[test]
fn killed_while_the_manifest_is_on_its_way_and_the_store_fails() {
    play("manifest-sent/kill/cooperative-sticky/store-5xx");
}

#[test]
fn stopped_between_two_files_past_its_session() {
    play("each-file/stop-past-session/consumer/store-reset");
}

#[test]
fn stopped_before_the_commit_until_the_group_is_empty() {
    play("files-complete/stop-until-empty/range/nothing");
}

#[test]
fn told_to_leave_when_the_leader_dies() {
    play("commit-sent/term/static/leader-killed");
}

#[test]
fn offsets_that_a_member_without_the_partition_commits() {
    let outcome = commits::run(cluster(), S3::shared(), Membership::Range, commits::Committer::Alive);
    expect_nothing_found(&outcome);
    assert!(outcome.remark.contains("set its offset back"), "{}", outcome.remark);
}

#[test]
fn a_failpoint_that_does_not_exist_is_a_configuration_error() {
    let mut secor = Secor::new(|folder| {
        format!(
            "[kafka]\nbrokers = [\"127.0.0.1:1\"]\ngroup = \"g\"\n[store]\nurl = \"file://{}/store\"\n\
             [[archive]]\ntopics = [\"t\"]\n",
            folder.display()
        )
    });
    secor.set_env("SECOR_FAILPOINTS", "commit-sent=kill,each-file=die");
    let finished = secor.run(&["run"]).expect_code(64);
    assert!(finished.stderr.contains("SECOR_FAILPOINTS: `each-file=die` is no failpoint"), "{}", finished.stderr);
    assert!(finished.stderr.contains("hint: write POINT[#HIT]=ACTION,...; points: before-manifest"));
}

#[test]
fn an_archiver_without_a_ledger_is_found_out() {
    for first in [First::Write, First::Commit] {
        let outcome = control::run(cluster(), S3::shared(), first);
        assert!(outcome.finding.is_none(), "{:?}", outcome.finding);
    }
}

#[test]
fn what_is_doubled_lost_or_never_made_is_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let topic = folder.path().join("t");
    fs::create_dir(&topic).expect("the folder is ours");
    let write = |name: &str, ids: &[u64]| {
        let lines: String = ids.iter().map(|id| format!("{{\"id\":{id}}}\n")).collect();
        fs::write(topic.join(name), lines).expect("the folder is ours");
    };
    // the producer itself has written 8 twice
    write("1_0_0", &[0, 1, 2, 7, 8, 8]);
    write("1_0_1", &[3, 4]);
    let ids =
        Ids { acked: vec![0, 1, 2, 3, 4], failed: vec![5], unknown: vec![6, 7, 8], log: vec![0, 1, 2, 3, 4, 7, 8, 8] };

    let count = referee::count(folder.path(), "t", &ids);
    assert_eq!((count.wrong(), count.archived, count.unknown_archived), (None, 8, 2));

    write("1_0_2", &[2, 5, 9]);
    fs::remove_file(topic.join("1_0_1")).expect("it is there");
    let count = referee::count(folder.path(), "t", &ids);
    assert_eq!((count.repeated, count.lost, count.strange, count.failed_archived), (1, 2, 1, 1));
    assert_eq!(count.log_repeated, 1);
    assert!(count.wrong().is_some_and(|wrong| wrong.contains("2 ids are lost")), "{count:?}");
}

#[test]
fn every_two_values_meet_in_the_pairwise_cases() {
    let chosen = matrix::pairwise();
    let met: std::collections::BTreeSet<_> = chosen.iter().flat_map(|case| case.pairs()).collect();
    let all: std::collections::BTreeSet<_> = matrix::all().iter().flat_map(|case| case.pairs()).collect();
    assert_eq!(met, all);
    assert_eq!(matrix::all().len(), 672);
    assert!((42..=60).contains(&chosen.len()), "{}", chosen.len());
    assert!(chosen.iter().all(|case| matrix::named(&case.to_string()) == Some(*case)));
}

#[test]
fn sixths_cover_everything_once() {
    let moment = |seconds| Moment { seconds, members: Vec::new(), lag: None };
    let moments: Vec<_> = (0..20).map(moment).collect();
    let seconds: Vec<_> = (0..6).flat_map(|number| sixth(&moments, number)).map(|it| it.seconds).collect();
    assert_eq!(seconds, (0..20).collect::<Vec<_>>());
    assert_eq!(median(vec![5, 1, 9]), 5);
}
