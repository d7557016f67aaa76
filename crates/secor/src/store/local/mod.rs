//! `file://`: a folder as a store.
//!
//! Written on `std::fs` and not on object_store's local backend, which keeps no attributes, copies what could be linked,
//! and syncs no parents (docs/decisions/0003). The recipe of a create, each step for a crash that it survives:
//! 1. the content is a file under `_secor/tmp` (or the staged file itself, when it lies on the same file system), with
//!    its attributes, and synced: what gets a final name is whole and durable;
//! 2. the folder exists and every folder above it up to the root has been synced once by this process: no entry that
//!    leads to the object is only in memory;
//! 3. `link` gives it its final name, which fails if the name is taken: the one atomic step, and what arbitrates;
//! 4. the folder is synced, by losers too, who will rely on the winner's object.
//!
//! The root is never created: if the disk that holds the archive is not mounted, writing into its mount point would
//! begin a second archive. Leftovers in `_secor/tmp` are swept by whoever owns them, not here.
//!
//! Deliberately absent: file systems without hard links. `rename` can't refuse a taken name everywhere, and a lock file
//! would arbitrate only among those who know of it.

mod walk;
mod write;

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use secor_core::ids::Digest;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Attributes, ByteStream, Checksum, Class, Create, GET_BYTES_MAX, Listed, ObjectInfo, Operation, Payload, Store,
    StoreError, StoreSettings, Traits, key,
};

/// Where files wait for their final name, below the root. Listings leave it out.
const TMP: &str = "_secor/tmp";
/// The extended attribute that holds a data file's digest: persisted, never change.
const DIGEST_XATTR: &str = "user.secor.records";
/// Bytes per piece of a stream and per read when hashing.
const PIECE_BYTES: usize = 1 << 20;

/// A folder as a store.
#[derive(Clone)]
pub(super) struct LocalStore {
    folder: Arc<Folder>,
}

/// The synchronous half: everything that touches the disk, run on blocking threads.
struct Folder {
    root: PathBuf,
    url: Arc<str>,
    modes: Modes,
    /// Folders whose way up to the root this process has synced.
    durable: Mutex<HashSet<PathBuf>>,
}

/// Permissions of what is created; `None`: what the umask leaves.
#[derive(Clone, Copy, Debug, Default)]
struct Modes {
    file: Option<u32>,
    folder: Option<u32>,
}

/// What the disk said, before it is known for which operation and key.
#[derive(Debug)]
enum Failure {
    /// The root is not there.
    NoRoot,
    /// The staged file is not what the caller said.
    Staged(String),
    /// The object can't be handled by this operation.
    Unfit(String),
    Io(io::Error),
}

// === impl LocalStore ===

impl LocalStore {
    pub(super) fn new(root: PathBuf, settings: &StoreSettings) -> Result<Self, StoreError> {
        let mode = |text: &Option<String>| {
            let parse = |text: &String| {
                let bad = || settings.invalid(format!("`{text}` is no octal permissions"));
                u32::from_str_radix(text, 8).map_err(|_| bad())
            };
            text.as_ref().map(parse).transpose()
        };
        let modes = Modes { file: mode(&settings.file.file_mode)?, folder: mode(&settings.file.folder_mode)? };
        let url = Arc::from(settings.url.as_str());
        Ok(Self { folder: Arc::new(Folder { root, url, modes, durable: Mutex::default() }) })
    }

