//! What comes in: changes, what a media engine is told, and health.

use std::time::Duration;

use lunora_core::{
    ExposeSecret as _,
    domain::{
        Aspect, Edit, Encryption, EventKind, FaultClass, FaultCode, IngestWay, Outcome, Protocol,
        SecretName, SecretRef,
    },
    port::{Expect, Forget, History, IngestController as _, Repo as _, SecretStore as _},
    service::{AddressEdit, NewSource, SourceError, SourcePatch, SourceState},
};
use lunora_testkit::{
    fault::{Fault as Lost, FaultPlan},
    sample::{self, source_id},
    source_world::{SourceWorld, new_source},
};

fn url(text: &str) -> AddressEdit {
    AddressEdit {
        url: Edit::Set(text.parse().unwrap()),
        ..AddressEdit::default()
    }
}

fn by(protocol: Protocol, address: AddressEdit) -> NewSource {
    NewSource {
        protocol,
        address,
        ..new_source(1)
    }
}

async fn refused(world: &SourceWorld, new: NewSource) -> String {
    let refused = world.service.create(source_id(1), new).await.unwrap_err();
    assert!(
        matches!(refused, SourceError::Invalid { .. }),
        "{refused:?}"
    );
    refused.to_string()
}

#[tokio::test]
async fn a_new_source_is_taken_in_at_once_with_its_secrets() {
    let world = SourceWorld::default();
    let entry = world.create(1).await.unwrap();

    assert_eq!(entry.state, SourceState::Waiting);
    let spec = world.ingests.specs().remove(0);
    let IngestWay::Listen { stream_name } = &spec.way else {
        panic!("{spec:?}");
    };
    assert_eq!(stream_name.as_ref().unwrap().expose_secret(), "publish-1");
    let source = source_id(1);
    let name = "source 1".parse().unwrap();
    let told = world.happened().await;
    assert_eq!(told, [EventKind::SourceCreated { source, name }]);
}

#[tokio::test]
async fn rule_21_an_srt_url_is_taken_apart_and_not_kept() {
    let world = SourceWorld::default();
    let address = url("srt://cam.example:9000?streamid=the-stream&passphrase=0123456789");
    world
        .service
        .create(source_id(1), by(Protocol::Srt, address))
        .await
        .unwrap();

    let row = world.row(1).await;
    assert_eq!(
        (row.host.as_deref(), row.port),
        (Some("cam.example"), Some(9000))
    );
    assert_eq!(row.connection_url, None);
    assert_eq!(row.encryption, Encryption::Aes128, "as libsrt has it");
    let spec = world.ingests.specs().remove(0);
    assert_eq!(spec.passphrase.unwrap().expose_secret(), "0123456789");
    let IngestWay::Call {
        host,
        port,
        stream_name,
    } = spec.way
    else {
        panic!("it calls");
    };
    let stream_name = stream_name.unwrap();
    let called = (host.as_str(), port, stream_name.expose_secret());
    assert_eq!(called, ("cam.example", 9000, "the-stream"));
}

#[tokio::test]
async fn what_could_never_come_in_is_refused_with_what_to_do() {
    let world = SourceWorld::default();
    let nothing = AddressEdit::default;
    let with_passphrase = || AddressEdit {
        passphrase: Edit::Set("0123456789".parse().unwrap()),
        ..nothing()
    };
    let encrypted = |address, encryption| NewSource {
        encryption: Some(encryption),
        ..by(Protocol::Srt, address)
    };
    let hosted = AddressEdit {
        host: Edit::Set("cam.example".parse().unwrap()),
        ..nothing()
    };
    let both = AddressEdit {
        stream_id: Edit::Set("one".parse().unwrap()),
        ..url("srt://h:1?streamid=canary")
    };
    for (new, word) in [
        (by(Protocol::Rtmp, nothing()), "stream_id"),
        (by(Protocol::Rtmp, url("srt://h:1")), "connection_url"),
        (by(Protocol::Rtmp, with_passphrase()), "only SRT"),
        (encrypted(nothing(), Encryption::Aes256), "passphrase"),
        (
            encrypted(with_passphrase(), Encryption::None),
            "encryption_type",
        ),
        (by(Protocol::Srt, hosted), "port"),
        (
            by(Protocol::Srt, url("rtmp://canary:1/a")),
            "connection_url",
        ),
        (by(Protocol::Srt, both), "stream_id"),
    ] {
        let reason = refused(&world, new).await;
        assert!(reason.contains(word), "{reason}");
        assert!(!reason.contains("canary"), "{reason}");
    }
    assert_eq!(world.secrets.names(), []);
}

