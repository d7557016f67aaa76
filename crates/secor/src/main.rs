//! The program `secor`. See [`secor::cli`] for its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_bug));
    secor::cli::main(std::env::args_os())
}

/// A panic in any thread is a bug, and a process with a missing thread must not go on: exit code 70. What is staged is
/// read again from Kafka. The one exception is a library that panics over a damaged file, and is caught.
fn report_bug(panic: &std::panic::PanicHookInfo<'_>) {
    if secor_format::panics_are_damage() {
        return;
    }
    let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    eprintln!("secor: bug: {} ({place}, thread `{thread}`)", panic.payload_as_str().unwrap_or("panic"));
    eprintln!("hint: please report it with this line: {}/issues", env!("CARGO_PKG_REPOSITORY"));
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
    }
    std::process::exit(70);
}
