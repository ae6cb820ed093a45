//! The names that this relay publishes under, or did a moment ago.
//!
//! No test publishes where a push goes on. And a far end that refuses a name which it had from us a
//! moment ago means our own last session, whoever of us asks: it is in use, not wrong.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use lunora_core::{ExposeSecret, domain::PushTarget};
use tokio::time::Instant;

use crate::lock::lock;

/// How long the far end remembers a session that broke, at the most.
pub(super) const REMEMBERED: Duration = Duration::from_secs(120);

/// All names of one relay, by keyed hash: no key is kept here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    hasher: RandomState,
    names: Mutex<HashMap<u64, Use>>,
}

/// How a name is used.
#[derive(Debug, Default)]
struct Use {
    /// How many publishes go on, or are asked for.
    held: usize,
    /// When one ended last that the far end may not know to be over.
    broke: Option<Instant>,
}

impl Use {
    fn is_remembered(&self) -> bool {
        let is_recent = |broke: Instant| broke.elapsed() < REMEMBERED;
        0 < self.held || self.broke.is_some_and(is_recent)
    }
}

/// One publish under a name, asked for or going on. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    table: Arc<Table>,
    name: u64,
    /// Whether the far end would know of it if it broke now.
    is_known: bool,
}

impl Names {
    /// Whether this relay publishes there.
    pub(crate) fn has(&self, target: &PushTarget) -> bool {
        let names = lock(&self.0.names);
        names
            .get(&self.0.name_of(target))
            .is_some_and(|it| 0 < it.held)
    }

    /// Whether the far end may still take a publish of this relay for going on there.
    pub(crate) fn are_remembered(&self, target: &PushTarget) -> bool {
        let names = lock(&self.0.names);
        names
            .get(&self.0.name_of(target))
            .is_some_and(Use::is_remembered)
    }

    pub(super) fn hold(&self, target: &PushTarget) -> Held {
        let (table, name) = (Arc::clone(&self.0), self.0.name_of(target));
        let mut names = lock(&table.names);
        names.retain(|_, it| it.is_remembered());
        names.entry(name).or_default().held += 1;
        drop(names);
        Held {
            table,
            name,
            is_known: false,
        }
    }
}

impl Held {
    /// The far end accepted the publish.
    pub(super) const fn accept(&mut self) {
        self.is_known = true;
    }

    /// The far end agreed that the publish is over, and has nothing to remember.
    pub(super) fn part(mut self) {
        self.is_known = false;
        if let Some(it) = lock(&self.table.names).get_mut(&self.name) {
            it.broke = None;
        }
    }
}

impl Table {
    fn name_of(&self, target: &PushTarget) -> u64 {
        let key = target.stream_name().map(ExposeSecret::expose_secret);
        self.hasher
            .hash_one((target.tc_url().expose_secret(), key.unwrap_or_default()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(it) = lock(&self.table.names).get_mut(&self.name) {
            it.held = it.held.saturating_sub(1);
            if self.is_known {
                it.broke = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::StreamKey;
    use tokio::time::sleep;

    use super::*;

    fn target(key: &str) -> PushTarget {
        PushTarget {
            url: "rtmp://a.test/app".parse().unwrap(),
            tail: None,
            key: Some(StreamKey::new(key).unwrap()),
        }
    }

    #[test]
    fn a_name_is_held_until_the_last_of_its_publishes_is_over() {
        let names = Names::default();
        let first = names.hold(&target("canary"));
        let second = names.hold(&target("canary"));
        assert!(names.has(&target("canary")) && !names.has(&target("other")));
        assert!(!format!("{names:?} {first:?}").contains("canary"));

        drop(first);
        assert!(names.has(&target("canary")));
        drop(second);
        assert!(!names.has(&target("canary")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_remembered_for_two_minutes_if_its_publish_broke_and_else_not() {
        let (names, target) = (Names::default(), target("k"));
        drop(names.hold(&target));
        assert!(!names.are_remembered(&target), "it was never accepted");

        let mut held = names.hold(&target);
        held.accept();
        held.part();
        assert!(
            !names.are_remembered(&target),
            "both agreed that it is over"
        );

        let mut held = names.hold(&target);
        held.accept();
        drop(held);
        assert!(names.are_remembered(&target));
        sleep(REMEMBERED).await;
        assert!(!names.are_remembered(&target));
        drop(names.hold(&target));
        assert_eq!(lock(&names.0.names).len(), 1, "nothing is kept for ever");
    }
}
