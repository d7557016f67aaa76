//! A gate in front of an S3 server: it passes requests on and counts them, and holds the one that a test waits for.
//!
//! A test that wants to kill a process between two steps of the ledger protocol can't wait for the right microsecond.
//! It lets the request that ends the step before be answered and holds the next one: then the window is as wide as the
//! test likes, and what is stored says which window it is. When a process is gone, what it had on the way can be dropped
//! or still be carried out, as a network does.
//!
//! Apart from that there is weather: while it is bad, requests of any kind fail, before or after they were carried out,
//! or take their time. Nothing is held in bad weather.
//!
//! One request per connection, so that a message ends where the connection does. Signatures hold: the header `Host` is
//! passed on as the client signed it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::listener::{Listener, last_of_its_connection};

/// Which requests are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Nothing,
    /// Every PUT of a ledger entry, before it reaches the server.
    Entries,
    /// Every PUT of an archived file, before it reaches the server.
    Files,
    /// The PUT of the last file that a manifest of two files or more names, before it reaches the server.
    LastFile,
    /// The same, but it is carried out: only the answer is held.
    LastAnswer,
}

/// What happens to requests on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    #[default]
    Fair,
    /// Half of them are answered with 503, and half of those are carried out all the same.
    Errors,
    /// Half of them get no answer but the end of the connection, and half of those are carried out all the same.
    Resets,
    /// Each takes up to a second longer, on its way there or on its way back.
    Slow,
    /// A store with little room: of the PUTs of archived files one per [`THROTTLE`] is let through, the others are told to
    /// slow down. All else is answered.
    Throttled,
}

/// What the weather does to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gust {
    Calm,
    /// Fails, with this answer.
    Before(&'static [u8]),
    /// Is carried out, and fails with this answer.
    After(&'static [u8]),
    There(Duration),
    Back(Duration),
}

/// What becomes of the requests that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// They are lost on the way.
    Drop,
    /// They are carried out, although nobody waits for the answer any more.
    CarryOut,
}

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query, decoded.
    pub target: String,
    pub status: u16,
}

/// A batch as its keys name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchName {
    pub partition: i32,
    pub start: i64,
}

pub struct Gate {
    state: Arc<State>,
    listener: Listener,
}

struct State {
    upstream: String,
    /// The bucket's folder, where every PUT is to win.
    overwritten: Option<PathBuf>,
    ended: AtomicBool,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    weather: Weather,
    /// Counts the requests in bad weather.
    gusts: u32,
    hold: Option<Hold>,
    /// When a file was let through in throttled weather.
    let_through: Option<Instant>,
    /// Targets that are held now, in order of arrival.
    held: Vec<String>,
    /// Counts releases: who is held waits for the next one.
    releases: u64,
    carry_out: bool,
    requests: Vec<Request>,
    /// The last file of every manifest that was sent through here.
    last_files: BTreeMap<BatchName, String>,
}

// === impl Gate ===

impl Gate {
    /// `upstream` is `http://host:port`.
    pub fn start(upstream: &str) -> Self {
        Self::with(upstream, None)
    }

    /// In front of a server whose bucket is this folder; every PUT wins there, also one that demands that nothing be
    /// there, as on a store that ignores `If-None-Match`.
    pub fn last_writer_wins(upstream: &str, bucket: &Path) -> Self {
        Self::with(upstream, Some(bucket.to_owned()))
    }

    fn with(upstream: &str, overwritten: Option<PathBuf>) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("an endpoint without TLS").to_owned();
        let state = Arc::new(State {
            upstream,
            overwritten,
            ended: AtomicBool::new(false),
            inner: Mutex::default(),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&state);
        let listener = Listener::start(move |client| serving.serve(client));
        Self { state, listener }
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    /// From now on requests fare like this; who is being slowed down is let go.
    pub fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
        self.state.changed.notify_all();
    }

