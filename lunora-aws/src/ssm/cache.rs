use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use lunora_core::{
    SecretString,
    domain::{SecretName, SecretVersion},
    port::Clock,
};

/// How many texts are held at most; a pass over all of a large deployment needs about as many.
const TEXTS_MAX: usize = 1_000;

/// Texts of single versions, held for a short time after they were true.
///
/// The store answers about 40 reads a second for a whole account, and a pass
/// asks for the same texts as the one before it. A version is never written
/// twice, so what is held is right, but for one case: **a parameter that somebody
/// else deletes and makes again counts from version 1**, and for the lifetime of
/// an entry this may tell the text of its former life. The same is true of the
/// store itself, where a row refers to a version of a former life; so whoever
/// reads a version compares the digest that the row has of it.
///
/// What another process forgets is likewise told for that time. An entry that is
/// too old is wiped with the next call, whichever that is.
#[derive(Debug)]
pub(super) struct Cache {
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The one that came first is in front.
    entries: VecDeque<Entry>,
    /// How often something was dropped.
    drops: u64,
}

#[derive(Debug)]
struct Entry {
    name: SecretName,
    version: SecretVersion,
    text: SecretString,
    /// It was true at this time, or after.
    asked_at: Timestamp,
}

/// When a call to the store began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    at: Timestamp,
    drops: u64,
}

impl Cache {
    pub(super) fn new(clock: Arc<dyn Clock>, lifetime: Duration) -> Self {
        Self {
            clock,
            lifetime,
            held: Mutex::default(),
        }
    }

    pub(super) fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// To be called before the store is.
    pub(super) fn asking(&self) -> Asked {
        let (held, at) = self.held();
        Asked {
            at,
            drops: held.drops,
        }
    }

    pub(super) fn text(&self, name: &SecretName, version: SecretVersion) -> Option<SecretString> {
        let (held, _) = self.held();
        let is_it = |entry: &&Entry| entry.version == version && entry.name == *name;
        held.entries.iter().find(is_it).map(|it| it.text.clone())
    }

    /// Holds what the store answered. Not if a text was dropped meanwhile: it may
    /// have been this one, and what is forgotten must not come back.
    pub(super) fn hold(
        &self,
        asked: Asked,
        name: &SecretName,
        version: SecretVersion,
        text: &SecretString,
    ) {
        let (mut held, now) = self.held();
        if asked.drops == held.drops && self.is_fresh(asked.at, now) {
            held.push(Entry {
                name: name.clone(),
                version,
                text: text.clone(),
                asked_at: asked.at,
            });
        }
    }

    /// Drops what is held under the name, as it may have changed.
    pub(super) fn drop_all_of(&self, name: &SecretName) {
        self.held().0.drop_all_of(name);
    }

    /// Drops what is held under the name, and holds what was just kept under it.
    ///
    /// That makes the text readable here at once, where the store itself takes a
    /// moment to show a new version.
    pub(super) fn replace(
        &self,
        asked: Asked,
        name: &SecretName,
        version: SecretVersion,
        text: &SecretString,
    ) {
        let (mut held, _) = self.held();
        let is_undisturbed = asked.drops == held.drops;
        held.drop_all_of(name);
        let asked = Asked {
            drops: held.drops,
            ..asked
        };
        drop(held);
        if is_undisturbed {
            self.hold(asked, name, version, text);
        }
    }

    /// What is held and not too old, and the time.
    fn held(&self) -> (MutexGuard<'_, Held>, Timestamp) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        held.entries
            .retain(|entry| self.is_fresh(entry.asked_at, now));
        (held, now)
    }

    /// A clock that was set back makes everything old.
    fn is_fresh(&self, asked_at: Timestamp, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(asked_at));
        age.is_ok_and(|age| age < self.lifetime)
    }
}

impl Held {
    fn push(&mut self, entry: Entry) {
        let is_it = |it: &Entry| it.version == entry.version && it.name == entry.name;
        self.entries.retain(|it| !is_it(it));
        if self.entries.len() == TEXTS_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    fn drop_all_of(&mut self, name: &SecretName) {
        self.drops += 1;
        self.entries.retain(|entry| entry.name != *name);
    }
}

#[cfg(test)]
mod tests {
    use lunora_core::{ExposeSecret, domain::Leg};
    use lunora_testkit::{clock::ManualClock, sample};

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(30);

