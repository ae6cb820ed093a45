//! `studio`: Lunora on one machine. `studio --help` says what it can do.

use std::process::ExitCode;

use lunora_studio::{cli::Cli, execute};

fn main() -> ExitCode {
    execute(Cli::from_args())
}
