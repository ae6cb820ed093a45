//! The check of an account, on the simulator: it finds out how that behaves, leaves
//! nothing behind, and writes nothing of others.

use std::{
    collections::BTreeSet,
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use lunora_aws::{
    check::{ASSUMPTIONS, Book, Check, FarEnd, RunId, Trouble, Verdict},
    mediaconnect::{EvidenceStore, MemoryEvidence},
};
use lunora_core::{
    SecretString,
    port::{Clock, OutputRouter as _},
};
use lunora_testkit::{
    aws::{Fault, Matcher, Modes, Omitted, OutputStatus, SamePlace, StreamName, Updating},
    sample,
};
use serde_json::json;

use crate::{
    log::log,
    support::{Stage, budget},
};

const CANARY: &str = "canary-of-check-91ab";

fn check(stage: &Stage) -> Check {
    let clock: Arc<dyn Clock> = Arc::new(stage.clock);
    let flow = stage.flows[0].clone();
    let run = RunId::new(0xab);
    Check::new(&stage.client(), flow, run, budget(stage.clock), clock)
}

fn far_end() -> FarEnd {
    FarEnd::new("rtmp://203.0.113.9:1935/app", &SecretString::from(CANARY)).unwrap()
}

/// Two outputs of the deployment that are on.
async fn with_others(modes: Modes) -> Stage {
    let stage = Stage::with_room(modes, 40);
    stage.applied(&[sample::spec(1), sample::spec(2)]).await;
    stage.pass(10).await;
    stage.simulator.forget_calls();
    stage
}

async fn tried(
    stage: &Stage,
    far_end: Option<&FarEnd>,
    stop: impl Future<Output = ()> + Send,
) -> (Book, Result<(), Trouble>) {
    let mut book = Book::default();
    let check = check(stage);
    let result = check.try_out(far_end, stop, &mut book, &mut |_| {}).await;
    (book, result)
}

/// The outputs of the flow that are not the deployment's own.
fn left(stage: &Stage) -> Vec<String> {
    let outputs = stage.simulator.outputs().into_iter();
    let names = outputs.map(|it| it.name);
    names.filter(|it| !it.starts_with("lunora-test-")).collect()
}

/// No call was about an output that is not a test output, and nobody was disturbed.
fn assert_others_untouched(stage: &Stage) {
    for call in stage.simulator.calls() {
        if call.is_write {
            let is_mine = |name: &String| name.starts_with("lunora-check-000000ab");
            assert!(call.items.iter().all(is_mine), "{call:?}");
            let calls = ["AddFlowOutputs", "UpdateFlowOutput", "RemoveFlowOutput"];
            assert!(calls.contains(&call.operation), "{call:?}");
        }
    }
    for output in stage.simulator.outputs() {
        let interruptions = stage.simulator.interruptions(&output.flow, &output.name);
        assert_eq!(interruptions, 0, "{}", output.name);
    }
}

fn wrong(book: &Book) -> BTreeSet<&'static str> {
    book.wrong_ids().collect()
}

