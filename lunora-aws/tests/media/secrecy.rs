//! What no log shows.

use lunora_core::{SecretString, domain::StreamKey, port::OutputRouter};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes},
    sample,
};

use crate::{log::log, support::Stage};

const CANARY: &str = "canary-of-media-5f0c";

#[tokio::test(start_paused = true)]
async fn rule_21_nothing_is_logged_of_a_stream_key_at_any_level() {
    let log = log();
    let stage = Stage::new(Modes::default());
    let mut rtmp = sample::target(1);
    rtmp.key = StreamKey::new(CANARY).ok();
    rtmp.tail = Some(SecretString::from(format!("/{CANARY}?token={CANARY}")));
    let mut srt = sample::target(2);
    srt.url = "srt://203.0.113.7:5000".parse().unwrap();
    srt.key = StreamKey::new(CANARY).ok();
    let specs = [sample::spec_to(1, rtmp.clone()), sample::spec_to(2, srt)];

    stage.applied(&specs).await;
    stage.pass(10).await;
    rtmp.url = "rtmp://203.0.113.8:1935/app".parse().unwrap();
    stage.applied(&[sample::spec_to(1, rtmp)]).await;
    // A refusal, and an answer that never comes.
    let mut bad = specs[1].clone();
    bad.target.url = "srt://under_score.example:5000".parse().unwrap();
    let refused = format!("{:?}", stage.apply(&[bad.clone()]).await);
    for _ in 0..4 {
        let update = Matcher::operation("UpdateFlowOutput");
        stage.simulator.fault(update, Fault::ReplyLost);
    }
    bad.target.url = "srt://203.0.113.9:5000".parse().unwrap();
    let lost = format!("{:?}", stage.apply(&[bad]).await);
    let observed = format!("{:?} {:?}", stage.observed().await, stage.router);
    stage
        .router
        .detach(&[specs[0].id.clone()])
        .await
        .pop()
        .unwrap()
        .unwrap();

    for printed in [refused, lost, observed] {
        assert!(!printed.contains(CANARY), "{printed}");
    }
    let text = log.text();
    // The log works: it has the calls that hold no secret.
    assert!(text.contains("RemoveFlowOutput"));
    assert!(!text.contains(CANARY));
    let bytes: Vec<String> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    assert!(!text.contains(&bytes.join(", ")));
}
