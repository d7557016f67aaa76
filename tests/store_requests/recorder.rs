//! A server that plays a cloud's part: it remembers every request and answers what a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::harness::Listener;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub struct Recorder {
    state: Arc<State>,
    listener: Listener,
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

struct State {
    answer: Box<Script>,
    requests: Mutex<Vec<Request>>,
}

// === impl Recorder ===

impl Recorder {
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let state = Arc::new(State { answer: Box::new(answer), requests: Mutex::default() });
        let serving = Arc::clone(&state);
        let listener = Listener::start(move |client| serving.serve(client));
        Self { state, listener }
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        self.listener.endpoint()
    }

    /// What came so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request of this method.
    #[track_caller]
    pub fn last(&self, method: &str) -> Request {
        let requests = self.requests();
        let found = requests.iter().rev().find(|request| request.method == method).cloned();
        found.unwrap_or_else(|| panic!("no {method} in {requests:?}"))
    }
}

// === impl State ===

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let request = Request::read(&client)?;
        let Answer { status, headers, body } = (self.answer)(&request);
        let is_head = request.method == "HEAD";
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let mut answer =
            format!("HTTP/1.1 {status} As it is\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        if !is_head {
            answer.push_str(&body);
        }
        client.write_all(answer.as_bytes())
    }
}

// === impl Request ===

impl Request {
    /// The header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The access key that a request to AWS is signed with.
    pub fn access_key(&self) -> &str {
        let credential = self.header("authorization").split("Credential=").nth(1).unwrap_or_default();
        credential.split('/').next().unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn read(client: &TcpStream) -> io::Result<Self> {
        let mut client = BufReader::new(client);
        let mut line = String::new();
        client.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (method, target) =
            (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").parse().unwrap_or(0);
        client.take(length).read_to_end(&mut request.body)?;
        Ok(request)
    }
}

// === impl Answer ===

impl Answer {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// What a store says to a PUT.
    pub fn created() -> Self {
        Self { headers: vec![("ETag", "\"0123\"".to_owned())], ..Self::new(201, "") }
    }
}