    /// From now on such requests are held.
    pub fn hold(&self, hold: Hold) {
        self.state.lock().hold = Some(hold);
    }

    /// The batch of the first request that is held.
    pub fn held(&self) -> Option<BatchName> {
        self.state.lock().held.first().map(|target| batch_of(target).expect("only entries and files are held"))
    }

    /// Nothing is held any more, and what was held goes its way.
    pub fn release(&self, release: Release) {
        let mut inner = self.state.lock();
        inner.hold = None;
        inner.held.clear();
        inner.releases += 1;
        inner.carry_out = release == Release::CarryOut;
        self.state.changed.notify_all();
    }

    /// What was answered so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// Forgets what was answered so far.
    pub fn forget_requests(&self) {
        self.state.lock().requests.clear();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        self.release(Release::Drop);
    }
}

// === impl State ===

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let message = Message::read(&client)?;
        let gust = self.lock().gust(&message);
        match gust {
            Gust::Calm => {}
            Gust::Before(answer) => return client.write_all(answer),
            Gust::After(answer) => {
                self.pass_on(&message)?;
                return client.write_all(answer);
            }
            Gust::There(time) => self.linger(time),
            Gust::Back(time) => {
                let answer = self.pass_on(&message)?;
                self.linger(time);
                return client.write_all(&answer);
            }
        }
        let hold = self.lock().sort(&message);
        match hold {
            None => {
                let answer = self.pass_on(&message)?;
                client.write_all(&answer)
            }
            Some(Hold::LastAnswer) => {
                let answer = self.pass_on(&message)?;
                if self.wait(&message) { client.write_all(&answer) } else { Ok(()) }
            }
            Some(_) if self.wait(&message) => {
                let answer = self.pass_on(&message)?;
                client.write_all(&answer)
            }
            Some(_) => Ok(()),
        }
    }

    /// Waits, unless the weather gets better.
    fn linger(&self, time: Duration) {
        let slow = |inner: &mut Inner| inner.weather == Weather::Slow && !self.ended.load(Ordering::Relaxed);
        drop(self.changed.wait_timeout_while(self.lock(), time, slow));
    }

    /// Waits for the next release. Is the request to be carried out?
    fn wait(&self, message: &Message) -> bool {
        let mut inner = self.lock();
        let held_since = inner.releases;
        inner.held.push(message.target.clone());
        let released = |inner: &mut Inner| inner.releases == held_since && !self.ended.load(Ordering::Relaxed);
        let inner = self.changed.wait_while(inner, released).unwrap_or_else(PoisonError::into_inner);
        inner.carry_out
    }

    fn pass_on(&self, message: &Message) -> io::Result<Vec<u8>> {
        loop {
            self.make_room(message);
            let answer = self.pass_on_once(message)?;
            // another PUT of the same key came between
            if self.overwritten.is_none() || !answer.starts_with(b"HTTP/1.1 412") {
                return Ok(answer);
            }
        }
    }

    /// Takes away what a PUT would find, so that it wins whatever it demands: for a moment there is nothing, as on a
    /// store whose reads lag behind.
    fn make_room(&self, message: &Message) {
        let Some(folder) = self.overwritten.as_ref().filter(|_| message.method == "PUT") else { return };
        let path = message.target.split('?').next().unwrap_or_default();
        if let Some((_, key)) = path.trim_start_matches('/').split_once('/') {
            // nothing may be there
            drop(std::fs::remove_file(folder.join(key)));
        }
    }

    fn pass_on_once(&self, message: &Message) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(&self.upstream)?;
        server.write_all(&message.head)?;
        server.write_all(&message.body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.lock().requests.push(Request {
            method: message.method.clone(),
            target: message.target.clone(),
            status: status.unwrap_or_default(),
        });
        Ok(last_of_its_connection(answer))
    }
}

// === impl Inner ===

