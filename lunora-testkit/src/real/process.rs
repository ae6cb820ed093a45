//! Processes that do not outlive their test.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::machine::{until, within};

/// A process, and what it has written so far. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    out: Lines,
    err: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Running {
    /// Starts a command whose name stands in every complaint of the test.
    #[must_use]
    pub fn start(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let out = gather(child.stdout.take().unwrap());
        let err = gather(child.stderr.take().unwrap());
        Self {
            name,
            child,
            out,
            err,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to its standard output so far, as lines.
    #[must_use]
    pub fn out(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    /// What it wrote to its standard error so far, as lines.
    #[must_use]
    pub fn err(&self) -> Vec<String> {
        self.err.lock().unwrap().clone()
    }

    /// Waits until it writes a line with these words, to the standard output.
    pub fn says(&self, words: &str) -> String {
        self.says_often(words, 1).remove(0)
    }

    /// Waits until it has written so many lines with these words.
    pub fn says_often(&self, words: &str, times: usize) -> Vec<String> {
        until(
            &format!("{} says “{words}” {times} times", self.name),
            || {
                let mut lines = self.out();
                lines.retain(|line| line.contains(words));
                (lines.len() >= times).then_some(lines)
            },
        )
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(
            status.unwrap().success(),
            "{} took no SIG{signal}",
            self.name
        );
    }

    /// Waits for its end.
    pub fn ends(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        within(limit, &what, || self.child.try_wait().unwrap())
    }

    /// Ends it the hard way.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    #[expect(
        clippy::print_stderr,
        reason = "who reads of a failed test wants to know"
    )]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let (name, out, err) = (&self.name, self.out(), self.err());
            eprintln!("--- {name}, the last lines");
            for line in last(&out, 15).iter().chain(last(&err, 25)) {
                eprintln!("    {line}");
            }
        }
    }
}

fn last(lines: &[String], count: usize) -> &[String] {
    &lines[lines.len().saturating_sub(count)..]
}

fn gather(pipe: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let theirs = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            theirs.lock().unwrap().push(line);
        }
    });
    lines
}

/// Runs a command to its end and returns its standard output; it has to succeed
/// and to complain about nothing.
pub fn run(command: &mut Command) -> String {
    run_with(command, "")
}

/// The same, with something on its standard input.
pub fn run_with(command: &mut Command, input: &str) -> String {
    let (out, complaints) = attempt(command, input);
    assert!(complaints.is_empty(), "{command:?} complains: {complaints}");
    out
}

/// Runs a command to its end; returns its standard output, and what it complained about.
pub fn attempt(command: &mut Command, input: &str) -> (String, String) {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut pipe = child.stdin.take().unwrap();
    // It may end without having read it.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let mut complaints = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() && complaints.is_empty() {
        complaints = output.status.to_string();
    }
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        complaints,
    )
}
