//! The command line: what it says ([`args`]), which command it means, and how it ends ([`errors`]).
//!
//! A command is one file here with one function `run`. It gets its arguments and the configuration, asks the rooms for
//! what they can do, and prints; it holds no knowledge of the protocol. Results go to standard output, everything else
//! to standard error, so that output can be piped.
//!
//! Deliberately absent: `println!`, which panics when the reader leaves. Commands write to the `out` they are given, and
//! a reader who left ends them without a failure.

pub mod args;
mod cat;
mod check;
mod child;
mod columns;
mod completions;
mod confirm;
mod demo;
mod describe;
pub mod errors;
mod follow;
mod ledger;
mod ledger_move;
mod locate;
mod lzo_index;
mod recover;
mod run;
mod selftest;
pub mod target;
mod verify;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;

use self::args::{
    CatArgs, CheckArgs, ColumnsArgs, CompletionsArgs, DemoArgs, Global, LedgerArgs, LocateArgs, LogFormat,
    LzoIndexArgs, RecoverArgs, RunArgs, SelftestArgs, VerifyArgs,
};
pub use self::errors::{Class, CliError};

/// Archives Kafka topics into an object store: every record exactly once
#[derive(Debug, Parser)]
#[command(name = "secor", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  secor demo
  secor check --config secor.toml
  secor run --config secor.toml
  secor verify --deep --config secor.toml
  secor completions bash > /etc/bash_completion.d/secor

Exit codes: 0 done; 1 verify or selftest found something; 64 configuration; 69 unavailable, start me again; 70 bug;
76 refused to go on; 130 second signal.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The order of `secor help`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(RunArgs),
    Check(CheckArgs),
    Demo(DemoArgs),
    Verify(VerifyArgs),
    Cat(CatArgs),
    Locate(LocateArgs),
    Columns(ColumnsArgs),
    Ledger(LedgerArgs),
    LzoIndex(LzoIndexArgs),
    Recover(RecoverArgs),
    Selftest(SelftestArgs),
    Completions(CompletionsArgs),
}

/// The whole program: parses, dispatches, prints what went wrong.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(&error),
    };
    start_logging(&cli);
    let mut out = io::stdout().lock();
    let done = dispatch(&cli, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            error.class.into()
        }
    }
}

fn dispatch(cli: &Cli, out: &mut dyn Write) -> Result<(), CliError> {
    let config = || Config::load(cli.global.config.as_deref()).map_err(CliError::from);
    match &cli.command {
        Command::Run(args) => runtime()?.block_on(run::run(args, config()?, out)),
        Command::Check(args) => runtime()?.block_on(check::run(args, &config()?, out)),
        Command::Demo(args) => runtime()?.block_on(demo::run(args, out)),
        Command::Verify(args) => runtime()?.block_on(verify::run(args, &config()?, out)),
        Command::Cat(args) => runtime()?.block_on(cat::run(args, &config()?, out)),
        Command::Locate(args) => runtime()?.block_on(locate::run(args, &config()?, out)),
        Command::Columns(args) => runtime()?.block_on(columns::run(args, config, out)),
        Command::Ledger(args) => runtime()?.block_on(ledger::run(args, &config()?, out)),
        Command::LzoIndex(args) => runtime()?.block_on(lzo_index::run(args, &config()?, out)),
        Command::Recover(args) => runtime()?.block_on(recover::run(args, config()?, out)),
        Command::Selftest(args) => runtime()?.block_on(selftest::run(args, &config()?, out)),
        Command::Completions(args) => completions::run(args, out),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("secor-io").build();
    runtime.map_err(|error| CliError::caused_by(Class::Unavailable, &error).while_doing("threads for I/O"))
}

/// Help and version are what was asked for; anything else is a mistake on the command line.
fn not_a_command(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // whether the reader stays for the help is no concern of ours
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
        }
        _ => usage_error(error).print(),
    }
    Class::Configuration.into()
}

/// clap's words in the form of every other error: one line, one hint.
fn usage_error(error: &clap::Error) -> CliError {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let line = paragraph.trim_start_matches("error: ").lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let suggestion = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggested = suggestion.iter().find_map(|kind| error.get(*kind)).map(ToString::to_string);
    let hint = match suggested.filter(|suggested| !suggested.is_empty()) {
        Some(suggested) => format!("did you mean `{suggested}`?"),
        None => "`secor help` and `secor COMMAND --help` show what can be written".to_owned(),
    };
    CliError::new(Class::Configuration, line).with_hint(hint)
}

/// Logs go to standard error. `RUST_LOG` decides, else `-v`, else what suits the command.
fn start_logging(cli: &Cli) {
    let level = match (cli.global.verbose, cli.command.is_service()) {
        // what the client logs about a broker comes back as an error
        (0, false) => "warn,librdkafka=error",
        (0, true) => "secor=info,warn",
        (1, _) => "secor=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // a second start can only happen in tests that call `main` twice: the first one's settings stay
    let _ = match cli.global.log_format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

// === impl Command ===

impl Command {
    /// Does it run until it is stopped, so that its log is what an operator looks at?
    fn is_service(&self) -> bool {
        match self {
            Self::Run(_) => true,
            Self::Check(_)
            | Self::Demo(_)
            | Self::Verify(_)
            | Self::Cat(_)
            | Self::Locate(_)
            | Self::Columns(_)
            | Self::Ledger(_)
            | Self::LzoIndex(_)
            | Self::Recover(_)
            | Self::Selftest(_)
            | Self::Completions(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_have_one_line_and_one_hint() {
        let table = [
            (&["secor", "chekc"][..], "secor: unrecognized subcommand 'chekc'\nhint: did you mean `check`?"),
            (
                &["secor", "check", "--ofline"],
                "secor: unexpected argument '--ofline' found\nhint: did you mean `--offline`?",
            ),
            (
                &["secor", "completions"],
                "secor: the following required arguments were not provided: <SHELL>\n\
                 hint: `secor help` and `secor COMMAND --help` show what can be written",
            ),
        ];
        for (arguments, wanted) in table {
            let error = Cli::try_parse_from(arguments).expect_err("is wrong");
            assert_eq!(usage_error(&error).to_string(), wanted);
        }
    }
}
