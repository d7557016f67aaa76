//! What an answer of a registry means.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::RegistryError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<T> {
    Found(T),
    /// In the registry's own words: no such schema, subject or version.
    Missing,
}

/// The part of an answer about a schema that counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Schema {
    #[serde(rename = "schema")]
    pub text: String,
    /// Left out for Avro.
    #[serde(rename = "schemaType")]
    pub kind: Option<String>,
    #[serde(default)]
    pub references: Vec<Reference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Reference {
    pub name: String,
    pub subject: String,
    pub version: i64,
}

#[derive(Deserialize)]
struct Problem {
    error_code: u32,
}

/// Subject, version, schema not found. A 404 without one of these is somebody else's: a proxy's, a wrong path's.
const MISSING: [u32; 3] = [40_401, 40_402, 40_403];
/// Of a message in an error.
const QUOTED_CHARS_MAX: usize = 200;

/// Reads the body of an answer.
pub(super) fn read<T: DeserializeOwned>(
    url: &Url,
    status: StatusCode,
    body: &[u8],
) -> Result<Answer<T>, RegistryError> {
    let url = || url.to_string();
    if status.is_success() {
        return serde_json::from_slice(body)
            .map(Answer::Found)
            .map_err(|source| RegistryError::Unreadable { url: url(), source });
    }
    let problem = serde_json::from_slice::<Problem>(body).ok();
    match status {
        StatusCode::NOT_FOUND if problem.is_some_and(|problem| MISSING.contains(&problem.error_code)) => {
            Ok(Answer::Missing)
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(RegistryError::Refused { url: url(), status: status.as_u16() })
        }
        _ => {
            let said = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
            let said = said.chars().take(QUOTED_CHARS_MAX).collect();
            Err(RegistryError::Failed { url: url(), status: status.as_u16(), said })
        }
    }
}
