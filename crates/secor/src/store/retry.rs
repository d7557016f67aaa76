//! Going on trying, politely.
//!
//! A store that is down for an hour must neither stop the archive nor flood the log nor be flooded itself when it comes
//! back. So the pause doubles up to a limit, is jittered so that many tasks don't return as one, and only the first
//! failure and then one per interval is logged.
//!
//! Nothing here knows stores: the caller says which errors are worth another try, and ends the wait through a future
//! (revocation, shutdown). There is no limit on the number of tries: a limit would turn an outage into a loss.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use rand::Rng;

/// Pauses between tries: between half and the whole of a ceiling that starts at `first` and doubles up to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
}

/// How to retry, and what to call it in the log.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'a> {
    pub backoff: Backoff,
    /// At most one line in the log per interval.
    pub log_interval: Duration,
    /// What is tried, as in "upload `key`".
    pub what: &'a str,
}

/// Why retrying ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum Stopped<E> {
    /// The error is none that another try could mend.
    #[error("another try would not help")]
    Failed(#[source] E),
    /// The caller called it off; with the last error, if a try had failed.
    #[error("called off")]
    Cancelled(#[source] Option<E>),
}

/// Tries `operation` until it succeeds, fails with an error that is not `transient`, or `cancel` resolves. A try that
/// is under way when `cancel` resolves is dropped.
///
/// # Errors
/// [`Stopped`].
pub async fn retry<T, E, F>(
    settings: Retry<'_>,
    transient: impl Fn(&E) -> bool,
    cancel: impl Future<Output = ()>,
    mut operation: impl FnMut() -> F,
) -> Result<T, Stopped<E>>
where
    E: fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let mut cancel = pin!(cancel);
    let mut log = Log::new(settings);
    let mut last = None;
    for pause in settings.backoff.pauses() {
        let result = tokio::select! {
            biased;
            () = &mut cancel => return Err(Stopped::Cancelled(last)),
            result = operation() => result,
        };
        match result {
            Ok(value) => {
                log.succeeded();
                return Ok(value);
            }
            Err(error) if !transient(&error) => return Err(Stopped::Failed(error)),
            Err(error) => {
                log.failed(&error);
                last = Some(error);
            }
        }
        tokio::select! {
            biased;
            () = &mut cancel => return Err(Stopped::Cancelled(last)),
            () = tokio::time::sleep(pause) => {}
        }
    }
    unreachable!("pauses never end")
}

/// The same for `patience`: a failure after it is final. A try that is under way then is not cut short.
///
/// # Errors
/// The last one.
pub async fn retry_for<T, E, F>(
    patience: Duration,
    what: &str,
    transient: impl Fn(&E) -> bool,
    operation: impl FnMut() -> F,
) -> Result<T, E>
where
    E: fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + patience;
    let backoff = Backoff { max: Duration::from_secs(1), ..Backoff::default() };
    let again = |error: &E| transient(error) && Instant::now() < deadline;
    match retry(Retry { backoff, ..Retry::new(what) }, again, std::future::pending(), operation).await {
        Ok(value) => Ok(value),
        Err(Stopped::Failed(error)) => Err(error),
        Err(Stopped::Cancelled(_)) => unreachable!("nobody calls it off"),
    }
}

// === impl Backoff ===

impl Backoff {
    /// The pauses in order, without end.
    pub fn pauses(self) -> impl Iterator<Item = Duration> + Send {
        let ceilings =
            std::iter::successors(Some(self.first.min(self.max)), move |last| Some((*last * 2).min(self.max)));
        ceilings.map(|ceiling| ceiling.mul_f64(rand::rng().random_range(0.5..=1.0)))
    }
}

impl Default for Backoff {
    /// 100 ms to 30 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(30) }
    }
}

// === impl Retry ===

impl<'a> Retry<'a> {
    /// The usual pauses; a line in the log every 30 s.
    #[must_use]
    pub fn new(what: &'a str) -> Self {
        Self { backoff: Backoff::default(), log_interval: Duration::from_secs(30), what }
    }
}

