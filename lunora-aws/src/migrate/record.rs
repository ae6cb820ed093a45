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
//! after a crash at any call. They may tell of what was not done; undoing minds that.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::AttributeValue};
use jiff::Timestamp;
use lunora_core::port::{ErrorKind, PortError};
use serde::Serialize;

use super::{MigrationId, Migrator, TableKind, Tally, implied::Values};
use crate::dynamodb::stored::{self, Expression, Item, is_refused};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
pub(super) const ALL: &str = "migration";
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
}

/// What a migration added, or was about to.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// The attributes of destinations, by id.
    pub(super) rows: BTreeMap<String, Values>,
    /// Whole presets, by id.
    pub(super) seeds: BTreeMap<String, Item>,
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
        let rows = self.control_rows(ALL, "the migrations").await?;
        let entry = |(sk, item): (String, Item)| {
            // The other rows there are of whose turn it is.
            let id = sk.parse().ok()?;
            Some(read_entry(id, &item))
        };
        rows.into_iter().filter_map(entry).collect()
    }

    /// Writes down that a migration begins. If it is written already, that stays.
    pub(super) async fn begin(
        &self,
        id: &MigrationId,
        began_at: Timestamp,
        before: &BTreeMap<TableKind, Tally>,
    ) -> Result<(), PortError> {
        let mut item = key(ALL, id.as_str());
        let state = MigrationState::Applying.as_str();
        item.insert(STATE.to_owned(), AttributeValue::S(state.to_owned()));
        item.insert(BEGAN.to_owned(), AttributeValue::S(began_at.to_string()));
        for (kind, tally) in before {
            let text = format!("{} {}", tally.rows, tally.sha256);
            item.insert(format!("{COUNTED}{kind}"), AttributeValue::S(text));
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
                Err(error) => Err(stored::failed("PutItem", "begin", subject(id), &error)),
            }
        };
        self.pace.patiently(written).await
    }

    /// Writes down how far a migration came.
    pub(super) async fn set_state(
        &self,
        id: &MigrationId,
        state: MigrationState,
        ended_at: Option<Timestamp>,
    ) -> Result<(), PortError> {
        let mut values = Values::from([(
            STATE.to_owned(),
            AttributeValue::S(state.as_str().to_owned()),
        )]);
        if let Some(at) = ended_at {
            values.insert(ENDED.to_owned(), AttributeValue::S(at.to_string()));
        }
        self.note(key(ALL, id.as_str()), &values, subject(id)).await
    }

    pub(super) async fn note_backup(
        &self,
        id: &MigrationId,
        kind: TableKind,
        arn: &str,
    ) -> Result<(), PortError> {
        let values = Values::from([(format!("{BACKUP}{kind}"), AttributeValue::S(arn.to_owned()))]);
        self.note(key(ALL, id.as_str()), &values, subject(id)).await
    }

    pub(super) async fn note_no_backup(
        &self,
        id: &MigrationId,
        responsible: &str,
    ) -> Result<(), PortError> {
        let values = Values::from([(
            UNPROTECTED.to_owned(),
            AttributeValue::S(responsible.to_owned()),
        )]);
        self.note(key(ALL, id.as_str()), &values, subject(id)).await
    }

    /// Records the attributes that a row is about to get, beside those that it got.
    pub(super) async fn record_row(
        &self,
        id: &MigrationId,
        row: &str,
        values: &Values,
    ) -> Result<(), PortError> {
        let mut noted = Values::from([(ROW.to_owned(), AttributeValue::S(row.to_owned()))]);
        let values = values
            .iter()
            .map(|(name, value)| (format!("{ADDED}{name}"), value.clone()));
        noted.extend(values);
        let key = key(partition(id), format!("{OF_DESTINATIONS}{row}"));
        self.note(key, &noted, subject(id)).await
    }

    /// Takes back what was recorded and turned out to be somebody else's.
    pub(super) async fn retract_row<'a>(
        &self,
        id: &MigrationId,
        row: &str,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let names: Vec<_> = names
            .map(|it| expression.name(&format!("{ADDED}{it}")))
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let key = key(partition(id), format!("{OF_DESTINATIONS}{row}"));
        let update = format!("REMOVE {}", names.join(", "));
        let written = || self.update_control(key.clone(), &update, &expression, subject(id));
        self.pace.patiently(written).await
    }

    /// Records a preset that is about to be added.
    pub(super) async fn record_seed(
        &self,
        id: &MigrationId,
        preset: &str,
        row: &Item,
    ) -> Result<(), PortError> {
        let values = Values::from([
            (ROW.to_owned(), AttributeValue::S(preset.to_owned())),
            (ADDED.to_owned(), AttributeValue::M(row.clone())),
        ]);
        let key = key(partition(id), format!("{OF_PRESETS}{preset}"));
        self.note(key, &values, subject(id)).await
    }

    /// Takes back that a preset was added: somebody else was faster.
    pub(super) async fn retract_seed(
        &self,
        id: &MigrationId,
        preset: &str,
    ) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let update = format!("REMOVE {}", expression.name(ADDED));
        let key = key(partition(id), format!("{OF_PRESETS}{preset}"));
        let written = || self.update_control(key.clone(), &update, &expression, subject(id));
        self.pace.patiently(written).await
    }

    /// What a migration added.
    pub(super) async fn records(&self, id: &MigrationId) -> Result<Records, PortError> {
        let mut records = Records::default();
        for (sk, item) in self.control_rows(&partition(id), &subject(id)).await? {
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

    /// Sets attributes of a row of the control table, which is made if it is not there.
    async fn note(&self, key: Item, values: &Values, subject: String) -> Result<(), PortError> {
        let mut expression = Expression::default();
        let mut sets = Vec::new();
        for (name, value) in values {
            let name = expression.name(name);
            sets.push(format!("{name} = {}", expression.value(value.clone())));
        }
        let update = format!("SET {}", sets.join(", "));
        let written = || self.update_control(key.clone(), &update, &expression, subject.clone());
        self.pace.patiently(written).await
    }

    async fn update_control(
        &self,
        key: Item,
        update: &str,
        expression: &Expression,
        subject: String,
    ) -> Result<(), PortError> {
        let call = self
            .client
            .update_item()
            .table_name(self.tables.control.as_str());
        let call = call.set_key(Some(key)).update_expression(update);
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        let answer = call.send().await;
        answer.map_err(|error| stored::failed("UpdateItem", "record", subject, &error))?;
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
        subject: &str,
    ) -> Result<Vec<(String, Item)>, PortError> {
        let (mut rows, mut start) = (Vec::new(), None);
        loop {
            let mut expression = Expression::default();
            let condition = expression.is(PK, Some(&AttributeValue::S(pk.to_owned())));
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
