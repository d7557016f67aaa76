//! One case, from its topic to its verdict.
//!
//! Two processes share a topic into which records are produced all the time. One is armed with the case's failpoint.
//! When the archive has begun, the trouble begins; when the failpoint is reached, the process meets its fate. Then the
//! trouble ends, the archive must grow again, everybody leaves, and the ids are counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, Outage};
use super::disk::SmallDisk;
use super::harness::{Gate, S3, Weather, eventually};
use super::matrix::{Case, Fate, Trouble};
use super::members::{Member, Site};
use super::referee::{self, Count};
use super::register::Register;
use super::source::{Load, Source};

/// What a case showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub name: String,
    pub count: Count,
    /// Processes killed, stopped, told to leave; brokers killed.
    pub kills: u32,
    pub stops: u32,
    pub terms: u32,
    pub brokers: u32,
    /// How often the committed offset of a partition was seen going backward.
    pub went_back: u64,
    pub seconds: u64,
    /// What the case wants to say beside its numbers.
    pub remark: String,
    /// What should not be.
    pub finding: Option<String>,
}

/// What happens beside the counting.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub kills: u32,
    pub stops: u32,
    pub terms: u32,
    pub brokers: u32,
    pub went_back: u64,
    pub remark: String,
    /// What `secor verify` found.
    pub disagreement: Option<String>,
}

pub const PARTITIONS: i32 = 4;
/// Of everything that is waited for. Sessions last 3 seconds, a broker is missed after 6.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// A batch of a partition in a second, five files in it. Cut by the clock, so that no two processes would cut alike.
pub const ARCHIVE: &str = r#"input = { format = "json" }
output_partitions = ["part={field:part}"]
output = { format = "text", compression = "gzip", level = 1 }
flush = { max_age = "1s" }"#;
/// Files of more than a megabyte, which do not stay in memory.
const ARCHIVE_ON_DISK: &str = r#"input = { format = "json" }
output = { format = "text", compression = "none" }
flush = { max_age = "4s" }"#;
const RECORDS_PER_SECOND: u64 = 400;
/// What must be archived after the trouble: two seconds' records.
const GROWTH_RECORDS: i64 = 800;

/// Plays a case; whatever goes wrong is its finding.
pub fn run(cluster: &Cluster, s3: &S3, case: Case) -> Outcome {
    let site = Site {
        cluster,
        s3,
        name: case.to_string().replace('/', "."),
        membership: case.membership,
        limits: "memory = \"32MiB\"\ndisk = \"64MiB\"",
        archive: if case.trouble == Trouble::FullDisk { ARCHIVE_ON_DISK } else { ARCHIVE },
    };
    judge(&case.to_string(), &site, || play(&site, case))
}

/// Runs `play` and turns what it returns, or its panic, into an outcome. The topic is deleted when all is well.
pub fn judge(name: &str, site: &Site<'_>, play: impl FnOnce() -> (Count, Story)) -> Outcome {
    let began = Instant::now();
    let played = catch_unwind(AssertUnwindSafe(play));
    let (count, story, mut finding) = match played {
        Ok((count, story)) => (count, story, None),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            (Count::default(), Story::default(), Some(text.unwrap_or_else(|| "a panic without words".to_owned())))
        }
    };
    // the count first: it is the reader that shares no code with the archiver
    finding = finding.or_else(|| count.wrong()).or_else(|| story.disagreement.clone());
    if finding.is_none() {
        site.cluster.delete_topic(&site.name);
    }
    let Story { kills, stops, terms, brokers, went_back, remark, .. } = story;
    let seconds = began.elapsed().as_secs();
    Outcome { name: name.to_owned(), count, kills, stops, terms, brokers, went_back, seconds, remark, finding }
}

/// The parts of a case that is being played.
struct Scene<'a> {
    site: &'a Site<'a>,
    case: Case,
    gate: Gate,
    struck: Member,
    other: Member,
    disks: Vec<SmallDisk>,
    outage: Option<Outage<'a>>,
    story: Story,
}

