//! What is said of outputs, by what MediaConnect tells and by what it does not.

use std::sync::Arc;

use lunora_aws::mediaconnect::{Evidence, EvidenceStore, FlowPool, FlowRouter};
use lunora_core::{
    domain::{FaultCode, OutputState, Switch},
    port::{ErrorKind, OutputRouter, PortError},
};
use lunora_testkit::{
    aws::{HealthState, Modes, Updating},
    sample,
};

use crate::support::{Stage, budget, deployment, name_of};

async fn state(stage: &Stage) -> (OutputState, Option<FaultCode>) {
    let health = stage.observed_one(&sample::output_id(1)).await.health;
    (health.state, health.fault.map(|it| it.code))
}

async fn live() -> Stage {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    stage.pass(10).await;
    stage.deliver_events().await;
    assert_eq!(state(&stage).await, (OutputState::Live, None));
    stage
}

#[tokio::test(start_paused = true)]
async fn rule_3_an_output_is_live_when_an_event_says_that_it_sends() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    assert_eq!(state(&stage).await, (OutputState::Connecting, None));
    stage.pass(10).await;
    assert_eq!(state(&stage).await, (OutputState::Connecting, None));
    stage.deliver_events().await;
    assert_eq!(state(&stage).await, (OutputState::Live, None));
}

#[tokio::test(start_paused = true)]
async fn rule_3_an_output_of_which_nothing_is_heard_is_unconfirmed() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[sample::spec(1)]).await;
    stage.pass(62).await;
    assert_eq!(state(&stage).await, (OutputState::Unconfirmed, None));
}

