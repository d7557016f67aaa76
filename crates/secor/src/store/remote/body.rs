//! The body of a PUT: bytes, or a staged file through a memory map.
//!
//! A file of hundreds of megabytes goes as one request, whose payload object_store wants whole and in memory, because
//! it is hashed before it is sent. A map gives it that without a buffer. Two things need care:
//! - Hashing takes half a second per gigabyte within one poll, and touching a map may wait for the disk. Both happen on
//!   a blocking thread, which drives the request to its end.
//! - Pages that were touched count as this process's memory. While the request runs they are handed back every few
//!   milliseconds, so that the memory limit that the operator set is not exceeded by a file's size.
//!
//! The file must not be truncated meanwhile: that is a bus error. [`StagedFile`] demands it.

use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memmap2::{Mmap, UncheckedAdvice};
use object_store::path::Path;
use object_store::{PutOptions, PutPayload, PutResult};
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::MissedTickBehavior;

use super::Client;
use crate::store::StagedFile;

/// Bytes per piece of a payload: what the client may copy at once when it has to.
const PIECE_BYTES: usize = 1 << 20;
/// How often touched pages are handed back: 15 MB at the speed of hashing.
const RELEASE_INTERVAL: Duration = Duration::from_millis(10);

/// A PUT that is ready but for its content.
pub(super) struct Upload {
    pub(super) client: Arc<dyn Client>,
    pub(super) path: Path,
    pub(super) options: PutOptions,
}

/// A staged file in memory, without being in memory. `None` for an empty file, which can't be mapped.
pub(super) struct MappedFile(Option<Arc<Mmap>>);

/// The map as the owner of bytes.
struct Owner(Arc<Mmap>);

// === impl Upload ===

impl Upload {
    pub(super) async fn put_bytes(self, bytes: Bytes) -> object_store::Result<PutResult> {
        self.client.put_opts(&self.path, bytes.into(), self.options).await
    }

    /// When this future is dropped, the request is too.
    pub(super) async fn put_file(self, file: &MappedFile) -> object_store::Result<PutResult> {
        let payload = file.payload();
        file.drive(async move { self.client.put_opts(&self.path, payload, self.options).await }).await?
    }
}

// === impl MappedFile ===

impl MappedFile {
    /// # Errors
    /// What is wrong with the staged file.
    pub(super) fn open(staged: &StagedFile) -> Result<Self, String> {
        let name = staged.path.display();
        let unreadable = |error| format!("the staged file `{name}` can't be read: {error}");
        let file = File::open(&staged.path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        if len != staged.len {
            return Err(format!("the staged file `{name}` has {len} bytes, not {}", staged.len));
        }
        if len == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the bytes of a map must not change. `StagedFile` promises that nobody writes to the file any more;
        // it lies in a folder that this process alone uses.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(Self(Some(Arc::new(map))))
    }

    /// Drives a request that carries the file to its end, on a thread that may block, and hands touched pages back
    /// meanwhile. When this future is dropped, the request is too.
    pub(super) async fn drive<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let (alive, dropped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let request = tokio::task::spawn_blocking(move || {
            runtime.block_on(async move {
                tokio::select! {
                    result = request => Some(result),
                    _ = dropped => None,
                }
            })
        });
        let result = tokio::select! {
            result = request => result,
            never = self.release_continually() => match never {},
        };
        drop(alive);
        Ok(result?.expect("nobody has dropped `alive` before"))
    }

    /// The content, in pieces.
    pub(super) fn payload(&self) -> PutPayload {
        self.payload_of(0..u64::MAX)
    }

    /// What of a range of bytes the file has, in pieces.
    pub(super) fn payload_of(&self, range: Range<u64>) -> PutPayload {
        let Some(map) = &self.0 else { return PutPayload::new() };
        let within = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(map.len());
        let content = Bytes::from_owner(Owner(Arc::clone(map))).slice(within(range.start)..within(range.end));
        let starts = (0..content.len()).step_by(PIECE_BYTES);
        starts.map(|start| content.slice(start..content.len().min(start + PIECE_BYTES))).collect()
    }

    /// Hands touched pages back, for as long as it is polled.
    async fn release_continually(&self) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(RELEASE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(map) = &self.0 {
                // SAFETY: the map is shared, read-only and backed by a file that doesn't change, so a page that is
                // handed back reads the same when it is touched again.
                // Advice may be ignored; then the memory is given back with the map.
                let _ = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
            }
        }
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
