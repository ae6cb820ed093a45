//! One worker at a time makes router writes (rule 10).

use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;

use super::Reconciler;
use crate::{
    domain::{LeaseName, WorkerId},
    port::{Clock, ControlStore, ErrorKind, Lease, PortError},
};

/// How long a worker has the lease, unless it asks again.
const LENGTH: SignedDuration = SignedDuration::from_secs(30);

/// What a worker leaves unused at the end: by so much may clocks differ, and so
/// long may a call to a router take.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// The lease that a worker asks for before a pass.
#[derive(Debug)]
pub(super) struct Leased {
    name: LeaseName,
    worker: WorkerId,
    held: Mutex<Option<Lease>>,
}

impl Leased {
    pub(super) fn new(name: LeaseName, worker: WorkerId) -> Self {
        Self {
            name,
            worker,
            held: Mutex::new(None),
        }
    }

    fn held(&self) -> Option<Lease> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, lease: Option<Lease>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }
}

impl Reconciler {
    /// Asks for the lease, and returns who has it, should it be another.
    pub(super) async fn take_lease(&self) -> Result<Option<WorkerId>, PortError> {
        let Some(leased) = &self.lease else {
            return Ok(None);
        };
        let now = self.ports.clock.now();
        let asked = Lease {
            holder: leased.worker.clone(),
            at: now,
            until: now + LENGTH,
        };
        let stands = self.ports.control.acquire(&leased.name, &asked).await?;
        if stands.holder == leased.worker {
            leased.note(Some(stands));
            return Ok(None);
        }
        leased.note(None);
        Ok(Some(stands.holder))
    }

    /// Makes sure before a write that the lease is still held; a pass that lost
    /// it stops here.
    pub(super) async fn check_lease(&self) -> Result<(), PortError> {
        let Some(leased) = &self.lease else {
            return Ok(());
        };
        let now = self.ports.clock.now();
        let lost = || PortError::new(ErrorKind::Conflict, "keep the lease", &leased.name);
        match leased.held() {
            Some(held) if now < held.until - MARGIN => return Ok(()),
            // Over: another may have had it since, and what was read is not to be acted on.
            Some(held) if held.until <= now => return Err(lost()),
            Some(_) => (),
            None => return Err(lost()),
        }
        match self.take_lease().await? {
            None => Ok(()),
            Some(_) => Err(lost()),
        }
    }

    /// Lets the next worker have it. If that fails, its time is over soon.
    pub(super) async fn give_lease_back(&self) {
        let Some(leased) = &self.lease else {
            return;
        };
        let Some(held) = leased.held() else {
            return;
        };
        leased.note(None);
        let control = &self.ports.control;
        if let Err(error) = control.release(&leased.name, &held).await {
            tracing::warn!(%error, "the lease ends by itself");
        }
    }
}
