//! Real databases for the ledger and the index: PostgreSQL, with a standby if asked, and MariaDB. Each has a data folder
//! of its own and a database `archive`.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::server::{NotReady, Server, free_port};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    MariaDb,
}

/// One server.
pub struct DatabaseServer {
    server: Server,
    port: u16,
    pub engine: Engine,
}

// === impl DatabaseServer ===

impl DatabaseServer {
    /// The server that all tests of this process share. Ledgers have ids, so they don't see each other.
    pub fn shared(engine: Engine) -> &'static Self {
        static POSTGRES: OnceLock<DatabaseServer> = OnceLock::new();
        static MARIADB: OnceLock<DatabaseServer> = OnceLock::new();
        match engine {
            Engine::Postgres => POSTGRES.get_or_init(|| Self::start(engine)),
            Engine::MariaDb => MARIADB.get_or_init(|| Self::start(engine)),
        }
    }

    /// A server of one's own, for tests that stop it.
    pub fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[])
    }

    /// A streaming standby of a PostgreSQL server.
    pub fn standby_of(primary: &Self) -> Self {
        Self::start_with(Engine::Postgres, &[primary.port.to_string()])
    }

    /// A server that also speaks TLS, with the key and the certificate in this file.
    pub fn start_with_tls(engine: Engine, certificate: &Path) -> Self {
        let certificate = certificate.to_str().expect("an ordinary path").to_owned();
        match engine {
            Engine::Postgres => Self::start_with(engine, &["-".to_owned(), certificate]),
            Engine::MariaDb => Self::start_with(engine, &[certificate]),
        }
    }

    fn start_with(engine: Engine, more: &[String]) -> Self {
        let (name, script) = match engine {
            Engine::Postgres => ("postgres", "postgres.sh"),
            Engine::MariaDb => ("mariadb", "mariadb.sh"),
        };
        for _ in 0..PORT_TRIES {
            let port = free_port();
            let mut arguments = vec![port.to_string()];
            arguments.extend_from_slice(more);
            let server = Server::new(name, script, &arguments);
            match server.start(START_PATIENCE, |said| is_ready(engine, port, said)) {
                Ok(()) => return Self { server, port, engine },
                Err(NotReady::PortTaken) => {}
                Err(NotReady::Said(log)) => panic!("{name} did not start (tests/lab/install.sh sql?):\n{log}"),
            }
        }
        panic!("{PORT_TRIES} times another program took the port first");
    }

    /// With the login.
    pub fn url(&self) -> String {
        match self.engine {
            Engine::Postgres => format!("postgres://postgres@127.0.0.1:{}/archive", self.port),
            Engine::MariaDb => format!("mysql://secor:lab-secret@127.0.0.1:{}/archive", self.port),
        }
    }

    /// Ends the server at once; connections are refused until [`DatabaseServer::restart`].
    pub fn kill(&self) {
        self.server.end(libc::SIGKILL);
    }

    /// Starts the server again on its data and its port.
    pub fn restart(&self) {
        let (engine, port) = (self.engine, self.port);
        if let Err(NotReady::Said(log)) = self.server.start(START_PATIENCE, |said| is_ready(engine, port, said)) {
            panic!("the database did not start again:\n{log}");
        }
    }

    /// What the engine's own client prints for a statement, as the administrator: a line for a row, tabs between
    /// columns.
    #[track_caller]
    pub fn ask(&self, statement: &str) -> String {
        let port = self.port.to_string();
        let mut command = match self.engine {
            Engine::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-XqAt", "-F", "\t", "-c", statement]);
                command.arg("archive");
                command
            }
            Engine::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "-h",
                    "127.0.0.1",
                    "-P",
                    &port,
                    "-u",
                    "root",
                    "-N",
                    "-B",
                    "-e",
                    statement,
                ]);
                command.arg("archive");
                command
            }
        };
        let answer = command.stdin(Stdio::null()).output().expect("the client is installed with the server");
        assert!(answer.status.success(), "{statement}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).expect("it prints UTF-8").trim_end().to_owned()
    }
}

/// MariaDB says that it is ready before it listens.
fn is_ready(engine: Engine, port: u16, said: &str) -> bool {
    match engine {
        Engine::Postgres => said.contains("ready to accept") && said.contains("connections"),
        Engine::MariaDb => {
            said.contains("ready for connections") && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        }
    }
}

const PORT_TRIES: usize = 5;
const START_PATIENCE: Duration = Duration::from_secs(60);
