//! `secor recover`: shows what is refused and why, and records what only a person may decide (R2, R10, R12).
//!
//! It runs the same machine as `secor run`, without the group and only up to the head: what needs no decision (a last
//! batch that can be made whole) is done on the way, and what needs one is refused again, here before a person's eyes.

use std::io::{self, Write};
use std::sync::Arc;

use secor_core::ids::TopicPartition;
use secor_core::manifest::Genesis;
use secor_core::partition::{Note, RefusalCode};

use super::args::RecoverArgs;
use super::confirm::{self, Question};
use super::errors::{Class, CliError};
use crate::config::Config;
use crate::kafka::{Handle, KafkaError};
use crate::ledger::Ledger;
use crate::service::{Errands, KAFKA_TIMEOUT, Outcome, RefusalRow, Service, settings};
use crate::store;

/// # Errors
/// [`Class::Refused`] when something is refused at the end.
pub(super) async fn run(args: &RecoverArgs, config: Config, out: &mut dyn Write) -> Result<(), CliError> {
    let config = Arc::new(config);
    let ledger = Ledger::open(store::open(&settings::store(&config))?, &config.ledger).await?;
    let mut geneses = Vec::new();
    for topic in ledger.topics().await? {
        let wanted = args.target.as_ref().is_none_or(|target| target.topic == topic);
        if wanted && config.archive_for(&topic).is_some() {
            geneses.extend(ledger.genesis(&topic).await?);
        }
    }
    if geneses.is_empty() {
        let what = "the ledger knows no such topic that this configuration archives";
        return Err(CliError::new(Class::Configuration, what).with_hint("`secor ledger list` shows its topics"));
    }
    let kafka = Arc::clone(&config);
    let (cluster, partitions) = blocking(move || {
        let handle = Handle::connect(&settings::kafka(&kafka, KAFKA_TIMEOUT))?;
        let cluster = handle.cluster_id()?;
        let mut partitions = Vec::new();
        for genesis in &geneses {
            let numbers = handle.partitions(&genesis.topic)?.into_iter();
            partitions.extend(numbers.map(|partition| TopicPartition::new(Arc::clone(&genesis.topic), partition)));
        }
        Ok((cluster, (partitions, geneses)))
    })
    .await?;
    let (mut partitions, geneses) = partitions;
    if let Some(only) = args.target.as_ref().and_then(|target| target.partition) {
        partitions.retain(|tp| tp.partition == only);
    }
    accept_owners(args, &config, &ledger, &geneses, &cluster, out).await?;
    let found = pass(&config, partitions, false).await?;
    show(&found, out)?;
    let expired = |(tp, refusal): &(TopicPartition, RefusalRow)| {
        (refusal.code == RefusalCode::RecordsExpired.as_str()).then(|| tp.clone())
    };
    let lost: Vec<_> = found.refused.iter().filter_map(expired).collect();
    if !args.accept_loss || lost.is_empty() {
        return verdict(&found, out);
    }
    for tp in &lost {
        writeln!(out, "{tp}: will be recorded as lost: what stands above")?;
    }
    confirm(args, out)?;
    let mended = pass(&config, lost.clone(), true).await?;
    show(&mended, out)?;
    let mut left = found;
    left.refused.retain(|(tp, _)| !lost.contains(tp));
    left.refused.extend(mended.refused);
    verdict(&left, out)
}

/// R2: another group or cluster than the recorded one.
async fn accept_owners(
    args: &RecoverArgs,
    config: &Config,
    ledger: &Ledger,
    geneses: &[Genesis],
    cluster: &str,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let group = config.kafka.group.as_str();
    let other_group = args.accept_group && geneses.iter().any(|genesis| &*genesis.group != group);
    let other_cluster = args.accept_cluster && geneses.iter().any(|genesis| &*genesis.cluster != cluster);
    if other_group {
        writeln!(out, "will be recorded: consumer group `{group}` may go on with this ledger")?;
    }
    if other_cluster {
        writeln!(out, "will be recorded: Kafka cluster `{cluster}` may go on with this ledger")?;
    }
    if !other_group && !other_cluster {
        return Ok(());
    }
    confirm(args, out)?;
    let archiver = Ledger::open_or_create(Arc::clone(ledger.store()), &config.ledger).await?;
    archiver.accept(other_group.then(|| group.to_owned()), other_cluster.then(|| cluster.to_owned())).await?;
    writeln!(out, "recorded")?;
    Ok(())
}

/// One run of the machine over `partitions`, up to their heads.
async fn pass(config: &Arc<Config>, partitions: Vec<TopicPartition>, accept_loss: bool) -> Result<Outcome, CliError> {
    let service = Service::start(Arc::clone(config), Errands::Recover { accept_loss, partitions }).await?;
    let outcome = service.finished(std::future::pending()).await;
    match outcome.consumer {
        Some(error) => Err(error.into()),
        None => Ok(outcome),
    }
}

fn show(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    for (tp, note) in &outcome.notes {
        match note {
            Note::Complete { range, .. } => writeln!(out, "{tp}: last batch {range} is complete")?,
            Note::Hole { range } => writeln!(out, "{tp}: hole {range} recorded")?,
            Note::Resolved { start } => writeln!(out, "{tp}: batch at {start} resolved")?,
            Note::Sealed { generation, next } => writeln!(out, "{tp}: generation {generation} sealed, {next} begins")?,
            Note::Refused(_) | Note::ForeignCommit { .. } | Note::Adopted { .. } | Note::Empty { .. } => {}
            Note::Consuming { .. } => {}
        }
    }
    for (tp, refusal) in &outcome.refused {
        writeln!(out, "{tp}: refused: {}: {}\n  hint: {}", refusal.code, refusal.detail, refusal.hint)?;
    }
    out.flush()
}

fn verdict(outcome: &Outcome, out: &mut dyn Write) -> Result<(), CliError> {
    match outcome.refused.first() {
        None => Ok(writeln!(out, "nothing is refused")?),
        Some((tp, refusal)) => {
            let what = format!("refused: {}, the first is {tp}", outcome.refused.len());
            Err(CliError::new(Class::Refused, what).with_hint(refusal.hint))
        }
    }
}

/// Asks a person, unless `--yes` was given.
fn confirm(args: &RecoverArgs, out: &mut dyn Write) -> Result<(), CliError> {
    const QUESTION: Question = Question {
        text: "what is recorded stays for ever. record it?",
        unasked: "nobody is there to answer, so nothing is recorded",
        declined: "nothing was recorded",
        hint: "`--yes` records without asking",
        class: Class::Refused,
    };
    if args.yes { Ok(()) } else { confirm::confirm(&QUESTION, out) }
}

async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, CliError> {
    Ok(tokio::task::spawn_blocking(question).await.expect("asking does not panic")?)
}
