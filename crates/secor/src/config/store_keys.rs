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
         `abfss://container@account.dfs.core.windows.net/prefix`, `swift://container/prefix` or \
         `file:///absolute/folder`. The ledger lies below it in `_secor/`. [Stores](stores.md) has a section for each.",
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
    // --- swift
    key(
        "store.swift.auth_url",
        Kind::Text(store_checks::auth_url),
        NONE,
        "Keystone's address, such as `https://keystone:5000/v3`; tempauth's if it ends with `/v1.0` or `/v1`.",
    ),
    key("store.swift.allow_http", Kind::Flag, NO, "Allows addresses without TLS."),
    key("store.swift.user", TEXT, NONE, "Name of the user; for tempauth `account:user`."),
    key("store.swift.password", Kind::Secret, NONE, "Of the user; tempauth's key."),
    key("store.swift.user_domain", TEXT, Fallback::Absent("`Default`"), "Name of the user's domain."),
    key("store.swift.project", TEXT, NONE, "Name of the project that owns the container."),
    key("store.swift.project_domain", TEXT, Fallback::Absent("`Default`"), "Name of the project's domain."),
    key(
        "store.swift.application_credential_id",
        TEXT,
        NONE,
        "An application credential instead of user and project; needs `application_credential_secret`.",
    ),
    key("store.swift.application_credential_secret", Kind::Secret, NONE, "Needs `application_credential_id`."),
    key(
        "store.swift.token",
        Kind::Secret,
        NONE,
        "A token of Keystone's, exchanged at `auth_url`, or with `storage_url` alone used as it is. Nobody renews it.",
    ),
    key(
        "store.swift.storage_url",
        Kind::Text(store_checks::storage_url),
        Fallback::Absent("what the catalog or tempauth says"),
        "The account's address, such as `https://swift/v1/AUTH_project`.",
    ),
    key("store.swift.region", TEXT, Fallback::Absent("the first of the catalog"), "Region of the object store."),
    key(
        "store.swift.interface",
        word(&["public", "internal", "admin"]),
        Fallback::Absent("`public`"),
        "Which of the catalog's addresses is used.",
    ),
    key(
        "store.swift.segment_size",
        Kind::Size { min: 1 << 20, max: 5 << 30 },
        Fallback::Absent("`1GiB`"),
        "Larger files are stored in segments of this size, as static large objects.",
    ),
    key(
        "store.swift.delete_after",
        Kind::Duration { min: 1_000, max: i64::MAX as u64 },
        Fallback::Absent("files are kept"),
        "Swift deletes archived files this long after they were stored (`X-Delete-After`). The ledger is kept.",
    ),
];
