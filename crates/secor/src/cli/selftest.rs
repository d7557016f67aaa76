//! `secor selftest`: the crash laboratory for a user's own environment.
//!
//! Processes of this executable archive a scratch topic of the user's Kafka to a scratch prefix of the user's store,
//! while records with unique ids are produced and the processes are killed, stalled and restarted: at random moments,
//! and between the steps of the ledger protocol. Then every file is read back and every id is counted.
//!
//! In reading order: what will be done ([`mod@plan`]), where ([`site`]), with what records ([`traffic`]), by whom
//! ([`fleet`]), how it goes ([`rounds`]), the count ([`evidence`]) and what is said about it ([`report`]).
//!
//! Deliberately absent: faults of Kafka and of the store. They are not ours to harm; the crash laboratory of the
//! repository does that with servers of its own.

mod plan;
mod site;
mod traffic;
mod fleet;
mod rounds;
mod evidence;
mod report;

use std::io::{self, Write};

use rand::Rng;
use secor_core::ids::{Offset, TopicPartition};
use secor_core::manifest::Arbiter;

use self::fleet::Fleet;
use self::plan::plan;
use self::report::{Facts, Report};
use self::rounds::{Laboratory, blocking, connect};
use self::site::{Afterwards, Names, Site};
use self::traffic::Traffic;
use super::args::SelftestArgs;
use super::confirm::{Question, confirm};
use super::errors::{Class, CliError};
use super::follow::{Follow, Followed};
use super::run::Signals;
use crate::audit::{Depth, Quiet, Request, audit};
use crate::config::Config;
use crate::kafka::scratch::ScratchAdmin;
use crate::kafka::{Handle, KafkaError, LogRange};
use crate::ledger::Ledger;
use crate::store;

const ACLS: &str = "the login needs CREATE, DELETE, DESCRIBE, READ and WRITE on the topic, READ and DELETE on the group, \
                    both named `secor-selftest-…`; or name an empty topic with --topic";
const QUESTION: Question = Question {
    text: "do it?",
    unasked: "nobody is there to answer, so nothing is created",
    declined: "nothing was created",
    hint: "`--yes` does it without asking",
    class: Class::Configuration,
};
/// Batches of one partition in one round, about.
const BATCHES_PER_ROUND: u64 = 4;

/// # Errors
/// [`Class::Found`] when a record is not archived exactly once; else what kept the test from a verdict.
pub(super) async fn run(args: &SelftestArgs, user: &Config, out: &mut dyn Write) -> Result<(), CliError> {
    let seed = args.seed.unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    let names = Names::draw(user, args.topic.as_deref(), args.processes);
    if let Some(archive) = user.archive_for(&names.topic) {
        let what = format!("archive[{archive}] takes topic `{}` too: a running secor would archive it", names.topic);
        let hint = "add exclude_topics = [\"^secor-selftest-\"] there, or choose a name with --topic";
        return Err(CliError::new(Class::Configuration, what).with_hint(hint));
    }
    if args.json {
        announce(args, user, &names, seed, &mut io::stderr())?;
    } else {
        announce(args, user, &names, seed, out)?;
    }
    let shares = u64::from(args.rounds) * u64::from(names.partitions) * BATCHES_PER_ROUND;
    let site = Site::new(user, names, args.processes, (args.records / shares).max(1))?;

    let mut signals = Signals::listen()?;
    // dropping the attempt kills the processes and ends the producer
    let attempted = tokio::select! {
        attempted = attempt(args, seed, &site) => attempted,
        () = signals.next() => Err(CliError::new(Class::Interrupted, "interrupted: there is no verdict")),
    };
    let found = attempted.as_ref().is_ok_and(|report| !report.ok);
    let afterwards = if args.keep || found { Afterwards::Keep } else { Afterwards::Delete };
    let left = tokio::select! {
        left = site.leave(afterwards) => left,
        () = signals.next() => return Err(CliError::new(Class::Interrupted, "interrupted while deleting")),
    };
    let mut report = match attempted {
        Ok(report) => report,
        Err(error) => {
            left.iter().for_each(|left| eprintln!("left: {left}"));
            return Err(error);
        }
    };
    report.left = left;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        report.print(out)?;
    }
    out.flush()?;
    if report.ok {
        return Ok(());
    }
    let hint = "everything was kept; `docs/selftest.md` says how to read it";
    Err(CliError::new(Class::Found, report.verdict()).with_hint(hint))
}

