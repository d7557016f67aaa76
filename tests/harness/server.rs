//! A server process that lives no longer than its [`Server`] or the test process, and free ports for it.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{eventually, repository};

/// One server under `tests/lab/keep.sh`, with a folder of its own.
pub struct Server {
    name: &'static str,
    folder: PathBuf,
    keeper: Child,
}

/// Why a server did not become ready.
pub enum NotReady {
    /// The port was taken between choosing and using it: choose again.
    PortTaken,
    /// What the server printed before it ended, or until the patience was over.
    Said(String),
}

impl Server {
    /// A server that is not started yet: `script` of `tests/lab` with the folder and `arguments`.
    pub fn new(name: &'static str, script: &str, arguments: &[String]) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("secor-{name}-")).tempdir().expect("a temporary folder");
        let folder = folder.keep(); // the keeper removes it
        let lab_scripts = repository().join("tests/lab");
        let keeper = Command::new(lab_scripts.join("keep.sh"))
            .arg(&folder)
            .arg(lab_scripts.join(script))
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/lab/keep.sh can be started");
        Self { name, folder, keeper }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server, for the first time or again after it ended, and waits until `is_ready` says yes to what it
    /// printed since.
    pub fn start(&self, patience: Duration, is_ready: impl Fn(&str) -> bool) -> Result<(), NotReady> {
        let printed_before = self.log().len();
        drop(fs::remove_file(self.pid_file()));
        let mut stdin = self.keeper.stdin.as_ref().expect("the keeper was given a pipe");
        stdin.write_all(b"start\n").expect("the keeper lives as long as this pipe");
        eventually(patience, &format!("{} to start or to give up", self.name), || {
            let log = self.log();
            let said = &log[printed_before..];
            if is_ready(said) {
                return Some(Ok(()));
            }
            if self.pid().is_none_or(is_alive) {
                return None;
            }
            // it may have printed its last line between the two looks
            let said = self.log()[printed_before..].to_owned();
            let port_taken = said.contains("ddress already in use");
            Some(Err(if port_taken { NotReady::PortTaken } else { NotReady::Said(said) }))
        })
    }

    /// Process id of the server that was started last; `None` until it is known.
    pub fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()
    }

    /// Everything the server printed so far.
    pub fn log(&self) -> String {
        fs::read(self.folder.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Sends `signal` to the server.
    pub fn signal(&self, signal: i32) {
        let pid = self.pid().expect("the server was started");
        send(pid, signal);
    }

    /// Sends `signal` and waits until the server has ended.
    pub fn end(&self, signal: i32) {
        let pid = self.pid().expect("the server was started");
        send(pid, signal);
        eventually(LEAVE_PATIENCE, &format!("{} to end", self.name), || (!is_alive(pid)).then_some(()));
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take()); // the keeper ends the server and removes the folder
        drop(self.keeper.wait());
    }
}

/// Sends a signal to one process. Signal 0 only asks whether it is there.
pub fn send(pid: i32, signal: i32) -> bool {
    assert!(pid > 1, "a process of its own, no group");
    // SAFETY: kill takes two numbers and touches no memory of this process.
    unsafe { libc::kill(pid, signal) == 0 }
}

pub fn is_alive(pid: i32) -> bool {
    send(pid, 0)
}

/// A loopback port that nobody listens on now. It lies below the range from which the kernel gives ports to clients,
/// so that a connection of a neighbour does not take it before the server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let ports = u32::from(PORTS);
    let spread = std::process::id() % ports * 61;
    (0..PORTS)
        .map(|_| (spread + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % ports)
        .map(|port| FIRST_PORT + u16::try_from(port).expect("below PORTS"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of ten thousand ports is free")
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 10_000;
const LEAVE_PATIENCE: Duration = Duration::from_secs(30);
