//! What is stored.

use jiff::Timestamp;
use lunora_core::{
    domain::{
        BackupMode, Destination, DestinationId, DestinationName, Endpoint, Leg, OutputType,
        Platform, PresetId, PushUrl, SecretRef, Wanted,
    },
    port::{Revision, Versioned},
};
use serde::{Deserialize, Serialize};

/// The file of one id.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct File {
    // Counts the writes under the id. It stays when the destination goes, so
    // that no revision is ever used twice.
    version: u64,
    destination: Option<StoredDestination>,
}

impl File {
    /// Which write it holds; `None` if there is no destination.
    pub(crate) fn revision(&self) -> Option<Revision> {
        let is_there = self.destination.is_some();
        is_there.then(|| Revision::from_token(self.version))
    }

    /// The next write.
    pub(crate) fn with(self, destination: &Destination) -> (Self, Revision) {
        let version = self.version + 1;
        let destination = Some(StoredDestination::from(destination.clone()));
        let file = Self {
            version,
            destination,
        };
        (file, Revision::from_token(version))
    }

    /// The same without its destination.
    pub(crate) fn without(self) -> Self {
        Self {
            destination: None,
            ..self
        }
    }

    /// The destination and its revision.
    pub(crate) fn into_stored(self) -> Option<Versioned<Destination>> {
        let revision = self.revision()?;
        let value = self.destination?.into();
        Some(Versioned { value, revision })
    }
}

// A shape of its own: the domain may change its types, and files written today
// have to be read for ever.
#[derive(Serialize, Deserialize)]
struct StoredDestination {
    id: DestinationId,
    name: DestinationName,
    platform: Platform,
    preset_id: Option<PresetId>,
    enabled: bool,
    wanted: Wanted,
    output_type: OutputType,
    primary: Option<StoredEndpoint>,
    backup: Option<StoredEndpoint>,
    failover_enabled: bool,
    #[serde(default)]
    backup_mode: BackupMode,
    active_leg: Leg,
    generation: u64,
    started_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct StoredEndpoint {
    url: PushUrl,
    tail: Option<SecretRef>,
    key: Option<SecretRef>,
}

impl From<Destination> for StoredDestination {
    fn from(it: Destination) -> Self {
        Self {
            id: it.id,
            name: it.name,
            platform: it.platform,
            preset_id: it.preset_id,
            enabled: it.enabled,
            wanted: it.wanted,
            output_type: it.output_type,
            primary: it.primary.map(StoredEndpoint::from),
            backup: it.backup.map(StoredEndpoint::from),
            failover_enabled: it.failover_enabled,
            backup_mode: it.backup_mode,
            active_leg: it.active_leg,
            generation: it.generation,
            started_at: it.started_at,
            created_at: it.created_at,
            updated_at: it.updated_at,
        }
    }
}

impl From<StoredDestination> for Destination {
    fn from(it: StoredDestination) -> Self {
        Self {
            id: it.id,
            name: it.name,
            platform: it.platform,
            preset_id: it.preset_id,
            enabled: it.enabled,
            wanted: it.wanted,
            output_type: it.output_type,
            primary: it.primary.map(Endpoint::from),
            backup: it.backup.map(Endpoint::from),
            failover_enabled: it.failover_enabled,
            backup_mode: it.backup_mode,
            active_leg: it.active_leg,
            generation: it.generation,
            started_at: it.started_at,
            created_at: it.created_at,
            updated_at: it.updated_at,
        }
    }
}

impl From<Endpoint> for StoredEndpoint {
    fn from(Endpoint { url, tail, key }: Endpoint) -> Self {
        Self { url, tail, key }
    }
}

impl From<StoredEndpoint> for Endpoint {
    fn from(StoredEndpoint { url, tail, key }: StoredEndpoint) -> Self {
        Self { url, tail, key }
    }
}
