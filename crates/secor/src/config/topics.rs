//! Which topics an archive takes.

use std::fmt;

use regex::Regex;

/// One entry of `topics` or `exclude_topics`.
#[derive(Clone, Debug)]
pub enum TopicPattern {
    Name(String),
    /// Written with a leading `^`.
    Pattern(Regex),
}

/// The topics of one `[[archive]]`.
#[derive(Clone, Debug, Default)]
pub struct TopicSet {
    pub include: Vec<TopicPattern>,
    pub exclude: Vec<TopicPattern>,
}

// === impl TopicPattern ===

impl TopicPattern {
    /// # Errors
    /// When `text` begins with `^` and is no regular expression.
    pub fn parse(text: &str) -> Result<Self, regex::Error> {
        if text.starts_with('^') { Regex::new(text).map(Self::Pattern) } else { Ok(Self::Name(text.to_owned())) }
    }

    /// Kafka's internal topics (`__...`) are matched by name only.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            Self::Pattern(pattern) => !topic.starts_with("__") && pattern.is_match(topic),
        }
    }

    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl TopicSet ===

impl TopicSet {
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let any = |patterns: &[TopicPattern]| patterns.iter().any(|pattern| pattern.matches(topic));
        any(&self.include) && !any(&self.exclude)
    }
}
