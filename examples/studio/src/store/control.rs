use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use lunora_core::{
    domain::{LeaseName, Removal},
    port::{Answer, Claim, ControlStore, ErrorKind, IdempotencyKey, Lease, Pause, PortError},
};
use rusqlite::{Connection, Row, Transaction};

use super::{
    db::{Db, Failure},
    row::{Fields, json, stamp},
};

/// Removals, the pause, idempotency keys and leases in SQLite.
#[derive(Debug)]
pub struct SqliteControlStore {
    db: Arc<Db>,
}

impl SqliteControlStore {
    pub(super) const fn new(db: Arc<Db>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl ControlStore for SqliteControlStore {
    async fn record_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let removal = removal.clone();
        let of = removal.destination.clone();
        let work = move |tx: &Transaction<'_>| {
            tx.execute(
                "INSERT INTO removal (destination, cause, generation, recorded_at, leftovers)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (destination, cause) DO UPDATE SET
                 generation = excluded.generation, recorded_at = excluded.recorded_at,
                 leftovers = excluded.leftovers",
                columns(&removal)?,
            )?;
            Ok(())
        };
        self.db.write("record the removal of", of, work).await
    }

    async fn removals(&self) -> Result<Vec<Removal>, PortError> {
        let work = |connection: &mut Connection| {
            let mut statement = connection
                .prepare_cached("SELECT * FROM removal ORDER BY recorded_at, destination, cause")?;
            let mut rows = statement.query([])?;
            let mut removals = Vec::new();
            while let Some(row) = rows.next()? {
                removals.push(removal_from_row(row)?);
            }
            Ok(removals)
        };
        self.db.run("list", "removals", work).await
    }

    async fn clear_removal(&self, removal: &Removal) -> Result<(), PortError> {
        let removal = removal.clone();
        let of = removal.destination.clone();
        let work = move |tx: &Transaction<'_>| {
            tx.execute(
                "DELETE FROM removal WHERE destination = ?1 AND cause = ?2
                 AND generation = ?3 AND recorded_at = ?4 AND leftovers = ?5",
                columns(&removal)?,
            )?;
            Ok(())
        };
        self.db.write("clear the removal of", of, work).await
    }

    async fn pause(&self) -> Result<Option<Pause>, PortError> {
        let work = |connection: &mut Connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM pause")?;
            let mut rows = statement.query([])?;
            rows.next()?.map(pause_from_row).transpose()
        };
        self.db.run("read", "the pause", work).await
    }

    async fn set_pause(&self, pause: Option<Pause>) -> Result<(), PortError> {
        let work = move |tx: &Transaction<'_>| {
            match pause {
                None => tx.execute("DELETE FROM pause", [])?,
                Some(Pause { until }) => tx.execute(
                    "INSERT INTO pause (only_row, until) VALUES (1, ?1)
                     ON CONFLICT (only_row) DO UPDATE SET until = excluded.until",
                    [stamp(until)],
                )?,
            };
            Ok(())
        };
        self.db.write("set", "the pause", work).await
    }

    async fn claim(&self, key: &IdempotencyKey, claim: &Claim) -> Result<Claim, PortError> {
        let (row, claim) = (key.clone(), claim.clone());
        let work = move |tx: &Transaction<'_>| {
            insert_claim(tx, &row, &claim)?;
            select_claim(tx, &row)
        };
        self.db.write("claim key", key.as_str(), work).await
    }

    async fn settle(&self, key: &IdempotencyKey, answer: &Answer) -> Result<(), PortError> {
        let (row, answer) = (key.clone(), answer.clone());
        let work = move |tx: &Transaction<'_>| {
            tx.execute(
                "UPDATE claim SET answer_status = ?2, answer_body = ?3
                 WHERE key = ?1 AND answer_status IS NULL",
                (row.as_str(), answer.status, answer.body),
            )?;
            Ok(())
        };
        self.db.write("settle key", key.as_str(), work).await
    }

    async fn forget_claims_before(&self, time: Timestamp) -> Result<(), PortError> {
        let work = move |tx: &Transaction<'_>| {
            tx.execute("DELETE FROM claim WHERE at < ?1", [stamp(time)])?;
            Ok(())
        };
        self.db.write("forget", "old claims", work).await
    }

    async fn acquire(&self, name: &LeaseName, lease: &Lease) -> Result<Lease, PortError> {
        let (row, lease) = (name.clone(), lease.clone());
        let work = move |tx: &Transaction<'_>| {
            take_lease(tx, &row, &lease)?;
            select_lease(tx, &row)
        };
        self.db.write("acquire lease", name, work).await
    }

    async fn release(&self, name: &LeaseName, lease: &Lease) -> Result<(), PortError> {
        let (row, Lease { holder, until, .. }) = (name.clone(), lease.clone());
        let work = move |tx: &Transaction<'_>| {
            tx.execute(
                "DELETE FROM lease WHERE name = ?1 AND holder = ?2 AND until = ?3",
                (row.as_str(), holder.as_str(), stamp(until)),
            )?;
            Ok(())
        };
        self.db.write("release lease", name, work).await
    }
}

