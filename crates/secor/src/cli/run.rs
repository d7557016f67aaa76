//! `secor run`: archives until told to stop.

use std::io::Write;
use std::sync::Arc;
#[cfg(target_env = "gnu")]
use std::time::Duration;

use secor_core::partition::RefusalCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::RunArgs;
use super::errors::{Class, CliError};
use crate::admin::{self, Metrics};
use crate::config::Config;
use crate::service::failpoint::{self, BadFailpoints};
use crate::service::{Errands, Outcome, RefusalRow, Service, StartError};

pub(super) async fn run(args: &RunArgs, config: Config, out: &mut dyn Write) -> Result<(), CliError> {
    failpoint::arm()?;
    let config = Arc::new(config);
    let errands = if args.until_end { Errands::UntilEnd } else { Errands::Archive };
    let metrics = Metrics::install().map_err(|error| CliError::caused_by(Class::Bug, &error))?;
    raise_open_files();
    keep_freed_memory();
    #[cfg(target_env = "gnu")]
    tokio::spawn(give_back_freed_memory());
    let mut signals = Signals::listen()?;
    let service = tokio::select! {
        started = Service::start(Arc::clone(&config), errands) => started?,
        () = signals.next() => return Ok(()),
    };
    let (listen, token) = (config.admin.listen, config.admin.token.clone());
    let address = admin::serve(listen, token, metrics, service.control()).await;
    let address = address.map_err(|error| CliError::caused_by(Class::Configuration, &error))?;
    tracing::info!(%address, file = %config.file.display(), "running; the admin page is at this address");

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        signals.next().await;
        // a service that has ended by itself does not listen any more
        let _ = stop.send(());
        signals.next().await;
        tracing::warn!("second signal: leaving at once; nothing is lost, the next start goes on");
        std::process::exit(i32::from(Class::Interrupted.exit_code()));
    });
    let told = async {
        if stopped.await.is_err() {
            // nobody can tell us to stop any more: only the run itself ends it
            std::future::pending::<()>().await;
        }
    };
    let outcome = service.finished(told).await;
    judge(outcome, args, out)
}

/// From how it ended to how the process ends.
fn judge(outcome: Outcome, args: &RunArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if let Some(error) = outcome.consumer {
        return Err(error.into());
    }
    let moved = |(_, refusal): &&(_, RefusalRow)| refusal.code == RefusalCode::LedgerMoved.as_str();
    // what ended the run, if it did
    let first = outcome.refused.iter().find(moved).or(outcome.refused.first());
    if let Some((tp, refusal)) = first {
        let others = match outcome.refused.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        let what = format!("{tp} is refused: {}: {}{others}", refusal.code, refusal.detail);
        return Err(CliError::new(Class::Refused, what).with_hint(refusal.hint));
    }
    if outcome.abandoned > 0 {
        let what = format!("{} topic partitions were not flushed within `kafka.shutdown_timeout`", outcome.abandoned);
        return Err(CliError::new(Class::Unavailable, what).with_hint("nothing is lost: the next start goes on"));
    }
    if args.until_end && outcome.stopped {
        let what = "stopped before the end of the log";
        return Err(CliError::new(Class::Unavailable, what).with_hint("start again: it goes on where it stopped"));
    }
    if args.until_end {
        writeln!(out, "archived up to the end of the log as it was at the start")?;
    }
    Ok(())
}

/// Ten thousand partitions need as many sockets and files as the system lets us have.
fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write the struct that they are given
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Fetched records are allocated and freed in pieces just above malloc's limit for giving memory back to the system at
/// once; giving it back and asking for it again costs one processor second in twenty-five.
fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets two parameters of the allocator
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES_MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
    }
}

#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: libc::c_int = 64 << 20;

/// Each thread's part of the allocator keeps as much as it ever needed at once, and every stall and rebalance is a new
/// chance for another one: after half an hour of them 11 of 100 MiB were in use. What is free at the end of a part is
/// given back only when something is freed beside it, so for one second twice a minute little is enough to be given
/// back; `malloc_trim` does the rest.
#[cfg(target_env = "gnu")]
async fn give_back_freed_memory() {
    let mut ticks = tokio::time::interval(GIVE_BACK_INTERVAL);
    loop {
        ticks.tick().await;
        // SAFETY: sets a parameter of the allocator
        unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, GIVE_BACK_BYTES_MIN) };
        tokio::time::sleep(GIVE_BACK_TIME).await;
        // SAFETY: as above
        unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX) };
        // SAFETY: looks through the allocator's free memory, under its locks
        let trimmed = tokio::task::spawn_blocking(|| unsafe { libc::malloc_trim(0) });
        // it does not panic; a runtime that ends has nothing to give back
        let _ = trimmed.await;
    }
}

#[cfg(target_env = "gnu")]
const GIVE_BACK_INTERVAL: Duration = Duration::from_secs(30);
#[cfg(target_env = "gnu")]
const GIVE_BACK_TIME: Duration = Duration::from_secs(1);
#[cfg(target_env = "gnu")]
const GIVE_BACK_BYTES_MIN: libc::c_int = 1 << 20;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Signals ===

impl Signals {
    pub(super) fn listen() -> Result<Self, CliError> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Ledger(error) => error.into(),
            StartError::Kafka(error) => error.into(),
            StartError::Registry(error) => error.into(),
            StartError::Staging { .. } | StartError::Topics(_) => {
                Self::caused_by(Class::Configuration, &error).with_hint(error.hint())
            }
            StartError::Threads(_) | StartError::FirstStart(_) => {
                Self::caused_by(Class::Unavailable, &error).with_hint(error.hint())
            }
        }
    }
}

impl From<BadFailpoints> for CliError {
    fn from(error: BadFailpoints) -> Self {
        Self::caused_by(Class::Configuration, &error).with_hint(error.hint())
    }
}
