//! A real S3 server (versitygw over a plain folder) with one bucket.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use super::server::{NotReady, Server, free_port};

/// One server with one bucket.
pub struct S3 {
    server: Server,
    port: u16,
    /// The bucket's name.
    pub bucket: &'static str,
    pub access_key_id: &'static str,
    pub secret_access_key: &'static str,
    pub region: &'static str,
}

impl S3 {
    /// The server that all tests of this process share. Use prefixes of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<S3> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own, for tests that stop it or look at the whole bucket.
    pub fn start() -> Self {
        for _ in 0..PORT_TRIES {
            let port = free_port();
            let server = Server::new("s3", "s3.sh", &[port.to_string()]);
            let answers = |_: &str| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            match server.start(START_PATIENCE, answers) {
                Ok(()) => {
                    let s3 = Self {
                        server,
                        port,
                        bucket: "archive",
                        access_key_id: "lab",
                        secret_access_key: "lab-secret",
                        region: "us-east-1",
                    };
                    std::fs::create_dir(s3.dir()).expect("the server has made its folder");
                    return s3;
                }
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => panic!("the S3 server did not start (tests/lab/install.sh s3?):\n{log}"),
            }
        }
        panic!("{PORT_TRIES} times another program took the port first");
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bucket as a folder: object `a/b` is the file `a/b` in it, for looking at and for damaging by hand.
    pub fn dir(&self) -> PathBuf {
        self.server.folder().join("buckets").join(self.bucket)
    }

    /// The lines of a configuration that lead to this bucket, below `prefix`: `[store]` and `[store.s3]`.
    pub fn config(&self, prefix: &str) -> String {
        format!(
            "[store]\nurl = \"s3://{}/{prefix}\"\n[store.s3]\nendpoint = \"{}\"\nregion = \"{}\"\naccess_key_id = \"{}\"\n\
             secret_access_key = \"{}\"\npath_style = true\nallow_http = true\n",
            self.bucket,
            self.endpoint(),
            self.region,
            self.access_key_id,
            self.secret_access_key
        )
    }

    /// Ends the server at once; connections are refused until [`S3::restart`].
    pub fn kill(&self) {
        self.server.end(libc::SIGKILL);
    }

    /// Starts the server again on its folder and its port.
    pub fn restart(&self) {
        let answers = |_: &str| TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if let Err(NotReady::Said(log)) = self.server.start(START_PATIENCE, answers) {
            panic!("the S3 server did not start again:\n{log}");
        }
    }

    /// Lets the server hang: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.server.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.server.signal(libc::SIGCONT);
    }
}

const PORT_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(30);
