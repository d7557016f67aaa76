//! The simulator's own source of randomness.
//!
//! A seed that failed must fail again years later, so the sequence must not depend on the version of a library:
//! `rand`'s small generators say themselves that theirs may change. SplitMix64 (Steele, Lea and Flood 2014) is ten
//! lines, passes BigCrush, and every seed is a good one. Not for secrets.

/// A stream of numbers that follows from its seed alone.
#[derive(Clone, Debug)]
pub struct Rng(u64);

// === impl Rng ===

impl Rng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own, so that one consumer's draws do not move another's.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.draw())
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, `bound`, which is at least 1. The bias of the remainder is below 2^-40 here.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is something to draw from");
        (self.draw() % bound as u64) as usize
    }

    /// From `low` up to, not including, `high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        assert!(low < high, "there is something to draw from");
        low + (self.draw() % high.abs_diff(low)).cast_signed()
    }

    /// True in this many of 1,000 draws.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.draw() % 1_000 < u64::from(per_mille)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // the reference implementation's first numbers for seed 1234567
    #[test]
    fn the_sequence_is_the_published_one() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.draw(), 6_457_827_717_110_365_317);
        assert_eq!(rng.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_keep_their_bounds() {
        let mut rng = Rng::new(7);
        assert!((0..1_000).all(|_| (-3..5).contains(&rng.between(-3, 5)) && rng.below(4) < 4));
        assert!((0..1_000).all(|_| !rng.chance(0) && rng.chance(1_000)));
    }
}
