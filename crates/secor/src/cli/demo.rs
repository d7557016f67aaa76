//! `secor demo`: the main job on a machine with nothing installed.
//!
//! A Kafka broker runs inside this process (librdkafka's mock cluster), records go into it, and a worker process, this
//! same binary, archives them into a local folder. Half-way the worker is killed with SIGKILL and another one started.
//! At the end every record is read back and counted.

mod records;

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secor_core::ids::Offset;

use super::args::DemoArgs;
use super::child::{Child, Start, State};
use super::errors::{Class, CliError};
use super::follow::{Follow, Followed, LOOK_INTERVAL};
use super::verify;
use crate::audit::{Depth, Quiet, Request, audit};
use crate::config::Config;
use crate::kafka::mock::Mock;
use crate::ledger::{Ledger, LedgerSettings};
use crate::service::settings;
use crate::store;

const TOPIC: &str = "pageviews";
/// The mock cluster keeps 5 MiB of a partition.
const RECORDS_PER_PARTITION_MAX: u64 = 15_000;
const PARTITIONS_MIN: u64 = 8;
/// A worker that archives nothing for this long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// # Errors
/// What kept the demo from its end; [`Class::Found`] when the archive is not what it should be.
pub(super) async fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let folder = prepare_folder(args)?;
    let mock = Mock::start()?;
    let partitions = args.records.div_ceil(RECORDS_PER_PARTITION_MAX).max(PARTITIONS_MIN);
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    mock.create_topic(TOPIC, partitions)?;
    let config_file = folder.join("secor.toml");
    fs::write(&config_file, configuration(&mock.brokers(), &folder)).map_err(|error| cannot(&config_file, &error))?;
    writeln!(out, "a broker runs in this process; topic `{TOPIC}` has {partitions} partitions")?;
    writeln!(out, "archive, configuration and logs: {}", folder.display())?;
    out.flush()?;

    let (brokers, records) = (mock.brokers(), args.records);
    let producing = std::thread::spawn(move || records::produce(&brokers, TOPIC, partitions, records));
    let config = Config::load(Some(&config_file))?;
    let store = store::open(&settings::store(&config))?;
    let log = folder.join("worker.log");
    let start = Start { config: &config_file, log: &log, variables: &[] };
    let mut worker = Child::start(start)?;
    let starts: Vec<Offset> = (0..partitions).map(|_| Offset::ZERO).collect();
    let followed = Followed { store: Arc::clone(&store), ledger: LedgerSettings::default() };
    let mut follow = Follow::new(followed, TOPIC, &starts, args.records);
    until(args.records / 2, &mut follow, &mut worker).await?;
    follow.say("half-way: SIGKILL to the worker process, in the middle of its work");
    worker.kill();
    let mut worker = Child::start(start)?;
    follow.say("another worker process goes on where the ledger says");
    until(args.records, &mut follow, &mut worker).await?;
    follow.finish();
    stop(worker).await?;
    let produced = producing.join().expect("a thread that panics ends the process")?;
    writeln!(out, "{produced} records produced, {} archived; now every one is read back\n", follow.archived())?;
    out.flush()?;

    let ledger = Ledger::open(store, &LedgerSettings::default()).await?;
    let request = Request { expected_records: Some(produced), depth: Depth::Records, ..Request::default() };
    let report = audit(&ledger, &request, None, &Quiet).await?;
    verify::conclude(&report, out)?;
    writeln!(out, "\nlook at it:")?;
    let archive = folder.join("archive");
    writeln!(out, "  find {} -name '*.gz' | head", archive.join(TOPIC).display())?;
    let secor = std::env::current_exe().map_or_else(|_| "secor".to_owned(), |path| path.display().to_string());
    writeln!(out, "  {secor} --config {} ledger list {TOPIC}:0", config_file.display())?;
    writeln!(out, "  {secor} --config {} cat {TOPIC}:0 | head -3", config_file.display())?;
    Ok(())
}

fn prepare_folder(args: &DemoArgs) -> Result<PathBuf, CliError> {
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("secor-demo-{}", std::process::id())),
    };
    fs::create_dir_all(folder.join("archive")).map_err(|error| cannot(&folder, &error))?;
    let folder = folder.canonicalize().map_err(|error| cannot(&folder, &error))?;
    let used = fs::read_dir(&folder).map_err(|error| cannot(&folder, &error))?.count() > 1;
    if used {
        let what = format!("folder `{}` is not empty", folder.display());
        return Err(CliError::new(Class::Configuration, what).with_hint("name another one with --folder"));
    }
    Ok(folder)
}

fn cannot(path: &Path, error: &std::io::Error) -> CliError {
    CliError::caused_by(Class::Configuration, error).while_doing(&format!("`{}`", path.display()))
}

fn configuration(brokers: &str, folder: &Path) -> String {
    let brokers: Vec<_> = brokers.split(',').map(|broker| format!("\"{broker}\"")).collect();
    format!(
        r#"# written by `secor demo`; its broker is gone when the demo has ended
[kafka]
brokers = [{brokers}]
group = "secor_demo"
[kafka.properties]
"session.timeout.ms" = "6000"      # the mock cluster waits this long for a member that was killed

[store]
url = "file://{folder}/archive"

[limits]
memory = "64MiB"
records_per_second = 60000         # so that there is something to watch

[[archive]]
topics = ["{TOPIC}"]
input = {{ format = "json" }}
timestamp = {{ field = "meta.ts" }}
output_partitions = ["dt={{timestamp:%Y-%m-%d}}", "hr={{timestamp:%H}}"]
output = {{ format = "text", compression = "gzip" }}
flush = {{ max_records = 2000, max_age = "1s" }}
"#,
        brokers = brokers.join(", "),
        folder = folder.display(),
    )
}

/// Waits until so many records stand in the ledger.
async fn until(records: u64, follow: &mut Follow, worker: &mut Child) -> Result<(), CliError> {
    let mut moved_at = Instant::now();
    while follow.archived() < records {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let before = follow.archived();
        follow.look().await?;
        if follow.archived() > before {
            moved_at = Instant::now();
        }
        if let State::Ended(status) = worker.state()? {
            let what = format!("the worker process ended with {status}");
            return Err(CliError::new(Class::Bug, what).with_hint("see worker.log in the demo's folder"));
        }
        if moved_at.elapsed() > PATIENCE {
            let what = format!("nothing was archived for {} s", PATIENCE.as_secs());
            return Err(CliError::new(Class::Unavailable, what).with_hint("see worker.log in the demo's folder"));
        }
    }
    Ok(())
}

/// SIGTERM: cut, upload, commit, leave.
async fn stop(mut worker: Child) -> Result<(), CliError> {
    worker.signal(libc::SIGTERM);
    let how = match worker.ended(PATIENCE).await? {
        // one that had nothing to do may not have come as far as listening to signals
        Some(status) if status.success() || status.signal() == Some(libc::SIGTERM) => return Ok(()),
        Some(status) => format!("ended with {status}"),
        None => format!("did not leave within {} s", PATIENCE.as_secs()),
    };
    Err(CliError::new(Class::Bug, format!("the worker process {how}")).with_hint("see worker.log"))
}
