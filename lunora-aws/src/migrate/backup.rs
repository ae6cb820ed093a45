//! A copy of each table before it is changed.

use std::{fmt, str::FromStr, time::Duration};

use aws_sdk_dynamodb::types::BackupStatus;
use lunora_core::port::PortError;
use tokio::time::sleep;

use super::{MigrateError, MigrationEntry, Migrator, TableKind, turn::Turn};
use crate::dynamodb::stored;

/// Whether there has to be a backup before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPolicy {
    /// Without one, nothing is changed.
    Required,
    /// None is made, and somebody answers for that.
    Skip {
        /// Who; it is recorded.
        responsible: Responsible,
    },
}

/// The name of a person who answers for something, as colleagues know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responsible(String);

/// The text names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 2 to 80 characters, none of them a control character")]
pub struct ResponsibleError;

impl FromStr for Responsible {
    type Err = ResponsibleError;

    fn from_str(text: &str) -> Result<Self, ResponsibleError> {
        let text = text.trim();
        if !(2..=80).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(ResponsibleError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Responsible {
    /// Borrows the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Responsible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long it is between two looks at a backup that is being made.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked at; AWS makes one in seconds, whatever its size.
const LOOKS_MAX: u32 = 450;

impl Migrator {
    /// Backs a table up, unless this migration did, and records it.
    pub(super) async fn back_up(
        &self,
        turn: &mut Turn,
        entry: &mut MigrationEntry,
        kind: TableKind,
    ) -> Result<(), MigrateError> {
        if entry.backups.contains_key(&kind) {
            return Ok(());
        }
        let table = kind.name(&self.tables);
        let no_backup = |source: PortError| MigrateError::NoBackup {
            table: table.to_string(),
            source,
        };
        let not_made = |error| match error {
            MigrateError::Port(source) => no_backup(source),
            other => other,
        };
        // Named after the migration, so that one that was begun before a crash is found.
        let name = format!("lunora-{}-{kind}", turn.id);
        let arn = match self.find_backup(kind, &name).await.map_err(no_backup)? {
            Some(arn) => arn,
            None => self
                .create_backup(turn, kind, &name)
                .await
                .map_err(not_made)?,
        };
        for _ in 0..LOOKS_MAX {
            match self.backup_status(kind, &arn).await.map_err(no_backup)? {
                Some(BackupStatus::Available) => {
                    self.note_backup(turn, kind, &arn).await?;
                    entry.backups.insert(kind, arn);
                    return Ok(());
                }
                Some(BackupStatus::Creating) => {
                    sleep(LOOK_EVERY).await;
                    self.keep_turn(turn).await?;
                }
                _ => break,
            }
        }
        let table = table.to_string();
        Err(MigrateError::BackupNotMade { table, arn })
    }

    async fn find_backup(&self, kind: TableKind, name: &str) -> Result<Option<String>, PortError> {
        let table = kind.name(&self.tables);
        let mut start = None;
        loop {
            let asked = || async {
                let call = self.client.list_backups().table_name(table.as_str());
                let call = call.set_exclusive_start_backup_arn(start.clone());
                call.send().await.map_err(|error| {
                    let subject = format_args!("the backups of table {table}");
                    stored::failed("ListBackups", "list", subject, &error)
                })
            };
            let page = self.pace.patiently(asked).await?;
            let found = page.backup_summaries().iter().find(|it| {
                let is_usable = matches!(
                    it.backup_status(),
                    Some(BackupStatus::Available | BackupStatus::Creating)
                );
                is_usable && it.backup_name() == Some(name)
            });
            if let Some(arn) = found.and_then(|it| it.backup_arn()) {
                return Ok(Some(arn.to_owned()));
            }
            match page.last_evaluated_backup_arn {
                Some(arn) => start = Some(arn),
                None => return Ok(None),
            }
        }
    }

    async fn create_backup(
        &self,
        turn: &mut Turn,
        kind: TableKind,
        name: &str,
    ) -> Result<String, MigrateError> {
        let table = kind.name(&self.tables);
        let made = || async {
            let call = self.client.create_backup().table_name(table.as_str());
            call.backup_name(name).send().await.map_err(|error| {
                let subject = format_args!("table {table}");
                stored::failed("CreateBackup", "back up", subject, &error)
            })
        };
        let answer = self.write(turn, made).await?;
        let details = answer.backup_details.ok_or_else(|| {
            let kind = lunora_core::port::ErrorKind::Unexpected;
            PortError::new(kind, "back up", format_args!("table {table}"))
        })?;
        Ok(details.backup_arn)
    }

    async fn backup_status(
        &self,
        kind: TableKind,
        arn: &str,
    ) -> Result<Option<BackupStatus>, PortError> {
        let table = kind.name(&self.tables);
        let asked = || async {
            let call = self.client.describe_backup().backup_arn(arn);
            call.send().await.map_err(|error| {
                let subject = format_args!("the backup of table {table}");
                stored::failed("DescribeBackup", "look at", subject, &error)
            })
        };
        let answer = self.pace.patiently(asked).await?;
        let description = answer.backup_description;
        let details = description.and_then(|it| it.backup_details);
        Ok(details.map(|it| it.backup_status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_for_nothing() {
        for text in ["", " ", "x", "a\nb", &"x".repeat(81)] {
            assert_eq!(
                text.parse::<Responsible>(),
                Err(ResponsibleError),
                "{text:?}"
            );
        }
        assert_eq!(
            " Ada L. ".parse::<Responsible>().unwrap().as_str(),
            "Ada L."
        );
    }
}
