//! Schedules as text, one step a line, so that a counterexample can be read, kept and run again.
//!
//! ```text
//! produce 2
//! start 0 records=1 extension=.gz
//! turn 0 12
//! ```
//! A configuration is written as what differs from [`Config::plain`]. Lines that begin with `#` and empty ones say
//! nothing.

use std::fmt;
use std::str::FromStr;

use secor_core::manifest::Isolation;
use secor_core::partition::{Errand, OnTopicRecreated};

use crate::model::process::Config;
use crate::model::schedule::Step;
use crate::model::world::Owner;

/// The steps of a text.
///
/// # Errors
/// The first line that is no step.
pub fn parse(text: &str) -> Result<Vec<Step>, NoStep> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().map(str::trim).filter(said).map(str::parse).collect()
}

/// The text of steps.
#[must_use]
pub fn print(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{step}\n")).collect()
}

/// A line that is no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoStep(String);

/// File name extensions that configurations can have.
const EXTENSIONS: [&str; 3] = ["", ".gz", ".zst"];

impl FromStr for Step {
    type Err = NoStep;

    fn from_str(line: &str) -> Result<Self, NoStep> {
        let words: Vec<_> = line.split_whitespace().collect();
        let no_step = || NoStep(line.to_owned());
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).ok_or_else(no_step);
        let pair = |step: fn(usize, usize) -> Self| Ok(step(number(1)?, number(2)?));
        let one = |step: fn(usize) -> Self| Ok(step(number(1)?));
        match *words.first().ok_or_else(no_step)? {
            "start" => Ok(Self::Start(number(1)?, config(&words[2..]).ok_or_else(no_step)?)),
            "turn" => pair(Self::Turn),
            "fetch" => pair(Self::Fetch),
            "delay" => one(Self::Delay),
            "land-late" => one(Self::LandLate),
            "land-commit" => one(Self::LandCommit),
            "foreign-commit" => one(Self::ForeignCommit),
            "other-ledger" => Ok(Self::OtherLedger),
            "lose-group" => Ok(Self::LoseGroup),
            "crash" => one(Self::Crash),
            "revoke" => one(Self::Revoke),
            "shutdown" => one(Self::Shutdown),
            "lose" => one(Self::Lose),
            "flush" => one(Self::Flush),
            "produce" => one(Self::Produce),
            "marker" => Ok(Self::Marker),
            "aborted" => Ok(Self::Aborted),
            "compact" => one(Self::Compact),
            "retain" => one(Self::Retain),
            "elect" => one(Self::Elect),
            "restore" => Ok(Self::Restore),
            "recreate" => Ok(Self::Recreate),
            "add-partition" => Ok(Self::AddPartition),
            "accept" => Ok(Self::Accept(words.get(1).and_then(|word| owner(word)).ok_or_else(no_step)?)),
            "lose-entry" => Ok(Self::LoseEntry),
            "lose-genesis" => Ok(Self::LoseGenesis),
            "fail-over" => Ok(Self::FailOver),
            "advance" => Ok(Self::Advance(words.get(1).and_then(|word| word.parse().ok()).ok_or_else(no_step)?)),
            _ => Err(no_step()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(p, config) => write!(f, "start {p}{config}"),
            Self::Turn(p, times) => write!(f, "turn {p} {times}"),
            Self::Fetch(p, times) => write!(f, "fetch {p} {times}"),
            Self::Delay(p) => write!(f, "delay {p}"),
            Self::LandLate(index) => write!(f, "land-late {index}"),
            Self::LandCommit(index) => write!(f, "land-commit {index}"),
            Self::ForeignCommit(index) => write!(f, "foreign-commit {index}"),
            Self::OtherLedger => f.write_str("other-ledger"),
            Self::LoseGroup => f.write_str("lose-group"),
            Self::Crash(p) => write!(f, "crash {p}"),
            Self::Revoke(p) => write!(f, "revoke {p}"),
            Self::Shutdown(p) => write!(f, "shutdown {p}"),
            Self::Lose(p) => write!(f, "lose {p}"),
            Self::Flush(p) => write!(f, "flush {p}"),
            Self::Produce(count) => write!(f, "produce {count}"),
            Self::Marker => f.write_str("marker"),
            Self::Aborted => f.write_str("aborted"),
            Self::Compact(index) => write!(f, "compact {index}"),
            Self::Retain(count) => write!(f, "retain {count}"),
            Self::Elect(lost) => write!(f, "elect {lost}"),
            Self::Restore => f.write_str("restore"),
            Self::Recreate => f.write_str("recreate"),
            Self::AddPartition => f.write_str("add-partition"),
            Self::Accept(owner) => write!(f, "accept {}", owner_word(*owner)),
            Self::LoseEntry => f.write_str("lose-entry"),
            Self::LoseGenesis => f.write_str("lose-genesis"),
            Self::FailOver => f.write_str("fail-over"),
            Self::Advance(ms) => write!(f, "advance {ms}"),
        }
    }
}

