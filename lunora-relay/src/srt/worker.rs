//! One run of the worker's process.

use std::{io, process::Stdio, time::Duration};

use lunora_srt::protocol::{FrameError, FrameReader, FromWorker, ToWorker, VERSION};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, timeout},
};

use crate::config::SrtConfig;

/// Within which the worker takes what it is told. It is little, so a pipe holds it.
const TELL_MAX: Duration = Duration::from_secs(1);
/// Within which it answers a ping.
const PONG_MAX: Duration = Duration::from_secs(4);
/// What is read at once.
const BUFFER: usize = 64 * 1024;

/// Why a run of the worker is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it does not start: {0}")]
    Start(io::Error),
    #[error("it ended")]
    Ended,
    #[error("what it says cannot be read: {0}")]
    Nonsense(#[from] FrameError),
    #[error("it is of another version than this program")]
    OtherVersion,
    #[error("it takes nothing any more")]
    Stuck,
    #[error("it does not answer")]
    Silent,
    #[error("it keeps a core busy with little to do")]
    Spins,
    #[error("libsrt is missing")]
    Missing,
}

/// The process, and what is said with it. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    reader: FrameReader,
    buffer: Vec<u8>,
    pinged: u32,
    heard: Instant,
    spin: Spin,
}

impl Worker {
    /// Starts it. Nothing secret stands in its arguments or its environment, and of ours it
    /// sees nothing but where libraries are looked for.
    pub(super) async fn start(config: &SrtConfig) -> Result<Self, Trouble> {
        let mut command = Command::new(&config.worker.program);
        command.args(&config.worker.arguments).env_clear();
        for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        // A signal to the terminal is for us: the worker ends when we do.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(Trouble::Start)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or(Trouble::Ended)?;
        let mut worker = Self {
            child,
            input,
            output,
            reader: FrameReader::default(),
            buffer: vec![0; BUFFER],
            pinged: 0,
            heard: Instant::now(),
            spin: Spin::default(),
        };
        let library = config.library.as_ref();
        let start = ToWorker::Start {
            version: VERSION,
            library: library.map(|path| path.to_string_lossy().into_owned()),
        };
        worker.tell(&start).await?;
        Ok(worker)
    }

    pub(super) async fn tell(&mut self, message: &ToWorker) -> Result<(), Trouble> {
        let frame = message.to_frame();
        let told = timeout(TELL_MAX, self.input.write_all(&frame)).await;
        match told {
            Ok(Ok(())) => Ok(()),
            // It may have said why before it ended.
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Trouble::Stuck),
        }
    }

    /// Waits until it says something. Nothing that was said is lost if this is given up.
    pub(super) async fn listen(&mut self) -> Result<(), Trouble> {
        let len = self.output.read(&mut self.buffer).await;
        let len = len.map_err(|_| Trouble::Ended)?;
        if len == 0 {
            return Err(Trouble::Ended);
        }
        self.spin.bytes += len as u64;
        self.reader.feed(self.buffer.get(..len).unwrap_or_default());
        Ok(())
    }

    /// What it said, one after another.
    pub(super) fn hear(&mut self) -> Result<Option<FromWorker>, Trouble> {
        let said = self.reader.from_worker()?;
        match said {
            Some(FromWorker::Hello { version, .. }) if version != VERSION => {
                Err(Trouble::OtherVersion)
            }
            Some(FromWorker::Missing) => Err(Trouble::Missing),
            Some(FromWorker::Pong { number }) if number == self.pinged => {
                self.heard = Instant::now();
                Ok(said)
            }
            said => Ok(said),
        }
    }

    /// Looks whether it is well, every second.
    pub(super) async fn look_after(&mut self) -> Result<(), Trouble> {
        if PONG_MAX < self.heard.elapsed() {
            return Err(Trouble::Silent);
        }
        let used = self.child.id().and_then(cpu_used);
        if self.spin.note(used, Instant::now()) {
            return Err(Trouble::Spins);
        }
        self.pinged = self.pinged.wrapping_add(1);
        let number = self.pinged;
        self.tell(&ToWorker::Ping { number }).await
    }
}

/// Looks for a process that works and gets nothing done.
#[derive(Debug, Default)]
struct Spin {
    /// What it has handed over since the last look.
    bytes: u64,
    last: Option<(Duration, Instant)>,
    since: Option<Instant>,
}

impl Spin {
    /// For so long, all the time.
    const LIMIT: Duration = Duration::from_secs(10);
    /// What a core takes in with ease, and far more than an encoder sends: bytes per second.
    const MUCH: u64 = 10 << 20;

    /// Notes the time on a core until now; true if it must not go on like this.
    fn note(&mut self, used: Option<Duration>, now: Instant) -> bool {
        let bytes = std::mem::take(&mut self.bytes);
        let (Some(used), last) = (used, self.last) else {
            return false;
        };
        self.last = Some((used, now));
        let Some((before, then)) = last else {
            return false;
        };
        let passed = now.duration_since(then);
        let is_busy = passed.mul_f32(0.9) <= used.saturating_sub(before);
        let is_much = Self::MUCH.saturating_mul(passed.as_secs().max(1)) < bytes;
        if !is_busy || is_much {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(then);
        Self::LIMIT <= now.duration_since(since)
    }
}

/// How long a process was on a core, where the system says so in a file.
fn cpu_used(id: u32) -> Option<Duration> {
    /// Of the clock that Linux counts by for programs, on all machines.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user.saturating_add(system))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spins(busy: f32, bytes: u64) -> Option<u64> {
        let (mut spin, start) = (Spin::default(), Instant::now());
        (0..60).find(|second| {
            spin.bytes = bytes;
            let passed = Duration::from_secs(*second);
            spin.note(Some(passed.mul_f32(busy)), start + passed)
        })
    }

    #[test]
    fn a_worker_that_works_and_gets_nothing_done_is_found_out() {
        assert_eq!(spins(1.0, 1_000), Some(10));
        assert_eq!(spins(2.0, 0), Some(10), "on two cores");
        assert_eq!(spins(0.5, 0), None);
        assert_eq!(spins(1.0, 40 << 20), None, "it has much to do");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_on_a_core_is_known() {
        assert!(cpu_used(std::process::id()).is_some());
        assert_eq!(cpu_used(u32::MAX), None);
    }
}
