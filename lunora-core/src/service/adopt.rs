//! What a pass does about secrets that somebody else changed (rule 23).
//!
//! The row says which write of a secret it knows, and its keyed hash. Where the
//! store has another one, and no change of ours is under way, somebody else
//! kept it: the row then refers to that one, and its output is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, PassReport, Reconciler, Scope, StepFailure};
use crate::{
    domain::{
        Destination, DestinationId, EventKind, OutputId, Removal, RemovalCause, SecretName,
        SecretRef, SecretVersion,
    },
    port::{
        Clock, ControlStore, ErrorKind, Expect, Listing, PortError, Repo, RepoExt, SecretStore,
        Versioned, Which,
    },
};

/// What came of looking at one secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adoption {
    /// The row refers to it now.
    Done,
    /// There is nothing to adopt, or it has to wait.
    Nothing,
}

impl Reconciler {
    /// Compares all secrets with what the rows say of them, by their versions and
    /// without reading any that did not change, and makes what follows so. This
    /// is the slow pass of rule 23: it finds what no event told of. One that fails
    /// stops no other; the first failure is returned when all were looked at.
    pub async fn adopt_changed_secrets(&self) -> Result<Vec<DestinationId>, PortError> {
        // Versions, then records of changes, then rows: a change of ours that began after
        // its version was read has its record read, and one that ended before has its row.
        let versions = self.ports.secrets.versions().await?;
        let busy = self.changing().await?;
        let Listing { items, .. } = self.ports.destinations.survey().await?;
        let ours = items.into_iter().filter(|row| self.is_ours(&row.value));
        let mut adopted = Vec::new();
        let mut failed = None;
        for row in ours.filter(|row| !busy.contains(&row.value.id)) {
            let id = row.value.id.clone();
            let outcome = async {
                if self.adopt_of(&row, &versions).await? == Adoption::Done {
                    let scope = Scope::One(id.clone());
                    self.reconcile(scope, Cause::Asked).await?;
                    adopted.push(id.clone());
                }
                Ok(())
            };
            let outcome: Result<(), PortError> = outcome.await;
            if let Err(error) = outcome {
                tracing::warn!(destination = %id, %error, "its changed secret is read later");
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(adopted), Err)
    }

    /// Looks at one destination whose secret is said to have changed, and makes
    /// what follows so.
    pub async fn secret_changed(&self, id: &DestinationId) -> Result<(), PortError> {
        let Some(row) = self.ports.destinations.get(id).await? else {
            return Ok(());
        };
        if self.is_ours(&row.value) {
            for name in SecretName::all_of(id) {
                if self.adopt(&row, &name).await? == Adoption::Done {
                    break;
                }
            }
        }
        let scope = Scope::One(id.clone());
        self.reconcile(scope, Cause::Asked).await?;
        Ok(())
    }

    /// Reads the secrets that rows name and nobody has read yet: those of rows
    /// that another client wrote. One that cannot be read stops no other.
    pub(super) async fn adopt_unread(
        &self,
        rows: &[Versioned<Destination>],
        scope: &Scope,
        report: &mut PassReport,
    ) -> Adoption {
        let mut adoption = Adoption::Nothing;
        let meant = |row: &&Versioned<Destination>| match scope {
            Scope::All => true,
            Scope::One(id) => row.value.id == *id,
        };
        let ours = rows.iter().filter(|row| self.is_ours(&row.value));
        for row in ours.filter(meant) {
            for name in SecretName::all_of(&row.value.id) {
                let referred = row.value.refers_to(&name);
                if !referred.is_some_and(|referred| referred.is_unread()) {
                    continue;
                }
                if self.adopt_or_report(row, &name, report).await == Adoption::Done {
                    adoption = Adoption::Done;
                    break; // The row has another revision by now; the next view has the rest.
                }
            }
        }
        adoption
    }

    /// Like [`adopt`](Self::adopt); a failure is of this destination alone.
    pub(super) async fn adopt_or_report(
        &self,
        row: &Versioned<Destination>,
        name: &SecretName,
        report: &mut PassReport,
    ) -> Adoption {
        match self.adopt(row, name).await {
            Ok(adoption) => adoption,
            Err(error) => {
                let output = OutputId {
                    destination: row.value.id.clone(),
                    leg: row.value.active_leg,
                };
                report.failed.push(StepFailure { output, error });
                Adoption::Nothing
            }
        }
    }

    async fn adopt_of(
        &self,
        row: &Versioned<Destination>,
        versions: &BTreeMap<SecretName, SecretVersion>,
    ) -> Result<Adoption, PortError> {
        let mut row = row.clone();
        let mut adoption = Adoption::Nothing;
        for name in SecretName::all_of(&row.value.id) {
            let referred = row.value.refers_to(&name);
            let latest = versions.get(&name);
            let differs = |it: SecretRef| latest.is_some_and(|latest| *latest != it.version);
            if !referred.is_some_and(differs) {
                continue;
            }
            if self.adopt(&row, &name).await? == Adoption::Done {
                adoption = Adoption::Done;
                match self.ports.destinations.get(&row.value.id).await? {
                    Some(now) => row = now,
                    None => break,
                }
            }
        }
        Ok(adoption)
    }

    /// Makes a row refer to the latest text of one of its secrets, if the row is
    /// still as it was read and nobody is changing its secrets.
    pub(super) async fn adopt(
        &self,
        row: &Versioned<Destination>,
        name: &SecretName,
    ) -> Result<Adoption, PortError> {
        let Some(referred) = row.value.refers_to(name) else {
            return Ok(Adoption::Nothing);
        };
        let latest = self.ports.secrets.reveal(name, Which::Latest).await?;
        let Some(latest) = latest else {
            return Ok(Adoption::Nothing);
        };
        let found = SecretRef::new(latest.version, &latest.text, &self.hash_key);
        if found == referred || self.changing().await?.contains(&row.value.id) {
            return Ok(Adoption::Nothing);
        }
        if latest.version < referred.version && self.has(name, referred).await? {
            // A store may tell its newest write late. A lower version is believed where
            // the row's own is gone: somebody deleted the secret and kept another.
            return Ok(Adoption::Nothing);
        }
        let mut changed = row.value.clone();
        changed.set_ref(name, Some(found));
        let is_news = found.digest != referred.digest;
        if is_news {
            changed.generation = changed.generation.saturating_add(1);
            changed.updated_at = self.ports.clock.now();
        }
        let expect = Expect::Revision(row.revision.clone());
        match self.ports.destinations.put(&changed, expect).await {
            Ok(_) => {
                if is_news && !referred.is_unread() {
                    let kind = EventKind::KeyAdopted;
                    self.ports.record(Some(&changed.id), None, kind).await;
                }
                Ok(Adoption::Done)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Adoption::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Whether the store has what the row refers to.
    async fn has(&self, name: &SecretName, referred: SecretRef) -> Result<bool, PortError> {
        let which = Which::Version(referred.version);
        let found = self.ports.secrets.reveal(name, which).await?;
        Ok(found.is_some_and(|found| referred.is_of(&found.text, &self.hash_key)))
    }

    /// The destinations whose secrets a change of ours is about to change, or
    /// left half changed.
    async fn changing(&self) -> Result<BTreeSet<DestinationId>, PortError> {
        let removals = self.ports.control.removals().await?;
        let unfinished = |it: &Removal| matches!(it.cause, RemovalCause::ChangeUnfinished(_));
        let unfinished = removals.into_iter().filter(unfinished);
        Ok(unfinished.map(|it| it.destination).collect())
    }

    pub(super) fn is_ours(&self, row: &Destination) -> bool {
        row.output_type == *self.ours()
    }
}
