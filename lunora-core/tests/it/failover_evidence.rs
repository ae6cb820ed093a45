//! What failover rests on: what tells for a leg, what tells against it, and what does neither.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{
        BackupMode, Edit, EventKind, Fault, FaultClass, FaultCode, KeyInput, Leg, OutputHealth,
        OutputState, OutputType, SecretName, SecretVersion,
    },
    plan::failover::Limits,
    port::{
        Clock as _, ErrorKind, Expect, Forget, History, PortError, Repo as _, Revealed,
        SecretStore, Which,
    },
    service::{
        Cause, Change, DestinationPatch, Destinations, FailOverTo, Failover, LegEdit, NextStep,
        Reconciler, Scope,
    },
};
use lunora_testkit::{
    clock::Sequence,
    sample,
    world::{World, leg_edit},
};

use crate::failover::{
    Told, failed_over, failover, id, leg_on, output, pass_seconds, refuse, world,
};

/// The primary waits for a person: the far end says no, and trying again goes on slowly if at all.
fn reject(world: &World, state: OutputState) {
    let now = world.clock.now();
    let mut health = OutputHealth::new(state, now);
    let (code, class) = (FaultCode::AuthRejected, FaultClass::Actionable);
    let mut fault = Fault::new(code, class, "wrong key", now);
    fault.count = 3;
    health.fault = Some(fault);
    world.router.set_health(&output(1, Leg::Primary), health);
}

#[tokio::test]
async fn rule_29_a_primary_that_waits_for_a_person_is_not_gone_back_to_because_it_can_be_called() {
    for state in [OutputState::Failed, OutputState::Reconnecting] {
        let world = world(BackupMode::Standby).await;
        // It can be connected to; that it refuses the key is beyond that.
        let probe = Arc::new(Told::default());
        let failover = failover(&world).with_probe(probe);
        reject(&world, state);
        let minutes = async |minutes: u64| {
            for _ in 0..minutes * 12 {
                failover.tick().await.unwrap();
                pass_seconds(&world, 5);
                failover.probe().await.unwrap();
            }
        };
        minutes(120).await;
        assert_eq!(failed_over(&world).await.len(), 1, "{state:?}");
        let why = failover.explain(&id(1)).await.unwrap();
        assert_eq!(why.next, NextStep::WaitsForPerson);

        let key = KeyInput::from_text("mended").unwrap();
        let patch = DestinationPatch {
            primary: LegEdit::parse(Edit::Keep, key).unwrap(),
            ..DestinationPatch::default()
        };
        world.service.update(&id(1), &patch, None).await.unwrap();
        failover.tick().await.unwrap();
        assert_eq!(
            leg_on(&world),
            [Leg::Backup],
            "what was tested had another key"
        );
        minutes(2).await;
        assert_eq!(leg_on(&world), [Leg::Primary], "somebody acted");
    }
}

#[tokio::test]
async fn rule_29_a_primary_that_waits_for_a_person_is_used_if_the_backup_fails_too() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world).with_probe(Arc::new(Told::default()));
    reject(&world, OutputState::Reconnecting);
    failover.tick().await.unwrap();
    pass_seconds(&world, 61);
    refuse(&world, Leg::Backup, 3);
    failover.probe().await.unwrap();
    failover.tick().await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Primary]);
}

#[tokio::test]
async fn rule_28_a_pin_ends_with_the_backup_that_it_was_on() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    world
        .service
        .fail_over(&id(1), FailOverTo::Backup)
        .await
        .unwrap();
    let patch = |backup| DestinationPatch {
        backup,
        ..DestinationPatch::default()
    };
    let gone = LegEdit::parse(Edit::Clear, KeyInput::Omitted).unwrap();
    world
        .service
        .update(&id(1), &patch(gone), None)
        .await
        .unwrap();
    failover.tick().await.unwrap();
    let why = failover.explain(&id(1)).await.unwrap();
    assert_eq!((why.pinned, why.next), (None, NextStep::NotAutomatic));
    let events = world.events_of(Some(&id(1))).await;
    assert!(events.contains(&EventKind::FailoverReleased));

    // Weeks later, another one.
    let another = patch(leg_edit(101));
    world.service.update(&id(1), &another, None).await.unwrap();
    assert_eq!(failover.tick().await.unwrap(), []);
    assert_eq!(leg_on(&world), [Leg::Primary]);
}

