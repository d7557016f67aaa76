//! Real servers of other clouds' languages: fake-gcs-server for Google Cloud Storage and Azurite for Azure Blob Storage, in
//! memory, and OpenStack Swift in a folder. One bucket each, `archive`; use prefixes of your own.

use std::sync::OnceLock;
use std::time::Duration;

use super::server::{NotReady, Server, free_port};

/// Google Cloud Storage: `gs://archive`.
pub struct Gcs {
    // ends with this
    _server: Server,
    port: u16,
    json_port: u16,
    /// May read and write.
    pub token: &'static str,
    /// May only read.
    pub reader_token: &'static str,
}

/// Azure Blob Storage: `azure://archive`.
pub struct Azure {
    // ends with this
    _server: Server,
    port: u16,
    pub account: &'static str,
    /// The published development key.
    pub account_key: &'static str,
    /// A shared access signature that may read and write.
    pub writer: String,
    /// One that may only read.
    pub reader: String,
}

/// OpenStack Swift with tempauth: `swift://archive`.
pub struct Swift {
    // ends with this
    _server: Server,
    port: u16,
    /// May read and write.
    pub user: &'static str,
    pub key: &'static str,
    /// May only read.
    pub reader: &'static str,
    pub reader_key: &'static str,
}

// === impl Gcs ===

impl Gcs {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Gcs> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (server, ports) = start("gcs", "gcs.sh", 2);
            Self { _server: server, port: ports[0], json_port: ports[1], token: "lab", reader_token: "reader" }
        })
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `http://host:port` of the JSON interface, where nobody asks for a token.
    pub fn json_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.json_port)
    }

    /// The lines of a configuration that lead to this bucket, below `prefix`.
    pub fn config(&self, prefix: &str) -> String {
        format!(
            "[store]\nurl = \"gs://archive/{prefix}\"\n[store.gs]\nendpoint = \"{}\"\nallow_http = true\n\
             access_token = \"{}\"\n",
            self.endpoint(),
            self.token
        )
    }
}

// === impl Azure ===

impl Azure {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Azure> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (server, ports) = start("azure", "azure.sh", 1);
            let log = server.log();
            let signature = |name| log.lines().find_map(|line| line.strip_prefix(name)).expect("printed").to_owned();
            let (writer, reader) = (signature("writer "), signature("reader "));
            Self { _server: server, port: ports[0], account: ACCOUNT, account_key: ACCOUNT_KEY, writer, reader }
        })
    }

    /// `http://host:port`.
    pub fn server(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `http://host:port/account`.
    pub fn endpoint(&self) -> String {
        format!("{}/{}", self.server(), self.account)
    }

    /// The lines of a configuration that lead to this container, below `prefix`.
    pub fn config(&self, prefix: &str) -> String {
        format!(
            "[store]\nurl = \"azure://archive/{prefix}\"\n[store.azure]\naccount = \"{}\"\nendpoint = \"{}\"\n\
             allow_http = true\naccount_key = \"{}\"\n",
            self.account,
            self.endpoint(),
            self.account_key
        )
    }
}

// === impl Swift ===

impl Swift {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Swift> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (server, ports) = start("swift", "swift.sh", 5);
            let (user, key) = ("test:tester", "testing");
            Self { _server: server, port: ports[0], user, key, reader: "test:reader", reader_key: "reading" }
        })
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where tokens are given.
    pub fn auth_url(&self) -> String {
        format!("{}/auth/v1.0", self.endpoint())
    }

    /// The lines of a configuration that lead to this container, below `prefix`.
    pub fn config(&self, prefix: &str) -> String {
        format!(
            "[store]\nurl = \"swift://archive/{prefix}\"\n[store.swift]\nauth_url = \"{}\"\nallow_http = true\n\
             user = \"{}\"\npassword = \"{}\"\n",
            self.auth_url(),
            self.user,
            self.key
        )
    }
}

/// Starts `script` on so many free ports of its own.
fn start(step: &'static str, script: &str, ports: usize) -> (Server, Vec<u16>) {
    for _ in 0..PORT_TRIES {
        let ports: Vec<u16> = (0..ports).map(|_| free_port()).collect();
        let arguments: Vec<String> = ports.iter().map(ToString::to_string).collect();
        let server = Server::new(step, script, &arguments);
        match server.start(START_PATIENCE, |said| said.lines().any(|line| line == "ready")) {
            Ok(()) => return (server, ports),
            Err(NotReady::PortTaken) => {}
            Err(NotReady::Said(log)) => panic!("no {step} server (tests/lab/install.sh {step}?):\n{log}"),
        }
    }
    panic!("{PORT_TRIES} times another program took the port first");
}

const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const PORT_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(180);
