//! Objects in a cloud: `s3://`, `gs://`, `azure://` and everything that speaks their languages.
//!
//! The first three are object_store's clients; `swift://` has a client of its own ([`swift`]) and shares what is around
//! them. What differs among the three is how each is built ([`s3`], [`gs`], [`azure`]) and a row of
//! facts ([`Dialect`]). A create is one PUT that the server refuses when the key is taken: `If-None-Match: *` on S3 and
//! Azure, `x-goog-if-generation-match: 0` on GCS. The entity tag that the PUT returns is the checksum for the receipt:
//! `verify` gets the same from a HEAD. On S3 the payload is signed and carries a checksum, so a store that checks either
//! never keeps a damaged object.
//!
//! What object_store makes of some answers, and what is done about it (each seen, see docs/decisions/0003):
//! - `AlreadyExists` comes back for 412, for 409 with nothing stored, and for a repeated PUT whose first answer was
//!   lost. So after it the object is looked for; if it isn't there the PUT is made again.
//! - A stored object whose answer was a 5xx, a broken connection or a timeout: the object is looked for too.
//! - Errors don't tell their HTTP status: [`errors`] reads it from their text.
//! - A request has a total timeout or none. None would hang on a dead connection and one fit for 5 GiB would be useless
//!   for a manifest, so each call here has its own.
//! - Some servers ignore where a listing shall start, others begin with that key itself: both is filtered.
//!
//! object_store's own retries are few (a hiccup should not reach the log); the caller's are what gets through an outage.
//! When the store says that it is asked too much, all requests of this store slow down together ([`pace`]).
//!
//! Storage class and tags are for archived files only, which are told by their digest: a ledger entry in cold storage
//! could not be read, and a lifecycle rule by tag must never meet one.
//!
//! Deliberately absent: multipart uploads (no create mode), so an object has at most 5 GiB; creating buckets; reading
//! the environment when credentials are configured, so that nothing of another account gets mixed in.

mod aws_chain;
mod azure;
mod body;
mod errors;
mod federated;
mod gs;
mod http;
mod kept;
mod pace;
mod s3;
mod swift;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, TagSet,
};
use secor_core::ids::Digest;

use self::pace::Pace;
pub(super) use self::swift::SwiftStore;
use super::settings::Location;
use super::{
    Attributes, Backoff, ByteStream, Checksum, Class, Create, GET_BYTES_MAX, Listed, ObjectInfo, Operation, Payload,
    Store, StoreError, StoreSettings, Traits, key,
};

/// How long a request may take that moves few bytes, retries included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// An upload slower than this is given up: it is more likely dead than slow.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 512 << 10;
/// How long the next piece of a download may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// Keys per page of a listing: the limit of S3 and GCS; Azure's is higher.
const PAGE_KEYS_MAX: usize = 1000;
/// Creates that find the key neither free nor taken before that is an error.
const CREATE_ATTEMPTS_MAX: usize = 6;
const CREATE_BACKOFF: Backoff = Backoff { first: Duration::from_millis(20), max: Duration::from_millis(500) };

/// A bucket and a prefix in it.
pub(super) struct RemoteStore {
    clients: Clients,
    pace: Pace,
    place: Place,
}

/// Where keys stand, and how a store is called in errors.
struct Place {
    url: Arc<str>,
    /// Without slashes at its ends; empty for the whole bucket.
    prefix: String,
}

/// What the clients of all clouds can do.
trait Client: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Client for T {}

/// How to reach one bucket.
struct Clients {
    /// For everything but PUT.
    reader: Arc<dyn Client>,
    /// For PUT: it may send headers that no other request should have.
    writer: Arc<dyn Client>,
    dialect: &'static Dialect,
    /// Of archived files.
    storage_class: Option<String>,
    /// Of archived files.
    tags: TagSet,
}

/// What differs between clouds, beside how their clients are built.
#[derive(Debug)]
struct Dialect {
    /// What one PUT can store, in bytes.
    object_bytes_max: u64,
    /// The metadata key (behind `x-amz-meta-`, `x-goog-meta-`, `x-ms-meta-`) that holds a data file's digest: persisted,
    /// never change.
    digest_metadata: &'static str,
    /// A key is stored under its own name even with a backslash in it.
    keeps_backslashes: bool,
    /// What to grant to who is denied.
    hint_denied: &'static str,
    /// What to do without credentials.
    hint_credentials: &'static str,
    /// What to do when the bucket is not where it was looked for.
    hint_elsewhere: &'static str,
}

/// What became of one PUT.
enum Put {
    Created(Option<Checksum>),
    /// The store says that the key is taken.
    Taken(StoreError),
    /// The store says nothing that one could rely on.
    Doubtful(StoreError),
}

// === impl RemoteStore ===

