//! A real schema registry: Apicurio, by its Confluent-compatible interface.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{NotReady, Server, free_port};

/// One registry.
pub struct Registry {
    server: Server,
    port: u16,
}

/// A text that another refers to by this name.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    pub name: &'a str,
    pub subject: &'a str,
    pub version: u32,
}

impl Registry {
    /// The registry that all tests of this process share. Use subjects of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Registry> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A registry of one's own, for tests that stop it.
    pub fn start() -> Self {
        for _ in 0..PORT_TRIES {
            let port = free_port();
            let registry = Self { server: Server::new("registry", "registry.sh", &[port.to_string()]), port };
            match registry.server.start(START_PATIENCE, is_ready) {
                Ok(()) => return registry,
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => {
                    panic!("the registry did not start (tests/lab/install.sh registry?):\n{log}")
                }
            }
        }
        panic!("{PORT_TRIES} times another program took the port first");
    }

    /// For `schemas.registry.urls`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Registers the next version of `subject`, and returns its id. `kind`: `AVRO`, `PROTOBUF`, `JSON`.
    #[track_caller]
    pub fn register(&self, subject: &str, kind: &str, text: &str, references: &[Reference<'_>]) -> u32 {
        let refer = |it: &Reference<'_>| json!({"name": it.name, "subject": it.subject, "version": it.version});
        let references: Vec<Value> = references.iter().map(refer).collect();
        let body = json!({"schema": text, "schemaType": kind, "references": references}).to_string();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("the registry listens");
        let request = format!(
            "POST {PATH}/subjects/{subject}/versions HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\
             Content-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the registry reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the registry answers in UTF-8");
        let (_, said) = answer.split_once("\r\n\r\n").expect("an answer");
        // chunked or not, one object is in it
        let said = &said[said.find('{').expect("an object")..=said.rfind('}').expect("an object")];
        let said: Value = serde_json::from_str(said).expect("JSON");
        let id = said["id"].as_u64().unwrap_or_else(|| panic!("{subject}: {said}"));
        u32::try_from(id).expect("ids have 32 bits")
    }

    /// Ends it at once; connections are refused until [`Registry::restart`].
    pub fn kill(&self) {
        self.server.end(libc::SIGKILL);
    }

    /// Starts it again on its schemas and its port.
    pub fn restart(&self) {
        if let Err(NotReady::Said(log)) = self.server.start(START_PATIENCE, is_ready) {
            panic!("the registry did not start again:\n{log}");
        }
    }
}

fn is_ready(said: &str) -> bool {
    said.contains("Listening on")
}

const PATH: &str = "/apis/ccompat/v7";
const PORT_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(120);
