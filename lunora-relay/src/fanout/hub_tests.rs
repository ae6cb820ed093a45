//! The hub with several feeds, in virtual time.

use std::{num::NonZeroU8, sync::Arc, time::Duration};

use bytes::Bytes;
use lunora_core::domain::{Fingerprint, HashKey, IngestState, Priority, SourceId, SwitchCause};
use lunora_testkit::clock::ManualClock;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Evicted, Feed, Hub, Refused, Role, Standing, TapLimits, TapReader, Tapped, Track, tap,
};
use crate::{
    air::{Air, Origin, SwitchReason},
    config::Failover,
    news::News,
    program::OnAir,
    wire::message::{Message, MessageKind},
};

const STEP: Duration = Duration::from_millis(40);
/// Pictures from one keyframe to the next.
const GROUP: u32 = 25;

struct World {
    hub: Arc<Hub>,
    reader: TapReader,
}

fn id(n: u8) -> SourceId {
    format!("src-{n}").parse().unwrap()
}

fn priority(n: u8) -> Priority {
    Priority(NonZeroU8::new(n).unwrap())
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let hub = Arc::new(Hub::new(false, Failover::default(), clock, News::new()));
        let limits = TapLimits {
            bytes: 64 << 20,
            span: 1 << 30,
        };
        let (tap, reader, _) = tap(limits);
        hub.attach(tap);
        tokio::spawn(Arc::clone(&hub).watch());
        Self { hub, reader }
    }

    /// Adds source `n` with this priority, and lets it send.
    fn feed(&self, n: u8, rank: u8) -> Feed {
        let fingerprint = Fingerprint(HashKey::new([1; 32]).digest([[n].as_slice()]));
        self.hub.add(&id(n), priority(rank), fingerprint);
        let origin = Origin::Source(id(n));
        self.hub.feed(origin, priority(rank), Vec::new()).unwrap()
    }

    fn air(&self) -> Air {
        self.hub.air().borrow().clone()
    }

    fn on_air(&self) -> Option<Origin> {
        self.air().on_air
    }

    fn state(&self, n: u8) -> IngestState {
        let seen = self.hub.observe();
        seen.iter().find(|it| it.id == id(n)).unwrap().state
    }

    /// What went out: of which source, at what time, as what.
    fn sent(&self) -> Vec<(u8, u64, Track, Role)> {
        let all = std::iter::from_fn(|| self.reader.next(Duration::ZERO));
        let packets = all.filter_map(|it| match it {
            Tapped::Packet(packet) => {
                let seed = *packet.payload.last().unwrap();
                Some((seed, packet.time, packet.track, packet.role))
            }
            _ => None,
        });
        packets.collect()
    }
}

