//! What a write, and only a write, carries.

use std::io::Write as _;

use bytes::Bytes;
use secor::store::{
    Attributes, AzureSettings, Create, GsSettings, S3Settings, Secret, Sse, Store, StoreSettings, UploadChecksum, open,
};
use secor_core::ids::Digest;
use serde_json::json;

use super::harness::python;
use super::recorder::{Answer, Recorder, Request};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 32 bytes.
const CUSTOMER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Its MD5 in base64.
const CUSTOMER_KEY_MD5: &str = "hRasmdxgYDKV3nvbahU1MA==";

/// A store that takes everything that is written and has nothing to read.
fn accepting() -> Recorder {
    Recorder::start(|request| match request.method.as_str() {
        "PUT" => Answer::created(),
        _ => Answer::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
    })
}

fn s3(recorder: &Recorder, s3: S3Settings) -> StoreSettings {
    StoreSettings {
        s3: S3Settings {
            endpoint: Some(recorder.endpoint()),
            region: Some("eu-central-1".to_owned()),
            access_key_id: Some("AKIDEXAMPLE".to_owned()),
            secret_access_key: Some(Secret::new(SECRET)),
            allow_http: true,
            ..s3
        },
        ..StoreSettings::at("s3://bucket/raw logs")
    }
}

/// Writes an archived file and a ledger entry; their requests.
async fn written(store: &dyn Store, recorder: &Recorder) -> (Request, Request) {
    let digest = Attributes { digest: Some(Digest(7)), content_type: None };
    let entry = Attributes { digest: None, content_type: Some("application/json".to_owned()) };
    let mut requests = Vec::new();
    for (key, attributes) in
        [("clicks/dt=2014-05-01/hr=04/1_0_00000000000000000100.gz", digest), ("_secor/e.json", entry)]
    {
        let created = store.create(key, Bytes::from("content").into(), &attributes).await;
        assert!(matches!(created, Ok(Create::Created(_))), "{created:?}");
        requests.push(recorder.last("PUT"));
    }
    let entry = requests.pop().expect("two");
    (requests.pop().expect("two"), entry)
}

/// botocore signs the same request the same way.
#[track_caller]
fn assert_signed(request: &Request) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let url = format!("http://{}{}", request.header("host"), request.target);
    let recorded = json!({
        "method": request.method, "url": url, "headers": request.headers, "region": "eu-central-1",
        "access_key": request.access_key(),
    });
    write!(file, "{recorded}").expect("writable");
    let said = python("lab/sigv4.py", &[file.path().to_str().expect("an ordinary path"), SECRET]);
    assert_eq!(said.trim(), "same", "{request:?}");
}

#[tokio::test]
async fn a_create_on_s3_is_conditional_signed_and_carries_its_checksum() {
    let recorder = accepting();
    let store = open(&s3(&recorder, S3Settings::default())).expect("good settings");
    let (file, entry) = written(&*store, &recorder).await;
    assert_eq!(file.target, "/bucket/raw%20logs/clicks/dt%3D2014-05-01/hr%3D04/1_0_00000000000000000100.gz");
    assert_eq!(file.header("if-none-match"), "*");
    assert_eq!(file.header("x-amz-meta-secor-records"), "00000000000000000000000000000007");
    // sha256("content")
    let hex = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    assert_eq!(file.header("x-amz-content-sha256"), hex);
    assert_eq!(file.header("x-amz-checksum-sha256"), "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=");
    assert_eq!(entry.header("content-type"), "application/json");
    assert_signed(&file);
    assert_signed(&entry);
    store.list("clicks/dt=1", Some("clicks/dt=1/a b"), 10).await.expect_err("nothing is listed here");
    assert_signed(&recorder.last("GET"));
}

