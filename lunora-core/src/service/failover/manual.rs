//! What people choose: it wins over what goes on by itself, and stays until it is released.

use super::super::destinations::{Changed, DestinationError, Destinations, TRIES_MAX};
use crate::{
    domain::{DestinationId, EventKind, FailoverHistory, Flip, Leg, SwitchCause},
    plan::failover::Why,
    port::{Clock, ErrorKind, PortError, Repo},
};

/// Which leg somebody wants to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOverTo {
    /// The primary, until it is released.
    Primary,
    /// The backup, until it is released.
    Backup,
    /// Whichever the policy decides for from now on. The one in use stays until then.
    Release,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum FailOverOutcome {
    /// It was made so.
    Done(Changed),
    /// It was so already.
    AlreadySo(Changed),
}

impl Destinations {
    /// Makes a destination use a leg, and keeps it there until it is released (rule 28). It
    /// works without `failover_enabled`, and for a destination that is stopped as well, which
    /// then starts by that leg.
    pub async fn fail_over(
        &self,
        id: &DestinationId,
        to: FailOverTo,
    ) -> Result<FailOverOutcome, DestinationError> {
        match to {
            FailOverTo::Primary => self.pin(id, Leg::Primary).await,
            FailOverTo::Backup => self.pin(id, Leg::Backup).await,
            FailOverTo::Release => self.release(id).await,
        }
    }

    async fn pin(&self, id: &DestinationId, leg: Leg) -> Result<FailOverOutcome, DestinationError> {
        let mut is_done = false;
        for _ in 0..TRIES_MAX {
            let stored = self.get(id).await?;
            self.intend_leg(&stored.value, leg).await?;
            let before = self.ports.failovers.get(id).await?;
            let old = before.as_ref().map(|it| it.value.clone());
            let old = old.unwrap_or_else(|| FailoverHistory::new(id.clone()));
            let is_used = stored.value.active_leg == leg;
            if is_used && old.pinned == Some(leg) && old.pending.is_none() {
                let changed = self.after(stored).await?;
                return Ok(if is_done {
                    FailOverOutcome::Done(changed)
                } else {
                    FailOverOutcome::AlreadySo(changed)
                });
            }

            let mut new = old.clone();
            new.pinned = Some(leg);
            // Done or not, what was begun toward this leg is brought to its end.
            let begun = old.pending.clone().filter(|it| it.to == leg);
            new.pending = begun.or_else(|| (!is_used).then(|| self.chosen(leg)));
            let history = if new == old {
                before
            } else {
                let put = self.reconciler.put_history(new.clone(), before.as_ref());
                changed_meanwhile(put.await)?
            };
            let Some(history) = history else {
                continue;
            };
            is_done = true;
            if is_used && old.pinned != Some(leg) {
                self.record(id, EventKind::FailoverPinned { leg }).await;
            }
            let stored = if is_used {
                stored
            } else {
                let put = self.reconciler.put_leg(&stored, leg).await;
                match changed_meanwhile(put)? {
                    Some(stored) => stored,
                    // The pin stands; the leg follows with the next try.
                    None => continue,
                }
            };
            if let Some(flip) = &new.pending {
                let by = self.by.clone();
                let finish = self.reconciler.finish_flip(&history, flip, by).await;
                if changed_meanwhile(finish)?.is_none() {
                    continue;
                }
            }
            return Ok(FailOverOutcome::Done(self.after(stored).await?));
        }
        Err(self.contended("fail over destination", id))
    }

    async fn release(&self, id: &DestinationId) -> Result<FailOverOutcome, DestinationError> {
        for _ in 0..TRIES_MAX {
            let stored = self.get(id).await?;
            self.check_ours(&stored.value)?;
            let before = self.ports.failovers.get(id).await?;
            let Some(before) = before.filter(|it| it.value.pinned.is_some()) else {
                return Ok(FailOverOutcome::AlreadySo(self.after(stored).await?));
            };
            let released = FailoverHistory {
                pinned: None,
                ..before.value.clone()
            };
            let put = self.reconciler.put_history(released, Some(&before)).await;
            if changed_meanwhile(put)?.is_some() {
                self.record(id, EventKind::FailoverReleased).await;
                return Ok(FailOverOutcome::Done(self.after(stored).await?));
            }
        }
        Err(self.contended("release destination", id))
    }

    fn chosen(&self, to: Leg) -> Flip {
        Flip {
            at: self.ports.clock.now(),
            to,
            reason: Why::Chosen.label(),
            cause: SwitchCause::Manual,
            waits_at: None,
        }
    }
}

/// `None` if somebody else was first.
fn changed_meanwhile<T>(outcome: Result<T, PortError>) -> Result<Option<T>, PortError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}
