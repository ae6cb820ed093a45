//! One worker at a time makes router writes (rule 10).

use std::sync::{Arc, Mutex, PoisonError};

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

/// The right of one worker to make router writes, for as long as its pass goes on.
///
/// A [`Reconciler`] asks for it before a pass and gives it back after. A router whose
/// writes are many slow calls shares it, and [checks](Self::check) before each.
#[derive(Debug)]
pub struct WriteLease {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    name: LeaseName,
    worker: WorkerId,
    held: Mutex<Option<Lease>>,
}

impl WriteLease {
    /// The lease of that name, as that worker asks for it. Every process, and after a
    /// restart the next one, is another worker.
    #[must_use]
    pub fn new(
        control: Arc<dyn ControlStore>,
        clock: Arc<dyn Clock>,
        name: LeaseName,
        worker: WorkerId,
    ) -> Self {
        Self {
            control,
            clock,
            name,
            worker,
            held: Mutex::new(None),
        }
    }

    /// Makes sure before a write that the lease is still held, and asks for more time
    /// when less than 15 s are left; a pass that lost it fails here with
    /// [`Conflict`](ErrorKind::Conflict). A write may take 15 s from here.
    pub async fn check(&self) -> Result<(), PortError> {
        let now = self.clock.now();
        let lost = || PortError::new(ErrorKind::Conflict, "keep the lease", &self.name);
        match self.held() {
            Some(held) if now < held.until - MARGIN => return Ok(()),
            // Over: another may have had it since, and what was read is not to be acted on.
            Some(held) if held.until <= now => return Err(lost()),
            Some(_) => (),
            None => return Err(lost()),
        }
        match self.take().await? {
            None => Ok(()),
            Some(_) => Err(lost()),
        }
    }

    /// Asks for the lease, and returns who has it, should it be another.
    async fn take(&self) -> Result<Option<WorkerId>, PortError> {
        let now = self.clock.now();
        let asked = Lease {
            holder: self.worker.clone(),
            at: now,
            until: now + LENGTH,
        };
        let stands = self.control.acquire(&self.name, &asked).await?;
        if stands.holder == self.worker {
            self.note(Some(stands));
            return Ok(None);
        }
        self.note(None);
        Ok(Some(stands.holder))
    }

    /// Lets the next worker have it. If that fails, its time is over soon.
    async fn give_back(&self) {
        let Some(held) = self.held() else {
            return;
        };
        self.note(None);
        if let Err(error) = self.control.release(&self.name, &held).await {
            tracing::warn!(%error, "the lease ends by itself");
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

/// Without a lease, this worker is the only one.
impl Reconciler {
    pub(super) async fn take_lease(&self) -> Result<Option<WorkerId>, PortError> {
        match &self.lease {
            None => Ok(None),
            Some(lease) => lease.take().await,
        }
    }

    pub(super) async fn check_lease(&self) -> Result<(), PortError> {
        match &self.lease {
            None => Ok(()),
            Some(lease) => lease.check().await,
        }
    }

    pub(super) async fn give_lease_back(&self) {
        if let Some(lease) = &self.lease {
            lease.give_back().await;
        }
    }
}
