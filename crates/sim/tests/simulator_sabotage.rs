//! Goal: the simulator's oracles notice what they are there for.
//! Method: one promise of the executor or the store is broken at a time; some seed must show it soon.

use secor_sim::simulator::{Sabotage, hunt};

/// Within how many seeds a sabotage must be noticed.
const SEEDS: u64 = 1_000;

#[test]
fn every_sabotage_is_noticed() {
    let unnoticed = |sabotage: &&Sabotage| hunt(**sabotage, 0, SEEDS).is_none();
    let missed: Vec<&str> = Sabotage::ALL.iter().filter(unnoticed).map(|sabotage| sabotage.word()).collect();
    assert!(missed.is_empty(), "not noticed within {SEEDS} seeds: {missed:?}");
}
