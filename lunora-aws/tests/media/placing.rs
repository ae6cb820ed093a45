//! On which flow an output is.

use lunora_core::{
    domain::{OutputSpec, Switch},
    port::{ErrorKind, OutputRouter},
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes, Owner, SamePlace, Updating},
    sample,
};

use crate::support::Stage;

fn specs(numbers: impl IntoIterator<Item = u64>) -> Vec<OutputSpec> {
    numbers.into_iter().map(sample::spec).collect()
}

/// An output to the one host and port of all of these, with its own key.
fn at_one_place(n: u64) -> OutputSpec {
    let mut target = sample::target(n);
    target.url = format!("rtmp://ingest.example:1935/app-{n}")
        .parse()
        .unwrap();
    sample::spec_to(n, target)
}

#[tokio::test(start_paused = true)]
async fn rule_6_the_first_flow_is_filled_first() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=6)).await;

    let flows = (1..=6).map(|n| stage.flow_of(&sample::output_id(n)));
    assert_eq!(flows.collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn rule_6_an_output_stays_where_it_is() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=5)).await;
    let gone = sample::output_id(2);
    stage.router.detach(&[gone]).await.pop().unwrap().unwrap();

    // There is room on the head again; nothing moves there.
    let mut changed = sample::spec_to(5, sample::target(7));
    for _ in 0..2 {
        stage.applied(&[changed.clone()]).await;
        assert_eq!(stage.flow_of(&changed.id), 1);
        changed = sample::spec(5);
    }
    stage.applied(&specs([6])).await;
    assert_eq!(stage.flow_of(&sample::output_id(6)), 0);
}

#[tokio::test(start_paused = true)]
async fn new_outputs_go_in_one_call_a_flow() {
    let stage = Stage::new(Modes::default());
    stage.observed().await;
    stage.calls();
    stage.applied(&specs(1..=6)).await;

    // One look at what comes in; the view of the flows is fresh.
    let expected = [
        "DescribeFlowSourceMetadata",
        "AddFlowOutputs",
        "AddFlowOutputs",
    ];
    assert_eq!(stage.calls(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_as_wished_costs_no_call() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=3)).await;
    stage.calls();
    stage.applied(&specs(1..=3)).await;
    assert_eq!(stage.calls(), [""; 0]);

    // What was seen is old after five seconds.
    stage.pass(5).await;
    stage.applied(&specs(1..=3)).await;
    assert_eq!(stage.calls(), ["DescribeFlow", "DescribeFlow"]);
}

#[tokio::test(start_paused = true)]
async fn one_look_is_one_call_a_flow() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=6)).await;
    stage.calls();
    assert_eq!(stage.observed().await.len(), 6);
    assert_eq!(stage.calls(), ["DescribeFlow", "DescribeFlow"]);
}

