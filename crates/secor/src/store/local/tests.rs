//! What only a local disk has: folders, links, attributes, leftovers.

use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use super::*;
use crate::store::{FileSettings, StagedFile, StoreSettings, open};

const DIGEST: Digest = Digest(0x1234);

fn store_at(root: &Path) -> Arc<dyn Store> {
    open(&StoreSettings::at(format!("file://{}", root.display()))).expect("a folder's url is good")
}

fn with_digest() -> Attributes {
    Attributes { digest: Some(DIGEST), content_type: None }
}

fn staged(folder: &Path, content: &[u8]) -> StagedFile {
    let path = folder.join("staged");
    std::fs::write(&path, content).expect("the folder is writable");
    StagedFile { path, len: content.len() as u64, digest: None }
}

/// Names below `folder`, for what must not be left behind.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8")).collect()
}

#[tokio::test]
async fn a_staged_file_on_the_same_disk_becomes_the_object_without_a_copy() {
    let dir = TempDir::new().expect("a folder");
    let store = store_at(dir.path());
    let file = staged(dir.path(), b"content");
    let created = store.create("a/b", file.clone().into(), &with_digest()).await.expect("free");
    assert!(matches!(created, Create::Created(_)), "{created:?}");
    assert!(same_file(&file.path, &dir.path().join("a/b")));
    assert!(!dir.path().join("_secor").exists(), "nothing was staged a second time");

    let after = store.head("a/b").await.expect("readable").expect("there");
    assert_eq!((after.size, after.attributes), (7, with_digest()));
    assert_eq!(store.checksum("a/b").await.expect("readable"), created.info().checksum);
}

#[tokio::test]
async fn a_staged_file_on_another_disk_is_copied() {
    let dir = TempDir::new().expect("a folder");
    let Ok(other) = TempDir::new_in("/dev/shm") else { return };
    let file = staged(other.path(), b"content");
    let devices = [dir.path(), other.path()].map(|path| path.metadata().expect("there").dev());
    assert_ne!(devices[0], devices[1], "the shared memory is a file system of its own");
    let store = store_at(dir.path());
    let created = store.create("a/b", file.into(), &with_digest()).await.expect("free");
    assert!(matches!(created, Create::Created(_)), "{created:?}");
    assert_eq!(store.get("a/b").await.expect("readable").as_deref(), Some(&b"content"[..]));
    assert_eq!(store.head("a/b").await.expect("readable").expect("there").attributes, with_digest());
    assert_eq!(names(&dir.path().join("_secor/tmp")).len(), 0);
}

#[tokio::test]
async fn a_staged_file_of_another_length_is_refused() {
    let dir = TempDir::new().expect("a folder");
    let file = StagedFile { len: 8, ..staged(dir.path(), b"content") };
    let error = store_at(dir.path()).create("a", file.into(), &with_digest()).await.expect_err("7 is not 8");
    assert_eq!(error.class, Class::Invalid);
    assert!(error.to_string().contains("has 7 bytes, not 8"), "{error}");
}

#[tokio::test]
async fn the_checksum_is_the_one_of_the_content_as_it_is_now() {
    let dir = TempDir::new().expect("a folder");
    let store = store_at(dir.path());
    let created = store.create("a", Bytes::from("content").into(), &with_digest()).await.expect("free");
    std::fs::write(dir.path().join("a"), b"cOntent").expect("writable");
    let now = store.checksum("a").await.expect("readable").expect("there");
    let then = created.info().checksum.clone().expect("known to the creator");
    assert!(now.comparable(&then));
    assert_ne!(now, then);
}

#[tokio::test]
async fn a_missing_root_is_an_error_everywhere_and_is_never_created() {
    let dir = TempDir::new().expect("a folder");
    let root = dir.path().join("not mounted");
    let store = open(&StoreSettings::at(format!("file://{}/not%20mounted", dir.path().display()))).expect("good url");
    let bytes = Bytes::from("x");
    let errors = [
        store.create("a/b", bytes.into(), &Attributes::default()).await.map(drop),
        store.head("a").await.map(drop),
        store.get("a").await.map(drop),
        store.read("a").await.map(drop),
        store.checksum("a").await.map(drop),
        store.list("", None, 1).await.map(drop),
        store.folders("").await.map(drop),
        store.make_durable("a").await,
        store.delete("a").await,
        store.traits().await.map(drop),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.expect_err("there is no root");
        assert_eq!(error.class, Class::Missing, "call {number}: {error}");
    }
    assert!(!root.exists());
}

