//! OpenStack Swift: `swift://container/prefix`.
//!
//! object_store knows no Swift, so this is a client of its own over the same HTTP client as the other clouds': their
//! proxy, certificates, timeouts and pace hold here too. An object is created by a PUT with `If-None-Match: *`, which
//! carries the MD5 of its content as `ETag` and is refused when the bytes arrived damaged. The entity tag is the checksum
//! of receipts; a HEAD gives the same. Followed: <https://docs.openstack.org/api-ref/object-store/>.
//!
//! **Swift does not create exclusively.** The header is looked at before the bytes arrive, so that two creators at once
//! both hear 201 (in 48 of 50 tries) and the later bytes stay. For archived files that is no harm: whoever makes a file
//! makes the same records (R6). For a ledger it would be: [`Traits::exclusive`] says no, the probe refuses, and the
//! ledger belongs into a database.
//!
//! What is larger than `segment_size` is a static large object: see [`large`].
//!
//! Deliberately absent: creating containers; a container per topic (keys, ledger and `verify` know one place, and
//! containers would have to be created: decision 0008); dynamic large objects, whose content is a listing that lags;
//! deleting the segments of a large object.

mod client;
mod large;
mod login;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::TryStreamExt;
use http::{HeaderName, HeaderValue, Method};
use object_store::client::HttpResponse;
use secor_core::ids::Digest;
use serde::Deserialize;
use url::form_urlencoded;

use self::client::{Call, Client};
use self::large::Segments;
use super::{PAGE_KEYS_MAX, PIECE_TIMEOUT, Place, Put, create, upload_timeout};
use crate::store::remote::body::MappedFile;
use crate::store::settings::Bucket;
use crate::store::{
    Attributes, ByteStream, Checksum, Class, Create, GET_BYTES_MAX, Listed, ObjectInfo, Operation, Payload, Store,
    StoreError, StoreSettings, Traits,
};

/// The digest of a data file: persisted, never change.
const DIGEST_HEADER: &str = "x-object-meta-secor-records";
const IF_NONE_MATCH: HeaderName = http::header::IF_NONE_MATCH;

/// A container and a prefix in it.
pub(in crate::store) struct SwiftStore {
    client: Arc<Client>,
    place: Place,
    container: String,
    segments: Segments,
    /// Seconds that archived files are kept, with their segments; the ledger is kept for ever.
    delete_after: Option<u64>,
}

/// What a listing holds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Object { name: String, bytes: u64 },
    Folder { subdir: String },
}

/// A page of a listing.
struct Page<'a> {
    operation: Operation,
    /// For the error.
    key: &'a str,
    /// With a slash at its end; empty for the whole container.
    folder: &'a str,
    /// Strictly after this.
    marker: &'a str,
    /// Whether what lies deeper is listed as the folder that it lies in.
    is_shallow: bool,
    keys_max: usize,
}

// === impl Page ===

impl Page<'_> {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("format", "json").append_pair("limit", &self.keys_max.to_string());
        query.append_pair("prefix", self.folder).append_pair("marker", self.marker);
        if self.is_shallow {
            query.append_pair("delimiter", "/");
        }
        query.finish()
    }
}

// === impl SwiftStore ===

impl SwiftStore {
    pub(in crate::store) fn new(settings: &StoreSettings, bucket: Bucket) -> Result<Self, StoreError> {
        let client = Arc::new(Client::new(settings)?);
        let place = Place { url: Arc::from(settings.url.as_str()), prefix: bucket.prefix };
        let segments = Segments::new(&settings.swift);
        let delete_after = settings.swift.delete_after.map(|ms| ms / 1000);
        Ok(Self { client, place, container: bucket.name, segments, delete_after })
    }

    /// The path of a key behind the account's url.
    fn path(&self, operation: Operation, key: &str) -> Result<String, StoreError> {
        Ok(self.path_of(&self.place.full_key(operation, key)?))
    }

    /// The path of an object in the container.
    fn path_of(&self, full_key: &str) -> String {
        format!("{}/{}", self.container, encoded(full_key))
    }

    /// `None` for 404.
    async fn ask(&self, method: Method, operation: Operation, key: &str) -> Result<Option<HttpResponse>, StoreError> {
        let call = Call::new(method, operation, key, self.path(operation, key)?);
        let answer = self.client.send(&call).await?;
        match answer.status().as_u16() {
            200..=299 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(self.client.refused(&call, answer).await),
        }
    }

    async fn head_as(&self, operation: Operation, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        Ok(self.ask(Method::HEAD, operation, key).await?.map(|answer| info(&answer)))
    }

