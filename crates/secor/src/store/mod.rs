//! A place for objects: the ledger's small ones and the archive's big ones.
//!
//! The trait is cut for what the protocol needs and no more. The heart is [`Store::create`]: it creates an object if
//! its key is free, and says who won as a value, because losing is an outcome that the protocol acts on (rules R3, R5,
//! R6), not an error. Everything else reads.
//!
//! Keys are relative to the store's url, whose path is a prefix that no caller ever sees. They are `/`-separated and
//! already escaped (`%3D` stays `%3D`); [`key::check`] says what a key may look like.
//!
//! What each backend has to promise, and `tests/store_conformance` checks:
//! - `create` never changes an object that is there. A store that is [`exclusive`](Traits::exclusive) has exactly one
//!   winner, also among processes that create at once and also when an answer was lost; only such a store can hold a
//!   ledger. On any other the bytes of the last of several creators at once stay: fit for files, which are the same
//!   whoever makes them (R6), once the ledger is in a database;
//! - a reader never sees half an object, and sees an object as soon as its `create` returned anywhere;
//! - `list` is sorted by the bytes of the key and starts strictly after `start_after`.
//!
//! Deliberately absent: overwriting, copying, renaming, multipart uploads (they have no create mode), and retries that
//! last: a request gives up after half a minute or so, the caller decides how long to go on ([`retry()`]).
//!
//! This room is the only one that names `object_store`. Another cloud that it knows is a file in `remote` and a row of
//! [`remote`]'s table of dialects; another kind of store is a file here and an arm in [`open`]; both are a line in the
//! conformance test.

mod checksum;
mod error;
pub mod key;
mod local;
pub mod object;
mod probe;
mod remote;
mod retry;
mod settings;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use secor_core::ids::Digest;

pub use self::checksum::{BadChecksum, Checksum};
pub use self::error::{Class, Operation, StoreError};
pub use self::probe::{ProbeFailure, ProbeReport, probe};
pub use self::retry::{Backoff, Retry, Stopped, retry, retry_for};
use self::settings::Location;
pub use crate::config::{
    Azure as AzureSettings, File as FileSettings, Gs as GsSettings, S3 as S3Settings, Secret, Sse,
    Store as StoreSettings, Swift as SwiftSettings, UploadChecksum,
};

/// The bytes of a big object, in pieces of at most about a mebibyte.
pub type ByteStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// A place for objects. `Display` prints its url, without secrets.
///
/// Dropping a future may leave its request running: a `create` may still happen afterwards, as with any request that
/// is on the wire.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + fmt::Display + 'static {
    /// Creates the object if the key is free: of creators at once one wins if the store is
    /// [`exclusive`](Traits::exclusive), one or more if it is not. When it returns `Created` or `Exists` the object is there, whole, and
    /// survives a power cut.
    ///
    /// An answer that leaves it open whether the object was stored (409, 5xx, a broken connection, a timeout) is
    /// cleared up by reading back. So `Exists` can also mean that an earlier attempt of this very call won: the
    /// caller compares (rule R5).
    ///
    /// # Errors
    /// [`Class::Unavailable`] when it stays open; try again with the same payload. [`Class::Missing`] when the bucket
    /// or root folder isn't there: neither is ever created.
    async fn create(&self, key: &str, payload: Payload, attributes: &Attributes) -> Result<Create, StoreError>;

    /// What the store knows of an object without reading it; `None` without such an object.
    ///
    /// # Errors
    /// See [`Class`]. S3 and GCS answer for a missing bucket as for a missing object: `None`.
    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError>;

    /// A small object, whole; `None` without such an object.
    ///
    /// # Errors
    /// [`Class::Invalid`] above [`GET_BYTES_MAX`]; else see [`Class`].
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// An object of any size, in bounded memory; `None` without such an object.
    ///
    /// # Errors
    /// See [`Class`]; the stream ends with its first error.
    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError>;

    /// The checksum of the object as it is stored now, for comparison with a receipt; `None` without such an object.
    /// One HEAD on an object store, a pass over the content on a local disk.
    ///
    /// # Errors
    /// See [`Class`].
    async fn checksum(&self, key: &str) -> Result<Option<Checksum>, StoreError>;

    /// The first `limit` objects below the folder `prefix` (`""`: everywhere) whose keys are above `start_after`,
    /// sorted by the bytes of the key.
    ///
    /// # Errors
    /// See [`Class`].
    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError>;

    /// The names (last segments) of the folders right below the folder `prefix`, sorted.
    ///
    /// # Errors
    /// See [`Class`].
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Makes sure that an object which was just seen survives a power cut, for those who rely on it without having
    /// created it: on a local disk the folder may not have been synced by the process that created the object. Free
    /// on any other store.
    ///
    /// # Errors
    /// See [`Class`].
    async fn make_durable(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes an object; a missing one is no error. For the keys of [`probe()`], and below the prefix that a
    /// `secor selftest` has made up for itself: nothing else of an archive or a ledger is ever deleted.
    ///
    /// # Errors
    /// See [`Class`].
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// What a writer has to know of this store. A local disk is asked for it, so its `_secor/tmp` is created.
    ///
    /// # Errors
    /// See [`Class`].
    async fn traits(&self) -> Result<Traits, StoreError>;
}

