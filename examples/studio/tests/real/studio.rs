//! The built studio, as a process of its own.

use std::{path::Path, process::Command};

use lunora_testkit::real::process::{Running, attempt};

use crate::api::Api;

/// A command line of the studio, not started yet.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_studio"));
    // What this machine's user has set is no part of the test.
    command
        .env_remove("RUST_LOG")
        .env_remove("CREDENTIALS_DIRECTORY");
    command.env("NO_COLOR", "1");
    command
}

/// A command line that runs the studio on ports that are free.
pub(crate) fn on_free_ports(data: &Path) -> Command {
    let mut command = command();
    command.arg("--data").arg(data);
    command.args(["--http", "127.0.0.1:0", "--rtmp", "127.0.0.1:0"]);
    command
}

/// A running studio.
#[derive(Debug)]
pub(crate) struct Studio {
    pub(crate) process: Running,
    pub(crate) api: Api,
    /// Where encoders publish, with the key that is not printed to a pipe.
    pub(crate) publish: String,
}

impl Studio {
    /// Runs with the test stream on air.
    pub(crate) fn start(data: &Path) -> Self {
        Self::run(&mut on_free_ports(data))
    }

    /// Runs with nothing on air until an encoder publishes.
    pub(crate) fn without_test_stream(data: &Path) -> Self {
        Self::run(on_free_ports(data).args(["--demo", "off"]))
    }

    /// Runs, and reads from its first lines where everything is.
    pub(crate) fn run(command: &mut Command) -> Self {
        let mut words = command.get_args().skip_while(|word| *word != "--data");
        let key = publish_key(Path::new(words.nth(1).unwrap()));
        let process = Running::start("studio", command);
        // The last of its lines: so the others are there.
        process.says("curl -H");
        let word = |label: &str| {
            let line = process.says(label);
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let place = word("  publish ");
        let publish = key.map_or(place.clone(), |key| place.replace("<publish", &key));
        let destinations = word("  API ");
        let base = destinations.strip_suffix("/api/destinations").unwrap();
        let api = Api::new(base);
        Self {
            process,
            api,
            publish,
        }
    }

    /// The publish key.
    pub(crate) fn publish_key(&self) -> &str {
        self.publish.rsplit_once('/').unwrap().1
    }
}

/// The publish key, which this makes if there is none; the studio may not run.
/// Nothing, if the key file is lost.
fn publish_key(data: &Path) -> Option<String> {
    let mut command = command();
    command.args(["publish-key", "--data"]).arg(data);
    let (line, _) = attempt(&mut command, "");
    let (_, key) = line.trim_end().rsplit_once('/')?;
    Some(key.to_owned())
}
