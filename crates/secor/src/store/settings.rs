//! Where the store is: what the url of the `[store]` section means.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::key;
use super::{Class, Operation, StoreError, StoreSettings};

/// A url, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    File {
        root: PathBuf,
    },
    S3(Bucket),
    Gs(Bucket),
    /// A container.
    Swift(Bucket),
    Azure {
        /// The container.
        bucket: Bucket,
        /// The account, where the url names it.
        account: Option<String>,
        /// Where the service is, where the url names it.
        endpoint: Option<String>,
    },
}

/// A bucket and a prefix in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) name: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub(super) prefix: String,
}

// === impl StoreSettings ===

impl StoreSettings {
    /// A store that needs nothing but its url.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    pub(super) fn location(&self) -> Result<Location, StoreError> {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return Err(self.invalid("a store's url looks like `s3://bucket/prefix` or `file:///folder`"));
        };
        match scheme {
            "file" => self.file_location(),
            "s3" => self.bucket(rest, "bucket").map(Location::S3),
            "gs" => self.bucket(rest, "bucket").map(Location::Gs),
            "swift" => self.bucket(rest, "container").map(Location::Swift),
            "azure" | "az" => {
                let bucket = self.bucket(rest, "container")?;
                Ok(Location::Azure { bucket, account: None, endpoint: None })
            }
            "abfs" | "abfss" => self.data_lake_location(rest),
            _ => Err(self.invalid(format!(
                "`{scheme}://` is no store that secor knows; there are `s3://`, `gs://`, `azure://`, `swift://` and \
                 `file://`"
            ))),
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

    /// `container@account.dfs.core.windows.net/prefix`. The data lake's own endpoint (`dfs`) and the blob service's
    /// lead to the same objects; creating one only if it is absent is done at the latter.
    fn data_lake_location(&self, rest: &str) -> Result<Location, StoreError> {
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let named = authority.split_once('@').and_then(|(container, host)| {
            let (account, domain) = host.split_once('.')?;
            (!account.is_empty()).then_some((container, account, domain))
        });
        let Some((container, account, domain)) = named else {
            let what = format!("`{authority}` is no `container@account.dfs.core.windows.net`");
            return Err(self.invalid(what));
        };
        let domain = domain.strip_prefix("dfs.").map_or_else(|| domain.to_owned(), |domain| format!("blob.{domain}"));
        let bucket = self.bucket(&format!("{container}/{prefix}"), "container")?;
        let endpoint = Some(format!("https://{account}.{domain}"));
        Ok(Location::Azure { bucket, account: Some(account.to_owned()), endpoint })
    }

    /// `what` is the provider's word for a bucket.
    fn bucket(&self, rest: &str, what: &str) -> Result<Bucket, StoreError> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'$'))
        {
            return Err(self.invalid(format!("`{name}` is no name of a {what}")));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !prefix.is_empty() {
            key::check(prefix).map_err(|e| self.invalid(format!("`{prefix}` is no prefix")).with_source(e))?;
        }
        Ok(Bucket { name: name.to_owned(), prefix: prefix.to_owned() })
    }

    pub(super) fn invalid(&self, what: impl Into<String>) -> StoreError {
        StoreError::new(Class::Invalid, &Arc::from(self.url.as_str()), Operation::Open, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{S3Settings, Secret};

    fn bucket(name: &str, prefix: &str) -> Bucket {
        Bucket { name: name.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn urls_are_understood() {
        let azure = |account: Option<&str>, endpoint: Option<&str>| Location::Azure {
            bucket: bucket("logs", "raw/a"),
            account: account.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
        };
        let cases = [
            ("s3://bucket", Location::S3(bucket("bucket", ""))),
            ("s3://bucket/", Location::S3(bucket("bucket", ""))),
            ("s3://bucket/raw_logs/a%3Db/", Location::S3(bucket("bucket", "raw_logs/a%3Db"))),
            ("gs://my_bucket.example.com/raw", Location::Gs(bucket("my_bucket.example.com", "raw"))),
            ("swift://archive/raw/a", Location::Swift(bucket("archive", "raw/a"))),
            ("azure://logs/raw/a", azure(None, None)),
            ("az://logs/raw/a/", azure(None, None)),
            (
                "abfss://logs@lake.dfs.core.windows.net/raw/a",
                azure(Some("lake"), Some("https://lake.blob.core.windows.net")),
            ),
            (
                "abfs://logs@lake.dfs.core.chinacloudapi.cn/raw/a",
                azure(Some("lake"), Some("https://lake.blob.core.chinacloudapi.cn")),
            ),
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
            ("ftp://bucket", "`ftp://` is no store"),
            ("file://archive/x", "three slashes"),
            ("file:///archive?x", "%3F"),
            ("s3:///prefix", "no name of a bucket"),
            ("s3://buc ket", "no name of a bucket"),
            ("s3://bucket/a//b", "no prefix"),
            ("azure:///prefix", "no name of a container"),
            ("abfss://logs/raw", "no `container@account"),
            ("abfss://logs@.dfs.core.windows.net/raw", "no `container@account"),
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
