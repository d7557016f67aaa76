//! `secor completions`: what a shell needs to complete commands and options.

use std::io::Write;

use clap::CommandFactory;

use super::args::CompletionsArgs;
use super::{Cli, CliError};

/// Prints the completions.
///
/// # Errors
/// When standard output can't be written.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    // written to memory first: the generator itself panics when the reader leaves
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "secor", &mut script);
    out.write_all(&script)?;
    Ok(())
}