#[tokio::test]
async fn what_no_engine_here_takes_is_kept_and_says_what_works() {
    let world = SourceWorld::default();
    let named = AddressEdit {
        stream_id: Edit::Set("key".parse().unwrap()),
        ..AddressEdit::default()
    };
    let all = [
        by(Protocol::Ndi, url("STUDIO (Camera 1)")),
        by(Protocol::Rtp, url("rtp://192.0.2.1:5000")),
        by(Protocol::Rtmp, url("rtmp://192.0.2.1/app/key")),
        by(Protocol::Rtmp, named),
    ];
    for (n, new) in all.into_iter().enumerate() {
        world
            .service
            .create(source_id(n as u64), new)
            .await
            .unwrap();
    }
    assert_eq!(world.taken_in(), [source_id(3)], "it is none the worse");
    for (n, way) in [(0, "SRT"), (1, "SRT"), (2, "RTMP")] {
        let entry = world.service.get(&source_id(n)).await.unwrap();
        assert_eq!(entry.state, SourceState::Failed);
        let fault = entry.fault.unwrap();
        assert_eq!(
            (fault.code, fault.class),
            (FaultCode::Invalid, FaultClass::Actionable)
        );
        for refused in [
            world.service.test(&source_id(n)).await.unwrap_err(),
            world.service.activate(&source_id(n)).await.unwrap_err(),
        ] {
            let SourceError::Unsupported { reason } = &refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(way), "{reason}");
        }
    }
    // What cannot be is not tried again and again.
    assert!(!world.tick().await.told);
}

