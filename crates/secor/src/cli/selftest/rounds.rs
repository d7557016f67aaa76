//! Carries out a plan: produces, harms, watches the others take over, wakes and restarts, and waits for the end.

use std::time::{Duration, Instant};

use secor_core::ids::{Offset, TopicPartition};

use super::fleet::Fleet;
use super::plan::{Harm, Moment, Round};
use super::site::{KAFKA_TIMEOUT, Site};
use super::traffic::Traffic;
use crate::cli::child::State;
use crate::cli::errors::{Class, CliError};
use crate::cli::follow::{Follow, LOOK_INTERVAL};
use crate::kafka::scratch::Fate;
use crate::kafka::{Handle, KafkaError};

/// What is running while a plan is carried out.
pub(super) struct Laboratory<'a> {
    pub site: &'a Site,
    pub kafka: Handle,
    pub fleet: Fleet<'a>,
    pub traffic: Traffic,
    pub follow: Follow,
    pub partitions: Vec<TopicPartition>,
    pub records: usize,
}

/// What happened in one round.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub round: Round,
    /// The process came to the point; if not, it was harmed somewhere else after a while.
    pub reached: bool,
    /// From the harm until everything acknowledged before it stood in the ledger.
    pub took_over: Option<Duration>,
}

/// The end of all rounds.
pub(super) struct Finished {
    pub rounds: Vec<Happened>,
    pub fates: Vec<Fate>,
    /// Records in the log.
    pub logged: u64,
    pub surprises: Vec<String>,
}

/// For a process to come to its point.
const POINT_PATIENCE: Duration = Duration::from_secs(60);
/// For others to take over, and for the archive to reach the end of the log.
const PATIENCE: Duration = Duration::from_secs(180);

// === impl Laboratory ===

impl Laboratory<'_> {
    /// # Errors
    /// What ends the test without a verdict: Kafka or the store does not answer, a process can't be started.
    pub(super) async fn run(mut self, plan: &[Round]) -> Result<Finished, CliError> {
        let mut rounds = Vec::new();
        let mut surprises = Vec::new();
        for process in 0..self.site.processes() {
            let first = plan.first().filter(|round| round.process == process);
            self.fleet.start(process, first.and_then(Round::failpoint).as_deref())?;
        }
        for (index, round) in plan.iter().enumerate() {
            let upto = self.records * (index + 1) / plan.len();
            self.follow.label(&format!("round {} of {}", index + 1, plan.len()));
            let what = format!("round {} of {}: {round}, process {}", index + 1, plan.len(), round.process);
            self.follow.say(&what);
            self.traffic.allow(upto);
            let happened = self.round(round, index == 0).await?;
            if happened.took_over.is_none() {
                surprises.push(format!(
                    "{what}: what was acknowledged before was not archived {} s later",
                    PATIENCE.as_secs()
                ));
            }
            self.traffic.hurry();
            rounds.push(happened);
        }
        self.follow.label("the rest");
        let (kafka, partitions, traffic) = (self.kafka, self.partitions, self.traffic);
        let fates = traffic.finish().await?;
        let ranges = blocking(move || kafka.log_ranges(&partitions)).await?;
        let ranges = ranges.into_iter().map(|(_, range)| range).collect::<Result<Vec<_>, KafkaError>>()?;
        let ends: Vec<Offset> = ranges.iter().map(|range| range.end).collect();
        let logged = ranges.iter().map(|range| range.end.get().abs_diff(range.start.get())).sum();
        let mut watch = Watch { fleet: &mut self.fleet, follow: &mut self.follow };
        if watch.until_covered(&ends, None).await?.is_none() {
            surprises.push(format!("the archive did not reach the end of the log within {} s", PATIENCE.as_secs()));
        }
        self.fleet.leave_all().await?;
        self.follow.finish();
        surprises.extend(self.fleet.take_surprises());
        Ok(Finished { rounds, fates, logged, surprises })
    }

    async fn round(&mut self, round: &Round, armed: bool) -> Result<Happened, CliError> {
        let victim = round.process;
        let failpoint = round.failpoint();
        if failpoint.is_some() && !armed {
            self.fleet.leave(victim).await?;
        }
        self.fleet.start(victim, failpoint.as_deref())?;
        let mut watch = Watch { fleet: &mut self.fleet, follow: &mut self.follow };
        let reached = match round.moment {
            Moment::Any(after) => {
                watch.pass(after, None).await?;
                false
            }
            Moment::Point { .. } => watch.until_harmed(victim).await?,
        };
        // a second SIGTERM would say: at once; the first is sent below
        if !reached && round.harm != Harm::Leave {
            watch.fleet.signal(victim, round.harm.signal());
        }
        let harmed_at = Instant::now();
        let acked = self.traffic.ends();
        let covered_at = match round.harm {
            Harm::Kill | Harm::Leave => {
                if round.harm == Harm::Leave {
                    watch.fleet.leave(victim).await?;
                } else {
                    watch.fleet.forget(victim);
                }
                if round.restart_at_once {
                    watch.fleet.start(victim, None)?;
                }
                let covered_at = watch.until_covered(&acked, None).await?;
                watch.fleet.start(victim, None)?;
                covered_at
            }
            Harm::Stall => self.stall(victim, harmed_at, &acked).await?,
        };
        let took_over = covered_at.map(|covered_at| covered_at.duration_since(harmed_at));
        Ok(Happened { round: round.clone(), reached: reached || failpoint.is_none(), took_over })
    }

    /// Lets a stopped process sleep past its session, and wakes it when others own what was its own.
    async fn stall(
        &mut self,
        victim: usize,
        harmed_at: Instant,
        acked: &[Offset],
    ) -> Result<Option<Instant>, CliError> {
        let session = self.site.names.session;
        let past_session = session + session / 3;
        let mut watch = Watch { fleet: &mut self.fleet, follow: &mut self.follow };
        if self.site.processes() == 1 {
            watch.pass(past_session.saturating_sub(harmed_at.elapsed()), Some(victim)).await?;
            watch.fleet.signal(victim, libc::SIGCONT);
            return watch.until_covered(acked, None).await;
        }
        let covered_at = watch.until_covered(acked, Some(victim)).await?;
        watch.pass(past_session.saturating_sub(harmed_at.elapsed()), Some(victim)).await?;
        // new records too, of all partitions: none is left to the one that sleeps
        let taken = watch.until_covered(&self.traffic.ends(), Some(victim)).await?;
        watch.fleet.signal(victim, libc::SIGCONT);
        Ok(covered_at.and_then(|covered_at| taken.map(|_| covered_at)))
    }
}

