use std::time::Duration;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    RequestLost,
    /// It takes effect, and nobody hears of it.
    ReplyLost,
    /// It is answered with this status at once, and has no effect: 429, 500 or 503.
    Status(u16),
    /// It is answered so much later.
    Slow(Duration),
}

/// Says which call a [`Fault`] is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    operation: Option<String>,
    skip: usize,
}

impl Matcher {
    /// The next call, whichever it is.
    #[must_use]
    pub fn next() -> Self {
        Self::default()
    }

    /// The next call of this operation, such as `AddFlowOutputs`.
    #[must_use]
    pub fn operation(name: impl Into<String>) -> Self {
        let operation = Some(name.into());
        Self { operation, skip: 0 }
    }

    /// The same after so many calls that would match.
    #[must_use]
    pub fn after(self, calls: usize) -> Self {
        let skip = calls;
        Self { skip, ..self }
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: Vec<(Matcher, Fault)>,
    // How many more calls go through before the caller is gone.
    until_crash: Option<usize>,
}

impl Faults {
    pub(super) fn plan(&mut self, matcher: Matcher, fault: Fault) {
        self.planned.push((matcher, fault));
    }

    pub(super) fn crash_after(&mut self, calls: usize) {
        self.until_crash = Some(calls);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What goes wrong with this call; counts it.
    pub(super) fn draw(&mut self, operation: &str) -> Option<Fault> {
        if let Some(left) = &mut self.until_crash {
            let Some(fewer) = left.checked_sub(1) else {
                return Some(Fault::RequestLost);
            };
            *left = fewer;
        }
        let mut due = None;
        for (index, (matcher, _)) in self.planned.iter_mut().enumerate() {
            if matcher
                .operation
                .as_deref()
                .is_some_and(|it| it != operation)
            {
                continue;
            }
            match matcher.skip.checked_sub(1) {
                Some(fewer) => matcher.skip = fewer,
                None => due = due.or(Some(index)),
            }
        }
        due.map(|index| self.planned.remove(index).1)
    }
}
