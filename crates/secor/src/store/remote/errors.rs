//! What an answer of a store means.
//!
//! object_store wraps the HTTP status and the error document in types that can't be named from outside; only their text
//! is public. So the text is read: `… status code: 403 Forbidden: <?xml … <Code>SignatureDoesNotMatch</Code> …`. A
//! release that words it differently costs the status in the log line and some classes, and `tests/store_conformance`
//! notices.

use std::error::Error as _;
use std::sync::Arc;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use super::Dialect;
use crate::store::{Class, Operation, StoreError};

/// An answer, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    /// `<Code>` of the error document.
    code: Option<String>,
    /// `<Message>` of the error document.
    message: Option<String>,
}

pub(super) fn explain(url: &Arc<str>, dialect: &Dialect, operation: Operation, error: &Error) -> StoreError {
    let text = error.to_string();
    let answer = Answer::read(&text);
    let new = |class, what: String| StoreError::new(class, url, operation, what);
    if let Some(why) = causes(error).find_map(|cause| cause.downcast_ref::<NoCredentials>()) {
        return new(why.class, format!("no credentials: {why}")).with_hint(dialect.hint_credentials);
    }
    if is_about_credentials(&text) {
        // An answer that there are none is final; without one, it may be the network.
        let refused = answer.status.is_some_and(|status| status < 500);
        let (class, why) =
            if refused { (Class::Denied, answer.to_string()) } else { (Class::Unavailable, innermost(error)) };
        return new(class, format!("no credentials: {why}")).with_hint(dialect.hint_credentials);
    }
    if answer.status.is_some() {
        let (class, hint) = answer.class(dialect, operation);
        let explained = new(class, answer.to_string()).with_status(answer.status);
        return match hint {
            Some(hint) => explained.with_hint(hint),
            None => explained,
        };
    }
    let innermost = innermost(error);
    if text.contains("redirect without LOCATION") {
        return new(Class::Invalid, "the bucket is elsewhere".to_owned()).with_hint(dialect.hint_elsewhere);
    }
    match (connection_error(error), error) {
        (Some(HttpErrorKind::Connect), _) => new(Class::Unavailable, format!("no connection: {innermost}")),
        (Some(_), _) | (None, Error::Generic { .. }) => {
            new(Class::Unavailable, format!("the connection broke: {innermost}"))
        }
        (None, _) => new(Class::Invalid, innermost),
    }
}

/// Whether a PUT that got this answer may have been carried out all the same.
pub(super) fn leaves_doubt(error: &Error) -> bool {
    match Answer::read(&error.to_string()).status {
        Some(status) => status >= 500 || status == 408,
        None => matches!(error, Error::Generic { .. }) && connection_error(error) != Some(HttpErrorKind::Connect),
    }
}

/// Whether a PUT was told that the key is taken. That may not be so: see the parent module.
pub(super) fn says_taken(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. })
}

/// Whether "not found" is said of the bucket, as far as the store tells (a HEAD never does).
pub(super) fn names_missing_bucket(error: &Error) -> bool {
    let code = Answer::read(&error.to_string()).code;
    matches!(code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound" | "FilesystemNotFound"))
}

/// Whether the store asks for fewer requests.
pub(super) fn says_slow_down(error: &Error) -> bool {
    let answer = Answer::read(&error.to_string());
    let code = answer.code.as_deref().unwrap_or_default();
    answer.status == Some(429) || matches!(code, "SlowDown" | "ServerBusy" | "RequestLimitExceeded" | "TooManyRequests")
}

/// Why a source of credentials gave none. What object_store's own sources say is read from their text instead.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct NoCredentials {
    pub(super) class: Class,
    pub(super) what: String,
}

const HINT_CLOCK: &str = "set this host's clock: the store accepts a few minutes of difference";
const HINT_NO_CREATE: &str =
    "this store can't create an object only if its key is free: keep the ledger in a database, `ledger.type = \"sql\"`";

// === impl Answer ===

impl Answer {
    fn read(text: &str) -> Self {
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        let element = |open, close| {
            let (_, rest) = text.split_once(open)?;
            rest.split_once(close).map(|(value, _): (&str, &str)| value.to_owned()).filter(|value| !value.is_empty())
        };
        Self { status, code: element("<Code>", "</Code>"), message: element("<Message>", "</Message>") }
    }