impl RemoteStore {
    pub(super) fn new(settings: &StoreSettings, location: Location) -> Result<Self, StoreError> {
        let (clients, bucket) = match location {
            Location::S3(bucket) => (s3::build(settings, &bucket.name)?, bucket),
            Location::Gs(bucket) => (gs::build(settings, &bucket.name)?, bucket),
            Location::Azure { bucket, account, endpoint } => {
                (azure::build(settings, &bucket.name, azure::Place { account, endpoint })?, bucket)
            }
            Location::File { .. } | Location::Swift(_) => unreachable!("these have stores of their own"),
        };
        let place = Place { url: Arc::from(settings.url.as_str()), prefix: bucket.prefix };
        Ok(Self { clients, pace: Pace::default(), place })
    }

    /// The path of a key in the bucket.
    fn path(&self, operation: Operation, key: &str) -> Result<Path, StoreError> {
        let full = self.place.full_key(operation, key)?;
        let invalid = |what: String| self.place.error(Class::Invalid, operation, what).with_key(key);
        if full.contains('\\') && !self.clients.dialect.keeps_backslashes {
            return Err(invalid("this store takes a backslash for a slash".to_owned()));
        }
        Path::parse(&full).map_err(|bad| invalid(bad.to_string()))
    }

    /// The folder `prefix` in the bucket with a slash at its end; empty for the whole bucket.
    fn folder(&self, operation: Operation, prefix: &str) -> Result<String, StoreError> {
        if !prefix.is_empty() {
            self.path(operation, prefix)?;
        }
        self.place.folder(operation, prefix)
    }

    fn error(&self, operation: Operation, key: &str, error: &object_store::Error) -> StoreError {
        errors::explain(&self.place.url, self.clients.dialect, operation, error).with_key(key)
    }

    /// Awaits an answer, at most for `limit`.
    async fn within<T>(
        &self,
        limit: Duration,
        at: (Operation, &str),
        request: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<Result<T, object_store::Error>, StoreError> {
        self.pace.wait().await;
        let answer = tokio::time::timeout(limit, request).await.map_err(|_| self.timed_out(limit, at))?;
        self.pace.learn(answer.as_ref().err().is_some_and(errors::says_slow_down));
        Ok(answer)
    }

    fn timed_out(&self, limit: Duration, (operation, key): (Operation, &str)) -> StoreError {
        let what = format!("no answer within {} s", limit.as_secs());
        self.place.error(Class::Unavailable, operation, what).with_key(key)
    }

    /// GET or HEAD; `None` for 404.
    async fn ask(&self, operation: Operation, key: &str, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        let path = self.path(operation, key)?;
        match self.within(REQUEST_TIMEOUT, (operation, key), self.clients.reader.get_opts(&path, options)).await? {
            Ok(result) => Ok(Some(result)),
            Err(error @ object_store::Error::NotFound { .. }) if !errors::names_missing_bucket(&error) => Ok(None),
            Err(error) => Err(self.error(operation, key, &error)),
        }
    }

    async fn head_as(&self, operation: Operation, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let result = self.ask(operation, key, options).await?;
        Ok(result.map(|result| info(self.clients.dialect, &result.meta, &result.attributes)))
    }

    async fn put(&self, key: &str, payload: &Payload, attributes: &Attributes) -> Result<Put, StoreError> {
        let path = self.path(Operation::Create, key)?;
        let options = self.clients.put_options(attributes);
        let upload = body::Upload { client: Arc::clone(&self.clients.writer), path, options };
        let invalid = |what| self.place.error(Class::Invalid, Operation::Create, what).with_key(key);
        let limit = upload_timeout(payload.size());
        let answer = match payload {
            Payload::Bytes(bytes) => {
                let put = upload.put_bytes(bytes.clone());
                self.within(limit, (Operation::Create, key), put).await
            }
            Payload::File(staged) => {
                let file = body::MappedFile::open(staged).map_err(invalid)?;
                let put = upload.put_file(&file);
                self.within(limit, (Operation::Create, key), put).await
            }
        };
        match answer {
            Ok(Ok(result)) => Ok(Put::Created(result.e_tag.as_deref().map(Checksum::etag))),
            Ok(Err(error)) => {
                let (taken, doubtful) = (errors::says_taken(&error), errors::leaves_doubt(&error));
                let error = self.error(Operation::Create, key, &error);
                match (taken, doubtful) {
                    (true, _) => Ok(Put::Taken(error)),
                    (false, true) => Ok(Put::Doubtful(error)),
                    (false, false) => Err(error),
                }
            }
            Err(timed_out) => Ok(Put::Doubtful(timed_out)),
        }
    }

    async fn page(
        &self,
        at: (Operation, &str),
        folder: &str,
        options: PaginatedListOptions,
    ) -> Result<object_store::list::PaginatedListResult, StoreError> {
        let folder = (!folder.is_empty()).then_some(folder);
        let answer = self.within(REQUEST_TIMEOUT, at, self.clients.reader.list_paginated(folder, options)).await?;
        answer.map_err(|error| self.error(at.0, at.1, &error))
    }
}

// === impl Place ===

impl Place {
    fn error(&self, class: Class, operation: Operation, what: impl Into<String>) -> StoreError {
        StoreError::new(class, &self.url, operation, what)
    }

