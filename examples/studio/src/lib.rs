//! Lunora on one machine: the relay, the HTTP API and a SQLite file, in one process.
//!
//! This is where everything is put together, and the only place that knows all of it:
//!
//! - [`cli`]: what can be asked for.
//! - `run`: what it takes to run: store, relay, services, API, and the worker between them.
//! - `http`: the server below the API; `hls`: what viewers get from it.
//! - `commands`, `sink`: the smaller commands.
//! - `terminal`: what people read.
//! - [`store`]: the state in one file, behind the ports of `lunora-core`.
//! - `system`: time and chance.

pub mod cli;
mod commands;
mod hls;
mod http;
mod publish_key;
mod run;
mod sink;
pub mod store;
mod system;
mod terminal;
mod worker;

use std::{path::PathBuf, process::ExitCode};

use cli::{Cli, Command};
use store::KeySource;

/// Does what was asked for, and says in one line why it could not.
#[must_use]
pub fn execute(cli: Cli) -> ExitCode {
    if let Some(Command::SrtWorker) = cli.command {
        // Its standard output is for the studio alone, so nothing else of this program begins.
        lunora_srt::run_child(std::io::stdin(), std::io::stdout());
    }
    let _log = terminal::log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&error),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            None | Some(Command::SrtWorker) => run::run(cli.run).await.map_err(Into::into),
            Some(Command::Sink { rtmp }) => commands::sink(rtmp).await,
            Some(Command::Backup { data, file }) => commands::backup(&data.data, &file),
            Some(Command::PublishKey { data, new, rtmp }) => {
                commands::publish_key(&data.data, rtmp, new).await
            }
            Some(Command::Keys(cli::KeysCommand::Reset { data })) => {
                commands::reset_keys(&data.data)
            }
        }
    });
    // Whatever still waits, such as a name that does not resolve, is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => terminal::fail(&*error),
    }
}

/// Where the key comes from: a service credential if the service manager hands
/// one over, else the file in the data folder.
#[must_use]
pub fn key_source() -> KeySource {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join("lunora-key"))
        .filter(|path| path.exists());
    credential.map_or(KeySource::KeyFile, KeySource::Credential)
}
