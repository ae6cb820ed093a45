use std::sync::Arc;

use async_trait::async_trait;
use lunora_core::{
    domain::{Destination, DestinationId, Endpoint, SecretRef, SecretVersion},
    port::{
        DestinationRepo, ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Revision,
        Versioned,
    },
};
use rusqlite::{Connection, Row, Transaction, params_from_iter, types::Value};

use super::{
    db::{Db, Failure, next},
    row::{Fields, Unreadable, stamp, word},
};

/// Destinations in SQLite, one column for each attribute.
///
/// An update names the columns that this program knows, so that others survive.
#[derive(Debug)]
pub struct SqliteDestinationRepo {
    db: Arc<Db>,
}

impl SqliteDestinationRepo {
    pub(super) const fn new(db: Arc<Db>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl DestinationRepo for SqliteDestinationRepo {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        let wanted = id.clone();
        let work = move |connection: &mut Connection| select(connection, &wanted);
        self.db.run("read destination", id, work).await
    }

    async fn put(&self, destination: &Destination, expect: Expect) -> Result<Revision, PortError> {
        let value = destination.clone();
        let work = move |tx: &Transaction<'_>| match expect {
            Expect::Absent => insert(tx, &value),
            Expect::Revision(revision) => update(tx, &value, &revision),
        };
        let id = &destination.id;
        self.db.write("store destination", id, work).await
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        let (gone, expected) = (id.clone(), number(revision));
        let work = move |tx: &Transaction<'_>| {
            let removed = tx.execute(
                "DELETE FROM destination WHERE id = ?1 AND revision = ?2",
                (gone.as_str(), expected?),
            )?;
            if removed == 0 {
                Err(Failure::CONFLICT)
            } else {
                Ok(())
            }
        };
        self.db.write("remove destination", id, work).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        let work = move |connection: &mut Connection| select_page(connection, &page);
        self.db.run("list", "destinations", work).await
    }
}

fn select(
    connection: &Connection,
    id: &DestinationId,
) -> Result<Option<Versioned<Destination>>, Failure> {
    let mut statement = connection.prepare_cached("SELECT * FROM destination WHERE id = ?1")?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(from_row).transpose()
}

fn insert(tx: &Transaction<'_>, destination: &Destination) -> Result<Revision, Failure> {
    let revision = next(tx, "revision")?;
    let (names, values) = to_row(destination, revision)?;
    let marks: Vec<_> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let inserted = tx
        .prepare_cached(&format!(
            "INSERT INTO destination ({}) VALUES ({}) ON CONFLICT (id) DO NOTHING",
            names.join(", "),
            marks.join(", "),
        ))?
        .execute(params_from_iter(values))?;
    if inserted == 0 {
        return Err(Failure::CONFLICT);
    }
    Ok(Revision::from_token(revision))
}

fn update(
    tx: &Transaction<'_>,
    destination: &Destination,
    expected: &Revision,
) -> Result<Revision, Failure> {
    let expected = number(expected)?;
    let revision = next(tx, "revision")?;
    let (names, mut values) = to_row(destination, revision)?;
    let name_and_mark = |(place, name)| format!("{name} = ?{place}");
    let changes: Vec<_> = (1..).zip(&names).map(name_and_mark).collect();
    values.push(expected.into());
    let updated = tx
        .prepare_cached(&format!(
            "UPDATE destination SET {} WHERE id = ?1 AND revision = ?{}",
            changes.join(", "),
            values.len(),
        ))?
        .execute(params_from_iter(values))?;
    if updated == 0 {
        return Err(Failure::CONFLICT);
    }
    Ok(Revision::from_token(revision))
}

/// The number in a revision; a token that we did not give is at no revision.
fn number(revision: &Revision) -> Result<i64, Failure> {
    let number = revision.as_token().parse();
    number.map_err(|_| Failure::CONFLICT)
}

fn select_page(
    connection: &Connection,
    page: &PageRequest,
) -> Result<Page<Versioned<Destination>>, Failure> {
    let after = page.after.as_ref().map(after).transpose()?;
    let mut statement = connection
        .prepare_cached("SELECT * FROM destination WHERE ?1 < id ORDER BY id LIMIT ?2")?;
    // No id is empty. One more than asked for tells whether there are more.
    let after = after.as_ref().map_or("", |id| id.as_str());
    let limit = page.limit.max(1);
    let mut rows = statement.query((after, i64::from(limit) + 1))?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(from_row(row)?);
    }
    let is_more = (limit as usize) < items.len();
    items.truncate(limit as usize);
    let last = items.last().filter(|_| is_more);
    let next = last.map(|item| PageToken::from_cursor(format!("{AFTER}{}", item.value.id)));
    Ok(Page { items, next })
}

/// What every token starts with, so that another text is known to be none of ours.
const AFTER: &str = "after:";

/// The id after which the listing goes on.
fn after(token: &PageToken) -> Result<DestinationId, Failure> {
    let id = token.as_cursor().strip_prefix(AFTER);
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| Failure::new(ErrorKind::Invalid, "the page token is none of this store"))
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

/// The names and the values of all columns that this program knows; the id stands first.
fn to_row(
    destination: &Destination,
    revision: i64,
) -> serde_json::Result<(Vec<&'static str>, Vec<Value>)> {
    // Named one by one, so that a new field cannot be forgotten here.
    let Destination {
        id,
        name,
        platform,
        preset_id,
        enabled,
        wanted,
        output_type,
        primary,
        backup,
        failover_enabled,
        active_leg,
        generation,
        started_at,
        created_at,
        updated_at,
    } = destination;
    let mut row: Vec<(&'static str, Value)> = vec![
        ("id", id.to_string().into()),
        ("revision", revision.into()),
        ("name", name.to_string().into()),
        ("platform", platform.to_string().into()),
        (
            "preset_id",
            preset_id.as_ref().map(ToString::to_string).into(),
        ),
        ("enabled", (*enabled).into()),
        ("wanted", word(wanted)?.into()),
        ("output_type", output_type.to_string().into()),
        ("failover_enabled", (*failover_enabled).into()),
        ("active_leg", word(active_leg)?.into()),
        ("generation", generation.cast_signed().into()),
        ("started_at", started_at.map(stamp).into()),
        ("created_at", stamp(*created_at).into()),
        ("updated_at", stamp(*updated_at).into()),
    ];
    row.extend(leg_to_row(primary.as_ref(), &PRIMARY));
    row.extend(leg_to_row(backup.as_ref(), &BACKUP));
    Ok(row.into_iter().unzip())
}

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

fn from_row(row: &Row<'_>) -> Result<Versioned<Destination>, Failure> {
    let fields = Fields::new("destination", "id", row)?;
    let value = Destination {
        id: fields.parse("id")?,
        name: fields.parse("name")?,
        platform: fields.parse("platform")?,
        preset_id: fields.parse_if_set("preset_id")?,
        enabled: fields.get("enabled")?,
        wanted: fields.word("wanted")?,
        output_type: fields.parse("output_type")?,
        primary: leg_from_row(&fields, &PRIMARY)?,
        backup: leg_from_row(&fields, &BACKUP)?,
        failover_enabled: fields.get("failover_enabled")?,
        active_leg: fields.word("active_leg")?,
        generation: fields.count("generation")?,
        started_at: fields.parse_if_set("started_at")?,
        created_at: fields.parse("created_at")?,
        updated_at: fields.parse("updated_at")?,
    };
    let revision = Revision::from_token(fields.get::<i64>("revision")?);
    Ok(Versioned { value, revision })
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
