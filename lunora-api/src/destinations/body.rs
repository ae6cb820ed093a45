use lunora_core::{
    domain::{Edit, KeyInput, Platform},
    service::{DestinationPatch, LegEdit, NewDestination, Start},
};
use serde::Deserialize;

use crate::{
    body::{Field, refused},
    problem::Problem,
};

/// What a client says about a destination. Fields that it does not know are
/// ignored: old clients send more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DestinationBody {
    name: Field,
    platform: Field,
    rtmp_url: Field,
    stream_key: Field,
    preset_id: Field,
    enabled: Field,
    start: Field,
    backup_rtmp_url: Field,
    backup_stream_key: Field,
    failover_enabled: Field,
    backup_mode: Field,
}

impl DestinationBody {
    pub(crate) fn new_destination(&self) -> Result<NewDestination, Problem> {
        let required = || Problem::invalid("`name` and `platform` are required");
        let name = self.name.required("name")?.ok_or_else(required)?;
        let platform = self.platform.required("platform")?.ok_or_else(required)?;
        let ingests = ingests(&platform);
        let (primary, backup) = (self.primary(), self.backup());
        Ok(NewDestination {
            name,
            primary: primary.into_new(ingests.map(|it| it.primary))?,
            backup: backup.into_new(ingests.and_then(|it| it.backup))?,
            platform,
            preset_id: match self.preset_id.value("preset_id")? {
                Edit::Set(preset_id) => Some(preset_id),
                Edit::Keep | Edit::Clear => None,
            },
            enabled: self.enabled.flag("enabled")?.unwrap_or(true),
            failover_enabled: self
                .failover_enabled
                .flag("failover_enabled")?
                .unwrap_or(false),
            backup_mode: self
                .backup_mode
                .required("backup_mode")?
                .unwrap_or_default(),
            start: match self.start.flag("start")? {
                Some(true) => Start::Now,
                Some(false) | None => Start::Later,
            },
        })
    }

    pub(crate) fn patch(&self) -> Result<DestinationPatch, Problem> {
        Ok(DestinationPatch {
            name: self.name.required("name")?,
            platform: self.platform.required("platform")?,
            primary: self.primary().into_edit()?,
            backup: self.backup().into_edit()?,
            preset_id: self.preset_id.value("preset_id")?,
            enabled: self.enabled.flag("enabled")?,
            failover_enabled: self.failover_enabled.flag("failover_enabled")?,
            backup_mode: self.backup_mode.required("backup_mode")?,
        })
    }

    fn primary(&self) -> LegFields<'_> {
        LegFields {
            url: ("rtmp_url", &self.rtmp_url),
            key: ("stream_key", &self.stream_key),
        }
    }

    fn backup(&self) -> LegFields<'_> {
        LegFields {
            url: ("backup_rtmp_url", &self.backup_rtmp_url),
            key: ("backup_stream_key", &self.backup_stream_key),
        }
    }
}

/// The two fields of one leg, with their names.
struct LegFields<'a> {
    url: (&'static str, &'a Field),
    key: (&'static str, &'a Field),
}

impl LegFields<'_> {
    /// A leg that is new; without a URL, it goes to the ingest of its platform.
    fn into_new(self, ingest: Option<&'static str>) -> Result<LegEdit, Problem> {
        let ((url_name, url), (key_name, key)) = (self.url, self.key);
        let key = key.key(key_name)?;
        if matches!(key, KeyInput::Masked) {
            let message = format!(
                "`{key_name}`: the mask stands for a key that is stored, and a new destination \
                 has none; give the key itself"
            );
            return Err(Problem::invalid(message));
        }
        let given = matches!(key, KeyInput::Given(_));
        let url = match (url.text(url_name)?, ingest) {
            (Edit::Set(url), _) => Edit::Set(url),
            (_, Some(ingest)) if given => Edit::Set(ingest),
            (_, None) if given => return Err(key_alone(key_name, url_name)),
            _ => Edit::Keep,
        };
        LegEdit::parse(url, key).map_err(|it| refused(url_name, it))
    }

    fn into_edit(self) -> Result<LegEdit, Problem> {
        let ((url_name, url), (key_name, key)) = (self.url, self.key);
        let key = key.key(key_name)?;
        let url = url.text(url_name)?;
        if matches!((&url, &key), (Edit::Clear, KeyInput::Given(_))) {
            return Err(key_alone(key_name, url_name));
        }
        LegEdit::parse(url, key).map_err(|it| refused(url_name, it))
    }
}

fn key_alone(key_name: &str, url_name: &str) -> Problem {
    Problem::invalid(format!(
        "`{key_name}` needs a push URL; give `{url_name}` with it, such as rtmp://host/application"
    ))
}

/// Where a platform takes streams in, the same place for everybody.
#[derive(Clone, Copy)]
struct Ingests {
    primary: &'static str,
    backup: Option<&'static str>,
}

fn ingests(platform: &Platform) -> Option<Ingests> {
    match platform {
        Platform::YouTube => Some(Ingests {
            primary: "rtmps://a.rtmps.youtube.com/live2",
            backup: Some("rtmps://b.rtmps.youtube.com/live2?backup=1"),
        }),
        Platform::Twitch => Some(Ingests {
            primary: "rtmps://live.twitch.tv/app",
            backup: None,
        }),
        _ => None,
    }
}