fn play(site: &Site<'_>, case: Case) -> (Count, Story) {
    let cluster = site.cluster;
    cluster.create_topic(&site.name, PARTITIONS);
    let register = Register::watch(cluster, &site.name, PARTITIONS);
    let gate = Gate::start(&site.s3.endpoint());
    let (struck, other) = (site.member(0, &gate.endpoint()), site.member(1, &gate.endpoint()));
    let disks = match case.trouble {
        Trouble::FullDisk => [&struck, &other].iter().filter_map(|it| SmallDisk::mount(&it.staging())).collect(),
        _ => Vec::new(),
    };
    let noise_bytes = if case.trouble == Trouble::FullDisk { 4_000 } else { 100 };
    let records_per_second = RECORDS_PER_SECOND;
    let load = Load { topic: site.name.clone(), partitions: PARTITIONS, records_per_second, noise_bytes };
    let source = Source::start(cluster, load);
    let mut scene = Scene { site, case, gate, struck, other, disks, outage: None, story: Story::default() };

    scene.struck.start(&case.failpoints());
    scene.other.start("");
    scene.wait_for_growth("the archive to begin", 0);
    scene.begin_trouble();
    let struck = &scene.struck;
    eventually(PATIENCE, "the failpoint to be reached", || struck.reached().then_some(()));
    scene.kill_broker();
    scene.meet_fate();
    scene.end_trouble();
    let archived = scene.archived();
    scene.wait_for_growth("the archive to go on", archived + GROWTH_RECORDS);

    let ids = source.stop();
    [&mut scene.struck, &mut scene.other].into_iter().for_each(|member| member.leave(PATIENCE));
    let codes = [scene.struck.unexpected_codes(), scene.other.unexpected_codes()].concat();
    assert!(codes.is_empty(), "exit codes {codes:?}\n{}\n{}", scene.struck.log(), scene.other.log());
    referee::finish(site, PATIENCE);
    let count = referee::count(&site.folder(), &site.name, &ids);
    scene.story.disagreement = referee::verify(site, PATIENCE);
    scene.story.went_back = register.went_back();
    (count, scene.story)
}

// === impl Scene ===

impl Scene<'_> {
    /// The end of what the ledger says is archived, over all partitions.
    fn archived(&self) -> i64 {
        self.site.files().ends(PARTITIONS).iter().sum()
    }

    #[track_caller]
    fn wait_for_growth(&mut self, what: &str, above: i64) {
        eventually(PATIENCE, what, || {
            // the one that is to be struck is not started again before it was
            if what == "the archive to go on" {
                [&mut self.struck, &mut self.other].into_iter().for_each(Member::keep_running);
            }
            (self.archived() > above).then_some(())
        });
    }

    fn begin_trouble(&mut self) {
        match self.case.trouble {
            Trouble::Nothing => {}
            Trouble::LeaderKilled | Trouble::CoordinatorKilled => self.outage = Some(self.site.cluster.outage()),
            Trouble::StoreErrors => self.gate.set_weather(Weather::Errors),
            Trouble::StoreResets => self.gate.set_weather(Weather::Resets),
            Trouble::StoreSlow => self.gate.set_weather(Weather::Slow),
            Trouble::FullDisk if self.disks.len() == 2 => self.disks.iter().for_each(SmallDisk::fill),
            Trouble::FullDisk => self.story.remark = "no right to mount: without a full disk".to_owned(),
        }
    }

    /// At the moment of the failpoint, so that the process and the broker are missing at once.
    fn kill_broker(&mut self) {
        let (cluster, name) = (self.site.cluster, &self.site.name);
        let Some(outage) = &self.outage else { return };
        let what = "somebody to kill";
        outage.kill(match self.case.trouble {
            Trouble::CoordinatorKilled => eventually(PATIENCE, what, || cluster.coordinator(name)),
            _ => eventually(PATIENCE, what, || cluster.leader(name, 0)),
        });
        self.story.brokers += 1;
    }

    fn meet_fate(&mut self) {
        match self.case.fate {
            Fate::Kill => {
                self.struck.wait(PATIENCE);
                assert!(self.struck.codes.contains(&137), "it was killed: {:?}", self.struck.codes);
                self.story.kills += 1;
                self.struck.start("");
            }
            Fate::Term => {
                self.struck.wait(PATIENCE);
                self.story.terms += 1;
                self.struck.start("");
            }
            Fate::StopPastSession => {
                self.wait_until_stopped();
                let all = usize::try_from(PARTITIONS).expect("a small number");
                let other = &self.other;
                eventually(PATIENCE, "the other to own everything", || (other.granted() == Some(all)).then_some(()));
                // the successor decides slots that the one who hangs believes to be its own
                let archived = self.archived();
                eventually(PATIENCE, "the other to archive", || (self.archived() > archived).then_some(()));
                self.struck.signal(libc::SIGCONT);
            }
            Fate::StopUntilEmpty => {
                self.wait_until_stopped();
                self.other.leave(PATIENCE);
                let (cluster, name) = (self.site.cluster, &self.site.name);
                eventually(PATIENCE, "the group to be empty", || cluster.is_empty_group(name).then_some(()));
                self.struck.signal(libc::SIGCONT);
                self.other.start("");
            }
        }
    }

    fn wait_until_stopped(&mut self) {
        let struck = &self.struck;
        eventually(PATIENCE, "the process to hang", || struck.is_stopped().then_some(()));
        self.story.stops += 1;
    }

    fn end_trouble(&mut self) {
        if self.disks.len() == 2 && self.case.trouble == Trouble::FullDisk {
            eventually(PATIENCE, "somebody to want the disk", || {
                [&mut self.struck, &mut self.other].into_iter().for_each(Member::keep_running);
                let logs = [self.struck.log(), self.other.log()].concat();
                logs.contains("the staging disk is full").then_some(())
            });
            self.disks.iter().for_each(SmallDisk::free);
        }
        self.gate.set_weather(Weather::Fair);
        if let Some(outage) = self.outage.take() {
            outage.end();
        }
    }
}
