//! Keys of `[ledger]` and `[index]` that go together, and what the url of a database looks like.
//!
//! A password is part of the url, so no message shows more of it than its scheme.

use secor_core::manifest::Arbiter;
use url::Url;

use super::tree::Findings;
use super::{Index, Ledger};

const HINT: &str = "write \"postgres://user:password@host/database\", \"mysql://user:password@host/database\" or \"sqlite:///folder/file.db\"";

pub(super) fn apply(ledger: &Ledger, index: &Index, findings: &mut Findings) {
    if let Some(Err(why)) = index.url.as_ref().map(|url| database_url(url.expose())) {
        findings.contradiction(&["index.url"], "not valid", why, HINT);
    }
    match (ledger.arbiter, &ledger.url) {
        (Arbiter::Sql, None) => {
            findings.contradiction(&["ledger.type", "ledger.url"], "has no database", "`ledger.url` is missing", HINT)
        }
        (Arbiter::Store, Some(_)) => {
            findings.contradiction(
                &["ledger.url"],
                "has no effect",
                "the ledger is in the store",
                "set type = \"sql\"",
            );
        }
        (Arbiter::Sql, Some(url)) => {
            if let Err(why) = database_url(url.expose()) {
                findings.contradiction(&["ledger.url"], "not valid", why, HINT);
            }
        }
        (Arbiter::Store, None) => {}
    }
}

/// Why it is none.
fn database_url(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is not the URL of a database".to_owned());
    };
    match scheme {
        "sqlite" if rest.starts_with('/') && !rest.ends_with('/') => Ok(()),
        "sqlite" => Err("it does not name a file by its absolute path".to_owned()),
        "postgres" | "postgresql" | "mysql" | "mariadb" => match Url::parse(text) {
            Ok(url) if url.path().trim_start_matches('/').is_empty() => Err("it names no database".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("it is not a URL: {error}")),
        },
        scheme => Err(format!("`{scheme}://` is no database that secor knows")),
    }
}