/// Waits, with an eye on the processes and on the archive.
struct Watch<'w, 'a> {
    fleet: &'w mut Fleet<'a>,
    follow: &'w mut Follow,
}

// === impl Watch ===

impl Watch<'_, '_> {
    async fn look(&mut self, harmed: Option<usize>) -> Result<(), CliError> {
        tokio::time::sleep(LOOK_INTERVAL).await;
        self.fleet.survey(harmed)?;
        self.follow.look().await
    }

    async fn pass(&mut self, time: Duration, harmed: Option<usize>) -> Result<(), CliError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.look(harmed).await?;
        }
        Ok(())
    }

    /// Waits until the process has harmed itself. `false` when it does not within [`POINT_PATIENCE`].
    async fn until_harmed(&mut self, victim: usize) -> Result<bool, CliError> {
        let deadline = Instant::now() + POINT_PATIENCE;
        while Instant::now() < deadline {
            match self.fleet.state(victim)? {
                Some(State::Stopped) => return Ok(true),
                Some(State::Ended(status)) if killed(status) => return Ok(true),
                // by itself: written down, and another one started without a failpoint
                Some(State::Ended(_)) => self.fleet.survey(None)?,
                Some(State::Running) | None => {}
            }
            self.look(Some(victim)).await?;
        }
        Ok(false)
    }

    /// Waits until the ledger reaches these offsets; says when it did, if it did within [`PATIENCE`].
    async fn until_covered(&mut self, ends: &[Offset], harmed: Option<usize>) -> Result<Option<Instant>, CliError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.look(harmed).await?;
            if self.follow.covers(ends) {
                return Ok(Some(Instant::now()));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}

fn killed(status: std::process::ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGKILL)
}

/// Runs what waits for a broker beside the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, CliError> {
    let done = tokio::task::spawn_blocking(ask).await;
    Ok(done.map_err(|error| CliError::caused_by(Class::Bug, &error))??)
}

/// A handle with the patience of this command.
pub(super) async fn connect(site: &Site) -> Result<Handle, CliError> {
    let settings = site.kafka();
    let handle = blocking(move || Handle::connect(&settings)).await?;
    Ok(handle.with_timeout(KAFKA_TIMEOUT))
}
