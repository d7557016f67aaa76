//! Amazon's store and everything that speaks its language.
//!
//! Static credentials without a role are used as they are; everything else (environment, profiles, SSO, roles, web
//! identity, containers, instances) is the chain of Amazon's own crate, see [`aws_chain`].
//!
//! Headers that object_store has no setting for (a canned ACL) are default headers of a client that only writes; they are
//! there before the request is signed.

use std::sync::Arc;

use object_store::aws::{
    AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider, Checksum, S3ConditionalPut,
};
use object_store::{ClientConfigKey, HeaderMap, HeaderValue, TagSet};

use super::aws_chain::{self, Chain};
use super::{Clients, Dialect, http};
use crate::store::{S3Settings, Sse, StoreError, StoreSettings, UploadChecksum};

static DIALECT: Dialect = Dialect {
    object_bytes_max: 5 << 30,
    digest_metadata: "secor-records",
    keeps_backslashes: true,
    hint_denied: "check the credentials and that they allow reading, writing and listing below the store's url (on S3: \
                  s3:GetObject, s3:PutObject, s3:ListBucket)",
    hint_credentials: "set `access_key_id` and `secret_access_key` in `[store.s3]`, or `profile`, or AWS_ACCESS_KEY_ID and \
                       AWS_SECRET_ACCESS_KEY",
    hint_elsewhere: "set `region` in `[store.s3]` to the bucket's, or `endpoint` to its server",
};

/// A canned ACL.
const ACL_HEADER: &str = "x-amz-acl";

pub(super) fn build(settings: &StoreSettings, bucket: &str) -> Result<Clients, StoreError> {
    let s3 = &settings.s3;
    let reader = Arc::new(client(settings, bucket, None, HeaderMap::new())?);
    let writer = match &s3.acl {
        None => Arc::clone(&reader),
        Some(acl) => {
            let value = HeaderValue::from_str(acl).map_err(|_| settings.invalid("`acl` is no canned ACL"))?;
            let headers = HeaderMap::from_iter([(ACL_HEADER.parse().expect("it is the name of a header"), value)]);
            Arc::new(client(settings, bucket, Some(Arc::clone(reader.credentials())), headers)?)
        }
    };
    let mut tags = TagSet::default();
    for (name, value) in s3.tags.iter().filter_map(|tag| tag.split_once('=')) {
        tags.push(name, value);
    }
    Ok(Clients { reader, writer, dialect: &DIALECT, storage_class: s3.storage_class.clone(), tags })
}

fn client(
    settings: &StoreSettings,
    bucket: &str,
    credentials: Option<AwsCredentialProvider>,
    headers: HeaderMap,
) -> Result<AmazonS3, StoreError> {
    let s3 = &settings.s3;
    let mut builder = log_in(settings, credentials)?
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_unsigned_payload(false)
        .with_request_payer(s3.request_payer)
        .with_retry(http::retry())
        .with_checksum_algorithm(match s3.checksum {
            UploadChecksum::Sha256 => Checksum::SHA256,
            UploadChecksum::Crc64nvme => Checksum::CRC64NVME,
        });
    builder = encrypted(builder, s3);

    let endpoint = s3.endpoint.clone().or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let allowed_by_environment = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
    let allow_http = s3.allow_http || builder.get_config_value(&allowed_by_environment).is_some_and(|v| v == "true");
    let path_style = s3.path_style.unwrap_or(endpoint.is_some());
    if let Some(endpoint) = endpoint {
        let endpoint = http::checked_endpoint(settings, &endpoint, allow_http)?;
        let endpoint = if path_style { endpoint } else { with_bucket_in_host(&endpoint, bucket) };
        builder = builder.with_endpoint(endpoint);
    }
    let options = http::options(settings, allow_http)?.with_default_headers(headers);
    let builder = builder.with_virtual_hosted_style_request(!path_style).with_client_options(options);
    builder.build().map_err(|error| settings.invalid(error.to_string()))
}

/// Says whose credentials are used, and where the bucket is as far as they tell.
fn log_in(settings: &StoreSettings, credentials: Option<AwsCredentialProvider>) -> Result<AmazonS3Builder, StoreError> {
    let S3Settings { access_key_id, secret_access_key, session_token, region, role_arn, .. } = &settings.s3;
    if access_key_id.is_some() != secret_access_key.is_some() || (session_token.is_some() && access_key_id.is_none()) {
        let what = "`access_key_id` and `secret_access_key` go together, and `session_token` only with both";
        return Err(settings.invalid(what));
    }
    let mut builder = if access_key_id.is_some() { AmazonS3Builder::new() } else { AmazonS3Builder::from_env() };
    if let (Some(id), Some(secret), None) = (access_key_id, secret_access_key, role_arn) {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
        if let Some(token) = session_token {
            builder = builder.with_token(token.expose());
        }
        return Ok(region.iter().fold(builder, |builder, region| builder.with_region(region)));
    }
    let of_environment = builder.get_config_value(&AmazonS3ConfigKey::Region);
    let region = region.clone().or(of_environment).or_else(|| aws_chain::region_of_profile(&settings.s3));
    let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let credentials = match credentials {
        Some(credentials) => credentials,
        None => Arc::new(Chain::new(settings, &region)?),
    };
    Ok(builder.with_region(region).with_credentials(credentials))
}

/// Amazon's own, where nobody says anything.
const DEFAULT_REGION: &str = "us-east-1";

fn encrypted(builder: AmazonS3Builder, s3: &S3Settings) -> AmazonS3Builder {
    let key = s3.sse_kms_key_id.as_deref();
    let with = |kind: &str, builder: AmazonS3Builder| {
        builder.with_config("aws_server_side_encryption".parse().expect("a key of object_store"), kind)
    };
    let builder = match s3.sse {
        None => builder,
        Some(Sse::SseS3) => with("AES256", builder),
        Some(Sse::SseKms) => {
            key.map_or_else(|| with("aws:kms", builder.clone()), |key| builder.clone().with_sse_kms_encryption(key))
        }
        Some(Sse::DsseKms) => key
            .map_or_else(|| with("aws:kms:dsse", builder.clone()), |key| builder.clone().with_dsse_kms_encryption(key)),
        Some(Sse::SseC) => {
            let key = s3.sse_customer_key.as_ref().map(|key| key.expose()).unwrap_or_default();
            builder.with_ssec_encryption(key)
        }
    };
    s3.bucket_key.iter().fold(builder, |builder, enabled| builder.with_bucket_key(*enabled))
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
        StoreSettings { s3, ..StoreSettings::at("s3://bucket/prefix") }
    }

    fn with_login() -> S3Settings {
        S3Settings {
            access_key_id: Some("id".to_owned()),
            secret_access_key: Some(Secret::new("hush")),
            ..S3Settings::default()
        }
    }

    fn refusal(s3: S3Settings) -> StoreError {
        let error = build(&settings(s3), "bucket").map(drop).expect_err("these settings contradict themselves");
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
