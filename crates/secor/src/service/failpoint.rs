//! Named places of the ledger protocol at which a laboratory lets this process be killed, stopped or told to leave.
//!
//! Who doubts the guarantee wants to see a process die between two steps, and not somewhere near them. The hidden
//! variable `SECOR_FAILPOINTS` names the step and what happens there, `POINT[#HIT]=ACTION`, several with commas:
//! `before-manifest=kill`, `each-file#3=stop,commit-sent=term`. A point acts once, at the given hit (1 without). It is
//! read once, when `run` starts; without it a point costs one look at a static.
//!
//! Deliberately absent: panics, errors and delays. A point does nothing that an operating system could not do to any
//! process at any time, so that what the laboratory sees is what an operator would see. That the variable works in
//! every build costs nothing: who may set it may also kill the process.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The variable that names the failpoints of this process.
pub const VARIABLE: &str = "SECOR_FAILPOINTS";

/// How long a request has to get on its way. One that is answered sooner has its answer here, but not yet looked at.
const ON_THE_WIRE: Duration = Duration::from_millis(20);

/// A step of a batch's life. The manifest's points count batches only, no empty entries and seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The batch is cut and its files are closed; nothing of it was sent.
    BeforeManifest,
    /// The manifest is on its way; its answer is not taken.
    ManifestSent,
    /// The manifest is known to stand, in whatever words; no file was sent.
    ManifestCreated,
    /// A file was created, or was there; hits count files of all batches.
    EachFile,
    /// All files are settled, or an entry has none; the commit was not sent.
    FilesComplete,
    /// The commit is on its way; its answer is not taken.
    CommitSent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// SIGKILL to this process.
    Kill,
    /// SIGSTOP to this process: it goes on at SIGCONT, right here.
    Stop,
    /// SIGTERM to this process, which goes on meanwhile.
    Term,
}

/// What is set makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE}: `{entry}` is no failpoint")]
pub struct BadFailpoints {
    entry: String,
}

#[derive(Debug)]
struct Failpoint {
    point: Point,
    /// The first is 1.
    hit: u64,
    action: Action,
}

#[derive(Debug, Default)]
struct Failpoints {
    set: Vec<Failpoint>,
    /// How often each point was reached, in the order of [`POINTS`].
    hits: [AtomicU64; POINTS.len()],
}

const POINTS: [(&str, Point); 6] = [
    ("before-manifest", Point::BeforeManifest),
    ("manifest-sent", Point::ManifestSent),
    ("manifest-created", Point::ManifestCreated),
    ("each-file", Point::EachFile),
    ("files-complete", Point::FilesComplete),
    ("commit-sent", Point::CommitSent),
];

const ACTIONS: [(&str, Action); 3] = [("kill", Action::Kill), ("stop", Action::Stop), ("term", Action::Term)];

static ARMED: OnceLock<Option<Failpoints>> = OnceLock::new();

/// Reads the variable; later calls change nothing.
///
/// # Errors
/// [`BadFailpoints`], for the first entry that is none.
pub fn arm() -> Result<(), BadFailpoints> {
    let failpoints = match std::env::var_os(VARIABLE) {
        Some(text) if !text.is_empty() => Some(Failpoints::parse(&text.to_string_lossy())?),
        _ => None,
    };
    if let Some(failpoints) = &failpoints {
        tracing::warn!(failpoints = ?failpoints.set, "failpoints are armed: this process will harm itself");
    }
    // a second call can only come from a test that runs two services
    let _ = ARMED.set(failpoints);
    Ok(())
}

/// The process is at `point`: does what is set there.
pub(super) fn reached(point: Point) {
    let Some(action) = armed().and_then(|failpoints| failpoints.reached(point)) else { return };
    let signal = match action {
        Action::Kill => libc::SIGKILL,
        Action::Stop => libc::SIGSTOP,
        Action::Term => libc::SIGTERM,
    };
    tracing::warn!(point = point.name(), ?action, "failpoint reached");
    // SAFETY: takes two numbers and touches no memory of this process
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Does `operation`, with `point` between its request and the moment when its answer is looked at.
pub(super) async fn between<T>(point: Point, operation: impl Future<Output = T>) -> T {
    if armed().is_none() {
        return operation.await;
    }
    let mut operation = pin!(operation);
    let answered = tokio::select! {
        biased;
        answer = &mut operation => Some(answer),
        () = tokio::time::sleep(ON_THE_WIRE) => None,
    };
    reached(point);
    match answered {
        Some(answer) => answer,
        None => operation.await,
    }
}

fn armed() -> Option<&'static Failpoints> {
    ARMED.get().and_then(Option::as_ref)
}

