use std::{marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use lunora_core::port::{
    ErrorKind, Expect, Page, PageRequest, PageToken, PortError, Record, Repo, Revision, Versioned,
};
use rusqlite::{Connection, Row, Transaction, params_from_iter, types::Value};

use super::{
    db::{Db, Failure, next},
    row::{Fields, Unreadable},
};

/// How values of one kind lie in a table, beside the columns `id` and `revision`.
pub(super) trait Layout: Record {
    /// What they are called in messages.
    const PLURAL: &'static str;
    /// Where they are.
    const TABLE: &'static str;
    /// Which rows of the table they are, in SQL.
    const ROWS: &'static str;

    /// The other columns that this program knows, for the row that is to take the
    /// place of the one before, or for a new one.
    fn to_row(&self, before: Option<&Fields<'_>>) -> rusqlite::Result<Vec<(&'static str, Value)>>;

    /// Reads a row.
    fn from_row(fields: &Fields<'_>) -> Result<Self, Unreadable>;
}

/// Values of one kind in SQLite.
///
/// An update changes the parts of a value that this program knows; what somebody
/// else added beside them survives (rule 16).
#[derive(Debug)]
pub struct SqliteRepo<R> {
    db: Arc<Db>,
    of: PhantomData<fn() -> R>,
}

impl<R> SqliteRepo<R> {
    pub(super) const fn new(db: Arc<Db>) -> Self {
        let of = PhantomData;
        Self { db, of }
    }
}

#[async_trait]
impl<R: Layout> Repo<R> for SqliteRepo<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError> {
        let wanted = id.to_string();
        let work = move |connection: &mut Connection| select(connection, &wanted);
        self.db.run("read", subject::<R>(id), work).await
    }

    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError> {
        let subject = subject::<R>(value.id());
        let value = value.clone();
        let work = move |tx: &Transaction<'_>| {
            let stored = match expect {
                Expect::Absent => insert(tx, &value)?,
                Expect::Revision(revision) => update(tx, &value, number(&revision)?)?,
            };
            stored.ok_or(Failure::CONFLICT)
        };
        self.db.write("store", subject, work).await
    }

    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError> {
        let (gone, revision) = (id.to_string(), number(revision));
        let work = move |tx: &Transaction<'_>| match delete::<R>(tx, &gone, revision?)? {
            0 => Err(Failure::CONFLICT),
            _ => Ok(()),
        };
        self.db.write("remove", subject::<R>(id), work).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError> {
        let work = move |connection: &mut Connection| {
            let after = page.after.as_ref().map(place::<R>).transpose()?;
            Ok(select_page(connection, after, page.limit)?)
        };
        self.db.run("list", R::PLURAL, work).await
    }
}

fn subject<R: Record>(id: &R::Id) -> String {
    format!("{} {id}", R::NOUN)
}

/// The number in a revision; a token that we did not give is at no revision.
fn number(revision: &Revision) -> Result<i64, Failure> {
    let number = revision.as_token().parse();
    number.map_err(|_| Failure::CONFLICT)
}

fn select<R: Layout>(connection: &Connection, id: &str) -> Result<Option<Versioned<R>>, Failure> {
    let (table, ours) = (R::TABLE, R::ROWS);
    let sql = format!("SELECT * FROM {table} WHERE {ours} AND id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([id])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => Ok(Some(read(row)??)),
    }
}

fn read<R: Layout>(row: &Row<'_>) -> rusqlite::Result<Result<Versioned<R>, Unreadable>> {
    let fields = Fields::new(R::TABLE, "id", row)?;
    let versioned = |value| {
        let revision = Revision::from_token(fields.get::<i64>("revision")?);
        Ok(Versioned { value, revision })
    };
    Ok(R::from_row(&fields).and_then(versioned))
}

/// Adds a row, unless there is one of that id.
pub(super) fn insert<R: Layout>(
    tx: &Transaction<'_>,
    value: &R,
) -> rusqlite::Result<Option<Revision>> {
    let revision = next(tx, "revision")?;
    let (names, values) = columns(value, revision, None)?;
    let marks: Vec<_> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let (table, names, marks) = (R::TABLE, names.join(", "), marks.join(", "));
    let sql = format!("INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING");
    let inserted = tx.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok((0 < inserted).then(|| Revision::from_token(revision)))
}

