//! Looks for the counterexample of every switch anew, makes it as short as it gets, the kept one too, and writes the
//! shortest to `traces/`. `just model-traces`, or `just model-traces NoSeal TornFile`. A trace that somebody wrote by hand
//! is made short and gets its first line in the same way.

mod drawn;

use std::panic;
use std::path::PathBuf;

use drawn::{Weather, drawn};
use secor_sim::model::shrink::{self, Kind};
use secor_sim::model::{Sabotage, Schedule, trace};

/// Schedules that are drawn in each weather, at most.
const SCHEDULES_MAX: usize = 1_500;
/// Counterexamples that are made shorter, of which the shortest is kept.
const CANDIDATES: usize = 3;

fn look_for(sabotage: Sabotage) -> Option<Schedule> {
    let weathers = [Weather::Calm, Weather::Rough, Weather::Storm, Weather::Unclean, Weather::Ruin];
    let mut streams = weathers.map(|weather| drawn(weather, Some(sabotage)));
    let mut found: Vec<(Kind, Schedule)> = Vec::new();
    let kept = kept(sabotage).and_then(|schedule| shrink::counterexample(&schedule).map(|(kind, _)| (kind, schedule)));
    found.extend(kept);
    // `SECOR_DRAW=0`: only the kept ones are made shorter
    let rounds = if std::env::var("SECOR_DRAW").is_ok_and(|word| word == "0") { 0 } else { SCHEDULES_MAX };
    for _ in 0..rounds {
        for stream in &mut streams {
            let schedule = stream.next()?;
            if let Some((kind, _)) = shrink::counterexample(&schedule) {
                found.push((kind, schedule));
            }
        }
        if found.iter().filter(|(kind, _)| *kind == Kind::Wrong).count() >= CANDIDATES {
            break;
        }
    }
    found.sort_by_key(|(kind, schedule)| (*kind, schedule.steps.len()));
    let best = found.first()?.0;
    let short = found.into_iter().filter(|(kind, _)| *kind == best).take(CANDIDATES);
    short.map(|(_, schedule)| shrink::shortest(schedule)).min_by_key(shrink::length)
}

fn path(sabotage: Sabotage) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("traces").join(format!("{sabotage:?}.txt"))
}

fn kept(sabotage: Sabotage) -> Option<Schedule> {
    let text = std::fs::read_to_string(path(sabotage)).ok()?;
    Some(Schedule { steps: trace::parse(&text).ok()?, sabotage: Some(sabotage) })
}

fn keep(sabotage: Sabotage) {
    let Some(schedule) = look_for(sabotage) else {
        println!("{sabotage:?}: nothing found");
        return;
    };
    let (kind, what) = shrink::counterexample(&schedule).expect("it was one a moment ago");
    println!("{sabotage:?}: {kind:?}, length {}: {what}", shrink::length(&schedule));
    let text = format!("# violation: {what}\n{}", trace::print(&schedule.steps));
    std::fs::write(path(sabotage), text).expect("the folder of traces can be written");
}

#[test]
fn traces() {
    panic::set_hook(Box::new(|_| {}));
    let wanted = std::env::var("SECOR_SWITCHES").ok().filter(|names| !names.is_empty());
    let is_wanted = |sabotage: &Sabotage| {
        let name = format!("{sabotage:?}");
        wanted.as_ref().is_none_or(|wanted| wanted.split_whitespace().any(|word| word == name))
    };
    let all: Vec<_> = Sabotage::ALL.into_iter().filter(is_wanted).collect();
    std::thread::scope(|scope| {
        for half in all.chunks(all.len().div_ceil(2).max(1)) {
            scope.spawn(|| half.iter().copied().for_each(keep));
        }
    });
}
