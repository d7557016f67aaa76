//! Which topics are read: names, patterns, exclusions. Patterns are Rust's regular expressions, matched anywhere in
//! the name unless anchored, and evaluated here for every group protocol. A thread asks for the cluster's topics from
//! time to time, so that new ones are found; it exists only where there are patterns.

use std::collections::BTreeSet;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use regex::Regex;

use super::client::Client;

/// The choice of topics: those that one of its rules chooses.
#[derive(Clone, Debug, Default)]
pub struct TopicSelection(Vec<Rule>);

/// Names and patterns, less the exclusions.
#[derive(Clone, Debug, Default)]
struct Rule {
    names: BTreeSet<String>,
    patterns: Vec<Regex>,
    excludes: Vec<Regex>,
}

/// A text that is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a regular expression")]
pub struct BadPattern {
    pub text: String,
    #[source]
    pub source: Box<regex::Error>,
}

/// Asks for the cluster's topics in the background; stops when dropped.
pub(super) struct TopicWatch {
    found: Arc<Mutex<Option<Vec<String>>>>,
    _alive: Sender<()>,
}

const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

// === impl TopicSelection ===

impl TopicSelection {
    /// Reads the topics of a configuration: a text that starts with `^` is a pattern, any other a name. Exclusions are
    /// patterns and win, also over names.
    ///
    /// # Errors
    /// [`BadPattern`] names the text that is none.
    pub fn parse<S: AsRef<str>>(topics: &[S], excludes: &[S]) -> Result<Self, BadPattern> {
        let mut rule = Rule::default();
        for text in topics.iter().map(AsRef::as_ref) {
            if text.starts_with('^') {
                rule.patterns.push(pattern(text)?);
            } else {
                rule.names.insert(text.to_owned());
            }
        }
        for text in excludes {
            rule.excludes.push(pattern(text.as_ref())?);
        }
        Ok(Self(vec![rule]))
    }

    /// Whether `topic` is chosen. Kafka's internal topics (`__...`) are chosen by name only.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.0.iter().any(|rule| rule.matches(topic))
    }

    /// Makes this selection choose what `other` chooses too.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn has_patterns(&self) -> bool {
        self.0.iter().any(|rule| !rule.patterns.is_empty())
    }

    /// The names that are chosen whether they exist or not.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| &rule.names).map(String::as_str).filter(|name| self.matches(name))
    }

    /// The topics to subscribe to when these exist.
    pub(super) fn choose(&self, existing: &[String]) -> BTreeSet<String> {
        let found = existing.iter().filter(|topic| self.matches(topic)).cloned();
        found.chain(self.names().map(str::to_owned)).collect()
    }
}

impl Rule {
    fn matches(&self, topic: &str) -> bool {
        let by_pattern = || !topic.starts_with("__") && self.patterns.iter().any(|pattern| pattern.is_match(topic));
        (self.names.contains(topic) || by_pattern()) && !self.excludes.iter().any(|exclude| exclude.is_match(topic))
    }
}

fn pattern(text: &str) -> Result<Regex, BadPattern> {
    Regex::new(text).map_err(|source| BadPattern { text: text.to_owned(), source: Box::new(source) })
}

// === impl TopicWatch ===

impl TopicWatch {
    /// Asks every `interval`; wakes the consumer when an answer is there.
    pub(super) fn start(client: &Arc<Client>, interval: Duration) -> std::io::Result<Self> {
        let found = Arc::new(Mutex::new(None));
        let (alive, ended) = channel::<()>();
        let (client, answer) = (Arc::downgrade(client), Arc::clone(&found));
        std::thread::Builder::new().name("secor-topics".to_owned()).spawn(move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(client) = client.upgrade() else { return };
                if let Some(topics) = topics_of(&client) {
                    *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(topics);
                    client.queue.waker().wake();
                }
            }
        })?;
        Ok(Self { found, _alive: alive })
    }

    /// The cluster's topics, once for each answer.
    pub(super) fn found(&self) -> Option<Vec<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn topics_of(client: &Client) -> Option<Vec<String>> {
    match client.base.fetch_metadata(None, QUERY_TIMEOUT) {
        Ok(metadata) => Some(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()),
        Err(error) => {
            tracing::debug!(%error, "the topics of the cluster are not known, asking again later");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(topics: &[&str], excludes: &[&str]) -> TopicSelection {
        TopicSelection::parse(topics, excludes).unwrap()
    }

    #[test]
    fn names_patterns_and_exclusions() {
        let selection = selection(&["clicks", r"^app\..*"], &[r"^app\.debug"]);
        let chosen: Vec<_> = ["clicks", "clicks2", "app.web", "app.debug.x", "xapp.web"]
            .into_iter()
            .filter(|t| selection.matches(t))
            .collect();
        assert_eq!(chosen, ["clicks", "app.web"]);
    }

    #[test]
    fn internal_topics_are_chosen_by_name_only() {
        assert!(!selection(&["^.*"], &[]).matches("__consumer_offsets"));
        assert!(selection(&["__consumer_offsets"], &[]).matches("__consumer_offsets"));
    }

    #[test]
    fn names_are_chosen_before_they_exist_and_exclusions_win() {
        let selection = selection(&["a", "b", "^x"], &["b"]);
        let chosen: Vec<_> = selection.choose(&["x1".to_owned(), "y".to_owned()]).into_iter().collect();
        assert_eq!(chosen, ["a", "x1"]);
    }

    #[test]
    fn exclusions_count_for_their_own_rule() {
        let mut both = selection(&["^app"], &["debug"]);
        both.extend(selection(&["^app.debug"], &[]));
        assert!(both.matches("app.debug"));
        assert!(!both.matches("app.x.debug"));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let error = TopicSelection::parse(&["^(a"], &[]).unwrap_err();
        assert_eq!(error.to_string(), "`^(a` is not a regular expression");
    }
}