/// Says what will be done, and asks.
fn announce(args: &SelftestArgs, user: &Config, names: &Names, seed: u64, out: &mut dyn Write) -> Result<(), CliError> {
    let SelftestArgs { records, rounds, processes, .. } = args;
    let Names { topic, group, url, partitions, .. } = names;
    writeln!(out, "kafka     {}: topic `{topic}`, group `{group}`", user.kafka.brokers.join(", "))?;
    writeln!(out, "store     {url}")?;
    writeln!(
        out,
        "plan      {processes} processes archive {records} records of {partitions} partitions; {rounds} times one is \
         killed or stalled (seed {seed})"
    )?;
    let end = if args.keep {
        "nothing is deleted at the end"
    } else {
        "topic, group, files and ledger are deleted at the end, unless something is found"
    };
    writeln!(out, "end       {end}")?;
    out.flush()?;
    if args.yes { Ok(()) } else { confirm(&QUESTION, out) }
}

/// Everything from the first question to the store to the verdict.
async fn attempt(args: &SelftestArgs, seed: u64, site: &Site) -> Result<Report, CliError> {
    let probe = match site.config.ledger.arbiter {
        Arbiter::Store => Some(store::probe(&*site.store).await?),
        Arbiter::Sql => {
            Ledger::init(std::sync::Arc::clone(&site.store), &site.config.ledger).await?;
            None
        }
    };
    site.note_store_used();
    let kafka = connect(site).await?;
    let asked = kafka.clone();
    let cluster = blocking(move || asked.cluster_id()).await?;
    let starts = topic(args, site, &kafka).await?;
    let partitions: Vec<TopicPartition> =
        (0..).zip(&starts).map(|(partition, _)| TopicPartition::new(&*site.names.topic, partition)).collect();

    let records = usize::try_from(args.records).unwrap_or(usize::MAX);
    let plan = plan(seed, args.rounds, site.processes());
    let followed = Followed { store: std::sync::Arc::clone(&site.store), ledger: site.config.ledger.clone() };
    let laboratory = Laboratory {
        site,
        kafka,
        fleet: Fleet::new(site),
        traffic: Traffic::start(site, partitions.len(), records)?,
        follow: Follow::new(followed, &site.names.topic, &starts, args.records),
        partitions,
        records,
    };
    let finished = laboratory.run(&plan).await?;

    let output = &site.config.archives[0].shape.output;
    let count = evidence::count(&site.store, &site.names.topic, output, records).await?;
    let ledger = Ledger::open(std::sync::Arc::clone(&site.store), &site.config.ledger).await?;
    let request = Request { expected_records: Some(finished.logged), depth: Depth::Records, ..Request::default() };
    let audited = audit(&ledger, &request, Some(&site.kafka()), &Quiet).await?;
    let facts = Facts { seed, cluster, probe: probe.as_ref(), records, finished, count, audited: &audited };
    Ok(Report::new(site, facts))
}

/// Creates the topic, or takes the one that was named if it is empty. Returns where its partitions begin.
async fn topic(args: &SelftestArgs, site: &Site, kafka: &Handle) -> Result<Vec<Offset>, CliError> {
    let name = site.names.topic.clone();
    let (asked, wanted) = (kafka.clone(), name.clone());
    let exists = args.topic.is_some()
        && match blocking(move || Ok(asked.partitions(&wanted))).await? {
            Ok(_) => true,
            Err(KafkaError::UnknownTopic { .. }) => false,
            Err(error) => return Err(error.into()),
        };
    if !exists {
        let partitions = i32::try_from(site.names.partitions).unwrap_or(i32::MAX);
        let created = ScratchAdmin::new(&site.kafka())?.create_topic(&name, partitions).await;
        created.map_err(|error| match error {
            KafkaError::Denied { .. } => CliError::from(error).with_hint(ACLS),
            error => error.into(),
        })?;
        site.note_topic_created();
    }
    let asked = kafka.clone();
    let ranges = blocking(move || ranges(&asked, &name)).await?;
    if let Some(range) = ranges.iter().find(|range| range.start != range.high_watermark) {
        let held = range.high_watermark.get() - range.start.get();
        let what = format!("topic `{}` holds records: {held} in one of its partitions", site.names.topic);
        return Err(
            CliError::new(Class::Configuration, what).with_hint("--topic takes an empty topic, or a name that is free")
        );
    }
    Ok(ranges.iter().map(|range| range.start).collect())
}

/// What the log holds; a topic that was just created gets its leaders first.
fn ranges(kafka: &Handle, topic: &str) -> Result<Vec<LogRange>, KafkaError> {
    let deadline = std::time::Instant::now() + site::KAFKA_TIMEOUT;
    loop {
        let asked = kafka.partitions(topic).and_then(|partitions| {
            let all: Vec<_> = partitions.iter().map(|partition| TopicPartition::new(topic, *partition)).collect();
            kafka.log_ranges(&all)?.into_iter().map(|(_, range)| range).collect()
        });
        match asked {
            Err(KafkaError::UnknownTopic { .. } | KafkaError::UnknownPartition { .. } | KafkaError::Broker { .. })
                if std::time::Instant::now() < deadline =>
            {
                std::thread::sleep(LEADER_INTERVAL)
            }
            asked => return asked,
        }
    }
}

const LEADER_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);