/// What differs from the plain one, each word with a space before it.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = Self::plain();
        if self.generation != plain.generation {
            write!(f, " generation={}", self.generation)?;
        }
        if self.records_max != plain.records_max {
            write!(f, " records={}", self.records_max)?;
        }
        if self.layout.partitions != plain.layout.partitions {
            write!(f, " partitions={}", self.layout.partitions)?;
        }
        if self.layout.extension != plain.layout.extension {
            write!(f, " extension={}", self.layout.extension)?;
        }
        if self.look_order != plain.look_order {
            write!(f, " look={}", self.look_order)?;
        }
        if self.owner != plain.owner {
            write!(f, " owner={}", owner_word(self.owner))?;
        }
        let flags = [
            ("clocked", self.layout.clocked),
            ("uncommitted", self.isolation == Isolation::ReadUncommitted),
            ("latest", self.latest),
            ("new-generation", self.on_topic_recreated == OnTopicRecreated::NewGeneration),
            ("until-end", self.until_end),
            ("recover", self.errand == Errand::Recover { accept_loss: false }),
            ("accept-loss", self.errand == Errand::Recover { accept_loss: true }),
        ];
        flags.into_iter().filter(|(_, on)| *on).try_for_each(|(word, _)| write!(f, " {word}"))
    }
}

fn config(words: &[&str]) -> Option<Config> {
    let mut config = Config::plain();
    for word in words {
        match word.split_once('=') {
            Some(("generation", value)) => config.generation = value.parse().ok()?,
            Some(("records", value)) => config.records_max = value.parse().ok()?,
            Some(("partitions", value)) => config.layout.partitions = value.parse().ok()?,
            Some(("extension", value)) => {
                config.layout.extension = EXTENSIONS.into_iter().find(|known| *known == value)?;
            }
            Some(("look", value)) => config.look_order = value.parse().ok()?,
            Some(("owner", value)) => config.owner = owner(value)?,
            Some(_) => return None,
            None => flag(&mut config, word)?,
        }
    }
    Some(config)
}

fn flag(config: &mut Config, word: &str) -> Option<()> {
    match word {
        "clocked" => config.layout.clocked = true,
        "uncommitted" => config.isolation = Isolation::ReadUncommitted,
        "latest" => config.latest = true,
        "new-generation" => config.on_topic_recreated = OnTopicRecreated::NewGeneration,
        "until-end" => config.until_end = true,
        "recover" => config.errand = Errand::Recover { accept_loss: false },
        "accept-loss" => config.errand = Errand::Recover { accept_loss: true },
        _ => return None,
    }
    Some(())
}

const OWNERS: [(Owner, &str); 3] =
    [(Owner::Usual, "usual"), (Owner::OtherGroup, "other-group"), (Owner::OtherCluster, "other-cluster")];

fn owner(word: &str) -> Option<Owner> {
    OWNERS.into_iter().find(|(_, known)| *known == word).map(|(owner, _)| owner)
}

fn owner_word(owner: Owner) -> &'static str {
    OWNERS.into_iter().find(|(known, _)| *known == owner).expect("every owner has its word").1
}

impl fmt::Display for NoStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no step of a schedule", self.0)
    }
}

impl std::error::Error for NoStep {}
