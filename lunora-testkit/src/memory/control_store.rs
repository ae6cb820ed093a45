use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    domain::{DestinationId, LeaseName, Removal, RemovalCause},
    port::{Answer, Claim, ControlStore, IdempotencyKey, Lease, Pause, PortError},
};

/// A [`ControlStore`] in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryControlStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    removals: BTreeMap<(DestinationId, RemovalCause), Removal>,
    pause: Option<Pause>,
    claims: BTreeMap<IdempotencyKey, Claim>,
    leases: BTreeMap<LeaseName, Lease>,
}

impl MemoryControlStore {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl ControlStore for MemoryControlStore {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let which = (removal.destination.clone(), removal.cause);
        self.with(|state| state.removals.insert(which, removal.clone()));
        Ok(())
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        Ok(self.with(|state| state.removals.values().cloned().collect()))
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        self.with(|state| {
            let which = (removal.destination.clone(), removal.cause);
            if state.removals.get(&which) == Some(removal) {
                state.removals.remove(&which);
            }
        });
        Ok(())
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        Ok(self.with(|state| state.pause))
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        self.with(|state| state.pause = pause);
        Ok(())
    }

    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError> {
        Ok(self.with(|state| {
            let stands = state.claims.entry(key.clone());
            stands.or_insert_with(|| claim.clone()).clone()
        }))
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        self.with(|state| {
            if let Some(claim) = state.claims.get_mut(key) {
                claim.answer.get_or_insert_with(|| answer.clone());
            }
        });
        Ok(())
    }

    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError> {
        self.with(|state| state.claims.retain(|_, claim| time <= claim.at));
        Ok(())
    }

    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError> {
        Ok(self.with(|state| match state.leases.get(name) {
            Some(held) if held.holder != lease.holder && lease.at < held.until => held.clone(),
            // A request that was slow on its way.
            Some(held) if held.holder == lease.holder && lease.until < held.until => held.clone(),
            _ => {
                state.leases.insert(name.clone(), lease.clone());
                lease.clone()
            }
        }))
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        self.with(|state| {
            let stands = state.leases.get(name);
            let is_it = |it: &Lease| it.holder == lease.holder && it.until == lease.until;
            if stands.is_some_and(is_it) {
                state.leases.remove(name);
            }
        });
        Ok(())
    }
}
