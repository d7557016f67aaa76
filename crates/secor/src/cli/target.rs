//! How a command line names a topic, a partition, a record: `TOPIC[:PARTITION[@OFFSET|@TIME]]`.

use std::fmt;
use std::str::FromStr;

use secor_core::ids::{Offset, TopicPartition};

/// A topic, one of its partitions, or a place in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub topic: String,
    /// `None`: all.
    pub partition: Option<i32>,
    pub at: Option<At>,
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Offset(Offset),
    /// Milliseconds since 1970.
    Time(i64),
}

/// What `secor cat` prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From an archive that the configuration names.
    Archived(Target),
    /// One file, named by its URL.
    Url(String),
}

/// A text that names nothing; says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTarget(String);

/// A topic or a partition, without a place in it.
///
/// # Errors
/// [`BadTarget`].
pub fn parse_topic(text: &str) -> Result<Target, BadTarget> {
    let target: Target = text.parse()?;
    if target.at.is_some() {
        return Err(BadTarget("expected TOPIC or TOPIC:PARTITION without `@`".to_owned()));
    }
    Ok(target)
}

/// A single record: partition and offset must be there.
///
/// # Errors
/// [`BadTarget`].
pub fn parse_record(text: &str) -> Result<(TopicPartition, Offset), BadTarget> {
    let target: Target = text.parse()?;
    match (target.partition, target.at) {
        (Some(partition), Some(At::Offset(offset))) => Ok((TopicPartition::new(target.topic, partition), offset)),
        _ => Err(BadTarget("expected TOPIC:PARTITION@OFFSET".to_owned())),
    }
}

/// An offset: 0 or more.
///
/// # Errors
/// [`BadTarget`].
pub fn parse_offset(text: &str) -> Result<Offset, BadTarget> {
    let offset = text.parse().ok().and_then(|offset| Offset::new(offset).ok());
    offset.ok_or_else(|| BadTarget("expected an offset, 0 or more".to_owned()))
}

// === impl Target ===

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let (topic, rest) = text.split_once(':').map_or((text, None), |(topic, rest)| (topic, Some(rest)));
        if topic.is_empty() || topic.contains(['/', '@']) {
            return Err(BadTarget("expected TOPIC[:PARTITION[@OFFSET|@TIME]]".to_owned()));
        }
        let Some(rest) = rest else { return Ok(Self { topic: topic.to_owned(), partition: None, at: None }) };
        let (partition, at) = rest.split_once('@').map_or((rest, None), |(partition, at)| (partition, Some(at)));
        let partition = partition
            .parse()
            .ok()
            .filter(|partition| *partition >= 0)
            .ok_or_else(|| BadTarget(format!("`{partition}` is not the number of a partition")))?;
        let at = at.map(str::parse).transpose()?;
        Ok(Self { topic: topic.to_owned(), partition: Some(partition), at })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic)?;
        if let Some(partition) = self.partition {
            write!(f, ":{partition}")?;
        }
        match self.at {
            Some(At::Offset(offset)) => write!(f, "@{offset}"),
            Some(At::Time(ms)) => match jiff::Timestamp::from_millisecond(ms) {
                Ok(time) => write!(f, "@{time}"),
                Err(_) => write!(f, "@{ms}ms"),
            },
            None => Ok(()),
        }
    }
}

// === impl At, Source ===

impl FromStr for At {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if let Ok(number) = text.parse::<i64>() {
            let offset = Offset::new(number).map_err(|error| BadTarget(error.to_string()))?;
            return Ok(Self::Offset(offset));
        }
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Ok(Self::Time(time.as_millisecond())),
            Err(_) => Err(BadTarget(format!("`{text}` is neither an offset nor a time such as 2026-11-01T00:00:00Z"))),
        }
    }
}

impl FromStr for Source {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if text.contains("://") { Ok(Self::Url(text.to_owned())) } else { text.parse().map(Self::Archived) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_and_print() {
        for text in ["clicks", "clicks:3", "clicks:3@17", "clicks:0@2026-11-01T00:00:00Z", "app.web-1_x:12"] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
        assert_eq!(
            parse_record("clicks:3@17"),
            Ok((TopicPartition::new("clicks", 3), Offset::new(17).expect("positive")))
        );
        assert_eq!("s3://b/k.gz".parse(), Ok(Source::Url("s3://b/k.gz".to_owned())));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", ":1", "clicks:", "clicks:-1", "clicks:x", "clicks:1@", "clicks:1@-5", "clicks@5", "a/b"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        assert!(parse_topic("clicks:1@5").is_err());
        assert!(parse_record("clicks:1").is_err());
        assert!(parse_offset("-1").is_err());
    }
}