/// The largest object that [`Store::get`] reads whole: 64 MiB. The largest ledger entry (10,000 open files) is a tenth.
pub const GET_BYTES_MAX: u64 = 64 << 20;

/// Who won a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Create {
    /// This call created the object.
    Created(ObjectInfo),
    /// The object is there; whether by another or by an attempt of this call whose answer was lost is for the caller
    /// to find out by comparing.
    Exists(ObjectInfo),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes as stored.
    pub size: u64,
    /// The checksum, if the store tells it without reading the content. After `Created` it is always there.
    pub checksum: Option<Checksum>,
    pub attributes: Attributes,
}

/// What is kept beside the content of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The digest of a data file's records (rule R6): object metadata `secor-records` (Azure:
    /// `secor_records`), extended attribute
    /// `user.secor.records`. `None` when read from a disk that keeps no extended attributes.
    pub digest: Option<Digest>,
    /// A MIME type. A local disk doesn't keep it.
    pub content_type: Option<String>,
}

/// The content of an object to create.
#[derive(Clone, Debug)]
pub enum Payload {
    Bytes(Bytes),
    File(StagedFile),
}

/// A file that is complete and will not be written to, truncated, or used again under another name: on a local disk
/// its inode, with its permissions, becomes the object. Unlinking it is allowed at any time after `create` returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFile {
    pub path: PathBuf,
    /// Bytes; checked against the file.
    pub len: u64,
    /// xxh3-128 of the content, if the writer has computed it on the way; saves a pass over the file where a store
    /// has no checksum of its own.
    pub digest: Option<Digest>,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    /// Bytes as stored.
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Keys that differ in case only are the same object.
    pub folds_case: bool,
    /// The largest object that one `create` can store, in bytes.
    pub object_bytes_max: u64,
    /// Attributes are kept; if not, `head` has no digest and the content must be asked.
    pub keeps_attributes: bool,
    /// Of several that create one key at once, exactly one is told `Created`, as far as it is known of this kind of
    /// store: [`probe()`] tries it. Without it this can't be the arbiter of a ledger.
    pub exclusive: bool,
}

/// Opens the store that `settings.url` names. Asks nothing of the store: whether it answers shows at the first call.
///
/// # Errors
/// [`Class::Invalid`] when the settings contradict themselves or the url is of no known kind.
pub fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    match settings.location()? {
        Location::File { root } => Ok(Arc::new(local::LocalStore::new(root, settings)?)),
        Location::Swift(container) => Ok(Arc::new(remote::SwiftStore::new(settings, container)?)),
        location => Ok(Arc::new(remote::RemoteStore::new(settings, location)?)),
    }
}

// === impl Payload ===

impl Payload {
    /// Bytes to store.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.len,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<StagedFile> for Payload {
    fn from(file: StagedFile) -> Self {
        Self::File(file)
    }
}

// === impl Create ===

impl Create {
    /// What is stored, whoever won.
    #[must_use]
    pub fn info(&self) -> &ObjectInfo {
        match self {
            Self::Created(info) | Self::Exists(info) => info,
        }
    }
}
