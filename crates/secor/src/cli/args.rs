//! What can be written on the command line: data and help texts, nothing else.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use secor_core::ids::{Offset, TopicPartition};

use super::target::{self, Source, Target};

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file; without it, the one that SECOR_CONFIG names
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How log lines look on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Log more; twice: everything. RUST_LOG says it in detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// Archive: read the topics of the configuration and write their files, until a signal comes
///
/// SIGTERM or SIGINT: cut what is open, upload, commit and leave, within `kafka.shutdown_timeout`; a second one: leave
/// at once. Any number of processes may run with the same configuration; they share the partitions.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor run --config secor.toml
  secor run --config backfill.toml --until-end   # once, for cron: exit 76 when a partition was refused")]
pub struct RunArgs {
    /// Archive up to the end of the log as it is now, then exit
    #[arg(long)]
    pub until_end: bool,
}

/// Read the configuration, say what it means, and ask Kafka and the store
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor check --config secor.toml
  secor check --config secor.toml --offline      # for CI: nothing but the file is looked at")]
pub struct CheckArgs {
    /// Do not ask Kafka and the store
    #[arg(long)]
    pub offline: bool,
}

/// Show it all with nothing installed: a broker in the process, a local folder, a kill, a verification
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor demo
  secor demo --records 2000000 --folder /tmp/secor-demo")]
