//! What others do to flows and to outputs, ours and theirs.

use aws_sdk_mediaconnect::types::{AddOutputRequest, OutputStatus, Protocol};
use lunora_core::{
    domain::{OutputSpec, Switch},
    port::OutputRouter,
};
use lunora_testkit::{aws::Modes, sample};

use crate::support::{Stage, name_of};

/// Without RTMP, whose settings the SDK cannot write.
fn srt(n: u64) -> OutputSpec {
    let mut target = sample::target(n);
    target.url = format!("srt://203.0.113.{n}:5000").parse().unwrap();
    target.key = None;
    sample::spec_to(n, target)
}

fn by_hand(name: &str, spec: &OutputSpec) -> AddOutputRequest {
    AddOutputRequest::builder()
        .name(name)
        .protocol(Protocol::SrtCaller)
        .destination(spec.target.url.host().to_string())
        .port(spec.target.url.port().into())
        .build()
}

#[tokio::test(start_paused = true)]
async fn rule_11_what_others_made_is_neither_shown_nor_touched() {
    let stage = Stage::new(Modes::default());
    let head = stage.flows[0].as_str();
    let names = [
        "feed",
        "lunora-prod-dest_1-primary",
        "lunora-test-dest_1-third",
    ];
    for (n, name) in (10..).zip(names) {
        let call = stage.client().add_flow_outputs().flow_arn(head);
        call.outputs(by_hand(name, &srt(n))).send().await.unwrap();
        stage.pass(10).await;
    }
    assert_eq!(stage.observed().await, []);
    stage.applied(&[sample::spec(1)]).await;
    for result in stage
        .router
        .detach(&[sample::output_id(1), sample::output_id(2)])
        .await
    {
        result.unwrap();
    }
    let left = stage.simulator.outputs().into_iter().map(|it| it.name);
    assert_eq!(left.collect::<Vec<_>>(), names);
}

#[tokio::test(start_paused = true)]
async fn rule_11_what_was_moved_by_hand_is_seen_and_repaired() {
    let stage = Stage::new(Modes::default());
    let spec = srt(1);
    stage.applied(std::slice::from_ref(&spec)).await;
    let arn = stage.seen(&spec.id)[0].arn.clone();
    stage.pass(10).await;
    let client = stage.client();
    let call = || {
        client
            .update_flow_output()
            .flow_arn(stage.flows[0].as_str())
            .output_arn(&arn)
    };
    for step in 0..4 {
        let call = match step {
            0 => call().destination("203.0.113.99"),
            1 => call().port(5999),
            2 => call().description("Facebook, do not touch"),
            _ => call().output_status(OutputStatus::Disabled),
        };
        call.send().await.unwrap();
        stage.pass(10).await;

        let drifted = stage.observed_one(&spec.id).await;
        let differs = drifted.fingerprint != spec.fingerprint || drifted.switch != spec.switch;
        assert!(differs, "{step}");
        stage.applied(std::slice::from_ref(&spec)).await;
        stage.pass(10).await;
        let repaired = stage.observed_one(&spec.id).await;
        assert_eq!(repaired.fingerprint, spec.fingerprint, "{step}");
        assert_eq!(repaired.switch, Switch::On, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_11_an_output_without_our_description_is_told_everything() {
    let stage = Stage::new(Modes::default());
    let spec = srt(1);
    let call = stage
        .client()
        .add_flow_outputs()
        .flow_arn(stage.flows[0].as_str());
    let output = by_hand(&name_of(&spec.id), &spec);
    call.outputs(output).send().await.unwrap();
    stage.pass(10).await;

    assert_ne!(
        stage.observed_one(&spec.id).await.fingerprint,
        spec.fingerprint
    );
    stage.applied(std::slice::from_ref(&spec)).await;
    assert_eq!(
        stage.observed_one(&spec.id).await.fingerprint,
        spec.fingerprint
    );
}

#[tokio::test(start_paused = true)]
async fn of_an_output_on_two_flows_one_is_kept() {
    // Which one is wanted on the child is on and right; otherwise the head's is kept.
    for kept in [0, 1] {
        let stage = Stage::new(Modes::default());
        let spec = srt(1);
        stage.applied(std::slice::from_ref(&spec)).await;
        let right = stage.seen(&spec.id)[0].description.clone().unwrap();
        let name = name_of(&spec.id);
        stage.pass(10).await;
        let client = stage.client();
        let call = client.add_flow_outputs().flow_arn(stage.flows[1].as_str());
        let mut output = by_hand(&name, &spec);
        if kept == 1 {
            output.description = Some(right);
            let arn = stage.seen(&spec.id)[0].arn.clone();
            let call = client
                .update_flow_output()
                .flow_arn(stage.flows[0].as_str());
            let call = call.output_arn(arn).output_status(OutputStatus::Disabled);
            call.send().await.unwrap();
        }
        call.outputs(output).send().await.unwrap();
        stage.pass(10).await;

        let observed = stage.observed().await;
        assert_eq!(observed.len(), 1);
        assert_ne!(
            observed[0].fingerprint, spec.fingerprint,
            "so that it is updated"
        );
        stage.applied(std::slice::from_ref(&spec)).await;
        assert_eq!(stage.flow_of(&spec.id), kept);
        let observed = stage.observed().await;
        assert_eq!(observed[0].fingerprint, spec.fingerprint);

        for result in stage.router.detach(&[spec.id]).await {
            result.unwrap();
        }
        assert_eq!(stage.observed().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_detach_takes_an_output_from_every_flow() {
    let stage = Stage::new(Modes::default());
    let spec = srt(1);
    for flow in &stage.flows {
        let call = stage.client().add_flow_outputs().flow_arn(flow.as_str());
        let output = by_hand(&name_of(&spec.id), &spec);
        call.outputs(output).send().await.unwrap();
        stage.pass(10).await;
    }
    for result in stage.router.detach(&[spec.id]).await {
        result.unwrap();
    }
    assert_eq!(stage.observed().await, []);
}
