//! What a bug of ours ends, and what it does not.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    domain::{FaultClass, FaultCode, OutputHealth, OutputState, Switch},
    port::{Clock, ErrorKind, OutputRouter},
};
use lunora_relay::{Idle, OnAir, RelayConfig, Resolver, sink::End};
use lunora_testkit::clock::ManualClock;

use crate::support::{Footage, Stage, sink, spec, until};

/// Panics whenever it is asked for a name.
#[derive(Debug)]
struct Landmine;

#[async_trait]
impl Resolver for Landmine {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        panic!("as it should")
    }
}

/// Tells the time, until the look for which it is wound up: at that one it panics, once.
#[derive(Debug, Default)]
struct Bomb {
    time: ManualClock,
    looks: AtomicUsize,
}

impl Bomb {
    fn wind_up(&self, looks: usize) {
        self.looks.store(looks, SeqCst);
    }
}

impl Clock for Bomb {
    fn now(&self) -> Timestamp {
        let last = self
            .looks
            .fetch_update(SeqCst, SeqCst, |looks| looks.checked_sub(1));
        assert_ne!(last, Ok(1), "as it should");
        self.time.now()
    }
}

fn with_bomb(idle: Idle) -> (Stage, Arc<Bomb>) {
    let bomb = Arc::new(Bomb::default());
    let clock = Arc::<Bomb>::clone(&bomb);
    let config = RelayConfig {
        clock,
        ..Stage::config(idle, None)
    };
    (Stage::with(config), bomb)
}

#[tokio::test]
async fn an_output_that_panics_shows_it_and_can_be_tried_again_edited_and_removed() {
    let config = RelayConfig {
        resolver: Arc::new(Landmine),
        ..Stage::config(Idle::Demo, None)
    };
    let (stage, sink) = (Stage::with(config), sink().await);
    let id = stage.push(1, "rtmp://localhost/app", "k").await;
    let health = stage.until_fault(&id, FaultCode::Internal).await;
    assert_eq!(health.fault.unwrap().class, FaultClass::Transient);

    stage.retry(&id).await;
    let again = |health: &OutputHealth| health.fault.as_ref().is_some_and(|it| 2 <= it.count);
    stage.until_health(&id, again).await;
    let url = format!("rtmp://{}/app", sink.address());
    stage.push(1, &url, "k").await;
    stage.until_state(&id, OutputState::Live).await;

    let other = stage.push(2, "rtmp://localhost/app", "k").await;
    stage.until_fault(&other, FaultCode::Internal).await;
    stage.detach(&other).await;
    assert_eq!(stage.health(&id).await.state, OutputState::Live);
}

#[tokio::test]
async fn an_output_that_panics_on_air_leaves_nothing_behind_and_comes_back() {
    let ((stage, bomb), sink) = (with_bomb(Idle::Nothing), sink().await);
    let id = stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    stage.until_state(&id, OutputState::WaitingForSource).await;
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    encoder.send(&footage.headers()).await;

    // The first look is for what is on air, the next for connecting, the third for being live.
    bomb.wind_up(3);
    encoder.send(&footage.group()).await;

    let is_gone = || {
        let publishes = sink.publishes();
        publishes
            .first()
            .is_some_and(|publish| publish.end == Some(End::Closed))
    };
    let mut changes = sink.changes();
    changes.wait_for(|_| is_gone()).await.unwrap();
    let health = stage.until_state(&id, OutputState::Live).await;
    assert_eq!(health.last_fault.unwrap().code, FaultCode::Internal);
    let again = until(&sink, "k", |publish| publish.facts.frames() == 30).await;
    assert_eq!((again.number, again.end), (2, None));
}

#[tokio::test]
async fn when_the_data_plane_panics_its_owner_learns_that_it_has_ended() {
    let ((stage, bomb), sink) = (with_bomb(Idle::Demo), sink().await);
    let mut changes = stage.relay.changes();
    assert_eq!(stage.relay.program().on_air, OnAir::Demo);

    bomb.wind_up(1);
    let url = format!("rtmp://{}/app", sink.address());
    let spec = spec(1, &url, "k", Switch::On);
    let lost = stage.router.apply(&[spec]).await.remove(0).unwrap_err();

    assert_eq!(lost.kind(), ErrorKind::Unavailable);
    while changes.changed().await.is_ok() {}
    let program = stage.relay.program();
    assert_eq!(
        (program.on_air, program.bitrate_bps),
        (OnAir::Nothing, None)
    );
    stage.relay.shutdown().await;
}