#[tokio::test(start_paused = true)]
async fn outputs_of_others_take_room_and_are_left_alone() {
    let stage = Stage::new(Modes::default());
    for n in 0..3 {
        let owner = Owner::MediaLive("arn:aws:medialive:r:1:input:7".to_owned());
        let name = format!("lunora-test-{n}-primary");
        let head = stage.flows[0].as_str();
        stage.simulator.add_managed_output(head, &name, owner);
    }
    // Managed ones are not ours even under a name of ours.
    assert_eq!(stage.observed().await, []);
    assert_eq!(stage.router.capabilities().outputs_max, 5);

    stage.applied(&specs(1..=5)).await;
    let flows = (1..=5).map(|n| stage.flow_of(&sample::output_id(n)));
    assert_eq!(flows.collect::<Vec<_>>(), [0, 1, 1, 1, 1]);
    let refused = stage.apply(&specs([6])).await.pop().unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted);
    assert!(refused.reason().unwrap().contains("in use"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn rule_9_a_child_that_is_not_found_fails_every_look_and_doubles_nothing() {
    let stage = Stage::with_room(Modes::default(), 2);
    stage.applied(&specs(1..=3)).await;
    let gone = sample::output_id(1);
    stage.router.detach(&[gone]).await.pop().unwrap().unwrap();
    for (router, kind) in [
        (&stage.router, ErrorKind::Unavailable),
        (&stage.another_router(), ErrorKind::Invalid),
    ] {
        for _ in 0..2 {
            // So that nothing is known of late.
            stage.pass(10).await;
            let second = Matcher::operation("DescribeFlow").after(1);
            stage.simulator.fault(second, Fault::Status(404));
            let failed = match kind {
                ErrorKind::Invalid => router.observe().await.unwrap_err(),
                _ => router.apply(&specs([3])).await.pop().unwrap().unwrap_err(),
            };
            assert_eq!(failed.kind(), kind);
            assert!(failed.reason().unwrap().contains("out of the pool"));
        }
        stage.simulator.clear_faults();
        assert_eq!(stage.flow_of(&sample::output_id(3)), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_what_can_be_seen_is_ended_whatever_cannot() {
    let stage = Stage::with_room(Modes::default(), 2);
    stage.applied(&specs(1..=3)).await;
    stage.pass(10).await;
    // The child does not answer.
    for attempt in 0..24 {
        let second = Matcher::operation("DescribeFlow").after(1 + attempt);
        stage.simulator.fault(second, Fault::Status(503));
    }
    let mut stops = specs([1, 3]);
    for stop in &mut stops {
        stop.switch = Switch::Off;
    }
    let stopped = stage.apply(&stops).await;
    assert!(stopped[0].is_ok(), "{stopped:?}");
    let error = stopped[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    stage.simulator.clear_faults();
    stage.pass(10).await;
    for attempt in 0..24 {
        let second = Matcher::operation("DescribeFlow").after(1 + attempt);
        stage.simulator.fault(second, Fault::Status(503));
    }
    let detached = stage
        .router
        .detach(&[sample::output_id(2), sample::output_id(3)])
        .await;
    assert!(detached[0].is_ok(), "{detached:?}");
    detached[1].as_ref().unwrap_err();
    let added = stage.apply(&specs([4])).await.pop().unwrap();
    added.unwrap_err();
    stage.simulator.clear_faults();

    assert_eq!(stage.seen(&sample::output_id(2)).len(), 0);
    assert_eq!(stage.flow_of(&sample::output_id(3)), 1);
    let observed = stage.observed_one(&sample::output_id(1)).await;
    assert_eq!(observed.switch, Switch::Off);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_in_part_fails() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=5)).await;
    for attempt in 0..4 {
        // The head answers, the child does not, however often the SDK asks.
        let second = Matcher::operation("DescribeFlow").after(1 + attempt);
        stage.simulator.fault(second, Fault::Status(503));
    }
    stage.pass(5).await;
    let failed = stage.router.observe().await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    stage.simulator.clear_faults();
    assert_eq!(stage.observed().await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn two_outputs_to_one_host_and_port_go_to_two_flows_if_they_have_to() {
    for same_place in [SamePlace::Refuses, SamePlace::Takes] {
        let stage = Stage::new(Modes {
            same_place,
            ..Modes::default()
        });
        stage
            .applied(&[at_one_place(1), at_one_place(2), sample::spec(3)])
            .await;

        let flows = (1..=3).map(|n| stage.flow_of(&sample::output_id(n)));
        let second = usize::from(same_place == SamePlace::Refuses);
        assert_eq!(flows.collect::<Vec<_>>(), [0, second, 0], "{same_place:?}");

        let third = stage.apply(&[at_one_place(4)]).await.pop().unwrap();
        match same_place {
            SamePlace::Takes => third.unwrap(),
            SamePlace::Refuses => {
                let refused = third.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Exhausted);
                let reason = refused.reason().unwrap().to_owned();
                assert!(reason.contains("same host and port"), "{reason}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_7_an_edit_that_its_flow_cannot_take_moves_the_output() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[at_one_place(1), sample::spec(2)]).await;
    let mut edited = at_one_place(1);
    edited.id = sample::output_id(2);
    let mut target = sample::target(2);
    target.url = edited.target.url.clone();
    let edited = sample::spec_to(2, target);
    stage.applied(std::slice::from_ref(&edited)).await;

    assert_eq!(stage.flow_of(&edited.id), 1);
    assert_eq!(stage.flow_of(&sample::output_id(1)), 0);
    let observed = stage.observed_one(&edited.id).await;
    assert_eq!(observed.fingerprint, edited.fingerprint);

    // A third one finds no flow, and stays as it is.
    stage.applied(&specs([3])).await;
    let mut target = sample::target(3);
    target.url = edited.target.url.clone();
    let edited = sample::spec_to(3, target);
    let refused = stage.apply(&[edited]).await.pop().unwrap().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted);
    let observed = stage.observed_one(&sample::output_id(3)).await;
    assert_eq!(observed.fingerprint, sample::spec(3).fingerprint);
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_change_of_one_output_interrupts_no_other() {
    let stage = Stage::new(Modes::default());
    stage.applied(&specs(1..=3)).await;
    stage
        .applied(&[sample::spec_to(2, sample::target(9))])
        .await;
    stage
        .router
        .detach(&[sample::output_id(3)])
        .await
        .pop()
        .unwrap()
        .unwrap();

    let head = stage.flows[0].as_str();
    let interruptions = (1..=3).map(|n| {
        let name = crate::support::name_of(&sample::output_id(n));
        stage.simulator.interruptions(head, &name)
    });
    assert_eq!(interruptions.collect::<Vec<_>>(), [0, 1, 1]);
}

/// Number `n` to the host and port of [`at_one_place`].
fn moved_to_one_place(n: u64) -> OutputSpec {
    let mut target = sample::target(n);
    target.url = at_one_place(1).target.url;
    sample::spec_to(n, target)
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_stop_ends_what_its_flow_cannot_have_where_it_is_to_go() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[at_one_place(1), sample::spec(2)]).await;
    let mut stop = moved_to_one_place(2);
    stop.switch = Switch::Off;
    // On the other flow there is such a one, too.
    let mut third = at_one_place(3);
    third.switch = Switch::Off;
    stage.applied(&[third]).await;
    assert_eq!(stage.flow_of(&sample::output_id(3)), 1);
    stage.applied(std::slice::from_ref(&stop)).await;
    assert!(stage.is_off(&stop.id).await);

    // Where there is none it goes there, so that the next pass finds nothing to do.
    let gone = [sample::output_id(3)];
    for result in stage.router.detach(&gone).await {
        result.unwrap();
    }
    stage.applied(std::slice::from_ref(&stop)).await;
    assert_eq!(stage.flow_of(&stop.id), 1);
    let observed = stage.observed_one(&stop.id).await;
    assert_eq!(observed.fingerprint, stop.fingerprint);
    assert_eq!(observed.switch, Switch::Off);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_is_refused_beside_an_output_at_the_same_place_takes_nothing_away() {
    let stage = Stage::new(Modes {
        same_place: SamePlace::Takes,
        updating: Updating::Unseen,
        ..Modes::default()
    });
    stage.applied(&[at_one_place(1), at_one_place(2)]).await;
    for _ in 0..8 {
        let update = Matcher::operation("UpdateFlowOutput");
        stage.simulator.fault(update, Fault::Status(400));
    }
    let refused = stage.apply(&[moved_to_one_place(2)]).await.pop().unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    stage.simulator.clear_faults();
    let observed = stage.observed_one(&sample::output_id(2)).await;
    assert_eq!(observed.fingerprint, at_one_place(2).fingerprint);
    assert_eq!(observed.switch, Switch::On);
}

#[tokio::test(start_paused = true)]
async fn rule_7_a_move_that_the_other_flow_refuses_takes_nothing_away() {
    let stage = Stage::new(Modes::default());
    stage.applied(&[at_one_place(1), sample::spec(2)]).await;
    for _ in 0..8 {
        let add = Matcher::operation("AddFlowOutputs");
        stage.simulator.fault(add, Fault::Status(400));
    }
    let refused = stage.apply(&[moved_to_one_place(2)]).await.pop().unwrap();
    refused.unwrap_err();
    stage.simulator.clear_faults();
    assert_eq!(stage.flow_of(&sample::output_id(2)), 0);
    let observed = stage.observed_one(&sample::output_id(2)).await;
    assert_eq!(observed.fingerprint, sample::spec(2).fingerprint);
    assert_eq!(observed.switch, Switch::On);
}
