//! The keys of `[store]` and its tables: the part of [`super::schema`] that knows clouds.

use super::schema::{Fallback, Key, Kind, key, word};
use super::{checks, store_checks};

const TEXT: Kind = Kind::Text(checks::not_empty);
const NO: Fallback = Fallback::Toml("false");
const NONE: Fallback = Fallback::Absent("none");

pub(super) const STORE_KEYS: &[Key] = &[
    key(
        "store.url",
        Kind::Text(store_checks::store_url),
        Fallback::Required,
        "`s3://bucket/prefix`, `gs://bucket/prefix`, `azure://container/prefix`, \
         `abfss://container@account.dfs.core.windows.net/prefix` or `file:///absolute/folder`. The ledger lies below it \
         in `_secor/`. [Stores](stores.md) has a section for each.",
    ),
    key(
        "store.proxy",
        Kind::Secret,
        Fallback::Absent("the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`)"),
        "`http://[user:password@]host:port` of a proxy for all requests to an object store.",
    ),
    key("store.proxy_bypass", TEXT, NONE, "Hosts that are reached without the `proxy`, separated by commas."),
    key(
        "store.ca_file",
        Kind::Text(checks::absolute_path),
        NONE,
        "PEM file with certificates to trust beside the system's.",
    ),
    // --- file
    key(
        "store.file.file_mode",
        Kind::Text(store_checks::file_mode),
        Fallback::Absent("what the umask leaves"),
        "Permissions of files, octal, such as `\"0640\"`.",
    ),
    key(
        "store.file.folder_mode",
        Kind::Text(store_checks::folder_mode),
        Fallback::Absent("what the umask leaves"),
        "Permissions of folders, octal, such as `\"2750\"`.",
    ),
    // --- s3
    key(
        "store.s3.endpoint",
        Kind::Text(store_checks::endpoint),
        Fallback::Absent("Amazon's"),
        "URL of an S3-compatible server.",
    ),
    key(
        "store.s3.region",
        TEXT,
        Fallback::Absent("`AWS_REGION` or the profile's, else `us-east-1`"),
        "The bucket's region.",
    ),
    key(
        "store.s3.access_key_id",
        TEXT,
        Fallback::Absent("the default chain: environment, profile, web identity, container, instance"),
        "Needs `secret_access_key`.",
    ),
    key("store.s3.secret_access_key", Kind::Secret, Fallback::Absent("the default chain"), "Needs `access_key_id`."),
    key("store.s3.session_token", Kind::Secret, NONE, "Of temporary credentials."),
    key(
        "store.s3.profile",
        TEXT,
        Fallback::Absent("`AWS_PROFILE`, else `default`"),
        "Profile of the shared configuration files: keys, SSO, `source_profile`, `credential_process`.",
    ),
    key("store.s3.role_arn", TEXT, NONE, "Role to assume with the credentials found."),
    key("store.s3.external_id", TEXT, NONE, "For `role_arn`, when the role's owner demands one."),
    key("store.s3.role_session_name", TEXT, Fallback::Absent("`secor`"), "For `role_arn`; stands in audit logs."),
    key(
        "store.s3.sts_endpoint",
        Kind::Text(store_checks::endpoint),
        Fallback::Absent("Amazon's"),
        "For `role_arn`: where the role is assumed.",
    ),
    key(
        "store.s3.path_style",
        Kind::Flag,
        Fallback::Absent("`true` with an endpoint, else `false`"),
        "`https://host/bucket/key` instead of `https://bucket.host/key`.",
    ),
    key("store.s3.allow_http", Kind::Flag, NO, "Allows an endpoint without TLS."),
    key(
        "store.s3.sse",
        word(&["sse-s3", "sse-kms", "dsse-kms", "sse-c"]),
        Fallback::Absent("the bucket's default"),
        "Server-side encryption of everything that is written.",
    ),
    key("store.s3.sse_kms_key_id", TEXT, Fallback::Absent("the account's key for S3"), "For `sse-kms`, `dsse-kms`."),
    key(
        "store.s3.sse_customer_key",
        Kind::Secret,
        NONE,
        "For `sse-c`: 32 bytes in base64. Without it nothing can be read.",
    ),
    key(
        "store.s3.bucket_key",
        Kind::Flag,
        Fallback::Absent("the bucket's default"),
        "For `sse-kms`: fewer requests to KMS.",
    ),
    key(
        "store.s3.storage_class",
        word(&[
            "STANDARD",
            "STANDARD_IA",
            "ONEZONE_IA",
            "INTELLIGENT_TIERING",
            "GLACIER_IR",
            "GLACIER",
            "DEEP_ARCHIVE",
            "REDUCED_REDUNDANCY",
            "EXPRESS_ONEZONE",
            "OUTPOSTS",
            "SNOW",
        ]),
        Fallback::Absent("`STANDARD`"),
        "Of archived files; the ledger stays in `STANDARD`.",
    ),
    key(
        "store.s3.acl",
        word(&[
            "private",
            "public-read",
            "public-read-write",
            "authenticated-read",
            "aws-exec-read",
            "bucket-owner-read",
            "bucket-owner-full-control",
        ]),
        Fallback::Absent("the bucket's ownership decides"),
        "Canned ACL of everything that is written, for buckets whose ACLs are not disabled.",
    ),
    key(
        "store.s3.tags",
        Kind::Texts(store_checks::tag),
        Fallback::Toml("[]"),
        "Tags of archived files, each `\"name=value\"`, at most 10; needs `s3:PutObjectTagging`. The ledger has none.",
    ),
    key("store.s3.request_payer", Kind::Flag, NO, "For a bucket whose requester pays."),
    key(
        "store.s3.checksum",
        word(&["sha256", "crc64nvme"]),
        Fallback::Toml("\"sha256\""),
        "The checksum that an upload carries and the store checks and keeps.",
    ),
    // --- gs
    key(
        "store.gs.endpoint",
        Kind::Text(store_checks::endpoint),
        Fallback::Absent("Google's"),
        "URL of another server.",
    ),
    key("store.gs.allow_http", Kind::Flag, NO, "Allows an endpoint without TLS."),
    key(
        "store.gs.credentials_file",
        Kind::Text(checks::absolute_path),
        Fallback::Absent("`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's own, the metadata server"),
        "JSON file of a service account, an authorised user, or a workload identity federation.",
    ),
    key("store.gs.credentials", Kind::Secret, NONE, "The same JSON, inline."),
    key("store.gs.access_token", Kind::Secret, NONE, "An OAuth access token, which nobody renews: for short runs."),
    key(
        "store.gs.kms_key",
        Kind::Text(store_checks::gs_kms_key),
        Fallback::Absent("the bucket's default"),
        "`projects/P/locations/L/keyRings/R/cryptoKeys/K`, for everything that is written.",
    ),
    key(
        "store.gs.storage_class",
        word(&["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]),
        Fallback::Absent("the bucket's default"),
        "Of archived files; the ledger has the bucket's.",
    ),
    // --- azure
    key(
        "store.azure.account",
        TEXT,
        Fallback::Absent("the URL's, else `AZURE_STORAGE_ACCOUNT_NAME`"),
        "The storage account.",
    ),
    key(
        "store.azure.endpoint",
        Kind::Text(store_checks::azure_endpoint),
        Fallback::Absent("`https://<account>.blob.core.windows.net`"),
        "Of a sovereign cloud or another server, up to the container.",
    ),
    key("store.azure.allow_http", Kind::Flag, NO, "Allows an endpoint without TLS."),
    key(
        "store.azure.account_key",
        Kind::Secret,
        Fallback::Absent("the `AZURE_*` environment, else the managed identity"),
        "The account's shared key.",
    ),
    key("store.azure.sas_token", Kind::Secret, NONE, "A shared access signature instead of the key."),
    key("store.azure.tenant_id", TEXT, NONE, "Of a service principal or workload identity."),
    key(
        "store.azure.client_id",
        TEXT,
        NONE,
        "Of a service principal or workload identity; alone, of a user-assigned managed identity.",
    ),
    key("store.azure.client_secret", Kind::Secret, NONE, "Of a service principal."),
    key(
        "store.azure.federated_token_file",
        Kind::Text(checks::absolute_path),
        NONE,
        "Of a workload identity: the file that Kubernetes renews.",
    ),
    key(
        "store.azure.authority_host",
        Kind::Text(store_checks::endpoint),
        Fallback::Absent("`https://login.microsoftonline.com`"),
        "Where tokens come from, in a sovereign cloud.",
    ),
    key(
        "store.azure.tier",
        word(&["Hot", "Cool", "Cold", "Archive"]),
        Fallback::Absent("the account's default"),
        "Access tier of archived files; the ledger has the account's default.",
    ),
    key(
        "store.azure.encryption_key",
        Kind::Secret,
        NONE,
        "Customer-provided key: 32 bytes in base64. Without it nothing can be read.",
    ),
];