    /// A key in the bucket.
    fn join(&self, key: &str) -> String {
        key::join(&self.prefix, key)
    }

    /// A key in the bucket, if it is one.
    fn full_key(&self, operation: Operation, key: &str) -> Result<String, StoreError> {
        let full = self.join(key);
        let checked = key::check(key).and_then(|()| key::check(&full));
        checked.map_err(|bad| self.error(Class::Invalid, operation, bad.to_string()).with_key(key))?;
        Ok(full)
    }

    /// The folder `prefix` in the bucket with a slash at its end; empty for the whole bucket.
    fn folder(&self, operation: Operation, prefix: &str) -> Result<String, StoreError> {
        let folder = if prefix.is_empty() { self.prefix.clone() } else { self.full_key(operation, prefix)? };
        Ok(if folder.is_empty() { folder } else { folder + "/" })
    }

    /// The key of what lies below the prefix in the bucket.
    fn key_of<'a>(&self, full: &'a str) -> &'a str {
        full.strip_prefix(&self.prefix).map_or(full, |key| key.trim_start_matches('/'))
    }

    fn check_size(&self, key: &str, bytes: u64, bytes_max: u64) -> Result<(), StoreError> {
        if bytes <= bytes_max {
            return Ok(());
        }
        let what = format!("{bytes} bytes are more than the {bytes_max} that one object can have");
        Err(self.error(Class::Invalid, Operation::Create, what).with_key(key).with_hint("lower `flush.max_bytes`"))
    }
}

// === impl Clients ===

impl Clients {
    fn put_options(&self, attributes: &Attributes) -> PutOptions {
        let is_archived_file = attributes.digest.is_some();
        let digest = attributes
            .digest
            .map(|digest| (Attribute::Metadata(self.dialect.digest_metadata.into()), digest.to_string()));
        let content_type = attributes.content_type.clone().map(|text| (Attribute::ContentType, text));
        let class = self.storage_class.clone().filter(|_| is_archived_file).map(|text| (Attribute::StorageClass, text));
        PutOptions {
            mode: PutMode::Create,
            tags: if is_archived_file { self.tags.clone() } else { TagSet::default() },
            attributes: digest.into_iter().chain(content_type).chain(class).collect(),
            ..PutOptions::default()
        }
    }
}

