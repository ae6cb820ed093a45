//! The relay keeps the contracts of its ports.

use std::sync::Arc;

use lunora_core::port::{ChannelController, IngestController, OutputRouter};
use lunora_relay::{Idle, Relay, RelayChannel, RelayConfig, RelayIngests, RelayRouter};
use lunora_testkit::{
    conformance::{Fixture, source_probe::Engine},
    sample,
};

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

mod output_router {
    use super::Playing;

    lunora_testkit::output_router_conformance!(Playing);
}

/// A relay that lets encoders in, of which there are none.
struct Listening(Relay);

impl Listening {
    fn start() -> Self {
        Self(Relay::start(Stage::config(Idle::Nothing, None)).unwrap())
    }
}

struct Taking {
    _relay: Listening,
    ingests: RelayIngests,
}

impl Fixture for Taking {
    type Port = dyn IngestController;

    async fn set_up() -> Self {
        let relay = Listening::start();
        let ingests = relay.0.ingests();
        Self {
            _relay: relay,
            ingests,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.ingests
    }
}

mod ingest_controller {
    use super::Taking;

    lunora_testkit::ingest_controller_conformance!(Taking);
}

struct Probing {
    _relay: Listening,
    engine: Engine,
}

impl Fixture for Probing {
    type Port = Engine;

    async fn set_up() -> Self {
        let relay = Listening::start();
        let engine = Engine {
            probe: Arc::new(relay.0.ingests()),
            ingests: Arc::new(relay.0.ingests()),
        };
        Self {
            _relay: relay,
            engine,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.engine
    }
}

mod source_probe {
    use super::Probing;

    lunora_testkit::source_probe_conformance!(Probing);
}

struct Switching {
    _relay: Listening,
    channel: RelayChannel,
}

impl Fixture for Switching {
    type Port = dyn ChannelController;

    async fn set_up() -> Self {
        let relay = Listening::start();
        for result in relay.0.ingests().apply(&[sample::ingest(1)]).await {
            result.unwrap();
        }
        let channel = relay.0.channel();
        channel.stop().await.unwrap();
        Self {
            _relay: relay,
            channel,
        }
    }

    fn port(&self) -> &Self::Port {
        &self.channel
    }
}

mod channel_controller {
    use super::Switching;

    lunora_testkit::channel_controller_conformance!(Switching);
}
