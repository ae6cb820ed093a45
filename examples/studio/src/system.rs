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
