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
        Clock, ControlStore, Forget, History, OutputRouter, PortError, Repo, SecretStore, Which,
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
        // A row that cannot be read is there all the same.
        let unreadable: BTreeSet<&str> = self.unreadable.iter().map(|it| it.id.as_str()).collect();
        let is_known = |id: &DestinationId| known.contains(id) || unreadable.contains(id.as_str());
        let outputs = self.observed.iter().map(|it| &it.id);
        outputs.filter(|id| !is_known(&id.destination)).collect()
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
                self.ports.record(None, None, kind).await;
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

    /// Ends a change of secrets that is over, whether or not its row was written:
    /// what no row refers to goes, or what the row refers to is the latest again
    /// where a store forgets nothing by itself. The record stays until that is so.
    pub(super) async fn finish_change(&self, change: &Removal) -> Result<(), PortError> {
        let (secrets, control) = (&self.ports.secrets, &self.ports.control);
        let Some(row) = self.ports.destinations.get(&change.destination).await? else {
            return Ok(()); // The caller forgets all of it, or a later pass does.
        };
        match secrets.history() {
            History::Cuts => self.forget_unreferred(&row.value).await?,
            History::Stays => {
                let is_another =
                    |it: &Removal| it.destination == change.destination && it.cause != change.cause;
                if control.removals().await?.iter().any(is_another) {
                    return Ok(()); // Its text may be the latest; when that is over, this goes on.
                }
                self.restore_referred(&row.value).await?;
                let now = self.ports.destinations.get(&change.destination).await?;
                let refs = |row: &Destination| {
                    SecretName::all_of(&row.id).map(|name| row.refers_to(&name))
                };
                if now.is_none_or(|now| refs(&now.value) != refs(&row.value)) {
                    return Ok(());
                }
            }
        }
        control.clear_removal(change).await
    }

    /// Forgets every version of a row's secrets but those that it refers to.
    async fn forget_unreferred(&self, row: &Destination) -> Result<(), PortError> {
        let secrets = &self.ports.secrets;
        for name in SecretName::all_of(&row.id) {
            let Some(kept) = row.refers_to(&name) else {
                secrets.forget(&name, Forget::All).await?;
                continue;
            };
            if kept.is_unread() {
                continue;
            }
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

    /// Keeps again what a row refers to, where another text was kept since: other
    /// clients read the latest one.
    async fn restore_referred(&self, row: &Destination) -> Result<(), PortError> {
        let secrets = &self.ports.secrets;
        for name in SecretName::all_of(&row.id) {
            let latest = secrets.reveal(&name, Which::Latest).await?;
            match (row.refers_to(&name), latest) {
                (None, Some(_)) => secrets.forget(&name, Forget::All).await?,
                (Some(kept), Some(latest))
                    if !kept.is_unread() && !kept.is_of(&latest.text, &self.hash_key) =>
                {
                    let which = Which::Version(kept.version);
                    let referred = secrets.reveal(&name, which).await?;
                    // A text that is gone cannot come back; the row's fault says so.
                    if let Some(referred) = referred
                        && kept.is_of(&referred.text, &self.hash_key)
                    {
                        secrets.keep(&name, &referred.text).await?;
                    }
                }
                _ => (),
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
            (RemovalCause::ChangeUnfinished(_), row) => {
                let age = self.ports.clock.now().duration_since(removal.recorded_at);
                if age < CHANGE_TAKES_AT_MOST {
                    return Ok(());
                }
                if row.is_some() {
                    return self.finish_change(removal).await;
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
            self.check_lease().await?;
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
                .record(Some(id), None, EventKind::RemovalFinished)
                .await;
        }
        Ok(())
    }
}
