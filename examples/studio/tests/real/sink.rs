//! `studio sink`, as a process of its own.

use lunora_testkit::real::process::Running;

use crate::studio;

/// A running sink.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) process: Running,
    address: String,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let mut command = studio::command();
        command.args(["sink", "--rtmp", "127.0.0.1:0"]);
        let process = Running::start("studio sink", &mut command);
        let line = process.says("receiving on rtmp://");
        let address = line.split("rtmp://").nth(1).unwrap();
        let address = address.split('/').next().unwrap().to_owned();
        Self { process, address }
    }

    /// Where to push to.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.address)
    }
}
