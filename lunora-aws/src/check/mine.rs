//! Which outputs are a check's own. No other is ever written.

use std::{fmt, str::FromStr};

use super::shown::Output;

/// What the names of all test outputs begin with.
const PREFIX: &str = "lunora-check-";

/// Names one run of the check: eight lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId(String);

/// The text names no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run is named by eight lower-case hexadecimal digits")]
pub struct RunIdError;

impl RunId {
    /// Names a run by a random number.
    #[must_use]
    pub fn new(random: u32) -> Self {
        Self(format!("{random:08x}"))
    }

    /// What its one test output is called.
    pub(super) fn name(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// What the second one is called that is there for seconds.
    pub(super) fn second_name(&self) -> String {
        format!("{}.second", self.name())
    }

    /// As long as our longest name: a deployment of 20 characters, a destination of 128.
    pub(super) fn long_name(&self) -> String {
        let mut name = format!("{}.", self.name());
        while name.len() < LONG {
            name.push_str(&"a.b_c0"[..(LONG - name.len()).min(6)]);
        }
        name
    }
}

/// The length of `lunora-<20>-<128>-primary`.
const LONG: usize = 7 + 20 + 1 + 128 + 1 + 7;

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 8 || !text.bytes().all(is_digit) {
            return Err(RunIdError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of an output that is a check's own, by its name as `DescribeFlow` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mine {
    arn: String,
    name: String,
}

impl Mine {
    /// An output of that run, or of any; `None` if it is somebody else's.
    pub(super) fn of(output: &Output<'_>, run: Option<&RunId>) -> Option<Self> {
        let name = output.name();
        let of = run_of(name)?;
        if output.is_managed() || output.arn().is_empty() || run.is_some_and(|run| *run != of) {
            return None;
        }
        Some(Self {
            arn: output.arn().to_owned(),
            name: name.to_owned(),
        })
    }

    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The run that calls an output so. No output of a deployment is called so, not even
/// of one named `check`: those end in `-primary` or `-backup`, and here is no dash.
fn run_of(name: &str) -> Option<RunId> {
    let rest = name.strip_prefix(PREFIX)?;
    let (run, rest) = rest.split_at_checked(8)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    let is_ours = rest.is_empty() || rest.starts_with('.') && rest.bytes().all(plain);
    is_ours.then(|| run.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_knows_its_names_again_and_no_deployment_has_such() {
        let run = RunId::new(0xbeef);
        for name in [run.name(), run.second_name(), run.long_name()] {
            assert_eq!(run_of(&name), Some(run.clone()), "{name}");
        }
        assert_eq!(run.long_name().len(), 164);
        for name in [
            "",
            "lunora-check",
            "lunora-check-beef",
            "lunora-check-0000beef-primary",
            "lunora-check-0000beef.second-backup",
            "lunora-check-0000BEEF",
            "lunora-check-0000beefs",
            "lunora-prod-0000beef-primary",
            "x-lunora-check-0000beef",
            "lunora-check-ää00beef",
        ] {
            assert_eq!(run_of(name), None, "{name}");
        }
    }
}
