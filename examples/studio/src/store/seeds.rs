use lunora_core::{domain::Preset, port::Clock};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    repo::{insert, select_page},
    row::stamp,
};

/// Stores the presets that a deployment begins with, once in the life of a
/// database: one that somebody deleted does not come back.
pub(super) fn plant(connection: &mut Connection, clock: &dyn Clock) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = clock.now();
    let first = tx.execute(
        "INSERT INTO seeded (what, at) VALUES ('presets', ?1) ON CONFLICT DO NOTHING",
        [stamp(now)],
    )?;
    if first == 0 {
        return Ok(());
    }
    let stored = select_page::<Preset>(&tx, None, u32::MAX)?.items;
    for preset in Preset::seeds(now) {
        let is_there = stored.iter().any(|it| it.value.is_twin_of(&preset));
        if !is_there {
            // Another that has its id, or that cannot be read, stays.
            insert(&tx, &preset)?;
        }
    }
    tx.commit()
}
