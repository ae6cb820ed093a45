//! The five tables, and whether they are as they have to be.

use std::fmt;

use aws_sdk_dynamodb::types::{
    KeyType, PointInTimeRecoveryStatus, ScalarAttributeType, TableDescription, TableStatus,
};
use lunora_core::port::{ErrorKind, PortError};
use serde::Serialize;

use super::Migrator;
use crate::{TableName, Tables, dynamodb::stored};

/// One of the tables of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// Destinations: gets attributes.
    Destinations,
    /// Encoding presets: gets rows.
    Presets,
    /// Streaming sessions: only counted.
    Sessions,
    /// Sources: only counted.
    Sources,
    /// Where the migration keeps its records.
    Control,
}

impl TableKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Destinations,
        Self::Presets,
        Self::Sessions,
        Self::Sources,
        Self::Control,
    ];
    /// Those of the running system, whose rows are counted and hashed.
    pub const COUNTED: [Self; 4] = [
        Self::Destinations,
        Self::Presets,
        Self::Sessions,
        Self::Sources,
    ];

    /// Its name in reports and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destinations => "destinations",
            Self::Presets => "presets",
            Self::Sessions => "sessions",
            Self::Sources => "sources",
            Self::Control => "control",
        }
    }

    /// The attributes of its key, all of them texts.
    #[must_use]
    pub const fn key(self) -> &'static [&'static str] {
        match self {
            Self::Destinations => &["destination_id"],
            Self::Presets => &["preset_id"],
            Self::Sessions => &["session_id"],
            Self::Sources => &["source_id"],
            Self::Control => &["pk", "sk"],
        }
    }

    pub(super) const fn name(self, tables: &Tables) -> &TableName {
        match self {
            Self::Destinations => &tables.destinations,
            Self::Presets => &tables.presets,
            Self::Sessions => &tables.sessions,
            Self::Sources => &tables.sources,
            Self::Control => &tables.control,
        }
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a table cannot be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableProblem {
    /// Which one it is.
    pub kind: TableKind,
    /// What it is called.
    pub name: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for TableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} ({}) {}", self.name, self.kind, self.problem)
    }
}

/// Whether every state of a table in the last days could be brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Point-in-time recovery is on.
    On,
    /// It is off.
    Off,
    /// It may not be asked.
    Unknown,
}

impl Migrator {
    /// What keeps a table from being used; nothing if it is as it has to be.
    pub(super) async fn problem_of(
        &self,
        kind: TableKind,
    ) -> Result<Option<TableProblem>, PortError> {
        let name = kind.name(&self.tables);
        let asked = || async {
            let call = self.client.describe_table().table_name(name.as_str());
            match call.send().await {
                Ok(answer) => Ok(answer.table),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|it| it.is_resource_not_found_exception()) =>
                {
                    Ok(None)
                }
                Err(error) => Err(stored::failed(
                    "DescribeTable",
                    "look at",
                    format_args!("table {name}"),
                    &error,
                )),
            }
        };
        let table = self.pace.patiently(asked).await?;
        let problem = match table {
            None => Some(missing(kind)),
            Some(table) => defect(kind, &table),
        };
        Ok(problem.map(|problem| TableProblem {
            kind,
            name: name.to_string(),
            problem,
        }))
    }

    /// Whether the table is protected without us; a role that may not ask is no obstacle.
    pub(super) async fn recovery_of(&self, kind: TableKind) -> Result<Recovery, PortError> {
        let name = kind.name(&self.tables);
        let call = self.client.describe_continuous_backups();
        let answer = match call.table_name(name.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let subject = format_args!("the recovery of table {name}");
                let error = stored::failed("DescribeContinuousBackups", "read", subject, &error);
                return match error.kind() {
                    ErrorKind::Denied | ErrorKind::Unexpected | ErrorKind::Unsupported => {
                        Ok(Recovery::Unknown)
                    }
                    _ => Err(error),
                };
            }
        };
        let status = answer
            .continuous_backups_description()
            .and_then(|it| it.point_in_time_recovery_description())
            .and_then(|it| it.point_in_time_recovery_status());
        Ok(match status {
            Some(PointInTimeRecoveryStatus::Enabled) => Recovery::On,
            Some(PointInTimeRecoveryStatus::Disabled) => Recovery::Off,
            _ => Recovery::Unknown,
        })
    }
}

/// A table that is not there. That of the running system is a wrong name; ours
/// has to be made first.
fn missing(kind: TableKind) -> String {
    match kind {
        TableKind::Control => "is not in this account and region; Lunora keeps its own things \
                               there, and nothing else does. Deploy it, or make it with the key \
                               pk (S, hash) and sk (S, range), billed per request, and time to \
                               live on expires_at"
            .to_owned(),
        TableKind::Sources => "is not in this account and region; correct its name, or make it \
                               with the key source_id (S, hash), billed per request"
            .to_owned(),
        _ => "is not in this account and region; correct its name, AWS_REGION or the credentials"
            .to_owned(),
    }
}

fn defect(kind: TableKind, table: &TableDescription) -> Option<String> {
    let status = table.table_status();
    // One that is being updated can be read and written.
    if !matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
        return Some("is not active at this moment; wait until it is".to_owned());
    }
    let expected: Vec<_> = kind
        .key()
        .iter()
        .zip([KeyType::Hash, KeyType::Range])
        .collect();
    let is_text = |name: &str| {
        let mut definitions = table.attribute_definitions().iter();
        let found = definitions.find(|it| it.attribute_name() == name);
        found.is_some_and(|it| *it.attribute_type() == ScalarAttributeType::S)
    };
    let found = table.key_schema();
    let same = found.len() == expected.len()
        && expected.iter().all(|(name, key_type)| {
            let mut parts = found.iter();
            is_text(name)
                && parts.any(|it| it.attribute_name() == **name && it.key_type() == key_type)
        });
    (!same).then(|| {
        let key = kind.key().join(" and ");
        format!("has another key than {key} (S); this is not the table that it should be")
    })
}
