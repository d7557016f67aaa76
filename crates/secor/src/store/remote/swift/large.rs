//! What is larger than one PUT should be: a static large object, a manifest of segments.
//!
//! Segments lie in the same container, below `_secor/segments/`, under the MD5 of the object's key, their place in the
//! object and the MD5 of their content. So two processes that upload the same file at once, with the same bytes or not,
//! never change a segment under the other's manifest: different bytes have different names. Whose manifest comes second
//! leaves segments that nobody names, unless their bytes are the same.
//!
//! The manifest is created like any object, with `If-None-Match: *`; it names each segment's size and entity tag, which
//! the server compares. To everybody who reads, it is one object.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, Method};
use md5::{Digest as _, Md5};
use object_store::PutPayload;
use serde::Serialize;

use super::super::body::MappedFile;
use super::client::Call;
use super::{IF_NONE_MATCH, SwiftStore, upload_timeout};
use crate::store::{Operation, StoreError, SwiftSettings};

/// Segments of one object: Swift's limit as it is delivered.
const SEGMENTS_MAX: u64 = 1000;
/// What is smaller is one PUT.
const SEGMENT_BYTES_DEFAULT: u64 = 1 << 30;
/// Below the store's prefix. Persisted, never change.
const FOLDER: &str = "_secor/segments";

/// How objects are divided.
pub(super) struct Segments {
    /// An object above this is divided into pieces of this size.
    pub(super) bytes_max: u64,
}

/// A line of a manifest.
#[derive(Serialize)]
struct Line {
    path: String,
    etag: String,
    size_bytes: u64,
}

// === impl Segments ===

impl Segments {
    pub(super) fn new(settings: &SwiftSettings) -> Self {
        Self { bytes_max: settings.segment_size.unwrap_or(SEGMENT_BYTES_DEFAULT).max(1) }
    }

    /// The largest object that can be stored, in bytes.
    pub(super) fn object_bytes_max(&self) -> u64 {
        self.bytes_max.saturating_mul(SEGMENTS_MAX)
    }
}

// === impl SwiftStore ===

impl SwiftStore {
    /// Stores the segments of a file and makes the call that would create the object the one that creates the manifest.
    pub(super) async fn put_segments(&self, call: Call, file: &MappedFile, len: u64) -> Result<Call, StoreError> {
        let folder = self.place.join(&format!("{FOLDER}/{}", hex_md5([call.key.as_bytes()])));
        let mut lines = Vec::new();
        for (number, start) in
            (0..len).step_by(usize::try_from(self.segments.bytes_max).unwrap_or(usize::MAX)).enumerate()
        {
            let range = start..len.min(start + self.segments.bytes_max);
            let size_bytes = range.end - range.start;
            let payload: PutPayload = file.payload_of(range);
            let (client, key, container) = (Arc::clone(&self.client), call.key.clone(), self.container.clone());
            let (folder, lives) = (folder.clone(), call.headers.contains_key("x-delete-after"));
            let delete_after = self.delete_after.filter(|_| lives);
            // hashed and sent where touching the file's pages may wait for the disk
            let sent = file.drive(async move {
                let etag = hex_md5(payload.iter());
                let path = format!("{folder}/{number:05}-{etag}");
                let mut call =
                    Call::new(Method::PUT, Operation::Create, &key, format!("{container}/{}", super::encoded(&path)));
                call.limit = upload_timeout(size_bytes);
                call.set(IF_NONE_MATCH, HeaderValue::from_static("*"));
                call.set(http::header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
                if let Some(seconds) = delete_after {
                    call.set(http::HeaderName::from_static("x-delete-after"), seconds.into());
                }
                let stored = client.put_hashed(call, payload, &etag).await;
                (Line { path: format!("/{container}/{path}"), etag, size_bytes }, stored)
            });
            let (line, stored) = sent.await.map_err(|error| self.unfinished(&call.key, &error))?;
            match stored {
                Ok(_) => {}
                // its name says its content
                Err(error) if error.status == Some(412) => {}
                Err(error) => return Err(error),
            }
            lines.push(line);
        }
        let manifest = serde_json::to_vec(&lines).expect("lines are plain texts and numbers");
        let path = format!("{}?multipart-manifest=put", call.path);
        Ok(Call { path, body: manifest.into(), ..call })
    }
}

/// The MD5 of these pieces, one after the other, as Swift writes it.
pub(super) fn hex_md5<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> String {
    let mut hash = Md5::new();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hash.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}
