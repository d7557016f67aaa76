//! What the clients of all clouds have in common on the wire: timeouts, retries, proxy, trust, TLS.

use std::time::Duration;

use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};
use url::Url;

use crate::store::{StoreError, StoreSettings};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// object_store's own retries: enough for a hiccup, over before the caller's patience is.
const RETRIES_MAX: usize = 2;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Timeouts are those of the calls: a total one that fits all requests does not exist.
pub(super) fn options(settings: &StoreSettings, allow_http: bool) -> Result<ClientOptions, StoreError> {
    let mut options =
        ClientOptions::new().with_allow_http(allow_http).with_connect_timeout(CONNECT_TIMEOUT).with_timeout_disabled();
    if let Some(proxy) = &settings.proxy {
        options = options.with_proxy_url(proxy.expose());
    }
    if let Some(hosts) = &settings.proxy_bypass {
        options = options.with_proxy_excludes(hosts);
    }
    if let Some(file) = &settings.ca_file {
        let name = file.display();
        let hint = "`store.ca_file` names a PEM file with one certificate or more";
        let pem = std::fs::read(file)
            .map_err(|error| settings.invalid(format!("`{name}` can't be read")).with_source(error).with_hint(hint))?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(settings.invalid(format!("`{name}` holds no certificate")).with_hint(hint));
        }
        options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    Ok(options)
}

pub(super) fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: RETRY_FIRST, max_backoff: RETRY_MAX, base: 2.0 },
        max_retries: RETRIES_MAX,
        retry_timeout: super::REQUEST_TIMEOUT,
    }
}

/// The endpoint without a slash at its end.
pub(super) fn checked_endpoint(
    settings: &StoreSettings,
    endpoint: &str,
    allow_http: bool,
) -> Result<String, StoreError> {
    let url = Url::parse(endpoint)
        .map_err(|e| settings.invalid(format!("the endpoint `{endpoint}` can't be parsed")).with_source(e))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(settings.invalid(format!("the endpoint `{endpoint}` is no `https://host[:port]`")));
    }
    if url.scheme() == "http" && !allow_http {
        let what = format!("the endpoint `{endpoint}` has no TLS");
        return Err(settings.invalid(what).with_hint("use `https://`, or set `allow_http = true` beside the endpoint"));
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let settings = StoreSettings { ca_file: Some(file.path().to_owned()), ..StoreSettings::at("s3://b") };
        let error = options(&settings, false).expect_err("it is empty");
        assert!(error.to_string().contains("holds no certificate"), "{error}");
        let settings = StoreSettings { ca_file: Some("/nowhere.pem".into()), ..StoreSettings::at("s3://b") };
        let error = options(&settings, false).expect_err("it is not there");
        assert!(
            error.to_string().contains("`/nowhere.pem` can't be read") && error.hint().contains("ca_file"),
            "{error}"
        );
    }
}
