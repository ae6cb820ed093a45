//! What a pass does about rows that went, and about changes that stopped half way.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Cause, PassReport, Reconciler, Scope, StepFailure, reconciler::View};
use crate::{
    domain::{
        Destination, DestinationId, EventKind, Leg, OutputId, Removal, RemovalCause, SecretName,
    },
    plan::{DetachReason, Step},
    port::{
        Clock, ControlStore, DestinationRepo, Forget, OutputRouter, PortError, SecretStore, Which,
    },
};

/// How old an unfinished change has to be before what it kept is forgotten: far
/// longer than any request lives.
const CHANGE_TAKES_AT_MOST: SignedDuration = SignedDuration::from_mins(15);

/// Whether a clean-up made room.
#[derive(PartialEq, Eq)]
pub(super) enum CleanUp {
    Detached,
    Quiet,
}

impl View {
    /// The outputs that have neither a row nor the record of a deletion.
    fn absent(&self) -> Vec<&OutputId> {
        let rows = self.rows.iter().map(|it| &it.value.id);
        let deleted = |it: &&Removal| it.cause == RemovalCause::Deleted;
        let removals = self.removals.iter().filter(deleted);
        let removals = removals.map(|it| &it.destination);
        let known: BTreeSet<&DestinationId> = rows.chain(removals).collect();
        let outputs = self.observed.iter().map(|it| &it.id);
        outputs
            .filter(|id| !known.contains(&id.destination))
            .collect()
    }
}

impl Reconciler {
    /// Finishes removals, and turns outputs whose row is gone into some (rules 9 and 12).
    pub(super) async fn clean_up(
        &self,
        scope: &Scope,
        view: &View,
        report: &mut PassReport,
    ) -> Result<CleanUp, PortError> {
        let mut removals = view.removals.clone();
        match scope {
            Scope::One(id) => {
                removals.retain(|it| it.destination == *id);
                // Somebody asked for this one by name, so its absence is no accident of a listing.
                let gone = view.absent().into_iter().filter(|it| it.destination == *id);
                removals.extend(self.record_absent(gone.collect()).await?);
            }
            Scope::All => removals.extend(self.absent(view, report).await?),
        }
        let done_before = report.done.len();
        for removal in removals {
            let output = OutputId {
                destination: removal.destination.clone(),
                leg: Leg::Primary,
            };
            if let Err(error) = self.finish(&removal, view, report).await {
                report.failed.push(StepFailure { output, error });
            }
        }
        Ok(if done_before < report.done.len() {
            CleanUp::Detached
        } else {
            CleanUp::Quiet
        })
    }

    /// Records the removal of destinations that somebody else deleted, unless
    /// they are so many that the listing is more likely to be wrong (rule 9).
    async fn absent(
        &self,
        view: &View,
        report: &mut PassReport,
    ) -> Result<Vec<Removal>, PortError> {
        let (gone, of) = (view.absent(), view.observed.len());
        if 2 < gone.len() || of < 5 * gone.len() {
            report.held = gone.len();
            if self.board.hold(gone.len()) {
                let outputs = gone.len();
                tracing::warn!(outputs, of, "outputs without a row are left alone");
                let kind = EventKind::MassDetachHeld { outputs, of };
                self.ports.record(None, kind).await;
            }
            return Ok(Vec::new());
        }
        self.board.hold(0);
        self.record_absent(gone).await
    }

    /// Lets the outputs go that a pass holds because they are many (rule 9): an
    /// admin looked, and their rows are really meant to be gone.
    pub async fn release_held(&self) -> Result<PassReport, PortError> {
        {
            let _turn = self.turn.lock().await;
            let view = self.view().await?;
            self.record_absent(view.absent()).await?;
            self.board.hold(0);
        }
        self.reconcile(Scope::All, Cause::Asked).await
    }

    async fn record_absent(&self, gone: Vec<&OutputId>) -> Result<Vec<Removal>, PortError> {
        let mut removals: Vec<Removal> = Vec::new();
        for id in gone {
            let seen = removals.iter().any(|it| it.destination == id.destination);
            if seen
                || self
                    .ports
                    .destinations
                    .get(&id.destination)
                    .await?
                    .is_some()
            {
                continue;
            }
            let removal = Removal {
                destination: id.destination.clone(),
                cause: RemovalCause::Deleted,
                generation: 0,
                recorded_at: self.ports.clock.now(),
            };
            self.ports.control.record_removal(&removal).await?;
            removals.push(removal);
        }
        Ok(removals)
    }

    /// Forgets every version of a row's secrets but those that it refers to.
    async fn forget_unreferred(&self, row: &Destination) -> Result<(), PortError> {
        let secrets = &self.ports.secrets;
        for name in SecretName::all_of(&row.id) {
            let Some(kept) = row.refers_to(&name) else {
                secrets.forget(&name, Forget::All).await?;
                continue;
            };
            let before = Forget::Before(kept.version);
            secrets.forget(&name, before).await?;
            while let Some(latest) = secrets.reveal(&name, Which::Latest).await?
                && kept.version < latest.version
            {
                let only = Forget::Only(latest.version);
                secrets.forget(&name, only).await?;
            }
        }
        Ok(())
    }

    async fn finish(
        &self,
        removal: &Removal,
        view: &View,
        report: &mut PassReport,
    ) -> Result<(), PortError> {
        let id = &removal.destination;
        let row = self.ports.destinations.get(id).await?;
        let control = &self.ports.control;
        match (removal.cause, row) {
            (RemovalCause::ChangeUnfinished, row) => {
                let age = self.ports.clock.now().duration_since(removal.recorded_at);
                if age < CHANGE_TAKES_AT_MOST {
                    return Ok(());
                }
                if let Some(row) = row {
                    self.forget_unreferred(&row.value).await?;
                    return control.clear_removal(removal).await;
                }
            }
            (RemovalCause::Deleted, Some(row)) if row.value.generation != removal.generation => {
                // It was changed before it could go; whoever deleted it was told so.
                return control.clear_removal(removal).await;
            }
            (RemovalCause::Deleted, Some(row)) => {
                self.ports.destinations.remove(id, &row.revision).await?;
            }
            (RemovalCause::Deleted, None) => (),
        }
        let outputs = view.observed.iter().map(|it| &it.id);
        let outputs: Vec<OutputId> = outputs
            .filter(|it| it.destination == *id)
            .cloned()
            .collect();
        if !outputs.is_empty() {
            let results = self.ports.router.detach(&outputs).await;
            for (output, result) in outputs.into_iter().zip(results) {
                result?;
                let step = Step::Detach(output, DetachReason::Unwanted);
                report.done.push(step);
            }
        }
        // Keys last: an output that is still there could need its key to be ended by hand.
        for name in SecretName::all_of(id) {
            self.ports.secrets.forget(&name, Forget::All).await?;
        }
        control.clear_removal(removal).await?;
        if removal.cause == RemovalCause::Deleted {
            self.ports
                .record(Some(id), EventKind::RemovalFinished)
                .await;
        }
        Ok(())
    }
}
