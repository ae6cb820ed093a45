use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use lunora_core::{
    domain::{
        Edit, EventKind, FaultCode, FeedProgram, KeyInput, OutputType, Platform, StatusKind,
        ViewerFeed, Wanted,
    },
    plan::SEGMENT_AGE_MAX,
    port::{ControlStore, Repo, RepoExt, ViewerMonitor},
    service::{
        DestinationError, DestinationPatch, LegEdit, Reconciler, Start, StartOutcome, StopOutcome,
    },
};
use lunora_testkit::{
    sample,
    world::{World, leg_edit, new_destination},
};

fn id(n: u64) -> lunora_core::domain::DestinationId {
    sample::destination_id(n)
}

fn key_patch(key: &str) -> DestinationPatch {
    let key = KeyInput::from_text(key).unwrap();
    DestinationPatch {
        primary: LegEdit::parse(Edit::Keep, key).unwrap(),
        ..DestinationPatch::default()
    }
}

#[tokio::test]
async fn rule_2_a_create_never_goes_live_by_itself() {
    let world = World::default();
    world.create(1, Start::Later).await.unwrap();
    assert_eq!(world.row(1).await.wanted, Wanted::Stopped);
    assert_eq!(world.on(), []);
    assert_eq!(world.status(1).await.kind, StatusKind::Idle);
}

#[tokio::test]
async fn rule_2_start_and_stop_are_idempotent_and_tell_what_was_so_already() {
    let world = World::default();
    world.create(1, Start::Later).await.unwrap();
    let start = async || world.service.start(&id(1)).await.unwrap();
    let stop = async || world.service.stop(&id(1)).await.unwrap();
    assert!(matches!(stop().await, StopOutcome::AlreadyStopped(_)));
    assert!(matches!(start().await, StartOutcome::Started(_)));
    let generation = world.row(1).await.generation;
    assert!(matches!(start().await, StartOutcome::AlreadyRunning(_)));
    assert_eq!(world.row(1).await.generation, generation);
    assert!(matches!(stop().await, StopOutcome::Stopped(_)));
    assert_eq!(world.status(1).await.kind, StatusKind::Idle);
}

#[tokio::test]
async fn rule_1_what_is_disabled_while_running_stops_and_does_not_come_back_by_itself() {
    let world = World::default().with_running(1).await;
    let enable = async |enabled| {
        let patch = DestinationPatch {
            enabled: Some(enabled),
            ..DestinationPatch::default()
        };
        world.service.update(&id(1), &patch, None).await.unwrap();
    };
    enable(false).await;
    assert_eq!(world.on(), []);
    assert_eq!(world.status(1).await.kind, StatusKind::Disabled);
    let refused = world.service.start(&id(1)).await.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Disabled { .. }),
        "{refused}"
    );
    enable(true).await;
    assert_eq!(world.on(), []);
    assert_eq!(world.status(1).await.kind, StatusKind::Idle);
}

#[tokio::test]
async fn rule_4_hls_has_no_output_and_its_status_is_not_guessed() {
    let world = World::default();
    let mut new = new_destination(1, Start::Now);
    new.platform = Platform::Hls;
    new.primary = LegEdit::default();
    world.service.create(id(1), new).await.unwrap();
    assert_eq!(world.on(), []);
    assert_eq!(world.status(1).await.kind, StatusKind::Unconfirmed);
}

/// Viewers who got their newest segment at a known time.
#[derive(Debug)]
struct Watched(Timestamp);

impl ViewerMonitor for Watched {
    fn viewer_feed(&self) -> ViewerFeed {
        ViewerFeed {
            newest_segment: Some(self.0),
            since: Some(self.0),
            program: FeedProgram::Nothing,
            fault: None,
        }
    }
}

#[tokio::test]
async fn rule_4_the_status_of_hls_comes_from_the_age_of_the_newest_segment() {
    let world = World::default();
    let mut new = new_destination(1, Start::Now);
    new.platform = Platform::Hls;
    new.primary = LegEdit::default();
    world.service.create(id(1), new).await.unwrap();
    let newest = world.ports.clock.now();
    let worker = Reconciler::new(world.ports.clone(), OutputType::Relay, sample::hash_key());
    let worker = worker.with_viewers(Arc::new(Watched(newest)));
    let kind = async || worker.look().await.unwrap().entries[&id(1)].status.kind;

    assert_eq!(kind().await, StatusKind::Live);
    world.clock.advance(SEGMENT_AGE_MAX.unsigned_abs());
    assert_eq!(kind().await, StatusKind::Live);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(kind().await, StatusKind::WaitingForSource);
    assert_eq!(world.on(), [], "and never from an output");
}

#[tokio::test]
async fn rule_5_a_second_start_to_the_same_place_is_refused_and_names_the_other() {
    let world = World::default().with_running(1).await;
    let mut twin = new_destination(2, Start::Later);
    twin.primary = leg_edit(1);
    world.service.create(id(2), twin).await.unwrap();
    let refused = world.service.start(&id(2)).await.unwrap_err();
    let DestinationError::Duplicate { of, name } = refused else {
        panic!("{refused}");
    };
    assert_eq!((of, name.as_str()), (id(1), "destination 1"));
    assert_eq!(world.on(), [sample::output_id(1)]);

    world.service.stop(&id(1)).await.unwrap();
    world.service.start(&id(2)).await.unwrap();
    let refused = world.service.start(&id(1)).await.unwrap_err();
    assert!(matches!(refused, DestinationError::Duplicate { .. }));
}

