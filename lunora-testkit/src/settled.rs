//! What holds of any world, over whatever adapters, once everything is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use lunora_core::{
    domain::{DestinationId, Fingerprint, OutputId, OutputType, SecretName, Switch},
    plan::wish,
    port::{DestinationRepo, RepoExt, SecretStore, Which},
    service::{Cause, Reconciler, Scope},
};

use crate::{clock::ManualClock, memory::MemoryOutputRouter, sample};

/// A world to look at: its adapters without any faults, and a worker of its own.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What is wanted.
    pub destinations: &'a dyn DestinationRepo,
    /// The stream keys.
    pub secrets: &'a dyn SecretStore,
    /// The outputs.
    pub router: &'a MemoryOutputRouter,
    /// The time.
    pub clock: &'a ManualClock,
    /// A worker that finds what others left, as after a restart.
    pub worker: &'a Reconciler,
}

impl Scene<'_> {
    /// Asserts what holds whatever happened, once the worker has made its passes:
    /// nothing is orphaned, lost or doubled, and there is nothing left to do.
    ///
    /// # Panics
    ///
    /// If it does not hold; the message begins with `run`.
    pub async fn assert_settled(&self, run: impl fmt::Display + Send + Sync) {
        self.pass().await;
        let second = self.worker.reconcile(Scope::All, Cause::Routine).await;
        let second = second.unwrap();
        let idle = second.done.is_empty();
        assert!(idle, "{run}, a second pass finds work: {second:?}");
        self.assert_outputs_as_wanted(&run).await;

        // Long after, a change that stopped half way has left nothing either, and no
        // key of an edit that was not stored is taken for one that somebody else kept.
        self.clock.advance(Duration::from_secs(3600));
        self.pass().await;
        let told = self.told();
        self.worker.adopt_changed_secrets().await.unwrap();
        assert_eq!(
            self.told(),
            told,
            "{run}, a key that nobody wanted is pushed"
        );
        self.assert_secrets_agree(&run).await;
    }

    async fn pass(&self) {
        let pass = self.worker.reconcile(Scope::All, Cause::Routine).await;
        pass.unwrap();
    }

    fn told(&self) -> BTreeMap<OutputId, Fingerprint> {
        let specs = self.router.specs().into_iter();
        specs.map(|spec| (spec.id, spec.fingerprint)).collect()
    }

    async fn assert_outputs_as_wanted(&self, run: &(impl fmt::Display + Sync)) {
        let mut wanted = BTreeMap::new();
        for row in self.destinations.list_all().await.unwrap() {
            let wish = wish(&row.value, &OutputType::Relay, &sample::hash_key());
            let on = wish.outputs().filter(|it| it.switch == Switch::On);
            wanted.extend(on.map(|it| (it.id.clone(), it.fingerprint)));
        }
        let on = self.router.specs().into_iter();
        let on = on.filter(|spec| spec.switch == Switch::On);
        let on: BTreeMap<_, _> = on.map(|spec| (spec.id, spec.fingerprint)).collect();
        assert_eq!(
            on, wanted,
            "{run}, an output is orphaned, lost or not as wanted"
        );
    }

    async fn assert_secrets_agree(&self, run: &(impl fmt::Display + Sync)) {
        let mut ids: BTreeSet<DestinationId> = BTreeSet::new();
        for row in self.destinations.list_all().await.unwrap() {
            for name in SecretName::all_of(&row.value.id) {
                let latest = self.secrets.reveal(&name, Which::Latest).await.unwrap();
                let agree = match (row.value.refers_to(&name), latest) {
                    (Some(referred), Some(latest)) => {
                        referred.is_of(&latest.text, &sample::hash_key())
                    }
                    (referred, latest) => referred.is_none() && latest.is_none(),
                };
                assert!(agree, "{run}, another client reads another text of {name}");
            }
            ids.insert(row.value.id);
        }
        for name in self.secrets.versions().await.unwrap().into_keys() {
            let (SecretName::StreamKey(id, _) | SecretName::UrlTail(id, _)) = &name else {
                panic!("{run}, an unexpected secret {name}");
            };
            assert!(ids.contains(id), "{run}, {name} is orphaned");
        }
    }
}
