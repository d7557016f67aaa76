//! `secor demo`: the main job on a machine with nothing installed.
//!
//! A Kafka broker runs inside this process (librdkafka's mock cluster), records go into it, and a worker process, this
//! same binary, archives them into a local folder. Half-way the worker is killed with SIGKILL and another one started.
//! At the end every record is read back and counted.

mod records;

use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secor_core::ids::{Generation, Offset, TopicPartition};

use super::args::DemoArgs;
use super::errors::{Class, CliError};
use super::verify;
use crate::audit::{Depth, Quiet, Request, audit};
use crate::config::Config;
use crate::kafka::mock::Mock;
use crate::ledger::{Ledger, LedgerError};
use crate::service::settings;
use crate::store;

const TOPIC: &str = "pageviews";
/// The mock cluster keeps 5 MiB of a partition.
const RECORDS_PER_PARTITION_MAX: u64 = 15_000;
const PARTITIONS_MIN: u64 = 8;
/// A worker that archives nothing for this long is stuck.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(2);

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
    let mut worker = Worker::start(&config_file, &folder)?;
    let mut watch = Watch::new(&config, partitions, args.records);
    watch.until(args.records / 2, &mut worker).await?;
    watch.say("half-way: SIGKILL to the worker process, in the middle of its work");
    worker.kill();
    let mut worker = Worker::start(&config_file, &folder)?;
    watch.say("another worker process goes on where the ledger says");
    watch.until(args.records, &mut worker).await?;
    watch.bar.finish_and_clear();
    worker.stop()?;
    let produced = producing.join().expect("a thread that panics ends the process")?;
    writeln!(out, "{produced} records produced, {} archived; now every one is read back\n", watch.archived)?;
    out.flush()?;

    let ledger = Ledger::open(store::open(&settings::store(&config))?).await?;
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

/// The process that archives.
struct Worker(Child);

// === impl Worker ===

impl Worker {
    fn start(config: &Path, folder: &Path) -> Result<Self, CliError> {
        let log_file = folder.join("worker.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&log_file);
        let log = log.map_err(|error| cannot(&log_file, &error))?;
        let secor = std::env::current_exe()?;
        let child = Command::new(secor)
            .arg("--config")
            .arg(config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Self(child))
    }

    fn kill(&mut self) {
        // it may have ended by itself: then there is nothing to kill, and the log says why
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM: cut, upload, commit, leave.
    fn stop(mut self) -> Result<(), CliError> {
        let pid = i32::try_from(self.0.id()).expect("process ids are positive");
        // SAFETY: the child has not been waited for, so its id is still its own
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let status = self.0.wait()?;
        // one that had nothing to do may not have come as far as listening to signals
        if status.success() || status.signal() == Some(libc::SIGTERM) {
            return Ok(());
        }
        Err(CliError::new(Class::Bug, format!("the worker process ended with {status}")).with_hint("see worker.log"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Follows the archive through its ledger: the name of the next entry is known.
struct Watch {
    config: Config,
    next: Vec<(TopicPartition, Offset)>,
    ledger: Option<Ledger>,
    archived: u64,
    bar: ProgressBar,
    line_at: Instant,
}

// === impl Watch ===

impl Watch {
    fn new(config: &Config, partitions: i32, records: u64) -> Self {
        let topic: Arc<str> = Arc::from(TOPIC);
        let next = (0..partitions).map(|partition| (TopicPartition::new(Arc::clone(&topic), partition), Offset::ZERO));
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} records in complete batches")
            .expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(Some(records), target).with_style(style);
        Self { config: config.clone(), next: next.collect(), ledger: None, archived: 0, bar, line_at: Instant::now() }
    }

    fn say(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("{line}") } else { self.bar.println(line) }
    }

    /// Waits until so many records stand in the ledger.
    async fn until(&mut self, records: u64, worker: &mut Worker) -> Result<(), CliError> {
        let mut moved_at = Instant::now();
        while self.archived < records {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let before = self.archived;
            self.look().await?;
            if self.archived > before {
                moved_at = Instant::now();
            }
            if let Some(status) = worker.0.try_wait()? {
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

    async fn look(&mut self) -> Result<(), CliError> {
        if self.ledger.is_none() {
            let opened = Ledger::open(store::open(&settings::store(&self.config))?).await;
            self.ledger = match opened {
                Err(LedgerError::Absent(_)) => return Ok(()),
                opened => Some(opened?),
            };
        }
        let ledger = self.ledger.as_ref().expect("it was opened a moment ago");
        for (tp, next) in &mut self.next {
            while let Some(entry) = ledger.entry(tp, Generation(1), *next).await? {
                *next = entry.end;
                self.archived += entry.batch().map_or(0, |batch| batch.records);
            }
        }
        self.bar.set_position(self.archived);
        if self.bar.is_hidden() && self.line_at.elapsed() >= LINE_INTERVAL {
            self.line_at = Instant::now();
            eprintln!("{} of {} records archived", self.archived, self.bar.length().unwrap_or_default());
        }
        Ok(())
    }
}
