//! Looks at sources: when, what they find, and what of it is stored.

use std::{num::NonZeroU32, time::Duration};

use lunora_core::{
    domain::{EventKind, Fault, FaultClass, FaultCode, IngestState, MediaFacts, SourceHealth},
    port::{History, Repo as _},
    service::SourcePatch,
};
use lunora_testkit::{
    fault::FaultPlan,
    sample::{self, source_id},
    source_world::SourceWorld,
};

/// The health in the row, and whether a tick looked.
async fn looked(world: &SourceWorld) -> (Option<SourceHealth>, bool) {
    let report = world.tick().await;
    let health = world.row(1).await.last_check.map(|it| it.health);
    (health, report.looked_at == [source_id(1)])
}

#[tokio::test]
async fn a_source_is_looked_at_at_its_interval_and_soon_if_it_is_otherwise() {
    let world = SourceWorld::default().with_sources(1).await;
    assert_eq!(looked(&world).await, (Some(SourceHealth::Failed), true));
    world.ingests.receive(&source_id(1), sample::media_facts());
    assert_eq!(looked(&world).await, (Some(SourceHealth::Failed), false));
    world.clock.advance(Duration::from_secs(4));
    assert_eq!(looked(&world).await, (Some(SourceHealth::Failed), false));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(looked(&world).await, (Some(SourceHealth::Healthy), true));
    world.clock.advance(Duration::from_secs(9));
    assert!(!looked(&world).await.1, "it is as it was");
    world.clock.advance(Duration::from_secs(1));
    assert!(looked(&world).await.1, "its interval is over");

    let patch = SourcePatch {
        health_check_interval: NonZeroU32::new(60),
        ..SourcePatch::default()
    };
    world
        .service
        .update(&source_id(1), &patch, None)
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(59));
    assert!(!looked(&world).await.1);
    let patch = SourcePatch {
        health_check_enabled: Some(false),
        ..SourcePatch::default()
    };
    world
        .service
        .update(&source_id(1), &patch, None)
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(3600));
    assert!(!looked(&world).await.1, "nobody asked for it");
}

#[tokio::test]
async fn rule_17_what_a_look_found_is_stored_where_it_changed_and_is_no_edit() {
    let world = SourceWorld::default().with_sources(1).await;
    world.tick().await;
    let first = world.sources.get(&source_id(1)).await.unwrap().unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.tick().await.looked_at.len(), 1);
    let second = world.sources.get(&source_id(1)).await.unwrap().unwrap();
    assert_eq!(first.revision, second.revision, "nothing new was found");
    let shown = world.service.get(&source_id(1)).await.unwrap().last_check;
    assert!(first.value.last_check.unwrap().at < shown.unwrap().at);

    world
        .ingests
        .lose(&source_id(1), IngestState::Waiting, 3, None);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.tick().await.changed, []);
    let row = world.row(1).await;
    assert_eq!((row.connection_attempts, row.generation), (3, 1));
    assert_eq!(row.updated_at, first.value.updated_at);
}

#[tokio::test]
async fn a_source_whose_row_cannot_be_written_keeps_no_other_from_being_looked_at() {
    let calls_of_a_tick = {
        let plan = FaultPlan::none();
        let world = SourceWorld::new(&plan, History::Cuts).with_sources(2).await;
        plan.forget_calls();
        world.tick().await;
        plan.calls()
    };
    let put = calls_of_a_tick
        .iter()
        .position(|it| *it == "SourceRepo::put");
    let put = put.unwrap_or_else(|| panic!("{calls_of_a_tick:?}"));
    let plan = FaultPlan::none();
    let world = SourceWorld::new(&plan, History::Cuts).with_sources(2).await;
    plan.forget_calls();
    plan.fail_at(put, lunora_testkit::fault::Fault::Before);

    assert!(world.service.tick().await.is_err(), "it is told");
    assert_eq!(world.row(1).await.last_check, None);
    assert!(world.row(2).await.last_check.is_some());
    plan.clear();
    assert_eq!(world.tick().await.looked_at, [source_id(1)]);
}

#[tokio::test]
async fn health_says_whether_it_comes_in_as_it_should() {
    let world = SourceWorld::default().with_sources(1).await;
    let id = source_id(1);
    let good = sample::media_facts();
    let with_keyframes = |ms| {
        let mut media = good;
        let video = media.video.as_mut().unwrap();
        video.keyframe_interval_ms = ms;
        media
    };
    let sound_alone = MediaFacts {
        video: None,
        ..good
    };
    let losses = Fault::new(
        FaultCode::RemoteClosed,
        FaultClass::Transient,
        "packets are lost",
        sample::time(),
    );
    let mut found = Vec::new();
    let mut look = async |world: &SourceWorld| {
        world.clock.advance(Duration::from_secs(10));
        found.push(looked(world).await.0.unwrap());
    };
    for media in [
        good,
        with_keyframes(None),
        with_keyframes(Some(10_001)),
        sound_alone,
    ] {
        world.ingests.receive(&id, media);
        look(&world).await;
    }
    world.ingests.receive(&id, good);
    world.ingests.set_fault(&id, Some(losses));
    look(&world).await;
    for state in [
        IngestState::Silent,
        IngestState::Waiting,
        IngestState::Failed,
    ] {
        world.ingests.lose(&id, state, 1, None);
        look(&world).await;
    }
    use SourceHealth::{Degraded, Failed, Healthy};
    let expected = [
        Healthy, Healthy, Degraded, Degraded, Degraded, Failed, Failed, Failed,
    ];
    assert_eq!(found, expected);
    let changes = world.happened().await.into_iter();
    let changes = changes.filter(|it| matches!(it, EventKind::SourceHealthChanged { .. }));
    assert_eq!(
        changes.count(),
        3,
        "only what differs from the last look is told"
    );
}
