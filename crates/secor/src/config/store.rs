//! The `[store]` section after parsing: where the archive is and how to log in to it.
//!
//! These are at once the form of the tables and what the store's room is given, so there is one list of fields. Which of
//! them go together is for [`super::store_rules`]; what a URL means is for the store.

use std::path::PathBuf;

use serde::Deserialize;

use super::Secret;

/// `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `azure://container/prefix`,
    /// `abfss://container@account.dfs.core.windows.net/prefix` or `swift://container/prefix`. The prefix of an object store's url is taken as it
    /// stands; a file url is percent-decoded, as everywhere.
    pub url: String,
    /// `http(s)://[user:password@]host:port` of a proxy for all requests; else the environment's (`HTTPS_PROXY`, ...).
    pub proxy: Option<Secret>,
    /// Hosts that are reached without the proxy, separated by commas.
    pub proxy_bypass: Option<String>,
    /// PEM file with certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    pub file: File,
    pub s3: S3,
    pub gs: Gs,
    pub azure: Azure,
    pub swift: Swift,
}

/// `[store.file]`, for `file://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Octal permissions of files; `None`: what the process's umask leaves.
    pub file_mode: Option<String>,
    /// Octal permissions of folders.
    pub folder_mode: Option<String>,
}

/// `[store.s3]`, for `s3://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// `http(s)://host[:port]` of an S3-compatible server. Default: Amazon's, or `AWS_ENDPOINT_URL` where the
    /// credentials come from the environment.
    pub endpoint: Option<String>,
    /// Default: that of the environment or profile where the credentials come from there, else `us-east-1`.
    pub region: Option<String>,
    /// With `secret_access_key`: static credentials, and the environment is not read at all.
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    /// Of temporary static credentials.
    pub session_token: Option<Secret>,
    /// A profile of the shared configuration files.
    pub profile: Option<String>,
    /// A role to assume with the credentials found.
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    pub role_session_name: Option<String>,
    /// Where the role is assumed; default: Amazon's.
    pub sts_endpoint: Option<String>,
    /// The bucket in the path instead of in the host name. Default: yes with an `endpoint`, no without.
    pub path_style: Option<bool>,
    /// Allow an endpoint without TLS.
    pub allow_http: bool,
    /// Default: what the bucket says.
    pub sse: Option<Sse>,
    pub sse_kms_key_id: Option<String>,
    /// 32 bytes in base64.
    pub sse_customer_key: Option<Secret>,
    pub bucket_key: Option<bool>,
    /// Of archived files, not of the ledger.
    pub storage_class: Option<String>,
    /// A canned ACL, of everything that is written.
    pub acl: Option<String>,
    /// `name=value` each; of archived files, not of the ledger.
    pub tags: Vec<String>,
    pub request_payer: bool,
    pub checksum: UploadChecksum,
}

/// Server-side encryption on S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sse {
    SseS3,
    SseKms,
    DsseKms,
    SseC,
}

/// The checksum that an upload to S3 carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UploadChecksum {
    #[default]
    Sha256,
    Crc64nvme,
}

/// `[store.gs]`, for `gs://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gs {
    /// Default: Google's.
    pub endpoint: Option<String>,
    pub allow_http: bool,
    /// JSON file of a service account, an authorised user or a workload identity federation. Default:
    /// `GOOGLE_APPLICATION_CREDENTIALS`, what `gcloud auth application-default login` left, the metadata server.
    pub credentials_file: Option<PathBuf>,
    /// The same, inline.
    pub credentials: Option<Secret>,
    /// An OAuth 2 access token, which nobody renews.
    pub access_token: Option<Secret>,
    /// `projects/.../cryptoKeys/...`; default: what the bucket says.
    pub kms_key: Option<String>,
    /// Of archived files, not of the ledger.
    pub storage_class: Option<String>,
}

/// `[store.azure]`, for `azure://` and `abfss://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Azure {
    /// Default: the url's, else `AZURE_STORAGE_ACCOUNT_NAME`.
    pub account: Option<String>,
    /// Default: `https://<account>.blob.core.windows.net`.
    pub endpoint: Option<String>,
    pub allow_http: bool,
    pub account_key: Option<Secret>,
    /// With or without the `?` at its beginning.
    pub sas_token: Option<Secret>,
    pub tenant_id: Option<String>,
    /// Of a service principal or a workload identity; alone, of a user-assigned managed identity.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    pub federated_token_file: Option<PathBuf>,
    /// Default: `https://login.microsoftonline.com`.
    pub authority_host: Option<String>,
    /// Of archived files, not of the ledger.
    pub tier: Option<String>,
    /// 32 bytes in base64.
    pub encryption_key: Option<Secret>,
}

/// `[store.swift]`, for `swift://`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swift {
    /// Of Keystone, such as `https://keystone:5000/v3`; of tempauth, when it ends with `/v1.0` or `/v1`.
    pub auth_url: Option<String>,
    /// Allow addresses without TLS.
    pub allow_http: bool,
    /// Tempauth's is `account:user`.
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub user_domain: Option<String>,
    pub project: Option<String>,
    pub project_domain: Option<String>,
    pub application_credential_id: Option<String>,
    pub application_credential_secret: Option<Secret>,
    /// With `auth_url` it is exchanged for one of the project; with `storage_url` alone it is used as it is.
    pub token: Option<Secret>,
    /// Of the account; instead of what the catalog or tempauth says.
    pub storage_url: Option<String>,
    /// Default: whatever stands first in the catalog.
    pub region: Option<String>,
    /// `public`, `internal` or `admin`.
    pub interface: Option<String>,
    /// Bytes above which a file is stored in segments.
    pub segment_size: Option<u64>,
    /// How long archived files are kept, in milliseconds.
    pub delete_after: Option<u64>,
}
