//! Google Cloud Storage, by its XML interface, which is what object_store speaks.
//!
//! A create sends `x-goog-if-generation-match: 0`. Whose credentials: the configured ones, else what
//! `GOOGLE_APPLICATION_CREDENTIALS` or gcloud left, else the metadata server of the machine or of the Kubernetes node
//! (workload identity). A file of the kind `external_account` (workload identity federation) is for [`federated`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::client::{HttpConnector, ReqwestConnector, StaticCredentialProvider};
use object_store::gcp::{GcpCredential, GcpCredentialProvider, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{ClientOptions, HeaderMap, HeaderValue, TagSet};

use super::federated::Federated;
use super::{Clients, Dialect, federated, http};
use crate::store::{GsSettings, StoreError, StoreSettings};

static DIALECT: Dialect = Dialect {
    // 5 TiB are allowed; what is repeated as a whole after a broken connection should be smaller
    object_bytes_max: 5 << 30,
    digest_metadata: "secor-records",
    keeps_backslashes: true,
    hint_denied: "check the credentials and that they allow storage.objects.create, .get and .list on the bucket (the \
                  roles Storage Object Creator and Storage Object Viewer)",
    hint_credentials: "set `credentials_file` in `[store.gs]`, or GOOGLE_APPLICATION_CREDENTIALS, or give the machine a \
                       service account",
    hint_elsewhere: "check `endpoint` in `[store.gs]`",
};

/// Which key encrypts what is written.
const KMS_HEADER: &str = "x-goog-encryption-kms-key-name";

pub(super) fn build(settings: &StoreSettings, bucket: &str) -> Result<Clients, StoreError> {
    let gs = &settings.gs;
    let reader = Arc::new(client(settings, bucket, None, HeaderMap::new())?);
    let writer = match &gs.kms_key {
        None => Arc::clone(&reader),
        Some(key) => {
            let value = HeaderValue::from_str(key).map_err(|_| settings.invalid("`kms_key` is no name of a key"))?;
            let headers = HeaderMap::from_iter([(KMS_HEADER.parse().expect("it is the name of a header"), value)]);
            Arc::new(client(settings, bucket, Some(Arc::clone(reader.credentials())), headers)?)
        }
    };
    let (storage_class, tags) = (gs.storage_class.clone(), TagSet::default());
    Ok(Clients { reader, writer, dialect: &DIALECT, storage_class, tags })
}

fn client(
    settings: &StoreSettings,
    bucket: &str,
    credentials: Option<GcpCredentialProvider>,
    headers: HeaderMap,
) -> Result<GoogleCloudStorage, StoreError> {
    let gs = &settings.gs;
    let options = http::options(settings, gs.allow_http)?;
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(http::retry());
    if let Some(endpoint) = &gs.endpoint {
        builder = builder.with_base_url(&http::checked_endpoint(settings, endpoint, gs.allow_http)?);
    }
    builder = match credentials {
        Some(credentials) => builder.with_credentials(credentials),
        None => log_in(settings, builder, &options)?,
    };
    let builder = builder.with_client_options(options.with_default_headers(headers));
    builder.build().map_err(|error| settings.invalid(error.to_string()).with_hint(DIALECT.hint_credentials))
}

/// Says whose credentials are used.
fn log_in(
    settings: &StoreSettings,
    builder: GoogleCloudStorageBuilder,
    options: &ClientOptions,
) -> Result<GoogleCloudStorageBuilder, StoreError> {
    let GsSettings { credentials_file, credentials, access_token, .. } = &settings.gs;
    if let Some(token) = access_token {
        let credential = GcpCredential { bearer: token.expose().to_owned() };
        return Ok(builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential))));
    }
    let (json, file) = match (credentials, credentials_file.clone().or_else(default_file)) {
        (Some(json), _) => (json.expose().to_owned(), None),
        (None, Some(file)) => (read(settings, &file)?, Some(file)),
        // the metadata server
        (None, None) => return Ok(builder),
    };
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
    match (parsed["type"].as_str(), file) {
        (Some("external_account"), _) => {
            let client = ReqwestConnector::default()
                .connect(&options.clone().with_allow_http(true))
                .map_err(|error| settings.invalid(error.to_string()))?;
            let source = federated::Source::parse(&json).map_err(|why| settings.invalid(why.0).with_hint(why.1))?;
            Ok(builder.with_credentials(Arc::new(Federated::new(source, client))))
        }
        (Some("service_account"), _) => Ok(builder.with_service_account_key(json)),
        (Some("authorized_user"), Some(file)) => Ok(builder.with_application_credentials(file.display().to_string())),
        (Some("authorized_user"), None) => {
            let what = "an authorised user's credentials can't be inline";
            Err(settings.invalid(what).with_hint("name the file in `credentials_file` in `[store.gs]`"))
        }
        (kind, _) => {
            let what = match kind {
                Some(kind) => format!("credentials of the type `{kind}` are not supported"),
                None => "the credentials are no JSON object with a `type`".to_owned(),
            };
            let hint = "supported are `service_account`, `authorized_user` and `external_account`";
            Err(settings.invalid(what).with_hint(hint))
        }
    }
}

fn read(settings: &StoreSettings, file: &Path) -> Result<String, StoreError> {
    std::fs::read_to_string(file).map_err(|error| {
        let what = format!("the credentials `{}` can't be read", file.display());
        settings.invalid(what).with_source(error).with_hint(DIALECT.hint_credentials)
    })
}

/// Where Google's own tools look.
fn default_file() -> Option<PathBuf> {
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|name| !name.is_empty()).map(PathBuf::from);
    let of_gcloud = || {
        let home = std::env::var_os("HOME")?;
        let file = Path::new(&home).join(".config/gcloud/application_default_credentials.json");
        file.is_file().then_some(file)
    };
    named.or_else(of_gcloud)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Secret;

    fn built(gs: GsSettings) -> Result<(), StoreError> {
        let settings = StoreSettings { gs, ..StoreSettings::at("gs://bucket/prefix") };
        build(&settings, "bucket").map(drop)
    }

    fn refusal(json: &str) -> String {
        let error = built(GsSettings { credentials: Some(Secret::new(json)), ..GsSettings::default() });
        let error = error.expect_err("these are no credentials");
        format!("{error} ({})", error.hint())
    }

    #[test]
    fn credentials_of_each_kind_are_taken_or_refused_with_a_reason() {
        assert!(refusal("{}").contains("no JSON object with a `type`"));
        assert!(refusal(r#"{"type":"gdch_service_account"}"#).contains("`gdch_service_account` are not supported"));
        assert!(refusal(r#"{"type":"authorized_user"}"#).contains("credentials_file"));
        assert!(refusal(r#"{"type":"external_account","audience":"a"}"#).contains("are not whole"));
        let token = GsSettings { access_token: Some(Secret::new("t")), ..GsSettings::default() };
        assert!(built(token.clone()).is_ok());
        assert!(built(GsSettings { kms_key: Some("projects/p".to_owned()), ..token.clone() }).is_ok());
        let error = built(GsSettings { endpoint: Some("http://localhost:1".to_owned()), ..token }).expect_err("no TLS");
        assert!(error.to_string().contains("no TLS"), "{error}");
    }
}
