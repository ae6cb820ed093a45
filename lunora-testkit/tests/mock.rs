//! Every mock stands wherever its port is asked for. No test here asserts the order of calls.

use std::sync::Arc;

use lunora_core::{
    domain::{EventSeq, OutputType},
    port::{
        ChannelController, Clock, ControlStore, DestinationProbe, DestinationRepo, ErrorKind,
        EventLog, FailoverRepo, IdSource, IngestController, OutputRouter, Page, PortError,
        PresetRepo, Receives, RouterCapabilities, SecretStore, SessionRepo, SourceProbe,
        SourceRepo, TokenRepo,
    },
    service::{Cause, DestinationError, Destinations, Ports, Reconciler, Scope, Start},
};
use lunora_testkit::{
    mock::{
        MockChannelController, MockClock, MockControlStore, MockDestinationProbe,
        MockDestinationRepo, MockEventLog, MockFailoverRepo, MockIdSource, MockIngestController,
        MockOutputRouter, MockPresetRepo, MockReceives, MockSecretStore, MockSessionRepo,
        MockSourceProbe, MockSourceRepo, MockTokenRepo,
    },
    sample,
    world::{World, new_destination},
};

fn is_a<P: ?Sized>(_: Arc<P>) {}

#[test]
fn every_port_has_a_mock() {
    is_a::<dyn DestinationRepo>(Arc::new(MockDestinationRepo::new()));
    is_a::<dyn SourceRepo>(Arc::new(MockSourceRepo::new()));
    is_a::<dyn PresetRepo>(Arc::new(MockPresetRepo::new()));
    is_a::<dyn SessionRepo>(Arc::new(MockSessionRepo::new()));
    is_a::<dyn TokenRepo>(Arc::new(MockTokenRepo::new()));
    is_a::<dyn FailoverRepo>(Arc::new(MockFailoverRepo::new()));
    is_a::<dyn SecretStore>(Arc::new(MockSecretStore::new()));
    is_a::<dyn OutputRouter>(Arc::new(MockOutputRouter::new()));
    is_a::<dyn ChannelController>(Arc::new(MockChannelController::new()));
    is_a::<dyn Receives>(Arc::new(MockReceives::new()));
    is_a::<dyn IngestController>(Arc::new(MockIngestController::new()));
    is_a::<dyn SourceProbe>(Arc::new(MockSourceProbe::new()));
    is_a::<dyn DestinationProbe>(Arc::new(MockDestinationProbe::new()));
    is_a::<dyn EventLog>(Arc::new(MockEventLog::new()));
    is_a::<dyn ControlStore>(Arc::new(MockControlStore::new()));
    is_a::<dyn Clock>(Arc::new(MockClock::new()));
    is_a::<dyn IdSource>(Arc::new(MockIdSource::new()));
}

fn services(ports: Ports) -> (Arc<Reconciler>, Destinations) {
    let mut ids = MockIdSource::new();
    ids.expect_mint().return_const(7_u128);
    let reconciler = Reconciler::new(ports.clone(), OutputType::Relay, sample::hash_key());
    let reconciler = Arc::new(reconciler);
    let service = Destinations::new(ports, Arc::new(ids), Arc::clone(&reconciler));
    (reconciler, service)
}

#[tokio::test]
async fn a_service_tells_what_its_repo_answered() {
    let mut repo = MockDestinationRepo::new();
    repo.expect_get().returning(|_| Ok(None));
    repo.expect_list().returning(|_| Ok(nothing()));
    repo.expect_put().returning(|value, _| {
        let what = format_args!("destination {}", value.id);
        Err(PortError::new(ErrorKind::Denied, "store", what))
    });
    let ports = Ports {
        destinations: Arc::new(repo),
        ..World::default().ports
    };
    let (_, service) = services(ports);

    let wanted = new_destination(1, Start::Later);
    let outcome = service.create(sample::destination_id(1), wanted).await;

    let Err(DestinationError::Port(error)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Denied);
}

fn nothing<T>() -> Page<T> {
    Page {
        items: Vec::new(),
        unreadable: Vec::new(),
        next: None,
    }
}

#[tokio::test]
async fn a_router_with_nothing_to_do_is_told_nothing() {
    // Who is told to apply, to detach or to retry panics.
    let mut router = MockOutputRouter::new();
    let capabilities = RouterCapabilities::rtmp(1);
    router.expect_capabilities().return_const(capabilities);
    router.expect_observe().returning(|| Ok(Vec::new()));
    let world = World::default();
    let ports = Ports {
        router: Arc::new(router),
        ..world.ports.clone()
    };
    let (reconciler, service) = services(ports);

    let created = service.create(sample::destination_id(1), new_destination(1, Start::Later));
    created.await.expect("a row");
    let report = reconciler.reconcile(Scope::All, Cause::Asked).await;

    assert!(report.expect("a pass").done.is_empty());
    assert_ne!(world.events.last().await.expect("a place"), EventSeq(0));
}
