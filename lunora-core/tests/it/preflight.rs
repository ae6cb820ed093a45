//! What a platform says of what comes in, and what a test of a destination says.

use lunora_core::{
    domain::{Aspect, Leg, MediaCodec, MediaFacts, Outcome, Platform, Scheme},
    plan::{Fit, Rule, preflight},
    port::Depth,
    service::{DestinationError, DestinationTestError, Start},
};
use lunora_testkit::{memory::MemoryDestinationProbe, sample, world::World};

fn fit(platform: &Platform, scheme: Scheme, media: &MediaFacts, rule: Rule) -> Fit {
    let verdicts = preflight(platform, scheme, Some(media));
    let rules: Vec<Rule> = verdicts.iter().map(|it| it.rule).collect();
    assert_eq!(rules, Rule::ALL, "one verdict for each rule, in order");
    let verdict = verdicts.into_iter().find(|it| it.rule == rule);
    verdict.unwrap().fit
}

fn changed(change: impl FnOnce(&mut MediaFacts)) -> MediaFacts {
    let mut media = sample::media_facts();
    change(&mut media);
    media
}

#[test]
fn what_every_platform_takes_fits_everywhere() {
    let media = sample::media_facts();
    for platform in [
        Platform::YouTube,
        Platform::Twitch,
        Platform::Facebook,
        Platform::LinkedIn,
        Platform::X,
    ] {
        for verdict in preflight(&platform, Scheme::Rtmps, Some(&media)) {
            let is_bad = matches!(verdict.fit, Fit::Warning(_) | Fit::Refuses(_));
            assert!(!is_bad, "{platform}: {verdict:?}");
        }
    }
}

#[test]
fn each_rule_that_is_broken_is_told_with_what_to_do() {
    use Platform::{Facebook, LinkedIn, Twitch, X, YouTube};
    let video = |codec| changed(|it| it.video.as_mut().unwrap().codec = codec);
    let audio = |codec| changed(|it| it.audio.as_mut().unwrap().codec = codec);
    let rate = |bps| changed(|it| it.bitrate_bps = Some(bps));
    let keys = |ms| changed(|it| it.video.as_mut().unwrap().keyframe_interval_ms = Some(ms));
    let frames = |milli| changed(|it| it.video.as_mut().unwrap().frame_rate_milli = Some(milli));
    let channels = |n| changed(|it| it.audio.as_mut().unwrap().channels = Some(n));
    let (rtmp, rtmps, srt) = (Scheme::Rtmp, Scheme::Rtmps, Scheme::Srt);
    let good = sample::media_facts();
    for (platform, scheme, media, rule, word, says) in [
        (Facebook, rtmp, good, Rule::Scheme, "refuses", "rtmps"),
        (YouTube, srt, good, Rule::Scheme, "refuses", "rtmp or rtmps"),
        (
            YouTube,
            rtmps,
            video(MediaCodec::Av1),
            Rule::VideoCodec,
            "warning",
            "h264",
        ),
        (
            Twitch,
            rtmps,
            video(MediaCodec::H265),
            Rule::VideoCodec,
            "refuses",
            "h264",
        ),
        (
            X,
            rtmps,
            audio(MediaCodec::Opus),
            Rule::AudioCodec,
            "refuses",
            "aac",
        ),
        (
            Twitch,
            rtmps,
            rate(6_320_001),
            Rule::Bitrate,
            "warning",
            "6320",
        ),
        (
            Twitch,
            rtmps,
            rate(6_953_000),
            Rule::Bitrate,
            "refuses",
            "6320",
        ),
        (YouTube, rtmps, rate(6_953_000), Rule::Bitrate, "fits", ""),
        (
            LinkedIn,
            rtmps,
            rate(9_000_000),
            Rule::Bitrate,
            "warning",
            "6128",
        ),
        (
            YouTube,
            rtmps,
            keys(2_200),
            Rule::KeyframeInterval,
            "fits",
            "",
        ),
        (
            YouTube,
            rtmps,
            keys(3_000),
            Rule::KeyframeInterval,
            "advice",
            "2.0 s",
        ),
        (
            YouTube,
            rtmps,
            keys(4_001),
            Rule::KeyframeInterval,
            "refuses",
            "2.0 s",
        ),
        (
            Twitch,
            rtmps,
            keys(4_001),
            Rule::KeyframeInterval,
            "warning",
            "2.0 s",
        ),
        (X, rtmps, frames(60_100), Rule::FrameRate, "fits", ""),
        (X, rtmps, frames(120_000), Rule::FrameRate, "refuses", "60"),
        (
            Facebook,
            rtmps,
            channels(6),
            Rule::AudioChannels,
            "refuses",
            "stereo",
        ),
        (Facebook, rtmps, good, Rule::Duration, "advice", "8 hours"),
    ] {
        let found = fit(&platform, scheme, &media, rule);
        assert_eq!(found.as_str(), word, "{platform}, {rule}: {found:?}");
        if let Fit::Advice(text) | Fit::Warning(text) | Fit::Refuses(text) = found {
            assert!(text.as_str().contains(says), "{text}");
        }
    }
}

