use jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::{
    BackupMode, Destination, DestinationId, DestinationName, Edit, KeyInput, OutputType, Platform,
    PresetId, PushAddress, PushUrl, PushUrlError, StreamKey, Wanted,
};

/// Whether a new destination goes live with its creation (rule 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    Now,
    /// When it is told to.
    #[default]
    Later,
}

/// What a new destination is made of.
#[derive(Clone, Debug)]
pub struct NewDestination {
    /// What people call it.
    pub name: DestinationName,
    /// Where viewers watch.
    pub platform: Platform,
    /// Where it goes.
    pub primary: LegEdit,
    /// Where it goes when the primary fails.
    pub backup: LegEdit,
    /// The encoding that it asks for.
    pub preset_id: Option<PresetId>,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Whether the backup takes over by itself.
    pub failover_enabled: bool,
    /// When the backup is pushed.
    pub backup_mode: BackupMode,
    /// Whether it goes live at once.
    pub start: Start,
}

/// What changes about one leg.
#[derive(Clone, Debug, Default)]
pub struct LegEdit {
    /// The public part of its URL.
    pub url: Edit<PushUrl>,
    /// The secret rest of its URL.
    pub tail: Edit<SecretString>,
    /// Its stream key.
    pub key: Edit<StreamKey>,
}

impl LegEdit {
    /// Reads what a request says: the URL, if it is there, and the key.
    pub fn parse(url: Edit<&str>, key: KeyInput) -> Result<Self, PushUrlError> {
        let key_alone = |key| match key {
            KeyInput::Omitted | KeyInput::Masked => Edit::Keep,
            KeyInput::Removed => Edit::Clear,
            KeyInput::Given(key) => Edit::Set(key),
        };
        Ok(match url {
            Edit::Keep => Self {
                key: key_alone(key),
                ..Self::default()
            },
            Edit::Clear => Self {
                url: Edit::Clear,
                tail: Edit::Clear,
                // A key that is given with no URL to use it for is refused later, and not lost here.
                key: match key_alone(key) {
                    Edit::Set(key) => Edit::Set(key),
                    Edit::Keep | Edit::Clear => Edit::Clear,
                },
            },
            Edit::Set(text) => {
                let PushAddress { url, tail, key } = PushAddress::parse(text, key)?;
                let url = Edit::Set(url);
                Self { url, tail, key }
            }
        })
    }
}

/// What changes about a destination; what is not mentioned stays.
#[derive(Clone, Debug, Default)]
pub struct DestinationPatch {
    /// What people call it.
    pub name: Option<DestinationName>,
    /// Where viewers watch.
    pub platform: Option<Platform>,
    /// Where it goes.
    pub primary: LegEdit,
    /// Where it goes when the primary fails.
    pub backup: LegEdit,
    /// The encoding that it asks for.
    pub preset_id: Edit<PresetId>,
    /// Whether it takes part at all.
    pub enabled: Option<bool>,
    /// Whether the backup takes over by itself.
    pub failover_enabled: Option<bool>,
    /// When the backup is pushed.
    pub backup_mode: Option<BackupMode>,
}

impl NewDestination {
    /// The row without its endpoints.
    pub(super) fn row(&self, id: DestinationId, ours: OutputType, at: Timestamp) -> Destination {
        Destination {
            id,
            name: self.name.clone(),
            platform: self.platform.clone(),
            preset_id: self.preset_id.clone(),
            enabled: self.enabled,
            wanted: Wanted::Stopped,
            output_type: ours,
            primary: None,
            backup: None,
            failover_enabled: self.failover_enabled,
            backup_mode: self.backup_mode,
            active_leg: crate::domain::Leg::Primary,
            generation: 1,
            started_at: None,
            created_at: at,
            updated_at: at,
        }
    }
}

impl DestinationPatch {
    /// Changes everything but the endpoints.
    pub(super) fn apply(&self, row: &mut Destination) {
        let patch = self.clone();
        if let Some(name) = patch.name {
            row.name = name;
        }
        if let Some(platform) = patch.platform {
            row.platform = platform;
        }
        match patch.preset_id {
            Edit::Keep => (),
            Edit::Clear => row.preset_id = None,
            Edit::Set(preset_id) => row.preset_id = Some(preset_id),
        }
        if let Some(enabled) = patch.enabled {
            row.enabled = enabled;
            if !enabled {
                // To be enabled again must not put it on air by surprise (rule 1).
                row.wanted = Wanted::Stopped;
            }
        }
        if let Some(failover_enabled) = patch.failover_enabled {
            row.failover_enabled = failover_enabled;
        }
        if let Some(backup_mode) = patch.backup_mode {
            row.backup_mode = backup_mode;
        }
    }
}

/// The names of the fields that differ, as they stand in HTTP.
pub(super) fn changed_fields(before: &Destination, after: &Destination) -> Vec<String> {
    let url = |endpoint: &Option<crate::domain::Endpoint>| {
        let it = endpoint.as_ref();
        it.map(|it| (it.url.clone(), it.tail.map(|tail| tail.digest)))
    };
    let key = |endpoint: &Option<crate::domain::Endpoint>| {
        let key = endpoint.as_ref().and_then(|it| it.key);
        key.map(|key| key.digest)
    };
    let pairs = [
        ("name", before.name != after.name),
        ("platform", before.platform != after.platform),
        ("rtmp_url", url(&before.primary) != url(&after.primary)),
        ("stream_key", key(&before.primary) != key(&after.primary)),
        ("backup_rtmp_url", url(&before.backup) != url(&after.backup)),
        (
            "backup_stream_key",
            key(&before.backup) != key(&after.backup),
        ),
        ("preset_id", before.preset_id != after.preset_id),
        ("enabled", before.enabled != after.enabled),
        ("wanted", before.wanted != after.wanted),
        (
            "failover_enabled",
            before.failover_enabled != after.failover_enabled,
        ),
        ("backup_mode", before.backup_mode != after.backup_mode),
        ("current_active_url", before.active_leg != after.active_leg),
    ];
    let changed = pairs.into_iter().filter(|(_, differs)| *differs);
    changed.map(|(name, _)| name.to_owned()).collect()
}
