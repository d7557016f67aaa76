//! The cases as data: where a process is struck, how, in what kind of group, and what else goes wrong meanwhile.
//!
//! The full product has 672 cases. Faults that need three values at once to show are rarer than those that need two, so
//! [`pairwise`] chooses few cases in which every two values of different kinds meet at least once.

use std::collections::BTreeSet;
use std::fmt;

/// A failpoint of the program, by its name in `SECOR_FAILPOINTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    BeforeManifest,
    ManifestSent,
    ManifestCreated,
    EachFile,
    FilesComplete,
    CommitSent,
}

/// What becomes of the process that reaches the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// SIGKILL; another is started.
    Kill,
    /// SIGSTOP until the others own all its partitions; then SIGCONT.
    StopPastSession,
    /// SIGSTOP until the group has no members at all, the others having left; then SIGCONT.
    StopUntilEmpty,
    /// SIGTERM; another is started.
    Term,
}

/// How the group shares the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Membership {
    Range,
    CooperativeSticky,
    /// KIP-848.
    Consumer,
    /// Cooperative-sticky with `group.instance.id`.
    Static,
}

/// What else goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    Nothing,
    LeaderKilled,
    CoordinatorKilled,
    StoreErrors,
    StoreResets,
    StoreSlow,
    /// The staging folder is a small file system, and it is full.
    FullDisk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub point: Point,
    pub fate: Fate,
    pub membership: Membership,
    pub trouble: Trouble,
}

pub const POINTS: [(Point, &str); 6] = [
    (Point::BeforeManifest, "before-manifest"),
    (Point::ManifestSent, "manifest-sent"),
    (Point::ManifestCreated, "manifest-created"),
    (Point::EachFile, "each-file"),
    (Point::FilesComplete, "files-complete"),
    (Point::CommitSent, "commit-sent"),
];

pub const FATES: [(Fate, &str); 4] = [
    (Fate::Kill, "kill"),
    (Fate::StopPastSession, "stop-past-session"),
    (Fate::StopUntilEmpty, "stop-until-empty"),
    (Fate::Term, "term"),
];

pub const MEMBERSHIPS: [(Membership, &str); 4] = [
    (Membership::Range, "range"),
    (Membership::CooperativeSticky, "cooperative-sticky"),
    (Membership::Consumer, "consumer"),
    (Membership::Static, "static"),
];

pub const TROUBLES: [(Trouble, &str); 7] = [
    (Trouble::Nothing, "nothing"),
    (Trouble::LeaderKilled, "leader-killed"),
    (Trouble::CoordinatorKilled, "coordinator-killed"),
    (Trouble::StoreErrors, "store-5xx"),
    (Trouble::StoreResets, "store-reset"),
    (Trouble::StoreSlow, "store-slow"),
    (Trouble::FullDisk, "full-disk"),
];

/// The full product.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, _) in POINTS {
        for (fate, _) in FATES {
            for (membership, _) in MEMBERSHIPS {
                for (trouble, _) in TROUBLES {
                    cases.push(Case { point, fate, membership, trouble });
                }
            }
        }
    }
    cases
}

/// Every two values of different kinds meet in at least one of these; always the same ones.
pub fn pairwise() -> Vec<Case> {
    let all = all();
    let mut open: BTreeSet<_> = all.iter().flat_map(|case| case.pairs()).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let gain = |case: &&Case| case.pairs().iter().filter(|pair| open.contains(*pair)).count();
        // the first of the best, so that an order of the product is an order here
        let best = *all.iter().rev().max_by_key(gain).expect("the product is not empty");
        best.pairs().iter().for_each(|pair| {
            open.remove(pair);
        });
        chosen.push(best);
    }
    chosen
}

/// The case of this name.
pub fn named(name: &str) -> Option<Case> {
    all().into_iter().find(|case| case.to_string() == name)
}

// === impl Case ===

impl Case {
    /// Its pairs of values, each as the kinds and the values.
    pub fn pairs(&self) -> [(usize, usize, usize, usize); 6] {
        let Self { point, fate, membership, trouble } = *self;
        let values = [point as usize, fate as usize, membership as usize, trouble as usize];
        [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)].map(|(one, other)| (one, other, values[one], values[other]))
    }

    /// For `SECOR_FAILPOINTS`: not the first batch, so that there is an archive that can be damaged; and not the first
    /// file of a batch, so that some are there and some are not.
    pub fn failpoints(&self) -> String {
        let hit = if self.point == Point::EachFile { 5 } else { 3 };
        let action = match self.fate {
            Fate::Kill => "kill",
            Fate::StopPastSession | Fate::StopUntilEmpty => "stop",
            Fate::Term => "term",
        };
        format!("{}#{hit}={action}", name_of(&POINTS, self.point))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { point, fate, membership, trouble } = *self;
        let (point, fate) = (name_of(&POINTS, point), name_of(&FATES, fate));
        write!(f, "{point}/{fate}/{membership}/{}", name_of(&TROUBLES, trouble))
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&MEMBERSHIPS, *self))
    }
}

fn name_of<T: PartialEq + Copy>(names: &[(T, &'static str)], value: T) -> &'static str {
    names.iter().find(|(known, _)| *known == value).expect("every value has a name").1
}

// === impl Membership ===

impl Membership {
    /// Lines of `[kafka.properties]`; `instance` tells the members of a static group apart.
    pub fn properties(self, instance: usize) -> String {
        let strategy = match self {
            // the session's length is the broker's to say
            Self::Consumer => return "\"group.protocol\" = \"consumer\"\n".to_owned(),
            Self::Range => "range",
            Self::CooperativeSticky | Self::Static => "cooperative-sticky",
        };
        let mut lines = format!(
            "\"session.timeout.ms\" = 3000\n\"heartbeat.interval.ms\" = 500\n\
             \"partition.assignment.strategy\" = \"{strategy}\"\n"
        );
        if self == Self::Static {
            lines.push_str(&format!("\"group.instance.id\" = \"member-{instance}\"\n"));
        }
        lines
    }
}
