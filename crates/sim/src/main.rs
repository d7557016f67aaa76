//! `sim`: runs the simulator from the command line. For developers; the program itself is `secor`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use secor_sim::simulator::{Run, Sabotage, hunt, meta, replay_command, run, sweep};

/// Exactly once, simulated: one seed is one run, whatever the machine.
#[derive(Parser)]
#[command(name = "sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds and prints one line for each that fails, with the command that shows it
    Run(RunArgs),
    /// Runs each seed twice and compares the traces byte by byte
    Meta(Seeds),
    /// Takes the executor's promises away one by one and shows that each is noticed
    Sabotage(SabotageArgs),
}

#[derive(Args)]
struct Seeds {
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
}

#[derive(Args)]
struct RunArgs {
    /// Only this seed
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    #[command(flatten)]
    seeds: Seeds,
    /// Print what happens; needs --seed
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Stop after so many events; needs --seed
    #[arg(long, requires = "seed")]
    steps: Option<u64>,
    /// Do one thing wrongly; needs --seed
    #[arg(long, requires = "seed", value_parser = sabotage)]
    sabotage: Option<Sabotage>,
    /// Print how often each fault and each path was met
    #[arg(long)]
    coverage: bool,
}

#[derive(Args)]
struct SabotageArgs {
    /// How many seeds each may take
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Only this one
    #[arg(value_parser = sabotage)]
    only: Option<Sabotage>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // a panic inside a run is a finding and is reported as one
    std::panic::set_hook(Box::new(|_| {}));
    let told = match cli.command {
        Command::Run(args) => match args.seed {
            Some(seed) => one(seed, &args),
            None => many(&args),
        },
        Command::Meta(seeds) => compare(&seeds),
        Command::Sabotage(args) => sabotaged(&args),
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // whoever reads has stopped reading
        Err(_) => ExitCode::FAILURE,
    }
}

fn one(seed: u64, args: &RunArgs) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let sabotage = args.sabotage;
    let report = run(Run { seed, sabotage, keep_trace: args.trace, events_max: args.steps });
    for line in &report.trace {
        writeln!(out, "{line}")?;
    }
    if args.coverage {
        write!(out, "{}", report.coverage)?;
    }
    let lasted_s = report.lasted_ms / 1_000;
    writeln!(out, "seed {seed}: {} events, {lasted_s} s, trace {:032x}", report.events, report.trace_digest)?;
    if let Some(violation) = &report.violation {
        writeln!(out, "seed {seed}: {violation}")?;
    }
    Ok(report.violation.is_none())
}

fn many(args: &RunArgs) -> std::io::Result<bool> {
    let mut told = Ok(());
    let all = sweep(args.seeds.from, args.seeds.seeds, |report| {
        let violation = report.violation.as_deref().unwrap_or_default();
        let line = format!("seed {}: {violation}\n    {}", report.seed, replay_command(report.seed));
        if told.is_ok() {
            told = writeln!(std::io::stdout(), "{line}");
        }
    });
    told?;
    let mut out = std::io::stdout().lock();
    if args.coverage {
        write!(out, "{}", all.coverage)?;
        for path in all.coverage.missed() {
            writeln!(out, "never: {}", path.word())?;
        }
    }
    let hours = all.lasted_ms / 3_600_000;
    writeln!(out, "{} runs, {} failed, {} events, {hours} h of virtual time", all.runs, all.failed.len(), all.events)?;
    Ok(all.failed.is_empty())
}

fn compare(seeds: &Seeds) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    match meta(seeds.from, seeds.seeds) {
        Ok(lines) => {
            writeln!(out, "{} seeds twice, {lines} lines each time, byte for byte the same", seeds.seeds)?;
            Ok(true)
        }
        Err(difference) => {
            writeln!(out, "seed {} differs in line {}:", difference.seed, difference.line)?;
            writeln!(out, "  once  {}\n  again {}", difference.once, difference.again)?;
            Ok(false)
        }
    }
}

fn sabotaged(args: &SabotageArgs) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut all_caught = true;
    for sabotage in Sabotage::ALL.iter().filter(|sabotage| args.only.is_none_or(|only| only == **sabotage)) {
        match hunt(*sabotage, 0, args.seeds) {
            Some(report) => {
                let violation = report.violation.unwrap_or_default();
                writeln!(out, "{}: caught by seed {}: {violation}", sabotage.word(), report.seed)?;
            }
            None => {
                all_caught = false;
                writeln!(out, "{}: not noticed within {} seeds", sabotage.word(), args.seeds)?;
            }
        }
    }
    Ok(all_caught)
}

fn sabotage(word: &str) -> Result<Sabotage, String> {
    Sabotage::of_word(word).ok_or_else(|| {
        let known: Vec<&str> = Sabotage::ALL.iter().map(|sabotage| sabotage.word()).collect();
        format!("known are {}", known.join(", "))
    })
}
