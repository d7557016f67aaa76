//! Goal: find a loss or a repetition in an archive whose processes, brokers and store fail at the worst moments.
//! Method: real brokers, a real S3 server behind a gate, `secor` processes that are struck at named steps, and a count of
//! every id by other people's code. The cases are data: `tests/crashlab/matrix.rs` and `plan.rs`.
//!
//! Not run by `cargo test`: `just crashlab [--all] [--only NAME]... [--jobs N]` runs it. Without `--only` it writes
//! `docs/evidence/crashlab.md`. A `NAME` that ends with `/` stands for all cases that begin so.

mod crashlab;

use std::process::ExitCode;

use crashlab::commits;
use crashlab::plan::{self, Extent, Job};
use crashlab::report;

struct Arguments {
    extent: Extent,
    only: Vec<String>,
    jobs: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.is_empty()).collect();
    if let Some((commits::ARGUMENT, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        commits::commit_after_a_pause(rest);
        return ExitCode::SUCCESS;
    }
    let Some(asked) = parse(&arguments) else {
        eprintln!("usage: just crashlab [--all] [--only NAME]... [--jobs N]");
        return ExitCode::from(64);
    };
    let plan = chosen(&asked);
    if plan.is_empty() {
        eprintln!("crashlab: no case has this name; the names are put together from tests/crashlab/matrix.rs");
        return ExitCode::from(64);
    }
    let outcomes = plan::play(&plan, asked.jobs);
    let findings = outcomes.iter().filter(|(_, outcome)| outcome.finding.is_some()).count();
    if asked.only.is_empty() {
        let command = format!("just crashlab {}", arguments.join(" "));
        let versions = "Apache Kafka as below (three brokers each), versitygw 1.8.0, DuckDB counts";
        let mut page = report::head("The crash laboratory", command.trim(), versions);
        page.push_str(INTRODUCTION);
        let acked: u64 = outcomes.iter().map(|(_, outcome)| outcome.count.acked).sum();
        page.push_str(&format!(
            "**{} cases, {acked} acked ids, {findings} findings.**\n\n{}",
            outcomes.len(),
            plan::tables(&outcomes).trim_end()
        ));
        page.push('\n');
        println!("crashlab: see {}", report::write("crashlab", &page).display());
    }
    println!("crashlab: {} cases, {findings} findings", outcomes.len());
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Option<Arguments> {
    let mut asked = Arguments { extent: Extent::Pairwise, only: Vec::new(), jobs: 2 };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--all" => asked.extent = Extent::All,
            "--only" => asked.only.push(rest.next()?.clone()),
            "--jobs" => asked.jobs = rest.next()?.parse().ok().filter(|jobs| *jobs > 0)?,
            _ => return None,
        }
    }
    Some(asked)
}

/// What is to be played; any case of the product can be named.
fn chosen(asked: &Arguments) -> Vec<Job> {
    if asked.only.is_empty() {
        return plan::plan(asked.extent);
    }
    let is_named = |job: &Job| {
        let name = job.name();
        asked.only.iter().any(|only| name == *only || (only.ends_with('/') && name.starts_with(only.as_str())))
    };
    let every = plan::every();
    every.into_iter().filter(is_named).collect()
}

const INTRODUCTION: &str = "\
Two `secor` processes archive a topic of four partitions, into which 400 records a second are produced. One of them
is struck: a case's name says at which step, how, in what kind of group, and what else fails then. `control` cases are
a plain archiver without a ledger in the same laboratory: their repetitions and losses must be found. In
`non-owner-commits` and `resumed-process-commits` somebody commits offsets of partitions that it does not own, and the
broker accepts them.

DuckDB reads the archived files and compares the ids with the producer's list and with what Kafka's log holds: every
acked id must be there once, an unknown one (sent, never answered) as often as in the log, and nothing else. Then `secor
verify --deep --against-kafka` must agree, and no process may have ended with a bug (70) or refused to go on (76).
*Offset went back*: how often an observer, five times a second, saw the committed offset of a partition lower than before.

";
