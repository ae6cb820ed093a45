//! What the control table knows of migrations.
//!
//! | pk | sk | what |
//! | --- | --- | --- |
//! | `migration` | `current` | whose turn it is, while there is one |
//! | `migration` | the id | when it began and ended, its backups, what was counted |
//! | `migration#<id>` | `destinations#<id>` | the attributes that a row was given |
//! | `migration#<id>` | `presets#<id>` | a preset that was added, whole |
//!
//! The last two are written before what they tell of, so what was done is known
//! after a crash at any call. They may tell of what was not done: it was done
//! exactly where the row itself has [`MARKER`] with the id of the migration, which
//! is written by the same call as what was added.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use jiff::Timestamp;
use lunora_core::port::{ErrorKind, PortError};
use serde::Serialize;

use super::{MigrateError, MigrationId, Migrator, TableKind, Tally, implied::Values, turn::Turn};
use crate::dynamodb::stored::{self, Expression, Item, is_refused};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
pub(super) const ALL: &str = "migration";
/// Who wrote a row last: the turn row, and that of a migration.
pub(super) const HOLDER: &str = "holder";
/// The attribute of a destination or preset that says which migration added to it.
pub(super) const MARKER: &str = "lunora_migration";
const STATE: &str = "state";
const BEGAN: &str = "began_at";
const ENDED: &str = "ended_at";
const UNPROTECTED: &str = "without_backup_says";
const BACKUP: &str = "backup:";
const COUNTED: &str = "before:";
const ADDED: &str = "added:";
const ROW: &str = "row";
const OF_DESTINATIONS: &str = "destinations#";
const OF_PRESETS: &str = "presets#";

/// How far a migration came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// It began and did not end: apply again, or undo it.
    Applying,
    /// It is done.
    Applied,
    /// Its undoing began and did not end: undo it again.
    Undoing,
    /// It is undone.
    Undone,
}

impl MigrationState {
    const ALL: [Self; 4] = [Self::Applying, Self::Applied, Self::Undoing, Self::Undone];

    /// The word in reports and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// What is known of one migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MigrationEntry {
    /// What it is called.
    pub id: MigrationId,
    /// How far it came.
    pub state: MigrationState,
    /// When it began.
    pub began_at: Timestamp,
    /// When it, or its undoing, ended.
    pub ended_at: Option<Timestamp>,
    /// The backup of each table that it changed, made before.
    pub backups: BTreeMap<TableKind, String>,
    /// Who answers for it that there is no backup.
    pub without_backup_says: Option<String>,
    /// What was counted before it changed anything.
    pub before: BTreeMap<TableKind, Tally>,
    /// Who wrote its state.
    #[serde(skip)]
    pub(super) holder: Option<String>,
}

/// What a migration added, or was about to.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// By which.
    pub(super) by: Option<MigrationId>,
    /// The attributes of destinations, by id.
    pub(super) rows: BTreeMap<String, Values>,
    /// Whole presets, by id.
    pub(super) seeds: BTreeMap<String, Item>,
}

impl Records {
    pub(super) fn of(id: &MigrationId) -> Self {
        Self {
            by: Some(id.clone()),
            ..Self::default()
        }
    }

    /// Whether the row itself says that this migration added to it.
    pub(super) fn marked(&self, item: &Item) -> bool {
        let by = self.by.as_ref().map(MigrationId::as_str);
        by.is_some() && text(item, MARKER) == by
    }
}

/// What a row has that this migration added to.
pub(super) fn marker(id: &MigrationId) -> AttributeValue {
    AttributeValue::S(id.to_string())
}

pub(super) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([
        (PK.to_owned(), AttributeValue::S(pk.into())),
        (SK.to_owned(), AttributeValue::S(sk.into())),
    ])
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn partition(id: &MigrationId) -> String {
    format!("{ALL}#{id}")
}

fn subject(id: &MigrationId) -> String {
    format!("migration {id}")
}

impl Migrator {
    /// What is known of a migration.
    pub(super) async fn entry(
        &self,
        id: &MigrationId,
    ) -> Result<Option<MigrationEntry>, PortError> {
        let item = self.control_row(key(ALL, id.as_str()), subject(id)).await?;
        item.map(|item| read_entry(id.clone(), &item)).transpose()
    }

