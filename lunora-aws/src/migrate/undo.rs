//! Removing what was added.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use lunora_core::port::PortError;
use serde::Serialize;

use super::{
    Doing, MigrateError, MigrationEntry, MigrationId, MigrationState, Migrator, Phase, Progress,
    ProgressFn, RowChange, TableKind, Tally,
    apply::{ID, Outcome},
    census::Names,
    implied::Values,
    record::{self, MARKER, Records},
    turn::Turn,
};
use crate::dynamodb::stored::{self, Expression, Item, is_refused};

/// What the undoing of a migration did.
#[derive(Clone, Debug, Serialize)]
pub struct UndoReport {
    /// The migration.
    pub id: MigrationId,
    /// Whether it was undone before. Then nothing is left to remove, but for what a
    /// write brought that was under way at that time.
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
    /// The row does not say any more that this migration added it: somebody wrote
    /// the whole row, or added the same before us.
    Unmarked,
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

impl UndoReport {
    /// Whether a person has to look at something.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        !self.left.is_empty() || !self.tables.iter().all(Restored::is_same)
    }
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
    /// It can be undone in the middle, and the undoing can be repeated, also when it
    /// is undone: a write of a process that was asleep may have arrived since.
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
        let mut turn = self.take_turn(id, Doing::Undoing).await?;
        let outcome = self.undo_in(&mut turn, &mut report, progress).await;
        let entry = self.close(turn, outcome).await?;
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

    /// Removes what was added, and returns what is known of the migration.
    async fn undo_in(
        &self,
        turn: &mut Turn,
        report: &mut UndoReport,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Option<MigrationEntry>, MigrateError> {
        let Some(entry) = self.entry(&turn.id).await? else {
            // It ended before it had changed anything.
            return Ok(None);
        };
        let (from, to) = (MigrationState::Undoing, MigrationState::Undone);
        self.claim(turn, &entry, from).await?;
        let records = self.records(&turn.id).await?;
        self.remove_attributes(turn, &records, report, progress)
            .await?;
        self.remove_presets(turn, &records, report).await?;
        self.set_state(turn, from, to, self.clock.now()).await?;
        Ok(Some(entry))
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
            self.restore_row(turn, id, added, report).await?;
        }
        progress(Progress {
            phase: Phase::Rows,
            done: total,
            total,
        });
        Ok(())
    }

    /// Removes from a row what was added and is as it was added, if the row says that
    /// this migration added it, and that it says so.
    async fn restore_row(
        &self,
        turn: &mut Turn,
        id: &str,
        added: &Values,
        report: &mut UndoReport,
    ) -> Result<(), MigrateError> {
        let (mut still, mut left) = (added.clone(), Names::new());
        let mut because = Because::Changed;
        for _ in 0..TRIES_MAX {
            let there = match self.remove_from_row(turn, id, &still).await? {
                Outcome::Done => {
                    if !still.is_empty() {
                        let (id, attributes) = (id.to_owned(), still.into_keys().collect());
                        report.rows.push(RowChange { id, attributes });
                    }
                    still = Values::new();
                    break;
                }
                Outcome::Met(item) => item.unwrap_or_default(),
            };
            let present = added.iter().filter(|(name, _)| there.contains_key(*name));
            match record::text(&there, MARKER) {
                Some(by) if by == turn.id.as_str() => {
                    let theirs = present.filter(|(name, value)| there.get(*name) != Some(*value));
                    left = theirs.map(|(name, _)| name.clone()).collect();
                    // Those that are missing are removed already.
                    still.retain(|name, value| there.get(name) == Some(value));
                }
                by => {
                    // What a later migration added is undone with that one.
                    if by.is_none() && !report.was_undone {
                        left = present.map(|(name, _)| name.clone()).collect();
                        because = Because::Unmarked;
                    }
                    still = Values::new();
                    break;
                }
            }
        }
        // What others change without end stays theirs.
        left.extend(still.into_keys());
        if !left.is_empty() {
            report.left.push(Left {
                table: TableKind::Destinations,
                id: id.to_owned(),
                attributes: left.into_iter().collect(),
                because,
            });
        }
        Ok(())
    }

    async fn remove_from_row(
        &self,
        turn: &mut Turn,
        id: &str,
        added: &Values,
    ) -> Result<Outcome, MigrateError> {
        let mut expression = Expression::default();
        let marker = record::marker(&turn.id);
        let mut conditions = vec![expression.exists(ID), expression.is(MARKER, Some(&marker))];
        let mut names = vec![expression.name(MARKER)];
        for (attribute, value) in added {
            conditions.push(expression.is(attribute, Some(value)));
            names.push(expression.name(attribute));
        }
        let update = format!("REMOVE {}", names.join(", "));
        self.update_row(turn, id, &update, &conditions, &expression)
            .await
    }

    async fn remove_presets(
        &self,
        turn: &mut Turn,
        records: &Records,
        report: &mut UndoReport,
    ) -> Result<(), MigrateError> {
        for (id, added) in &records.seeds {
            let Some(there) = self.preset_row(id).await? else {
                continue;
            };
            let by = record::text(&there, MARKER);
            let is_of_another = by.is_some() && !records.marked(&there);
            if is_of_another || by.is_none() && report.was_undone {
                continue;
            }
            let because = if there != *added {
                Because::Changed
            } else if self.presets_in_use().await?.contains(id) {
                // Asked just before each, because old clients choose presets meanwhile.
                Because::InUse
            } else if self.remove_preset(turn, id, added).await? {
                report.presets.push(id.clone());
                continue;
            } else {
                Because::Changed
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

    /// Removes a preset if it is as it was added; says whether it is gone.
    async fn remove_preset(
        &self,
        turn: &mut Turn,
        id: &str,
        added: &Item,
    ) -> Result<bool, MigrateError> {
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
            let call = call
                .condition_expression(conditions.join(" AND "))
                .return_values(ReturnValue::AllOld);
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            match call.send().await {
                Ok(answer) => Ok(Some(answer.attributes)),
                Err(error) if is_refused(&error) => Ok(None),
                Err(error) => {
                    let subject = format_args!("preset {id}");
                    Err(stored::failed("DeleteItem", "remove", subject, &error))
                }
            }
        };
        match self.write(turn, removed).await? {
            // No condition can ask for attributes that nobody knows. What has one is
            // somebody's, and is put back.
            Some(Some(gone)) if gone != *added => {
                self.add_preset(turn, id, &gone).await?;
                Ok(false)
            }
            Some(_) => Ok(true),
            // The reply may have been lost, and the removal repeated.
            None => Ok(self.preset_row(id).await?.is_none()),
        }
    }
}
