//! The admin page of a running `secor`, asked over plain HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::Process;
use super::setup::watch;

/// Where a process answers.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    pub address: SocketAddr,
}

// === impl Admin ===

impl Admin {
    /// Waits for the log line that names the address.
    #[track_caller]
    pub fn of(process: &mut Process) -> Self {
        let errors = process.stderr_file();
        let address = watch(process, "address of the admin page", || {
            let said = std::fs::read_to_string(&errors).ok()?;
            let line = said.lines().find(|line| line.contains("the admin page is at this address"))?;
            line.split_once("address=")?.1.split(' ').next()?.parse().ok()
        });
        Self { address }
    }

    /// Status and body.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    /// Status and body. `headers` are whole lines with their line breaks.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let answer = self.exchange(method, path, headers).expect("the admin page answers in UTF-8");
        let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status line");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, body)
    }

    fn exchange(&self, method: &str, path: &str, headers: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: secor\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `/api/status` of a process that may be gone or hang: `None` then.
    pub fn try_status(&self) -> Option<Value> {
        let answer = self.exchange("GET", "/api/status", "").ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// `/api/status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let (status, body) = self.get("/api/status");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("the status is JSON")
    }

    /// A number, summed over all topic partitions of `/api/status`.
    #[track_caller]
    pub fn sum(&self, field: &str) -> i64 {
        let status = self.status();
        let rows = status["topic_partitions"].as_object().expect("rows");
        rows.values().filter_map(|row| row[field].as_i64()).sum()
    }

    /// A metric, summed over all its labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, 200, "{body}");
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        body.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
