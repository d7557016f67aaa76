//! Encryption by the server, on one that does it (SeaweedFS): what is stored can't be read on its disk, comes back as it
//! was, and lies under the key that was asked for.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use secor::store::{Attributes, Create, S3Settings, Secret, Sse, StoreSettings, open};
use serde_json::{Value, json};

use super::harness::{NotReady, PATIENCE, Server, eventually, free_port, python};

const BUCKET: &str = "archive";
/// What an object holds: bytes that can't be compressed, which the server does with those that can. Each case has its own.
const CONTENT_BYTES: usize = 8 << 10;

struct Seaweed {
    server: Server,
    endpoint: String,
}

// === impl Seaweed ===

impl Seaweed {
    fn start() -> Self {
        loop {
            let port = free_port();
            let server = Server::new("seaweed", "seaweed.sh", &[port.to_string()]);
            match server.start(PATIENCE, |said| said.contains("Start Seaweed S3 API Server")) {
                Ok(()) => return Self { server, endpoint: format!("http://127.0.0.1:{port}") },
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => panic!("it did not start (tests/lab/install.sh seaweed?):\n{log}"),
            }
        }
    }

    fn settings(&self, prefix: &str, s3: S3Settings) -> StoreSettings {
        let s3 = S3Settings {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            access_key_id: Some("lab".to_owned()),
            secret_access_key: Some(Secret::new("lab-secret")),
            allow_http: true,
            ..s3
        };
        StoreSettings { s3, ..StoreSettings::at(format!("s3://{BUCKET}/{prefix}")) }
    }

    /// It needs a second or two until it knows where its volumes are.
    fn warm_up(&self) {
        let store = open(&self.settings("plain", S3Settings::default())).expect("good settings");
        let runtime = runtime();
        eventually(PATIENCE, "the first object", || {
            let plain = Attributes::default();
            let created = store.create("x", content("plain").into(), &plain);
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), created).await.ok()?.ok() })
        });
    }

    /// Is a part of the content somewhere on the server's disk?
    fn has_on_disk(&self, content: &[u8]) -> bool {
        fn look(folder: &Path, part: &[u8]) -> bool {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).any(|path| {
                if path.is_dir() {
                    return look(&path, part);
                }
                let bytes = std::fs::read(&path).unwrap_or_default();
                bytes.windows(part.len()).any(|window| window == part)
            })
        }
        look(&self.server.folder().join("data"), &content[1_000..1_032])
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn content(case: &str) -> Bytes {
    let mut state = case
        .bytes()
        .fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..CONTENT_BYTES).map(|_| next()).collect()
}

#[test]
fn what_the_server_encrypts_is_under_the_key_that_was_asked_for() {
    let seaweed = Seaweed::start();
    seaweed.warm_up();
    assert!(seaweed.has_on_disk(&content("plain")), "without encryption it is there in plain text");
    let kms =
        S3Settings { sse: Some(Sse::SseKms), sse_kms_key_id: Some("test-key".to_owned()), ..S3Settings::default() };
    let customer = S3Settings {
        sse: Some(Sse::SseC),
        sse_customer_key: Some(Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")),
        ..S3Settings::default()
    };
    let cases = [
        ("sse-s3", S3Settings { sse: Some(Sse::SseS3), ..S3Settings::default() }, json!(["AES256", null])),
        ("sse-kms", kms.clone(), json!(["aws:kms", "test-key"])),
        ("bucket-key", S3Settings { bucket_key: Some(true), ..kms }, json!(["aws:kms", "test-key"])),
        ("sse-c", customer, Value::Null),
    ];
    let runtime = runtime();
    for (case, s3, wanted) in cases {
        let store = open(&seaweed.settings(case, s3)).unwrap();
        let made = runtime.block_on(store.create("x", content(case).into(), &Attributes::default())).unwrap();
        let Create::Created(info) = made else { panic!("{case}: {made:?}") };
        assert_eq!(runtime.block_on(store.get("x")).unwrap().unwrap(), content(case), "{case}");
        let head = runtime.block_on(store.head("x")).unwrap().unwrap();
        assert_eq!((head.size, head.checksum), (content(case).len() as u64, info.checksum), "{case}: for the receipt");
        let again = runtime.block_on(store.create("x", content("other").into(), &Attributes::default())).unwrap();
        assert!(matches!(again, Create::Exists(_)), "{case}: {again:?}");
        assert!(!seaweed.has_on_disk(&content(case)), "{case}: in plain text on the disk");
        if wanted != Value::Null {
            let said = python("lab/head_object.py", &[&seaweed.endpoint, BUCKET, &format!("{case}/x")]);
            let said: Value = serde_json::from_str(&said).unwrap();
            let key = ["ServerSideEncryption", "SSEKMSKeyId"].map(|name| said[name].clone());
            assert_eq!(json!(key), wanted, "{case}");
        }
    }
    // the key is needed, and must be the same
    let other = Secret::new("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=");
    let wrong = S3Settings { sse: Some(Sse::SseC), sse_customer_key: Some(other), ..S3Settings::default() };
    for s3 in [S3Settings::default(), wrong] {
        let store = open(&seaweed.settings("sse-c", s3)).unwrap();
        runtime.block_on(store.get("x")).expect_err("not without the key");
    }
}