#[async_trait]
impl Store for RemoteStore {
    async fn create(&self, key: &str, payload: Payload, attributes: &Attributes) -> Result<Create, StoreError> {
        self.place.check_size(key, payload.size(), self.clients.dialect.object_bytes_max)?;
        let won = ObjectInfo { size: payload.size(), checksum: None, attributes: attributes.clone() };
        create(won, || self.put(key, &payload, attributes), || self.head_as(Operation::Create, key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.head_as(Operation::Head, key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let Some(result) = self.ask(Operation::Get, key, GetOptions::default()).await? else { return Ok(None) };
        if result.meta.size > GET_BYTES_MAX {
            let what = format!("an object of {} bytes is too big to read whole", result.meta.size);
            return Err(self.place.error(Class::Invalid, Operation::Get, what).with_key(key));
        }
        let content = self.within(REQUEST_TIMEOUT, (Operation::Get, key), result.bytes()).await?;
        content.map(Some).map_err(|error| self.error(Operation::Get, key, &error))
    }

    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError> {
        let Some(result) = self.ask(Operation::Read, key, GetOptions::default()).await? else { return Ok(None) };
        let dialect = self.clients.dialect;
        let start = (Arc::clone(&self.place.url), key.to_owned(), result.into_stream());
        let stream = futures::stream::try_unfold(start, move |(url, key, mut pieces)| async move {
            let failed = |error: StoreError| error.with_key(&key);
            let piece = tokio::time::timeout(PIECE_TIMEOUT, pieces.try_next()).await.map_err(|_| {
                let what = format!("nothing more came within {} s", PIECE_TIMEOUT.as_secs());
                failed(StoreError::new(Class::Unavailable, &url, Operation::Read, what))
            })?;
            let piece = piece.map_err(|error| failed(errors::explain(&url, dialect, Operation::Read, &error)))?;
            Ok(piece.map(|piece| (piece, (url, key, pieces))))
        });
        Ok(Some(Box::pin(stream)))
    }

    async fn checksum(&self, key: &str) -> Result<Option<Checksum>, StoreError> {
        let Some(info) = self.head_as(Operation::Checksum, key).await? else { return Ok(None) };
        if info.checksum.is_some() {
            return Ok(info.checksum);
        }
        let what = "the store tells no entity tag";
        Err(self.place.error(Class::Invalid, Operation::Checksum, what).with_key(key))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let folder = self.folder(Operation::List, prefix)?;
        let offset = start_after.map(|key| self.place.join(key));
        let mut listed: Vec<Listed> = Vec::new();
        let mut page_token = None;
        let mut page_keys = limit.min(PAGE_KEYS_MAX);
        while listed.len() < limit {
            let options = PaginatedListOptions {
                offset: offset.clone(),
                max_keys: Some(page_keys),
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = self.page((Operation::List, prefix), &folder, options).await?;
            let objects = page.result.objects.iter();
            let found = objects.map(|object| Listed {
                key: self.place.key_of(object.location.as_ref()).to_owned(),
                size: object.size,
            });
            // Some servers begin with the offset itself, and some with the first key of all: then pages are made big.
            let before = listed.len();
            listed.extend(found.filter(|object| start_after.is_none_or(|start| object.key.as_str() > start)));
            let missing = limit - listed.len().min(limit);
            page_keys = if listed.len() == before { PAGE_KEYS_MAX } else { missing.min(PAGE_KEYS_MAX) };
            page_token = page.page_token;
            if page_token.is_none() {
                break;
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = self.folder(Operation::Folders, prefix)?;
        let mut names = Vec::new();
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions { delimiter: Some("/".into()), page_token, ..Default::default() };
            let page = self.page((Operation::Folders, prefix), &folder, options).await?;
            names.extend(page.result.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)));
            page_token = page.page_token;
            if page_token.is_none() {
                names.sort_unstable();
                return Ok(names);
            }
        }
    }

    async fn make_durable(&self, key: &str) -> Result<(), StoreError> {
        self.path(Operation::MakeDurable, key).map(|_| ())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(Operation::Delete, key)?;
        match self.within(REQUEST_TIMEOUT, (Operation::Delete, key), self.clients.reader.delete(&path)).await? {
            Ok(()) => Ok(()),
            Err(error @ object_store::Error::NotFound { .. }) if !errors::names_missing_bucket(&error) => Ok(()),
            Err(error) => Err(self.error(Operation::Delete, key, &error)),
        }
    }

    async fn traits(&self) -> Result<Traits, StoreError> {
        Ok(Traits {
            folds_case: false,
            object_bytes_max: self.clients.dialect.object_bytes_max,
            keeps_attributes: true,
            exclusive: true,
        })
    }
}

impl fmt::Display for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.url)
    }
}

/// Without what is inside object_store: it holds credentials.
impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStore").field("url", &self.place.url).finish_non_exhaustive()
    }
}

/// Creates by `put`; an answer that leaves it open who won is cleared up by `head`. `won` is what was created, but for
/// its checksum.
async fn create<P, H>(won: ObjectInfo, put: impl Fn() -> P, head: impl Fn() -> H) -> Result<Create, StoreError>
where
    P: Future<Output = Result<Put, StoreError>>,
    H: Future<Output = Result<Option<ObjectInfo>, StoreError>>,
{
    let mut last = None;
    for pause in CREATE_BACKOFF.pauses().take(CREATE_ATTEMPTS_MAX) {
        let (doubt, taken) = match put().await? {
            Put::Created(checksum) => return Ok(Create::Created(ObjectInfo { checksum, ..won })),
            Put::Taken(doubt) => (doubt, true),
            Put::Doubtful(doubt) => (doubt, false),
        };
        match head().await {
            Ok(Some(info)) => return Ok(Create::Exists(info)),
            Ok(None) if taken => last = Some(doubt),
            // Not stored, and the store is in trouble: that is the caller's to sit out.
            Ok(None) | Err(_) => return Err(doubt),
        }
        tokio::time::sleep(pause).await;
    }
    Err(last.expect("there was at least one attempt"))
}

fn info(dialect: &Dialect, meta: &ObjectMeta, attributes: &object_store::Attributes) -> ObjectInfo {
    let digest = attributes.get(&Attribute::Metadata(dialect.digest_metadata.into()));
    let attributes = Attributes {
        digest: digest.and_then(|text| Digest::try_from(text.as_ref()).ok()),
        content_type: attributes.get(&Attribute::ContentType).map(|text| text.as_ref().to_owned()),
    };
    ObjectInfo { size: meta.size, checksum: meta.e_tag.as_deref().map(Checksum::etag), attributes }
}

fn upload_timeout(bytes: u64) -> Duration {
    REQUEST_TIMEOUT + Duration::from_secs(bytes / UPLOAD_BYTES_PER_SECOND_MIN)
}
