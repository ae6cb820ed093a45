//! Removing what was added.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use lunora_core::port::PortError;
use serde::Serialize;

use super::{
    Doing, MigrateError, MigrationId, MigrationState, Migrator, Phase, Progress, ProgressFn,
    RowChange, TableKind, Tally,
    apply::{ID, Outcome},
    census::Names,
    implied::Values,
    record::Records,
    turn::Turn,
};
use crate::dynamodb::stored::{self, Expression, Item, is_refused};

/// What the undoing of a migration did.
#[derive(Clone, Debug, Serialize)]
pub struct UndoReport {
    /// The migration.
    pub id: MigrationId,
    /// Whether it was undone before, and nothing was done now.
    pub was_undone: bool,
    /// The destinations that lost attributes again, and which.
    pub rows: Vec<RowChange>,
    /// The presets that were removed again.
    pub presets: Vec<String>,
    /// What was added and stays, because somebody uses it.
    pub left: Vec<Left>,
    /// Every table, before the migration and now.
    pub tables: Vec<Restored>,
}

/// Something that the migration added and that is somebody else's by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// In which table.
    pub table: TableKind,
    /// Which row.
    pub id: String,
    /// Which attributes of a destination; none for a whole preset.
    pub attributes: Vec<String>,
    /// Why it stays.
    pub because: Because,
}

/// Why something stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Somebody changed it since.
    Changed,
    /// A destination asks for it.
    InUse,
}

/// A table before the migration and after its undoing.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// Which table.
    pub table: TableKind,
    /// Before the migration; none if it ended before it had counted.
    pub before: Option<Tally>,
    /// Now.
    pub now: Tally,
}

impl Restored {
    /// Whether every row is as it was. It is not if anybody wrote since.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.before.is_none_or(|before| before == self.now)
    }
}

/// How often a row is looked at again that others change at the same time.
const TRIES_MAX: u32 = 8;

impl Migrator {
    /// Removes exactly what a migration added, where it still is as it was added.
    ///
    /// It can be undone in the middle, and the undoing can be repeated.
    pub async fn undo(
        &self,
        id: &MigrationId,
        progress: &mut ProgressFn<'_>,
    ) -> Result<UndoReport, MigrateError> {
        self.refuse_unready().await?;
        let entry = self.entry(id).await?;
        let current = self.current().await?;
        let is_current = current.is_some_and(|it| it.unfinished.id == *id);
        if entry.is_none() && !is_current {
            return Err(MigrateError::Unknown(id.clone()));
        }
        let was_undone = entry
            .as_ref()
            .is_some_and(|it| it.state == MigrationState::Undone);
        let mut report = UndoReport {
            id: id.clone(),
            was_undone,
            rows: Vec::new(),
            presets: Vec::new(),
            left: Vec::new(),
            tables: Vec::new(),
        };
        if !was_undone {
            let mut turn = self.take_turn(id, Doing::Undoing).await?;
            // Without an entry it ended before it had changed anything.
            let outcome = match entry {
                Some(_) => self.undo_in(&mut turn, &mut report, progress).await,
                None => Ok(()),
            };
            self.close(turn, outcome).await?;
        }
        let before = entry.map(|it| it.before).unwrap_or_default();
        let now = self
            .count(&Records::default(), Phase::Verifying, progress)
            .await?;
        let restored = |(kind, census): (&TableKind, &super::census::Census)| Restored {
            table: *kind,
            before: before.get(kind).copied(),
            now: census.tally(),
        };
        report.tables = now.iter().map(restored).collect();
        Ok(report)
    }

    async fn undo_in(
        &self,
        turn: &mut Turn,
        report: &mut UndoReport,
        progress: &mut ProgressFn<'_>,
    ) -> Result<(), MigrateError> {
        self.set_state(&turn.id, MigrationState::Undoing, None)
            .await?;
        let records = self.records(&turn.id).await?;
        self.remove_attributes(turn, &records, report, progress)
            .await?;
        self.remove_presets(turn, &records, report).await?;
        self.keep_turn(turn).await?;
        let ended = Some(self.clock.now());
        self.set_state(&turn.id, MigrationState::Undone, ended)
            .await?;
        Ok(())
    }

