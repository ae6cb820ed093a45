//! What a pass does about rows that went, and about changes that stopped half way.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Cause, PassReport, Reconciler, Scope, StepFailure, reconciler::View};
use crate::{
    domain::{
        Destination, DestinationId, EventKind, Leftover, Leg, OutputId, Removal, RemovalCause,
        SecretName, SecretRef,
    },
    plan::{DetachReason, Step},
    port::{
        Clock, ControlStore, Forget, History, OutputRouter, PortError, Repo, Revealed, SecretStore,
        Which,
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
        let ends = |it: &&Removal| matches!(it.cause, RemovalCause::Deleted | RemovalCause::Absent);
        let removals = self.removals.iter().filter(ends);
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
            if removals.iter().any(|it| it.destination == id.destination) {
                continue;
            }
            match self.ports.destinations.get(&id.destination).await {
                Ok(None) => (),
                Ok(Some(_)) => continue,
                Err(error) => {
                    tracing::warn!(destination = %id.destination, %error, "its output is left alone");
                    continue;
                }
            }
            let removal = Removal {
                destination: id.destination.clone(),
                cause: RemovalCause::Absent,
                generation: 0,
                recorded_at: self.ports.clock.now(),
                leftovers: Vec::new(),
            };
            self.ports.control.record_removal(&removal).await?;
            removals.push(removal);
        }
        Ok(removals)
    }

    /// Ends a change of secrets that is over, whether or not its row was written:
    /// of what it may have left, what no row refers to goes, or, where a store
    /// forgets nothing by itself, what the row refers to is the latest again. What
    /// somebody else kept is none of it. The record stays until all that is so.
    pub(super) async fn finish_change(&self, change: &Removal) -> Result<(), PortError> {
        let (secrets, control) = (&self.ports.secrets, &self.ports.control);
        let mut change = change.clone();
        let Some(row) = self.ports.destinations.get(&change.destination).await? else {
            return Ok(()); // A later pass forgets all of it.
        };
        let row = row.value;
        match secrets.history() {
            History::Cuts => {
                for leftover in &change.leftovers {
                    self.forget_leftover(&row, leftover).await?;
                }
            }
            History::Stays => {
                let now = self.ports.clock.now();
                let is_under_way = |it: &Removal| {
                    it.destination == change.destination
                        && it.cause != change.cause
                        && now.duration_since(it.recorded_at) < CHANGE_TAKES_AT_MOST
                };
                if control.removals().await?.iter().any(is_under_way) {
                    return Ok(()); // Its text may be the latest; when that is over, this goes on.
                }
                for place in 0..change.leftovers.len() {
                    self.restore_over_leftover(&row, &mut change, place).await?;
                }
                let now = self.ports.destinations.get(&change.destination).await?;
                let refs = |row: &Destination| {
                    SecretName::all_of(&row.id).map(|name| row.refers_to(&name))
                };
                if now.is_none_or(|now| refs(&now.value) != refs(&row)) {
                    return Ok(());
                }
            }
        }
        control.clear_removal(&change).await
    }

    /// Forgets the texts of a change that the row does not refer to.
    async fn forget_leftover(
        &self,
        row: &Destination,
        leftover: &Leftover,
    ) -> Result<(), PortError> {
        let (secrets, name) = (&self.ports.secrets, &leftover.name);
        let kept = row.refers_to(name);
        if kept.is_some_and(|kept| kept.is_unread()) {
            return Ok(());
        }
        if let Some(kept) = kept {
            secrets.forget(name, Forget::Before(kept.version)).await?;
        }
        while let Some(latest) = secrets.reveal(name, Which::Latest).await?
            && kept.is_none_or(|kept| kept.version < latest.version)
            && self.is_left(leftover, &latest)
        {
            secrets.forget(name, Forget::Only(latest.version)).await?;
        }
        Ok(())
    }

    /// Keeps again what the row refers to, where the latest text is one of a
    /// change: other clients read the latest one.
    async fn restore_over_leftover(
        &self,
        row: &Destination,
        change: &mut Removal,
        place: usize,
    ) -> Result<(), PortError> {
        let secrets = &self.ports.secrets;
        let Some(leftover) = change.leftovers.get_mut(place) else {
            return Ok(());
        };
        let name = leftover.name.clone();
        let latest = secrets.reveal(&name, Which::Latest).await?;
        let Some(latest) = latest.filter(|latest| self.is_left(leftover, latest)) else {
            return Ok(());
        };
        let Some(kept) = row.refers_to(&name) else {
            return secrets.forget(&name, Forget::All).await;
        };
        if kept.is_unread() || kept.is_of(&latest.text, &self.hash_key) {
            return Ok(());
        }
        let which = Which::Version(kept.version);
        let referred = secrets.reveal(&name, which).await?;
        // A text that is gone cannot come back; the row's fault says so.
        let Some(referred) = referred.filter(|it| kept.is_of(&it.text, &self.hash_key)) else {
            return Ok(());
        };
        if !leftover.digests.contains(&kept.digest) {
            // Should the row change before it is kept, it is what this leaves behind.
            leftover.digests.push(kept.digest);
            self.ports.control.record_removal(change).await?;
        }
        secrets.keep(&name, &referred.text).await?;
        Ok(())
    }

    fn is_left(&self, leftover: &Leftover, found: &Revealed) -> bool {
        let found = SecretRef::new(found.version, &found.text, &self.hash_key);
        leftover.digests.contains(&found.digest)
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
        let age = self.ports.clock.now().duration_since(removal.recorded_at);
        // Another client may have put a row under this id since. It is not ours to end.
        let mut row_stays = false;
        match (removal.cause, row) {
            (RemovalCause::ChangeUnfinished(_), _) if age < CHANGE_TAKES_AT_MOST => return Ok(()),
            (RemovalCause::ChangeUnfinished(_), Some(_)) => {
                return self.finish_change(removal).await;
            }
            (_, None) => (),
            (RemovalCause::Absent, Some(_)) => return control.clear_removal(removal).await,
            (RemovalCause::Deleted, Some(row)) if !self.is_ours(&row.value) => row_stays = true,
            (RemovalCause::Deleted, Some(row)) if row.value.generation != removal.generation => {
                // It was changed before it could go; whoever deleted it was told so.
                return control.clear_removal(removal).await;
            }
            (RemovalCause::Deleted, Some(row)) => {
                self.ports.destinations.remove(id, &row.revision).await?;
            }
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
        for name in SecretName::all_of(id).iter().filter(|_| !row_stays) {
            self.ports.secrets.forget(name, Forget::All).await?;
        }
        if !row_stays && let Some(history) = self.ports.failovers.get(id).await? {
            self.ports.failovers.remove(id, &history.revision).await?;
        }
        control.clear_removal(removal).await?;
        if matches!(removal.cause, RemovalCause::Deleted | RemovalCause::Absent) {
            self.ports
                .record(Some(id), None, EventKind::RemovalFinished)
                .await;
        }
        Ok(())
    }
}
