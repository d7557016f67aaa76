//! Which cases a run of the laboratory has, on which release of Kafka, and what it says of them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::cluster::{Cluster, Release};
use super::commits::{self, Committer};
use super::control::{self, First};
use super::harness::S3;
use super::matrix::{self, Case, MEMBERSHIPS, Membership};
use super::runner::{self, Outcome};

/// One thing to be played.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub release: Release,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Case(Case),
    Commits(Membership, Committer),
    Control(First),
}

/// How much of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Pairwise,
    All,
}

/// Of the pairwise cases, every so many are played on the older release too.
const OLDER_EVERY: usize = 4;

/// What is to be played, in order: the controls first, because without them the rest proves nothing.
pub fn plan(extent: Extent) -> Vec<Job> {
    let job = |release, kind| Job { release, kind };
    let cases = if extent == Extent::All { matrix::all() } else { matrix::pairwise() };
    let mut plan: Vec<_> =
        [First::Write, First::Commit].map(|first| job(Release::Kafka43, Kind::Control(first))).into();
    plan.extend(others_commits(Release::Kafka43));
    plan.extend(cases.iter().map(|case| job(Release::Kafka43, Kind::Case(*case))));
    plan.extend(others_commits(Release::Kafka39));
    let classic = cases.iter().filter(|case| case.membership != Membership::Consumer);
    plan.extend(classic.step_by(OLDER_EVERY).map(|case| job(Release::Kafka39, Kind::Case(*case))));
    plan
}

/// Everything that has a name.
pub fn every() -> Vec<Job> {
    let mut every = plan(Extent::All);
    every.retain(|job| job.release == Release::Kafka43 || !matches!(job.kind, Kind::Case(_)));
    let classic = matrix::all().into_iter().filter(|case| case.membership != Membership::Consumer);
    every.extend(classic.map(|case| Job { release: Release::Kafka39, kind: Kind::Case(case) }));
    every
}

fn others_commits(release: Release) -> Vec<Job> {
    // static members are members like others
    let memberships = MEMBERSHIPS.map(|(membership, _)| membership).into_iter().filter(|it| *it != Membership::Static);
    let spoken = memberships.filter(|it| release == Release::Kafka43 || *it != Membership::Consumer);
    spoken
        .flat_map(|membership| [Committer::Alive, Committer::Resumed].map(|who| Kind::Commits(membership, who)))
        .map(|kind| Job { release, kind })
        .collect()
}

/// Plays everything, `side_by_side` at a time, and prints a line for each.
pub fn play(plan: &[Job], side_by_side: usize) -> Vec<(Job, Outcome)> {
    let mut outcomes = Vec::new();
    for release in [Release::Kafka43, Release::Kafka39] {
        let of_release: VecDeque<_> = plan.iter().filter(|job| job.release == release).copied().collect();
        if of_release.is_empty() {
            continue;
        }
        println!("crashlab: {} on Kafka {}", of_release.len(), release.version());
        let (cluster, s3) = (Cluster::start(release), S3::start());
        cluster.create_probe_topic();
        let (began, of_all) = (Instant::now(), of_release.len());
        let (waiting, done) = (Mutex::new(of_release), Mutex::new(Vec::new()));
        let next = || lock(&waiting).pop_front();
        thread::scope(|scope| {
            for _ in 0..side_by_side {
                scope.spawn(|| {
                    while let Some(job) = next() {
                        let outcome = job.play(&cluster, &s3);
                        let mut done = lock(&done);
                        println!(
                            "crashlab: {:4} s, {} of {of_all}: {}",
                            began.elapsed().as_secs(),
                            done.len() + 1,
                            line(&outcome)
                        );
                        done.push((job, outcome));
                    }
                });
            }
        });
        outcomes.extend(done.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    let place = |job: &Job| plan.iter().position(|planned| planned.name() == job.name());
    outcomes.sort_by_key(|(job, _)| place(job));
    outcomes
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(outcome: &Outcome) -> String {
    let Outcome { name, count, seconds, remark, finding, .. } = outcome;
    let remark = if remark.is_empty() { String::new() } else { format!("; {remark}") };
    match finding {
        None => {
            format!(
                "{name}: {} acked, {} lost, {} repeated, {seconds} s{remark}",
                count.acked, count.lost, count.repeated
            )
        }
        Some(finding) => format!("{name}: FOUND after {seconds} s: {finding}"),
    }
}

/// The tables of a report.
pub fn tables(outcomes: &[(Job, Outcome)]) -> String {
    let mut text = String::new();
    for release in [Release::Kafka43, Release::Kafka39] {
        let of_release: Vec<_> = outcomes.iter().filter(|(job, _)| job.release == release).collect();
        if of_release.is_empty() {
            continue;
        }
        let _ = write!(
            text,
            "## Apache Kafka {}\n\n| case | acked | archived once | unknown, of them archived | lost | repeated | kills | \
             stops | terms | brokers killed | offset went back | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
            release.version()
        );
        for (_, outcome) in &of_release {
            let Outcome { name, count, kills, stops, terms, brokers, went_back, seconds, .. } = outcome;
            let _ = writeln!(
                text,
                "| `{name}` | {} | {} | {}, {} | {} | {} | {kills} | {stops} | {terms} | {brokers} | {went_back} | {seconds} |",
                count.acked, count.once, count.unknown, count.unknown_archived, count.lost, count.repeated,
            );
        }
        text.push('\n');
        for (_, Outcome { name, count, remark, finding, .. }) in &of_release {
            if count.log_repeated > 0 {
                let _ = writeln!(text, "- `{name}`: the producer wrote {} ids twice into Kafka", count.log_repeated);
            }
            if let Some(finding) = finding {
                let _ = writeln!(text, "- **`{name}`: {}**", finding.lines().next().unwrap_or_default());
            }
            if !remark.is_empty() {
                let _ = writeln!(text, "- `{name}`: {remark}");
            }
        }
        text.push('\n');
    }
    text
}

// === impl Job ===

impl Job {
    /// As `--only` takes it.
    pub fn name(&self) -> String {
        let name = match self.kind {
            Kind::Case(case) => case.to_string(),
            Kind::Commits(membership, Committer::Alive) => format!("non-owner-commits/{membership}"),
            Kind::Commits(membership, Committer::Resumed) => format!("resumed-process-commits/{membership}"),
            Kind::Control(First::Write) => "control/no-ledger-write-first".to_owned(),
            Kind::Control(First::Commit) => "control/no-ledger-commit-first".to_owned(),
        };
        if self.release == Release::Kafka39 { format!("3.9/{name}") } else { name }
    }

    fn play(&self, cluster: &Cluster, s3: &S3) -> Outcome {
        let mut outcome = match self.kind {
            Kind::Case(case) => runner::run(cluster, s3, case),
            Kind::Commits(membership, committer) => commits::run(cluster, s3, membership, committer),
            Kind::Control(first) => control::run(cluster, s3, first),
        };
        outcome.name = self.name();
        outcome
    }
}
