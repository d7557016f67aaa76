//! Many runs: for the tests and for the command line.

use super::coverage::Coverage;
use super::run::{Report, Run, run};
use super::sabotage::Sabotage;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Sweep {
    pub runs: u64,
    pub events: u64,
    /// Virtual time.
    pub lasted_ms: i64,
    pub coverage: Coverage,
    /// Seed and violation.
    pub failed: Vec<(u64, String)>,
}

/// A seed that did not give the same trace twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub seed: u64,
    /// Counted from 1.
    pub line: usize,
    pub once: String,
    pub again: String,
}

/// Runs `count` seeds from `first` on; `failed` hears of each that fails.
pub fn sweep(first: u64, count: u64, mut failed: impl FnMut(&Report)) -> Sweep {
    let mut all = Sweep::default();
    for seed in first..first + count {
        let report = run(Run { seed, ..Run::default() });
        all.runs += 1;
        all.events += report.events;
        all.lasted_ms += report.lasted_ms;
        all.coverage.add(&report.coverage);
        if let Some(violation) = &report.violation {
            failed(&report);
            all.failed.push((seed, violation.clone()));
        }
    }
    all
}

/// Runs each seed twice and compares the traces byte by byte.
///
/// # Errors
/// The first difference.
pub fn meta(first: u64, count: u64) -> Result<u64, Difference> {
    let mut lines = 0;
    for seed in first..first + count {
        let once = run(Run { seed, ..Run::default() });
        let again = run(Run { seed, ..Run::default() });
        if (once.trace_digest, once.trace_lines) != (again.trace_digest, again.trace_lines) {
            return Err(first_difference(seed));
        }
        lines += once.trace_lines;
    }
    Ok(lines)
}

fn first_difference(seed: u64) -> Difference {
    let kept = || run(Run { seed, keep_trace: true, ..Run::default() }).trace;
    let (once, again) = (kept(), kept());
    let same = once.iter().zip(&again).take_while(|(a, b)| a == b).count();
    let at = |trace: &[String]| trace.get(same).cloned().unwrap_or_else(|| "(the trace ends)".to_owned());
    Difference { seed, line: same + 1, once: at(&once), again: at(&again) }
}

/// The first of `count` seeds from `first` on in which an oracle notices the sabotage.
#[must_use]
pub fn hunt(sabotage: Sabotage, first: u64, count: u64) -> Option<Report> {
    let mut reports = (first..first + count).map(|seed| run(Run { seed, sabotage: Some(sabotage), ..Run::default() }));
    reports.find(|report| report.violation.is_some())
}

/// What a person types to see a failing seed.
#[must_use]
pub fn replay_command(seed: u64) -> String {
    format!("cargo run -p secor-sim --bin sim -- run --seed {seed} --trace")
}
