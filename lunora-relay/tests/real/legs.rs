//! A backup leg takes over from a server that is gone.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use lunora_core::{
    domain::{
        FaultCode, Fingerprint, HashKey, Leg, OutputHealth, OutputId, OutputSpec, OutputState,
        PushTarget, StreamKey, Switch,
    },
    port::{Depth, DestinationProbe, OutputRouter},
};
use lunora_relay::{
    DialPolicy, Failover, Idle, Ingest, Relay, RelayConfig, RelayRouter, SystemResolver,
};
use lunora_testkit::{
    clock::ManualClock,
    real::{
        machine::PATIENCE,
        media::{Clip, Kind, decodes_clean, is_one_run_of, publish},
        nginx::Nginx,
    },
};
use tokio::time::{Instant, sleep};

const PUBLISH_KEY: &str = "entry-legs";

fn relay() -> Relay {
    let config = RelayConfig {
        ingest: Some(Ingest {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            publish_key: PUBLISH_KEY.into(),
        }),
        srt: None,
        idle: Idle::Nothing,
        failover: Failover::default(),
        hls: None,
        outputs_max: 10,
        policy: DialPolicy::Local,
        resolver: Arc::new(SystemResolver),
        certificates: None,
        clock: Arc::new(ManualClock::default()),
    };
    Relay::start(config).unwrap()
}

/// One leg of a destination, to an nginx.
fn leg(destination: &str, leg: Leg, nginx: &Nginx, key: &str) -> OutputSpec {
    let whole = nginx.url(key);
    let url = whole.strip_suffix(&format!("/{key}")).unwrap();
    OutputSpec {
        id: OutputId {
            destination: destination.parse().unwrap(),
            leg,
        },
        fingerprint: Fingerprint(HashKey::new([1; 32]).digest([whole.as_bytes()])),
        target: PushTarget {
            url: url.parse().unwrap(),
            tail: None,
            key: Some(StreamKey::new(key).unwrap()),
        },
        switch: Switch::On,
    }
}

async fn push(router: &RelayRouter, spec: &OutputSpec) {
    let specs = std::slice::from_ref(spec);
    router.apply(specs).await.remove(0).unwrap();
}

async fn detach(router: &RelayRouter, spec: &OutputSpec) {
    let ids = std::slice::from_ref(&spec.id);
    router.detach(ids).await.remove(0).unwrap();
}

/// Waits until an output fares like this.
async fn until(
    router: &RelayRouter,
    spec: &OutputSpec,
    is_it: impl Fn(&OutputHealth) -> bool + Send + Sync,
) -> OutputHealth {
    let begun = Instant::now();
    loop {
        let observed = router.observe().await.unwrap();
        let output = observed.into_iter().find(|it| it.id == spec.id).unwrap();
        if is_it(&output.health) {
            return output.health;
        }
        assert!(begun.elapsed() < PATIENCE, "still {:?}", output.health);
        sleep(Duration::from_millis(10)).await;
    }
}

#[expect(clippy::print_stdout, reason = "it tells what it measured")]
#[tokio::test]
#[ignore = "needs ffmpeg and nginx-rtmp; scripts/test runs it"]
async fn a_backup_leg_records_clean_video_after_the_primary_is_killed() {
    let clip = Clip::of(20).file();
    let relay = relay();
    let (router, probe) = (relay.router(), relay.probe());
    let (mut first, second, other) = (Nginx::start(), Nginx::start(), Nginx::start());
    let primary = leg("dest-1", Leg::Primary, &first, "both");
    let backup = leg("dest-1", Leg::Backup, &second, "both");
    let sibling = leg("dest-2", Leg::Primary, &other, "sibling");

    // Before anything goes out, both servers are asked, as deep as a push would go.
    for spec in [&primary, &backup] {
        let finding = probe.probe(&spec.target, Depth::Publish).await.unwrap();
        assert!(finding.is_good(), "{finding:?}");
    }

    push(&router, &primary).await;
    push(&router, &sibling).await;
    let ingest = relay.ingest_address().unwrap();
    let mut encoder = publish(&clip, &format!("rtmp://{ingest}/live/{PUBLISH_KEY}"));
    until(&router, &primary, |it| 60 < it.progress.frames_sent).await;

    first.process.kill();
    let killed = Instant::now();
    let health = until(&router, &primary, |it| {
        it.state == OutputState::Reconnecting
    })
    .await;
    let noticed = killed.elapsed();
    assert_eq!(health.fault.unwrap().code, FaultCode::RemoteClosed);
    let finding = probe.probe(&primary.target, Depth::Connect).await.unwrap();
    assert_eq!(finding.fault().unwrap().code, FaultCode::Refused);

    detach(&router, &primary).await;
    let attached = Instant::now();
    push(&router, &backup).await;
    until(&router, &backup, |it| 0 < it.progress.frames_sent).await;
    let took = attached.elapsed();
    println!("noticed after {noticed:?}, first frame of the backup after {took:?}");

    assert!(encoder.ends(PATIENCE).success());
    detach(&router, &backup).await;
    detach(&router, &sibling).await;
    // The first publish there was that of the test.
    assert!(second.saw_a_proper_end("both"));
    let recording = second.finished("both", 2).remove(1);
    let counts = is_one_run_of(&recording, &clip);
    assert!(150 < counts[&Kind::Video], "{counts:?}");
    decodes_clean(recording.to_str().unwrap(), None);
    let recording = other.recording("sibling");
    assert_eq!(is_one_run_of(&recording, &clip)[&Kind::Video], 600);
    relay.shutdown().await;
}
