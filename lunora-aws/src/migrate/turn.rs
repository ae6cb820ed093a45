//! One process at a time migrates or undoes.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use lunora_core::port::PortError;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::{
    MigrateError, MigrationId, MigrationState, Migrator,
    implied::Values,
    record::{self, ALL, HOLDER, PK},
};
use crate::dynamodb::stored::{self, Expression, Item, is_refused};

const CURRENT: &str = "current";
const OF: &str = "of";
const DOING: &str = "doing";
const UNTIL: &str = "until_ms";

/// How long a turn lasts that nobody makes last longer: as long as a process
/// that died keeps others waiting.
const LASTS: Duration = Duration::from_secs(120);
/// How much of it is used up before it is made to last longer.
const RENEWED_AFTER: Duration = Duration::from_secs(20);
/// How much of it is left unused: a call that was given up may still arrive, and
/// the clocks of two machines differ.
const UNUSED: Duration = Duration::from_secs(20);
/// How often a turn is asked for when others ask at once.
const TRIES_MAX: u32 = 4;

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Adding what is missing.
    Applying,
    /// Removing what was added.
    Undoing,
}

impl Doing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Undoing => "undoing",
        }
    }

    /// The state in which there is nothing left of it to do.
    const fn end(self) -> MigrationState {
        match self {
            Self::Applying => MigrationState::Applied,
            Self::Undoing => MigrationState::Undone,
        }
    }
}

/// A migration, or an undoing, that began and did not end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Which migration.
    pub id: MigrationId,
    /// What was being done.
    pub doing: Doing,
    /// Until when the process that did it may still be at it.
    pub until: Timestamp,
}

/// What the control table says of whose turn it is.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) unfinished: Unfinished,
    raw: Item,
}

/// The right to write, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) id: MigrationId,
    doing: Doing,
    pub(super) holder: String,
    until: Timestamp,
}

impl Migrator {
    /// What is unfinished, if anything is.
    pub(super) async fn current(&self) -> Result<Option<Current>, PortError> {
        Ok(self.turn_row().await?.filter(|it| !it.1).map(|it| it.0))
    }

    /// Whose turn it is, and whether there is nothing left of it to do.
    async fn turn_row(&self) -> Result<Option<(Current, bool)>, PortError> {
        let key = record::key(ALL, CURRENT);
        let Some(raw) = self.control_row(key, "whose turn it is".to_owned()).await? else {
            return Ok(None);
        };
        let Some(unfinished) = read(&raw) else {
            let kind = lunora_core::port::ErrorKind::Corrupt;
            return Err(PortError::new(kind, "read", "whose turn it is to migrate"));
        };
        // Ended by whoever has the turn. Who undoes a second time finds it ended by another.
        let is_over = self.entry(&unfinished.id).await?.is_some_and(|entry| {
            let is_of_holder = entry.holder.as_deref() == record::text(&raw, HOLDER);
            entry.state == unfinished.doing.end() && is_of_holder
        });
        Ok(Some((Current { unfinished, raw }, is_over)))
    }

