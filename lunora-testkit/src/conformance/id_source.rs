//! The contract of [`IdSource`], clause by clause.
#![expect(clippy::unused_async, reason = "clauses of other ports wait")]

use std::{collections::BTreeSet, thread};

use lunora_core::port::IdSource;

/// Makes one test per clause of the contract of
/// [`IdSource`](lunora_core::port::IdSource).
///
/// Attributes before the fixture go on every test.
#[macro_export]
macro_rules! id_source_conformance {
    ($(#[$attribute:meta])* $fixture:ty) => {
        $crate::__conformance_tests! {
            [id_source], [$(#[$attribute])*], $fixture,
            [
                the_low_bits_do_not_come_twice
                the_low_bits_do_not_come_twice_on_many_threads
            ]
        }
    };
}

/// The part of an id that must not come twice.
fn low_bits(ids: &dyn IdSource) -> u128 {
    ids.mint() & ((1 << 46) - 1)
}

/// Clause 1.
pub async fn the_low_bits_do_not_come_twice(ids: &dyn IdSource) {
    // Of so many that are drawn at random, two are equal once in 140 million times.
    let minted: BTreeSet<u128> = (0..1000).map(|_| low_bits(ids)).collect();
    assert_eq!(minted.len(), 1000);
}

/// Clause 1.
pub async fn the_low_bits_do_not_come_twice_on_many_threads(ids: &dyn IdSource) {
    let mint = || (0..250).map(|_| low_bits(ids)).collect::<Vec<_>>();
    let minted: BTreeSet<u128> = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(mint));
        let minted = threads.map(|thread| thread.join().unwrap());
        minted.into_iter().flatten().collect()
    });
    assert_eq!(minted.len(), 1000);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_clause_is_in_the_list() {
        crate::conformance::private::assert_listed(include_str!("id_source.rs"));
    }
}
