//! The MediaLive adapter keeps the contract of its port.

use lunora_core::{domain::ChannelClass, port::ChannelController};
use lunora_testkit::conformance::Fixture;

use crate::support::Stage;

mod single_pipeline {
    use super::*;

    struct Single(Stage);

    impl Fixture for Single {
        type Port = dyn ChannelController;

        async fn set_up() -> Self {
            Self(Stage::new().await)
        }

        fn port(&self) -> &Self::Port {
            &*self.0.channel
        }
    }

    lunora_testkit::channel_controller_conformance!(Single);
}

mod standard {
    use super::*;

    struct Standard(Stage);

    impl Fixture for Standard {
        type Port = dyn ChannelController;

        async fn set_up() -> Self {
            Self(Stage::with_class(ChannelClass::Standard).await)
        }

        fn port(&self) -> &Self::Port {
            &*self.0.channel
        }
    }

    lunora_testkit::channel_controller_conformance!(Standard);
}
