//! Each mutant breaks its port's contract in one way; the suite must notice.

mod channel_controller;
mod clock;
mod control_store;
mod destination_probe;
mod event_log;
mod id_source;
mod ingest_controller;
mod output_router;
mod repo;
mod secret_store;
mod source_probe;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Makes the tests of one suite: each mutant is noticed by the clauses behind it,
/// and no clause of the suite is without a mutant that it notices.
///
/// The mutants are made by `Mutant::new`, one of each variant of `Mutation`; that
/// of `Mutation::Nothing` passes, so that no mutant is noticed for how it is made.
macro_rules! noticed {
    ($suite:ident: $($mutation:ident by $($clause:ident),+;)*) => {
        #[test]
        fn each_mutant_is_noticed() {
            $($(
                let mutant = Mutant::new(Mutation::$mutation);
                let run = lunora_testkit::conformance::$suite::$clause(&mutant);
                let what = concat!(stringify!($mutation), " by ", stringify!($clause));
                assert!($crate::mutants::panics(run), "not noticed: {what}");
            )+)*
        }

        #[test]
        fn nothing_is_noticed_without_a_mutation() {
            $($(
                let mutant = Mutant::new(Mutation::Nothing);
                let run = lunora_testkit::conformance::$suite::$clause(&mutant);
                assert!(!$crate::mutants::panics(run), concat!(stringify!($clause), " fails"));
            )+)*
        }

        #[test]
        fn each_clause_notices_a_mutant() {
            let noticing = [$($(stringify!($clause)),+),*];
            let suite = include_str!(concat!("../../../src/conformance/", stringify!($suite), ".rs"));
            $crate::mutants::assert_all_of(suite, &noticing);
        }
    };
}

use noticed;

/// Whether it panics. Time passes at once, so that what waits for ever gives up at once.
fn panics(clause: impl Future<Output = ()>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(clause))).is_err()
}

fn assert_all_of(suite: &str, noticing: &[&str]) {
    let clauses: BTreeSet<&str> = suite
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|line| line.split(['(', '<']).next())
        .collect();
    let noticing = noticing.iter().copied().collect();
    let idle: Vec<_> = clauses.difference(&noticing).collect();
    assert!(idle.is_empty(), "no mutant is noticed by {idle:?}");
}
