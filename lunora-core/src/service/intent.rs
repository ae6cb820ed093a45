//! What a change makes of a row, before anything is stored: the changes themselves and
//! [`foresee`](super::Destinations::foresee) ask for the same.

use secrecy::SecretString;

use super::{
    DestinationError, DestinationPatch, Destinations, LegEdit, NewDestination, Start,
    edits::changed_fields,
};
use crate::{
    domain::{
        BackupMode, Destination, DestinationId, Digest, Edit, Endpoint, Leg, Removal, RemovalCause,
        SecretRef, SecretVersion, StreamKey, Wanted,
    },
    plan::target_digest,
    port::{Clock, ControlStore, Listing, RepoExt},
};

/// A row that is to be stored.
pub(super) struct Intended {
    /// Without what is to be kept as a secret first.
    pub(super) row: Destination,
    /// With references to secrets that are not kept yet.
    pub(super) planned: Destination,
    /// The names of the fields that change.
    pub(super) changed: Vec<String>,
}

/// Refuses a change of another generation than the one that it is for (rule 17).
pub(super) fn check_generation(
    row: &Destination,
    expected: Option<u64>,
) -> Result<(), DestinationError> {
    let found = row.generation;
    if expected.is_some_and(|expected| expected != found) {
        let id = row.id.clone();
        return Err(DestinationError::Stale { id, found });
    }
    Ok(())
}

/// The row once it is told to stop; `None` if it is stopped.
pub(super) fn intend_stop(row: &Destination) -> Option<Destination> {
    let wanted = Wanted::Stopped;
    (row.wanted != wanted).then(|| Destination {
        wanted,
        ..row.clone()
    })
}

impl Destinations {
    pub(super) async fn intend_create(
        &self,
        id: DestinationId,
        new: &NewDestination,
    ) -> Result<Intended, DestinationError> {
        let now = self.ports.clock.now();
        let mut row = new.row(id, self.reconciler.ours().clone(), now);
        if new.start == Start::Now {
            if !row.enabled {
                return Err(DestinationError::Disabled { id: row.id });
            }
            row.wanted = Wanted::Running;
            row.started_at = Some(now);
        }
        let removals = self.ports.control.removals().await?;
        let deleted = |it: &Removal| {
            let ends = matches!(it.cause, RemovalCause::Deleted | RemovalCause::Absent);
            it.destination == row.id && ends
        };
        if removals.iter().any(deleted) {
            let reason = "it was deleted, and its output and keys are still being removed";
            return Err(DestinationError::Invalid { reason });
        }
        let planned = self.preview(&row, &new.primary, &new.backup)?;
        self.check_running(&planned).await?;
        let changed = Vec::new();
        Ok(Intended {
            row,
            planned,
            changed,
        })
    }

    pub(super) async fn intend_update(
        &self,
        stored: &Destination,
        patch: &DestinationPatch,
    ) -> Result<Intended, DestinationError> {
        let mut row = stored.clone();
        patch.apply(&mut row);
        let mut planned = self.preview(&row, &patch.primary, &patch.backup)?;
        if planned.active_leg == Leg::Backup && planned.endpoint(Leg::Backup).is_none() {
            // Who takes the backup away means to go on without it.
            planned.active_leg = Leg::Primary;
            row.active_leg = Leg::Primary;
        }
        if planned.is_running() && !can_run(&planned) {
            // Without its key it cannot go on (rule 22).
            planned.wanted = Wanted::Stopped;
            row.wanted = Wanted::Stopped;
        }
        let mut changed = changed_fields(stored, &planned);
        changed.extend(self.lost(stored, patch).await?);
        if !changed.is_empty() {
            self.check_running(&planned).await?;
        }
        Ok(Intended {
            row,
            planned,
            changed,
        })
    }

    /// The row once it is told to run; `None` if it runs.
    pub(super) async fn intend_start(
        &self,
        stored: &Destination,
    ) -> Result<Option<Destination>, DestinationError> {
        self.check_ours(stored)?;
        if !stored.enabled {
            let id = stored.id.clone();
            return Err(DestinationError::Disabled { id });
        }
        if stored.wanted == Wanted::Running {
            return Ok(None);
        }
        let mut row = stored.clone();
        row.wanted = Wanted::Running;
        self.check_running(&row).await?;
        row.started_at = Some(self.ports.clock.now());
        Ok(Some(row))
    }

    /// The row once it uses a leg.
    pub(super) async fn intend_leg(
        &self,
        stored: &Destination,
        leg: Leg,
    ) -> Result<Destination, DestinationError> {
        let mut planned = stored.clone();
        planned.active_leg = leg;
        self.check_ours(&planned)?;
        if !planned.has_output() {
            let reason = "it has no output, so it has no leg to use";
            return Err(DestinationError::Invalid { reason });
        }
        if let Err(reason) = planned.complete(leg) {
            return Err(DestinationError::Invalid { reason });
        }
        if stored.active_leg != leg {
            self.check_running(&planned).await?;
            if planned.is_running() {
                self.reconciler.check_secrets(&planned, leg).await?;
            }
        }
        Ok(planned)
    }

