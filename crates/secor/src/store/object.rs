//! A stored object as a blocking [`Read`], for decoders, which know nothing of stores.
//!
//! A task pulls pieces from the store into a short queue, the decoder takes them out on a blocking thread: memory is
//! bounded by the queue, and a slow decoder slows the download. An error of the store reaches the decoder as the end of
//! its input; [`Failure`] keeps it, so that nobody takes an outage for a damaged file.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::StreamExt;
use tokio::sync::mpsc;

use crate::store::{Store, StoreError};

/// Pieces of about a mebibyte that wait for the decoder.
const PIECES_AHEAD: usize = 4;

/// Reads to be done on a blocking thread only.
pub struct ObjectReader {
    pieces: mpsc::Receiver<Result<Bytes, StoreError>>,
    piece: Bytes,
    failure: Failure,
}

/// The store's error that ended a reader, if one did.
#[derive(Clone, Debug, Default)]
pub struct Failure(Arc<Mutex<Option<StoreError>>>);

/// Begins to read the object; `None` without such an object.
///
/// # Errors
/// When the store can't be asked.
pub async fn open(store: &dyn Store, key: &str) -> Result<Option<ObjectReader>, StoreError> {
    let Some(mut stream) = store.read(key).await? else { return Ok(None) };
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    tokio::spawn(async move {
        while let Some(piece) = stream.next().await {
            // the decoder may have seen enough
            if sender.send(piece).await.is_err() {
                break;
            }
        }
    });
    Ok(Some(ObjectReader { pieces, piece: Bytes::new(), failure: Failure::default() }))
}

// === impl ObjectReader ===

impl ObjectReader {
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => {
                    self.failure.set(error);
                    return Err(io::Error::other("the store failed"));
                }
            }
        }
        let taken = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

// === impl Failure ===

impl Failure {
    #[must_use]
    pub fn take(&self) -> Option<StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: StoreError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}
