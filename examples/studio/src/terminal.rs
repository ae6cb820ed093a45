//! What people read: the first lines, errors, and the log.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Writes a line to the standard output. A closed pipe is no reason to stop.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Whether a person reads the standard output, and no file or journal keeps it.
pub(crate) fn is_read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Says in one line what went wrong, and why.
pub(crate) fn fail(error: &(dyn Error + 'static)) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "error: {}", why(error));
    ExitCode::FAILURE
}

/// An error and all that caused it, in one line.
pub(crate) fn why(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace('\n', " ")
}

/// What is logged unless `RUST_LOG` says otherwise. What outputs and encoders do is
/// told once, by the worker, which knows the destinations and what is on air.
const LOGGED: &str = "info,lunora_relay::output=error,lunora_relay::engine=warn,\
                      lunora_relay::ingest=warn";

/// Sends the log to the standard error, by a thread of its own: a terminal that is
/// held or a pipe that nobody reads holds up no frame, and loses lines instead.
/// The log ends when what this returns is dropped.
pub(crate) fn log_to_stderr() -> WorkerGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let (writer, guard) = tracing_appender::non_blocking(io::stderr());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    let _ = log.try_init();
    guard
}
