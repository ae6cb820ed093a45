//! The inputs of sources, and their security groups.

use std::{sync::Arc, time::Duration};

use lunora_aws::medialive::{InputSpec, SourceInput, SourceInputs, SrtEncryption, SrtKey};
use lunora_core::{
    domain::{SourceId, StreamKey},
    port::{ErrorKind, PortError},
};
use lunora_testkit::{
    aws::{Fault, Matcher},
    sample::{self, CANARY},
};
use serde_json::{Value, json};

use crate::support::{Stage, ask, printed};

fn inputs(stage: &Stage) -> SourceInputs {
    of_deployment(stage, "prod")
}

fn of_deployment(stage: &Stage, deployment: &str) -> SourceInputs {
    let (budget, hash_key) = (Arc::clone(&stage.budget), sample::hash_key());
    SourceInputs::new(&stage.client, budget, deployment.parse().unwrap(), hash_key)
}

fn source(n: u64) -> SourceId {
    sample::source_id(n)
}

fn rtmp(name: &str) -> InputSpec {
    InputSpec::RtmpPush {
        names: vec![name.into()],
        callers: vec!["203.0.113.0/24".parse().unwrap()],
    }
}

fn encryption() -> SrtEncryption {
    SrtEncryption {
        key: SrtKey::Aes256,
        passphrase: sample::feed(1).passphrase,
    }
}

/// One of each kind that can be made; those that are pushed to first.
fn specs(flow: &str) -> Vec<InputSpec> {
    let callers = vec!["198.51.100.7/32".parse().unwrap()];
    let latency = 200.try_into().unwrap();
    let stream_id = Some(StreamKey::new(CANARY).unwrap());
    vec![
        rtmp(&format!("live/{CANARY}")),
        InputSpec::RtpPush {
            callers: callers.clone(),
        },
        InputSpec::SrtListener {
            latency,
            encryption: encryption(),
            stream_id: stream_id.clone(),
            callers,
        },
        InputSpec::SrtCaller {
            address: "203.0.113.9:9000".parse().unwrap(),
            latency,
            encryption: Some(encryption()),
            stream_id,
        },
        InputSpec::UrlPull {
            urls: vec![format!("https://origin.example.com/a?token={CANARY}").into()],
        },
        InputSpec::MediaConnect {
            flows: vec![flow.parse().unwrap()],
            role: "arn:aws:iam::123456789012:role/MediaLiveAccessRole".to_owned(),
        },
    ]
}

/// What there is of the kind, but for what the channel of the stage has.
fn there(stage: &Stage, path: &str, list: &str) -> Vec<Value> {
    let all = ask(&stage.simulator, "GET", path, &Value::Null);
    let all = all[list].as_array().unwrap().iter();
    let others = all.filter(|it| it["state"] != "ATTACHED" && it["state"] != "DELETED");
    others.cloned().collect()
}

fn inputs_there(stage: &Stage) -> Vec<Value> {
    there(stage, "/prod/inputs", "inputs")
}

fn groups_there(stage: &Stage) -> Vec<Value> {
    there(stage, "/prod/inputSecurityGroups", "inputSecurityGroups")
}

async fn removed(inputs: &SourceInputs, source: &SourceId) {
    for _ in 0..20 {
        match inputs.remove(source).await {
            Ok(()) => return,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                tokio::time::sleep(error.retry_after().unwrap_or_default()).await;
            }
        }
    }
    panic!("it is never removed");
}

#[tokio::test]
async fn an_input_of_each_kind_is_made_found_again_and_removed() {
    let stage = Stage::new().await;
    let inputs = inputs(&stage);
    let flow = stage.simulator.running_flow("contribution");
    for (n, spec) in (0..).zip(specs(&flow)) {
        let source = source(n);
        let made = inputs.ensure(&source, &spec).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(inputs.ensure(&source, &spec).await.unwrap(), made);

        let [input] = &inputs_there(&stage)[..] else {
            panic!("one input");
        };
        assert_eq!(input["id"], made.input.as_str());
        assert_eq!(input["name"], format!("lunora-prod-{source}"));
        assert_eq!(input["tags"]["lunora:source"], source.as_str());
        let groups = groups_there(&stage);
        assert_eq!(groups.len(), usize::from(n < 3));
        let group = groups.first().and_then(|group| group["id"].as_str());
        assert_eq!(
            made.security_group
                .as_ref()
                .map(ToString::to_string)
                .as_deref(),
            group
        );
        assert!(!format!("{made:?} {inputs:?} {spec:?}").contains(CANARY));

        removed(&inputs, &source).await;
        assert_eq!(
            (inputs_there(&stage), groups_there(&stage)),
            (vec![], vec![])
        );
        inputs.remove(&source).await.unwrap();
    }
}

#[tokio::test]
async fn an_input_can_be_made_again_after_it_was_removed() {
    let stage = Stage::new().await;
    let inputs = inputs(&stage);
    for spec in [
        rtmp("live/a"),
        specs(&stage.simulator.running_flow("f")).remove(4),
    ] {
        let first = inputs.ensure(&source(1), &spec).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        removed(&inputs, &source(1)).await;
        let second = inputs.ensure(&source(1), &spec).await.unwrap();

        assert_ne!(first.input, second.input);
        tokio::time::sleep(Duration::from_secs(1)).await;
        removed(&inputs, &source(1)).await;
    }
}

#[tokio::test]
async fn ndi_is_unsupported_and_says_the_way() {
    let stage = Stage::new().await;
    let refused = inputs(&stage)
        .ensure(&source(1), &InputSpec::Ndi)
        .await
        .unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(
        refused.reason().unwrap().contains("MediaConnect flow"),
        "{refused}"
    );
    assert_eq!(stage.simulator.calls(), []);
}