#[tokio::test]
async fn class_and_tags_are_of_archived_files_and_the_acl_is_of_all_writes() {
    let recorder = accepting();
    let settings = S3Settings {
        storage_class: Some("STANDARD_IA".to_owned()),
        tags: vec!["team=data-ml".to_owned(), "keep=for ever".to_owned()],
        acl: Some("bucket-owner-full-control".to_owned()),
        request_payer: true,
        checksum: UploadChecksum::Crc64nvme,
        ..S3Settings::default()
    };
    let store = open(&s3(&recorder, settings)).expect("good settings");
    let (file, entry) = written(&*store, &recorder).await;
    assert_eq!(file.header("x-amz-storage-class"), "STANDARD_IA");
    assert_eq!(file.header("x-amz-tagging"), "team=data-ml&keep=for+ever");
    assert_eq!(file.header("x-amz-checksum-crc64nvme").len(), 12);
    assert_eq!((entry.header("x-amz-storage-class"), entry.header("x-amz-tagging")), ("", ""));
    for request in [&file, &entry] {
        assert_eq!(request.header("x-amz-acl"), "bucket-owner-full-control");
        assert_eq!(request.header("x-amz-request-payer"), "requester");
        assert_signed(request);
    }
    store.get("x").await.expect("answered");
    let read = recorder.last("GET");
    assert_eq!((read.header("x-amz-acl"), read.header("x-amz-request-payer")), ("", "requester"));
    assert_signed(&read);
}

#[tokio::test]
async fn each_encryption_on_s3_has_its_headers() {
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";
    let with = |sse, id: Option<&str>, bucket_key| S3Settings {
        sse: Some(sse),
        sse_kms_key_id: id.map(str::to_owned),
        bucket_key,
        ..S3Settings::default()
    };
    let cases = [
        (with(Sse::SseS3, None, None), ["AES256", "", ""]),
        (with(Sse::SseKms, None, Some(true)), ["aws:kms", "", "true"]),
        (with(Sse::SseKms, Some(key), None), ["aws:kms", key, ""]),
        (with(Sse::DsseKms, Some(key), None), ["aws:kms:dsse", key, ""]),
    ];
    for (settings, [sse, id, bucket_key]) in cases {
        let recorder = accepting();
        let store = open(&s3(&recorder, settings)).expect("good settings");
        let (file, entry) = written(&*store, &recorder).await;
        for request in [&file, &entry] {
            assert_eq!(request.header("x-amz-server-side-encryption"), sse);
            assert_eq!(request.header("x-amz-server-side-encryption-aws-kms-key-id"), id);
            assert_eq!(request.header("x-amz-server-side-encryption-bucket-key-enabled"), bucket_key);
            assert_signed(request);
        }
        store.get("x").await.expect("answered");
        assert_eq!(recorder.last("GET").header("x-amz-server-side-encryption"), "", "a read must not name it");
    }
}

#[tokio::test]
async fn a_customers_key_goes_with_writes_and_reads() {
    let recorder = accepting();
    let settings =
        S3Settings { sse: Some(Sse::SseC), sse_customer_key: Some(Secret::new(CUSTOMER_KEY)), ..S3Settings::default() };
    let store = open(&s3(&recorder, settings)).expect("good settings");
    let (file, _) = written(&*store, &recorder).await;
    store.get("x").await.expect("answered");
    store.head("x").await.expect("answered");
    for request in [&file, &recorder.last("GET"), &recorder.last("HEAD")] {
        assert_eq!(request.header("x-amz-server-side-encryption-customer-algorithm"), "AES256");
        assert_eq!(request.header("x-amz-server-side-encryption-customer-key"), CUSTOMER_KEY);
        assert_eq!(request.header("x-amz-server-side-encryption-customer-key-md5"), CUSTOMER_KEY_MD5);
        assert_signed(request);
    }
    assert!(!format!("{store:?}").contains(CUSTOMER_KEY));
}

