//! How a command ends: six classes that decide the exit code, and the two lines that a person reads.
//!
//! Every room has its own errors, each a fact; here they get their class. The chain of causes is printed once, because
//! no error repeats its source. Outcomes that are no failures, such as a reader who has seen enough (`secor cat | head`),
//! end in silence.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigErrors;
use crate::index::IndexError;
use crate::kafka::{self, KafkaError};
use crate::ledger::LedgerError;
use crate::registry::{RegistryError, RegistrySetupError};
use crate::sql::{self, SqlError};
use crate::store::{self, ProbeFailure, StoreError};

/// What the caller of the process can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Whoever reads the output closed it: no failure.
    ReaderLeft,
    /// `verify` found something.
    Found,
    /// The configuration, the command line, or what they name must be corrected.
    Configuration,
    /// Something does not answer: start me again.
    Unavailable,
    /// This program is wrong.
    Bug,
    /// The protocol refuses to go on: `docs/operations.md` explains the printed code.
    Refused,
    /// The second signal.
    Interrupted,
}

/// Why a command failed: one or more lines, each with a hint.
#[derive(Debug)]
pub struct CliError {
    pub class: Class,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    /// `what: why`, without `secor: ` in front.
    text: String,
    hint: Option<String>,
}

/// The error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // errors of libraries do not all keep the rule that a text leaves out its source
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

// === impl Class ===

impl Class {
    /// Design, section 10.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::ReaderLeft => 0,
            Self::Found => 1,
            Self::Configuration => 64,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::Refused => 76,
            Self::Interrupted => 130,
        }
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        Self::from(class.exit_code())
    }
}

// === impl CliError ===

impl CliError {
    /// An error in the words of the command itself.
    #[must_use]
    pub fn new(class: Class, text: impl Into<String>) -> Self {
        Self { class, messages: vec![Message { text: text.into(), hint: None }] }
    }

    /// An error of a room, with its causes.
    #[must_use]
    pub fn caused_by(class: Class, error: &dyn Error) -> Self {
        Self::new(class, chain(error))
    }

    /// Replaces the hint of the last message.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.hint = Some(hint.into());
        }
        self
    }

    /// Puts what was attempted in front of the first message.
    #[must_use]
    pub fn while_doing(mut self, what: &str) -> Self {
        if let Some(message) = self.messages.first_mut() {
            message.text = format!("{what}: {}", message.text);
        }
        self
    }

    /// Several failures as one: what somebody has to correct weighs more than what may pass.
    #[must_use]
    pub fn together(errors: Vec<Self>) -> Option<Self> {
        let weight = |class: Class| match class {
            Class::Bug => 4,
            Class::Configuration => 3,
            Class::Refused => 2,
            _ => 1,
        };
        let class = errors.iter().map(|error| error.class).max_by_key(|class| weight(*class))?;
        Some(Self { class, messages: errors.into_iter().flat_map(|error| error.messages).collect() })
    }

    /// Prints the lines to standard error; nothing for [`Class::ReaderLeft`].
    pub fn print(&self) {
        if self.class != Class::ReaderLeft {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, message) in self.messages.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "secor: {}", message.text)?;
            if let Some(hint) = &message.hint {
                write!(f, "\nhint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl Error for CliError {}

impl From<ConfigErrors> for CliError {
    fn from(errors: ConfigErrors) -> Self {
        let message = |(text, hint): (String, &str)| {
            let hint = (!hint.is_empty()).then(|| hint.to_owned());
            Message { text, hint }
        };
        Self { class: Class::Configuration, messages: errors.lines().map(message).collect() }
    }
}

impl From<RegistrySetupError> for CliError {
    fn from(error: RegistrySetupError) -> Self {
        Self::caused_by(Class::Configuration, &error).with_hint(error.hint())
    }
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        let class = match error {
            RegistryError::Refused { .. } => Class::Configuration,
            _ => Class::Unavailable,
        };
        Self::caused_by(class, &error).with_hint(error.hint())
    }
}

impl From<KafkaError> for CliError {
    fn from(error: KafkaError) -> Self {
        let class = match error.class() {
            kafka::Class::Unavailable | kafka::Class::Fatal => Class::Unavailable,
            kafka::Class::Config => Class::Configuration,
        };
        Self::caused_by(class, &error).with_hint(error.hint())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::caused_by(store_class(&error), &error).with_hint(error.hint())
    }
}

impl From<ProbeFailure> for CliError {
    fn from(error: ProbeFailure) -> Self {
        Self::caused_by(probe_class(&error), &error).with_hint(error.hint())
    }
}

impl From<LedgerError> for CliError {
    fn from(error: LedgerError) -> Self {
        let class = match &error {
            LedgerError::Store(source) => store_class(source),
            LedgerError::Sql(source) => sql_class(source),
            LedgerError::Probe { source, .. } => probe_class(source),
            LedgerError::Absent(_) | LedgerError::NeedsInit { .. } => Class::Configuration,
            LedgerError::Doubtful(_) => Class::Unavailable,
            _ => Class::Refused,
        };
        Self::caused_by(class, &error).with_hint(error.hint())
    }
}

impl From<IndexError> for CliError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Sql(error) => {
                Self::caused_by(sql_class(&error), &error).while_doing("index").with_hint(error.hint())
            }
            IndexError::Ledger(error) => error.into(),
            IndexError::Store(error) => error.into(),
            IndexError::Foreign(_) => Self::caused_by(Class::Configuration, &error)
                .with_hint("`secor ledger sync` makes the rows of the index anew"),
        }
    }
}