/// A store whose keys of some legs cannot be read just now.
#[derive(Debug)]
struct Unread(Arc<dyn SecretStore>, &'static [Leg]);

#[async_trait]
impl SecretStore for Unread {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        self.0.keep(name, text).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        if matches!(name, SecretName::StreamKey(_, leg) if self.1.contains(leg)) {
            return Err(PortError::new(ErrorKind::Unavailable, "reveal", "a key"));
        }
        self.0.reveal(name, which).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        self.0.forget(name, which).await
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        self.0.versions().await
    }

    fn history(&self) -> History {
        self.0.history()
    }
}

/// The services of a process that cannot read the keys of these legs.
fn without_keys(world: &World, of: &'static [Leg]) -> (Destinations, Arc<Reconciler>) {
    let mut ports = world.ports.clone();
    ports.secrets = Arc::new(Unread(ports.secrets, of));
    let ours = OutputType::Relay;
    let reconciler = Reconciler::new(ports.clone(), ours, sample::hash_key());
    let reconciler = Arc::new(reconciler);
    let ids = Arc::new(Sequence::default());
    let service = Destinations::new(ports, ids, Arc::clone(&reconciler));
    (service, reconciler)
}

#[tokio::test]
async fn rule_28_what_is_live_is_not_left_because_a_store_of_ours_fails() {
    let world = world(BackupMode::Standby).await;
    let (service, reconciler) = without_keys(&world, &[Leg::Primary]);
    let key = KeyInput::from_text("another").unwrap();
    let patch = DestinationPatch {
        primary: LegEdit::parse(Edit::Keep, key).unwrap(),
        ..DestinationPatch::default()
    };
    service.update(&id(1), &patch, None).await.unwrap();
    let failover = Failover::new(Arc::clone(&reconciler), Limits::default());
    for _ in 0..10 {
        pass_seconds(&world, 10);
        let scope = Scope::All;
        reconciler.reconcile(scope, Cause::Routine).await.unwrap();
        assert_eq!(failover.tick().await.unwrap(), []);
    }
    assert_eq!(leg_on(&world), [Leg::Primary]);
}

#[tokio::test]
async fn rule_8_nothing_live_is_ended_for_a_leg_whose_key_cannot_be_read() {
    let world = world(BackupMode::Standby).await;
    let (service, reconciler) = without_keys(&world, &[Leg::Backup]);
    let chosen = service.fail_over(&id(1), FailOverTo::Backup).await;
    assert!(chosen.is_err(), "{chosen:?}");
    let change = Change::FailOver(&id(1), FailOverTo::Backup);
    assert!(service.foresee(change).await.is_err());
    assert_eq!(leg_on(&world), [Leg::Primary]);

    refuse(&world, Leg::Primary, 3);
    let failover = Failover::new(reconciler, Limits::default());
    assert_eq!(failover.tick().await.unwrap(), []);
    assert_eq!(leg_on(&world), [Leg::Primary], "it may come back");
}

#[tokio::test]
async fn rule_28_a_backup_in_use_that_another_client_took_away_is_left_for_the_primary() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    let mut row = world.destinations.get(&id(1)).await.unwrap().unwrap();
    row.value.active_leg = Leg::Backup;
    row.value.backup = None;
    let expect = Expect::Revision(row.revision);
    world.destinations.put(&row.value, expect).await.unwrap();
    world.pass().await;
    assert_eq!(leg_on(&world), []);

    failover.tick().await.unwrap();
    assert_eq!(leg_on(&world), [Leg::Primary]);
}

#[tokio::test]
async fn rule_28_what_is_live_and_merely_slow_is_not_left() {
    let world = world(BackupMode::Standby).await;
    let failover = failover(&world);
    let since = world.clock.now();
    for _ in 0..360 {
        pass_seconds(&world, 10);
        let now = world.clock.now();
        let mut health = OutputHealth::new(OutputState::Live, since);
        let (code, class) = (FaultCode::Wedged, FaultClass::Transient);
        health.fault = Some(Fault::new(code, class, "it takes less than comes", now));
        health.progress.last_progress = Some(now);
        world.router.set_health(&output(1, Leg::Primary), health);
        assert_eq!(failover.tick().await.unwrap(), []);
    }
    let why = failover.explain(&id(1)).await.unwrap();
    assert_eq!(why.next, NextStep::Settled);
    let advice = why.advice.unwrap();
    assert!(advice.happened.contains("less than comes"), "{advice:?}");
    assert!(advice.by_itself.contains("stays live"), "{advice:?}");

    // The same as a far end that takes nothing at all any more.
    pass_seconds(&world, 15);
    assert_eq!(failover.tick().await.unwrap().len(), 1);
}