/// What is otherwise than assumed in these modes.
fn expected(modes: Modes) -> BTreeSet<&'static str> {
    let all = [
        (modes.updating == Updating::Unseen, "updating-seen"),
        (modes.updating == Updating::Takes, "updating-refuses"),
        (modes.same_place == SamePlace::Takes, "same-place"),
        (modes.stream_name == StreamName::Hidden, "stream-name-shown"),
        (modes.omitted == Omitted::Reset, "omitted-stays"),
    ];
    let wrong = all.into_iter().filter(|(is_wrong, _)| *is_wrong);
    wrong.map(|(_, id)| id).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_otherwise_than_assumed_is_found_and_nothing_else_is() {
    for modes in Modes::all() {
        let stage = with_others(modes).await;
        let start = stage.clock_now();

        let (book, result) = tried(&stage, Some(&far_end()), pending()).await;

        assert_eq!(result, Ok(()), "{modes:?}");
        assert_eq!(wrong(&book), expected(modes), "{modes:?} {book:#?}");
        assert_eq!(left(&stage), Vec::<String>::new(), "{modes:?}");
        assert_others_untouched(&stage);
        let took = stage.clock_now().duration_since(start).as_secs();
        assert!(took < 570, "{took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_default_modes_every_assumption_about_a_test_output_is_seen_to_hold() {
    let stage = with_others(Modes::default()).await;
    let mut book = Book::default();
    let check = check(&stage);
    check.look(&mut book, &mut |_| {}).await.unwrap();
    let far_end = far_end();
    let mut tell = |_: &str| {};
    let tried = check.try_out(Some(&far_end), pending(), &mut book, &mut tell);
    tried.await.unwrap();

    let open = book.findings_of_ours().into_iter();
    let open = open.filter(|it| it.verdict != Verdict::Holds);
    let open: Vec<_> = open.map(|it| it.id).collect();
    assert_eq!(open, ["channel-shown", "channel-resent", "health-events"]);
}

#[tokio::test(start_paused = true)]
async fn looking_changes_nothing() {
    let stage = with_others(Modes::default()).await;
    let mut book = Book::default();

    let looked = check(&stage).look(&mut book, &mut |_| {}).await.unwrap();

    assert_eq!((looked.outputs, looked.on), (2, 2));
    assert_eq!(stage.writes(), 0);
    let holds = book.findings().into_iter();
    let holds: Vec<_> = holds.filter(|it| it.verdict == Verdict::Holds).collect();
    let ids: Vec<_> = holds.iter().map(|it| it.id).collect();
    assert_eq!(ids, ["flow-shown", "no-such-flow", "codec-words"]);
}

#[tokio::test(start_paused = true)]
async fn a_codec_with_an_unknown_name_is_reported() {
    let stage = Stage::new(Modes::default());
    let signal = lunora_testkit::aws::Signal {
        video: "Advanced Video".to_owned(),
        audio: "AAC".to_owned(),
    };
    let flow = stage.flows[0].as_str();
    stage.simulator.set_source(flow, "main", Some(signal));
    let mut book = Book::default();

    check(&stage).look(&mut book, &mut |_| {}).await.unwrap();

    assert_eq!(wrong(&book), BTreeSet::from(["codec-words"]));
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_in_the_middle_no_test_output_is_left() {
    let writes: Vec<usize> = {
        let stage = with_others(Modes::default()).await;
        let (_, result) = tried(&stage, Some(&far_end()), pending()).await;
        result.unwrap();
        // The SDK repeats a read by itself, so a fault of one is none.
        let calls = stage.simulator.calls().into_iter().enumerate();
        let writes = calls.filter(|(_, call)| call.is_write);
        writes.map(|(place, _)| place).collect()
    };
    assert!(15 < writes.len(), "{writes:?}");
    for fault in [Fault::RequestLost, Fault::ReplyLost, Fault::Status(503)] {
        for call in writes.iter().copied() {
            let stage = with_others(Modes::default()).await;
            stage.simulator.fault(Matcher::next().after(call), fault);

            let (book, _) = tried(&stage, Some(&far_end()), pending()).await;

            assert_eq!(left(&stage), Vec::<String>::new(), "{fault:?} at {call}");
            assert_others_untouched(&stage);
            // A call that fails is no news of an assumption.
            assert_eq!(wrong(&book), BTreeSet::new(), "{fault:?} at {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_stopped_removes_its_output_first() {
    for seconds in 0..20 {
        let stage = with_others(Modes::default()).await;
        let stop = tokio::time::sleep(Duration::from_millis(seconds * 3_100 + 50));

        let (_, result) = tried(&stage, Some(&far_end()), stop).await;

        assert!(
            matches!(result, Ok(()) | Err(Trouble::Stopped)),
            "{result:?}"
        );
        assert_eq!(left(&stage), Vec::<String>::new(), "after {seconds}");
        assert_others_untouched(&stage);
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_that_cannot_be_removed_is_told_and_removed_later() {
    let stage = with_others(Modes::default()).await;
    for _ in 0..2_000 {
        let remove = Matcher::operation("RemoveFlowOutput");
        stage.simulator.fault(remove, Fault::Status(500));
    }

    let (_, result) = tried(&stage, None, pending()).await;
    assert!(matches!(result, Err(Trouble::Left(_))), "{result:?}");
    let there = left(&stage);
    assert!(
        there.contains(&"lunora-check-000000ab".to_owned()),
        "{there:?}"
    );

    stage.simulator.clear_faults();
    let removed = check(&stage).clean_up().await.unwrap();
    assert_eq!(removed, there);
    assert_eq!(left(&stage), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn cleaning_up_takes_away_what_a_check_left_and_nothing_of_others() {
    let stage = Stage::new(Modes::default());
    let flow = stage.flows[0].as_str();
    let names = [
        "lunora-check-deadbeef",
        "lunora-check-deadbeef.second",
        "lunora-check-deadbeef-primary",
        "lunora-prod-deadbeef-backup",
        "somebody's",
    ];
    for (port, name) in names.into_iter().enumerate() {
        add(&stage, name, 6000 + i32::try_from(port).unwrap()).await;
        stage.pass(5).await;
    }

    let removed = check(&stage).clean_up().await.unwrap();

    assert_eq!(removed, names[..2]);
    let outputs = stage.simulator.outputs().into_iter();
    let there: Vec<_> = outputs.filter(|it| it.flow == flow).collect();
    let there: Vec<_> = there.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(there, names[2..]);
}

async fn add(stage: &Stage, name: &str, port: i32) {
    let output = aws_sdk_mediaconnect::types::AddOutputRequest::builder()
        .name(name)
        .protocol(aws_sdk_mediaconnect::types::Protocol::Rtp)
        .destination("203.0.113.8")
        .port(port)
        .build();
    let call = stage.client().add_flow_outputs();
    let call = call.flow_arn(stage.flows[0].as_str()).outputs(output);
    call.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn that_somebody_else_changed_an_output_meanwhile_is_told() {
    // Takes a change at any moment, so that the other one finds one.
    let updating = Updating::Takes;
    let stage = with_others(Modes {
        updating,
        ..Modes::default()
    })
    .await;
    let other = async {
        stage.pass(3).await;
        let done = stage.router.detach(&[sample::spec(1).id]).await;
        assert_eq!(done.len(), 1);
        done.into_iter().for_each(|it| it.unwrap());
    };

    let check = tried(&stage, None, pending());
    let ((book, result), ()) = tokio::join!(check, other);

    assert_eq!(result, Ok(()));
    assert_eq!(
        wrong(&book),
        BTreeSet::from(["others-stay", "updating-refuses"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_flow_without_room_is_not_written() {
    let stage = Stage::with_room(Modes::default(), 50);
    let specs: Vec<_> = (1..=49).map(sample::spec).collect();
    stage.applied(&specs).await;
    let calls = stage.calls();
    assert!(!calls.is_empty());

    let (_, result) = tried(&stage, None, pending()).await;

    assert_eq!(result, Err(Trouble::NoRoom(49)));
    assert_eq!(stage.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_far_end_nothing_is_ever_on() {
    let stage = Stage::new(Modes::default());

    let (_, result) = tried(&stage, None, pending()).await;

    assert_eq!(result, Ok(()));
    let is_about_status = |it: &&lunora_testkit::aws::Event| {
        it.detail_type == "MediaConnect Output Status Change"
            && it.detail["currentStatus"] == json!(OutputStatus::Enabled.as_str())
    };
    let events = stage.simulator.take_events();
    assert_eq!(events.iter().filter(is_about_status).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn health_is_found_in_the_evidence_of_a_deployment_or_missed_there() {
    for is_delivered in [true, false] {
        let stage = Stage::new(Modes::default());
        let store: Arc<dyn EvidenceStore> = Arc::clone(&stage.evidence) as Arc<dyn EvidenceStore>;
        let check = check(&stage).with_evidence(store);
        let (mut book, far_end) = (Book::default(), far_end());
        let mut tell = |_: &str| {};
        let check = check.try_out(Some(&far_end), pending(), &mut book, &mut tell);
        let deliver = async {
            loop {
                stage.pass(1).await;
                if is_delivered {
                    stage.deliver_events().await;
                }
            }
        };

        tokio::select! {
            result = check => result.unwrap(),
            () = deliver => {}
        }

        let expected = if is_delivered {
            vec![]
        } else {
            vec!["health-events"]
        };
        assert_eq!(book.wrong_ids().collect::<Vec<_>>(), expected);
    }
    // The store of this test is one.
    assert!(MemoryEvidence::default().all().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rule_21_a_check_shows_no_stream_key() {
    let log = log();
    let stage = with_others(Modes::default()).await;
    let far_end = far_end();
    let check = check(&stage);
    let mut said = String::new();
    let mut book = Book::default();
    let looked = check.look(&mut book, &mut |it| said.push_str(it)).await;
    let intent = check.intent(&looked.unwrap(), Some(&far_end), 10.0);
    let update = Matcher::operation("UpdateFlowOutput").after(12);
    stage.simulator.fault(update, Fault::ReplyLost);
    let mut tell = |it: &str| said.push_str(it);
    let result = check.try_out(Some(&far_end), pending(), &mut book, &mut tell);
    let result = result.await;

    let printed = format!("{said} {intent} {result:?} {book:?} {check:?} {far_end:?}");
    assert!(printed.contains("203.0.113.9"));
    assert!(!printed.contains(CANARY), "{printed}");
    let text = log.text();
    let at = text
        .find(CANARY)
        .map(|at| text[at.saturating_sub(600)..at].to_owned());
    assert_eq!(at, None);
}

#[test]
fn the_page_has_the_list_of_the_code() {
    let page = include_str!("../../../docs/aws.md");
    for assumption in ASSUMPTIONS {
        let row = assumption.row();
        assert!(
            page.lines().any(|line| line == row),
            "not in docs/aws.md: {row}"
        );
    }
    let is_row = |line: &&str| {
        let id = line
            .strip_prefix("| `")
            .and_then(|it| it.split_once("` | "));
        id.is_some_and(|(id, _)| !ASSUMPTIONS.iter().any(|it| it.id == id))
    };
    // The table of assumptions alone; there are others on the page.
    let table = page
        .split("## Assumptions not yet seen on an account")
        .nth(1)
        .unwrap();
    let table = table.split("\n## ").next().unwrap();
    assert_eq!(table.lines().find(is_row), None);
}
