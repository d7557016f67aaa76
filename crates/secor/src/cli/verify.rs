//! `secor verify`: runs the audit and prints what it found.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::VerifyArgs;
use super::errors::{Class, CliError};
use crate::audit::{AuditError, Depth, Progress, Report, Request, audit};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::service::settings;
use crate::store;

/// For each question to Kafka.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(30);

/// # Errors
/// [`Class::Found`] when something is not as it should be; else what kept the audit from a verdict.
pub async fn run(args: &VerifyArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let ledger = Ledger::open(store::open(&settings::store(config))?, &config.ledger).await?;
    let request = Request {
        topics: args.target.iter().map(|target| target.topic.clone()).collect(),
        partition: args.target.as_ref().and_then(|target| target.partition),
        from: args.from,
        to: args.to,
        expected_records: args.expect,
        depth: if args.deep { Depth::Records } else { Depth::Objects },
    };
    let log = args.against_kafka.then(|| settings::kafka(config, KAFKA_TIMEOUT));
    let bar = Bar::new();
    let report = audit(&ledger, &request, log.as_ref(), &bar).await;
    bar.0.finish_and_clear();
    let report = report?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, out)?;
    }
    out.flush()?;
    judge(&report)
}

/// Prints a report for people and turns it into the command's end.
///
/// # Errors
/// [`Class::Found`] when something is not as it should be.
pub(super) fn conclude(report: &Report, out: &mut dyn Write) -> Result<(), CliError> {
    print(report, out)?;
    judge(report)
}

fn judge(report: &Report) -> Result<(), CliError> {
    if report.ok {
        return Ok(());
    }
    let hint = "`docs/verify.md` says what each finding means and what to do about it";
    Err(CliError::new(Class::Found, report.verdict()).with_hint(hint))
}

fn print(report: &Report, out: &mut dyn Write) -> Result<(), CliError> {
    writeln!(out, "ledger {} at {}", report.ledger, report.store)?;
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    for topic in &report.topics {
        for partition in &topic.partitions {
            let name = format!("{}:{}", topic.topic, partition.partition);
            for hole in &partition.holes {
                let reason = hole.reason.as_str();
                writeln!(out, "recorded hole: {name} offsets {}..{} ({reason})", hole.start, hole.end)?;
            }
            for resolution in &partition.resolutions {
                writeln!(out, "recorded resolution: {name} {resolution}")?;
            }
            for stretch in &partition.not_comparable {
                writeln!(out, "not comparable with the log: {name} offsets {stretch}")?;
            }
        }
    }
    writeln!(out)?;
    out.write_all(report.table().as_bytes())?;
    let depth = match (report.deep, report.against_kafka) {
        (false, false) => "chains, sizes and checksums",
        (true, false) => "chains, sizes, checksums and every record",
        (false, true) => "chains, sizes, checksums and the log",
        (true, true) => "chains, sizes, checksums, every record and the log",
    };
    writeln!(out, "\n{} (looked at {depth})", report.verdict())?;
    Ok(())
}

/// On a terminal only: what is done of the offsets that the ledger covers.
struct Bar(ProgressBar);

// === impl Bar ===

impl Bar {
    fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} offsets, {eta} left")
            .expect("the template is a constant");
        Self(ProgressBar::with_draw_target(Some(0), target).with_style(style))
    }
}

impl Progress for Bar {
    fn expect(&self, offsets: u64) {
        self.0.inc_length(offsets);
    }

    fn done(&self, offsets: u64) {
        self.0.inc(offsets);
    }
}

impl From<AuditError> for CliError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Ledger(error) => error.into(),
            AuditError::Store(error) => (*error).into(),
            AuditError::Kafka(error) => error.into(),
            AuditError::UnknownTopic(_) => Self::caused_by(Class::Configuration, &error)
                .with_hint("`secor ledger list` shows the topics that it knows"),
            AuditError::Panicked(_) => Self::caused_by(Class::Bug, &error),
        }
    }
}
