use std::sync::Arc;

use async_trait::async_trait;
use lunora_core::{
    domain::{Event, EventSeq, NewEvent},
    port::{EventLog, PortError},
};
use rusqlite::{Connection, Row, Transaction};
use tokio::sync::watch;

use super::{
    db::{Db, Failure, in_transaction},
    row::{Fields, json, stamp},
};

/// Events in SQLite, of which it keeps the newest [`KEPT`](Self::KEPT).
#[derive(Debug)]
pub struct SqliteEventLog {
    db: Arc<Db>,
    last: watch::Sender<EventSeq>,
}

impl SqliteEventLog {
    /// How many events are kept.
    pub const KEPT: u64 = 10_000;

    pub(super) fn new(db: Arc<Db>, last: EventSeq) -> Self {
        let last = watch::Sender::new(last);
        Self { db, last }
    }
}

#[async_trait]
impl EventLog for SqliteEventLog {
    async fn append(&self, event: &NewEvent) -> Result<EventSeq, PortError> {
        let (event, last) = (event.clone(), self.last.clone());
        let work = move |connection: &mut Connection| {
            let place = in_transaction(connection, |tx| insert(tx, &event))?;
            // Told from here, so that waiters wake even if this caller has gone.
            last.send_replace(place);
            Ok(place)
        };
        self.db.run("append", "an event", work).await
    }

    async fn read(&self, after: EventSeq, limit: u32) -> Result<Vec<Event>, PortError> {
        let work = move |connection: &mut Connection| select(connection, after, limit);
        self.db.run("read", "events", work).await
    }

    async fn last(&self) -> Result<EventSeq, PortError> {
        let work = |connection: &mut Connection| Ok(last_place(connection)?);
        self.db
            .run("read the place of", "the last event", work)
            .await
    }

    async fn wait(&self, after: EventSeq) -> Result<(), PortError> {
        let mut last = self.last.subscribe();
        // It fails only without a sender, and this is one.
        _ = last.wait_for(|last| after < *last).await;
        Ok(())
    }
}

/// The place of the last event, or 0.
pub(super) fn last_place(connection: &Connection) -> rusqlite::Result<EventSeq> {
    let last = "SELECT coalesce(max(seq), 0) FROM event";
    let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
    Ok(EventSeq(last.cast_unsigned()))
}

fn insert(tx: &Transaction<'_>, event: &NewEvent) -> Result<EventSeq, Failure> {
    let NewEvent {
        at,
        destination,
        by,
        kind,
    } = event;
    let destination = destination.as_ref().map(|id| id.as_str());
    let by = by.as_ref().map(|by| by.as_str());
    tx.prepare_cached(
        r#"INSERT INTO event (at, destination, "by", kind) VALUES (?1, ?2, ?3, ?4)"#,
    )?
    .execute((stamp(*at), destination, by, json(kind)?))?;
    let place = tx.last_insert_rowid().cast_unsigned();
    // Places have no gaps, so this drops the oldest one.
    let oldest = place.saturating_sub(SqliteEventLog::KEPT).cast_signed();
    tx.prepare_cached("DELETE FROM event WHERE seq <= ?1")?
        .execute([oldest])?;
    Ok(EventSeq(place))
}

fn select(connection: &Connection, after: EventSeq, limit: u32) -> Result<Vec<Event>, Failure> {
    // A place beyond what SQLite counts is beyond every event too.
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    let mut statement =
        connection.prepare_cached("SELECT * FROM event WHERE ?1 < seq ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query((after, limit))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(from_row(row)?);
    }
    Ok(events)
}

fn from_row(row: &Row<'_>) -> Result<Event, Failure> {
    let fields = Fields::new("event", "seq", row)?;
    let event = NewEvent {
        at: fields.time("at")?,
        destination: fields.parse_if_set("destination")?,
        by: fields.parse_if_set("by")?,
        kind: fields.json("kind")?,
    };
    let seq = EventSeq(fields.count("seq")?);
    Ok(Event { seq, event })
}
