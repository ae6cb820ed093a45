//! Adding what is missing.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use lunora_core::port::{ErrorKind, PortError};
use serde::Serialize;

use super::{
    BackupPolicy, Doing, Drift, MigrateError, MigrationEntry, MigrationId, MigrationState,
    Migrator, Phase, Progress, ProgressFn, RowChange, TableKind, Tally, UnreadableRow,
    census::Census,
    implied::Values,
    record::{self, MARKER, Records, met},
    survey::Survey,
    turn::Turn,
};
use crate::dynamodb::stored::{self, Expression, Item};

/// What a migration did.
#[derive(Clone, Debug, Serialize)]
pub struct MigrationReport {
    /// What it is called, to undo it; none if there was nothing to do.
    pub id: Option<MigrationId>,
    /// Whether it went on with one that somebody had left unfinished.
    pub resumed: bool,
    /// The backup of each table that was changed.
    pub backups: BTreeMap<TableKind, String>,
    /// Who answers for it that there is no backup.
    pub without_backup_says: Option<String>,
    /// The destinations that got attributes, and which.
    pub rows: Vec<RowChange>,
    /// The presets that were added.
    pub presets: Vec<String>,
    /// Count and hash of all that it did not add, before and after.
    pub proof: Vec<Proof>,
    /// Presets that are not there and whose id something else has.
    pub presets_taken: Vec<String>,
    /// Rows that cannot be read, and were left as they are.
    pub unreadable: Vec<UnreadableRow>,
}

/// What stayed as it was.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// In which table.
    pub table: TableKind,
    /// Before the first write.
    pub before: Tally,
    /// After the last one.
    pub after: Tally,
    /// The rows that others changed between the two; for a migration that was
    /// gone on with, since it was.
    pub by_others: Drift,
}

impl Proof {
    /// Whether all is as it was.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.before == self.after
    }
}

impl MigrationReport {
    /// Whether a person has to look at something.
    #[must_use]
    pub fn leaves_something(&self) -> bool {
        !self.unreadable.is_empty()
            || !self.presets_taken.is_empty()
            || !self.proof.iter().all(Proof::holds)
    }
}

/// How often a row is looked at again that others change at the same time.
const TRIES_MAX: u32 = 8;