#[test]
fn what_is_not_known_is_not_checked_and_not_guessed() {
    let nothing = MediaFacts::default();
    let unmeasured = changed(|it| {
        it.bitrate_bps = None;
        let video = it.video.as_mut().unwrap();
        (video.frame_rate_milli, video.keyframe_interval_ms) = (None, None);
        it.audio.as_mut().unwrap().channels = None;
    });
    let is_not_checked = |it: &Fit| matches!(it, Fit::NotChecked(why) if !why.is_empty());
    for rule in [
        Rule::Bitrate,
        Rule::KeyframeInterval,
        Rule::FrameRate,
        Rule::AudioChannels,
    ] {
        for platform in [Platform::YouTube, Platform::X, Platform::Facebook] {
            for media in [nothing, unmeasured] {
                let found = fit(&platform, Scheme::Rtmps, &media, rule);
                assert!(is_not_checked(&found), "{platform}, {rule}: {found:?}");
            }
        }
    }
    for verdict in preflight(&Platform::YouTube, Scheme::Rtmp, None) {
        let is_known = verdict.rule == Rule::Scheme;
        assert_eq!(is_not_checked(&verdict.fit), !is_known, "{verdict:?}");
    }
    let media = sample::media_facts();
    let all = preflight(&Platform::Custom, Scheme::Rtmp, Some(&media));
    assert!(all.iter().all(|it| is_not_checked(&it.fit)), "{all:?}");
}

async fn tested(
    world: &World,
    probe: &MemoryDestinationProbe,
    depth: Depth,
) -> Result<lunora_core::service::DestinationTest, DestinationTestError> {
    let id = sample::destination_id(1);
    world.service.test(probe, &id, None, depth, None).await
}

#[tokio::test]
async fn a_test_tells_what_it_checked_and_what_it_did_not() {
    let world = World::default();
    world.create(1, Start::Later).await.unwrap();
    let probe = MemoryDestinationProbe::default();
    let refused = tested(&world, &probe, Depth::Connect).await.unwrap();
    assert!(!refused.finding.is_good());
    probe.answer(None);
    let good = tested(&world, &probe, Depth::Connect).await.unwrap();
    assert!(good.finding.is_good());
    assert_eq!(good.leg, Leg::Primary);
    let aspects: Vec<Aspect> = good.finding.checks.iter().map(|it| it.aspect).collect();
    assert_eq!(aspects[0], Aspect::Settings);
    let last = good.finding.checks.last().unwrap();
    assert_eq!(last.aspect, Aspect::Publish);
    assert!(matches!(last.outcome, Outcome::NotChecked(_)));
    assert!(world.on().is_empty(), "nothing was started");
}

#[tokio::test]
async fn rule_27_a_publish_is_not_tested_while_it_could_end_what_is_live() {
    let world = World::default().with_running(1).await;
    let probe = MemoryDestinationProbe::default();
    probe.answer(None);
    let refused = tested(&world, &probe, Depth::Publish).await;
    let invalid = |it: &DestinationTestError| {
        matches!(
            it,
            DestinationTestError::Destination(DestinationError::Invalid { .. })
        )
    };
    assert!(refused.is_err_and(|it| invalid(&it)));
    assert_eq!(probe.asked(), []);

    tested(&world, &probe, Depth::Connect).await.unwrap();
    world
        .service
        .stop(&sample::destination_id(1))
        .await
        .unwrap();
    let tested = tested(&world, &probe, Depth::Publish).await.unwrap();
    assert!(tested.finding.is_good());
    assert_eq!(probe.asked(), [Depth::Connect, Depth::Publish]);
}

#[tokio::test]
async fn a_destination_without_a_key_is_told_to_have_none() {
    use lunora_core::domain::{Edit, KeyInput};
    use lunora_core::service::{DestinationPatch, LegEdit};
    let world = World::default();
    world.create(1, Start::Later).await.unwrap();
    let primary = LegEdit::parse(Edit::Keep, KeyInput::Removed).unwrap();
    let patch = DestinationPatch {
        primary,
        ..DestinationPatch::default()
    };
    let id = sample::destination_id(1);
    world.service.update(&id, &patch, None).await.unwrap();
    let probe = MemoryDestinationProbe::default();
    let tested = tested(&world, &probe, Depth::Connect).await.unwrap();
    assert!(
        tested
            .finding
            .fault()
            .unwrap()
            .text
            .as_str()
            .contains("stream key")
    );
    assert_eq!(probe.asked(), [], "nobody was called");
}