fn message(kind: MessageKind, timestamp: u32, payload: &[u8]) -> Message {
    Message {
        kind,
        timestamp,
        stream_id: 1,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Sends at its pace for so long, from a timestamp and a place in a group of its own; then it is
/// silent, and its connection open.
async fn play(mut feed: Feed, seed: u8, phase: u32, lasts: Duration) -> Result<Feed, Evicted> {
    let start = u32::from(seed) * 100_000;
    let headers = [
        message(MessageKind::Video, start, &[0x17, 0, 0, 0, 0, 1, seed]),
        message(MessageKind::Audio, start, &[0xaf, 0, 0x11, 0x90, seed]),
    ];
    for header in headers {
        feed.send(header)?;
    }
    let begun = Instant::now();
    let mut n = 0;
    while begun.elapsed() < lasts {
        let time = start + n * 40;
        let is_key = (n + phase).is_multiple_of(GROUP);
        let first = if is_key { 0x17 } else { 0x27 };
        feed.send(message(
            MessageKind::Video,
            time,
            &[first, 1, 0, 0, 0, seed],
        ))?;
        feed.send(message(MessageKind::Audio, time, &[0xaf, 1, seed]))?;
        n += 1;
        sleep_until(begun + STEP * n).await;
    }
    Ok(feed)
}

const LONG: Duration = Duration::from_secs(1_000);

/// Each source goes on with headers and a keyframe of its own, after the one before it and no
/// earlier than that.
fn assert_seamless(sent: &[(u8, u64, Track, Role)], order: &[u8]) {
    let stretches: Vec<_> = sent.chunk_by(|one, next| one.0 == next.0).collect();
    let seeds: Vec<_> = stretches.iter().map(|stretch| stretch[0].0).collect();
    assert_eq!(seeds, order);
    for stretch in stretches {
        let roles: Vec<_> = stretch.iter().map(|it| (it.2, it.3)).take(3).collect();
        let expected = [
            (Track::Video, Role::Header),
            (Track::Audio, Role::Header),
            (Track::Video, Role::Key),
        ];
        assert_eq!(roles, expected);
        let times = |track| {
            let frames = stretch
                .iter()
                .filter(move |it| it.2 == track && it.3 != Role::Header);
            frames.map(|it| it.1)
        };
        // Both were shifted alike: the first sound goes with the first picture.
        assert_eq!(times(Track::Audio).next(), times(Track::Video).next());
    }
    for track in [Track::Audio, Track::Video] {
        let times = sent.iter().filter(|it| it.2 == track).map(|it| it.1);
        assert!(times.is_sorted());
    }
}

#[tokio::test(start_paused = true)]
async fn rule_28_silence_is_decided_on_within_half_a_second_and_the_switch_lands_on_a_keyframe() {
    for phase in 0..GROUP {
        let world = World::new();
        let (first, second) = (world.feed(1, 1), world.feed(2, 2));
        let silent = tokio::spawn(play(first, 1, 0, Duration::from_secs(5)));
        tokio::spawn(play(second, 2, phase, LONG));
        sleep(Duration::from_secs(4)).await;
        assert_eq!(world.on_air(), Some(Origin::Source(id(1))));
        assert_eq!(world.state(2), IngestState::Standby);

        sleep(Duration::from_secs(3)).await;

        let air = world.air();
        let switch = air.last.back().unwrap();
        assert_eq!(switch.to, Some(Origin::Source(id(2))));
        assert_eq!(switch.cause, SwitchCause::Automatic);
        assert!(matches!(switch.reason, SwitchReason::Silent(_)));
        let decided = switch.gap.unwrap() - switch.waited;
        let (least, most) = (Duration::from_millis(400), Duration::from_millis(500));
        assert!((least..=most).contains(&decided), "{decided:?}");
        assert!(switch.waited <= STEP * GROUP, "{:?}", switch.waited);
        assert_eq!(world.state(1), IngestState::Silent);
        assert!(silent.await.unwrap().is_ok(), "it is still connected");
        assert_seamless(&world.sent(), &[1, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_before_the_keyframe_of_the_other_stays_on_air() {
    let world = World::new();
    let first = tokio::spawn(play(world.feed(1, 1), 1, 0, Duration::from_secs(5)));
    // Its keyframes come 40 ms before each whole second.
    tokio::spawn(play(world.feed(2, 2), 2, 1, LONG));
    let first = first.await.unwrap().unwrap();
    sleep(Duration::from_millis(600)).await;
    tokio::spawn(play(first, 1, 0, LONG));
    sleep(Duration::from_secs(4)).await;

    let air = world.air();
    assert_eq!(air.on_air, Some(Origin::Source(id(1))));
    assert_eq!(air.switches, 1, "the first of all");
}

#[tokio::test(start_paused = true)]
async fn rule_28_while_another_waits_for_its_keyframe_the_one_on_air_goes_on() {
    let world = World::new();
    let (first, second) = (world.feed(1, 1), world.feed(2, 2));
    tokio::spawn(play(first, 1, 0, LONG));
    tokio::spawn(play(second, 2, 10, LONG));
    sleep(Duration::from_secs(4)).await;

    world.hub.pin(Some(Origin::Source(id(2))));
    sleep(Duration::from_secs(2)).await;

    let air = world.air();
    assert_eq!(air.pinned, Some(Origin::Source(id(2))));
    let switch = air.last.back().unwrap();
    assert_eq!(switch.reason, SwitchReason::Pinned);
    assert!(switch.gap.unwrap() <= STEP, "{:?}", switch.gap);
    assert_seamless(&world.sent(), &[1, 2]);
}

#[tokio::test(start_paused = true)]
async fn rule_28_the_better_one_comes_back_after_ten_good_seconds() {
    let world = World::new();
    let first = tokio::spawn(play(world.feed(1, 1), 1, 0, LONG));
    tokio::spawn(play(world.feed(2, 2), 2, 3, LONG));
    sleep(Duration::from_secs(4)).await;
    first.abort();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.on_air(), Some(Origin::Source(id(2))));
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Encoder);

    tokio::spawn(play(world.feed(1, 1), 3, 7, LONG));
    sleep(Duration::from_millis(9_900)).await;
    assert_eq!(world.on_air(), Some(Origin::Source(id(2))));
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(world.on_air(), Some(Origin::Source(id(1))));
    assert_seamless(&world.sent(), &[1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_destinations_see_no_end_while_another_source_is_about_to_begin() {
    let world = World::new();
    let first = tokio::spawn(play(world.feed(1, 1), 1, 0, LONG));
    tokio::spawn(play(world.feed(2, 2), 2, 12, LONG));
    sleep(Duration::from_secs(4)).await;

    first.abort();
    while world.on_air() != Some(Origin::Source(id(2))) {
        sleep(Duration::from_millis(10)).await;
        assert_eq!(world.hub.facts().borrow().on_air, OnAir::Encoder);
    }
    assert_seamless(&world.sent(), &[1, 2]);
}

#[tokio::test(start_paused = true)]
async fn when_the_last_one_ends_nothing_is_on_air_at_once() {
    let world = World::new();
    let first = tokio::spawn(play(world.feed(1, 1), 1, 0, LONG));
    sleep(Duration::from_secs(1)).await;

    first.abort();
    sleep(Duration::from_millis(1)).await;

    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Nothing);
    let air = world.air();
    assert_eq!(air.on_air, None);
    assert_eq!(air.last.back().unwrap().reason, SwitchReason::Ended);
    assert_eq!(world.state(1), IngestState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn an_encoder_that_never_sends_a_keyframe_keeps_no_other_from_going_on_air() {
    let world = World::new();
    let mut keyless = world.feed(1, 1);
    tokio::spawn(async move {
        for n in 0.. {
            let picture = message(MessageKind::Video, n * 40, &[0x27, 1, 0, 0, 0, 1]);
            assert_eq!(keyless.send(picture), Ok(Standing::Watched));
            sleep(STEP).await;
        }
    });
    let second = tokio::spawn(play(world.feed(2, 2), 2, 0, LONG));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.on_air(), Some(Origin::Source(id(2))));

    // And nobody waits for it when it is alone.
    second.abort();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Nothing);
}

#[tokio::test(start_paused = true)]
async fn rule_28_a_pinned_one_without_a_keyframe_keeps_no_other_off_air() {
    // What is on air ends, or stays connected and falls silent.
    for ends in [true, false] {
        let world = World::new();
        let lasts = Duration::from_secs(5);
        let first = tokio::spawn(play(world.feed(1, 1), 1, 0, lasts));
        tokio::spawn(play(world.feed(2, 2), 2, 0, LONG));
        let mut keyless = world.feed(3, 3);
        tokio::spawn(async move {
            for n in 0.. {
                let first = if n == 500 { 0x17 } else { 0x27 };
                let picture = message(MessageKind::Video, n * 40, &[first, 1, 0, 0, 0, 3]);
                keyless.send(picture).unwrap();
                sleep(STEP).await;
            }
        });
        world.hub.pin(Some(Origin::Source(id(3))));
        sleep(lasts).await;
        assert_eq!(world.on_air(), Some(Origin::Source(id(1))));
        let held = first.await.unwrap().unwrap();
        let held = (!ends).then_some(held);

        sleep(Duration::from_secs(3)).await;
        let air = world.air();
        let switch = air.last.back().unwrap();
        assert_eq!(air.on_air, Some(Origin::Source(id(2))), "ends: {ends}");
        assert_eq!(switch.cause, SwitchCause::Automatic);
        assert_eq!(switch.reason == SwitchReason::Ended, ends, "{switch:?}");

        // It has one, twenty seconds after it came.
        sleep(Duration::from_secs(15)).await;
        let air = world.air();
        assert_eq!(air.on_air, Some(Origin::Source(id(3))));
        assert_eq!(air.last.back().unwrap().reason, SwitchReason::Pinned);
        drop(held);
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_connected_and_sends_nothing_is_off_air_after_ten_seconds() {
    let world = World::new();
    let playing = play(world.feed(1, 1), 1, 0, Duration::from_secs(5));
    let feed = tokio::spawn(playing).await.unwrap().unwrap();
    sleep(Duration::from_secs(9)).await;
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Encoder);

    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Nothing);
    let air = world.air();
    assert_eq!(air.on_air, None);
    let reason = air.last.back().unwrap().reason;
    assert!(matches!(reason, SwitchReason::Silent(_)), "{reason:?}");
    assert_eq!(world.state(1), IngestState::Silent);

    world.sent();
    tokio::spawn(play(feed, 1, 0, LONG));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Encoder);
    assert_eq!(world.state(1), IngestState::OnAir);
    assert_seamless(&world.sent(), &[1]);
}

#[tokio::test(start_paused = true)]
async fn a_stall_of_this_machine_takes_nothing_off_air() {
    let world = World::new();
    let playing = play(world.feed(1, 1), 1, 0, Duration::from_secs(5));
    let feed = tokio::spawn(playing).await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    sleep(Duration::from_millis(100)).await;

    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Encoder);
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn a_source_has_one_feed_at_a_time_and_none_once_it_is_removed() {
    let world = World::new();
    let mut feed = world.feed(1, 1);
    let again = world
        .hub
        .feed(Origin::Source(id(1)), priority(1), Vec::new());
    assert_eq!(again.unwrap_err(), Refused::InUse);

    // Whoever is silent for long makes room.
    sleep(Duration::from_secs(2)).await;
    let again = world
        .hub
        .feed(Origin::Source(id(1)), priority(1), Vec::new());
    let mut again = again.unwrap();
    let picture = || message(MessageKind::Video, 0, &[0x17, 1, 0, 0, 0, 1]);
    assert_eq!(feed.send(picture()), Err(Evicted));
    drop(feed);
    assert_eq!(again.send(picture()), Ok(Standing::OnAir));

    world.hub.remove(&id(1));
    assert_eq!(again.send(picture()), Err(Evicted));
    let unknown = world
        .hub
        .feed(Origin::Source(id(1)), priority(1), Vec::new());
    assert_eq!(unknown.unwrap_err(), Refused::Unknown);
    assert_eq!(world.on_air(), None);
}

#[tokio::test(start_paused = true)]
async fn while_the_channel_is_stopped_nothing_goes_out() {
    let world = World::new();
    tokio::spawn(play(world.feed(1, 1), 1, 0, LONG));
    sleep(Duration::from_secs(2)).await;

    world.hub.open(false);
    world.sent();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.sent(), []);
    assert_eq!(world.hub.facts().borrow().on_air, OnAir::Nothing);
    assert_eq!(world.air().last.back().unwrap().cause, SwitchCause::Manual);
    assert_eq!(world.state(1), IngestState::Standby, "it is watched");

    world.hub.open(true);
    sleep(Duration::from_secs(2)).await;
    assert_seamless(&world.sent(), &[1]);
}