/// Changes a row, if it is still at the revision.
fn update<R: Layout>(
    tx: &Transaction<'_>,
    value: &R,
    expected: i64,
) -> rusqlite::Result<Option<Revision>> {
    let (table, ours, id) = (R::TABLE, R::ROWS, value.id().to_string());
    let revision = next(tx, "revision")?;
    let before = format!("SELECT * FROM {table} WHERE {ours} AND id = ?1 AND revision = ?2");
    let mut before = tx.prepare_cached(&before)?;
    let mut rows = before.query((&id, expected))?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let before = Fields::new(table, "id", row)?;
    let (names, values) = columns(value, revision, Some(&before))?;
    let name_and_mark = |(place, name)| format!("{name} = ?{place}");
    let changes: Vec<_> = (1..).zip(&names).map(name_and_mark).collect();
    let changes = changes.join(", ");
    // The id stands first.
    let sql = format!("UPDATE {table} SET {changes} WHERE {ours} AND id = ?1");
    drop(rows);
    tx.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(Some(Revision::from_token(revision)))
}

/// Removes a row, if it is still at the revision, and says how many went.
fn delete<R: Layout>(tx: &Transaction<'_>, id: &str, expected: i64) -> rusqlite::Result<usize> {
    let (table, ours) = (R::TABLE, R::ROWS);
    let sql = format!("DELETE FROM {table} WHERE {ours} AND id = ?1 AND revision = ?2");
    tx.execute(&sql, (id, expected))
}

/// The names and the values of all columns that this program knows.
fn columns<R: Layout>(
    value: &R,
    revision: i64,
    before: Option<&Fields<'_>>,
) -> rusqlite::Result<(Vec<&'static str>, Vec<Value>)> {
    let common = [
        ("id", value.id().to_string().into()),
        ("revision", revision.into()),
    ];
    Ok(common.into_iter().chain(value.to_row(before)?).unzip())
}

/// Reads the rows after the place of one, in the order of their ids.
///
/// A place is an id in hexadecimal digits, because an id that somebody else wrote
/// can be any bytes, and the listing has to get past it.
pub(super) fn select_page<R: Layout>(
    connection: &Connection,
    after: Option<&str>,
    limit: u32,
) -> rusqlite::Result<Page<Versioned<R>>> {
    let (table, ours) = (R::TABLE, R::ROWS);
    let later = match after {
        // Even an empty id is listed.
        None => "TRUE",
        Some(_) => "CAST(unhex(?1) AS TEXT) < id",
    };
    let sql =
        format!("SELECT hex(id), * FROM {table} WHERE {ours} AND {later} ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let limit = limit.max(1);
    // One more than asked for tells whether there are more.
    let mut rows = statement.query((after, i64::from(limit) + 1))?;
    let mut page = Page {
        items: Vec::new(),
        unreadable: Vec::new(),
        next: None,
    };
    let mut last = String::new();
    while let Some(row) = rows.next()? {
        if page.items.len() + page.unreadable.len() == limit as usize {
            let (kind, place) = (R::NOUN, last);
            page.next = Some(PageToken::from_cursor(format_args!("{kind}{AFTER}{place}")));
            break;
        }
        last = row.get(0)?;
        match read(row)? {
            Ok(item) => page.items.push(item),
            Err(error) => page.unreadable.push(error.named(R::NOUN)),
        }
    }
    Ok(page)
}

/// Stands in every token between what is listed and the place, so that another
/// text is known to be none of ours, and no listing goes on from another's.
const AFTER: &str = " after ";

/// The place after which the listing goes on.
fn place<R: Record>(token: &PageToken) -> Result<&str, Failure> {
    let place = token.as_cursor().strip_prefix(R::NOUN);
    let place = place.and_then(|rest| rest.strip_prefix(AFTER));
    let is_hex = |place: &&str| {
        place.len().is_multiple_of(2) && place.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    place.filter(is_hex).ok_or_else(|| {
        let why = "the page token is none of this listing";
        Failure::new(ErrorKind::Invalid, why)
    })
}