impl Migrator {
    /// Adds what is missing, or goes on where another process stopped.
    ///
    /// Whoever else writes goes on doing so: nothing that is there is touched,
    /// and no call of ours makes one of theirs fail. If there is nothing to do,
    /// nothing is written at all.
    pub async fn apply(
        &self,
        backup: &BackupPolicy,
        progress: &mut ProgressFn<'_>,
    ) -> Result<MigrationReport, MigrateError> {
        self.refuse_unready().await?;
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let id = match self.current().await? {
                Some(current) => current.unfinished.id,
                None => {
                    let survey = self.look(&Records::default(), now, progress).await?;
                    if !survey.finds_work() {
                        return Ok(nothing_to_do(survey));
                    }
                    MigrationId::mint(now, self.ids.mint())
                }
            };
            let mut turn = self.take_turn(&id, Doing::Applying).await?;
            let outcome = self.apply_in(&mut turn, now, backup, progress).await;
            if let Some(report) = self.close(turn, outcome).await? {
                return Ok(report);
            }
        }
        Err(MigrateError::TurnLost)
    }

    async fn look(
        &self,
        ours: &Records,
        at: Timestamp,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Survey, PortError> {
        let mut survey = self.survey(ours, at, progress).await?;
        self.respect_removals(&mut survey).await?;
        Ok(survey)
    }

    /// Adds what is missing; none if another process ended it meanwhile.
    async fn apply_in(
        &self,
        turn: &mut Turn,
        now: Timestamp,
        backup: &BackupPolicy,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Option<MigrationReport>, MigrateError> {
        let id = turn.id.clone();
        let begun = self.entry(&id).await?;
        let (at, mut records) = match &begun {
            None => (now, Records::of(&id)),
            Some(entry) if entry.state == MigrationState::Applying => {
                self.claim(turn, entry, MigrationState::Applying).await?;
                (entry.began_at, self.records(&id).await?)
            }
            Some(_) => return Ok(None),
        };
        // Also if this process looked before: another one may have done it meanwhile.
        let survey = self.look(&records, at, progress).await?;
        let resumed = begun.is_some();
        let mut entry = match begun {
            Some(entry) => entry,
            None if !survey.finds_work() => return Ok(Some(nothing_to_do(survey))),
            None => {
                let census = survey.census.iter();
                let before = census.map(|(kind, census)| (*kind, census.tally()));
                self.begin(turn, at, &before.collect()).await?
            }
        };
        self.protect(turn, &mut entry, &survey, backup, progress)
            .await?;
        let rows = self
            .add_attributes(turn, &survey, &mut records, progress)
            .await?;
        let (presets, taken) = self.add_presets(turn, &survey, &mut records).await?;
        let after = self.count(&records, Phase::Verifying, progress).await?;
        let (from, to) = (MigrationState::Applying, MigrationState::Applied);
        self.set_state(turn, from, to, self.clock.now()).await?;
        Ok(Some(MigrationReport {
            id: Some(id),
            resumed,
            proof: proofs(&entry, &survey.census, &after),
            backups: entry.backups,
            without_backup_says: entry.without_backup_says,
            rows,
            presets,
            presets_taken: survey.taken.into_iter().chain(taken).collect(),
            unreadable: survey.unreadable,
        }))
    }

    /// Sees to it that there is a backup of all that is going to be changed.
    async fn protect(
        &self,
        turn: &mut Turn,
        entry: &mut MigrationEntry,
        survey: &Survey,
        policy: &BackupPolicy,
        progress: &mut ProgressFn<'_>,
    ) -> Result<(), MigrateError> {
        let changed = [
            (TableKind::Destinations, survey.missing.is_empty()),
            (TableKind::Presets, survey.seeds.is_empty()),
        ];
        let changed = changed
            .into_iter()
            .filter(|(_, same)| !same)
            .map(|(kind, _)| kind);
        match policy {
            BackupPolicy::Required => {
                let changed: Vec<_> = changed.collect();
                for (done, kind) in (0..).zip(&changed) {
                    progress(Progress {
                        phase: Phase::BackingUp,
                        done,
                        total: changed.len() as u64,
                    });
                    self.back_up(turn, entry, *kind).await?;
                }
            }
            BackupPolicy::Skip { responsible } => {
                self.note_no_backup(turn, responsible.as_str()).await?;
                entry.without_backup_says = Some(responsible.to_string());
            }
        }
        Ok(())
    }

    async fn add_attributes(
        &self,
        turn: &mut Turn,
        survey: &Survey,
        records: &mut Records,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Vec<RowChange>, MigrateError> {
        let (mut steps, mut changed) = (self.pace.row_by_row(), Vec::new());
        let total = survey.missing.len() as u64;
        for (done, (id, missing)) in (0..).zip(&survey.missing) {
            progress(Progress {
                phase: Phase::Rows,
                done,
                total,
            });
            steps.next().await;
            let added = self.complete_row(turn, id, missing.clone()).await?;
            if !added.is_empty() {
                records.rows.insert(id.clone(), added.clone());
                let (id, attributes) = (id.clone(), added.into_keys().collect());
                changed.push(RowChange { id, attributes });
            }
        }
        progress(Progress {
            phase: Phase::Rows,
            done: total,
            total,
        });
        Ok(changed)
    }

    /// Gives a row what it lacks, and returns what that was.
    async fn complete_row(
        &self,
        turn: &mut Turn,
        id: &str,
        mut missing: Values,
    ) -> Result<Values, MigrateError> {
        for _ in 0..TRIES_MAX {
            self.record_row(turn, id, &missing).await?;
            let there = match self.add_to_row(turn, id, &missing).await? {
                Outcome::Done => return Ok(missing),
                Outcome::Met(item) => item.unwrap_or_default(),
            };
            match record::text(&there, MARKER) {
                // It is our own write, whose reply was lost, whatever others made of it since.
                Some(by) if by == turn.id.as_str() => return Ok(missing),
                // Another migration was here, or there is no row any more.
                Some(_) => missing.clear(),
                None => {
                    missing.retain(|name, _| !there.is_empty() && !there.contains_key(name));
                }
            }
            // What was recorded is not written, so that it can be taken back.
            if missing.is_empty() {
                break;
            }
        }
        self.record_row(turn, id, &Values::new()).await?;
        if missing.is_empty() {
            return Ok(missing);
        }
        let subject = format_args!("destination {id}, which others keep changing");
        Err(PortError::new(ErrorKind::Conflict, "complete", subject).into())
    }

    async fn add_to_row(
        &self,
        turn: &mut Turn,
        id: &str,
        missing: &Values,
    ) -> Result<Outcome, MigrateError> {
        let mut expression = Expression::default();
        let mut conditions = vec![expression.exists(ID), expression.is(MARKER, None)];
        let marker = record::marker(&turn.id);
        let name = expression.name(MARKER);
        let mut sets = vec![format!("{name} = {}", expression.value(marker))];
        for (attribute, value) in missing {
            conditions.push(expression.is(attribute, None));
            let name = expression.name(attribute);
            sets.push(format!("{name} = {}", expression.value(value.clone())));
        }
        let update = format!("SET {}", sets.join(", "));
        self.update_row(turn, id, &update, &conditions, &expression)
            .await
    }

    /// Changes a destination in a plain `UpdateItem`. In a transaction with its
    /// record, other clients' writes of that row would fail meanwhile.
    pub(super) async fn update_row(
        &self,
        turn: &mut Turn,
        id: &str,
        update: &str,
        conditions: &[String],
        expression: &Expression,
    ) -> Result<Outcome, MigrateError> {
        let written = || async {
            let call = self.client.update_item();
            let call = call.table_name(self.tables.destinations.as_str());
            let call = call.key(ID, AttributeValue::S(id.to_owned()));
            let call = call.update_expression(update);
            let call = call.condition_expression(conditions.join(" AND "));
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.set_expression_attribute_values(expression.values());
            let call = call.return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            );
            match call.send().await {
                Ok(_) => Ok(Outcome::Done),
                Err(error) => match error.as_service_error().and_then(met) {
                    Some(item) => Ok(Outcome::Met(item)),
                    None => {
                        let subject = format_args!("destination {id}");
                        Err(stored::failed("UpdateItem", "change", subject, &error))
                    }
                },
            }
        };
        self.write(turn, written).await
    }

    /// Adds presets; returns those that it added, and those whose id was taken meanwhile.
    async fn add_presets(
        &self,
        turn: &mut Turn,
        survey: &Survey,
        records: &mut Records,
    ) -> Result<(Vec<String>, Vec<String>), MigrateError> {
        let (mut added, mut taken) = (Vec::new(), Vec::new());
        for (id, row) in &survey.seeds {
            let mut row = row.clone();
            row.insert(MARKER.to_owned(), record::marker(&turn.id));
            self.record_seed(turn, id, Some(&row)).await?;
            if self.add_preset(turn, id, &row).await? {
                records.seeds.insert(id.clone(), row);
                added.push(id.clone());
            } else {
                self.record_seed(turn, id, None).await?;
                taken.push(id.clone());
            }
        }
        Ok((added, taken))
    }

    /// Adds a preset, unless something else has its id; says whether it did.
    pub(super) async fn add_preset(
        &self,
        turn: &mut Turn,
        id: &str,
        row: &Item,
    ) -> Result<bool, MigrateError> {
        let written = || async {
            let mut expression = Expression::default();
            let condition = expression.is(TableKind::Presets.key()[0], None);
            let call = self
                .client
                .put_item()
                .table_name(self.tables.presets.as_str());
            let call = call
                .set_item(Some(row.clone()))
                .condition_expression(condition);
            let call = call.set_expression_attribute_names(expression.names());
            let call = call.return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            );
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) => match error.as_service_error() {
                    // It may be our own, whose reply was lost.
                    Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                        let there = refusal.item().and_then(|it| it.get(MARKER));
                        Ok(there.is_some() && there == row.get(MARKER))
                    }
                    _ => {
                        let subject = format_args!("preset {id}");
                        Err(stored::failed("PutItem", "add", subject, &error))
                    }
                },
            }
        };
        self.write(turn, written).await
    }
}