/// In the order of the columns.
fn columns(removal: &Removal) -> rusqlite::Result<(&str, String, i64, String, String)> {
    Ok((
        removal.destination.as_str(),
        removal.cause.to_string(),
        removal.generation.cast_signed(),
        stamp(removal.recorded_at),
        json(&removal.leftovers)?,
    ))
}

fn insert_claim(tx: &Transaction<'_>, key: &IdempotencyKey, claim: &Claim) -> Result<(), Failure> {
    let Claim {
        request,
        destination,
        at,
        answer,
    } = claim;
    tx.execute(
        "INSERT INTO claim (key, request, destination, at, answer_status, answer_body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO NOTHING",
        (
            key.as_str(),
            request.to_string(),
            destination.as_str(),
            stamp(*at),
            answer.as_ref().map(|answer| answer.status),
            answer.as_ref().map(|answer| answer.body.as_str()),
        ),
    )?;
    Ok(())
}

fn select_claim(tx: &Transaction<'_>, key: &IdempotencyKey) -> Result<Claim, Failure> {
    let mut statement = tx.prepare_cached("SELECT * FROM claim WHERE key = ?1")?;
    let mut rows = statement.query([key.as_str()])?;
    match rows.next()? {
        Some(row) => claim_from_row(row),
        None => Err(Failure::new(
            ErrorKind::Unexpected,
            "the claim is not there",
        )),
    }
}

/// Gives the lease to who asks, unless another holds it at that time, or it has
/// more time already.
fn take_lease(tx: &Transaction<'_>, name: &LeaseName, lease: &Lease) -> Result<(), Failure> {
    let Lease { holder, at, until } = lease;
    tx.execute(
        "INSERT INTO lease (name, holder, at, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE
         SET holder = excluded.holder, at = excluded.at, until = excluded.until
         WHERE lease.until <= excluded.at
         OR lease.holder = excluded.holder AND lease.until <= excluded.until",
        (name.as_str(), holder.as_str(), stamp(*at), stamp(*until)),
    )?;
    Ok(())
}

fn select_lease(tx: &Transaction<'_>, name: &LeaseName) -> Result<Lease, Failure> {
    let mut statement = tx.prepare_cached("SELECT * FROM lease WHERE name = ?1")?;
    let mut rows = statement.query([name.as_str()])?;
    match rows.next()? {
        Some(row) => lease_from_row(row),
        None => Err(Failure::new(
            ErrorKind::Unexpected,
            "the lease is not there",
        )),
    }
}

fn removal_from_row(row: &Row<'_>) -> Result<Removal, Failure> {
    let fields = Fields::new("removal", "destination", row)?;
    Ok(Removal {
        destination: fields.parse("destination")?,
        cause: fields.parse("cause")?,
        generation: fields.count("generation")?,
        recorded_at: fields.time("recorded_at")?,
        leftovers: fields.json("leftovers")?,
    })
}

fn pause_from_row(row: &Row<'_>) -> Result<Pause, Failure> {
    let fields = Fields::new("pause", "only_row", row)?;
    let until = fields.time("until")?;
    Ok(Pause { until })
}

fn claim_from_row(row: &Row<'_>) -> Result<Claim, Failure> {
    let fields = Fields::new("claim", "key", row)?;
    let answer = match fields.get("answer_status")? {
        None => None,
        Some(status) => {
            let body = fields.get("answer_body")?;
            Some(Answer { status, body })
        }
    };
    Ok(Claim {
        request: fields.parse("request")?,
        destination: fields.parse("destination")?,
        at: fields.time("at")?,
        answer,
    })
}

fn lease_from_row(row: &Row<'_>) -> Result<Lease, Failure> {
    let fields = Fields::new("lease", "name", row)?;
    Ok(Lease {
        holder: fields.parse("holder")?,
        at: fields.time("at")?,
        until: fields.time("until")?,
    })
}