    /// The class, and a hint that is better than the one of the class.
    fn class(&self, dialect: &Dialect, operation: Operation) -> (Class, Option<&'static str>) {
        match self.code.as_deref().unwrap_or_default() {
            "RequestTimeTooSkewed" => return (Class::Denied, Some(HINT_CLOCK)),
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId" => {
                return (Class::Denied, Some(dialect.hint_denied));
            }
            "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                return (Class::Invalid, Some(dialect.hint_elsewhere));
            }
            "XMinioStorageFull" | "QuotaExceeded" | "InsufficientStorage" => return (Class::Full, None),
            // The bytes were damaged on their way, or didn't arrive.
            "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" | "RequestTimeout" => {
                return (Class::Unavailable, None);
            }
            _ => {}
        }
        match self.status.unwrap_or_default() {
            301..=308 => (Class::Invalid, Some(dialect.hint_elsewhere)),
            401 | 403 => (Class::Denied, Some(dialect.hint_denied)),
            404 => (Class::Missing, None),
            408 | 409 | 412 | 425 | 429 => (Class::Unavailable, None),
            501 if operation == Operation::Create => (Class::Invalid, Some(HINT_NO_CREATE)),
            507 => (Class::Full, None),
            501 | ..=499 => (Class::Invalid, None),
            _ => (Class::Unavailable, None),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.status.unwrap_or_default())?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        // Azure adds the request's id and the time on lines of their own
        match self.message.as_deref().and_then(|message| message.lines().next()) {
            Some(message) => write!(f, ": {}", message.trim_end_matches('.')),
            None => Ok(()),
        }
    }
}

/// The addresses of instance metadata, which only the search for credentials asks, and the requests for tokens.
fn is_about_credentials(text: &str) -> bool {
    ["://169.254.", "metadata.google.internal", "Error performing token request"]
        .iter()
        .any(|place| text.contains(place))
}

fn connection_error(error: &Error) -> Option<HttpErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind).next()
}

/// The cause at the bottom, which the others only repeat.
fn innermost(error: &Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "The operation lacked the necessary privileges to complete for path a: Error performing PUT \
        http://127.0.0.1:1/b/a in 1ms - Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\
        <Error><Code>SignatureDoesNotMatch</Code><Message>The signature is wrong.</Message></Error>";

    static DIALECT: Dialect = Dialect {
        object_bytes_max: 1,
        digest_metadata: "d",
        keeps_backslashes: true,
        hint_denied: "grant",
        hint_credentials: "log in",
        hint_elsewhere: "elsewhere",
    };

    fn class(status: u16, code: &str) -> Class {
        let answer = Answer { status: Some(status), code: Some(code.to_owned()), message: None };
        answer.class(&DIALECT, Operation::Create).0
    }

    #[test]
    fn status_code_and_message_are_read_from_the_text() {
        let answer = Answer::read(SIGNATURE);
        assert_eq!(answer.to_string(), "status 403 SignatureDoesNotMatch: The signature is wrong");
        assert_eq!(Answer::read("status code: 503 Service Unavailable: ").to_string(), "status 503");
        assert_eq!(Answer::read("connection reset"), Answer::default());
        assert_eq!(Answer::read("status code: ü"), Answer::default());
    }

    #[test]
    fn answers_fall_into_classes() {
        let cases = [
            (301, "", Class::Invalid),
            (400, "InvalidArgument", Class::Invalid),
            (400, "ExpiredToken", Class::Denied),
            (400, "RequestTimeout", Class::Unavailable),
            (400, "BadDigest", Class::Unavailable),
            (401, "", Class::Denied),
            (403, "AccessDenied", Class::Denied),
            (404, "NoSuchBucket", Class::Missing),
            (409, "ConditionalRequestConflict", Class::Unavailable),
            (429, "", Class::Unavailable),
            (500, "InternalError", Class::Unavailable),
            (501, "NotImplemented", Class::Invalid),
            (503, "SlowDown", Class::Unavailable),
            (507, "", Class::Full),
            (507, "XMinioStorageFull", Class::Full),
        ];
        for (status, code, expected) in cases {
            assert_eq!(class(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_the_metadata_service_says_is_not_said_of_the_store() {
        let said = |text: &str| {
            let source = format!("Error performing PUT http://169.254.169.254/latest/api/token in 1ms - {text}").into();
            explain(&Arc::from("s3://b"), &DIALECT, Operation::Create, &Error::Generic { store: "S3", source })
        };
        let error = said("Server returned non-2xx status code: 403 Forbidden: ");
        assert_eq!((error.class, error.status), (Class::Denied, None));
        assert_eq!(error.to_string(), "s3://b: create: no credentials: status 403");
        assert_eq!(error.hint(), "log in");
        assert_eq!(said("HTTP error: connection refused").class, Class::Unavailable);
        assert_eq!(said("Server returned non-2xx status code: 500 Internal Server Error: ").class, Class::Unavailable);
    }

    #[test]
    fn hints_fit_the_answer() {
        let hint = |status, code: &str| {
            Answer { status: Some(status), code: Some(code.to_owned()), message: None }
                .class(&DIALECT, Operation::Create)
                .1
        };
        assert_eq!(hint(301, ""), Some("elsewhere"));
        assert_eq!(hint(403, "RequestTimeTooSkewed"), Some(HINT_CLOCK));
        assert_eq!(hint(501, ""), Some(HINT_NO_CREATE));
    }
}
