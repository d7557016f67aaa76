//! Goal: show that nothing grows, is lost or repeated when all goes on for an hour.
//! Method: constant production, three processes of which two are killed, stopped and restarted at random, a store that is
//! slow or fails at times; looked at every ten seconds from `/proc`. The medians of the second and of the last sixth of
//! the time must agree for the process that lives all the time; then every id is counted.
//!
//! Not run by `cargo test`: `just soak [--minutes 60] [--seed 1]` runs it and writes `docs/evidence/soak.md`.

mod crashlab;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crashlab::cluster::{Cluster, Release};
use crashlab::harness::{Gate, S3, Weather};
use crashlab::matrix::Membership;
use crashlab::members::{Member, Site};
use crashlab::referee::{self, Count};
use crashlab::report;
use crashlab::samples::{Moment, Sample, median, sixth};
use crashlab::source::{Load, Source};

const NAME: &str = "soak";
const PARTITIONS: i32 = 6;
const RECORDS_PER_SECOND: u64 = 1_000;
const MEMBERS: usize = 3;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
/// Between two blows, at random.
const PAUSE_SECONDS: std::ops::Range<u64> = 10..30;
const ARCHIVE: &str = r#"input = { format = "json" }
output_partitions = ["part={field:part}"]
output = { format = "text", compression = "gzip" }
flush = { max_records = 20000, max_age = "1m" }"#;
const LIMITS: &str = "memory = \"64MiB\"\ndisk = \"256MiB\"";
const PATIENCE: Duration = Duration::from_secs(900);

/// What was done to the processes and the store.
#[derive(Default)]
struct Blows {
    kills: u32,
    stops: u32,
    terms: u32,
    bad_weather: u32,
}

/// Numbers that only look random: a run can be repeated by its seed.
struct Dice(u64);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.is_empty()).collect();
    let Some((minutes, seed)) = parse(&arguments) else {
        eprintln!("usage: just soak [--minutes N] [--seed N]");
        return ExitCode::from(64);
    };
    let (cluster, s3) = (Cluster::start(Release::Kafka43), S3::start());
    cluster.create_topic(NAME, PARTITIONS);
    let site = Site {
        cluster: &cluster,
        s3: &s3,
        name: NAME.to_owned(),
        membership: Membership::CooperativeSticky,
        limits: LIMITS,
        archive: ARCHIVE,
    };
    let load = Load {
        topic: NAME.to_owned(),
        partitions: PARTITIONS,
        records_per_second: RECORDS_PER_SECOND,
        noise_bytes: 900,
    };
    let source = Source::start(&cluster, load);
    let (moments, blows, codes) = torment(&site, Duration::from_secs(minutes * 60), Dice(seed));
    println!("soak: counting");
    let ids = source.stop();
    referee::finish(&site, PATIENCE);
    let count = referee::count(&site.folder(), NAME, &ids);
    let disagreement = referee::verify(&site, PATIENCE);

    let mut findings = growth(&moments);
    findings.extend(count.wrong());
    findings.extend(disagreement);
    findings.extend((!codes.is_empty()).then(|| format!("processes ended with {codes:?}")));
    let command = format!("just soak --minutes {minutes} --seed {seed}");
    let text = page(&command, &moments, &blows, &count, &findings);
    println!("soak: see {}", report::write("soak", &text).display());
    findings.iter().for_each(|finding| println!("soak: FOUND: {finding}"));
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Minutes and seed.
fn parse(arguments: &[String]) -> Option<(u64, u64)> {
    let (mut minutes, mut seed) = (60, 1);
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--minutes" => minutes = value.parse().ok().filter(|minutes| *minutes > 0)?,
            [name, value] if name == "--seed" => seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((minutes, seed))
}

