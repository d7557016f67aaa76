//! librdkafka's properties: which are fixed, and which hold secrets.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// A property that a configuration may not set.
pub struct FixedProperty {
    pub name: &'static str,
    pub why: &'static str,
    pub hint: &'static str,
}

/// Properties by name. `Debug` prints values that may be secret as `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Properties(BTreeMap<String, String>);

const LEDGER: &str = "offsets are committed after the files, with metadata, by the ledger protocol";
const LEAVE_OUT: &str = "leave it out";

/// In the order of the reference page.
pub const FIXED_PROPERTIES: &[FixedProperty] = &[
    fixed_by("bootstrap.servers", "it has a key of its own", "set kafka.brokers"),
    fixed_by("metadata.broker.list", "it has a key of its own", "set kafka.brokers"),
    fixed_by("group.id", "it has a key of its own", "set kafka.group"),
    fixed_by("isolation.level", "it has a key of its own, and is kept in every manifest", "set kafka.isolation"),
    fixed_by("enable.auto.commit", LEDGER, LEAVE_OUT),
    fixed_by("auto.commit.enable", LEDGER, LEAVE_OUT),
    fixed_by("auto.commit.interval.ms", LEDGER, LEAVE_OUT),
    fixed_by("enable.auto.offset.store", LEDGER, LEAVE_OUT),
    fixed_by("offset.store.method", LEDGER, LEAVE_OUT),
    fixed_by(
        "auto.offset.reset",
        "a position is never guessed: it follows from the ledger",
        "set kafka.start for topics that have no ledger yet",
    ),
    fixed_by("enable.partition.eof", "the end of a range is recognised by it", LEAVE_OUT),
    fixed_by("client.id", "Secor sets it, so that a broker's log names the process", LEAVE_OUT),
    fixed_by("log.queue", "the client's log is part of Secor's", LEAVE_OUT),
    fixed_by("topic.blacklist", "topics are chosen by the archives", "set exclude_topics in [[archive]]"),
    fixed_by("allow.auto.create.topics", "an archive does not create what it archives", LEAVE_OUT),
];

/// Parts of names whose values are not printed.
const SECRET_PARTS: [&str; 5] = ["password", "secret", "key.pem", "oauthbearer.config", "jaas"];

const fn fixed_by(name: &'static str, why: &'static str, hint: &'static str) -> FixedProperty {
    FixedProperty { name, why, hint }
}

/// The entry for `name`, when it is fixed.
#[must_use]
pub fn fixed(name: &str) -> Option<&'static FixedProperty> {
    FIXED_PROPERTIES.iter().find(|property| property.name == name)
}

// === impl Properties ===

impl Properties {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values with nothing hidden: for the client alone.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names and values for people.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.expose().map(|(name, value)| {
            let secret = SECRET_PARTS.iter().any(|part| name.contains(part));
            (name, if secret { "***" } else { value })
        })
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}