/// The key of a destination.
pub(super) const ID: &str = TableKind::Destinations.key()[0];

/// What became of a conditional write.
pub(super) enum Outcome {
    Done,
    /// The condition did not hold; the row that was met, if there is one.
    Met(Option<Item>),
}

fn nothing_to_do(survey: Survey) -> MigrationReport {
    let tally = |(kind, census): (&TableKind, &Census)| Proof {
        table: *kind,
        before: census.tally(),
        after: census.tally(),
        by_others: Drift::default(),
    };
    MigrationReport {
        id: None,
        resumed: false,
        backups: BTreeMap::new(),
        without_backup_says: None,
        rows: Vec::new(),
        presets: Vec::new(),
        proof: survey.census.iter().map(tally).collect(),
        presets_taken: survey.taken,
        unreadable: survey.unreadable,
    }
}

fn proofs(
    entry: &MigrationEntry,
    seen: &BTreeMap<TableKind, Census>,
    after: &BTreeMap<TableKind, Census>,
) -> Vec<Proof> {
    let proof = |(kind, after): (&TableKind, &Census)| {
        let seen = seen.get(kind)?;
        Some(Proof {
            table: *kind,
            before: entry
                .before
                .get(kind)
                .copied()
                .unwrap_or_else(|| seen.tally()),
            after: after.tally(),
            by_others: after.since(seen),
        })
    };
    after.iter().filter_map(proof).collect()
}