#[tokio::test]
async fn a_half_written_file_is_in_no_listing() {
    let dir = TempDir::new().expect("a folder");
    let store = store_at(dir.path());
    store.traits().await.expect("creates the folder for half-written files");
    std::fs::write(dir.path().join("_secor/tmp/put-1-2"), b"hal").expect("writable");
    store.create("_secor/ledger.json", Bytes::from("{}").into(), &Attributes::default()).await.expect("free");
    let listed = store.list("", None, 10).await.expect("readable");
    assert_eq!(listed, [Listed { key: "_secor/ledger.json".to_owned(), size: 2 }]);
    assert_eq!(store.folders("_secor").await.expect("readable"), Vec::<String>::new());
}

#[tokio::test]
async fn a_folder_in_the_way_is_an_error_and_no_object() {
    let dir = TempDir::new().expect("a folder");
    let store = store_at(dir.path());
    store.create("a/b", Bytes::from("x").into(), &Attributes::default()).await.expect("free");
    assert_eq!(store.head("a").await.expect("readable"), None);
    assert_eq!(store.get("a/b/c").await.expect("readable"), None);
    for key in ["a", "a/b/c"] {
        let error = store.create(key, Bytes::from("x").into(), &Attributes::default()).await.expect_err("in the way");
        assert_eq!(error.class, Class::Invalid, "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_somebody_removed_is_made_again() {
    let dir = TempDir::new().expect("a folder");
    let store = store_at(dir.path());
    store.create("a/b/1", Bytes::from("x").into(), &Attributes::default()).await.expect("free");
    std::fs::remove_dir_all(dir.path().join("a")).expect("removable");
    let again = store.create("a/b/2", Bytes::from("x").into(), &Attributes::default()).await.expect("free");
    assert!(matches!(again, Create::Created(_)), "{again:?}");
}

#[tokio::test]
async fn traits_of_a_linux_file_system() {
    let dir = TempDir::new().expect("a folder");
    let traits = store_at(dir.path()).traits().await.expect("writable");
    assert!(!traits.folds_case);
    assert!(traits.keeps_attributes, "the folder for temporary files keeps extended attributes");
}

#[test]
fn errors_of_the_operating_system_fall_into_classes() {
    let class = |code: i32| explain(&io::Error::from_raw_os_error(code)).0;
    assert_eq!(class(libc::ENOSPC), Class::Full);
    assert_eq!(class(libc::EDQUOT), Class::Full);
    assert_eq!(class(libc::EACCES), Class::Denied);
    assert_eq!(class(libc::EROFS), Class::Denied);
    assert_eq!(class(libc::ENAMETOOLONG), Class::Invalid);
    assert_eq!(class(libc::ENOTDIR), Class::Invalid);
    assert_eq!(class(libc::EIO), Class::Unavailable);
    assert_eq!(class(libc::EMFILE), Class::Unavailable);
}

#[tokio::test]
async fn files_and_folders_get_the_configured_permissions() {
    let folder = TempDir::new().expect("a folder");
    let url = format!("file://{}", folder.path().display());
    let modes = FileSettings { file_mode: Some("0640".to_owned()), folder_mode: Some("2750".to_owned()) };
    let store = open(&StoreSettings { file: modes, ..StoreSettings::at(url) }).expect("a store");
    let staged = folder.path().join("staged");
    std::fs::write(&staged, b"x").expect("writable");
    let staged = StagedFile { path: staged, len: 1, digest: None };
    store.create("a/bytes", Bytes::from("x").into(), &Attributes::default()).await.expect("free");
    store.create("a/file", staged.into(), &Attributes::default()).await.expect("free");
    let mode = |path: &str| {
        let metadata = std::fs::metadata(folder.path().join(path)).expect("there");
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
    };
    assert_eq!([mode("a"), mode("_secor/tmp"), mode("a/bytes"), mode("a/file")], [0o2750, 0o2750, 0o640, 0o640]);

    let modes = FileSettings { file_mode: Some("rw".to_owned()), folder_mode: None };
    let error = open(&StoreSettings { file: modes, ..StoreSettings::at("file:///tmp") }).expect_err("no permissions");
    assert_eq!(error.class, Class::Invalid);
}
