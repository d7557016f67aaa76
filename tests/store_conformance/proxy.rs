//! A proxy in front of a store that does one thing wrong with PUTs and passes everything else on.
//!
//! One request per connection, so that a message ends where the connection does. Signatures hold: the header `Host` is
//! passed on as the client signed it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use super::harness::{Listener, last_of_its_connection};

/// What happens to PUTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first is carried out and answered with 503.
    StoreThen503,
    /// The first is carried out; the connection is closed instead of an answer.
    StoreThenCut,
    /// So many are answered with 409 and not carried out.
    Conflicts(u32),
    /// None is carried out, all are answered with 503.
    Down,
    /// None is carried out, all are answered with 503 and S3's request for fewer.
    SlowDown,
    /// None is carried out, all are answered as Amazon answers who may only read.
    Forbidden,
    /// "The key is taken" (412, on Azure 409) becomes 200.
    EverybodyWins,
}

pub struct Proxy(Listener);

struct State {
    upstream: String,
    fault: Fault,
    puts: AtomicU32,
}

impl Proxy {
    /// `upstream` is `http://host:port`.
    pub fn start(upstream: &str, fault: Fault) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("an endpoint without TLS").to_owned();
        let state = State { upstream, fault, puts: AtomicU32::new(0) };
        Self(Listener::start(move |client| state.serve(client)))
    }

    pub fn endpoint(&self) -> String {
        self.0.endpoint()
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let request = read_request(&client)?;
        if !request.starts_with(b"PUT ") {
            return client.write_all(&self.pass_on(&request)?);
        }
        let number = self.puts.fetch_add(1, Ordering::Relaxed);
        let answer = match self.fault {
            Fault::StoreThen503 if number == 0 => {
                self.pass_on(&request).map(|_| Some(answer("503 Service Unavailable")))?
            }
            Fault::StoreThenCut if number == 0 => self.pass_on(&request).map(|_| None)?,
            Fault::Conflicts(times) if number < times => Some(answer("409 Conflict")),
            Fault::Down => Some(answer("503 Service Unavailable")),
            Fault::SlowDown => Some(refusal("503 Slow Down", "SlowDown")),
            Fault::Forbidden => Some(refusal("403 Forbidden", "AccessDenied")),
            Fault::EverybodyWins => Some(self.pass_on(&request)?).map(|said| {
                let taken = said.starts_with(b"HTTP/1.1 412") || said.starts_with(b"HTTP/1.1 409");
                if taken { answer("200 OK\r\nETag: \"0123\"") } else { said }
            }),
            _ => Some(self.pass_on(&request)?),
        };
        answer.map_or(Ok(()), |answer| client.write_all(&answer))
    }

    fn pass_on(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(&self.upstream)?;
        server.write_all(request)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(last_of_its_connection(answer))
    }
}

/// Head and body, with a request to close the connection.
fn read_request(client: &TcpStream) -> io::Result<Vec<u8>> {
    let mut client = BufReader::new(client);
    let mut request = Vec::new();
    let mut body_bytes = 0;
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
            request.extend_from_slice(line.as_bytes());
        }
    }
    request.extend_from_slice(b"Connection: close\r\n\r\n");
    client.take(body_bytes).read_to_end(&mut request)?;
    Ok(request)
}

fn answer(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// With the document that says why.
fn refusal(status: &str, code: &str) -> Vec<u8> {
    let document = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>As it is.</Message></Error>");
    let length = document.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{document}").into_bytes()
}