#[tokio::test(start_paused = true)]
async fn rule_3_what_was_heard_before_a_change_says_nothing() {
    let stage = live().await;
    stage
        .applied(&[sample::spec_to(1, sample::target(2))])
        .await;
    assert_eq!(state(&stage).await, (OutputState::Connecting, None));
    stage.pass(10).await;
    stage.deliver_events().await;
    assert_eq!(state(&stage).await, (OutputState::Live, None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_and_its_reason_not_guessed() {
    let stage = live().await;
    let (head, name) = (stage.flows[0].as_str(), name_of(&sample::output_id(1)));
    let simulator = &stage.simulator;
    simulator.set_output_health(head, &name, HealthState::Disconnected);
    stage.deliver_events().await;
    let expected = (OutputState::Reconnecting, Some(FaultCode::Unknown));
    assert_eq!(state(&stage).await, expected);

    simulator.set_output_health(head, &name, HealthState::Connected);
    stage.pass(1).await;
    stage.deliver_events().await;
    assert_eq!(state(&stage).await, (OutputState::Connecting, None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_source_is_told() {
    let stage = live().await;
    let head = stage.flows[0].as_str();
    stage.simulator.set_source(head, "main", None);
    stage.pass(5).await;
    stage.deliver_events().await;
    let expected = (OutputState::WaitingForSource, Some(FaultCode::SourceLost));
    assert_eq!(state(&stage).await, expected);

    let signal = Some(lunora_testkit::aws::Signal::default());
    stage.simulator.set_source(head, "main", signal);
    stage.pass(5).await;
    stage.deliver_events().await;
    assert_eq!(state(&stage).await, (OutputState::Live, None));
}

#[tokio::test(start_paused = true)]
async fn rule_14_outputs_of_a_stopped_flow_are_prepared_and_wait() {
    let stage = Stage::new(Modes::default());
    let head = stage.flows[0].as_str();
    stage
        .client()
        .stop_flow()
        .flow_arn(head)
        .send()
        .await
        .unwrap();
    stage.pass(30).await;
    stage.applied(&[sample::spec(1)]).await;
    let expected = (OutputState::WaitingForSource, Some(FaultCode::FlowStopped));
    assert_eq!(state(&stage).await, expected);
}

#[tokio::test(start_paused = true)]
async fn rule_14_outputs_of_a_child_wait_for_the_head() {
    let stage = Stage::with_room(Modes::default(), 1);
    stage.applied(&[sample::spec(2), sample::spec(1)]).await;
    assert_eq!(stage.flow_of(&sample::output_id(1)), 1);
    let head = stage.flows[0].as_str();
    stage.pass(10).await;
    stage
        .client()
        .stop_flow()
        .flow_arn(head)
        .send()
        .await
        .unwrap();
    stage.pass(30).await;
    stage.deliver_events().await;
    let expected = (OutputState::WaitingForSource, Some(FaultCode::FlowStopped));
    assert_eq!(state(&stage).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_takes_in_a_change_of_another_output_is_not_said_to_be_stopped() {
    let stage = live().await;
    stage.applied(&[sample::spec(2)]).await;
    assert_eq!(state(&stage).await, (OutputState::Live, None));
}

#[tokio::test(start_paused = true)]
async fn a_retry_makes_a_disconnected_output_begin_anew_and_tells_it_nothing_else() {
    for modes in Modes::all() {
        let stage = Stage::new(modes);
        let id = sample::output_id(1);
        stage.applied(&[sample::spec(1)]).await;
        stage.pass(10).await;
        let head = stage.flows[0].as_str();
        stage
            .simulator
            .set_output_health(head, &name_of(&id), HealthState::Disconnected);
        stage.deliver_events().await;
        stage.pass(1).await;

        // Another process, which never knew the key.
        let another = stage.another_router();
        for result in another.retry(std::slice::from_ref(&id)).await {
            result.unwrap();
        }
        let name = name_of(&id);
        assert_eq!(stage.simulator.interruptions(head, &name), 1, "{modes:?}");
        stage.pass(10).await;
        stage.deliver_events().await;
        let observed = stage.observed_one(&id).await;
        assert_eq!(observed.fingerprint, sample::spec(1).fingerprint);
        assert_eq!(observed.switch, Switch::On);
        assert_eq!(observed.health.state, OutputState::Live, "{modes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_leaves_alone_what_is_not_known_to_be_disconnected() {
    let stage = Stage::new(Modes {
        updating: Updating::Unseen,
        ..Modes::default()
    });
    let ids = [sample::output_id(1)];
    stage.applied(&[sample::spec(1)]).await;
    for step in ["nothing heard", "live"] {
        stage.calls();
        for result in stage.router.retry(&ids).await {
            result.unwrap();
        }
        assert_eq!(stage.writes(), 0, "{step}");
        stage.pass(10).await;
        stage.deliver_events().await;
    }
}

#[tokio::test(start_paused = true)]
async fn rule_3_an_output_is_not_live_by_what_was_heard_before_its_flow_was_stopped() {
    for is_seen in [true, false] {
        let stage = live().await;
        let head = stage.flows[0].as_str();
        let client = stage.client();
        client.stop_flow().flow_arn(head).send().await.unwrap();
        stage.pass(600).await;
        if is_seen {
            // The events are lost, and a look shows it.
            let expected = (OutputState::WaitingForSource, Some(FaultCode::FlowStopped));
            assert_eq!(state(&stage).await, expected);
        } else {
            // Nobody looks, and the events come.
            stage.deliver_events().await;
        }
        client.start_flow().flow_arn(head).send().await.unwrap();
        stage.pass(15).await;
        let started = state(&stage).await.0;
        assert_ne!(started, OutputState::Live, "{is_seen}");
        stage.pass(10).await;
        stage.deliver_events().await;
        assert_eq!(state(&stage).await.0, OutputState::Live, "{is_seen}");
    }
}

/// A store that is away.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl EvidenceStore for Away {
    async fn note(&self, _: &Evidence) -> Result<(), PortError> {
        Err(PortError::new(ErrorKind::Unavailable, "note", "evidence"))
    }

    async fn all(&self) -> Result<Vec<Evidence>, PortError> {
        Err(PortError::new(ErrorKind::Unavailable, "read", "evidence"))
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_what_is_there_is_seen_though_nothing_can_be_heard() {
    let stage = live().await;
    let [head, child] = &stage.flows[..] else {
        panic!("two flows");
    };
    let pool = FlowPool::new(head.clone(), vec![child.clone()], 4).unwrap();
    let router = FlowRouter::new(
        stage.client(),
        pool,
        deployment(),
        budget(stage.clock),
        Arc::new(stage.clock),
        Arc::new(Away),
    );
    let client = stage.client();
    client
        .stop_flow()
        .flow_arn(head.as_str())
        .send()
        .await
        .unwrap();
    stage.pass(60).await;
    let observed = router.observe().await.unwrap();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].health.state, OutputState::WaitingForSource);
}
