//! As many values as a suite draws reach every variant and every optional part.

use std::{collections::BTreeSet, fmt};

use lunora_core::domain::{
    Encryption, FailoverHistory, InputClass, Leg, PresetKind, Protocol, RemovalCause, Role,
    SessionStatus, SourceHealth,
};
use lunora_testkit::strategy;
use proptest::{
    strategy::{Strategy, ValueTree as _},
    test_runner::TestRunner,
};

fn drawn<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    let mut draw = || strategy.new_tree(&mut runner).expect("a value").current();
    (0..100).map(|_| draw()).collect()
}

/// Asserts that each part is there in some of the values, and missing in others.
macro_rules! assert_optional {
    ($values:ident: $($($part:ident).+),+ $(,)?) => {
        $(
            let there = $values.iter().filter(|it| it.$($part).+.is_some()).count();
            let name = stringify!($($part).+);
            assert!(0 < there && there < $values.len(), "{name}: {there}");
        )+
    };
}

/// Asserts that each of these words is met.
fn assert_all<W: fmt::Display>(expected: &[W], met: impl Iterator<Item = W>) {
    let text = |word: W| word.to_string();
    let met: BTreeSet<String> = met.map(text).collect();
    let expected = expected.iter().map(ToString::to_string).collect();
    assert_eq!(met, expected);
}

#[test]
fn any_source_is_drawn() {
    let all = drawn(&strategy::source());
    assert_optional!(
        all: connection_url, stream_id, passphrase, host, port, last_check, medialive_input,
        input_security_group,
    );
    assert_all(Protocol::ALL, all.iter().map(|it| it.protocol));
    assert_all(Encryption::ALL, all.iter().map(|it| it.encryption));
    assert_all(InputClass::ALL, all.iter().map(|it| it.input_class));
    let checks = all.iter().filter_map(|it| it.last_check);
    assert_all(SourceHealth::ALL, checks.map(|it| it.health));
}

#[test]
fn any_feed_is_drawn() {
    let all = drawn(&strategy::feed());
    assert_optional!(all: second, stream_id);
}

#[test]
fn any_preset_is_drawn() {
    let all = drawn(&strategy::preset());
    assert_optional!(
        all: platform, description, created_by,
        video.codec, video.resolution, video.framerate, video.bitrate, video.profile, video.level,
        video.gop_size, video.rate_control,
        audio.codec, audio.bitrate, audio.sample_rate, audio.channels, audio.coding_mode,
        platform_settings.max_bitrate, platform_settings.recommended_keyframe,
        platform_settings.low_latency, platform_settings.adaptive_bitrate,
    );
    assert_all(PresetKind::ALL, all.iter().map(|it| it.kind));
    // What a store may take for missing.
    let descriptions: Vec<&str> = all
        .iter()
        .filter_map(|it| it.description.as_deref())
        .collect();
    assert!(descriptions.contains(&""));
    assert!(descriptions.iter().any(|it| it.contains('\n')));
}

#[test]
fn any_session_token_and_history_is_drawn() {
    let sessions = drawn(&strategy::session());
    assert_optional!(sessions: ended_at);
    assert_all(SessionStatus::ALL, sessions.iter().map(|it| it.status));
    assert!(sessions.iter().any(|it| it.destinations.is_empty()));
    assert!(sessions.iter().any(|it| 1 < it.errors.len()));

    let tokens = drawn(&strategy::token());
    assert_optional!(tokens: expires_at);
    assert_all(Role::ALL, tokens.iter().map(|it| it.role));

    let histories = drawn(&strategy::failover_history());
    assert_optional!(histories: pinned);
    let pinned = histories.iter().filter_map(|it| it.pinned);
    assert_all(&[Leg::Primary, Leg::Backup], pinned);
    for len in [0, 1, FailoverHistory::FLIPS_MAX] {
        assert!(histories.iter().any(|it| it.flips.len() == len), "{len}");
    }
}

#[test]
fn any_destination_event_and_removal_is_drawn() {
    let destinations = drawn(&strategy::destination());
    assert_optional!(destinations: preset_id, primary, backup, started_at);

    let events = drawn(&strategy::new_event());
    assert_optional!(events: destination, by);

    let removals = drawn(&strategy::removal());
    let causes: BTreeSet<RemovalCause> = removals.iter().map(|it| it.cause).collect();
    for cause in [RemovalCause::Deleted, RemovalCause::Absent] {
        assert!(causes.contains(&cause));
    }
    assert!(3 < causes.len(), "{causes:?}");
    for len in 0..3 {
        assert!(removals.iter().any(|it| it.leftovers.len() == len), "{len}");
    }
}