#[tokio::test]
async fn rule_5_an_edit_cannot_make_a_running_one_a_twin() {
    let world = World::default().with_running(2).await;
    let patch = DestinationPatch {
        primary: leg_edit(1),
        ..DestinationPatch::default()
    };
    let refused = world.service.update(&id(2), &patch, None).await;
    assert!(matches!(refused, Err(DestinationError::Duplicate { .. })));
    world.pass().await;
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
}

#[tokio::test]
async fn rule_7_an_edit_is_one_update_in_place() {
    let world = World::default().with_running(2).await;
    let edit = key_patch("new-key");
    world.service.update(&id(1), &edit, None).await.unwrap();
    assert_eq!(world.router.interruptions(&sample::output_id(1)), 1);
    assert_eq!(world.router.interruptions(&sample::output_id(2)), 0);
    let name = DestinationPatch {
        name: Some("renamed".parse().unwrap()),
        ..DestinationPatch::default()
    };
    world.service.update(&id(1), &name, None).await.unwrap();
    assert_eq!(
        world.router.interruptions(&sample::output_id(1)),
        1,
        "a name is nothing to the output"
    );
}

#[tokio::test]
async fn rule_17_only_what_is_wanted_counts_the_generation_up_and_a_stale_edit_is_refused() {
    let world = World::default().with_running(1).await;
    let same = key_patch("key-1");
    world.service.update(&id(1), &same, Some(1)).await.unwrap();
    assert_eq!(world.row(1).await.generation, 1, "nothing changed");

    let edit = key_patch("key-2");
    world.service.update(&id(1), &edit, Some(1)).await.unwrap();
    assert_eq!(world.row(1).await.generation, 2);
    let refused = world
        .service
        .update(&id(1), &key_patch("key-3"), Some(1))
        .await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Stale { found: 2, .. }),
        "{refused}"
    );
    let refused = world.service.remove(&id(1), Some(1)).await.unwrap_err();
    assert!(matches!(refused, DestinationError::Stale { .. }));
}

#[tokio::test]
async fn rule_22_without_its_key_a_running_destination_stops_with_invalid() {
    let world = World::default().with_running(1).await;
    world
        .service
        .update(&id(1), &key_patch(""), None)
        .await
        .unwrap();
    assert_eq!(world.on(), []);
    let status = world.status(1).await;
    assert_eq!(status.kind, StatusKind::Idle);
    assert_eq!(status.fault.unwrap().code, FaultCode::Invalid);
    let refused = world.service.start(&id(1)).await.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Invalid { .. }),
        "{refused}"
    );

    world
        .service
        .update(&id(1), &key_patch("again"), None)
        .await
        .unwrap();
    assert_eq!(world.on(), [], "a new key does not put it on air by itself");
}

#[tokio::test]
async fn rule_12_a_removal_ends_with_nothing_left_and_is_told() {
    let world = World::default().with_running(2).await;
    world.service.remove(&id(1), None).await.unwrap();
    assert_eq!(world.on(), [sample::output_id(2)]);
    let events = world.events_of(Some(&id(1))).await;
    let tail = events.last_chunk::<2>().unwrap();
    assert!(matches!(tail[0], EventKind::DestinationRemoved { .. }));
    assert_eq!(tail[1], EventKind::RemovalFinished);
    assert!(
        world
            .secrets
            .names()
            .iter()
            .all(|name| !name.to_string().contains("dest-1"))
    );
    let again = world.service.remove(&id(1), None).await.unwrap_err();
    assert!(
        matches!(again, DestinationError::NotFound { .. }),
        "{again}"
    );
}

#[tokio::test]
async fn rule_13_a_destination_of_another_way_is_not_started_from_here() {
    let world = World::default();
    let mut row = sample::destination(1);
    row.output_type = OutputType::MediaLive;
    world.destinations.create(&row).await.unwrap();
    let refused = world.service.start(&row.id).await.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Foreign { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_destination_that_cannot_run_is_not_created_running() {
    let world = World::default();
    let mut new = new_destination(1, Start::Now);
    new.primary.key = Edit::Keep;
    let refused = world.service.create(id(1), new).await.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Invalid { .. }),
        "{refused}"
    );
    assert_eq!(world.destinations.get(&id(1)).await.unwrap(), None);
    assert_eq!(world.secrets.names(), []);
}

#[tokio::test]
async fn rule_22_a_mask_that_stands_for_nothing_is_refused() {
    let world = World::default().with_running(1).await;
    let edit = Edit::Set("rtmp://127.0.0.1:9/app/***");
    let patch = DestinationPatch {
        primary: LegEdit::parse(edit, KeyInput::Masked).unwrap(),
        ..DestinationPatch::default()
    };
    let refused = world
        .service
        .update(&id(1), &patch, None)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, DestinationError::Invalid { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn rule_12_an_id_whose_removal_is_not_done_is_not_taken_again() {
    let world = World::default();
    let removal = sample::removal(1);
    world.control.record_removal(&removal).await.unwrap();
    let refused = world.create(1, Start::Now).await.unwrap_err();
    assert!(
        matches!(refused, DestinationError::Invalid { .. }),
        "{refused}"
    );
    assert_eq!(world.control.removals().await.unwrap(), [removal]);
}
