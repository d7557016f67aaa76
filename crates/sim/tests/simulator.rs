//! Goal: whatever happens to processes, network, group, store and log, the archive is the log.
//! Method: thousands of seeds of the simulator; first, that a seed is a run at all.

use secor_sim::simulator::{Path, meta, replay_command, sweep};

/// About half a minute of one core.
const SEEDS: u64 = 6_000;

#[test]
fn a_seed_gives_the_same_trace_byte_for_byte() {
    if let Err(difference) = meta(0, 25) {
        panic!("{difference:#?}");
    }
}

#[test]
fn no_seed_loses_or_repeats_a_record_and_every_fault_is_met() {
    let all = sweep(0, SEEDS, |_| {});
    let failed: Vec<String> =
        all.failed.iter().map(|(seed, what)| format!("{what}\n    {}", replay_command(*seed))).collect();
    assert!(failed.is_empty(), "{} of {} seeds fail:\n{}", failed.len(), all.runs, failed.join("\n"));
    let missed: Vec<&str> = all.coverage.missed().into_iter().map(Path::word).collect();
    assert!(missed.is_empty(), "never met in {SEEDS} seeds: {missed:?}");
}