    async fn remove_attributes(
        &self,
        turn: &mut Turn,
        records: &Records,
        report: &mut UndoReport,
        progress: &mut ProgressFn<'_>,
    ) -> Result<(), MigrateError> {
        let mut steps = self.pace.row_by_row();
        let total = records.rows.len() as u64;
        for (done, (id, added)) in (0..).zip(&records.rows) {
            progress(Progress {
                phase: Phase::Rows,
                done,
                total,
            });
            steps.next().await;
            let (mut still, mut changed) = (added.clone(), BTreeMap::new());
            for _ in 0..TRIES_MAX {
                self.keep_turn(turn).await?;
                let there = match self.remove_from_row(id, &still).await? {
                    Outcome::Done => {
                        let (id, attributes) = (id.clone(), still.into_keys().collect());
                        report.rows.push(RowChange { id, attributes });
                        still = Values::new();
                        break;
                    }
                    Outcome::Met(item) => item.unwrap_or_default(),
                };
                // What is missing was never added, or is removed already.
                let is_theirs = |(name, value): &(&String, &AttributeValue)| {
                    there.get(*name).is_some_and(|it| it != *value)
                };
                let theirs = added.iter().filter(is_theirs);
                changed = theirs
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                still.retain(|name, value| there.get(name) == Some(value));
                if still.is_empty() {
                    break;
                }
            }
            // What others change without end stays theirs.
            changed.extend(still);
            if !changed.is_empty() {
                report.left.push(Left {
                    table: TableKind::Destinations,
                    id: id.clone(),
                    attributes: changed.into_keys().collect(),
                    because: Because::Changed,
                });
            }
        }
        progress(Progress {
            phase: Phase::Rows,
            done: total,
            total,
        });
        Ok(())
    }

    async fn remove_from_row(&self, id: &str, added: &Values) -> Result<Outcome, PortError> {
        let written = || async {
            let mut expression = Expression::default();
            let (mut names, mut conditions) = (Vec::new(), vec![expression.exists(ID)]);
            for (attribute, value) in added {
                conditions.push(expression.is(attribute, Some(value)));
                names.push(expression.name(attribute));
            }
            let update = format!("REMOVE {}", names.join(", "));
            self.update_row(id, update, &conditions, &expression).await
        };
        self.pace.patiently(written).await
    }

    async fn remove_presets(
        &self,
        turn: &mut Turn,
        records: &Records,
        report: &mut UndoReport,
    ) -> Result<(), MigrateError> {
        if records.seeds.is_empty() {
            return Ok(());
        }
        let in_use: Names = self.presets_in_use().await?;
        for (id, added) in &records.seeds {
            self.keep_turn(turn).await?;
            let because = match self.preset_row(id).await? {
                None => continue,
                Some(there) if there != *added => Because::Changed,
                Some(_) if in_use.contains(id) => Because::InUse,
                Some(_) => {
                    if self.remove_preset(id, added).await? {
                        report.presets.push(id.clone());
                        continue;
                    }
                    Because::Changed
                }
            };
            report.left.push(Left {
                table: TableKind::Presets,
                id: id.clone(),
                attributes: Vec::new(),
                because,
            });
        }
        Ok(())
    }

    async fn preset_row(&self, id: &str) -> Result<Option<Item>, PortError> {
        let asked = || async {
            let call = self
                .client
                .get_item()
                .table_name(self.tables.presets.as_str());
            let key = AttributeValue::S(id.to_owned());
            let call = call
                .key(TableKind::Presets.key()[0], key)
                .consistent_read(true);
            call.send().await.map_err(|error| {
                let subject = format_args!("preset {id}");
                stored::failed("GetItem", "read", subject, &error)
            })
        };
        Ok(self.pace.patiently(asked).await?.item)
    }

    /// Removes a preset if every attribute is as it was added; says whether it is gone.
    async fn remove_preset(&self, id: &str, added: &Item) -> Result<bool, PortError> {
        let removed = || async {
            let mut expression = Expression::default();
            let conditions: Vec<_> = added
                .iter()
                .map(|(name, value)| expression.is(name, Some(value)))
                .collect();
            let call = self
                .client
                .delete_item()
                .table_name(self.tables.presets.as_str());
            let call = call.key(
                TableKind::Presets.key()[0],
                AttributeValue::S(id.to_owned()),
            );
            let call = call.condition_expression(conditions.join(" AND "));
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_refused(&error) => Ok(false),
                Err(error) => {
                    let subject = format_args!("preset {id}");
                    Err(stored::failed("DeleteItem", "remove", subject, &error))
                }
            }
        };
        let is_gone = self.pace.patiently(removed).await?;
        // The reply may have been lost, and the removal repeated.
        Ok(is_gone || self.preset_row(id).await?.is_none())
    }
}
