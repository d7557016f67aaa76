//! What is done to whom, and when: drawn from a seed before anything runs, so that a run can be repeated. What the
//! processes do meanwhile is theirs: the same seed harms the same process at the same step, not at the same record.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// Which process, from 0.
    pub process: usize,
    pub harm: Harm,
    pub moment: Moment,
    /// Is one that is gone started again at once, or only when the others have taken over?
    pub restart_at_once: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, past the session's end, then SIGCONT: it wakes up and believes that the partitions are still its own.
    Stall,
    /// SIGTERM: it leaves in order.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long after the round began, wherever the process is then.
    Any(Duration),
    /// At the `hit`th time, from 1, that the process comes to this step of the protocol.
    Point { name: &'static str, hit: u64 },
}

/// The failpoints of `secor run`, in the order of a batch's life.
pub(super) const POINTS: [&str; 6] =
    ["before-manifest", "manifest-sent", "manifest-created", "each-file", "files-complete", "commit-sent"];
/// One of each kind.
#[cfg(test)]
const KINDS: usize = 3 + 2 * POINTS.len();
const HITS_MAX: u64 = 3;
const ANY_MS: std::ops::Range<u64> = 500..4_000;

/// So many rounds; every 15 in a row hold one of each kind.
pub(super) fn plan(seed: u64, rounds: u32, processes: usize) -> Vec<Round> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut plan = Vec::new();
    while plan.len() < rounds as usize {
        let mut kinds: Vec<(Harm, Option<&'static str>)> =
            [Harm::Kill, Harm::Stall, Harm::Leave].map(|harm| (harm, None)).to_vec();
        kinds.extend(POINTS.iter().flat_map(|point| [(Harm::Kill, Some(*point)), (Harm::Stall, Some(*point))]));
        kinds.shuffle(&mut chance);
        plan.extend(kinds.into_iter().map(|(harm, point)| Round {
            process: chance.random_range(0..processes),
            harm,
            moment: match point {
                Some(name) => Moment::Point { name, hit: chance.random_range(1..=HITS_MAX) },
                None => Moment::Any(Duration::from_millis(chance.random_range(ANY_MS))),
            },
            restart_at_once: chance.random_bool(0.3) || processes == 1,
        }));
    }
    plan.truncate(rounds as usize);
    plan
}

// === impl Round, Harm ===

impl Round {
    /// The value of `SECOR_FAILPOINTS` for the process that is to be harmed at a point.
    pub(super) fn failpoint(&self) -> Option<String> {
        let Moment::Point { name, hit } = self.moment else { return None };
        let action = match self.harm {
            Harm::Kill => "kill",
            Harm::Stall => "stop",
            Harm::Leave => "term",
        };
        Some(format!("{name}#{hit}={action}"))
    }
}

impl Harm {
    pub(super) fn signal(self) -> libc::c_int {
        match self {
            Self::Kill => libc::SIGKILL,
            Self::Stall => libc::SIGSTOP,
            Self::Leave => libc::SIGTERM,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let harm = match self.harm {
            Harm::Kill => "SIGKILL",
            Harm::Stall => "SIGSTOP",
            Harm::Leave => "SIGTERM",
        };
        match self.moment {
            Moment::Any(after) => write!(f, "{harm} after {:.1} s", after.as_secs_f64()),
            Moment::Point { name, hit } => write!(f, "{harm} at {name} #{hit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_repeats_a_plan_and_another_changes_it() {
        assert_eq!(plan(7, 40, 3), plan(7, 40, 3));
        assert_ne!(plan(7, 40, 3), plan(8, 40, 3));
    }

    #[test]
    fn fifteen_rounds_hold_one_of_each_kind() {
        let all = plan(1, 2 * KINDS as u32, 4);
        for part in all.chunks(KINDS) {
            let kinds: BTreeSet<_> = part.iter().map(|round| (round.harm.signal(), round.name())).collect();
            assert_eq!(kinds.len(), KINDS);
        }
        assert!(all.iter().all(|round| round.process < 4));
        assert_eq!(plan(1, 2, 1).iter().filter(|round| round.restart_at_once).count(), 2);
    }

    #[test]
    fn faults_are_named() {
        let point = Moment::Point { name: "each-file", hit: 2 };
        let mut round = Round { process: 0, harm: Harm::Stall, moment: point, restart_at_once: false };
        assert_eq!(round.to_string(), "SIGSTOP at each-file #2");
        assert_eq!(round.failpoint().as_deref(), Some("each-file#2=stop"));
        round.moment = Moment::Any(Duration::from_millis(1_250));
        round.harm = Harm::Kill;
        assert_eq!(round.to_string(), "SIGKILL after 1.2 s");
        assert_eq!(round.failpoint(), None);
    }

    impl Round {
        fn name(&self) -> &'static str {
            match self.moment {
                Moment::Any(_) => "any",
                Moment::Point { name, .. } => name,
            }
        }
    }
}