    fn cache() -> (Cache, ManualClock) {
        let clock = ManualClock::default();
        (Cache::new(Arc::new(clock.clone()), LIFETIME), clock)
    }

    fn name(n: u64) -> SecretName {
        SecretName::StreamKey(sample::destination_id(n), Leg::Primary)
    }

    fn held(cache: &Cache, n: u64, version: u64) -> Option<String> {
        let text = cache.text(&name(n), SecretVersion(version))?;
        Some(text.expose_secret().to_owned())
    }

    fn hold(cache: &Cache, asked: Asked, n: u64, version: u64, text: &str) {
        cache.hold(asked, &name(n), SecretVersion(version), &text.into());
    }

    #[test]
    fn a_text_is_held_for_its_lifetime_from_when_it_was_asked_for() {
        let (cache, clock) = cache();
        let asked = cache.asking();
        clock.advance(Duration::from_secs(10));
        hold(&cache, asked, 1, 1, "text");

        clock.advance(Duration::from_millis(19_999));
        assert_eq!(held(&cache, 1, 1).as_deref(), Some("text"));
        clock.advance(Duration::from_millis(1));
        assert_eq!(held(&cache, 1, 1), None);
    }

    #[test]
    fn what_is_too_old_is_wiped_with_the_next_call() {
        let (cache, clock) = cache();
        hold(&cache, cache.asking(), 1, 1, "text");
        clock.advance(LIFETIME);

        cache.drop_all_of(&name(2));

        assert!(cache.held.lock().unwrap().entries.is_empty());
    }

    #[test]
    fn an_answer_that_came_too_late_is_not_held() {
        let (cache, clock) = cache();
        let asked = cache.asking();
        clock.advance(LIFETIME);
        hold(&cache, asked, 1, 1, "text");
        assert_eq!(held(&cache, 1, 1), None);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_what_is_held() {
        let (cache, clock) = cache();
        hold(&cache, cache.asking(), 1, 1, "text");
        clock.set("2025-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(held(&cache, 1, 1), None);
    }

    #[test]
    fn an_answer_that_a_forget_overtook_is_not_held() {
        let (cache, _) = cache();
        let asked = cache.asking();
        cache.drop_all_of(&name(1));
        hold(&cache, asked, 1, 1, "forgotten");
        assert_eq!(held(&cache, 1, 1), None);

        let asked = cache.asking();
        cache.drop_all_of(&name(1));
        cache.replace(asked, &name(1), SecretVersion(1), &"forgotten".into());
        assert_eq!(held(&cache, 1, 1), None);
    }

    #[test]
    fn a_drop_is_of_every_version_of_one_name() {
        let (cache, _) = cache();
        for (n, version) in [(1, 1), (1, 2), (2, 1)] {
            hold(&cache, cache.asking(), n, version, "text");
        }
        cache.drop_all_of(&name(1));
        let held = [(1, 1), (1, 2), (2, 1)].map(|(n, version)| held(&cache, n, version));
        assert_eq!(held.map(|held| held.is_some()), [false, false, true]);
    }

    #[test]
    fn what_is_kept_replaces_what_was_held() {
        let (cache, _) = cache();
        // As of a parameter that was deleted by somebody else meanwhile.
        hold(&cache, cache.asking(), 1, 7, "of a former life");
        cache.replace(cache.asking(), &name(1), SecretVersion(1), &"kept".into());
        assert_eq!(held(&cache, 1, 7), None);
        assert_eq!(held(&cache, 1, 1).as_deref(), Some("kept"));
    }

    #[test]
    fn of_too_many_texts_the_oldest_goes() {
        let (cache, _) = cache();
        let last = u64::try_from(TEXTS_MAX).unwrap();
        for version in (0..=last).chain([last]) {
            hold(&cache, cache.asking(), 1, version, "text");
        }
        assert_eq!(held(&cache, 1, 0), None);
        assert!(held(&cache, 1, 1).is_some());
        assert_eq!(cache.held.lock().unwrap().entries.len(), TEXTS_MAX);
    }

    #[test]
    fn no_text_is_printed() {
        let (cache, _) = cache();
        hold(&cache, cache.asking(), 1, 1, sample::CANARY);
        let printed = format!("{cache:?}");
        assert!(printed.contains("dest-1") && !printed.contains(sample::CANARY));
    }
}
