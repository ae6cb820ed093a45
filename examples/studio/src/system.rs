//! Time and chance, from the operating system.

use jiff::Timestamp;
use lunora_core::port::{Clock, IdSource};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn now(&self) -> Timestamp {
        // To the millisecond, as rows and HTTP have it.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// Ids from random bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RandomIds;

impl IdSource for RandomIds {
    fn mint(&self) -> u128 {
        random_bits()
    }
}

/// 128 random bits.
///
/// # Panics
///
/// If the system has none, which Linux rules out once it has booted.
pub(crate) fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    u128::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use lunora_testkit::conformance::Fixture;

    use super::*;

    impl Fixture for SystemClock {
        type Port = dyn Clock;

        async fn set_up() -> Self {
            Self
        }

        fn port(&self) -> &Self::Port {
            self
        }
    }

    impl Fixture for RandomIds {
        type Port = dyn IdSource;

        async fn set_up() -> Self {
            Self
        }

        fn port(&self) -> &Self::Port {
            self
        }
    }

    lunora_testkit::clock_conformance!(SystemClock);
    lunora_testkit::id_source_conformance!(RandomIds);
}