#[tokio::test]
async fn a_create_on_gcs_names_generation_zero_and_the_key_that_encrypts() {
    let recorder = accepting();
    let key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
    let settings = StoreSettings {
        gs: GsSettings {
            endpoint: Some(recorder.endpoint()),
            allow_http: true,
            access_token: Some(Secret::new("token-1")),
            kms_key: Some(key.to_owned()),
            storage_class: Some("NEARLINE".to_owned()),
            ..GsSettings::default()
        },
        ..StoreSettings::at("gs://bucket/raw")
    };
    let store = open(&settings).expect("good settings");
    let (file, entry) = written(&*store, &recorder).await;
    assert_eq!(file.target, "/bucket/raw%2Fclicks%2Fdt%3D2014%2D05%2D01%2Fhr%3D04%2F1%5F0%5F00000000000000000100%2Egz");
    for request in [&file, &entry] {
        assert_eq!(request.header("x-goog-if-generation-match"), "0");
        assert_eq!(request.header("x-goog-encryption-kms-key-name"), key);
        assert_eq!(request.header("authorization"), "Bearer token-1");
    }
    assert_eq!(file.header("x-goog-meta-secor-records"), "00000000000000000000000000000007");
    assert_eq!((file.header("x-goog-storage-class"), entry.header("x-goog-storage-class")), ("NEARLINE", ""));
    store.get("x").await.expect("answered");
    assert_eq!(recorder.last("GET").header("x-goog-encryption-kms-key-name"), "", "a read must not name it");
}

#[tokio::test]
async fn a_create_on_azure_is_conditional_and_carries_tier_and_key() {
    let recorder = accepting();
    let settings = StoreSettings {
        azure: AzureSettings {
            endpoint: Some(recorder.endpoint()),
            allow_http: true,
            account: Some("lake".to_owned()),
            account_key: Some(Secret::new("a2V5")),
            tier: Some("Cool".to_owned()),
            encryption_key: Some(Secret::new(CUSTOMER_KEY)),
            ..AzureSettings::default()
        },
        ..StoreSettings::at("azure://container/raw")
    };
    let store = open(&settings).expect("good settings");
    let (file, entry) = written(&*store, &recorder).await;
    for request in [&file, &entry] {
        assert_eq!(request.header("if-none-match"), "*");
        assert_eq!(request.header("x-ms-blob-type"), "BlockBlob");
        assert_eq!(request.header("x-ms-encryption-key"), CUSTOMER_KEY);
        assert_eq!(request.header("x-ms-encryption-algorithm"), "AES256");
        assert!(request.header("authorization").starts_with("SharedKey lake:"), "{request:?}");
    }
    assert_eq!(file.header("x-ms-meta-secor_records"), "00000000000000000000000000000007");
    assert_eq!((file.header("x-ms-access-tier"), entry.header("x-ms-access-tier")), ("Cool", ""));
    store.get("x").await.expect("answered");
    assert_eq!(recorder.last("GET").header("x-ms-encryption-key"), CUSTOMER_KEY);
}

#[tokio::test]
async fn requests_go_through_the_proxy_but_for_what_is_exempt() {
    let proxy = accepting();
    let through = StoreSettings {
        proxy: Some(Secret::new(proxy.endpoint().replace("http://", "http://user:hush@"))),
        ..s3(&proxy, S3Settings::default())
    };
    let elsewhere = |bypass: Option<&str>| {
        let mut settings = through.clone();
        settings.s3.endpoint = Some("http://s3.example.invalid".to_owned());
        settings.proxy_bypass = bypass.map(str::to_owned);
        open(&settings).expect("good settings")
    };
    let store = elsewhere(None);
    let (file, _) = written(&*store, &proxy).await;
    assert!(file.target.starts_with("http://s3.example.invalid/bucket/raw%20logs/clicks/"), "{}", file.target);
    assert_eq!(file.header("proxy-authorization"), "Basic dXNlcjpodXNo");
    assert!(!format!("{through:?} {store:?}").contains("hush"));
    let seen = proxy.requests().len();
    elsewhere(Some("example.invalid")).get("x").await.expect_err("there is no such host");
    assert_eq!(proxy.requests().len(), seen, "the proxy is not asked");
}