#[tokio::test]
async fn two_encoders_cannot_publish_under_one_name() {
    let world = SourceWorld::default().with_sources(1).await;
    let twin = NewSource {
        priority: sample::priority(2),
        ..new_source(1)
    };
    let refused = world.service.create(source_id(2), twin.clone()).await;
    assert!(matches!(refused, Err(SourceError::Duplicate { of, .. }) if of == source_id(1)));

    let patch = SourcePatch {
        enabled: Some(false),
        ..SourcePatch::default()
    };
    world
        .service
        .update(&source_id(1), &patch, None)
        .await
        .unwrap();
    world.service.create(source_id(2), twin).await.unwrap();
    let patch = SourcePatch {
        enabled: Some(true),
        ..SourcePatch::default()
    };
    let refused = world.service.update(&source_id(1), &patch, None).await;
    assert!(
        matches!(refused, Err(SourceError::Duplicate { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn rule_17_an_edit_counts_up_once_and_a_stale_one_is_refused() {
    let world = SourceWorld::default().with_sources(2).await;
    let patch = SourcePatch {
        name: Some("new".parse().unwrap()),
        priority: Some(sample::priority(7)),
        ..SourcePatch::default()
    };
    let entry = world
        .service
        .update(&source_id(1), &patch, Some(1))
        .await
        .unwrap();
    assert_eq!(entry.source.value.generation, 2);
    let again = world
        .service
        .update(&source_id(1), &patch, Some(2))
        .await
        .unwrap();
    assert_eq!(again.source.value.generation, 2, "nothing changed");
    let stale = world.service.update(&source_id(1), &patch, Some(1)).await;
    assert!(
        matches!(stale, Err(SourceError::Stale { found: 2, .. })),
        "{stale:?}"
    );
    let stale = world.service.remove(&source_id(1), Some(1)).await;
    assert!(
        matches!(stale, Err(SourceError::Stale { found: 2, .. })),
        "{stale:?}"
    );

    let (source, changed) = (source_id(1), vec!["name".to_owned(), "priority".to_owned()]);
    let updated = EventKind::SourceUpdated { source, changed };
    assert!(world.happened().await.contains(&updated));
    assert_eq!(
        world.ingests.interruptions(&source_id(2)),
        0,
        "the other went on"
    );
}

#[tokio::test]
async fn rule_22_a_new_secret_replaces_the_old_one_everywhere() {
    let world = SourceWorld::default().with_sources(1).await;
    let patch = |name: &str| SourcePatch {
        address: AddressEdit {
            stream_id: Edit::Set(name.parse().unwrap()),
            ..AddressEdit::default()
        },
        ..SourcePatch::default()
    };
    let same = world
        .service
        .update(&source_id(1), &patch("publish-1"), None)
        .await
        .unwrap();
    assert_eq!(same.source.value.generation, 1);
    world
        .service
        .update(&source_id(1), &patch("another"), None)
        .await
        .unwrap();

    let name = SecretName::SourceStreamId(source_id(1));
    assert_eq!(world.secrets.versions_of(&name).len(), 1);
    let IngestWay::Listen { stream_name } = world.ingests.specs().remove(0).way else {
        panic!("it is called");
    };
    assert_eq!(stream_name.unwrap().expose_secret(), "another");
}

#[tokio::test]
async fn what_is_removed_takes_its_ingest_and_its_secrets_along() {
    let world = SourceWorld::default().with_sources(2).await;
    world.service.remove(&source_id(1), None).await.unwrap();
    assert_eq!(world.taken_in(), [source_id(2)]);
    assert_eq!(
        world.secrets.names(),
        [SecretName::SourceStreamId(source_id(2))]
    );
    let again = world.service.remove(&source_id(1), None).await;
    assert!(matches!(again, Err(SourceError::NotFound { .. })));
}

#[tokio::test]
async fn rule_28_an_activated_source_stays_until_it_is_released() {
    let world = SourceWorld::default().with_sources(2).await;
    for n in [1, 2] {
        world.ingests.receive(&source_id(n), sample::media_facts());
    }
    let on_air = async || world.service.list().await.unwrap().on_air;
    assert_eq!(on_air().await, Some(source_id(1)));

    let entry = world.service.activate(&source_id(2)).await.unwrap();
    assert_eq!((entry.state, entry.pinned), (SourceState::OnAir, true));
    assert_eq!(
        world.service.on_air().await.unwrap(),
        Some(sample::media_facts())
    );
    world.tick().await;
    assert_eq!(on_air().await, Some(source_id(2)));

    assert_eq!(world.service.release().await.unwrap(), Some(source_id(2)));
    assert_eq!(world.service.release().await.unwrap(), None);
    assert_eq!(on_air().await, Some(source_id(1)));
    let pins = world.happened().await.into_iter();
    let pins = pins.filter(|it| matches!(it, EventKind::SourcePinned { .. }));
    let source = Some(source_id(2));
    let expected = [
        EventKind::SourcePinned { source },
        EventKind::SourcePinned { source: None },
    ];
    assert_eq!(pins.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn what_is_disabled_is_not_taken_in_and_not_activated() {
    let world = SourceWorld::default().with_sources(2).await;
    let patch = SourcePatch {
        enabled: Some(false),
        ..SourcePatch::default()
    };
    let entry = world
        .service
        .update(&source_id(1), &patch, None)
        .await
        .unwrap();
    assert_eq!(entry.state, SourceState::Disabled);
    assert_eq!(world.taken_in(), [source_id(2)]);
    let refused = world.service.activate(&source_id(1)).await;
    assert!(
        matches!(refused, Err(SourceError::Disabled { .. })),
        "{refused:?}"
    );
    assert_eq!(world.ingests.interruptions(&source_id(2)), 0);
}

#[tokio::test]
async fn a_test_finds_what_comes_in_and_changes_nothing() {
    let world = SourceWorld::default().with_sources(1).await;
    let nothing = world.service.test(&source_id(1)).await.unwrap();
    assert!(!nothing.is_good());
    world.ingests.receive(&source_id(1), sample::media_facts());
    let good = world.service.test(&source_id(1)).await.unwrap();
    assert!(good.is_good());
    assert_eq!(good.media, Some(sample::media_facts()));
}

#[tokio::test]
async fn rule_24_a_source_whose_secret_is_lost_says_so_and_stops_no_other() {
    let world = SourceWorld::default().with_sources(2).await;
    let name = SecretName::SourceStreamId(source_id(1));
    world.secrets.forget(&name, Forget::All).await.unwrap();

    // As after a restart: every secret is read again.
    let worker = world.worker();
    world.ingests.apply(&[]).await;
    let report = worker.sync().await.unwrap();
    assert_eq!(world.taken_in(), [source_id(2)]);
    assert_eq!(report.failed.len(), 1);
    let entry = worker.get(&source_id(1)).await.unwrap();
    assert!(entry.fault.unwrap().text.as_str().contains("`stream_id`"));
    let finding = worker.test(&source_id(1)).await.unwrap();
    assert_eq!(finding.checks[0].aspect, Aspect::Settings);
    assert!(matches!(finding.checks[0].outcome, Outcome::Failed(_)));

    // Setting the same again brings it back.
    let patch = SourcePatch {
        address: new_source(1).address,
        ..SourcePatch::default()
    };
    worker.update(&source_id(1), &patch, None).await.unwrap();
    assert_eq!(world.taken_in().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_just_now_goes_on_as_it_is() {
    let plan = FaultPlan::none();
    let world = SourceWorld::new(&plan, History::Cuts).with_sources(2).await;
    world.ingests.receive(&source_id(1), sample::media_facts());
    // Somebody else changes the priority, and the store of secrets is away.
    let mut row = world.sources.get(&source_id(1)).await.unwrap().unwrap();
    row.value.priority = sample::priority(9);
    world
        .sources
        .put(&row.value, Expect::Revision(row.revision))
        .await
        .unwrap();
    world.service.sync().await.unwrap();
    let interruptions = world.ingests.interruptions(&source_id(1));

    let mut row = world.sources.get(&source_id(1)).await.unwrap().unwrap();
    row.value.priority = sample::priority(1);
    world
        .sources
        .put(&row.value, Expect::Revision(row.revision))
        .await
        .unwrap();
    plan.forget_calls();
    plan.fail_at(1, Lost::Before);
    let report = world.service.sync().await.unwrap();
    assert!(
        plan.calls().contains(&"SecretStore::reveal"),
        "{:?}",
        plan.calls()
    );
    plan.clear();
    assert_eq!(report.failed.len(), 1);
    assert_eq!(world.ingests.interruptions(&source_id(1)), interruptions);
    assert_eq!(world.taken_in().len(), 2);

    // It is tried again after a moment, and not at every tick.
    assert!(!world.tick().await.told);
    world.clock.advance(Duration::from_secs(6));
    assert!(world.tick().await.told);
    assert_eq!(world.service.get(&source_id(1)).await.unwrap().fault, None);
}

#[tokio::test]
async fn a_tick_takes_in_what_is_wanted_and_leaves_what_is_so() {
    let world = SourceWorld::default().with_sources(2).await;
    assert!(!world.tick().await.told, "all is as it should be");
    world.ingests.apply(&[]).await;
    assert!(world.tick().await.told, "the engine began anew");
    assert_eq!(world.taken_in().len(), 2);
}

#[tokio::test]
async fn a_row_that_an_old_client_wrote_comes_in_as_it_says() {
    let world = SourceWorld::default();
    let mut row = sample::source(1);
    row.encryption = Encryption::None;
    row.passphrase = None;
    (row.host, row.port) = (None, None);
    let name = SecretName::SourceUrl(row.id.clone());
    row.connection_url = Some(SecretRef::unread(&name, &sample::hash_key()));
    let url = "srt://192.0.2.7:7000?passphrase=0123456789".into();
    world.secrets.keep(&name, &url).await.unwrap();
    world.sources.put(&row, Expect::Absent).await.unwrap();

    world.tick().await;
    let spec = world.ingests.specs().remove(0);
    assert_eq!(spec.encryption, Encryption::Aes128);
    assert!(matches!(&spec.way, IngestWay::Call { host, port: 7000, .. } if host == "192.0.2.7"));
    // Its name can be changed without anything else.
    let patch = SourcePatch {
        name: Some("renamed".parse().unwrap()),
        ..SourcePatch::default()
    };
    world.service.update(&row.id, &patch, None).await.unwrap();
    assert_eq!(world.row(1).await.connection_url, row.connection_url);
}
