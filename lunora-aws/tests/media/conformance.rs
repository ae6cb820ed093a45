//! The contract of a router, however AWS may turn out to behave.

use lunora_core::port::OutputRouter;
use lunora_testkit::{
    aws::{Modes, Owner},
    conformance::Fixture,
};

use crate::support::Stage;

/// Two flows with room for three outputs each, one of which is MediaLive's.
struct Flows<const MODE: usize>(Stage);

impl<const MODE: usize> Fixture for Flows<MODE> {
    type Port = dyn OutputRouter;

    async fn set_up() -> Self {
        // The suite brings its own runtime, which goes by real time until it is told.
        tokio::time::pause();
        let stage = Stage::with_room(Modes::all()[MODE], 3);
        let input = "arn:aws:medialive:us-west-2:123456789012:input:1234567";
        let owner = Owner::MediaLive(input.to_owned());
        let head = stage.flows[0].as_str();
        stage.simulator.add_managed_output(head, "managed", owner);
        // So that it knows how much room there is.
        stage.observed().await;
        assert_eq!(stage.router.capabilities().outputs_max, 5);
        Self(stage)
    }

    fn port(&self) -> &Self::Port {
        &self.0.router
    }
}

macro_rules! in_each_mode {
    ($($name:ident $mode:literal)*) => {
        $(mod $name {
            use super::Flows;

            lunora_testkit::output_router_conformance!(Flows<$mode>);
        })*

        #[test]
        fn every_mode_has_its_suite() {
            let modes = [$($mode),*];
            assert!(modes.into_iter().eq(0..Modes::all().len()));
        }
    };
}

in_each_mode! {
    mode_0 0 mode_1 1 mode_2 2 mode_3 3 mode_4 4 mode_5 5
    mode_6 6 mode_7 7 mode_8 8 mode_9 9 mode_10 10 mode_11 11
    mode_12 12 mode_13 13 mode_14 14 mode_15 15 mode_16 16 mode_17 17
    mode_18 18 mode_19 19 mode_20 20 mode_21 21 mode_22 22 mode_23 23
}