#[tokio::test]
async fn what_could_not_be_made_is_refused_before_anything_is_made() {
    let stage = Stage::new().await;
    let refusals = [
        InputSpec::RtmpPush {
            names: vec![],
            callers: vec!["0.0.0.0/0".parse().unwrap()],
        },
        InputSpec::RtmpPush {
            names: vec!["a/b".into()],
            callers: vec![],
        },
        InputSpec::RtpPush { callers: vec![] },
        InputSpec::UrlPull { urls: vec![] },
    ];
    for spec in refusals {
        let refused = inputs(&stage).ensure(&source(1), &spec).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    }
    assert_eq!(stage.simulator.calls(), []);
}

#[tokio::test]
async fn an_input_with_other_settings_is_not_changed_under_the_channel() {
    let stage = Stage::new().await;
    let inputs = inputs(&stage);
    inputs.ensure(&source(1), &rtmp("live/a")).await.unwrap();
    let before = inputs_there(&stage);
    let refused = inputs
        .ensure(&source(1), &rtmp(&format!("live/{CANARY}")))
        .await
        .unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(!printed(&refused).contains(CANARY));
    assert_eq!(inputs_there(&stage), before);
}

#[tokio::test]
async fn what_is_not_ours_is_neither_taken_nor_removed() {
    let stage = Stage::new().await;
    let ours = inputs(&stage);
    // Somebody's input of our name, and those of another deployment and another source.
    let name = format!("lunora-prod-{}", source(1));
    let url = json!([{ "url": "http://a.example.com/" }]);
    let theirs = json!({ "name": name, "type": "URL_PULL", "sources": url });
    ask(&stage.simulator, "POST", "/prod/inputs", &theirs);
    let staging = of_deployment(&stage, "staging");
    staging.ensure(&source(1), &rtmp("live/a")).await.unwrap();
    ours.ensure(&source(2), &rtmp("live/a")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (inputs, groups) = (inputs_there(&stage), groups_there(&stage));

    ours.ensure(&source(1), &rtmp("live/a")).await.unwrap();
    assert_eq!(inputs_there(&stage).len(), inputs.len() + 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    removed(&ours, &source(1)).await;
    assert_eq!(
        (inputs_there(&stage), groups_there(&stage)),
        (inputs, groups)
    );
}

#[tokio::test]
async fn an_input_that_is_attached_stays_and_so_does_its_group() {
    let stage = Stage::new().await;
    let inputs = inputs(&stage);
    let SourceInput { input, .. } = inputs.ensure(&source(1), &rtmp("live/a")).await.unwrap();
    let role = stage.described()["roleArn"].clone();
    let mut attachments = stage.described()["inputAttachments"].clone();
    attachments[1]["inputId"] = json!(input.as_str());
    let path = format!("/prod/channels/{}", stage.id);
    let edit = json!({ "roleArn": role, "inputAttachments": attachments });
    ask(&stage.simulator, "PUT", &path, &edit);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let refused = inputs.remove(&source(1)).await.unwrap_err();

    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(
        refused.reason().unwrap().contains(stage.id.as_str()),
        "{refused}"
    );
    assert_eq!(groups_there(&stage).len(), 1);
    assert_eq!(
        stage.count("DeleteInput") + stage.count("DeleteInputSecurityGroup"),
        0
    );
}

#[tokio::test]
async fn a_caller_that_dies_at_any_call_leaves_nothing_twice_and_nothing_behind() {
    let mut were_over = [false; 2];
    for calls in 0..12 {
        let stage = Stage::new().await;
        let inputs = inputs(&stage);
        let spec = rtmp("live/a");
        were_over[0] |= dying(&stage, calls, inputs.ensure(&source(1), &spec)).await;
        inputs.ensure(&source(1), &spec).await.unwrap();
        let counts = (inputs_there(&stage).len(), groups_there(&stage).len());
        assert_eq!(counts, (1, 1), "died after {calls} calls");

        tokio::time::sleep(Duration::from_secs(1)).await;
        were_over[1] |= dying(&stage, calls, inputs.remove(&source(1))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        removed(&inputs, &source(1)).await;
        let left = (inputs_there(&stage), groups_there(&stage));
        assert_eq!(left, (vec![], vec![]), "died after {calls} calls");
    }
    assert_eq!(were_over, [true, true]);
}

/// Runs it until the caller dies. Returns whether it came to its end.
async fn dying<T>(
    stage: &Stage,
    calls: usize,
    work: impl Future<Output = Result<T, PortError>>,
) -> bool {
    stage.simulator.forget_calls();
    stage.simulator.crash_after(calls);
    drop(work.await);
    stage.simulator.clear_faults();
    stage.simulator.calls().len() <= calls
}

#[tokio::test]
async fn a_lost_reply_leaves_nothing_twice() {
    for fault in [Fault::RequestLost, Fault::ReplyLost, Fault::Status(503)] {
        for operation in [
            "ListInputs",
            "ListInputSecurityGroups",
            "CreateInputSecurityGroup",
            "CreateInput",
            "DeleteInput",
            "DeleteInputSecurityGroup",
        ] {
            let stage = Stage::new().await;
            let inputs = inputs(&stage);
            stage.simulator.fault(Matcher::operation(operation), fault);
            inputs.ensure(&source(1), &rtmp("live/a")).await.unwrap();
            assert_eq!(inputs_there(&stage).len(), 1, "{fault:?} of {operation}");

            tokio::time::sleep(Duration::from_secs(1)).await;
            // One that AWS knows no request id for may be there twice, until it is removed.
            removed(&inputs, &source(1)).await;
            let left = (inputs_there(&stage), groups_there(&stage));
            assert_eq!(left, (vec![], vec![]), "{fault:?} of {operation}");
        }
    }
}