pub struct DemoArgs {
    /// How many records to produce and archive
    #[arg(long, default_value_t = 600_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,
    /// Where to archive them; must be empty or missing. Without it, a new folder among the temporary ones
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Check the archive: no hole, no overlap, every file as it was stored
///
/// Exit code 0: all holds; 1: something was found.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor verify --config secor.toml                     # chains, sizes and checksums of all topics
  secor verify clicks --deep                           # reads every record back
  secor verify clicks:3 --deep --against-kafka         # and compares with the log
  secor verify clicks --from 0 --to 100000 --expect 400000 --json")]
pub struct VerifyArgs {
    /// Only this topic, or this partition of it
    #[arg(value_name = "TOPIC[:PARTITION]", value_parser = target::parse_topic)]
    pub target: Option<Target>,
    /// Read every record back, count and digest it
    #[arg(long)]
    pub deep: bool,
    /// Compare offsets and content with the log, where Kafka still has them
    #[arg(long)]
    pub against_kafka: bool,
    /// Only batches with records at or above this offset, in every partition
    #[arg(long, value_name = "OFFSET", value_parser = target::parse_offset)]
    pub from: Option<Offset>,
    /// Only batches with records below this offset, in every partition
    #[arg(long, value_name = "OFFSET", value_parser = target::parse_offset)]
    pub to: Option<Offset>,
    /// Find something unless exactly this many records are archived
    #[arg(long, value_name = "N")]
    pub expect: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Print archived records
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor cat clicks:3@17 --config secor.toml            # partition 3, from offset 17 on
  secor cat clicks:3@2026-11-01T00:00:00Z --json
  secor cat clicks --follow                            # wait for more, as they are archived
  secor cat s3://bucket/raw_logs/clicks/dt=2026-11-01/1_3_00000000000000000017.gz")]
pub struct CatArgs {
    /// Where to begin, or the URL of one file
    #[arg(value_name = "TOPIC[:PARTITION[@OFFSET|@TIME]]|URL")]
    pub source: Source,
    /// Wait for more at the end
    #[arg(short, long)]
    pub follow: bool,
    /// Print partition and offset in front of every record
    #[arg(long)]
    pub offsets: bool,
    /// Print one JSON object for every record, with all that the file kept
    #[arg(long, conflicts_with = "offsets")]
    pub json: bool,
    /// Stop after this many records
    #[arg(short = 'n', long, value_name = "N")]
    pub records: Option<u64>,
}

/// Name the file that holds a record
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor locate clicks:3@17 --config secor.toml")]
pub struct LocateArgs {
    /// The record
    #[arg(value_name = "TOPIC:PARTITION@OFFSET", value_parser = target::parse_record)]
    pub record: (TopicPartition, Offset),
    /// Print what the ledger knows of the file as JSON
    #[arg(long)]
    pub json: bool,
}

/// Look into the ledger
#[derive(Clone, Debug, Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    pub command: LedgerCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum LedgerCommand {
    List(LedgerListArgs),
    Init(LedgerInitArgs),
    Sync(LedgerSyncArgs),
    Move(LedgerMoveArgs),
}

/// Take the ledger from the store to a database, back, or to another database
///
/// Write the new configuration first; only its `[ledger]` may differ. Nothing has to be stopped: processes with the old
/// configuration end with exit code 76 as soon as they want to write, and those with the new one can start when this has
/// ended. After a crash give the same command again.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor ledger move --config secor.toml --to secor-sql.toml
  secor ledger move --config secor-sql.toml --to secor.toml --yes")]
pub struct LedgerMoveArgs {
    /// Configuration that says in `[ledger]` where to
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Make the rows of the index anew from the ledger
///
/// Needs `[index] url`. Everything else goes on meanwhile; who asks the index may miss rows of a partition that is in work.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor ledger sync --config secor.toml
  secor ledger sync clicks:3                           # one partition")]
pub struct LedgerSyncArgs {
    /// Only this topic, or this partition of it
    #[arg(value_name = "TOPIC[:PARTITION]", value_parser = target::parse_topic)]
    pub target: Option<Target>,
}

/// Create the ledger; where the store can't create exclusively, nothing else does
///
/// With `ledger.type = "sql"` it makes the tables too. Do it once, from one place, before the first `secor run`. A ledger
/// that is there already is left as it is.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor ledger init --config secor.toml")]
pub struct LedgerInitArgs {}

/// List topics, generations and partitions; of a partition, its entries
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor ledger list --config secor.toml
  secor ledger list clicks:3                           # every entry of partition 3")]
pub struct LedgerListArgs {
    /// Only this topic, or this partition of it
    #[arg(value_name = "TOPIC[:PARTITION]", value_parser = target::parse_topic)]
    pub target: Option<Target>,
    /// Print one JSON object for every line
    #[arg(long)]
    pub json: bool,
}

/// Print the columns of a schema, or of a sample, as `output.schema` takes them
///
/// For files of columns, `parquet` and `orc`. What is printed fits all values of the schema, or all of the sample: look at
/// it, and put it into the configuration. What no column can hold is left out, and named on standard error.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor columns --avro click.avsc
  secor columns --protobuf click.proto --message acme.Click
  secor columns --thrift click.thrift --message Click
  secor cat clicks -n 1000 | secor columns --json -    # what a thousand archived values have
  secor columns --id 17 --config secor.toml            # of the registry in [schemas.registry]")]
pub struct ColumnsArgs {
    #[command(flatten)]
    pub source: SchemaSource,
    /// The Protobuf message or the Thrift struct, where the schema has several
    #[arg(long, value_name = "NAME", conflicts_with_all = ["avro", "json"])]
    pub message: Option<String>,
}

/// Where a schema is.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SchemaSource {
    /// An Avro schema
    #[arg(long, value_name = "FILE")]
    pub avro: Option<PathBuf>,
    /// A .proto file, with what it imports beside it, or a descriptor set
    #[arg(long, value_name = "FILE")]
    pub protobuf: Option<PathBuf>,
    /// A Thrift IDL, with what it includes beside it
    #[arg(long, value_name = "FILE")]
    pub thrift: Option<PathBuf>,
    /// JSON objects, one on a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The schema of this id in the registry of the configuration
    #[arg(long, value_name = "ID")]
    pub id: Option<u32>,
}

/// Write the index beside every `.lzo` file, so that Hadoop can split it
///
/// Indexes are made from the stored files, as hadoop-lzo's LzoIndexer makes them; those that are there are left alone.
/// Run it as often as you like, beside everything else.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor lzo-index --config secor.toml
  secor lzo-index clicks                               # one topic")]
pub struct LzoIndexArgs {
    /// Only this topic, or this partition of it
    #[arg(value_name = "TOPIC[:PARTITION]", value_parser = target::parse_topic)]
    pub target: Option<Target>,
}

/// Show what is refused and why, and do what only a person may decide
///
/// Without an --accept option it only shows. What an option does is printed and asked first.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor recover --config secor.toml                    # what is refused, and what would help
  secor recover clicks:3 --accept-loss                 # record what Kafka no longer has
  secor recover --accept-group --yes                   # go on with the group of the configuration")]
pub struct RecoverArgs {
    /// Only this topic, or this partition of it
    #[arg(value_name = "TOPIC[:PARTITION]", value_parser = target::parse_topic)]
    pub target: Option<Target>,
    /// Record that records are lost which Kafka no longer has
    #[arg(long)]
    pub accept_loss: bool,
    /// Go on with another consumer group than the recorded one
    #[arg(long)]
    pub accept_group: bool,
    /// Go on with another Kafka cluster than the recorded one
    #[arg(long)]
    pub accept_cluster: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Prove the guarantee here: kill and stall own processes against this Kafka and this store, then count
///
/// Works on a topic, a group and a prefix of its own, and leaves yours alone. It asks before it creates anything, and
/// deletes all of it at the end, unless it has found something. Exit code 0: every record once; 1: something was found.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor selftest --config secor.toml
  secor selftest --rounds 60 --processes 4 --seed 7 --yes   # longer, and the same faults again
  secor selftest --topic scratch --keep --json              # on an empty topic that you were given")]
pub struct SelftestArgs {
    /// How many records to produce
    #[arg(long, default_value_t = 150_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub records: u64,
    /// How many kills and stalls; 15 are one of each kind
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// How many processes archive at once
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    /// Decides who is harmed, where and when; without it a new one, which is printed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Delete nothing at the end
    #[arg(long)]
    pub keep: bool,
    /// Use this topic: created and deleted when it is missing, else it must be empty, and stays
    #[arg(long, value_name = "NAME")]
    pub topic: Option<String>,
    /// Print the evidence as JSON
    #[arg(long)]
    pub json: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Print the completions of a shell
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  secor completions bash > /etc/bash_completion.d/secor
  secor completions zsh > ~/.zfunc/_secor")]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    pub shell: Shell,
}
