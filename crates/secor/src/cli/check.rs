//! `secor check`: what the configuration means, and whether the world it names is there. Nothing is archived and
//! nothing is kept: the store's probe removes what it creates.
//!
//! Every question is asked even when the one before failed, so that one run shows all there is to correct.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secor_core::ids::TopicPartition;
use secor_core::manifest::Arbiter;

use crate::config::{Archive, Config, SchemaRegistry as SchemaRegistrySettings, TopicPattern};
use crate::kafka::{self, Handle, KafkaError};
use crate::ledger::{Ledger, LedgerError};
use crate::registry::SchemaRegistry;
use crate::service::settings;
use crate::store::{self, ProbeFailure, Store};

use super::args::CheckArgs;
use super::{Class, CliError, describe};

/// For the first answer of a broker, and for each later one.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);
/// Topics that are listed one by one.
const LISTED_MAX: usize = 50;

/// What was found out about one thing.
type Finding = Result<String, CliError>;

/// Prints what the configuration means and, unless offline, whether store and Kafka are as it says.
///
/// # Errors
/// Everything that must be corrected, or does not answer.
pub async fn run(args: &CheckArgs, config: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    describe::config(config, out)?;
    writeln!(out)?;
    let mut report = Report { out, failures: Vec::new() };
    let kafka_settings = settings::kafka(config, KAFKA_TIMEOUT);
    let properties = kafka::check_properties(&kafka_settings);
    let usable = properties.is_ok();
    report.line("client", properties.map(|()| "librdkafka takes its properties".to_owned()).map_err(CliError::from))?;
    if args.offline {
        report.skipped(&["store", "ledger", "staging"], "--offline")?;
        if config.schema_registry.is_some() {
            report.skipped(&["registry"], "--offline")?;
        }
        report.skipped(&["kafka"], "--offline")?;
        return report.end();
    }
    check_store(config, &mut report).await?;
    if let Some(settings) = &config.schema_registry {
        report.line("registry", registry(settings).await)?;
    }
    if usable {
        check_kafka(config, kafka_settings, &mut report).await?;
    } else {
        report.skipped(&["kafka"], "the client can't be made")?;
    }
    report.end()
}

async fn check_store(config: &Config, report: &mut Report<'_>) -> Result<(), CliError> {
    let store = match open_store(config).await {
        Ok((store, finding)) => {
            report.line("store", Ok(finding))?;
            store
        }
        Err(error) => {
            report.line("store", Err(error))?;
            return report.skipped(&["ledger", "staging"], "the store can't be used");
        }
    };
    report.line("ledger", ledger(store, config).await)?;
    report.line("staging", staging(&config.staging.path))
}

async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, String), CliError> {
    let store = store::open(&settings::store(config))?;
    let probe = match store::probe(&*store).await {
        // a database arbitrates: the store only has to be there
        Err(failure) if config.ledger.arbiter == Arbiter::Sql && !matches!(failure, ProbeFailure::Store(_)) => {
            let finding = format!("{store}: does not create exclusively, which a ledger in a database does not need");
            return Ok((store, finding));
        }
        probe => probe?,
    };
    let mut finding = format!(
        "{store}: of {} creators of one key exactly one won, {} times over, in {} ms",
        probe.creators,
        probe.rounds,
        probe.took.as_millis()
    );
    if !probe.leftovers.is_empty() {
        finding.push_str(&format!("; {} objects under _secor/probe/ could not be deleted", probe.leftovers.len()));
    }
    Ok((store, finding))
}

async fn ledger(store: Arc<dyn Store>, config: &Config) -> Finding {
    match Ledger::open(store, &config.ledger).await {
        Ok(ledger) => Ok(format!("{} in {}", ledger.identity().ledger, ledger.place())),
        Err(LedgerError::Absent(_)) => Ledger::reach(&config.ledger)
            .await
            .map(|()| match config.ledger.arbiter {
                Arbiter::Store => "none yet, the first run creates it".to_owned(),
                Arbiter::Sql => {
                    "none yet: `secor ledger init` creates it, or the first run if the store is exclusive".to_owned()
                }
            })
            .map_err(CliError::from),
        Err(error) => Err(error.into()),
    }
}

async fn registry(settings: &SchemaRegistrySettings) -> Finding {
    SchemaRegistry::new(settings)?.check().await?;
    Ok(settings.urls.iter().map(url::Url::as_str).collect::<Vec<_>>().join(", "))
}

/// Can a file be written there?
fn staging(path: &Path) -> Finding {
    let probe = path.join(format!(".check-{}", std::process::id()));
    let written = std::fs::create_dir_all(path).and_then(|()| std::fs::write(&probe, b"secor check"));
    let removed = written.and_then(|()| std::fs::remove_file(&probe));
    match removed {
        Ok(()) => Ok(path.display().to_string()),
        Err(error) => Err(CliError::caused_by(Class::Configuration, &error)
            .while_doing(&format!("staging folder `{}`", path.display()))
            .with_hint("set staging.path to a folder that the user who runs secor can write to")),
    }
}

