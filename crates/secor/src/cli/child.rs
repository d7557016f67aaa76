//! A child process of this same executable, `secor run`, for the commands that show what happens when one is killed:
//! `demo` and `selftest`.
//!
//! It never outlives its parent: dropping it kills it, and so does the end of the parent, by whatever cause, where the
//! system can arrange that (Linux). It has a process group of its own, so that Ctrl-C reaches the parent alone.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::errors::{Class, CliError};

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a child is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub config: &'a Path,
    /// Standard error is appended to it.
    pub log: &'a Path,
    /// Set beside what is inherited.
    pub variables: &'a [(&'a str, &'a str)],
}

/// A running `secor run`.
pub(super) struct Child {
    process: std::process::Child,
    log: PathBuf,
}

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    /// By SIGSTOP.
    Stopped,
    Ended(ExitStatus),
}

// === impl Child ===

impl Child {
    /// Starts `secor run`. To be called in the main thread: the child ends with the thread that started it.
    ///
    /// # Errors
    /// When the log can't be written, or there is no room for a process.
    pub(super) fn start(start: Start<'_>) -> Result<Self, CliError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(start.log);
        let log = log.map_err(|error| {
            CliError::caused_by(Class::Configuration, &error).while_doing(&format!("`{}`", start.log.display()))
        })?;
        let cannot = |error: std::io::Error| {
            CliError::caused_by(Class::Unavailable, &error).while_doing("starting a process of this program")
        };
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        command
            .arg("--config")
            .arg(start.config)
            .arg("run")
            .envs(start.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        end_with_this_thread(&mut command);
        let process = command.spawn().map_err(cannot)?;
        Ok(Self { process, log: start.log.to_owned() })
    }

    /// # Errors
    /// When the system does not answer for its own child.
    pub(super) fn state(&mut self) -> Result<State, CliError> {
        if let Some(status) = self.process.try_wait()? {
            return Ok(State::Ended(status));
        }
        let id = libc::id_t::from(self.process.id());
        // SAFETY: all zeroes is a valid value of this plain struct
        let mut told: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let asked = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: writes the struct that it is given; the child is not reaped
        let answered = unsafe { libc::waitid(libc::P_PID, id, &mut told, asked) } == 0;
        Ok(if answered && told.si_code == libc::CLD_STOPPED { State::Stopped } else { State::Running })
    }

    /// Sends a signal; nothing happens to one that has ended.
    pub(super) fn signal(&self, signal: libc::c_int) {
        let pid = i32::try_from(self.process.id()).expect("process ids are positive");
        // SAFETY: takes two numbers; a child that was not waited for keeps its id, and `state` and `kill`, which wait,
        // end it for this value too
        unsafe { libc::kill(pid, signal) };
    }

    /// Waits for its end. `None` when it has not come within `patience`.
    pub(super) async fn ended(&mut self, patience: Duration) -> Result<Option<ExitStatus>, CliError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.state()? {
                State::Ended(status) => return Ok(Some(status)),
                State::Running | State::Stopped if Instant::now() >= deadline => return Ok(None),
                State::Running | State::Stopped => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    /// SIGKILL, also to one that is stopped; returns when it is gone.
    pub(super) fn kill(&mut self) {
        // it may have ended by itself: then there is nothing to kill, and the log says why
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The last error that it printed, or the last line of its log.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut lines = log.lines().rev().filter(|line| !line.trim().is_empty());
        let last = lines.clone().next();
        let error = lines.find(|line| line.starts_with("secor: "));
        error.or(last).unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(target_os = "linux")]
fn end_with_this_thread(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe; it takes two numbers and touches no memory of this process
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn end_with_this_thread(_: &mut Command) {}
