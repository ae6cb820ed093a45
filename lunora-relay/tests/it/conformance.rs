//! The relay keeps the contract of the port.

use lunora_core::port::OutputRouter;
use lunora_relay::{Idle, Relay, RelayConfig, RelayRouter};
use lunora_testkit::conformance::Fixture;

use crate::support::Stage;

/// A relay that plays the test stream, so that every output is tried.
struct Playing {
    router: RelayRouter,
    _relay: Relay,
}

impl Fixture for Playing {
    type Port = dyn OutputRouter;

    async fn set_up() -> Self {
        let config = RelayConfig {
            ingest: None,
            hls: None,
            outputs_max: 5,
            ..Stage::config(Idle::Demo, None)
        };
        let relay = Relay::start(config).unwrap();
        Self {
            router: relay.router(),
            _relay: relay,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.router
    }
}

lunora_testkit::output_router_conformance!(Playing);
