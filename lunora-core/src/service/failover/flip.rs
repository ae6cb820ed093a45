//! How a flip is stored.
//!
//! First the history says what is about to be done and why; then the row says which leg is in
//! use, and nothing else of it changes: its generation neither, so that the edit of a producer
//! does not become stale (rule 17); then it is told; then the history says that it was done.
//! Whoever finds it half done goes on from there.

use super::super::Reconciler;
use crate::{
    domain::{Destination, EventKind, FailoverHistory, Fingerprint, Flip, Label, Leg},
    plan::{LegWish, Wish, wish},
    port::{Clock, Expect, OutputRouter, PortError, Repo, Versioned},
    service::reconciler::View,
};

impl Reconciler {
    /// Flips, if no other worker is at it, and says whether it did.
    pub(super) async fn flip_alone(
        &self,
        row: &Versioned<Destination>,
        history: Option<&Versioned<FailoverHistory>>,
        flip: &Flip,
    ) -> Result<bool, PortError> {
        let _turn = self.turn.lock().await;
        if self.take_lease().await?.is_some() {
            return Ok(false);
        }
        let flipped = self.flip(row, history, flip).await;
        self.give_lease_back().await;
        flipped.map(|()| true)
    }

    async fn flip(
        &self,
        row: &Versioned<Destination>,
        history: Option<&Versioned<FailoverHistory>>,
        flip: &Flip,
    ) -> Result<(), PortError> {
        let history = self.begin_flip(row, history, flip).await?;
        if row.value.active_leg != flip.to {
            self.put_leg(row, flip.to).await?;
        }
        self.finish_flip(&history, flip, None).await
    }

    /// Writes down what is about to be done, unless it stands there already.
    async fn begin_flip(
        &self,
        row: &Versioned<Destination>,
        history: Option<&Versioned<FailoverHistory>>,
        flip: &Flip,
    ) -> Result<Versioned<FailoverHistory>, PortError> {
        if let Some(history) = history.filter(|it| it.value.pending.as_ref() == Some(flip)) {
            return Ok(history.clone());
        }
        let id = row.value.id.clone();
        let value = history.map_or_else(|| FailoverHistory::new(id), |it| it.value.clone());
        let value = FailoverHistory {
            pending: Some(flip.clone()),
            ..value
        };
        self.put_history(value, history).await
    }

    pub(super) async fn put_history(
        &self,
        value: FailoverHistory,
        before: Option<&Versioned<FailoverHistory>>,
    ) -> Result<Versioned<FailoverHistory>, PortError> {
        let expect = match before {
            None => Expect::Absent,
            Some(before) => Expect::Revision(before.revision.clone()),
        };
        let revision = self.ports.failovers.put(&value, expect).await?;
        Ok(Versioned { value, revision })
    }

    /// Makes a row use a leg, if it is still as it was read.
    pub(super) async fn put_leg(
        &self,
        row: &Versioned<Destination>,
        leg: Leg,
    ) -> Result<Versioned<Destination>, PortError> {
        let mut value = row.value.clone();
        value.active_leg = leg;
        value.updated_at = self.ports.clock.now();
        let expect = Expect::Revision(row.revision.clone());
        let revision = self.ports.destinations.put(&value, expect).await?;
        Ok(Versioned { value, revision })
    }

    /// Tells of a flip that was done, and moves it to those that were.
    pub(super) async fn finish_flip(
        &self,
        history: &Versioned<FailoverHistory>,
        flip: &Flip,
        by: Option<Label>,
    ) -> Result<(), PortError> {
        let kind = EventKind::DestinationFailedOver {
            from: flip.to.other(),
            to: flip.to,
            cause: flip.cause,
            reason: flip.reason.clone(),
        };
        let mut value = history.value.clone();
        self.ports.record(Some(&value.destination), by, kind).await;
        value.pending = None;
        value.add(flip.clone());
        self.put_history(value, Some(history)).await?;
        Ok(())
    }

    /// Forgets what was decided and not done.
    pub(super) async fn drop_flip(
        &self,
        history: &Versioned<FailoverHistory>,
    ) -> Result<(), PortError> {
        let mut value = history.value.clone();
        value.pending = None;
        self.put_history(value, Some(history)).await?;
        Ok(())
    }

    /// Releases a leg that was chosen by hand and is not there any more.
    pub(super) async fn end_pin(
        &self,
        history: &Versioned<FailoverHistory>,
    ) -> Result<(), PortError> {
        let mut value = history.value.clone();
        value.pinned = None;
        let id = value.destination.clone();
        self.put_history(value, Some(history)).await?;
        let kind = EventKind::FailoverReleased;
        self.ports.record(Some(&id), None, kind).await;
        Ok(())
    }

    /// Whether the planner would refuse a leg of a destination, were it in use.
    pub(super) fn would_refuse(&self, row: &Destination, leg: Leg, view: &View) -> bool {
        let mut rows = view.rows.clone();
        for other in rows.iter_mut().filter(|it| it.value.id == row.id) {
            other.value.active_leg = leg;
        }
        let plan = self.plan_of(&rows, &view.observed);
        plan.refused.contains_key(&row.output(leg))
    }

    /// What a leg that is not pushed would be told, if it can be tested: it is complete, and can
    /// be called.
    pub(super) fn tested(&self, row: &Destination, leg: Leg) -> Option<Fingerprint> {
        let mut alone = row.clone();
        alone.active_leg = leg;
        let wish = wish(&alone, self.ours(), self.hash_key());
        let is_pushed = wish_has(&self.wish_of(row), leg);
        let schemes = self.ports.router.capabilities().schemes;
        let mut outputs = wish.outputs().filter(|it| it.id.leg == leg);
        let output = outputs.find(|it| schemes.contains(&it.scheme))?;
        (!is_pushed).then_some(output.fingerprint)
    }

    fn wish_of(&self, row: &Destination) -> Wish {
        wish(row, self.ours(), self.hash_key())
    }
}

fn wish_has(wish: &Wish, leg: Leg) -> bool {
    match wish {
        Wish::Foreign => false,
        Wish::Ours(legs) => legs.iter().any(|it| match it {
            LegWish::Output(output) => output.id.leg == leg,
            LegWish::Impossible(id, _) => id.leg == leg,
        }),
    }
}