    /// Takes the turn, for a new migration or for one that somebody left unfinished.
    ///
    /// Whoever takes it is another holder each time, also in the same process: two
    /// calls at once are two.
    pub(super) async fn take_turn(
        &self,
        id: &MigrationId,
        doing: Doing,
    ) -> Result<Turn, MigrateError> {
        let holder = format!("{:032x}", self.ids.mint());
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let there = self.turn_row().await?;
            if let Some((current, is_over)) = &there {
                let it = &current.unfinished;
                let is_ours = record::text(&current.raw, HOLDER) == Some(&holder);
                if !is_over && !is_ours && now < it.until {
                    return Err(MigrateError::Busy(it.clone()));
                }
                // An undoing may begin in the middle of what it undoes, and not the reverse.
                let goes_on = it.id == *id && (it.doing == doing || doing == Doing::Undoing);
                if !is_over && !goes_on {
                    return Err(MigrateError::Unfinished(it.clone()));
                }
            }
            let turn = Turn {
                id: id.clone(),
                doing,
                holder: holder.clone(),
                until: now + LASTS,
            };
            let old = there.as_ref().map(|(current, _)| &current.raw);
            if self.write_turn(&turn, old).await? {
                return Ok(turn);
            }
        }
        Err(MigrateError::TurnLost)
    }

    /// Makes a write for as long as the turn is ours: before each try it is asked
    /// whether it is, and no try outlasts it.
    pub(super) async fn write<T, F>(
        &self,
        turn: &mut Turn,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, MigrateError>
    where
        T: Send,
        F: Future<Output = Result<T, PortError>> + Send,
    {
        let mut waits = self.pace.waits();
        loop {
            self.keep_turn(turn).await?;
            let left = turn.left(self.clock.now());
            let Ok(outcome) = timeout(left, call()).await else {
                return Err(MigrateError::TurnLost);
            };
            match outcome {
                Ok(done) => return Ok(done),
                Err(error) => match waits.after(&error) {
                    Some(wait) => sleep(wait).await,
                    None => return Err(error.into()),
                },
            }
        }
    }

    /// Makes sure that it is still ours. It costs a call three times a minute.
    pub(super) async fn keep_turn(&self, turn: &mut Turn) -> Result<(), MigrateError> {
        let now = self.clock.now();
        // One that ends later than it could be asked for is of a clock that was set back.
        let is_fresh = now + (LASTS - RENEWED_AFTER) < turn.until && turn.until <= now + LASTS;
        if is_fresh {
            return Ok(());
        }
        // If it ran out while a large table was read, it may still be had again: that
        // nobody took it is what the write is conditioned on.
        let old = turn.row();
        turn.until = now + LASTS;
        if self.write_turn(turn, Some(&old)).await? {
            Ok(())
        } else {
            Err(MigrateError::TurnLost)
        }
    }

    /// Ends a turn. What failed is left for the next process, which need not wait.
    pub(super) async fn close<T>(
        &self,
        mut turn: Turn,
        outcome: Result<T, MigrateError>,
    ) -> Result<T, MigrateError> {
        match outcome {
            Ok(_) => self.end_turn(turn).await?,
            Err(MigrateError::TurnLost) => (),
            Err(_) => {
                let old = turn.row();
                turn.until = self.clock.now();
                // If that fails, too, it runs out by itself.
                let _ = self.write_turn(&turn, Some(&old)).await;
            }
        }
        outcome
    }

    /// Gives it back. That of another stays.
    pub(super) async fn end_turn(&self, turn: Turn) -> Result<(), PortError> {
        let key = record::key(ALL, CURRENT);
        let ended = || async {
            let mut expression = Expression::default();
            let holder = AttributeValue::S(turn.holder.clone());
            let condition = expression.is(HOLDER, Some(&holder));
            let call = self
                .client
                .delete_item()
                .table_name(self.tables.control.as_str());
            let call = call
                .set_key(Some(key.clone()))
                .condition_expression(condition);
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error) if is_refused(&error) => Ok(()),
                Err(error) => Err(stored::failed("DeleteItem", "end", "a turn", &error)),
            }
        };
        self.pace.patiently(ended).await
    }

    /// Writes whose turn it is, unless it is no more as it was; says whether it did.
    async fn write_turn(&self, turn: &Turn, old: Option<&Item>) -> Result<bool, PortError> {
        let row = turn.row();
        let written = || async {
            let mut expression = Expression::default();
            let conditions = match old {
                None => vec![expression.is(PK, None)],
                Some(old) => {
                    let names = [OF, DOING, HOLDER, UNTIL];
                    names
                        .map(|name| expression.is(name, old.get(name)))
                        .to_vec()
                }
            };
            let call = self
                .client
                .put_item()
                .table_name(self.tables.control.as_str());
            let call = call.set_item(Some(row.clone()));
            let call = call.condition_expression(conditions.join(" AND "));
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_refused(&error) => Ok(false),
                Err(error) => Err(stored::failed("PutItem", "take", "a turn", &error)),
            }
        };
        if self.pace.patiently(written).await? {
            return Ok(true);
        }
        // The reply to our own write may have been lost, and the write repeated.
        let there = self
            .control_row(record::key(ALL, CURRENT), "a turn".to_owned())
            .await?;
        Ok(there.is_some_and(|there| there == row))
    }
}

impl Turn {
    /// How long a call may take that begins now.
    fn left(&self, now: Timestamp) -> Duration {
        let left = Duration::try_from(self.until.duration_since(now));
        left.unwrap_or_default().saturating_sub(UNUSED)
    }

    fn row(&self) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let until = AttributeValue::N(self.until.as_millisecond().to_string());
        let mut row = record::key(ALL, CURRENT);
        row.extend(Values::from([
            (OF.to_owned(), text(self.id.as_str())),
            (DOING.to_owned(), text(self.doing.as_str())),
            (HOLDER.to_owned(), text(&self.holder)),
            (UNTIL.to_owned(), until),
        ]));
        row
    }
}

fn read(raw: &Item) -> Option<Unfinished> {
    let doing = record::text(raw, DOING)?;
    let until = raw.get(UNTIL)?.as_n().ok()?.parse().ok()?;
    Some(Unfinished {
        id: record::text(raw, OF)?.parse().ok()?,
        doing: [Doing::Applying, Doing::Undoing]
            .into_iter()
            .find(|it| it.as_str() == doing)?,
        until: Timestamp::from_millisecond(until).ok()?,
    })
}