    pub(super) fn check_ours(&self, row: &Destination) -> Result<(), DestinationError> {
        if row.output_type == *self.reconciler.ours() {
            return Ok(());
        }
        Err(DestinationError::Foreign {
            id: row.id.clone(),
            way: row.output_type.clone(),
        })
    }

    /// The row as it will be, with references to secrets that are not kept yet.
    pub(super) fn preview(
        &self,
        row: &Destination,
        primary: &LegEdit,
        backup: &LegEdit,
    ) -> Result<Destination, DestinationError> {
        let mut planned = row.clone();
        for (leg, edit) in [(Leg::Primary, primary), (Leg::Backup, backup)] {
            let current = planned.endpoint(leg);
            let refer = |kept: Option<SecretRef>, edit: Edit<&SecretString>| match edit {
                Edit::Keep => kept,
                Edit::Clear => None,
                Edit::Set(text) => {
                    // The version is not known before the write; only the digest counts here.
                    let version = kept.map_or(SecretVersion::UNREAD, |it| it.version);
                    Some(SecretRef::new(version, text, self.reconciler.hash_key()))
                }
            };
            let url = match &edit.url {
                Edit::Keep => current.map(|it| it.url.clone()),
                Edit::Clear => None,
                Edit::Set(url) => Some(url.clone()),
            };
            let key = edit.key.as_ref().map(StreamKey::as_secret);
            let Some(url) = url else {
                if matches!(edit.key, Edit::Set(_)) {
                    let reason = "a stream key needs a push URL; give `rtmp_url` with it";
                    return Err(DestinationError::Invalid { reason });
                }
                *planned.endpoint_mut(leg) = None;
                continue;
            };
            let (old_tail, old_key) = current.map_or((None, None), |it| (it.tail, it.key));
            let masked = matches!((&edit.url, &edit.tail), (Edit::Set(_), Edit::Keep));
            // The tail of RTMP is a path, that of SRT a passphrase: neither is the other.
            let is_of_kind =
                |it: &Endpoint| it.url.scheme().needs_a_key() == url.scheme().needs_a_key();
            let keeps_the_kind = current.is_none_or(is_of_kind);
            if masked && (old_tail.is_none() || !keeps_the_kind) {
                let reason = "`***` stands for what is stored already; give the whole push URL";
                return Err(DestinationError::Invalid { reason });
            }
            *planned.endpoint_mut(leg) = Some(Endpoint {
                url,
                tail: refer(old_tail, edit.tail.as_ref()),
                key: refer(old_key, key),
            });
        }
        Ok(planned)
    }

    /// Refuses a row that is to run and cannot, or that would run twice (rule 5).
    pub(super) async fn check_running(&self, row: &Destination) -> Result<(), DestinationError> {
        if !row.is_running() || !row.has_output() {
            return Ok(());
        }
        let endpoint = row.endpoint(row.active_leg);
        if !endpoint.is_some_and(Endpoint::has_its_key) {
            let reason = match (row.active_leg, endpoint) {
                (Leg::Primary, None) => "it has no push URL; set `rtmp_url` first",
                (Leg::Primary, Some(_)) => "it has no stream key; set `stream_key` first",
                (Leg::Backup, _) => {
                    "its backup, which is in use, lacks its URL or its key; set \
                     `backup_rtmp_url` and `backup_stream_key` first, or use the primary"
                }
            };
            return Err(DestinationError::Invalid { reason });
        }
        let targets = self.targets(row);
        if let [one, other] = targets[..]
            && one == other
        {
            let reason = "with `backup_mode` hot both legs are pushed, and they go to the same \
                          place with the same key; give the backup another one, or use standby";
            return Err(DestinationError::Invalid { reason });
        }
        let Listing { items, .. } = self.ports.destinations.survey().await?;
        let twin = items.into_iter().map(|it| it.value).find(|other| {
            other.id != row.id
                && other.is_running()
                && self.targets(other).iter().any(|it| targets.contains(it))
        });
        match twin {
            None => Ok(()),
            Some(twin) => Err(DestinationError::Duplicate {
                of: twin.id,
                name: twin.name,
            }),
        }
    }

    /// Where the legs of a row go that are pushed while it runs.
    fn targets(&self, row: &Destination) -> Vec<Digest> {
        let pushed = |leg: &Leg| *leg == row.active_leg || row.backup_mode == BackupMode::Hot;
        let endpoints = Leg::ALL.into_iter().filter(pushed);
        let endpoints = endpoints.filter_map(|leg| row.endpoint(leg));
        let complete = endpoints.filter(|it| it.has_its_key());
        complete
            .map(|it| target_digest(it, self.reconciler.hash_key()))
            .collect()
    }
}

/// Whether a row has what an output needs.
fn can_run(row: &Destination) -> bool {
    let endpoint = row.endpoint(row.active_leg);
    !row.has_output() || endpoint.is_some_and(Endpoint::has_its_key)
}
