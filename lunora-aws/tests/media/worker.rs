//! What wakes a worker, and what it does then.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_mediaconnect::Client;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use lunora_aws::{Handled, Worker, WorkerError, mediaconnect::EvidenceStore};
use lunora_core::{
    domain::{Leg, OutputId},
    plan::failover::Limits,
    port::{Clock, ControlStore, Lease, Repo},
    service::{Cause, DestinationPatch, Failover},
};
use lunora_testkit::{
    aws::{Modes, OutputStatus},
    sample,
    world::leg_edit,
};
use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, pass},
    support::{name_of, sdk_config},
};

fn worker(cloud: &Cloud, name: &str) -> Worker {
    Worker::new(
        cloud.process(name).reconciler,
        Arc::clone(&cloud.evidence) as Arc<dyn EvidenceStore>,
        "/lunora-test/streaming".parse().unwrap(),
        Arc::new(cloud.clock),
        SharedAsyncSleep::new(TokioSleep::new()),
    )
}

async fn handle(cloud: &Cloud, worker: &Worker, event: &Value) -> Handled {
    let until = cloud.clock.now() + Duration::from_secs(60);
    let event = event.to_string();
    worker.handle(event.as_bytes(), until).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_timer_makes_everything_as_it_is_wanted() {
    let cloud = Cloud::new(Modes::default(), 2, 50);
    for n in 1..=5 {
        cloud.store_running(n).await;
    }
    let timer = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});

    let handled = handle(&cloud, &worker(&cloud, "one"), &timer).await;

    let Handled::Passed(worked) = handled else {
        panic!("{handled:?}");
    };
    assert_eq!((worked.done, worked.failed, worked.unfinished), (5, 0, 0));
    assert_eq!(cloud.simulator.outputs().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn rule_10_a_worker_waits_for_the_lease_and_then_makes_its_pass() {
    let cloud = Cloud::new(Modes::default(), 1, 50);
    cloud.store_running(1).await;
    let now = cloud.clock.now();
    let lease = Lease {
        holder: "another".parse().unwrap(),
        at: now,
        until: now + Duration::from_secs(12),
    };
    let name = "router-writes".parse().unwrap();
    cloud.control.acquire(&name, &lease).await.unwrap();
    let worker = worker(&cloud, "one");

    // Too short a time: it says who has it, and did nothing.
    let until = cloud.clock.now() + Duration::from_secs(3);
    let worked = worker.pass(Cause::Routine, until).await.unwrap();
    assert_eq!(worked.elsewhere, Some("another".parse().unwrap()));
    assert_eq!(
        cloud.simulator.calls(),
        [],
        "it does not look at everything meanwhile"
    );

    let until = cloud.clock.now() + Duration::from_secs(60);
    let worked = worker.pass(Cause::Routine, until).await.unwrap();
    assert_eq!((worked.elsewhere, worked.done), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_stop_ends_an_output_while_another_flow_cannot_be_seen() {
    let cloud = Cloud::new(Modes::default(), 2, 2);
    for n in 1..=3 {
        cloud.store_running(n).await;
    }
    let process = cloud.process("one");
    pass(&process).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let client = Client::new(&sdk_config(&cloud.simulator));
    let child = cloud.flows[1].as_str();
    client.stop_flow().flow_arn(child).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    client.delete_flow().flow_arn(child).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    process.reconciler.look().await.unwrap_err();

    process
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();

    let outputs = cloud.simulator.outputs();
    let on = outputs
        .iter()
        .filter(|it| it.status == OutputStatus::Enabled);
    let on: Vec<&str> = on.map(|it| it.name.as_str()).collect();
    assert_eq!(on, [name_of(&sample::output_id(2))]);
    assert_eq!(outputs.len(), 2, "it keeps its place");
    assert_eq!(cloud.interruptions(&sample::destination_id(2)), 0);
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_health_event_is_kept_as_evidence() {
    let cloud = Cloud::new(Modes::default(), 1, 50);
    cloud.store_running(1).await;
    let process = cloud.process("one");
    pass(&process).await;
    let output = cloud.simulator.outputs().remove(0);
    let at = cloud.clock.now() + Duration::from_secs(2);
    let event = json!({
        "source": "aws.mediaconnect",
        "detail-type": "MediaConnect Output Health",
        "time": at.to_string(),
        "resources": [output.flow, output.arn],
        "detail": {"current": {"state": "SENDING"}},
    });

    let handled = handle(&cloud, &worker(&cloud, "two"), &event).await;

    assert!(matches!(handled, Handled::Heard(_)), "{handled:?}");
    let kept = cloud.evidence.all().await.unwrap();
    assert!(kept.iter().any(|it| it.subject.as_str() == output.arn));
}

#[tokio::test(start_paused = true)]
async fn rule_28_a_destination_that_is_cut_off_goes_on_by_its_backup() {
    let cloud = Cloud::new(Modes::default(), 1, 50);
    cloud.store_running(1).await;
    cloud.store_running(2).await;
    let process = cloud.process("one");
    let id = sample::destination_id(1);
    let patch = DestinationPatch {
        backup: leg_edit(9),
        failover_enabled: Some(true),
        ..DestinationPatch::default()
    };
    process.service.update(&id, &patch, None).await.unwrap();
    pass(&process).await;
    let limits = Limits {
        without_progress: Duration::from_secs(60),
        ..Limits::default()
    };
    let failover = Failover::new(Arc::clone(&process.reconciler), limits);
    let worker = worker(&cloud, "two").with_failover(Arc::new(failover));
    let mut outputs = cloud.simulator.outputs().into_iter();
    let output = outputs.find(|it| it.name == name_of(&sample::output_id(1)));
    let output = output.unwrap();
    let health = |state: &str| {
        let at = cloud.clock.now() + Duration::from_secs(2);
        json!({
            "source": "aws.mediaconnect",
            "detail-type": "MediaConnect Output Health",
            "time": at.to_string(),
            "resources": [output.flow, output.arn],
            "detail": {"current": {"state": state}},
        })
    };
    let timer = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    let active = async || {
        let row = cloud.destinations.get(&id).await.unwrap().unwrap();
        row.value.active_leg
    };

    handle(&cloud, &worker, &health("SENDING")).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    handle(&cloud, &worker, &timer).await;
    assert_eq!(active().await, Leg::Primary);
    handle(&cloud, &worker, &health("DISCONNECTED")).await;
    assert_eq!(active().await, Leg::Primary, "it may come back");
    tokio::time::sleep(Duration::from_secs(70)).await;
    handle(&cloud, &worker, &timer).await;

    assert_eq!(active().await, Leg::Backup);
    let on = cloud.simulator.outputs().into_iter();
    let on = on.filter(|it| it.status == OutputStatus::Enabled);
    let on: BTreeSet<String> = on.map(|it| it.name).collect();
    let backup = OutputId {
        destination: id.clone(),
        leg: Leg::Backup,
    };
    let expected = [backup, sample::output_id(2)].map(|id| name_of(&id));
    assert_eq!(on, BTreeSet::from(expected));
    assert_eq!(cloud.interruptions(&sample::destination_id(2)), 0);
}

#[tokio::test(start_paused = true)]
async fn rule_23_a_changed_parameter_is_read_for_that_destination_alone() {
    let cloud = Cloud::new(Modes::default(), 1, 50);
    for n in 1..=2 {
        cloud.store_running(n).await;
    }
    pass(&cloud.process("one")).await;
    cloud.keep_key(2, "by-somebody-else").await;
    cloud.simulator.forget_calls();
    let parameter = |name: &str| {
        json!({
            "source": "aws.ssm",
            "detail-type": "Parameter Store Change",
            "detail": {"operation": "Update", "name": name},
        })
    };
    let worker = worker(&cloud, "two");

    let two = sample::destination_id(2);
    let name = lunora_core::domain::SecretName::StreamKey(two.clone(), Leg::Primary);
    let ours = parameter(&format!("/lunora-test/streaming/{name}"));
    assert_eq!(
        handle(&cloud, &worker, &ours).await,
        Handled::KeyChanged(two)
    );
    assert_eq!(cloud.written(), ["lunora-test-dest-2-primary"]);

    for name in [
        "/elsewhere/x",
        "/lunora-test/streaming",
        "",
        "/lunora-test/streaming/x",
    ] {
        let handled = handle(&cloud, &worker, &parameter(name)).await;
        assert_eq!(handled, Handled::Ignored, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_refused_and_what_is_not_ours_ignored() {
    let cloud = Cloud::new(Modes::default(), 1, 50);
    let worker = worker(&cloud, "one");
    let until = cloud.clock.now();
    for bytes in [&b""[..], b"x", b"[]", b"\xff"] {
        let refused = worker.handle(bytes, until).await;
        assert!(matches!(refused, Err(WorkerError::Event(_))), "{refused:?}");
    }
    for event in [json!({}), json!({"source": 1}), json!({"source": "aws.s3"})] {
        assert_eq!(handle(&cloud, &worker, &event).await, Handled::Ignored);
    }
    assert_eq!(cloud.simulator.calls(), []);
}
