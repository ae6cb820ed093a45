use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    BackupMode, DestinationId, DestinationName, Leg, OutputId, OutputType, Platform, PresetId,
    PushUrl, SecretName, SecretRef,
};

/// Whether a destination is meant to be live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Yes.
    Running,
    /// No.
    Stopped,
}

/// Where one leg goes, without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The public part of its URL.
    pub url: PushUrl,
    /// The secret rest of its URL, if there is one.
    pub tail: Option<SecretRef>,
    /// Its stream key, if there is one.
    pub key: Option<SecretRef>,
}

impl Endpoint {
    /// Whether it has a stream key, or needs none.
    #[must_use]
    pub const fn has_its_key(&self) -> bool {
        self.key.is_some() || !self.url.scheme().needs_a_key()
    }
}

/// A place that the stream goes to, and what is wanted of it.
///
/// The intent is `enabled` and `wanted` (rule 1); nothing here tells whether a
/// byte moves. That is a [`Status`](super::Status), and comes from evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its identity, which never changes.
    pub id: DestinationId,
    /// What people call it.
    pub name: DestinationName,
    /// Where viewers watch.
    pub platform: Platform,
    /// The encoding that it asks for.
    pub preset_id: Option<PresetId>,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Whether it is meant to be live.
    pub wanted: Wanted,
    /// By which way it is delivered.
    pub output_type: OutputType,
    /// Where it goes; none for a platform that needs no output.
    pub primary: Option<Endpoint>,
    /// Where it goes when the primary fails.
    pub backup: Option<Endpoint>,
    /// Whether the backup takes over by itself.
    pub failover_enabled: bool,
    /// When the backup is pushed.
    pub backup_mode: BackupMode,
    /// The leg in use.
    pub active_leg: Leg,
    /// Counts up with every change of what is wanted; the `ETag` (rule 17).
    pub generation: u64,
    /// When it was last told to run.
    pub started_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed by anybody.
    pub updated_at: Timestamp,
}

impl Destination {
    /// The endpoint of a leg, if it is set up.
    #[must_use]
    pub const fn endpoint(&self, leg: Leg) -> Option<&Endpoint> {
        match leg {
            Leg::Primary => self.primary.as_ref(),
            Leg::Backup => self.backup.as_ref(),
        }
    }

    /// The output of a leg.
    #[must_use]
    pub fn output(&self, leg: Leg) -> OutputId {
        OutputId {
            destination: self.id.clone(),
            leg,
        }
    }

    /// The endpoint of a leg, to change it.
    pub const fn endpoint_mut(&mut self, leg: Leg) -> &mut Option<Endpoint> {
        match leg {
            Leg::Primary => &mut self.primary,
            Leg::Backup => &mut self.backup,
        }
    }

    /// The endpoint of a leg that has all that an output needs; else what is missing, and what
    /// to do.
    pub fn complete(&self, leg: Leg) -> Result<&Endpoint, &'static str> {
        let missing = |of_primary, of_backup| match leg {
            Leg::Primary => of_primary,
            Leg::Backup => of_backup,
        };
        let endpoint = self.endpoint(leg).ok_or(missing(
            "it has no push URL; set `rtmp_url`",
            "its backup has no push URL; set `backup_rtmp_url`",
        ))?;
        if !endpoint.has_its_key() {
            return Err(missing(
                "it has no stream key; set `stream_key`",
                "its backup has no stream key; set `backup_stream_key`",
            ));
        }
        if endpoint.tail.is_none() && endpoint.url.hides_a_tail() {
            // Without it, the key would go to another place than was meant.
            return Err(missing(
                "a part of its push URL is not known; set the whole `rtmp_url`",
                "a part of its backup's push URL is not known; set the whole `backup_rtmp_url`",
            ));
        }
        Ok(endpoint)
    }

    /// What it says about a secret of its own.
    #[must_use]
    pub fn refers_to(&self, name: &SecretName) -> Option<SecretRef> {
        match name {
            SecretName::StreamKey(id, leg) if *id == self.id => self.endpoint(*leg)?.key,
            SecretName::UrlTail(id, leg) if *id == self.id => self.endpoint(*leg)?.tail,
            _ => None,
        }
    }

    /// Makes it refer to another write of a secret of its own, if it has that leg.
    pub(crate) fn set_ref(&mut self, name: &SecretName, to: Option<SecretRef>) {
        let (SecretName::StreamKey(_, leg) | SecretName::UrlTail(_, leg)) = name else {
            return;
        };
        if let Some(endpoint) = self.endpoint_mut(*leg) {
            match name {
                SecretName::StreamKey(..) => endpoint.key = to,
                _ => endpoint.tail = to,
            }
        }
    }

    /// Whether it is enabled and meant to be live.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.enabled && self.wanted == Wanted::Running
    }

    /// Whether it is delivered by an output at all (rule 4).
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.platform != Platform::Hls
    }
}
