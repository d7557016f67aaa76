//! A server of a test's own: each connection has a thread of its own, until the server is dropped.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

pub struct Listener {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// === impl Listener ===

impl Listener {
    /// Listens on a free loopback port.
    pub fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let (serve, ended) = (Arc::new(serve), Arc::new(AtomicBool::new(false)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let over = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let serve = Arc::clone(&serve);
                // a client that goes away is its own problem
                thread::spawn(move || drop(client.and_then(|client| serve(client))));
            }
        });
        Self { address, ended, thread: Some(thread) }
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An answer that was passed on, with word that the connection ends with it. Not every server says so when it was asked
/// to close; without it the client keeps the connection for its next request and meets a reset.
pub fn last_of_its_connection(mut answer: Vec<u8>) -> Vec<u8> {
    if let Some(end) = answer.windows(2).position(|pair| pair == b"\r\n") {
        answer.splice(end + 2..end + 2, *b"Connection: close\r\n");
    }
    answer
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address)); // wakes the thread
        drop(self.thread.take().map(JoinHandle::join));
    }
}
