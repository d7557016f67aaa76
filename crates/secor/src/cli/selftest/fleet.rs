//! The processes that archive: each in its slot with a configuration and a log of its own, started, harmed, and started
//! again. One that ends without having been told to is written down, because that, too, is a finding.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::site::Site;
use crate::cli::child::{Child, Start, State};
use crate::cli::errors::{Class, CliError};

pub(super) struct Fleet<'a> {
    site: &'a Site,
    slots: Vec<Option<Child>>,
    /// Ends that nobody asked for.
    surprises: Vec<String>,
}

const FAILPOINTS: &str = "SECOR_FAILPOINTS";
/// To leave in order: beyond the default of `kafka.shutdown_timeout`.
const LEAVE_PATIENCE: Duration = Duration::from_secs(90);
const SURPRISES_MAX: usize = 10;

// === impl Fleet ===

impl<'a> Fleet<'a> {
    /// Nobody runs yet.
    pub(super) fn new(site: &'a Site) -> Self {
        let slots = (0..site.processes()).map(|_| None).collect();
        Self { site, slots, surprises: Vec::new() }
    }

    /// Starts a process in its slot, unless one runs there.
    pub(super) fn start(&mut self, process: usize, failpoint: Option<&str>) -> Result<(), CliError> {
        if self.slots[process].is_none() {
            self.site.note_group_joined();
            let (config, log) = (self.site.config_file(process), self.site.log_file(process));
            // an armed failpoint of ours is not for the processes
            let variables = [(FAILPOINTS, failpoint.unwrap_or_default())];
            let child = Child::start(Start { config: &config, log: &log, variables: &variables })?;
            self.slots[process] = Some(child);
        }
        Ok(())
    }

    /// Lets a process leave in order, if one runs in the slot.
    pub(super) async fn leave(&mut self, process: usize) -> Result<(), CliError> {
        self.signal(process, libc::SIGTERM);
        self.left(process).await
    }

    /// Lets all processes leave in order.
    pub(super) async fn leave_all(&mut self) -> Result<(), CliError> {
        // one SIGTERM each: a second one says `at once`
        for process in 0..self.slots.len() {
            self.signal(process, libc::SIGTERM);
        }
        for process in 0..self.slots.len() {
            self.left(process).await?;
        }
        Ok(())
    }

    async fn left(&mut self, process: usize) -> Result<(), CliError> {
        let Some(child) = &mut self.slots[process] else { return Ok(()) };
        let left = child.ended(LEAVE_PATIENCE).await?;
        let surprise = match left {
            // one that was just started may not have come as far as listening to signals
            Some(status) if status.success() || status.signal() == Some(libc::SIGTERM) => None,
            Some(status) => Some(format!("process {process} left with {status}: {}", child.last_words())),
            None => {
                Some(format!("process {process} did not leave within {} s after SIGTERM", LEAVE_PATIENCE.as_secs()))
            }
        };
        self.slots[process] = None;
        self.surprises.extend(surprise);
        Ok(())
    }

    pub(super) fn signal(&self, process: usize, signal: libc::c_int) {
        if let Some(child) = &self.slots[process] {
            child.signal(signal);
        }
    }

    /// `None` where no process runs.
    pub(super) fn state(&mut self, process: usize) -> Result<Option<State>, CliError> {
        self.slots[process].as_mut().map(Child::state).transpose()
    }

    /// Takes one that was harmed out of its slot, so that another can be started there.
    pub(super) fn forget(&mut self, process: usize) {
        self.slots[process] = None;
    }

    /// Writes down who has ended unasked and starts others in their place. `harmed` is expected to end.
    ///
    /// # Errors
    /// When their configuration is wrong, or they end again and again.
    pub(super) fn survey(&mut self, harmed: Option<usize>) -> Result<(), CliError> {
        for process in (0..self.slots.len()).filter(|process| Some(*process) != harmed) {
            let Some(child) = &mut self.slots[process] else { continue };
            let State::Ended(status) = child.state()? else { continue };
            let words = child.last_words();
            self.slots[process] = None;
            self.judge(process, status, &words)?;
            self.start(process, None)?;
        }
        Ok(())
    }

    pub(super) fn take_surprises(&mut self) -> Vec<String> {
        std::mem::take(&mut self.surprises)
    }

    fn judge(&mut self, process: usize, status: ExitStatus, words: &str) -> Result<(), CliError> {
        let code = status.code().unwrap_or_default();
        if code == i32::from(Class::Configuration.exit_code()) {
            let what = format!("process {process} ended with {status}: {}", words.trim_start_matches("secor: "));
            return Err(CliError::new(Class::Configuration, what));
        }
        tracing::warn!(process, %status, words, "a process ended by itself");
        // "start me again" is a promise of its own: it is kept here, and nothing else
        if code != i32::from(Class::Unavailable.exit_code()) {
            self.surprises.push(format!("process {process} ended by itself with {status}: {words}"));
        }
        if self.surprises.len() >= SURPRISES_MAX {
            let what =
                format!("{SURPRISES_MAX} processes have ended by themselves, the last one with {status}: {words}");
            return Err(CliError::new(Class::Bug, what));
        }
        Ok(())
    }
}
