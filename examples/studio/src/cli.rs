//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Lunora on one machine: send one live stream to many RTMP destinations, and
/// add, edit, start, stop and remove each while it runs; no other notices.
#[derive(Debug, Parser)]
#[command(name = "studio", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Started without a command, it runs the studio: publish to the address that \
                        it prints, and change destinations with its HTTP API."
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How the studio runs.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Where the HTTP API listens; a loopback address, until somebody can log in
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,
    /// Where encoders publish
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1935")]
    pub(crate) rtmp: SocketAddr,
    /// Where encoders publish by SRT, with the publish key as stream id; off unless given
    #[arg(long, value_name = "ADDR")]
    pub(crate) srt: Option<SocketAddr>,
    /// Whether the test stream plays until an encoder publishes, and when it left
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub(crate) demo: Toggle,
    /// Whether viewers get HLS, from the folder `hls` of the state
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub(crate) hls: Toggle,
    /// Certificates (PEM) to trust for RTMPS, besides the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Where the state is.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// The folder of the state: destinations, events, and keys (encrypted)
    #[arg(long, value_name = "DIR", default_value = "studio-data")]
    pub(crate) data: PathBuf,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Toggle {
    /// On.
    On,
    /// Off.
    Off,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive publishes, and print frames, bitrate and gaps of each once a second
    Sink {
        /// Where to listen
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1940")]
        rtmp: SocketAddr,
    },
    /// Copy the state, while the studio runs or not, to a file that is not there yet
    Backup {
        /// Where the state is.
        #[command(flatten)]
        data: DataArgs,
        /// The copy; the key file is not in it and has to be kept apart
        file: PathBuf,
    },
    /// Show where encoders publish, with the publish key; or make a new key
    PublishKey {
        /// Where the state is.
        #[command(flatten)]
        data: DataArgs,
        /// Make a new key; the old one is refused from the next start on
        #[arg(long)]
        new: bool,
        /// Where encoders publish
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1935")]
        rtmp: SocketAddr,
    },
    /// Take SRT in for a studio that runs; it starts this by itself
    #[command(hide = true)]
    SrtWorker,
    /// Look after the key file that stream keys are encrypted under
    #[command(subcommand)]
    Keys(KeysCommand),
}

/// What can be done about the key file.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Forget all stream keys and begin with a new key file, when the old one is lost
    Reset {
        /// Where the state is.
        #[command(flatten)]
        data: DataArgs,
    },
}

impl Cli {
    /// Reads the command line, or says what is wrong with it and ends the process.
    #[must_use]
    pub fn from_args() -> Self {
        Self::parse()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