/// Lets the processes run for so long, with blows at random; what was seen, what was done, and exit codes that nobody
/// should have.
fn torment(site: &Site<'_>, time: Duration, mut dice: Dice) -> (Vec<Moment>, Blows, Vec<i32>) {
    let gate = Gate::start(&site.s3.endpoint());
    let mut members: Vec<_> = (0..MEMBERS).map(|instance| site.member(instance, &gate.endpoint())).collect();
    let (began, mut moments, mut blows) = (Instant::now(), Vec::new(), Blows::default());
    let mut next_sample = Duration::ZERO;
    let mut next_blow = Duration::from_secs(30);
    // who hangs until when, and how long the weather stays as it is
    let (mut stopped, mut fair_at) = (None::<(usize, Duration)>, None::<Duration>);
    while began.elapsed() < time {
        let now = began.elapsed();
        if let Some((member, until)) = stopped
            && now >= until
        {
            members[member].signal(libc::SIGCONT);
            stopped = None;
        }
        if fair_at.is_some_and(|at| now >= at) {
            gate.set_weather(Weather::Fair);
            fair_at = None;
        }
        // one that hangs is left alone
        members.iter_mut().for_each(Member::keep_running);
        if now >= next_sample {
            next_sample = now + SAMPLE_INTERVAL;
            moments.push(look(site, &members, now));
            gate.forget_requests();
        }
        if now >= next_blow && stopped.is_none() {
            next_blow = now + Duration::from_secs(dice.of(PAUSE_SECONDS));
            // the first one is only ever stopped, so that somebody grows old
            let member = usize::try_from(dice.of(0..3)).expect("small");
            match (dice.of(0..8), member) {
                (0..3, 1..) => {
                    members[member].kill();
                    blows.kills += 1;
                }
                (3, 1..) => {
                    members[member].signal(libc::SIGTERM);
                    blows.terms += 1;
                }
                (4..6, _) | (0..4, 0) => {
                    members[member].signal(libc::SIGSTOP);
                    stopped = Some((member, now + Duration::from_secs(dice.of(1..10))));
                    blows.stops += 1;
                }
                (weather, _) => {
                    let kinds = [Weather::Slow, Weather::Slow, Weather::Errors, Weather::Resets];
                    let kind = usize::try_from(dice.of(0..4)).expect("small");
                    gate.set_weather(kinds[kind]);
                    fair_at = Some(now + Duration::from_secs(10 + 2 * weather));
                    blows.bad_weather += 1;
                }
            }
        }
        thread::sleep(Duration::from_millis(100)); // the soak's own clock: a tenth of a second is exact enough
    }
    gate.set_weather(Weather::Fair);
    members.iter_mut().for_each(|member| member.leave(Duration::from_secs(120)));
    let codes = members.iter().flat_map(Member::unexpected_codes).collect();
    (moments, blows, codes)
}

fn look(site: &Site<'_>, members: &[Member], now: Duration) -> Moment {
    let sample = |member: &Member| Sample::take(member.pid()?, &member.staging());
    let committed = site.cluster.committed(NAME, NAME, PARTITIONS);
    let committed = committed.map(|all| all.iter().flatten().map(|(offset, _)| offset).sum::<i64>());
    let end = site.cluster.end(NAME, PARTITIONS);
    Moment {
        seconds: now.as_secs(),
        members: members.iter().map(sample).collect(),
        lag: end.zip(committed).map(|(end, committed)| end - committed),
    }
}

/// What a sixth of the time looked like for the process that lives all the time: medians.
struct Sixth {
    resident_kib: u64,
    open_files: u64,
    staged_bytes: u64,
    lag: u64,
}

// === impl Sixth ===

impl Sixth {
    fn of(moments: &[Moment], number: usize) -> Self {
        let moments = sixth(moments, number);
        let of = |field: fn(&Sample) -> u64| {
            median(moments.iter().filter_map(|moment| moment.members[0].as_ref().map(field)).collect())
        };
        let lags = moments.iter().filter_map(|moment| moment.lag).map(|lag| u64::try_from(lag).unwrap_or_default());
        Self {
            resident_kib: of(|sample| sample.resident_kib),
            open_files: of(|sample| sample.open_files),
            staged_bytes: of(|sample| sample.staged_bytes),
            lag: median(lags.collect()),
        }
    }
}

