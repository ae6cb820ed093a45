//! Flows themselves.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_mediaconnect::Client;
use lunora_aws::mediaconnect::{
    Codec, Failover, FailoverMode, FlowControl, FlowStatus, SourceSettings, SourceTransport,
    SrtDecryption,
};
use lunora_core::port::ErrorKind;
use lunora_testkit::aws::{Fault, Matcher, Modes, Updating};

use crate::support::{Stage, budget, sdk_config_with};

fn control(stage: &Stage) -> FlowControl {
    FlowControl::new(stage.client(), budget(stage.clock))
}

fn srt(port: u16) -> SourceSettings {
    SourceSettings {
        transport: SourceTransport::SrtListener {
            port,
            allow: "203.0.113.0/24".parse().unwrap(),
            min_latency_ms: Some(200),
            decryption: Some(SrtDecryption {
                secret: "arn:aws:secretsmanager:us-west-2:123456789012:secret:srt"
                    .parse()
                    .unwrap(),
                role: "arn:aws:iam::123456789012:role/media".parse().unwrap(),
            }),
        },
        description: Some("the second one".to_owned()),
    }
}

fn switching() -> Failover {
    Failover::On {
        mode: FailoverMode::Switch,
        recovery_window_ms: None,
        primary: Some("main".parse().unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_shown() {
    let stage = Stage::new(Modes::default());
    let flow = control(&stage).describe(&stage.flows[0]).await.unwrap();

    assert_eq!(flow.name, "head");
    assert_eq!(flow.status, FlowStatus::Active);
    assert_eq!(flow.outputs, 0);
    assert_eq!(flow.failover, Failover::Off);
    assert_eq!(flow.sources.len(), 1);
    let source = &flow.sources[0];
    assert_eq!(source.name, "main");
    assert_eq!(source.protocol.as_deref(), Some("srt-listener"));
    assert_eq!(source.ingest_port, Some(5000));
    stage
        .simulator
        .break_flow(stage.flows[0].as_str(), "out of order");
    let flow = control(&stage).describe(&stage.flows[0]).await.unwrap();
    assert_eq!(flow.status, FlowStatus::Error);
    assert_eq!(flow.errors, ["out of order"]);
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_started_and_stopped_again_and_again() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    let status = async || control.describe(flow).await.unwrap().status;
    for _ in 0..2 {
        // It runs, or stands, or is on the way.
        for _ in 0..2 {
            control.start(flow).await.unwrap();
        }
        stage.pass(30).await;
        control.start(flow).await.unwrap();
        assert_eq!(status().await, FlowStatus::Active);
        for _ in 0..2 {
            control.stop(flow).await.unwrap();
        }
        stage.pass(30).await;
        control.stop(flow).await.unwrap();
        assert_eq!(status().await, FlowStatus::Standby);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_for_a_stop() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    control.stop(flow).await.unwrap();
    control.start(flow).await.unwrap();
    stage.pass(30).await;
    let status = control.describe(flow).await.unwrap().status;
    assert_eq!(status, FlowStatus::Active);
}

/// A flow that stands may be UPDATING for a moment, too; the simulator's never is.
#[tokio::test(start_paused = true)]
async fn rule_14_a_start_that_meets_a_change_of_a_flow_that_stands_starts_it_all_the_same() {
    let stage = Stage::new(Modes::default());
    let flow = &stage.flows[0];
    control(&stage).stop(flow).await.unwrap();
    stage.pass(30).await;
    let looks = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&looks);
    let sdk = sdk_config_with(&stage.simulator, move |request, body| {
        let is_look = request.method == "GET" && seen.fetch_add(1, Ordering::Relaxed) == 0;
        if !is_look {
            return body;
        }
        let text = String::from_utf8(body).unwrap();
        text.replace("\"STANDBY\"", "\"UPDATING\"").into_bytes()
    });
    let control = FlowControl::new(Client::new(&sdk), budget(stage.clock));
    let refused = Fault::Status(400);
    let start = Matcher::operation("StartFlow");
    stage.simulator.fault(start, refused);

    control.start(flow).await.unwrap();

    assert!(0 < looks.load(Ordering::Relaxed));
    stage.pass(30).await;
    let status = control.describe(flow).await.unwrap().status;
    assert_eq!(status, FlowStatus::Active);
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_reply_was_lost_is_seen_to_be_done() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    control.stop(flow).await.unwrap();
    stage.pass(30).await;
    let start = Matcher::operation("StartFlow");
    stage.simulator.fault(start, Fault::ReplyLost);
    control.start(flow).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_is_not_there_is_an_operators_business() {
    let stage = Stage::new(Modes::default());
    let nowhere = "arn:aws:mediaconnect:us-west-2:123456789012:flow:1-x:nowhere";
    let nowhere = nowhere.parse().unwrap();
    let control = control(&stage);
    let errors = [
        control.describe(&nowhere).await.unwrap_err(),
        control.start(&nowhere).await.unwrap_err(),
        control.stop(&nowhere).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_source_comes_and_goes() {
    for updating in [Updating::Refuses, Updating::Takes, Updating::Unseen] {
        let stage = Stage::new(Modes {
            updating,
            ..Modes::default()
        });
        let (control, flow) = (control(&stage), &stage.flows[0]);
        let second = "second".parse().unwrap();
        for _ in 0..2 {
            control.set_failover(flow, &switching()).await.unwrap();
        }
        for port in [5001, 5001, 5002] {
            control.put_source(flow, &second, &srt(port)).await.unwrap();
            let shown = control.describe(flow).await.unwrap();
            assert_eq!(shown.failover, switching());
            assert_eq!(shown.sources.len(), 2, "{updating:?}");
            assert_eq!(shown.sources[1].ingest_port, Some(port));
            assert_eq!(shown.sources[1].allow.as_deref(), Some("203.0.113.0/24"));
        }
        for _ in 0..2 {
            control.remove_source(flow, &second).await.unwrap();
        }
        control.set_failover(flow, &Failover::Off).await.unwrap();
        let shown = control.describe(flow).await.unwrap();
        assert_eq!((shown.sources.len(), shown.failover), (1, Failover::Off));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_can_be_of_each_transport() {
    use SourceTransport as T;

    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    control.set_failover(flow, &switching()).await.unwrap();
    let allow = || "203.0.113.0/24".parse().unwrap();
    let caller = T::SrtCaller {
        host: "far.example".to_owned(),
        port: 5000,
        stream_id: Some("stream-id".into()),
        min_latency_ms: None,
        decryption: None,
    };
    let rist = T::Rist {
        port: 5004,
        allow: allow(),
        max_latency_ms: Some(500),
    };
    let zixi = T::ZixiPush {
        allow: allow(),
        stream_id: Some("stream-id".into()),
        max_latency_ms: Some(500),
    };
    let rtp = T::Rtp {
        port: 5010,
        allow: allow(),
    };
    let fec = T::RtpFec {
        port: 5020,
        allow: allow(),
    };
    // SRT with SRT only, as they stand in for each other.
    let second = "second".parse().unwrap();
    let settings = |transport| SourceSettings {
        transport,
        description: None,
    };
    control
        .put_source(flow, &second, &settings(caller))
        .await
        .unwrap();
    control.remove_source(flow, &second).await.unwrap();

    control.set_failover(flow, &Failover::Off).await.unwrap();
    let main = "main".parse().unwrap();
    for (transport, protocol) in [
        (rist, "rist"),
        (zixi, "zixi-push"),
        (rtp, "rtp"),
        (fec, "rtp-fec"),
    ] {
        control
            .put_source(flow, &main, &settings(transport))
            .await
            .unwrap();
        let shown = control.describe(flow).await.unwrap();
        assert_eq!(shown.sources[0].protocol.as_deref(), Some(protocol));
    }
}

/// An update that leaves a decryption out may leave it as it is, and none takes it away.
#[tokio::test(start_paused = true)]
async fn a_source_that_is_encrypted_is_not_said_to_be_in_the_clear() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    let main = "main".parse().unwrap();
    control.put_source(flow, &main, &srt(5000)).await.unwrap();
    let mut clear = srt(5000);
    if let SourceTransport::SrtListener { decryption, .. } = &mut clear.transport {
        *decryption = None;
    }
    let refused = control.put_source(flow, &main, &clear).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.reason().unwrap().contains("remove the source"));
    let shown = control.describe(flow).await.unwrap();
    assert!(shown.sources[0].is_encrypted);
}

#[tokio::test(start_paused = true)]
async fn the_last_source_stays() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    let main = "main".parse().unwrap();
    let error = control.remove_source(flow, &main).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_is_told() {
    let stage = Stage::new(Modes::default());
    let (control, flow) = (control(&stage), &stage.flows[0]);
    let format = control.source_format(flow).await.unwrap();
    let codecs: Vec<Codec> = format.streams.iter().map(|it| it.codec).collect();
    assert_eq!(codecs, [Codec::H264, Codec::Aac]);
    assert_eq!(format.streams[0].resolution, Some((1920, 1080)));

    stage.simulator.set_source(flow.as_str(), "main", None);
    let format = control.source_format(flow).await.unwrap();
    assert_eq!(format.streams, []);
}
