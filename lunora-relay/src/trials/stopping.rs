//! A person who says stop is heard, whatever goes on.

use std::time::Duration;

use lunora_core::{
    domain::{OutputState, Switch},
    port::OutputRouter as _,
};
use tokio::time::{Instant, sleep};

use super::stage::{Answer, Stage, sink, spec};
use crate::sink::{Behaviour, End, Moment, Sink};

/// Where the output has come to when it is told to stop.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    url: String,
    /// How long it takes to come there.
    after: Duration,
    state: OutputState,
    /// How long the end may take.
    most: Duration,
}

/// Before a publish there is nobody to say goodbye to.
const AT_ONCE: Duration = Duration::ZERO;
/// A goodbye that nobody hears.
const GOODBYE: Duration = Duration::from_millis(1_010);

#[tokio::test(start_paused = true)]
async fn rule_29_a_stop_ends_whatever_goes_on_at_once_and_for_good() {
    let stage = Stage::start();
    let mut sinks = Vec::new();
    let mut serve = async |behaviour| {
        let sink = sink(behaviour).await;
        let address = sink.address();
        sinks.push(sink);
        address
    };
    let phase = |name, url: String, after, state, most| Phase {
        name,
        url,
        after: Duration::from_secs(after),
        state,
        most,
    };
    use OutputState::{Connecting, Failed, Live, Reconnecting, Unconfirmed};
    stage.book.set("never.test", Answer::Never);
    let silent = serve(Behaviour::Silence).await;
    let mute = |at| Behaviour::Mute { at };
    let connect = serve(mute(Moment::Connect)).await;
    let publish = serve(mute(Moment::Publish)).await;
    let hang_up = Behaviour::HangUp {
        at: Moment::Connect,
    };
    let down = serve(hang_up).await;
    let stalled = serve(Behaviour::Stall).await;
    let good = serve(Behaviour::Take).await;
    let port = silent.port();
    #[rustfmt::skip]
    let phases = [
        phase("looking up", "rtmp://never.test/app".into(), 2, Connecting, AT_ONCE),
        phase("agreeing on TLS", format!("rtmps://a.test:{port}/app"), 2, Connecting, AT_ONCE),
        phase("shaking hands", format!("rtmp://b.test:{port}/app"), 2, Connecting, AT_ONCE),
        phase("naming the application", format!("rtmp://{connect}/app"), 2, Connecting, AT_ONCE),
        phase("asking to publish", format!("rtmp://{publish}/app"), 2, Connecting, AT_ONCE),
        phase("waiting to try again", format!("rtmp://{down}/app"), 60, Reconnecting, AT_ONCE),
        phase("failed", "rtmp://169.254.1.1/app".into(), 2, Failed, AT_ONCE),
        phase("stuck", format!("rtmp://{stalled}/app"), 12, Unconfirmed, GOODBYE),
        phase("live", format!("rtmp://{good}/app"), 3, Live, Duration::from_millis(10)),
    ];
    for (number, phase) in (0..).zip(&phases) {
        let on = spec(number, &phase.url, Switch::On);
        let off = spec(number, &phase.url, Switch::Off);

        // Switched off.
        stage.push(std::slice::from_ref(&on)).await;
        sleep(phase.after).await;
        assert_eq!(stage.health(&on).await.state, phase.state, "{}", phase.name);
        stage.push(std::slice::from_ref(&off)).await;
        sleep(Duration::from_nanos(1)).await;
        let took = stage.until(&on, OutputState::Off).await;
        assert!(took <= phase.most, "{}: {took:?}", phase.name);
        assert_eq!(stage.health(&on).await.progress.publishing_since, None);

        // Removed.
        stage.push(std::slice::from_ref(&on)).await;
        sleep(phase.after).await;
        let begun = Instant::now();
        stage.router.detach(std::slice::from_ref(&on.id)).await;
        let took = begun.elapsed();
        assert!(took <= phase.most, "{}: {took:?}", phase.name);
    }

    // Two were said goodbye to, and nobody is called again.
    let ends = |sink: &Sink| {
        let publishes = sink.publishes();
        publishes.iter().map(|it| it.end).collect::<Vec<_>>()
    };
    assert_eq!(
        ends(sinks.last().unwrap()),
        [Some(End::Unpublished), Some(End::Unpublished)]
    );
    stage.book.forget_tries();
    sleep(Duration::from_secs(120)).await;
    for name in ["never.test", "a.test", "b.test"] {
        assert!(stage.book.tries(name).is_empty());
    }
    let all: usize = sinks.iter().map(|it| it.publishes().len()).sum();
    assert_eq!(all, 4, "of the good one and of the stuck one");
}