impl Inner {
    /// What happens to the next request: an even mix that looks like none.
    fn gust(&mut self, message: &Message) -> Gust {
        if self.weather == Weather::Fair {
            return Gust::Calm;
        }
        if self.weather == Weather::Throttled {
            let is_file = message.method == "PUT" && !message.target.contains("/_secor/");
            if is_file && self.let_through.is_some_and(|last| last.elapsed() < THROTTLE) {
                return Gust::Before(SLOW_DOWN);
            }
            if is_file {
                self.let_through = Some(Instant::now());
            }
            return Gust::Calm;
        }
        self.gusts += 1;
        let dice = self.gusts.wrapping_mul(2_654_435_761) >> 22; // below 1024
        let failure = match self.weather {
            Weather::Slow => {
                let time = Duration::from_millis(dice.into());
                return if dice.is_multiple_of(2) { Gust::There(time) } else { Gust::Back(time) };
            }
            Weather::Errors => UNAVAILABLE,
            Weather::Fair | Weather::Throttled | Weather::Resets => b"",
        };
        match dice % 4 {
            0 => Gust::Before(failure),
            1 => Gust::After(failure),
            _ => Gust::Calm,
        }
    }

    /// How this message is to be held; remembers what manifests say.
    fn sort(&mut self, message: &Message) -> Option<Hold> {
        let name = batch_of(&message.target).filter(|_| message.method == "PUT")?;
        let is_entry = message.target.contains("/entries/");
        if is_entry && let Some(last) = last_file(&message.body) {
            self.last_files.insert(name, last);
        }
        let is_last = || self.last_files.get(&name).is_some_and(|last| message.target.ends_with(last.as_str()));
        self.hold.filter(|hold| match hold {
            Hold::Nothing => false,
            Hold::Entries => is_entry,
            Hold::Files => !is_entry,
            Hold::LastFile | Hold::LastAnswer => !is_entry && is_last(),
        })
    }
}

/// The last file of a manifest of two files or more.
fn last_file(body: &[u8]) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_slice(body).ok()?;
    let files = manifest["files"].as_array().filter(|files| files.len() > 1)?;
    Some(files.last()?["key"].as_str()?.to_owned())
}

/// Of `.../00002/entries/00000000000000000100.json` and of `.../1_2_00000000000000000100.gz`.
fn batch_of(target: &str) -> Option<BatchName> {
    let (folder, name) = target.split('?').next()?.rsplit_once('/')?;
    let stem = name.split('.').next()?;
    let (partition, start) = match folder.strip_suffix("/entries") {
        Some(chain) => (chain.rsplit('/').next()?, stem),
        None => stem.split_once('_')?.1.split_once('_')?,
    };
    Some(BatchName { partition: partition.parse().ok()?, start: start.parse().ok()? })
}

/// A request as it came, but asking to close the connection.
struct Message {
    method: String,
    /// Decoded.
    target: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

// === impl Message ===

impl Message {
    fn read(client: &TcpStream) -> io::Result<Self> {
        let mut client = BufReader::new(client);
        let mut head = Vec::new();
        let mut body_bytes = 0;
        let mut request_line = String::new();
        client.read_line(&mut request_line)?;
        head.extend_from_slice(request_line.as_bytes());
        loop {
            let mut line = String::new();
            if client.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(length) = lower.strip_prefix("content-length:") {
                body_bytes = length.trim().parse().map_err(io::Error::other)?;
            }
            if !lower.starts_with("connection:") {
                head.extend_from_slice(line.as_bytes());
            }
        }
        head.extend_from_slice(b"Connection: close\r\n\r\n");
        let mut body = Vec::new();
        client.take(body_bytes).read_to_end(&mut body)?;
        let mut words = request_line.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = decoded(words.next().unwrap_or_default());
        Ok(Self { method, target, head, body })
    }
}

/// Percent-decodes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Between two files in throttled weather.
pub const THROTTLE: Duration = Duration::from_millis(250);
const SLOW_DOWN: &[u8] = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 38\r\nConnection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>\r\n";
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
