//! Requests: how the tasks of a process wait for the world.
//!
//! A task is a future. It never waits for anything but a [`Net::call`], which puts a [`Request`] into the outbox of its
//! process and is pending until the reply was put into the inbox. The simulator polls a task exactly when a reply for
//! it arrives, so there is no waker, no executor and nothing whose order is not the event queue's. A future that is
//! dropped (its process crashed, its epoch ended) calls nothing back: what it has sent is on its way all the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use secor_core::ids::{Digest, Offset, TopicId, TopicPartition};
use secor_core::partition::LogRange;

/// Numbers the calls of one process.
pub(super) type CallId = u64;

#[derive(Clone, Debug)]
pub(super) enum Request {
    /// To the store that holds the data, or to the arbiter of the ledger where that is another one.
    Store(Place, StoreRequest),
    Kafka(KafkaRequest),
    Sleep(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Data,
    Ledger,
}

#[derive(Clone, Debug)]
pub(super) enum StoreRequest {
    /// Create if absent, or put where the store knows no better.
    Create {
        key: String,
        bytes: Rc<[u8]>,
        digest: Option<Digest>,
    },
    Get {
        key: String,
    },
    Head {
        key: String,
    },
    /// Keys that begin with `folder` and a slash, above `after`, ascending, at most `limit`.
    List {
        folder: String,
        after: Option<String>,
        limit: usize,
    },
    /// Names of the folders below `folder`.
    Folders {
        folder: String,
    },
}

#[derive(Clone, Debug)]
pub(super) enum KafkaRequest {
    TopicId(Rc<str>),
    Partitions(Rc<str>),
    Committed(TopicPartition),
    LogRange(TopicPartition),
}

#[derive(Clone, Debug)]
pub(super) enum Reply {
    Store(StoreReply),
    TopicId(Option<TopicId>),
    Partitions(Vec<i32>),
    /// Offset and metadata.
    Committed(Option<(Offset, String)>),
    LogRange(LogRange),
    Slept,
    /// Nobody knows what became of the request.
    Failed,
    UnknownTopic,
}

#[derive(Clone, Debug)]
pub(super) enum StoreReply {
    Created(Info),
    Exists,
    Bytes(Option<Rc<[u8]>>),
    Info(Option<Info>),
    Keys(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Info {
    pub size: u64,
    pub checksum: String,
    /// As it was stored beside the object, by stores that keep attributes.
    pub digest: Option<Digest>,
}

/// The way out of one process; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Net(Rc<RefCell<Calls>>);

#[derive(Default)]
struct Calls {
    next: CallId,
    outbox: Vec<(CallId, Request)>,
    inbox: BTreeMap<CallId, Reply>,
}

// === impl Net ===

impl Net {
    /// Sends `request` and waits for the reply.
    pub async fn call(&self, request: Request) -> Reply {
        let id = {
            let mut calls = self.0.borrow_mut();
            calls.next += 1;
            let id = calls.next;
            calls.outbox.push((id, request));
            id
        };
        std::future::poll_fn(|_| match self.0.borrow_mut().inbox.remove(&id) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }

    pub fn take_outbox(&self) -> Vec<(CallId, Request)> {
        std::mem::take(&mut self.0.borrow_mut().outbox)
    }

    pub fn put(&self, id: CallId, reply: Reply) {
        self.0.borrow_mut().inbox.insert(id, reply);
    }
}

/// A future of the process, boxed.
pub(super) type Running<T> = Pin<Box<dyn Future<Output = T>>>;

/// Polls once; nothing else ever wakes a task.
pub(super) fn poll_once<T>(running: &mut Running<T>) -> Option<T> {
    match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Runs all at once and gives their results in order. Ends with the first error, as the real uploader does.
pub(super) async fn all<'a, T, E>(futures: Vec<impl Future<Output = Result<T, E>> + 'a>) -> Result<Vec<T>, E> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    std::future::poll_fn(move |cx| {
        for (future, result) in &mut running {
            let Some(pending) = future else { continue };
            match pending.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(value)) => (*future, *result) = (None, Some(value)),
            }
        }
        if running.iter().any(|(future, _)| future.is_some()) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(running.iter_mut().map(|(_, result)| result.take().expect("it is done")).collect()))
    })
    .await
}
