//! The contract of [`Clock`], clause by clause.
#![expect(clippy::unused_async, reason = "clauses of other ports wait")]

use jiff::Timestamp;
use lunora_core::port::Clock;

/// Makes one test per clause of the contract of [`Clock`](lunora_core::port::Clock).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! clock_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [clock], [$(#[$attribute])*], $fixture,
            [
                a_later_call_tells_no_earlier_time
                every_time_survives_milliseconds
            ]
        }
    };
}

/// Clause 1.
pub async fn a_later_call_tells_no_earlier_time(clock: &dyn Clock) {
    let mut last = clock.now();
    for _ in 0..1000 {
        let now = clock.now();
        assert!(last <= now, "{now} after {last}");
        last = now;
    }
}

/// Clause 2.
pub async fn every_time_survives_milliseconds(clock: &dyn Clock) {
    for _ in 0..100 {
        let now = clock.now();
        let written = now.as_millisecond();
        assert_eq!(Timestamp::from_millisecond(written).unwrap(), now);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("clock.rs"));
    }
}
