//! Where the store is and how to log in to it: the values of the `[store]` section after parsing.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::config::Secret;

use super::key;
use super::{Class, Operation, StoreError};

/// The `[store]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// `file:///folder` or `s3://bucket/prefix`. The prefix of an S3 url is taken as it stands; a file url is
    /// percent-decoded, as everywhere.
    pub url: String,
    /// Used for `s3://` only.
    pub s3: S3Settings,
}

/// The `[store.s3]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// `http(s)://host[:port]` of an S3-compatible server. Default: Amazon's, or `AWS_ENDPOINT_URL` where the
    /// credentials come from the environment.
    pub endpoint: Option<String>,
    /// Default: `AWS_REGION` where the credentials come from the environment, else `us-east-1`.
    pub region: Option<String>,
    /// With `secret_access_key`: static credentials, and the environment is not read at all. Without: the environment,
    /// web identity, container and instance metadata, in this order.
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    /// Of temporary static credentials.
    pub session_token: Option<Secret>,
    /// The bucket in the path instead of in the host name. Default: yes with an `endpoint`, no without.
    pub path_style: Option<bool>,
    /// Allow an endpoint without TLS.
    pub allow_http: bool,
}

/// A url, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    File { root: PathBuf },
    S3 { bucket: String, prefix: String },
}

// === impl StoreSettings ===

impl StoreSettings {
    /// A store that needs nothing but its url.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), s3: S3Settings::default() }
    }

    pub(super) fn location(&self) -> Result<Location, StoreError> {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return Err(self.invalid("a store's url looks like `s3://bucket/prefix` or `file:///folder`"));
        };
        match scheme {
            "file" => self.file_location(),
            "s3" => self.s3_location(rest),
            _ => {
                Err(self
                    .invalid(format!("`{scheme}://` is no store that secor knows; there are `s3://` and `file://`")))
            }
        }
    }

    fn file_location(&self) -> Result<Location, StoreError> {
        let url = Url::parse(&self.url).map_err(|e| self.invalid("the url can't be parsed").with_source(e))?;
        if url.host_str().is_some_and(|host| host != "localhost") {
            return Err(self.invalid("a file url has three slashes and an absolute path, as in `file:///var/archive`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.invalid("`?` and `#` in a file url are written `%3F` and `%23`"));
        }
        match url.to_file_path() {
            Ok(root) => Ok(Location::File { root }),
            Err(()) => Err(self.invalid("the url names no path of this machine")),
        }
    }

    fn s3_location(&self, rest: &str) -> Result<Location, StoreError> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            return Err(self.invalid(format!("`{bucket}` is no name of a bucket")));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty() {
            key::check(prefix).map_err(|e| self.invalid(format!("`{prefix}` is no prefix")).with_source(e))?;
        }
        Ok(Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    pub(super) fn invalid(&self, what: impl Into<String>) -> StoreError {
        StoreError::new(Class::Invalid, &Arc::from(self.url.as_str()), Operation::Open, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str, prefix: &str) -> Location {
        Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn urls_are_understood() {
        let cases = [
            ("s3://bucket", s3("bucket", "")),
            ("s3://bucket/", s3("bucket", "")),
            ("s3://bucket/raw_logs/a%3Db/", s3("bucket", "raw_logs/a%3Db")),
            ("file:///var/archive", Location::File { root: "/var/archive".into() }),
            ("file:///var/my%20archive", Location::File { root: "/var/my archive".into() }),
        ];
        for (url, location) in cases {
            assert_eq!(StoreSettings::at(url).location().expect(url), location);
        }
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        let cases = [
            ("/var/archive", "looks like"),
            ("gs://bucket", "`gs://` is no store"),
            ("file://archive/x", "three slashes"),
            ("file:///archive?x", "%3F"),
            ("s3:///prefix", "no name of a bucket"),
            ("s3://buc ket", "no name of a bucket"),
            ("s3://bucket/a//b", "no prefix"),
        ];
        for (url, reason) in cases {
            let error = StoreSettings::at(url).location().expect_err(url);
            assert_eq!(error.class, Class::Invalid);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let settings = S3Settings { secret_access_key: Some(Secret::new("hush")), ..S3Settings::default() };
        let printed = format!("{settings:?}");
        assert!(printed.contains("***") && !printed.contains("hush"), "{printed}");
    }
}
