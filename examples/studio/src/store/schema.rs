use std::time::Duration;

use lunora_core::port::Clock;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::{OpenError, folder::Folder, row::stamp};

/// One step from a version of the schema to the next.
struct Migration {
    /// What it does, for people.
    what: &'static str,
    /// How it is done.
    apply: &'static str,
    /// How it is undone; stored with the database, for a program that does not know the step.
    undo: &'static str,
}

/// All steps; the first leads to version 1. What was released is never changed.
const MIGRATIONS: &[Migration] = &[
    Migration {
        what: "destinations, secrets, events, removals, pause and claims",
        apply: include_str!("schema/1.sql"),
        undo: include_str!("schema/1.undo.sql"),
    },
    Migration {
        what: "versions of a secret side by side, and the generation that a removal means",
        apply: include_str!("schema/2.sql"),
        undo: include_str!("schema/2.undo.sql"),
    },
    Migration {
        what: "sources, presets, sessions, tokens, histories of failover, leases, and who did what",
        apply: include_str!("schema/3.sql"),
        undo: include_str!("schema/3.undo.sql"),
    },
    Migration {
        what: "when the backup of a destination is pushed",
        apply: include_str!("schema/4.sql"),
        undo: include_str!("schema/4.undo.sql"),
    },
];

/// Opens the database of the folder, checks it, and brings it to the newest version.
pub(super) fn open(folder: &Folder, clock: &dyn Clock) -> Result<Connection, OpenError> {
    folder.touch_database()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let refuses = |error| folder.refuses(error);
    let mut connection = Connection::open_with_flags(folder.database(), flags).map_err(refuses)?;
    check(folder, &connection)?;
    configure(&connection).map_err(refuses)?;
    migrate(&mut connection, MIGRATIONS, clock).map_err(refuses)?;
    Ok(connection)
}

/// Refuses what is not ours, not whole, or newer than this program.
fn check(folder: &Folder, connection: &Connection) -> Result<(), OpenError> {
    let refuses = |error| folder.refuses(error);
    let path = folder.database();
    let (found, known) = (version(connection).map_err(refuses)?, newest(MIGRATIONS));
    if known < found {
        return Err(OpenError::Newer { path, found, known });
    }
    let is_empty: bool = connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })
        .map_err(refuses)?;
    if found == 0 && !is_empty {
        return Err(OpenError::Foreign { path });
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(refuses)?;
    if verdict != "ok" {
        let what = verdict.replace('\n', " ");
        return Err(OpenError::Damaged { path, what });
    }
    Ok(())
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // For the moments in which a backup, or a person with the sqlite3 tool, holds a lock.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit reaches the disk before it is acknowledged; NORMAL would lose the last ones.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a forgotten secret leaves no ciphertext in free pages.
    connection.pragma_update(None, "secure_delete", true)
}

/// Applies the steps that are missing, each with its version in one transaction.
fn migrate(
    connection: &mut Connection,
    migrations: &[Migration],
    clock: &dyn Clock,
) -> rusqlite::Result<()> {
    for (target, step) in (1_i64..).zip(migrations) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if target <= version(&tx)? {
            continue;
        }
        tx.execute_batch(step.apply)?;
        tx.execute(
            "INSERT INTO migration (version, what, undo, applied_at) VALUES (?1, ?2, ?3, ?4)",
            params![target, step.what, step.undo, stamp(clock.now())],
        )?;
        tx.pragma_update(None, "user_version", target)?;
        tx.commit()?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations.iter().map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[derive(Debug)]
    struct Epoch;

    impl Clock for Epoch {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
    }

    /// Names and definitions of everything that is in the database.
    fn drawn(connection: &Connection) -> Vec<(String, Option<String>)> {
        let all =
            "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut all = connection.prepare(all).unwrap();
        let rows = all
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn each_step_can_be_undone_by_what_is_stored_with_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        for count in 1..=MIGRATIONS.len() {
            let before = drawn(&connection);
            migrate(&mut connection, &MIGRATIONS[..count], &Epoch).unwrap();
            let after = drawn(&connection);

            let newest = "SELECT undo FROM migration ORDER BY version DESC LIMIT 1";
            let undo: String = connection.query_row(newest, [], |row| row.get(0)).unwrap();
            connection.execute_batch(&undo).unwrap();

            assert_eq!(drawn(&connection), before);
            assert_eq!(version(&connection).unwrap(), count as i64 - 1);
            migrate(&mut connection, &MIGRATIONS[..count], &Epoch).unwrap();
            assert_eq!(drawn(&connection), after);
        }
    }

    #[test]
    fn a_write_is_on_the_disk_before_it_is_acknowledged() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::claim(root.path()).unwrap();

        let connection = open(&folder, &Epoch).unwrap();

        let read = |pragma| connection.pragma_query_value(None, pragma, |row| row.get(0));
        assert_eq!(read("synchronous"), Ok(2));
        assert_eq!(read("secure_delete"), Ok(1));
        assert_eq!(read("foreign_keys"), Ok(1));
        let mode = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        assert_eq!(mode, Ok("wal".to_owned()));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS, &Epoch).unwrap();
        let before = drawn(&connection);
        let broken = Migration {
            what: "half of a step",
            apply: "CREATE TABLE half (way TEXT) STRICT; CREATE TABLE nonsense;",
            undo: "",
        };
        let first = MIGRATIONS.iter().map(|step| Migration { ..*step });
        let steps: Vec<_> = first.chain([broken]).collect();

        migrate(&mut connection, &steps, &Epoch).unwrap_err();

        assert_eq!(drawn(&connection), before);
        assert_eq!(version(&connection).unwrap(), newest(MIGRATIONS));
    }
}
