use std::fmt;

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Leg, SecretName, SecretVersion},
    port::{ErrorKind, PortError, Revealed, SecretStore},
};
use lunora_testkit::{memory::MemorySecretStore, sample::CANARY};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    AbsentIsEmpty,
    RevealsOnce,
    FirstKeepWins,
    VersionsStandStill,
    ForgetsOnce,
    ForgetsNothing,
    KeepsTheForgotten,
    OneTextPerDestination,
    TrimsTexts,
    PrintsTexts,
}

struct Mutant {
    inner: MemorySecretStore,
    mutation: Mutation,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        let inner = MemorySecretStore::default();
        Self { inner, mutation }
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
        let kept = self.inner.reveal(name).await?;
        match (self.mutation, kept) {
            (Mutation::FirstKeepWins | Mutation::KeepsTheForgotten, Some(kept)) => {
                self.inner.keep(name, &kept.text).await
            }
            (Mutation::VersionsStandStill, Some(_)) => {
                self.inner.forget(name).await?;
                self.inner.keep(name, text).await
            }
            (Mutation::TrimsTexts, _) => {
                let text = text.expose_secret().trim().into();
                self.inner.keep(name, &text).await
            }
            _ => self.inner.keep(name, text).await,
        }
    }

    async fn reveal(&self, name: &SecretName) -> Result<Option<Revealed>, PortError> {
        let name = &self.key(name);
        let revealed = self.inner.reveal(name).await?;
        match (self.mutation, revealed) {
            (Mutation::AbsentIsEmpty, None) => Ok(Some(Revealed {
                text: SecretString::default(),
                version: SecretVersion(0),
            })),
            (Mutation::RevealsOnce, revealed) => {
                self.inner.forget(name).await?;
                Ok(revealed)
            }
            (_, revealed) => Ok(revealed),
        }
    }

    async fn forget(&self, name: &SecretName) -> Result<(), PortError> {
        let name = &self.key(name);
        match self.mutation {
            Mutation::ForgetsNothing | Mutation::KeepsTheForgotten => Ok(()),
            Mutation::ForgetsOnce if self.inner.reveal(name).await?.is_none() => {
                Err(PortError::new(ErrorKind::Invalid, "forget", name))
            }
            _ => self.inner.forget(name).await,
        }
    }
}

noticed! { secret_store:
    AbsentIsEmpty by what_was_never_kept_is_absent, what_is_forgotten_is_not_revealed;
    RevealsOnce by what_was_kept_is_revealed;
    FirstKeepWins by what_was_kept_over_another_is_revealed;
    VersionsStandStill by versions_count_up;
    ForgetsOnce by forgetting_what_is_not_kept_succeeds;
    ForgetsNothing by what_is_forgotten_is_not_revealed, a_forget_leaves_the_others;
    KeepsTheForgotten by what_was_forgotten_can_be_kept_again;
    OneTextPerDestination by each_name_has_its_own_text, a_forget_leaves_the_others;
    TrimsTexts by every_text_is_read_back;
    PrintsTexts by no_text_is_printed;
}