/// Of writing to standard output, the only I/O that commands do themselves.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Class::ReaderLeft, ""),
            _ => Self::caused_by(Class::Unavailable, &error).while_doing("standard output"),
        }
    }
}

fn store_class(error: &StoreError) -> Class {
    match error.class {
        store::Class::Unavailable | store::Class::Full => Class::Unavailable,
        store::Class::Denied | store::Class::Missing | store::Class::Invalid => Class::Configuration,
    }
}

fn sql_class(error: &SqlError) -> Class {
    match error.class {
        sql::Class::Unavailable | sql::Class::Standby => Class::Unavailable,
        sql::Class::Denied | sql::Class::Untrusted | sql::Class::NoTable | sql::Class::Invalid => Class::Configuration,
        sql::Class::Taken | sql::Class::NoParent => Class::Refused,
    }
}

fn probe_class(error: &ProbeFailure) -> Class {
    match error {
        ProbeFailure::Store(error) => store_class(error),
        _ => Class::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_printed_once_and_the_hint_on_a_line_of_its_own() {
        let error = Outer(io::Error::other("inner"));
        let error = CliError::caused_by(Class::Unavailable, &error).while_doing("upload").with_hint("try again");
        assert_eq!(error.to_string(), "secor: upload: outer: inner\nhint: try again");
    }

    #[test]
    fn of_several_failures_the_one_to_correct_decides() {
        let down = CliError::new(Class::Unavailable, "broker down");
        let wrong = CliError::new(Class::Configuration, "no bucket").with_hint("create it");
        let both = CliError::together(vec![down, wrong]).expect("two failed");
        assert_eq!(both.class.exit_code(), 64);
        assert_eq!(both.to_string(), "secor: broker down\nsecor: no bucket\nhint: create it");
        assert!(CliError::together(Vec::new()).is_none());
    }

    /// A static member is fenced when another takes its place, or when the coordinator fails over: nobody's bug.
    #[test]
    fn a_client_that_gave_up_is_to_be_started_again() {
        let error = CliError::from(KafkaError::Fatal { code: 82, reason: "fenced".to_owned() });
        assert_eq!(error.class.exit_code(), 69);
        assert!(error.to_string().ends_with("hint: start the process again"), "{error}");
    }

    #[test]
    fn a_reader_who_left_is_no_failure() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.class.exit_code(), 0);
    }
}