/// Says the first failure, then one per interval, and that it is over.
struct Log<'a> {
    settings: Retry<'a>,
    began: Instant,
    failures: u64,
    said: Option<Instant>,
}

impl<'a> Log<'a> {
    fn new(settings: Retry<'a>) -> Self {
        Self { settings, began: Instant::now(), failures: 0, said: None }
    }

    /// Whether this failure is one to be logged.
    fn is_due(&mut self) -> bool {
        self.failures += 1;
        let due = self.said.is_none_or(|said| said.elapsed() >= self.settings.log_interval);
        if due {
            self.said = Some(Instant::now());
        }
        due
    }

    fn failed(&mut self, error: &dyn fmt::Display) {
        if self.is_due() {
            let seconds = self.began.elapsed().as_secs();
            tracing::warn!(what = self.settings.what, failures = self.failures, seconds, %error, "trying again");
        }
    }

    fn succeeded(&self) {
        if self.failures > 0 {
            let seconds = self.began.elapsed().as_secs();
            tracing::info!(
                what = self.settings.what,
                failures = self.failures,
                seconds,
                "succeeded after trying again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const QUICK: Backoff = Backoff { first: Duration::from_micros(1), max: Duration::from_micros(10) };

    fn quick() -> Retry<'static> {
        Retry { backoff: QUICK, ..Retry::new("test") }
    }

    #[test]
    fn pauses_double_with_jitter_up_to_the_limit() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_millis(350) };
        let ceilings = [100, 200, 350, 350, 350];
        for (pause, ceiling) in backoff.pauses().zip(ceilings) {
            let range = Duration::from_millis(ceiling) / 2..=Duration::from_millis(ceiling);
            assert!(range.contains(&pause), "{pause:?} of {ceiling} ms");
        }
        let distinct: std::collections::BTreeSet<_> = (0..20).filter_map(|_| backoff.pauses().next()).collect();
        assert!(distinct.len() > 1, "without jitter tasks return as one");
    }

    #[tokio::test]
    async fn a_transient_error_is_tried_again_and_another_is_not() {
        let tries = Cell::new(0);
        let result = retry(
            quick(),
            |e| *e == "again",
            std::future::pending(),
            || {
                tries.set(tries.get() + 1);
                std::future::ready(if tries.get() < 5 { Err("again") } else { Ok(tries.get()) })
            },
        );
        assert_eq!(result.await.expect("the fifth try succeeds"), 5);

        let result: Result<(), _> =
            retry(quick(), |e| *e == "again", std::future::pending(), || std::future::ready(Err("never"))).await;
        assert!(matches!(result, Err(Stopped::Failed("never"))));
    }

    #[tokio::test]
    async fn calling_off_ends_a_try_and_a_pause() {
        let result: Result<(), Stopped<&str>> =
            retry(quick(), |_| true, std::future::ready(()), std::future::pending::<Result<(), _>>).await;
        assert!(matches!(result, Err(Stopped::Cancelled(None))));

        let tries = Cell::new(0);
        let cancel = futures::future::poll_fn(|_| {
            if tries.get() > 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        let patient =
            Retry { backoff: Backoff { first: Duration::from_secs(3600), max: Duration::from_secs(3600) }, ..quick() };
        let result: Result<(), _> = retry(
            patient,
            |_| true,
            cancel,
            || async {
                tries.set(tries.get() + 1);
                Err("again")
            },
        )
        .await;
        assert!(matches!(result, Err(Stopped::Cancelled(Some("again")))));
        assert_eq!(tries.get(), 1);
    }

    #[test]
    fn one_line_per_interval() {
        let mut log = Log::new(Retry { log_interval: Duration::from_secs(3600), ..quick() });
        assert_eq!([log.is_due(), log.is_due(), log.is_due()], [true, false, false]);
        let mut log = Log::new(Retry { log_interval: Duration::ZERO, ..quick() });
        assert_eq!([log.is_due(), log.is_due()], [true, true]);
    }
}