    async fn put(&self, key: &str, payload: &Payload, attributes: &Attributes) -> Result<Put, StoreError> {
        let mut call = Call::new(Method::PUT, Operation::Create, key, self.path(Operation::Create, key)?);
        self.describe(&mut call, attributes);
        let invalid = |what| self.place.error(Class::Invalid, Operation::Create, what).with_key(key);
        match payload {
            Payload::Bytes(bytes) => conclude(self.client.put(call, bytes.clone().into()).await),
            Payload::File(staged) => {
                let file = MappedFile::open(staged).map_err(invalid)?;
                if staged.len > self.segments.bytes_max {
                    call = self.put_segments(call, &file, staged.len).await?;
                    return conclude(self.client.send_put(call).await);
                }
                conclude(self.put_file(call, &file).await)
            }
        }
    }

    /// The headers of what is created.
    fn describe(&self, call: &mut Call, attributes: &Attributes) {
        call.set(IF_NONE_MATCH, HeaderValue::from_static("*"));
        if let Some(digest) = attributes.digest {
            call.set(HeaderName::from_static(DIGEST_HEADER), ascii(&digest.to_string()));
            self.describe_life(call);
        }
        let kind = attributes.content_type.as_deref().unwrap_or("application/octet-stream");
        if let Ok(kind) = HeaderValue::from_str(kind) {
            call.set(http::header::CONTENT_TYPE, kind);
        }
    }

    fn describe_life(&self, call: &mut Call) {
        if let Some(seconds) = self.delete_after {
            call.set(HeaderName::from_static("x-delete-after"), seconds.into());
        }
    }

    async fn put_file(&self, call: Call, file: &MappedFile) -> Result<HttpResponse, StoreError> {
        let (client, payload) = (Arc::clone(&self.client), file.payload());
        let key = call.key.clone();
        let call = Call { limit: upload_timeout(payload.content_length() as u64), ..call };
        let sent = file.drive(async move { client.put(call, payload).await }).await;
        sent.map_err(|error| self.unfinished(&key, &error))?
    }

    /// The thread of a request ended without an answer.
    fn unfinished(&self, key: &str, error: &tokio::task::JoinError) -> StoreError {
        self.place.error(Class::Unavailable, Operation::Create, error.to_string()).with_key(key)
    }

    async fn page(&self, page: Page<'_>) -> Result<Vec<Item>, StoreError> {
        let path = format!("{}?{}", self.container, page.query());
        let call = Call::new(Method::GET, page.operation, page.key, path);
        let answer = self.client.send(&call).await?;
        if !answer.status().is_success() {
            return Err(self.client.refused(&call, answer).await);
        }
        let document = self.client.content(&call, answer).await?;
        // an empty listing may come as 204 without a document
        if document.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_slice(&document).map_err(|error| {
            let what = format!("the listing can't be read: {error}");
            self.place.error(Class::Unavailable, page.operation, what).with_key(page.key)
        })
    }
}