    /// All migrations, the oldest first.
    pub(super) async fn entries(&self) -> Result<Vec<MigrationEntry>, PortError> {
        let rows = self.control_rows(ALL, "", "the migrations").await?;
        let entry = |(sk, item): (String, Item)| {
            // The other rows there are of whose turn it is.
            let id = sk.parse().ok()?;
            Some(read_entry(id, &item))
        };
        rows.into_iter().filter_map(entry).collect()
    }

    /// Writes down that a migration begins.
    pub(super) async fn begin(
        &self,
        turn: &mut Turn,
        began_at: Timestamp,
        before: &BTreeMap<TableKind, Tally>,
    ) -> Result<MigrationEntry, MigrateError> {
        let id = turn.id.clone();
        let mut item = key(ALL, id.as_str());
        let mut set = |name: &str, text: String| {
            item.insert(name.to_owned(), AttributeValue::S(text));
        };
        set(STATE, MigrationState::Applying.as_str().to_owned());
        set(BEGAN, began_at.to_string());
        set(HOLDER, turn.holder.clone());
        for (kind, tally) in before {
            let text = format!("{} {}", tally.rows, tally.sha256);
            set(&format!("{COUNTED}{kind}"), text);
        }
        let written = || async {
            let mut expression = Expression::default();
            let condition = expression.is(PK, None);
            let call = self
                .client
                .put_item()
                .table_name(self.tables.control.as_str());
            let call = call
                .set_item(Some(item.clone()))
                .condition_expression(condition);
            let call = call.set_expression_attribute_names(expression.names());
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error) if is_refused(&error) => Ok(()),
                Err(error) => Err(stored::failed("PutItem", "begin", subject(&id), &error)),
            }
        };
        self.write(turn, written).await?;
        // The reply to our own write may have been lost, and the write repeated.
        let entry = self.entry(&id).await?;
        entry
            .filter(|it| it.holder.as_deref() == Some(&*turn.holder))
            .ok_or(MigrateError::TurnLost)
    }

    /// Writes down that whoever has the turn goes on with a migration that is as it
    /// was read. From here on no earlier holder changes its state.
    pub(super) async fn claim(
        &self,
        turn: &mut Turn,
        entry: &MigrationEntry,
        state: MigrationState,
    ) -> Result<(), MigrateError> {
        let of = entry.holder.clone().map(AttributeValue::S);
        self.change_state(turn, (entry.state, of), state, None)
            .await
    }

    /// Writes down how far a migration came that whoever has the turn claimed.
    pub(super) async fn set_state(
        &self,
        turn: &mut Turn,
        from: MigrationState,
        to: MigrationState,
        ended_at: Timestamp,
    ) -> Result<(), MigrateError> {
        let ours = AttributeValue::S(turn.holder.clone());
        self.change_state(turn, (from, Some(ours)), to, Some(ended_at))
            .await
    }

    async fn change_state(
        &self,
        turn: &mut Turn,
        (from, of): (MigrationState, Option<AttributeValue>),
        to: MigrationState,
        ended_at: Option<Timestamp>,
    ) -> Result<(), MigrateError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let (id, ours) = (turn.id.clone(), text(&turn.holder));
        let written = || async {
            let mut expression = Expression::default();
            let conditions = [
                expression.is(STATE, Some(&text(from.as_str()))),
                expression.is(HOLDER, of.as_ref()),
            ];
            let mut values = Values::from([
                (STATE.to_owned(), text(to.as_str())),
                (HOLDER.to_owned(), ours.clone()),
            ]);
            values.extend(ended_at.map(|at| (ENDED.to_owned(), text(&at.to_string()))));
            let update = set(&values, &mut expression);
            let call = self
                .client
                .update_item()
                .table_name(self.tables.control.as_str());
            let call = call
                .set_key(Some(key(ALL, id.as_str())))
                .update_expression(update)
                .condition_expression(conditions.join(" AND "));
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_refused(&error) => Ok(false),
                Err(error) => Err(stored::failed("UpdateItem", "record", subject(&id), &error)),
            }
        };
        if self.write(turn, written).await? {
            return Ok(());
        }
        // The reply to our own write may have been lost, and the write repeated.
        let there = self.entry(&id).await?;
        let is_done =
            there.is_some_and(|it| it.state == to && it.holder.as_deref() == Some(&*turn.holder));
        is_done.then_some(()).ok_or(MigrateError::TurnLost)
    }

    pub(super) async fn note_backup(
        &self,
        turn: &mut Turn,
        kind: TableKind,
        arn: &str,
    ) -> Result<(), MigrateError> {
        let values = Values::from([(format!("{BACKUP}{kind}"), AttributeValue::S(arn.to_owned()))]);
        self.note(turn, &values).await
    }

    pub(super) async fn note_no_backup(
        &self,
        turn: &mut Turn,
        responsible: &str,
    ) -> Result<(), MigrateError> {
        let values = Values::from([(
            UNPROTECTED.to_owned(),
            AttributeValue::S(responsible.to_owned()),
        )]);
        self.note(turn, &values).await
    }

    /// Records the attributes that a row is about to get, and no others; none takes
    /// back what was recorded and turned out to be somebody else's.
    pub(super) async fn record_row(
        &self,
        turn: &mut Turn,
        row: &str,
        values: &Values,
    ) -> Result<(), MigrateError> {
        let mut item = key(partition(&turn.id), format!("{OF_DESTINATIONS}{row}"));
        item.insert(ROW.to_owned(), AttributeValue::S(row.to_owned()));
        let values = values
            .iter()
            .map(|(name, value)| (format!("{ADDED}{name}"), value.clone()));
        item.extend(values);
        self.record(turn, item).await
    }

    /// Records a preset that is about to be added; none takes it back: somebody else
    /// was faster.
    pub(super) async fn record_seed(
        &self,
        turn: &mut Turn,
        preset: &str,
        row: Option<&Item>,
    ) -> Result<(), MigrateError> {
        let mut item = key(partition(&turn.id), format!("{OF_PRESETS}{preset}"));
        item.insert(ROW.to_owned(), AttributeValue::S(preset.to_owned()));
        item.extend(row.map(|row| (ADDED.to_owned(), AttributeValue::M(row.clone()))));
        self.record(turn, item).await
    }

    async fn record(&self, turn: &mut Turn, item: Item) -> Result<(), MigrateError> {
        let subject = subject(&turn.id);
        let written = || async {
            let call = self
                .client
                .put_item()
                .table_name(self.tables.control.as_str());
            let answer = call.set_item(Some(item.clone())).send().await;
            answer.map_err(|error| stored::failed("PutItem", "record", &subject, &error))
        };
        self.write(turn, written).await?;
        Ok(())
    }

    /// The presets that earlier migrations added, also those that somebody removed since.
    pub(super) async fn seeded_before(&self) -> Result<BTreeSet<String>, PortError> {
        let mut seeded = BTreeSet::new();
        for entry in self.entries().await? {
            if entry.state == MigrationState::Applied {
                let (partition, subject) = (partition(&entry.id), subject(&entry.id));
                let rows = self.control_rows(&partition, OF_PRESETS, &subject).await?;
                let added = rows.iter().filter(|(_, item)| item.contains_key(ADDED));
                seeded.extend(added.filter_map(|(_, it)| text(it, ROW).map(str::to_owned)));
            }
        }
        Ok(seeded)
    }

    /// What a migration added.
    pub(super) async fn records(&self, id: &MigrationId) -> Result<Records, PortError> {
        let mut records = Records::of(id);
        for (sk, item) in self.control_rows(&partition(id), "", &subject(id)).await? {
            if let Some(row) = sk.strip_prefix(OF_DESTINATIONS) {
                let added = |(name, value): (&String, &AttributeValue)| {
                    Some((name.strip_prefix(ADDED)?.to_owned(), value.clone()))
                };
                let values: Values = item.iter().filter_map(added).collect();
                if !values.is_empty() {
                    records.rows.insert(row.to_owned(), values);
                }
            } else if let Some(preset) = sk.strip_prefix(OF_PRESETS)
                && let Some(AttributeValue::M(row)) = item.get(ADDED)
            {
                records.seeds.insert(preset.to_owned(), row.clone());
            }
        }
        Ok(records)
    }

    /// Sets attributes of what is known of a migration.
    async fn note(&self, turn: &mut Turn, values: &Values) -> Result<(), MigrateError> {
        let id = turn.id.clone();
        let written = || async {
            let mut expression = Expression::default();
            let update = set(values, &mut expression);
            let call = self
                .client
                .update_item()
                .table_name(self.tables.control.as_str());
            let call = call
                .set_key(Some(key(ALL, id.as_str())))
                .update_expression(update);
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            let answer = call.send().await;
            answer.map_err(|error| stored::failed("UpdateItem", "record", subject(&id), &error))
        };
        self.write(turn, written).await?;
        Ok(())
    }

    pub(super) async fn control_row(
        &self,
        key: Item,
        subject: String,
    ) -> Result<Option<Item>, PortError> {
        let asked = || async {
            let call = self
                .client
                .get_item()
                .table_name(self.tables.control.as_str());
            let call = call.set_key(Some(key.clone())).consistent_read(true);
            let answer = call.send().await;
            answer.map_err(|error| stored::failed("GetItem", "read", &subject, &error))
        };
        Ok(self.pace.patiently(asked).await?.item)
    }

    async fn control_rows(
        &self,
        pk: &str,
        begins: &str,
        subject: &str,
    ) -> Result<Vec<(String, Item)>, PortError> {
        let (mut rows, mut start) = (Vec::new(), None);
        loop {
            let mut expression = Expression::default();
            let mut condition = expression.is(PK, Some(&AttributeValue::S(pk.to_owned())));
            if !begins.is_empty() {
                let name = expression.name(SK);
                let begins = expression.value(AttributeValue::S(begins.to_owned()));
                condition = format!("{condition} AND begins_with({name}, {begins})");
            }
            let asked = || async {
                let call = self.client.query().table_name(self.tables.control.as_str());
                let call = call
                    .consistent_read(true)
                    .key_condition_expression(&condition);
                let call = call.set_expression_attribute_names(expression.names());
                let call = call.set_expression_attribute_values(expression.values());
                let answer = call.set_exclusive_start_key(start.clone()).send().await;
                answer.map_err(|error| stored::failed("Query", "read", subject, &error))
            };
            let page = self.pace.patiently(asked).await?;
            for item in page.items.unwrap_or_default() {
                if let Some(sk) = text(&item, SK) {
                    rows.push((sk.to_owned(), item));
                }
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(rows),
            }
        }
    }
}

