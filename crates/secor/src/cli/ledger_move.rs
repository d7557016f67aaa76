//! `secor ledger move`: takes the ledger to where another configuration says.

use std::io::Write;
use std::sync::Arc;

use super::args::LedgerMoveArgs;
use super::confirm::{self, Question};
use super::errors::{Class, CliError};
use crate::config::Config;
use crate::ledger::Move;
use crate::service::settings;
use crate::store::{self, Store};

/// # Errors
/// When a place can't be asked or does not fit, or nobody agrees.
pub(super) async fn run(
    args: &LedgerMoveArgs,
    store: Arc<dyn Store>,
    config: &Config,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let to = Config::load(Some(&args.to))?;
    expect_same_store(&*store, &to)?;
    let Some(planned) = Move::plan(store, &config.ledger, &to.ledger).await? else {
        writeln!(out, "the ledger is there already: `{}` can be used", args.to.display())?;
        return Ok(());
    };
    writeln!(out, "ledger {} moves from {} to {}", planned.ledger(), planned.origin(), planned.destination())?;
    writeln!(out, "processes with the old configuration end as soon as they want to write")?;
    confirm(args, out)?;
    let carried = planned.carry_out().await.map_err(|error| {
        let goes_on = error.is_transient();
        let error = CliError::from(error);
        if goes_on { error.with_hint("give the same command again: it goes on where it stopped") } else { error }
    })?;
    writeln!(
        out,
        "moved: {} chains closed, {} objects copied; start secor with `{}`",
        carried.chains,
        carried.objects,
        args.to.display()
    )?;
    Ok(())
}

/// Files stay where they are, so both configurations must mean the same.
fn expect_same_store(store: &dyn Store, to: &Config) -> Result<(), CliError> {
    let other = store::open(&settings::store(to))?.to_string();
    if other == store.to_string() {
        return Ok(());
    }
    let what = format!("`{}` has another store: {other}, not {store}", to.file.display());
    Err(CliError::new(Class::Configuration, what).with_hint("only `[ledger]` may differ: files are not moved"))
}

/// Asks a person, unless `--yes` was given.
fn confirm(args: &LedgerMoveArgs, out: &mut dyn Write) -> Result<(), CliError> {
    const QUESTION: Question = Question {
        text: "move the ledger?",
        unasked: "nobody is there to answer, so nothing is moved",
        declined: "nothing was moved",
        hint: "`--yes` moves without asking",
        class: Class::Refused,
    };
    if args.yes { Ok(()) } else { confirm::confirm(&QUESTION, out) }
}
