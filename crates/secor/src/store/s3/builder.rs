//! From settings to a client: endpoint, credentials, timeouts.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, RetryConfig};
use url::Url;

use crate::store::{S3Settings, StoreError, StoreSettings};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// object_store's own retries: enough for a hiccup, over before the caller's patience is.
const RETRIES_MAX: usize = 2;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

pub(super) fn build(settings: &StoreSettings, bucket: &str) -> Result<AmazonS3, StoreError> {
    let s3 = &settings.s3;
    let mut builder = credentials(settings)?
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_unsigned_payload(false)
        .with_retry(RetryConfig {
            backoff: BackoffConfig { init_backoff: RETRY_FIRST, max_backoff: RETRY_MAX, base: 2.0 },
            max_retries: RETRIES_MAX,
            retry_timeout: super::REQUEST_TIMEOUT,
        });
    if let Some(region) = &s3.region {
        builder = builder.with_region(region);
    }

    let endpoint = s3.endpoint.clone().or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let allowed_by_environment = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    let allow_http = s3.allow_http || builder.get_config_value(&allowed_by_environment).is_some_and(|v| v == "true");
    let path_style = s3.path_style.unwrap_or(endpoint.is_some());
    if let Some(endpoint) = endpoint {
        let endpoint = checked_endpoint(settings, &endpoint, allow_http)?;
        let endpoint = if path_style { endpoint } else { with_bucket_in_host(&endpoint, bucket) };
        builder = builder.with_endpoint(endpoint);
    }
    let client =
        ClientOptions::new().with_allow_http(allow_http).with_connect_timeout(CONNECT_TIMEOUT).with_timeout_disabled();
    let builder = builder.with_virtual_hosted_style_request(!path_style).with_client_options(client);
    builder.build().map_err(|error| settings.invalid(error.to_string()))
}

/// Static credentials, or what the environment offers.
fn credentials(settings: &StoreSettings) -> Result<AmazonS3Builder, StoreError> {
    let S3Settings { access_key_id, secret_access_key, session_token, .. } = &settings.s3;
    let (id, secret) = match (access_key_id, secret_access_key) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) if session_token.is_none() => return Ok(AmazonS3Builder::from_env()),
        _ => {
            let what = "`access_key_id` and `secret_access_key` go together, and `session_token` only with both";
            return Err(settings.invalid(what));
        }
    };
    let builder = AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose());
    Ok(match session_token {
        Some(token) => builder.with_token(token.expose()),
        None => builder,
    })
}

fn checked_endpoint(settings: &StoreSettings, endpoint: &str, allow_http: bool) -> Result<String, StoreError> {
    let url = Url::parse(endpoint)
        .map_err(|e| settings.invalid(format!("the endpoint `{endpoint}` can't be parsed")).with_source(e))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(settings.invalid(format!("the endpoint `{endpoint}` is no `https://host[:port]`")));
    }
    if url.scheme() == "http" && !allow_http {
        let what = format!("the endpoint `{endpoint}` has no TLS");
        return Err(settings.invalid(what).with_hint("use `https://`, or set `allow_http = true` in `[store.s3]`"));
    }
    Ok(endpoint.trim_end_matches('/').to_owned())
}

/// `https://host` becomes `https://bucket.host`, which is what object_store wants for the virtual-hosted style.
fn with_bucket_in_host(endpoint: &str, bucket: &str) -> String {
    endpoint.replacen("://", &format!("://{bucket}."), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Class, Secret};

    fn settings(s3: S3Settings) -> StoreSettings {
        StoreSettings { url: "s3://bucket/prefix".to_owned(), s3 }
    }

    fn with_login() -> S3Settings {
        S3Settings {
            access_key_id: Some("id".to_owned()),
            secret_access_key: Some(Secret::new("hush")),
            ..S3Settings::default()
        }
    }

    fn refusal(s3: S3Settings) -> StoreError {
        let error = build(&settings(s3), "bucket").expect_err("these settings contradict themselves");
        assert_eq!(error.class, Class::Invalid);
        error
    }

    #[test]
    fn contradictions_are_refused_with_a_reason() {
        let error = refusal(S3Settings { endpoint: Some("http://localhost:9".to_owned()), ..with_login() });
        assert!(error.to_string().contains("no TLS") && error.hint().contains("allow_http"), "{error}");
        let error = refusal(S3Settings { endpoint: Some("localhost:9".to_owned()), ..with_login() });
        assert!(error.to_string().contains("`https://host[:port]`"), "{error}");
        let error = refusal(S3Settings { endpoint: Some("no url".to_owned()), ..with_login() });
        assert!(error.to_string().contains("can't be parsed"), "{error}");
        let error = refusal(S3Settings { secret_access_key: None, ..with_login() });
        assert!(error.to_string().contains("go together"), "{error}");
        let error = refusal(S3Settings { session_token: Some(Secret::new("t")), ..S3Settings::default() });
        assert!(error.to_string().contains("only with both"), "{error}");
    }

    #[test]
    fn an_endpoint_is_used_with_the_bucket_in_the_path_unless_told_otherwise() {
        let endpoint = Some("https://s3.example:9000/".to_owned());
        assert!(build(&settings(S3Settings { endpoint: endpoint.clone(), ..with_login() }), "bucket").is_ok());
        assert!(build(&settings(S3Settings { endpoint, path_style: Some(false), ..with_login() }), "bucket").is_ok());
        assert_eq!(with_bucket_in_host("https://s3.example:9000", "bucket"), "https://bucket.s3.example:9000");
    }
}