async fn check_kafka(config: &Config, settings: kafka::Settings, report: &mut Report<'_>) -> Result<(), CliError> {
    let connected = blocking(move || Handle::connect(&settings)).await?;
    let handle = match connected {
        Ok(handle) => handle,
        Err(error) => {
            report.line("kafka", Err(error.into()))?;
            return report.skipped(&["topics"], "no broker can be asked");
        }
    };
    let asked = handle.clone();
    let world = blocking(move || Ok((asked.cluster_id()?, asked.topics()?))).await?;
    let (cluster, existing) = match world {
        Ok(world) => world,
        Err(error) => return report.line("kafka", Err(CliError::from(error))),
    };
    report.line("kafka", Ok(format!("{}: cluster {cluster}", config.kafka.brokers.join(", "))))?;
    let chosen: Vec<(usize, String)> =
        existing.into_iter().filter_map(|topic| config.archive_for(&topic).map(|archive| (archive, topic))).collect();
    for (index, archive) in config.archives.iter().enumerate() {
        let topics: Vec<&str> =
            chosen.iter().filter(|(archive, _)| *archive == index).map(|(_, topic)| topic.as_str()).collect();
        check_topics(index, archive, &topics, &handle, report).await?;
    }
    Ok(())
}

async fn check_topics(
    index: usize,
    archive: &Archive,
    topics: &[&str],
    handle: &Handle,
    report: &mut Report<'_>,
) -> Result<(), CliError> {
    let subject = format!("archive[{index}]");
    for pattern in &archive.topics.include {
        if let TopicPattern::Name(topic) = pattern
            && !topics.contains(&topic.as_str())
        {
            report.line(&subject, Err(KafkaError::UnknownTopic { topic: topic.clone() }.into()))?;
        }
    }
    if topics.is_empty() {
        let patterns = archive.topics.include.iter().any(|pattern| matches!(pattern, TopicPattern::Pattern(_)));
        return if patterns {
            report.line(&subject, Ok("no topic matches yet; those that are created later will be found".to_owned()))
        } else {
            Ok(())
        };
    }
    for topic in topics.iter().take(LISTED_MAX) {
        let (handle, name) = (handle.clone(), (*topic).to_owned());
        let finding = blocking(move || topic_state(&handle, &name)).await?;
        report.line(&subject, finding.map_err(CliError::from))?;
    }
    match topics.len().saturating_sub(LISTED_MAX) {
        0 => Ok(()),
        more => report.line(&subject, Ok(format!("and {more} more topics"))),
    }
}

fn topic_state(handle: &Handle, topic: &str) -> Result<String, KafkaError> {
    let partitions = handle.partitions(topic)?;
    let id = handle.topic_id(topic)?.map_or_else(|| "none, the brokers are too old".to_owned(), |id| id.to_string());
    let all: Vec<TopicPartition> = partitions.iter().map(|partition| TopicPartition::new(topic, *partition)).collect();
    let mut committed = 0;
    for (_, state) in handle.committed(&all)? {
        committed += usize::from(state?.is_some());
    }
    let group = match committed {
        0 => "the group has committed nothing".to_owned(),
        _ => format!("the group has committed {committed} of them"),
    };
    Ok(format!("`{topic}`: {} partitions, topic id {id}; {group}", partitions.len()))
}

/// Runs what waits for a broker beside the async threads.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<Result<T, KafkaError>, CliError> {
    let done = tokio::task::spawn_blocking(ask).await;
    done.map_err(|error| CliError::caused_by(Class::Bug, &error))
}

/// Lines on standard output; the failures are kept for the end.
struct Report<'a> {
    out: &'a mut dyn Write,
    failures: Vec<CliError>,
}

// === impl Report ===

impl Report<'_> {
    fn line(&mut self, subject: &str, finding: Finding) -> Result<(), CliError> {
        match finding {
            Ok(finding) => writeln!(self.out, "ok       {subject:<10} {finding}")?,
            Err(error) => {
                writeln!(self.out, "FAILED   {subject:<10} see below")?;
                self.failures.push(error);
            }
        }
        self.out.flush()?;
        Ok(())
    }

    fn skipped(&mut self, subjects: &[&str], why: &str) -> Result<(), CliError> {
        for subject in subjects {
            writeln!(self.out, "skipped  {subject:<10} {why}")?;
        }
        Ok(())
    }

    fn end(self) -> Result<(), CliError> {
        self.out.flush()?;
        CliError::together(self.failures).map_or(Ok(()), Err)
    }
}
