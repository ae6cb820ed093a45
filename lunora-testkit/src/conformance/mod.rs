//! One test per clause of each port's contract.
//!
//! To prove an adapter, implement [`Fixture`] for it and invoke the port's
//! macro, once, in a module of an integration test:
//!
//! ```
//! use lunora_core::port::OutputRouter;
//! use lunora_testkit::{conformance::Fixture, memory::MemoryOutputRouter};
//!
//! struct Memory(MemoryOutputRouter);
//!
//! impl Fixture for Memory {
//!     type Port = dyn OutputRouter;
//!
//!     async fn set_up() -> Self {
//!         Self(MemoryOutputRouter::default())
//!     }
//!
//!     fn port(&self) -> &Self::Port {
//!         &self.0
//!     }
//! }
//!
//! lunora_testkit::output_router_conformance!(Memory);
//! ```
//!
//! Attributes before the fixture go on every test, for example
//! `#[ignore = "needs DynamoDB Local"]`.

pub mod channel_controller;
pub mod clock;
pub mod control_store;
pub mod destination_probe;
pub mod event_log;
pub mod id_source;
pub mod ingest_controller;
pub mod output_router;
pub mod repo;
pub mod secret_store;
pub mod source_probe;

/// Sets up one adapter for one test, with nothing in it.
///
/// Two fixtures share nothing, so that tests run side by side. What has to be
/// torn down is torn down by `Drop`.
pub trait Fixture: Sized {
    /// The port that the adapter implements, such as `dyn DestinationRepo`.
    type Port: ?Sized;

    /// Sets up.
    fn set_up() -> impl Future<Output = Self>;

    /// The adapter.
    fn port(&self) -> &Self::Port;
}

/// What the macros expand to; not a part of the interface.
#[doc(hidden)]
pub mod private {
    pub use lunora_core::domain;
    use proptest::{
        strategy::{Strategy, ValueTree},
        test_runner::TestRunner,
    };
    use tokio::runtime::{self, Runtime};

    /// Runs a test to its end.
    pub fn run<T>(test: impl Future<Output = T>) -> T {
        runtime().block_on(test)
    }

    pub(crate) fn runtime() -> Runtime {
        runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    /// The same values in every run, of all that there may be.
    pub(crate) fn drawn<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
        let mut runner = TestRunner::deterministic();
        let mut draw = || strategy.new_tree(&mut runner).unwrap().current();
        (0..count).map(|_| draw()).collect()
    }

    /// Asserts that the list in a suite's macro names all its clauses, in their order.
    #[cfg(test)]
    pub(crate) fn assert_listed(suite: &str) {
        let list = suite.split("            [\n").nth(1).unwrap();
        let list = list.split(']').next().unwrap();
        let listed: Vec<&str> = list.split_whitespace().collect();
        let written: Vec<&str> = suite
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "))
            .filter_map(|line| line.split(['(', '<']).next())
            .collect();
        assert_eq!(listed, written);
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($suite:tt, $attributes:tt, $fixture:ty, [$($clause:ident)*]) => {
        $($crate::__conformance_test! { $suite, $attributes, $fixture, $clause })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_test {
    ([$suite:ident $($of:tt)*], [$(#[$attribute:meta])*], $fixture:ty, $clause:ident) => {
        #[test]
        $(#[$attribute])*
        fn $clause() {
            $crate::conformance::private::run(async {
                let fixture = <$fixture as $crate::conformance::Fixture>::set_up().await;
                let port = $crate::conformance::Fixture::port(&fixture);
                $crate::conformance::$suite::$clause $($of)* (port).await;
            });
        }
    };
}