/// An update that sets all of these.
fn set(values: &Values, expression: &mut Expression) -> String {
    let mut sets = Vec::new();
    for (name, value) in values {
        let name = expression.name(name);
        sets.push(format!("{name} = {}", expression.value(value.clone())));
    }
    format!("SET {}", sets.join(", "))
}

fn read_entry(id: MigrationId, item: &Item) -> Result<MigrationEntry, PortError> {
    let corrupt = || PortError::new(ErrorKind::Corrupt, "read", subject(&id));
    let time = |name| text(item, name).and_then(|text| text.parse().ok());
    let state = text(item, STATE);
    let state = MigrationState::ALL
        .into_iter()
        .find(|it| Some(it.as_str()) == state);
    let of_table = |prefix: &'static str| {
        TableKind::COUNTED.into_iter().filter_map(move |kind| {
            let text = text(item, &format!("{prefix}{kind}"))?;
            Some((kind, text))
        })
    };
    let mut before = BTreeMap::new();
    for (kind, text) in of_table(COUNTED) {
        let (rows, hash) = text.split_once(' ').ok_or_else(corrupt)?;
        let rows = rows.parse().map_err(|_| corrupt())?;
        let sha256 = hash.parse().map_err(|_| corrupt())?;
        before.insert(kind, Tally { rows, sha256 });
    }
    let backups = of_table(BACKUP)
        .map(|(kind, arn)| (kind, arn.to_owned()))
        .collect();
    Ok(MigrationEntry {
        state: state.ok_or_else(corrupt)?,
        began_at: time(BEGAN).ok_or_else(corrupt)?,
        ended_at: time(ENDED),
        backups,
        without_backup_says: text(item, UNPROTECTED).map(str::to_owned),
        holder: text(item, HOLDER).map(str::to_owned),
        before,
        id,
    })
}

/// The row that an update met, if its condition did not hold.
pub(super) fn met(error: &UpdateItemError) -> Option<Option<Item>> {
    match error {
        UpdateItemError::ConditionalCheckFailedException(refusal) => {
            let item = refusal.item().filter(|item| !item.is_empty());
            Some(item.cloned())
        }
        _ => None,
    }
}
