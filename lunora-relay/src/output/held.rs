//! The names that are published under right now, so that no test publishes under one of them.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
};

use lunora_core::{ExposeSecret, domain::PushTarget};

use crate::lock::lock;

/// All names of one relay, by keyed hash: no key is kept here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    hasher: RandomState,
    held: Mutex<HashMap<u64, usize>>,
}

/// One publish under a name. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    table: Arc<Table>,
    name: u64,
}

impl Names {
    /// Whether somebody publishes there by this relay.
    pub(crate) fn has(&self, target: &PushTarget) -> bool {
        lock(&self.0.held).contains_key(&self.0.name_of(target))
    }

    pub(super) fn hold(&self, target: &PushTarget) -> Held {
        let (table, name) = (Arc::clone(&self.0), self.0.name_of(target));
        *lock(&table.held).entry(name).or_default() += 1;
        Held { table, name }
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
        let mut held = lock(&self.table.held);
        if let Some(count) = held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::domain::StreamKey;

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
}
