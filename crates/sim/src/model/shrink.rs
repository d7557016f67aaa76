//! Makes a counterexample short: steps are left out and made smaller as long as the rule that was taken away is still
//! missed. What is left can't lose a step any more; the kept traces were made so.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::process::Config;
use crate::model::schedule::{Schedule, Step, Violation, run};

/// What kind of violation a schedule comes to: the smaller, the plainer for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The archive or the ledger is wrong after one of the steps.
    Wrong,
    /// As `Wrong`, but only what comes after the steps shows it.
    WrongLater,
    /// The archive stands still.
    Stuck,
    /// The machine itself gave up: it noticed that its contract was broken.
    Panic,
}

/// Does the rule that `schedule` lacks matter here: is a promise broken without it, and kept with it?
#[must_use]
pub fn counterexample(schedule: &Schedule) -> Option<(Kind, String)> {
    let kept = || run(&Schedule { sabotage: None, ..schedule.clone() }).is_ok();
    match catch_unwind(AssertUnwindSafe(|| run(schedule))) {
        Ok(Ok(_)) => None,
        Ok(Err(violation)) => kept().then(|| (kind(&violation), violation.to_string())),
        Err(_) => kept().then(|| (Kind::Panic, "the machine panics".to_owned())),
    }
}

fn kind(violation: &Violation) -> Kind {
    match violation {
        Violation::NoProgress(_) => Kind::Stuck,
        Violation::Broken { what, .. } if what.starts_with("refused") => Kind::Stuck,
        Violation::Broken { step: usize::MAX, .. } => Kind::WrongLater,
        Violation::Broken { .. } => Kind::Wrong,
    }
}

/// The shortest counterexample of the same kind, or a plainer one, that leaving out and making smaller leads to.
#[must_use]
pub fn shortest(schedule: Schedule) -> Schedule {
    let mut best = schedule;
    let Some((mut kind, _)) = counterexample(&best) else {
        return best;
    };
    loop {
        let before = length(&best);
        for candidate in smaller(&best.steps) {
            // earlier successes have moved the steps that a candidate was made from
            let candidate = Schedule { steps: candidate(&best.steps), sabotage: best.sabotage };
            if length(&candidate) >= length(&best) {
                continue;
            }
            if let Some((found, _)) = counterexample(&candidate).filter(|(found, _)| *found <= kind) {
                (best, kind) = (candidate, found);
            }
        }
        if length(&best) == before {
            return best;
        }
    }
}

type Change = Box<dyn Fn(&[Step]) -> Vec<Step>>;

fn smaller(steps: &[Step]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut chunk = steps.len().next_power_of_two();
    while chunk > 0 {
        for start in (0..steps.len()).step_by(chunk).rev() {
            changes.push(Box::new(move |now| {
                let kept = |at: usize| at < start || at >= start + chunk;
                now.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, step)| step.clone()).collect()
            }));
        }
        chunk /= 2;
    }
    for at in 0..steps.len() {
        for way in 0..WAYS {
            changes.push(Box::new(move |now| {
                let mut changed = now.to_vec();
                if let Some(step) = changed.get_mut(at) {
                    *step = less(step, way);
                }
                changed
            }));
        }
    }
    changes
}

/// Ways to make a step smaller.
const WAYS: usize = 14;

fn less(step: &Step, way: usize) -> Step {
    let fewer = |count: usize| match way {
        0 => 1.min(count),
        1 => count / 2,
        2 => count - count / 4,
        _ => count.saturating_sub(1),
    };
    match step {
        Step::Turn(p, times) => Step::Turn(*p, fewer(*times)),
        Step::Fetch(p, times) => Step::Fetch(*p, fewer(*times)),
        Step::Produce(count) => Step::Produce(fewer(*count)),
        Step::Retain(count) => Step::Retain(fewer(*count)),
        Step::Elect(count) => Step::Elect(fewer(*count)),
        Step::Compact(index) => Step::Compact(fewer(*index)),
        Step::LandLate(index) => Step::LandLate(fewer(*index)),
        Step::LandCommit(index) => Step::LandCommit(fewer(*index)),
        Step::ForeignCommit(index) => Step::ForeignCommit(fewer(*index)),
        Step::Start(p, config) => Step::Start(*p, plainer(config, way)),
        other => other.clone(),
    }
}

/// The configuration with one thing as in [`Config::plain`].
fn plainer(config: &Config, way: usize) -> Config {
    let (mut now, plain) = (config.clone(), Config::plain());
    match way {
        0 => now = Config::plain(),
        1 => now.generation = plain.generation,
        2 => now.records_max = plain.records_max,
        3 => now.layout.partitions = plain.layout.partitions,
        4 => now.layout.extension = plain.layout.extension,
        5 => now.layout.clocked = plain.layout.clocked,
        6 => now.isolation = plain.isolation,
        7 => now.owner = plain.owner,
        8 => now.latest = plain.latest,
        9 => now.on_topic_recreated = plain.on_topic_recreated,
        10 => now.until_end = plain.until_end,
        11 => now.errand = plain.errand,
        12 => now.look_order = plain.look_order,
        _ => now.generation = 2.min(now.generation),
    }
    now
}

/// How many steps, and how much they do.
#[must_use]
pub fn length(schedule: &Schedule) -> usize {
    let words = |config: &Config| config.to_string().split_whitespace().count();
    let of_step = |step: &Step| match step {
        Step::Turn(_, count) | Step::Fetch(_, count) | Step::Produce(count) | Step::Retain(count) => *count,
        Step::Elect(count) | Step::Compact(count) => *count,
        Step::LandLate(index) | Step::LandCommit(index) | Step::ForeignCommit(index) => *index,
        Step::Start(_, config) => words(config) + usize::try_from(config.generation).unwrap_or(usize::MAX),
        _ => 1,
    };
    schedule.steps.len() + schedule.steps.iter().map(of_step).sum::<usize>()
}
