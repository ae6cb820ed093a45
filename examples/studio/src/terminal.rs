//! What people read: the first lines, errors, and the log.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use tracing_subscriber::EnvFilter;

/// Writes a line to the standard output. A closed pipe is no reason to stop.
pub(crate) fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Says in one line what went wrong, and why.
pub(crate) fn fail(error: &(dyn Error + 'static)) -> ExitCode {
    let mut line = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    let _ = writeln!(io::stderr().lock(), "{}", line.replace('\n', " "));
    ExitCode::FAILURE
}

/// What is logged unless `RUST_LOG` says otherwise. What outputs do is told once,
/// by the worker, which knows their destinations.
const LOGGED: &str = "info,lunora_relay::output=error,lunora_relay::engine=warn";

/// Sends the log to the standard error.
pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let _ = log.try_init();
}
