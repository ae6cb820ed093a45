use lunora_core::domain::{Destination, Endpoint, SecretRef, SecretVersion};
use rusqlite::types::Value;

use super::{
    repo::Layout,
    row::{Fields, Unreadable, stamp, word},
};

/// One column for each attribute.
impl Layout for Destination {
    const PLURAL: &'static str = "destinations";
    const TABLE: &'static str = "destination";
    const ROWS: &'static str = "TRUE";

    fn to_row(&self, _: Option<&Fields<'_>>) -> rusqlite::Result<Vec<(&'static str, Value)>> {
        // Named one by one, so that a new field cannot be forgotten here.
        let Self {
            id: _,
            name,
            platform,
            preset_id,
            enabled,
            wanted,
            output_type,
            primary,
            backup,
            failover_enabled,
            backup_mode,
            active_leg,
            generation,
            started_at,
            created_at,
            updated_at,
        } = self;
        let preset_id = preset_id.as_ref().map(ToString::to_string);
        let mut row: Vec<(&'static str, Value)> = vec![
            ("name", name.to_string().into()),
            ("platform", platform.to_string().into()),
            ("preset_id", preset_id.into()),
            ("enabled", (*enabled).into()),
            ("wanted", word(wanted)?.into()),
            ("output_type", output_type.to_string().into()),
            ("failover_enabled", (*failover_enabled).into()),
            ("backup_mode", backup_mode.to_string().into()),
            ("active_leg", word(active_leg)?.into()),
            ("generation", generation.cast_signed().into()),
            ("started_at", started_at.map(stamp).into()),
            ("created_at", stamp(*created_at).into()),
            ("updated_at", stamp(*updated_at).into()),
        ];
        row.extend(leg_to_row(primary.as_ref(), &PRIMARY));
        row.extend(leg_to_row(backup.as_ref(), &BACKUP));
        Ok(row)
    }

    fn from_row(fields: &Fields<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: fields.parse("id")?,
            name: fields.parse("name")?,
            platform: fields.parse("platform")?,
            preset_id: fields.parse_if_set("preset_id")?,
            enabled: fields.get("enabled")?,
            wanted: fields.word("wanted")?,
            output_type: fields.parse("output_type")?,
            primary: leg_from_row(fields, &PRIMARY)?,
            backup: leg_from_row(fields, &BACKUP)?,
            failover_enabled: fields.get("failover_enabled")?,
            backup_mode: fields.parse("backup_mode")?,
            active_leg: fields.word("active_leg")?,
            generation: fields.count("generation")?,
            started_at: fields.time_if_set("started_at")?,
            created_at: fields.time("created_at")?,
            updated_at: fields.time("updated_at")?,
        })
    }
}

/// The columns of one leg.
struct LegColumns {
    url: &'static str,
    tail: RefColumns,
    key: RefColumns,
}

/// The columns of what a row says about one secret.
struct RefColumns {
    version: &'static str,
    digest: &'static str,
}

const PRIMARY: LegColumns = LegColumns {
    url: "primary_url",
    tail: RefColumns {
        version: "primary_tail_version",
        digest: "primary_tail_digest",
    },
    key: RefColumns {
        version: "primary_key_version",
        digest: "primary_key_digest",
    },
};

const BACKUP: LegColumns = LegColumns {
    url: "backup_url",
    tail: RefColumns {
        version: "backup_tail_version",
        digest: "backup_tail_digest",
    },
    key: RefColumns {
        version: "backup_key_version",
        digest: "backup_key_digest",
    },
};

fn leg_to_row(
    endpoint: Option<&Endpoint>,
    columns: &LegColumns,
) -> impl Iterator<Item = (&'static str, Value)> + use<> {
    let url = endpoint.map(|endpoint| endpoint.url.to_string());
    let tail = ref_to_row(endpoint.and_then(|it| it.tail), &columns.tail);
    let key = ref_to_row(endpoint.and_then(|it| it.key), &columns.key);
    [(columns.url, url.into())]
        .into_iter()
        .chain(tail)
        .chain(key)
}

fn ref_to_row(secret: Option<SecretRef>, columns: &RefColumns) -> [(&'static str, Value); 2] {
    let version = secret.map(|secret| secret.version.0.cast_signed());
    let digest = secret.map(|secret| secret.digest.to_string());
    [
        (columns.version, version.into()),
        (columns.digest, digest.into()),
    ]
}

fn leg_from_row(fields: &Fields<'_>, columns: &LegColumns) -> Result<Option<Endpoint>, Unreadable> {
    let Some(url) = fields.parse_if_set(columns.url)? else {
        return Ok(None);
    };
    let tail = ref_from_row(fields, &columns.tail)?;
    let key = ref_from_row(fields, &columns.key)?;
    Ok(Some(Endpoint { url, tail, key }))
}

fn ref_from_row(
    fields: &Fields<'_>,
    columns: &RefColumns,
) -> Result<Option<SecretRef>, Unreadable> {
    let version: Option<i64> = fields.get(columns.version)?;
    let digest = fields.parse_if_set(columns.digest)?;
    match (version, digest) {
        (None, None) => Ok(None),
        (Some(version), Some(digest)) => {
            let version = SecretVersion(version.cast_unsigned());
            Ok(Some(SecretRef { version, digest }))
        }
        (None, Some(_)) => Err(fields.unreadable(columns.version, "null beside its digest")),
        (Some(_), None) => Err(fields.unreadable(columns.digest, "null beside its version")),
    }
}
