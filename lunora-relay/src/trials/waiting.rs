//! Who waits how long, and who is given up.

use std::{collections::BTreeMap, time::Duration};

use lunora_core::{
    domain::{FaultClass, FaultCode, OutputSpec, OutputState, Switch},
    port::{Depth, DestinationProbe as _, OutputRouter as _},
};
use tokio::time::{Instant, sleep};

use super::stage::{Stage, rejecting, sink, spec};
use crate::sink::{Behaviour, Moment, Sink};

const SHORTEST: Duration = Duration::from_millis(250);
const FIRST_LONGEST: Duration = Duration::from_millis(2_502);
const DOWN: Behaviour = Behaviour::HangUp {
    at: Moment::Handshake,
};

/// Outputs by these numbers to one server, each by a name of its own.
fn specs(numbers: std::ops::Range<usize>, sink: &Sink) -> Vec<OutputSpec> {
    let port = sink.address().port();
    let one = |n| spec(n, &format!("rtmp://far-{n}.test:{port}/app"), Switch::On);
    numbers.map(one).collect()
}

/// When each of them was tried first after this.
fn first_tries(stage: &Stage, count: usize, since: Instant) -> Vec<Duration> {
    let first = |n| {
        let tries = stage.book.tries(&format!("far-{n}.test"));
        let first = tries.into_iter().find(|it| since < *it).unwrap();
        first - since
    };
    (0..count).map(first).collect()
}