    /// Runs `work` on a blocking thread and says for whom it failed.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(&Folder) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = Arc::clone(&self.folder);
        let result = tokio::task::spawn_blocking(move || work(&folder)).await;
        let result = result.unwrap_or_else(|panic| Err(Failure::Io(io::Error::other(panic))));
        result.map_err(|failure| self.folder.error(operation, key, failure))
    }

    /// As [`Self::run`], for a key that is checked first.
    async fn run_at<T: Send + 'static>(
        &self,
        operation: Operation,
        key: &str,
        work: impl FnOnce(&Folder, &Path) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.folder.path(operation, key)?;
        self.run(operation, key, move |folder| work(folder, &path)).await
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn create(&self, key: &str, payload: Payload, attributes: &Attributes) -> Result<Create, StoreError> {
        let attributes = attributes.clone();
        self.run_at(Operation::Create, key, move |folder, path| write::create(folder, path, &payload, &attributes))
            .await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.run_at(Operation::Head, key, |folder, path| {
            let Some((_, metadata)) = folder.open(path)? else { return Ok(None) };
            let attributes = Attributes { digest: read_digest(path)?, content_type: None };
            Ok(Some(ObjectInfo { size: metadata.len(), checksum: None, attributes }))
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.run_at(Operation::Get, key, |folder, path| {
            let Some((mut file, metadata)) = folder.open(path)? else { return Ok(None) };
            if metadata.len() > GET_BYTES_MAX {
                return Err(Failure::Unfit(format!("an object of {} bytes is too big to read whole", metadata.len())));
            }
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok(Some(content.into()))
        })
        .await
    }

    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError> {
        let opened = self.run_at(Operation::Read, key, |folder, path| folder.open(path)).await?;
        let Some((file, _)) = opened else { return Ok(None) };
        let start = (self.clone(), key.to_owned(), file);
        let stream = futures::stream::try_unfold(start, |(store, key, mut file)| async move {
            let read = move |_: &Folder| Ok((read_piece(&mut file)?, file));
            let (piece, file) = store.run(Operation::Read, &key, read).await?;
            Ok((!piece.is_empty()).then_some((piece, (store, key, file))))
        });
        Ok(Some(Box::pin(stream)))
    }

    async fn checksum(&self, key: &str) -> Result<Option<Checksum>, StoreError> {
        self.run_at(Operation::Checksum, key, |folder, path| {
            let Some((mut file, _)) = folder.open(path)? else { return Ok(None) };
            Ok(Some(hash(&mut file)?))
        })
        .await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let _ = self.folder.path(Operation::List, prefix)?;
        let request =
            walk::Request { prefix: prefix.to_owned(), start_after: start_after.unwrap_or_default().to_owned(), limit };
        self.run(Operation::List, prefix, move |folder| walk::list(folder, &request)).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.folder.path(Operation::Folders, prefix)?;
        self.run(Operation::Folders, prefix, move |folder| walk::folders(folder, &path)).await
    }

    async fn make_durable(&self, key: &str) -> Result<(), StoreError> {
        self.run_at(Operation::MakeDurable, key, |folder, path| {
            let parent = path.parent().expect("a key's path has the root above it");
            folder.make_reachable(parent)?;
            Ok(sync_folder(parent)?)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.run_at(Operation::Delete, key, |folder, path| match std::fs::remove_file(path) {
            Err(error) if is_absent(&error) => folder.require_root(),
            result => Ok(result?),
        })
        .await
    }

    async fn traits(&self) -> Result<Traits, StoreError> {
        self.run(Operation::Traits, TMP, write::traits).await
    }
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.folder.url)
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore").field("root", &self.folder.root).finish_non_exhaustive()
    }
}

// === impl Folder ===

impl Folder {
    /// The path of a key, or of a folder; the root's for `""`, which is no key but is a folder.
    fn path(&self, operation: Operation, key: &str) -> Result<PathBuf, StoreError> {
        if key.is_empty() && matches!(operation, Operation::List | Operation::Folders) {
            return Ok(self.root.clone());
        }
        key::check(key).map_err(|bad| self.error(operation, key, Failure::Unfit(bad.to_string())))?;
        Ok(self.root.join(key))
    }

    /// Opens an object; `None` if there is none, an error if there is no root.
    fn open(&self, path: &Path) -> Result<Option<(File, Metadata)>, Failure> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return self.require_root().map(|()| None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then_some((file, metadata)))
    }

    fn require_root(&self) -> Result<(), Failure> {
        if self.root.is_dir() { Ok(()) } else { Err(Failure::NoRoot) }
    }

    /// Creates `folder` and what is missing above it, and syncs the way up to the root, once per process and folder.
    fn make_reachable(&self, folder: &Path) -> Result<(), Failure> {
        /// Folders remembered; beyond it all are forgotten, which costs a few syncs.
        const REMEMBERED_MAX: usize = 10_000;
        if self.durable.lock().expect("nothing panics with this lock").contains(folder) && folder.is_dir() {
            return Ok(());
        }
        self.require_root()?;
        let below_root: Vec<&Path> = folder.ancestors().take_while(|above| *above != self.root).collect();
        let mut parent = self.root.as_path();
        for step in below_root.into_iter().rev() {
            match std::fs::create_dir(step) {
                Ok(()) => set_mode(step, self.modes.folder)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
            sync_folder(parent)?;
            parent = step;
        }
        let mut durable = self.durable.lock().expect("nothing panics with this lock");
        if durable.len() >= REMEMBERED_MAX {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn error(&self, operation: Operation, key: &str, failure: Failure) -> StoreError {
        let new = |class, what: String| StoreError::new(class, &self.url, operation, what).with_key(key);
        match failure {
            Failure::NoRoot => new(Class::Missing, format!("there is no folder `{}`", self.root.display()))
                .with_hint("create the folder that `store.url` names, or mount its disk; secor never creates it"),
            Failure::Staged(what) | Failure::Unfit(what) => new(Class::Invalid, what),
            Failure::Io(error) => {
                let (class, what, hint) = explain(&error);
                let explained = new(class, what.to_owned()).with_source(error);
                match hint {
                    Some(hint) => explained.with_hint(hint),
                    None => explained,
                }
            }
        }
    }
}

// === impl Failure ===

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Class, fact and special hint of an error of the operating system.
fn explain(error: &io::Error) -> (Class, &'static str, Option<&'static str>) {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            (Class::Full, "no room on the disk", None)
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (
            Class::Denied,
            "the folder or file may not be used like this",
            Some("give the user that secor runs as the right to read and write below the store's folder"),
        ),
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => (
            Class::Invalid,
            "a file stands where a folder is needed, or the other way round",
            Some("something other than secor wrote below the store's folder; move it away"),
        ),
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => {
            (Class::Invalid, "the file system refuses the name", None)
        }
        ErrorKind::Unsupported => (
            Class::Invalid,
            "the file system has no hard links",
            Some("use a file system with hard links (ext4, xfs, btrfs, zfs, nfs), or an object store"),
        ),
        _ => (Class::Unavailable, "the disk does not answer as it should", None),
    }
}

/// Nothing of this name, or a file where a folder would have to be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn set_mode(path: &Path, mode: Option<u32>) -> io::Result<()> {
    mode.map_or(Ok(()), |mode| std::fs::set_permissions(path, Permissions::from_mode(mode)))
}

/// `None` without the attribute, and on a file system that knows none.
fn read_digest(path: &Path) -> io::Result<Option<Digest>> {
    match xattr::get(path, DIGEST_XATTR) {
        Ok(Some(value)) => Ok(std::str::from_utf8(&value).ok().and_then(|text| text.try_into().ok())),
        Ok(None) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// The next piece of a file; empty at its end.
fn read_piece(file: &mut File) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

fn hash(file: &mut File) -> io::Result<Checksum> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Checksum::Xxh3(Digest(hasher.digest128()))),
            Ok(len) => hasher.update(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether both names lead to one file or folder.
fn same_file(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
