use std::{collections::BTreeMap, fmt, sync::Mutex};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Leg, SecretName, SecretVersion},
    port::{ErrorKind, Forget, History, PortError, Revealed, SecretStore, Which},
};
use lunora_testkit::{memory::MemorySecretStore, sample::CANARY};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    AbsentIsEmpty,
    RevealsOnce,
    FirstKeepWins,
    VersionsAreIgnored,
    VersionsStandStill,
    KeepsReplace,
    ForgetsItsCount,
    CountsBeforeItWaits,
    ForgetsOnce,
    ForgetsNothing,
    KeepsTheForgotten,
    ForgetsAll,
    BeforeTakesItToo,
    OnlyTakesEarlierOnesToo,
    LatestIsTheLastKept,
    OneTextPerDestination,
    TrimsTexts,
    PrintsTexts,
    CountsFromZero,
    CutsThoughItSaysNot,
    StaysThoughItSaysNot,
    NothingEverGoes,
    InventsVersions,
    TellsTheFirstVersions,
    TellsOnePage,
    TellsTheForgotten,
}

struct Mutant {
    inner: MemorySecretStore,
    mutation: Mutation,
    last_kept: Mutex<BTreeMap<SecretName, SecretVersion>>,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let history = match mutation {
            Mutation::StaysThoughItSaysNot | Mutation::NothingEverGoes => History::Stays,
            _ => History::Cuts,
        };
        Self {
            inner: MemorySecretStore::with_history(history),
            mutation,
            last_kept: Mutex::default(),
        }
    }

    async fn latest(&self, name: &SecretName) -> Result<Option<Revealed>, PortError> {
        self.inner.reveal(name, Which::Latest).await
    }

    /// Keeps as it should, and notes it.
    async fn keep_noted(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        let version = self.inner.keep(name, text).await?;
        let mut last_kept = self.last_kept.lock().expect("no poison");
        last_kept.insert(name.clone(), version);
        Ok(version)
    }

    fn key(&self, name: &SecretName) -> SecretName {
        match (self.mutation, name) {
            (
                Mutation::OneTextPerDestination,
                SecretName::StreamKey(id, _) | SecretName::UrlTail(id, _),
            ) => SecretName::StreamKey(id.clone(), Leg::Primary),
            _ => name.clone(),
        }
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsTexts).then_some(CANARY);
        f.debug_tuple("Mutant").field(&printed).finish()
    }
}

#[async_trait]
impl SecretStore for Mutant {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        let name = &self.key(name);
        let kept = self.latest(name).await?;
        match (self.mutation, kept) {
            (Mutation::FirstKeepWins | Mutation::KeepsTheForgotten, Some(kept)) => {
                self.inner.keep(name, &kept.text).await
            }
            (Mutation::VersionsStandStill, Some(_)) => {
                self.inner.forget(name, Forget::All).await?;
                self.inner.keep(name, text).await
            }
            (Mutation::KeepsReplace, _) => {
                let version = self.inner.keep(name, text).await?;
                self.inner.forget(name, Forget::Before(version)).await?;
                Ok(version)
            }
            (Mutation::CountsBeforeItWaits, kept) => {
                let last = kept.map_or(0, |kept| kept.version.0);
                tokio::task::yield_now().await;
                self.inner.keep(name, text).await?;
                Ok(SecretVersion(last + 1))
            }
            (Mutation::CountsFromZero, _) => {
                let version = self.inner.keep(name, text).await?;
                Ok(SecretVersion(version.0 - 1))
            }
            (Mutation::TrimsTexts, _) => {
                let text = text.expose_secret().trim().into();
                self.inner.keep(name, &text).await
            }
            _ => self.keep_noted(name, text).await,
        }
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let name = &self.key(name);
        let which = match (self.mutation, which) {
            (Mutation::VersionsAreIgnored, _) => Which::Latest,
            (Mutation::CountsFromZero, Which::Version(version)) => {
                Which::Version(SecretVersion(version.0 + 1))
            }
            (Mutation::LatestIsTheLastKept, Which::Latest) => {
                let last_kept = self.last_kept.lock().expect("no poison");
                last_kept.get(name).copied().map_or(which, Which::Version)
            }
            _ => which,
        };
        let revealed = self.inner.reveal(name, which).await?;
        match (self.mutation, revealed) {
            (Mutation::CountsFromZero, Some(Revealed { text, version })) => {
                let version = SecretVersion(version.0 - 1);
                Ok(Some(Revealed { text, version }))
            }
            (Mutation::AbsentIsEmpty, None) => Ok(Some(Revealed {
                text: SecretString::default(),
                version: SecretVersion(0),
            })),
            (Mutation::RevealsOnce, revealed) => {
                self.inner.forget(name, Forget::All).await?;
                Ok(revealed)
            }
            (_, revealed) => Ok(revealed),
        }
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        let name = &self.key(name);
        let before = self.inner.versions_of(name);
        let which = match (self.mutation, which) {
            (Mutation::ForgetsNothing | Mutation::KeepsTheForgotten, _) => return Ok(()),
            (Mutation::NothingEverGoes, Forget::All) => return Ok(()),
            (Mutation::ForgetsAll, _) => Forget::All,
            (Mutation::BeforeTakesItToo, Forget::Before(version))
            | (Mutation::OnlyTakesEarlierOnesToo, Forget::Only(version)) => {
                Forget::Before(SecretVersion(version.0.saturating_add(1)))
            }
            _ => which,
        };
        self.inner.forget(name, which).await?;
        let left = self.inner.versions_of(name);
        match self.mutation {
            Mutation::ForgetsOnce if left == before => {
                Err(PortError::new(ErrorKind::Invalid, "forget", name))
            }
            Mutation::ForgetsItsCount if left.is_empty() => {
                self.inner.forget(name, Forget::All).await
            }
            _ => Ok(()),
        }
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        let versions = self.inner.versions().await?;
        Ok(match self.mutation {
            Mutation::InventsVersions => {
                BTreeMap::from([(SecretName::PublishKey, SecretVersion(1))])
            }
            Mutation::TellsTheFirstVersions => {
                let names = versions.into_keys();
                names.map(|name| (name, SecretVersion(1))).collect()
            }
            Mutation::TellsOnePage => versions.into_iter().take(10).collect(),
            Mutation::TellsTheForgotten => self.last_kept.lock().expect("no poison").clone(),
            _ => versions,
        })
    }

    fn history(&self) -> History {
        match self.mutation {
            Mutation::CutsThoughItSaysNot => History::Stays,
            Mutation::StaysThoughItSaysNot => History::Cuts,
            _ => self.inner.history(),
        }
    }
}