// === impl Point ===

impl Point {
    fn name(self) -> &'static str {
        POINTS[self.index()].0
    }

    fn index(self) -> usize {
        POINTS.iter().position(|(_, point)| *point == self).expect("every point has its row")
    }
}

// === impl BadFailpoints ===

impl BadFailpoints {
    /// One line: what can be written.
    #[must_use]
    pub fn hint(&self) -> String {
        let points: Vec<_> = POINTS.iter().map(|(name, _)| *name).collect();
        let actions: Vec<_> = ACTIONS.iter().map(|(name, _)| *name).collect();
        format!("write POINT[#HIT]=ACTION,...; points: {}; actions: {}", points.join(" "), actions.join(" "))
    }
}

// === impl Failpoints ===

impl Failpoints {
    fn parse(text: &str) -> Result<Self, BadFailpoints> {
        let entry = |entry: &str| parse_entry(entry).ok_or_else(|| BadFailpoints { entry: entry.to_owned() });
        Ok(Self { set: text.split(',').map(entry).collect::<Result<_, _>>()?, ..Self::default() })
    }

    /// Counts the hit; what is to happen at it.
    fn reached(&self, point: Point) -> Option<Action> {
        let hit = self.hits[point.index()].fetch_add(1, Ordering::Relaxed) + 1;
        self.set.iter().find(|set| set.point == point && set.hit == hit).map(|set| set.action)
    }
}

fn parse_entry(entry: &str) -> Option<Failpoint> {
    let (place, action) = entry.split_once('=')?;
    let (name, hit) = match place.split_once('#') {
        Some((name, hit)) => (name, hit.parse().ok().filter(|hit| *hit > 0)?),
        None => (place, 1),
    };
    let point = POINTS.iter().find(|(known, _)| *known == name)?.1;
    let action = ACTIONS.iter().find(|(known, _)| *known == action)?.1;
    Some(Failpoint { point, hit, action })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_acts_once_at_its_hit() {
        let failpoints = Failpoints::parse("each-file#3=stop,commit-sent=term,each-file#4=kill").expect("correct");
        let hits = |point| [(); 5].map(|()| failpoints.reached(point));
        assert_eq!(hits(Point::EachFile), [None, None, Some(Action::Stop), Some(Action::Kill), None]);
        assert_eq!(hits(Point::CommitSent), [Some(Action::Term), None, None, None, None]);
        assert_eq!(hits(Point::BeforeManifest), [None; 5]);
    }

    #[test]
    fn every_name_can_be_written() {
        for (name, point) in POINTS {
            for (word, action) in ACTIONS {
                let failpoints = Failpoints::parse(&format!("{name}={word}")).expect("correct");
                assert_eq!(failpoints.reached(point), Some(action));
                assert_eq!(point.name(), name);
            }
        }
    }

    #[test]
    fn what_is_no_failpoint_is_named_and_the_hint_lists_what_is() {
        let wrong = [
            "",
            "kill",
            "each-file",
            "each-file=",
            "each-file#0=kill",
            "each-file#x=kill",
            "between=kill",
            "each-file=die",
        ];
        for entry in wrong {
            let error = Failpoints::parse(&format!("commit-sent=kill,{entry}")).expect_err("is none");
            assert_eq!(error.to_string(), format!("SECOR_FAILPOINTS: `{entry}` is no failpoint"));
            assert_eq!(
                error.hint(),
                "write POINT[#HIT]=ACTION,...; points: before-manifest manifest-sent manifest-created each-file \
                 files-complete commit-sent; actions: kill stop term"
            );
        }
    }

    #[tokio::test]
    async fn without_the_variable_an_operation_is_only_awaited() {
        let slow = async {
            tokio::time::sleep(2 * ON_THE_WIRE).await;
            7
        };
        assert_eq!(between(Point::CommitSent, slow).await, 7);
    }
}