/// What grew from the second sixth to the last.
fn growth(moments: &[Moment]) -> Vec<String> {
    let (second, last) = (Sixth::of(moments, 1), Sixth::of(moments, 5));
    let bounds = [
        ("resident memory in KiB", second.resident_kib, last.resident_kib, second.resident_kib / 10 + (8 << 10)),
        ("open files", second.open_files, last.open_files, second.open_files / 4 + 8),
        ("staged bytes", second.staged_bytes, last.staged_bytes, second.staged_bytes / 2 + (16 << 20)),
        ("lag in records", second.lag, last.lag, second.lag / 2 + 20 * RECORDS_PER_SECOND),
    ];
    let grown = bounds.iter().filter(|(_, second, last, more_max)| *last > second + more_max);
    grown.map(|(what, second, last, _)| format!("{what} grew from {second} to {last}")).collect()
}

fn page(command: &str, moments: &[Moment], blows: &Blows, count: &Count, findings: &[String]) -> String {
    let versions = "Apache Kafka 4.3.1 (three brokers), versitygw 1.8.0, DuckDB counts";
    let mut page = report::head("Soak", command, versions);
    let Blows { kills, stops, terms, bad_weather } = blows;
    let verdict = match findings {
        [] => "Nothing was lost, repeated or grown; `secor verify --deep --against-kafka` agrees.".to_owned(),
        findings => findings.join("; "),
    };
    let _ = write!(
        page,
        "{RECORDS_PER_SECOND} records a second into {PARTITIONS} partitions, {MEMBERS} processes. Two of them were \
         killed {kills} times and told to leave {terms} times, all three stopped {stops} times for up to 10 seconds (the \
         session lasts 3); the store was slow, failed or cut connections {bad_weather} times for 22 to 24 seconds.\n\n\
         **{verdict}**\n\n\
         | acked | unknown | archived | lost | repeated | never made | files |\n|---|---|---|---|---|---|---|\n\
         | {} | {} | {} | {} | {} | {} | {} |\n\n\
         ## The process that lived all the time\n\nMedians of samples every {} seconds, by sixths of the time.\n\n\
         | sixth | resident MiB | open files | staged MiB | lag, records (all) |\n|---|---|---|---|---|\n",
        count.acked,
        count.unknown,
        count.archived,
        count.lost,
        count.repeated,
        count.strange,
        count.files,
        SAMPLE_INTERVAL.as_secs(),
    );
    for number in 0..6 {
        let Sixth { resident_kib, open_files, staged_bytes, lag } = Sixth::of(moments, number);
        let (resident, staged) = (resident_kib as f64 / 1024.0, staged_bytes as f64 / f64::from(1 << 20));
        let _ = writeln!(page, "| {} | {resident:.1} | {open_files} | {staged:.1} | {lag} |", number + 1);
    }
    let samples: Vec<&Sample> = moments.iter().flat_map(|moment| moment.members.iter().flatten()).collect();
    let most = |field: fn(&Sample) -> u64| samples.iter().map(|sample| field(sample)).max().unwrap_or_default();
    let _ = write!(
        page,
        "\nThe most that any process ever used, in {} samples: {} MiB resident, {} open files, {} MiB staged \
         (`limits.memory` 64 MiB, `limits.disk` 256 MiB).\n\nBounds that are asserted from the second to the last \
         sixth: memory +10 % and 8 MiB, files +25 % and 8, staged +50 % and 16 MiB, lag +50 % and 20 seconds' records.\n",
        samples.len(),
        most(|sample| sample.resident_kib) >> 10,
        most(|sample| sample.open_files),
        most(|sample| sample.staged_bytes) >> 20,
    );
    page
}

// === impl Dice ===

impl Dice {
    fn of(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + (self.0 >> 33) % (range.end - range.start)
    }
}