noticed! { secret_store:
    AbsentIsEmpty by
        what_was_never_kept_is_absent,
        a_version_that_was_never_kept_is_absent,
        what_is_forgotten_is_not_revealed;
    RevealsOnce by what_was_kept_is_revealed;
    FirstKeepWins by the_latest_is_what_was_kept_last;
    VersionsAreIgnored by
        a_version_that_was_never_kept_is_absent,
        earlier_versions_stay_as_they_are;
    VersionsStandStill by versions_count_up;
    KeepsReplace by earlier_versions_stay_as_they_are;
    ForgetsItsCount by a_version_is_not_given_again;
    CountsBeforeItWaits by of_racing_keeps_each_has_its_version;
    ForgetsOnce by forgetting_what_is_not_kept_succeeds;
    ForgetsNothing by
        what_is_forgotten_is_not_revealed,
        forgetting_before_a_version_leaves_it_and_later_ones,
        forgetting_one_version_leaves_the_others,
        a_forget_leaves_the_others;
    KeepsTheForgotten by what_was_forgotten_can_be_kept_again;
    ForgetsAll by
        forgetting_what_is_not_kept_succeeds,
        forgetting_before_a_version_leaves_it_and_later_ones,
        forgetting_one_version_leaves_the_others;
    BeforeTakesItToo by
        forgetting_what_is_not_kept_succeeds,
        forgetting_before_a_version_leaves_it_and_later_ones;
    OnlyTakesEarlierOnesToo by
        forgetting_one_version_leaves_the_others,
        the_latest_is_then_the_last_that_is_left;
    LatestIsTheLastKept by the_latest_is_then_the_last_that_is_left;
    OneTextPerDestination by each_name_has_its_own_text, a_forget_leaves_the_others;
    TrimsTexts by every_text_is_read_back;
    PrintsTexts by no_text_is_printed;
    CountsFromZero by what_was_kept_is_revealed;
    CutsThoughItSaysNot by
        forgetting_before_a_version_leaves_it_and_later_ones,
        forgetting_one_version_leaves_the_others,
        the_latest_is_then_the_last_that_is_left;
    StaysThoughItSaysNot by
        forgetting_before_a_version_leaves_it_and_later_ones,
        forgetting_one_version_leaves_the_others,
        the_latest_is_then_the_last_that_is_left;
    NothingEverGoes by what_is_forgotten_is_not_revealed, a_forget_leaves_the_others;
    InventsVersions by no_version_is_told_at_first;
    TellsTheFirstVersions by the_versions_told_are_those_of_the_latest;
    TellsOnePage by the_versions_told_are_those_of_the_latest;
    TellsTheForgotten by
        the_versions_told_are_those_of_the_latest,
        what_is_forgotten_has_no_version;
}
