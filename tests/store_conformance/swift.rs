//! What is OpenStack Swift's own: it is not exclusive, and big files are segments.

use bytes::Bytes;
use futures::TryStreamExt;
use secor::store::{Attributes, Class, Create, ProbeFailure, Secret, StagedFile, Store, StoreSettings, probe};
use secor_core::ids::Digest;
use tempfile::TempDir;

use super::servers::{self, open};

const MEBIBYTE: usize = 1 << 20;

fn in_segments(prefix: &str) -> StoreSettings {
    let mut settings = servers::swift(prefix);
    settings.swift.segment_size = Some(MEBIBYTE as u64);
    settings
}

fn staged(folder: &TempDir, name: &str, content: &[u8]) -> StagedFile {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("writable");
    StagedFile { path, len: content.len() as u64, digest: None }
}

async fn content(store: &dyn Store, key: &str) -> Vec<u8> {
    let stream = store.read(key).await.expect("readable").expect("there");
    let pieces: Vec<Bytes> = stream.try_collect().await.expect("whole");
    pieces.concat()
}

async fn segments(store: &dyn Store) -> usize {
    store.list("_secor/segments", None, 100).await.expect("listable").len()
}

#[tokio::test]
async fn it_is_refused_as_a_ledger_and_the_database_is_named() {
    let store = open(&servers::swift("probe"));
    assert!(!store.traits().await.expect("answered").exclusive);
    let failure = probe(&*store).await.expect_err("several win");
    assert!(matches!(failure, ProbeFailure::KnownNotExclusive), "{failure:?}");
    assert!(failure.hint().contains("ledger.type = \"sql\""), "{}", failure.hint());
}

#[tokio::test]
async fn a_wrong_key_is_denied_and_not_printed() {
    let mut settings = servers::swift("wrong_key");
    settings.swift.password = Some(Secret::new("guessed"));
    let store = open(&settings);
    let error = store.get("a").await.expect_err("nobody knows this key");
    assert_eq!(error.class, Class::Denied, "{error}");
    assert!(error.to_string().contains("no credentials") && error.to_string().contains("status 401"), "{error}");
    assert!(error.hint().contains("[store.swift]"), "{}", error.hint());
    assert!(!format!("{store:?} {settings:?} {error:?}").contains("guessed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_big_file_is_stored_in_segments_and_read_as_one() {
    let (folder, store) = (TempDir::new().expect("a folder"), open(&in_segments("segments")));
    let bytes: Vec<u8> = (0..7 * MEBIBYTE / 2).map(|n| (n / 1000) as u8).collect();
    let file = staged(&folder, "big", &bytes);
    let attributes = Attributes { digest: Some(Digest(7)), content_type: None };
    let created = store.create("t/big", file.clone().into(), &attributes).await.expect("free");
    assert!(matches!(created, Create::Created(ref info) if info.size == bytes.len() as u64), "{created:?}");
    assert_eq!(segments(&*store).await, 4);

    let head = store.head("t/big").await.expect("answered").expect("there");
    assert_eq!((head.size, head.attributes.digest), (bytes.len() as u64, Some(Digest(7))));
    assert!(head.checksum.is_some() && head.checksum == created.info().checksum, "{head:?} {created:?}");
    assert!(content(&*store, "t/big").await == bytes, "other bytes came back");
    let listed = store.list("t", None, 10).await.expect("listable");
    assert_eq!(listed.iter().map(|file| (file.key.as_str(), file.size)).collect::<Vec<_>>(), [("t/big", head.size)]);

    let again = store.create("t/big", file.into(), &attributes).await.expect("taken");
    assert!(matches!(again, Create::Exists(ref info) if info.size == head.size), "{again:?}");
    assert_eq!(segments(&*store).await, 4, "segments of what is there already");
}

/// Swift may let both win; but the object is one's or the other's, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_store_a_big_file_at_once_do_not_mix_their_segments() {
    let folder = TempDir::new().expect("a folder");
    let settings = in_segments("race");
    let contents: Vec<Vec<u8>> = [b'a', b'b'].iter().map(|letter| vec![*letter; 5 * MEBIBYTE / 2]).collect();
    for round in 0..3 {
        let key = format!("t/{round}");
        let uploads = std::iter::zip(["a", "b"], &contents).map(|(name, bytes)| {
            let (store, key, file) = (open(&settings), key.clone(), staged(&folder, name, bytes));
            tokio::spawn(async move { store.create(&key, file.into(), &Attributes::default()).await })
        });
        for upload in futures::future::join_all(uploads).await {
            upload.expect("no panic").expect("answered");
        }
        let stored = content(&*open(&settings), &key).await;
        assert!(contents.contains(&stored), "round {round}: {} bytes, from both", stored.len());
    }
}
