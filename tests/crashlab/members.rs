//! The processes of a case: `secor run` with one configuration each, armed or not, and what can be seen of them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::cluster::Cluster;
use super::harness::{Admin, Archive, Process, S3, Secor, eventually, free_port};
use super::matrix::Membership;

/// Where a case takes place.
#[derive(Clone)]
pub struct Site<'a> {
    pub cluster: &'a Cluster,
    pub s3: &'a S3,
    /// Topic, group and prefix in the bucket.
    pub name: String,
    pub membership: Membership,
    /// Lines of `[limits]`.
    pub limits: &'a str,
    /// Lines of `[[archive]]` after the topics.
    pub archive: &'a str,
}

/// One place in the group: a folder with a configuration, and the process that runs with it now.
pub struct Member {
    name: String,
    secor: Secor,
    process: Option<Process>,
    /// Exit codes of the processes that have ended here, 137 for a killed one.
    pub codes: Vec<i32>,
}

// === impl Site ===

impl Site<'_> {
    /// A place whose processes reach the store at `endpoint`.
    pub fn member(&self, instance: usize, endpoint: &str) -> Member {
        let properties = self.membership.properties(instance);
        let secor = Secor::new(|folder| self.config(folder, endpoint, &properties));
        Member { name: format!("{}, member {instance}", self.name), secor, process: None, codes: Vec::new() }
    }

    /// A configuration that reaches the store directly and has no place in the group.
    pub fn auditor(&self) -> Secor {
        Secor::new(|folder| self.config(folder, &self.s3.endpoint(), &Membership::CooperativeSticky.properties(0)))
    }

    pub fn files(&self) -> Archive {
        Archive::new(self.folder(), &self.name)
    }

    /// Where the store's prefix leads to.
    pub fn folder(&self) -> PathBuf {
        self.s3.dir().join(&self.name)
    }

    fn config(&self, folder: &Path, endpoint: &str, properties: &str) -> String {
        let store = self.s3.config(&self.name).replace(&self.s3.endpoint(), endpoint);
        let brokers: Vec<_> = self.cluster.bootstrap().split(',').map(|broker| format!("\"{broker}\"")).collect();
        format!(
            "on_refused = \"exit\"\n[kafka]\nbrokers = [{}]\ngroup = \"{}\"\nrevoke_timeout = \"5s\"\nrevoke_flush_min = \"1B\"\n\
             shutdown_timeout = \"20s\"\nwait_for_broker = \"60s\"\n[kafka.properties]\n{properties}\
             \"reconnect.backoff.max.ms\" = 1000\n\"topic.metadata.refresh.interval.ms\" = 5000\n{store}\n\
             [staging]\npath = \"{}\"\n[limits]\n{}\n[admin]\nlisten = \"127.0.0.1:{}\"\n[[archive]]\n\
             topics = [\"{}\"]\n{}\n",
            brokers.join(", "),
            self.name,
            folder.join("staging").display(),
            self.limits,
            free_port(),
            self.name,
            self.archive,
        )
    }
}

// === impl Member ===

impl Member {
    /// Starts a process, armed with these failpoints; with none if the text is empty.
    pub fn start(&mut self, failpoints: &str) {
        assert!(!self.is_running(), "one process in a place");
        self.secor.set_env("SECOR_FAILPOINTS", failpoints);
        self.process = Some(self.secor.start(&["run"]));
    }

    pub fn is_running(&mut self) -> bool {
        let running = self.process.as_mut().is_some_and(Process::is_running);
        if !running && let Some(process) = self.process.take() {
            self.codes.push(process.wait(Duration::ZERO).code);
        }
        running
    }

    /// Starts an unarmed process if none runs, as whatever keeps services running does.
    pub fn keep_running(&mut self) {
        if !self.is_running() {
            self.start("");
        }
    }

    /// Where its spilled batches are.
    pub fn staging(&self) -> PathBuf {
        self.secor.folder().join("staging")
    }

    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(Process::pid)
    }

    /// What the process that runs has logged, or the one that ran last.
    pub fn log(&self) -> String {
        self.logs().pop().unwrap_or_default()
    }

    /// What each process has logged that ran here, in order.
    fn logs(&self) -> Vec<String> {
        let name = |number: usize| self.secor.folder().join(format!("{number}.err"));
        let read = (0..).map_while(|number| fs::read(name(number)).ok());
        read.map(|log| String::from_utf8_lossy(&log).into_owned()).collect()
    }

    /// Has the process that runs come to its failpoint?
    pub fn reached(&self) -> bool {
        self.log().contains("failpoint reached")
    }

    /// Does it hang in SIGSTOP?
    pub fn is_stopped(&self) -> bool {
        let stat = self.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        stat.is_some_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    }

    /// How many topic partitions it has; `None` while it does not answer.
    pub fn granted(&self) -> Option<usize> {
        let status = self.status()?;
        let rows = status["topic_partitions"].as_object()?;
        Some(rows.values().filter(|row| row["granted"] == true).count())
    }

    /// `/api/status`; `None` while it does not answer.
    pub fn status(&self) -> Option<Value> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("the admin page is at this address"))?;
        let address: SocketAddr = line.split_once("address=")?.1.split(' ').next()?.parse().ok()?;
        Admin { address }.try_status()
    }

    pub fn signal(&mut self, signal: i32) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
        assert!(!self.is_running(), "it was killed");
    }

    /// SIGTERM, and waits until it is gone.
    #[track_caller]
    pub fn leave(&mut self, patience: Duration) {
        self.signal(libc::SIGCONT);
        self.signal(libc::SIGTERM);
        self.wait(patience);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) {
        eventually(patience, "a process to end", || (!self.is_running()).then_some(()));
    }

    /// All but those that are nobody's fault here: done, unavailable (start me again), killed. Nothing that happens in
    /// the laboratory is a reason to refuse (76).
    pub fn unexpected_codes(&self) -> Vec<i32> {
        self.codes.iter().copied().filter(|code| ![0, 69, 137].contains(code)).collect()
    }
}

impl Drop for Member {
    /// A case that fails wants to be understood.
    fn drop(&mut self) {
        if thread::panicking() {
            for (number, log) in self.logs().iter().enumerate() {
                let told: Vec<_> = log.lines().filter(|line| !line.contains("batch complete")).collect();
                let last = told[told.len().saturating_sub(LOG_LINES)..].join("\n");
                eprintln!("crashlab: {}, process {number}, the last lines:\n{last}", self.name);
            }
        }
    }
}

const LOG_LINES: usize = 60;