#[async_trait]
impl Store for SwiftStore {
    async fn create(&self, key: &str, payload: Payload, attributes: &Attributes) -> Result<Create, StoreError> {
        self.place.check_size(key, payload.size(), self.segments.object_bytes_max())?;
        // segments of an object that is there already would be stored in vain
        if payload.size() > self.segments.bytes_max
            && let Some(info) = self.head_as(Operation::Create, key).await?
        {
            return Ok(Create::Exists(info));
        }
        let won = ObjectInfo { size: payload.size(), checksum: None, attributes: attributes.clone() };
        create(won, || self.put(key, &payload, attributes), || self.head_as(Operation::Create, key)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.head_as(Operation::Head, key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let Some(answer) = self.ask(Method::GET, Operation::Get, key).await? else { return Ok(None) };
        let size = length(&answer);
        if size > GET_BYTES_MAX {
            let what = format!("an object of {size} bytes is too big to read whole");
            return Err(self.place.error(Class::Invalid, Operation::Get, what).with_key(key));
        }
        let call = Call::new(Method::GET, Operation::Get, key, String::new());
        self.client.content(&call, answer).await.map(Some)
    }

    async fn read(&self, key: &str) -> Result<Option<ByteStream>, StoreError> {
        let Some(answer) = self.ask(Method::GET, Operation::Read, key).await? else { return Ok(None) };
        let start = (Arc::clone(&self.place.url), key.to_owned(), answer.into_body().bytes_stream());
        let stream = futures::stream::try_unfold(start, move |(url, key, mut pieces)| async move {
            let failed = |what: String| StoreError::new(Class::Unavailable, &url, Operation::Read, what).with_key(&key);
            let piece = tokio::time::timeout(PIECE_TIMEOUT, pieces.try_next()).await;
            let silent = |_| failed(format!("nothing more came within {} s", PIECE_TIMEOUT.as_secs()));
            let broken = |error| failed(format!("the connection broke: {}", client::innermost(&error)));
            let piece = piece.map_err(silent)?.map_err(broken)?;
            Ok(piece.map(|piece| (piece, (url, key, pieces))))
        });
        Ok(Some(Box::pin(stream)))
    }

    async fn checksum(&self, key: &str) -> Result<Option<Checksum>, StoreError> {
        let Some(info) = self.head_as(Operation::Checksum, key).await? else { return Ok(None) };
        let none = || self.place.error(Class::Invalid, Operation::Checksum, "the store tells no entity tag");
        info.checksum.map(Some).ok_or_else(|| none().with_key(key))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let folder = self.place.folder(Operation::List, prefix)?;
        let mut marker = start_after.map(|key| self.place.join(key)).unwrap_or_default();
        let mut listed = Vec::new();
        while listed.len() < limit {
            let keys_max = (limit - listed.len()).min(PAGE_KEYS_MAX);
            let page = Page {
                operation: Operation::List,
                key: prefix,
                folder: &folder,
                marker: &marker,
                is_shallow: false,
                keys_max,
            };
            let items = self.page(page).await?;
            let is_last = items.len() < keys_max;
            for item in items {
                if let Item::Object { name, bytes } = item {
                    listed.push(Listed { key: self.place.key_of(&name).to_owned(), size: bytes });
                    marker = name;
                }
            }
            if is_last {
                break;
            }
        }
        Ok(listed)
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = self.place.folder(Operation::Folders, prefix)?;
        let (mut names, mut marker) = (Vec::new(), String::new());
        loop {
            let page = Page {
                operation: Operation::Folders,
                key: prefix,
                folder: &folder,
                marker: &marker,
                is_shallow: true,
                keys_max: PAGE_KEYS_MAX,
            };
            let items = self.page(page).await?;
            let is_last = items.len() < PAGE_KEYS_MAX;
            for item in items {
                marker = match item {
                    Item::Object { name, .. } => name,
                    Item::Folder { subdir } => {
                        let name = subdir.strip_prefix(folder.as_str()).unwrap_or(&subdir).trim_end_matches('/');
                        names.push(name.to_owned());
                        subdir
                    }
                };
            }
            if is_last {
                names.sort_unstable();
                return Ok(names);
            }
        }
    }

    async fn make_durable(&self, key: &str) -> Result<(), StoreError> {
        self.path(Operation::MakeDurable, key).map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.ask(Method::DELETE, Operation::Delete, key).await.map(drop)
    }

    async fn traits(&self) -> Result<Traits, StoreError> {
        let object_bytes_max = self.segments.object_bytes_max();
        Ok(Traits { folds_case: false, object_bytes_max, keeps_attributes: true, exclusive: false })
    }
}

impl fmt::Display for SwiftStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.url)
    }
}

/// Without the client: it holds credentials.
impl fmt::Debug for SwiftStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwiftStore").field("url", &self.place.url).finish_non_exhaustive()
    }
}

/// What became of a PUT.
fn conclude(answer: Result<HttpResponse, StoreError>) -> Result<Put, StoreError> {
    match answer {
        Ok(answer) => Ok(Put::Created(checksum(&answer))),
        Err(error) => match error.status {
            // 409: another one is being stored
            Some(409 | 412) => Ok(Put::Taken(error)),
            Some(status) if status < 500 && status != 408 => Err(error),
            _ => Ok(Put::Doubtful(error)),
        },
    }
}

fn info(answer: &HttpResponse) -> ObjectInfo {
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let attributes = Attributes {
        digest: text(DIGEST_HEADER).and_then(|text| Digest::try_from(text).ok()),
        content_type: text("content-type").map(str::to_owned),
    };
    ObjectInfo { size: length(answer), checksum: checksum(answer), attributes }
}

fn checksum(answer: &HttpResponse) -> Option<Checksum> {
    answer.headers().get(http::header::ETAG).and_then(|value| value.to_str().ok()).map(Checksum::etag)
}

fn length(answer: &HttpResponse) -> u64 {
    let length = answer.headers().get(http::header::CONTENT_LENGTH);
    length.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal digits can stand in a header")
}

/// Percent-encodes what can't stand in a path.
fn encoded(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => path.push(byte.into()),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests;