/// The most that fall into one slot of this length.
fn densest(times: &[Duration], slot: Duration) -> usize {
    let mut slots = BTreeMap::<u128, usize>::new();
    for time in times {
        *slots.entry(time.as_nanos() / slot.as_nanos()).or_default() += 1;
    }
    slots.into_values().max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_hundred_outputs_whose_server_comes_back_do_not_return_in_one_burst() {
    const MANY: usize = 100;
    let (stage, server) = (Stage::start(), sink(Behaviour::Take).await);
    let specs = specs(0..MANY, &server);
    stage.push(&specs).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(server.publishes().len(), MANY);

    // All lose their connection in one moment.
    let fell = Instant::now();
    server.behave(DOWN);
    server.disconnect();
    sleep(Duration::from_secs(3)).await;
    let tries = first_tries(&stage, MANY, fell);
    assert!(tries.iter().all(|it| SHORTEST <= *it));
    // Five are to be expected in a tenth of a second.
    let most = densest(&tries, Duration::from_millis(100));
    assert!(most <= 20, "{most} at once");

    // The server is away for long, and then it is there.
    sleep(Duration::from_secs(200)).await;
    let back = Instant::now();
    server.behave(Behaviour::Take);
    sleep(Duration::from_secs(31)).await;
    let tries = first_tries(&stage, MANY, back);
    // Seven are to be expected in the first second, fewer in each that follows.
    let most = densest(&tries, Duration::from_secs(1));
    assert!(most <= 22, "{most} in a second");
    assert!(tries.iter().all(|it| *it <= Duration::from_secs(30)));
    for spec in &specs {
        assert_eq!(stage.health(spec).await.state, OutputState::Live);
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_thirty_good_seconds_make_the_next_wait_short_and_no_others_do() {
    const MANY: usize = 10;
    let slow = Behaviour::Trickle {
        bytes_per_second: 25_000,
    };
    for (then, good, is_short) in [
        (Behaviour::Take, 40, true),
        (Behaviour::Take, 10, false),
        // Live for long, and dropping frames all the time.
        (slow, 40, false),
    ] {
        let (stage, server) = (Stage::start(), sink(DOWN).await);
        stage.push(&specs(0..MANY, &server)).await;
        // Long enough for waits of half a minute, so that each comes at its own time.
        sleep(Duration::from_secs(120)).await;
        server.behave(then.clone());
        sleep(Duration::from_secs(31 + good)).await;
        assert_eq!(server.publishes().len(), MANY);

        let fell = Instant::now();
        server.behave(DOWN);
        server.disconnect();
        sleep(Duration::from_secs(32)).await;

        let waits = first_tries(&stage, MANY, fell);
        let are_short = waits.iter().all(|it| *it <= FIRST_LONGEST);
        assert_eq!(are_short, is_short, "{then:?}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_name_that_our_own_last_session_holds_is_waited_out() {
    let (stage, server) = (Stage::start(), sink(Behaviour::Take).await);
    let specs = specs(0..1, &server);
    stage.push(&specs).await;
    stage.until(&specs[0], OutputState::Live).await;

    // It breaks, and the server takes its time to notice: it says no more than that.
    server.behave(rejecting("NetStream.Publish.BadName", ""));
    server.disconnect();
    let story = stage.watch(Duration::from_secs(45)).await;
    let tries = stage.book.tries("far-0.test");
    // A test knows that as well as the push.
    let probe = stage.relay.probe();
    let finding = probe.probe(&specs[0].target, Depth::Publish).await.unwrap();
    assert_eq!(finding.fault().unwrap().code, FaultCode::NameInUse);
    server.behave(Behaviour::Take);
    let took = stage.until(&specs[0], OutputState::Live).await;

    let faults = story.faults(&specs[0]);
    let codes: Vec<_> = faults.iter().map(|(_, it)| it.code).collect();
    assert_eq!(codes.first(), Some(&FaultCode::RemoteClosed));
    assert!(
        codes.len() >= 2 && codes[1..].iter().all(|it| *it == FaultCode::NameInUse),
        "{codes:?}"
    );
    assert!(
        faults
            .iter()
            .all(|(_, it)| it.class == FaultClass::Transient)
    );
    let waits = story.waits(&specs[0], &tries);
    assert!(waits[1..].iter().all(|it| Duration::from_secs(10) <= *it));
    assert!(took <= Duration::from_secs(60), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_29_a_retry_tries_at_once_and_counts_anew_and_leaves_alone_what_is_live() {
    let (stage, server) = (Stage::start(), sink(DOWN).await);
    let specs = specs(0..1, &server);
    stage.push(&specs).await;
    sleep(Duration::from_secs(120)).await;

    // Ten times: what was longest by chance would be short by chance once.
    for _ in 0..10 {
        let asked = Instant::now();
        stage.router.retry(std::slice::from_ref(&specs[0].id)).await;
        sleep(Duration::from_secs(3)).await;
        let tries = stage.book.tries("far-0.test");
        let tries: Vec<_> = tries.into_iter().filter(|it| asked <= *it).collect();
        assert_eq!(tries[0], asked, "at once");
        assert!(tries[1] - asked <= FIRST_LONGEST, "from the start");
    }

    server.behave(Behaviour::Take);
    stage.until(&specs[0], OutputState::Live).await;
    let tries = stage.book.tries("far-0.test").len();
    stage.router.retry(std::slice::from_ref(&specs[0].id)).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.book.tries("far-0.test").len(), tries);
    assert_eq!(server.publishes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_takes_a_fifth_is_given_up_by_what_it_took() {
    // The test stream has 40 KB a second.
    let bytes_per_second = 8_000;
    let (stage, server) = (
        Stage::start(),
        sink(Behaviour::Trickle { bytes_per_second }).await,
    );
    let specs = specs(0..1, &server);
    stage.push(&specs).await;

    let story = stage.watch(Duration::from_secs(60)).await;

    let faults = story.faults(&specs[0]);
    assert!(2 <= faults.len(), "{faults:?}");
    for (_, fault) in faults {
        assert_eq!(
            (fault.code, fault.class),
            (FaultCode::Wedged, FaultClass::Transient)
        );
        assert!(fault.text.as_str().contains("less than a quarter"));
    }
    assert!(0 < stage.health(&specs[0]).await.progress.frames_dropped);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_is_too_slow_stays_and_says_so_until_it_keeps_up() {
    let bytes_per_second = 25_000;
    let (stage, server) = (
        Stage::start(),
        sink(Behaviour::Trickle { bytes_per_second }).await,
    );
    let specs = specs(0..1, &server);
    stage.push(&specs).await;
    sleep(Duration::from_secs(90)).await;

    let health = stage.health(&specs[0]).await;
    assert_eq!(health.state, OutputState::Live);
    let fault = health.fault.unwrap();
    assert_eq!(
        (fault.code, fault.class),
        (FaultCode::Wedged, FaultClass::Transient)
    );
    assert!(fault.text.as_str().contains("frames are dropped"));
    assert!(100 < health.progress.frames_dropped);
    let publish = server.publishes().remove(0);
    assert!(0 < publish.facts.gaps && publish.facts.broken_gaps == 0);

    server.behave(Behaviour::Take);
    sleep(Duration::from_secs(30)).await;
    let health = stage.health(&specs[0]).await;
    assert_eq!((health.state, health.fault), (OutputState::Live, None));
    assert_eq!(health.last_fault.unwrap().code, FaultCode::Wedged);
    assert_eq!(health.progress.reconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn an_output_tells_since_when_its_publish_is_accepted() {
    let (stage, server) = (Stage::start(), sink(Behaviour::Take).await);
    let specs = specs(0..1, &server);
    stage.push(&specs).await;
    stage.until(&specs[0], OutputState::Live).await;
    let since = async || {
        let health = stage.health(&specs[0]).await;
        health.progress.publishing_since
    };
    let first = since().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(since().await, Some(first));

    server.behave(DOWN);
    server.disconnect();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(since().await, None);

    server.behave(Behaviour::Take);
    stage.until(&specs[0], OutputState::Live).await;
    let passed = since().await.unwrap().duration_since(first);
    assert!(60 <= passed.as_secs(), "{passed}");
}
