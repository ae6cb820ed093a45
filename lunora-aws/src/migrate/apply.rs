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
    record::{Records, met},
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
        !self.unreadable.is_empty() || !self.presets_taken.is_empty()
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
        let (id, first) = match self.current().await? {
            Some(current) => (current.unfinished.id, None),
            None => {
                let now = self.clock.now();
                let survey = self.survey(&Records::default(), now, progress).await?;
                if !survey.finds_work() {
                    return Ok(nothing_to_do(survey));
                }
                let id = MigrationId::mint(now, self.ids.mint());
                (id, Some((now, survey)))
            }
        };
        let mut turn = self.take_turn(&id, Doing::Applying).await?;
        let outcome = self.apply_in(&mut turn, first, backup, progress).await;
        self.close(turn, outcome).await
    }

    /// Adds what is missing: what the first look saw, or, where another process
    /// stopped, what is still to be done.
    async fn apply_in(
        &self,
        turn: &mut Turn,
        first: Option<(Timestamp, Survey)>,
        backup: &BackupPolicy,
        progress: &mut ProgressFn<'_>,
    ) -> Result<MigrationReport, MigrateError> {
        let resumed = first.is_none();
        let (mut records, at, survey) = match first {
            Some((at, survey)) => (Records::default(), at, survey),
            None => {
                let records = self.records(&turn.id).await?;
                let entry = self.entry(&turn.id).await?;
                let at = entry.map_or_else(|| self.clock.now(), |it| it.began_at);
                let survey = self.survey(&records, at, progress).await?;
                (records, at, survey)
            }
        };
        let mut entry = self.begun(turn, at, &survey).await?;
        self.protect(turn, &mut entry, &survey, backup, progress)
            .await?;
        let rows = self
            .add_attributes(turn, &survey, &mut records, progress)
            .await?;
        let (presets, taken) = self.add_presets(turn, &survey, &mut records).await?;
        let after = self.count(&records, Phase::Verifying, progress).await?;
        self.keep_turn(turn).await?;
        let ended = Some(self.clock.now());
        self.set_state(&turn.id, MigrationState::Applied, ended)
            .await?;
        Ok(MigrationReport {
            id: Some(turn.id.clone()),
            resumed,
            proof: proofs(&entry, &survey.census, &after),
            backups: entry.backups,
            without_backup_says: entry.without_backup_says,
            rows,
            presets,
            presets_taken: survey.taken.into_iter().chain(taken).collect(),
            unreadable: survey.unreadable,
        })
    }

    /// Writes down that the migration begins, unless it says so already.
    async fn begun(
        &self,
        turn: &mut Turn,
        at: Timestamp,
        survey: &Survey,
    ) -> Result<MigrationEntry, MigrateError> {
        self.keep_turn(turn).await?;
        let before = survey
            .census
            .iter()
            .map(|(kind, census)| (*kind, census.tally()));
        self.begin(&turn.id, at, &before.collect()).await?;
        let entry = self.entry(&turn.id).await?;
        entry.ok_or_else(|| MigrateError::Unknown(turn.id.clone()))
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
                self.note_no_backup(&turn.id, responsible.as_str()).await?;
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
                let of_row = records.rows.entry(id.clone()).or_default();
                of_row.extend(added.clone());
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
            self.keep_turn(turn).await?;
            self.record_row(&turn.id, id, &missing).await?;
            let there = match self.add_to_row(id, &missing).await? {
                Outcome::Done => return Ok(missing),
                Outcome::Met(item) => item.unwrap_or_default(),
            };
            // All of them are added at once or none, so if all are there as ours are,
            // this is our own write, whose reply was lost.
            if missing
                .iter()
                .all(|(name, value)| there.get(name) == Some(value))
            {
                return Ok(missing);
            }
            let mut still = missing.clone();
            still.retain(|name, _| !there.is_empty() && !there.contains_key(name));
            let theirs = missing.keys().filter(|name| !still.contains_key(*name));
            self.retract_row(&turn.id, id, theirs).await?;
            if still.is_empty() {
                return Ok(still);
            }
            missing = still;
        }
        self.retract_row(&turn.id, id, missing.keys()).await?;
        let subject = format_args!("destination {id}, which others keep changing");
        Err(PortError::new(ErrorKind::Conflict, "complete", subject).into())
    }

    async fn add_to_row(&self, id: &str, missing: &Values) -> Result<Outcome, PortError> {
        let written = || async {
            let mut expression = Expression::default();
            let (mut sets, mut conditions) = (Vec::new(), vec![expression.exists(ID)]);
            for (attribute, value) in missing {
                conditions.push(expression.is(attribute, None));
                let name = expression.name(attribute);
                sets.push(format!("{name} = {}", expression.value(value.clone())));
            }
            let update = format!("SET {}", sets.join(", "));
            self.update_row(id, update, &conditions, &expression).await
        };
        self.pace.patiently(written).await
    }

    /// Changes a destination in a plain `UpdateItem`. In a transaction with its
    /// record, other clients' writes of that row would fail meanwhile.
    pub(super) async fn update_row(
        &self,
        id: &str,
        update: String,
        conditions: &[String],
        expression: &Expression,
    ) -> Result<Outcome, PortError> {
        let call = self.client.update_item();
        let call = call.table_name(self.tables.destinations.as_str());
        let call = call.key(ID, AttributeValue::S(id.to_owned()));
        let call = call.update_expression(update);
        let call = call.condition_expression(conditions.join(" AND "));
        let call = call.set_expression_attribute_names(expression.names());
        let call = call.set_expression_attribute_values(expression.values());
        let call = call
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => match error.as_service_error().and_then(met) {
                Some(item) => Ok(Outcome::Met(item)),
                None => {
                    let subject = format_args!("destination {id}");
                    Err(stored::failed("UpdateItem", "complete", subject, &error))
                }
            },
        }
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
            self.keep_turn(turn).await?;
            self.record_seed(&turn.id, id, row).await?;
            if self.add_preset(id, row).await? {
                records.seeds.insert(id.clone(), row.clone());
                added.push(id.clone());
            } else {
                self.retract_seed(&turn.id, id).await?;
                taken.push(id.clone());
            }
        }
        Ok((added, taken))
    }

    /// Adds a preset, unless something else has its id; says whether it did.
    async fn add_preset(&self, id: &str, row: &Item) -> Result<bool, PortError> {
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
                        Ok(refusal.item() == Some(row))
                    }
                    _ => {
                        let subject = format_args!("preset {id}");
                        Err(stored::failed("PutItem", "add", subject, &error))
                    }
                },
            }
        };
        self.pace.patiently(written).await
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
