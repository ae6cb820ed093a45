//! What must not be seen is not seen (rule 21).

use lunora_core::{
    SecretString,
    domain::{FaultCode, PushTarget, StreamKey, Switch},
    port::OutputRouter,
};
use lunora_relay::{Idle, sink::Behaviour};

use crate::support::{Encoder, PUBLISH_KEY, Stage, logged, sink, spec};

#[tokio::test]
async fn no_key_and_no_url_tail_is_in_a_log_a_fault_or_a_debug_text() {
    const KEY: &str = "stream-key-canary-93f2c4";
    const TAIL: &str = "tail-canary-51ab07";
    let (stage, sink) = (Stage::start(Idle::Demo), sink().await);
    let mut told = spec(
        1,
        &format!("rtmp://{}/app", sink.address()),
        KEY,
        Switch::On,
    );
    let tail = Some(SecretString::from(format!("/{TAIL}?token={TAIL}")));
    told.target = PushTarget {
        tail,
        key: Some(StreamKey::new(KEY).unwrap()),
        ..told.target
    };

    // A platform that repeats what it was told, in every way.
    let code = "NetStream.Publish.Denied".to_owned();
    let description = format!("no such stream: {KEY} in app/{TAIL}?token={TAIL}");
    sink.behave(Behaviour::Reject { code, description });
    stage
        .router
        .apply(std::slice::from_ref(&told))
        .await
        .remove(0)
        .unwrap();
    let health = stage.until_fault(&told.id, FaultCode::AuthRejected).await;
    let _ = Encoder::publish(stage.address(), "wrong-key-canary-1b2c")
        .await
        .unwrap_err();
    drop(stage.encoder().await);
    sink.behave(Behaviour::Take);
    stage.retry(&told.id).await;
    stage
        .until_health(&told.id, |health| health.fault.is_none())
        .await;

    let observed = stage.router.observe().await.unwrap();
    let config = Stage::config(Idle::Demo, None);
    let publishes = sink.publishes();
    let printed =
        format!("{health:?} {observed:?} {told:?} {stage:?} {config:?} {sink:?} {publishes:?}");
    stage.relay.shutdown().await;
    let log = logged();
    assert!(log.contains("refused an encoder"), "the log is kept");
    for secret in [KEY, TAIL, PUBLISH_KEY, "wrong-key-canary-1b2c"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
}
