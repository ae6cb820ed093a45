//! One look at all tables: what is there, and what would be added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lunora_core::domain::Preset;
use lunora_core::port::PortError;
use serde::Serialize;

use super::{
    Migrator, Phase, Progress, ProgressFn, TableKind,
    census::{Census, Names},
    implied::{self, Values},
    record::{MARKER, Records},
    twin,
};
use crate::dynamodb::stored::{self, Item};

/// A row that cannot be read, and why, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableRow {
    /// In which table it is.
    pub table: TableKind,
    /// Its id.
    pub id: String,
    /// Which part cannot be read, and why.
    pub reason: String,
}

/// What one look at all tables saw.
#[derive(Debug)]
pub(super) struct Survey {
    /// The rows of each table, all but what this migration added.
    pub(super) census: BTreeMap<TableKind, Census>,
    /// What destinations do not say and mean.
    pub(super) missing: BTreeMap<String, Values>,
    /// Those of the seven presets that nothing stored is a twin of.
    pub(super) seeds: BTreeMap<String, Item>,
    /// Their ids that something else is stored under.
    pub(super) taken: Vec<String>,
    pub(super) unreadable: Vec<UnreadableRow>,
}

impl Survey {
    /// Whether the migration has something to do.
    pub(super) fn finds_work(&self) -> bool {
        !self.missing.is_empty() || !self.seeds.is_empty()
    }
}

impl Migrator {
    /// Looks at everything. `ours` is what this migration added already, and
    /// `at` the time that new presets are made at.
    pub(super) async fn survey(
        &self,
        ours: &Records,
        at: Timestamp,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Survey, PortError> {
        let mut survey = Survey {
            census: BTreeMap::new(),
            missing: BTreeMap::new(),
            seeds: BTreeMap::new(),
            taken: Vec::new(),
            unreadable: Vec::new(),
        };
        let (mut presets, mut preset_ids) = (Vec::new(), Names::new());
        for (done, kind) in (0..).zip(TableKind::COUNTED) {
            progress(Progress {
                phase: Phase::Reading,
                done,
                total: TableKind::COUNTED.len() as u64,
            });
            let mut census = Census::default();
            let see = |id: &str, item: &Item| {
                count(&mut census, kind, id, item, ours);
                if let Some(reason) = stored::problem(kind, id, item) {
                    let (table, id) = (kind, id.to_owned());
                    survey.unreadable.push(UnreadableRow { table, id, reason });
                } else if kind == TableKind::Destinations {
                    let missing = implied::missing_in(item);
                    // A row that was given all has lost something because somebody wants it so.
                    if !missing.is_empty() && !item.contains_key(MARKER) {
                        survey.missing.insert(id.to_owned(), missing);
                    }
                }
                if kind == TableKind::Presets {
                    preset_ids.insert(id.to_owned());
                    presets.extend(twin::Stored::read(id, item));
                }
            };
            self.for_each_row(kind, see).await?;
            survey.census.insert(kind, census);
        }
        for seed in Preset::seeds(at) {
            if presets.iter().any(|stored| stored.is_twin_of(&seed)) {
                continue;
            }
            let id = seed.id.to_string();
            if preset_ids.contains(&id) {
                survey.taken.push(id);
            } else {
                survey.seeds.insert(id, stored::preset_row(&seed));
            }
        }
        Ok(survey)
    }

    /// Leaves out presets that an earlier migration added: where one is not there any
    /// more, somebody removed it.
    pub(super) async fn respect_removals(&self, survey: &mut Survey) -> Result<(), PortError> {
        if !survey.seeds.is_empty() {
            let seeded = self.seeded_before().await?;
            survey.seeds.retain(|id, _| !seeded.contains(id));
        }
        Ok(())
    }

    /// Counts and hashes every table, all but what this migration added.
    pub(super) async fn count(
        &self,
        ours: &Records,
        phase: Phase,
        progress: &mut ProgressFn<'_>,
    ) -> Result<BTreeMap<TableKind, Census>, PortError> {
        let mut all = BTreeMap::new();
        for (done, kind) in (0..).zip(TableKind::COUNTED) {
            progress(Progress {
                phase,
                done,
                total: TableKind::COUNTED.len() as u64,
            });
            let mut census = Census::default();
            let see = |id: &str, item: &Item| count(&mut census, kind, id, item, ours);
            self.for_each_row(kind, see).await?;
            all.insert(kind, census);
        }
        Ok(all)
    }

    /// The presets that destinations ask for.
    pub(super) async fn presets_in_use(&self) -> Result<Names, PortError> {
        let mut names = Names::new();
        let see = |_: &str, item: &Item| {
            if let Some(Ok(name)) = item.get("preset_id").map(|it| it.as_s()) {
                names.insert(name.clone());
            }
        };
        self.for_each_row(TableKind::Destinations, see).await?;
        Ok(names)
    }
}

/// Takes a row down as it was before this migration. What others made of it since
/// is theirs, and counts.
fn count(census: &mut Census, kind: TableKind, id: &str, item: &Item, ours: &Records) {
    let added = match kind {
        TableKind::Presets if ours.seeds.get(id) == Some(item) => return,
        TableKind::Destinations if ours.marked(item) => ours.rows.get(id),
        _ => None,
    };
    census.add(id, item, |name| {
        let added = added.and_then(|it| it.get(name));
        name == MARKER || added.is_some_and(|it| item.get(name) == Some(it))
    });
}
