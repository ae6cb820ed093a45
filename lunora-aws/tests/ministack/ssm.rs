//! The adapter of the Parameter Store keeps the contract of its port, also beside
//! another client.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ssm::types::ParameterType;
use lunora_aws::{deployment_hash_key, ssm::SsmSecretStore};
use lunora_core::{
    ExposeSecret,
    domain::{HashKey, Leg, SecretName, SecretRef, SecretVersion},
    port::{ErrorKind, Forget, PortError, Revealed, SecretStore, Which},
};
use lunora_testkit::{clock::ManualClock, conformance::Fixture, sample};

use crate::{log::log, support::Stack};

impl Stack {
    fn secrets(&self) -> SsmSecretStore {
        let prefix = self.config.parameter_prefix.clone();
        SsmSecretStore::new(self.ssm(), prefix, Arc::new(ManualClock::default()))
    }

    /// As the running system keeps a key, which knows no versions.
    async fn overwrite(&self, name: &SecretName, text: &str) {
        self.ssm()
            .put_parameter()
            .name(format!("{}/{name}", self.config.parameter_prefix))
            .r#type(ParameterType::SecureString)
            .value(text)
            .overwrite(true)
            .send()
            .await
            .unwrap();
    }

    async fn delete(&self, name: &SecretName) {
        let name = format!("{}/{name}", self.config.parameter_prefix);
        let request = self.ssm().delete_parameter().name(name);
        request.send().await.unwrap();
    }
}

struct Secrets(SsmSecretStore);

impl Fixture for Secrets {
    type Port = dyn SecretStore;

    async fn set_up() -> Self {
        Self(Stack::set_up().await.secrets())
    }

    fn port(&self) -> &Self::Port {
        &self.0
    }
}

/// With nothing held, every answer is the store's own.
struct Uncached(SsmSecretStore);

impl Fixture for Uncached {
    type Port = dyn SecretStore;

    async fn set_up() -> Self {
        let store = Stack::set_up().await.secrets();
        Self(store.with_cache_lifetime(std::time::Duration::ZERO))
    }

    fn port(&self) -> &Self::Port {
        &self.0
    }
}

mod conformance {
    lunora_testkit::secret_store_conformance!(
        #[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
        super::Secrets
    );
}

mod conformance_without_cache {
    lunora_testkit::secret_store_conformance!(
        #[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
        super::Uncached
    );
}

fn stream_key(id: &str) -> SecretName {
    SecretName::StreamKey(id.parse().unwrap(), Leg::Primary)
}

async fn text(store: &SsmSecretStore, name: &SecretName, which: Which) -> Option<String> {
    let revealed = store.reveal(name, which).await.unwrap();
    revealed.map(|Revealed { text, .. }| text.expose_secret().to_owned())
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_versions_of_a_hundred_destinations_are_told_and_nothing_else() {
    let stack = Stack::set_up().await;
    let store = stack.secrets();
    let mut kept = BTreeMap::new();
    for n in 0..120 {
        let name = stream_key(&format!("dest-{n}"));
        for _ in 0..=n % 2 {
            let version = store.keep(&name, &"text".into()).await.unwrap();
            kept.insert(name.clone(), version);
        }
    }
    store.hash_key().await.unwrap();
    // Another deployment, whose prefix begins as ours does.
    let beside = format!("{}-2", stack.config.parameter_prefix);
    let beside = SsmSecretStore::new(
        stack.ssm(),
        beside.parse().unwrap(),
        Arc::new(ManualClock::default()),
    );
    let of_beside = beside.keep(&SecretName::PublishKey, &"text".into()).await;

    assert_eq!(store.versions().await.unwrap(), kept);
    let of_beside = [(SecretName::PublishKey, of_beside.unwrap())];
    assert_eq!(
        beside.versions().await.unwrap(),
        of_beside.into_iter().collect()
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn rule_23_a_key_that_an_old_client_changed_has_another_version() {
    let stack = Stack::set_up().await;
    let store = stack.secrets();
    let name = stream_key("dest-1");
    let ours = store.keep(&name, &"ours".into()).await.unwrap();

    stack.overwrite(&name, "theirs").await;

    let told = store.versions().await.unwrap()[&name];
    assert!(ours < told, "{told:?} after {ours:?}");
    let latest = text(&store, &name, Which::Latest).await;
    assert_eq!(latest.as_deref(), Some("theirs"));
    // The row goes on to read the one that it refers to.
    let referred = text(&store, &name, Which::Version(ours)).await;
    assert_eq!(referred.as_deref(), Some("ours"));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn rule_23_a_key_of_a_former_life_is_told_from_the_present_one_by_its_digest() {
    let stack = Stack::set_up().await;
    let (one, other) = (stack.secrets(), stack.secrets());
    let name = stream_key("dest-1");
    let kept = one.keep(&name, &"former".into()).await.unwrap();
    let row = SecretRef::new(kept, &"former".into(), &sample::hash_key());

    stack.delete(&name).await;
    stack.overwrite(&name, "present").await;

    // The versions are those of another life, and who holds the old text says so for a while.
    assert_eq!(one.versions().await.unwrap()[&name], kept);
    let held = text(&one, &name, Which::Version(kept)).await;
    assert_eq!(held.as_deref(), Some("former"));
    let revealed = other.reveal(&name, Which::Version(kept)).await.unwrap();
    let revealed = revealed.unwrap().text;
    assert_eq!(revealed.expose_secret(), "present");
    assert!(!row.is_of(&revealed, &sample::hash_key()));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn rule_19_every_id_has_a_parameter_of_its_own() {
    let stack = Stack::set_up().await;
    let store = stack.secrets();
    let longest = "x".repeat(128);
    let ids = [
        ".", "..", "...", "a", "A", "a.", "-", "_", "a..b", "aws", "ssm", &longest,
    ];
    for id in ids {
        let text = format!("text of {id}");
        store.keep(&stream_key(id), &text.into()).await.unwrap();
    }

    for id in ids {
        let expected = format!("text of {id}");
        let latest = text(&store, &stream_key(id), Which::Latest).await;
        assert_eq!(latest, Some(expected), "{id}");
    }
    assert_eq!(store.versions().await.unwrap().len(), ids.len());
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_parameter_of_the_running_system_is_read_and_one_that_is_not_encrypted_too() {
    let stack = Stack::set_up().await;
    let store = stack.secrets();
    stack.overwrite(&stream_key("dest-1"), "encrypted").await;
    let plain = stream_key("dest-2");
    let request = stack.ssm().put_parameter().value("plain");
    request
        .name(format!("{}/{plain}", stack.config.parameter_prefix))
        .r#type(ParameterType::String)
        .send()
        .await
        .unwrap();

    let texts = [
        text(&store, &stream_key("dest-1"), Which::Latest).await,
        text(&store, &plain, Which::Version(SecretVersion(1))).await,
    ];
    assert_eq!(texts, [Some("encrypted".into()), Some("plain".into())]);
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn all_processes_of_a_deployment_have_one_hash_key() {
    let stack = Stack::set_up().await;
    let stores = [stack.secrets(), stack.secrets(), stack.secrets()];
    let [one, two, three] = &stores;
    let (one, two, three) = tokio::join!(one.hash_key(), two.hash_key(), three.hash_key());
    let later = stack.secrets().hash_key().await;

    let digest = |key: HashKey| key.digest([&b"text"[..]]);
    let [first, rest @ ..] = [one, two, three, later].map(|key| digest(key.unwrap()));
    assert_eq!(rest, [first; 3]);
    let elsewhere = Stack::set_up().await.secrets().hash_key().await;
    assert_ne!(digest(elsewhere.unwrap()), first);
}

impl Stack {
    async fn hash_key(&self) -> Result<HashKey, PortError> {
        deployment_hash_key(&self.secrets(), &self.dynamodb(), &self.config.tables).await
    }

    fn hash_key_parameter(&self) -> String {
        format!("{}/deployment/hash_key", self.config.parameter_prefix)
    }

    async fn delete_hash_key(&self) {
        let call = self.ssm().delete_parameter();
        call.name(self.hash_key_parameter()).send().await.unwrap();
    }

    async fn put_hash_key(&self, value: &str) {
        self.ssm()
            .put_parameter()
            .name(self.hash_key_parameter())
            .r#type(ParameterType::SecureString)
            .value(value)
            .overwrite(true)
            .send()
            .await
            .unwrap();
    }

    async fn hash_key_text(&self) -> String {
        let call = self.ssm().get_parameter().name(self.hash_key_parameter());
        let answer = call.with_decryption(true).send().await.unwrap();
        answer.parameter.unwrap().value.unwrap()
    }
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn the_first_who_asks_makes_the_hash_key_and_a_witness_of_it() {
    let stack = Stack::set_up().await;
    let digest = |key: Result<HashKey, PortError>| key.unwrap().digest([&b"text"[..]]);

    let (one, two) = tokio::join!(stack.hash_key(), stack.hash_key());
    let later = stack.hash_key().await;

    let [first, rest @ ..] = [one, two, later].map(digest);
    assert_eq!(rest, [first; 2]);
    let key = [("pk", "deployment"), ("sk", "hash_key")];
    let key = key.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())));
    let call = stack.dynamodb().get_item().set_key(Some(key.into()));
    let call = call.table_name(stack.config.tables.control.as_str());
    let item = call.send().await.unwrap().item.unwrap();
    assert!(!format!("{item:?}").contains(&stack.hash_key_text().await));
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_hash_key_from_before_there_were_witnesses_gets_one() {
    let stack = Stack::set_up().await;
    let before = stack.secrets().hash_key().await.unwrap();

    let after = stack.hash_key().await.unwrap();

    let text = [&b"text"[..]];
    assert_eq!(before.digest(text), after.digest(text));
    stack.put_hash_key(&"0".repeat(64)).await;
    assert_eq!(
        stack.hash_key().await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn a_hash_key_that_is_lost_or_replaced_is_told_and_no_other_is_made() {
    let stack = Stack::set_up().await;
    let first = stack.hash_key().await.unwrap().digest([&b"text"[..]]);
    let kept = stack.hash_key_text().await;
    let told = |error: PortError| {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        std::error::Error::source(&error).unwrap().to_string()
    };

    stack.delete_hash_key().await;
    let lost = told(stack.hash_key().await.unwrap_err());
    assert!(
        lost.contains("is gone") && lost.contains("put its value back"),
        "{lost}"
    );
    let parameter = stack.ssm().get_parameter().name(stack.hash_key_parameter());
    parameter.send().await.unwrap_err();

    stack.put_hash_key(&"0".repeat(64)).await;
    let replaced = told(stack.hash_key().await.unwrap_err());
    assert!(replaced.contains("earlier version"), "{replaced}");
    assert!(!format!("{lost}{replaced}").contains(&kept));

    // With its value back all is well again.
    stack.put_hash_key(&kept).await;
    assert_eq!(
        stack.hash_key().await.unwrap().digest([&b"text"[..]]),
        first
    );
}

#[tokio::test]
#[ignore = "needs ministack: scripts/ministack run -- cargo test -p lunora-aws --test ministack -- --include-ignored"]
async fn rule_21_a_secret_on_a_real_connection_is_in_no_log_at_any_level() {
    const CANARY: &str = "canary-of-a-parameter-on-the-wire";
    const IN_BASE_64: &str = "Y2FuYXJ5LW9mLWEtcGFyYW1ldGVyLW9uLXRoZS13aXJl";
    let log = log();
    let stack = Stack::set_up().await;
    let store = stack.secrets();
    let name = stream_key("dest-1");

    let version = store.keep(&name, &CANARY.into()).await.unwrap();
    for which in [Which::Latest, Which::Version(version)] {
        let other = stack.secrets();
        assert_eq!(text(&other, &name, which).await.as_deref(), Some(CANARY));
    }
    let absent = Which::Version(SecretVersion(version.0 + 1));
    assert_eq!(text(&store, &name, absent).await, None);
    store.versions().await.unwrap();
    store.forget(&name, Forget::All).await.unwrap();
    store.forget(&name, Forget::All).await.unwrap();
    // Where nobody listens.
    let mut sdk = stack.sdk.clone().into_builder();
    sdk.set_endpoint_url(Some("http://127.0.0.1:9".to_owned()));
    let nowhere = Stack {
        sdk: sdk.build(),
        ..stack
    };
    let error = nowhere.secrets().keep(&name, &CANARY.into()).await;
    let error = error.unwrap_err();

    assert!(!format!("{error:?} {error} {store:?}").contains(CANARY));
    let text = log.text();
    assert!(text.contains("transmitting request"), "it logs at TRACE");
    let is_told = |line: &&str| line.contains(CANARY) || line.contains(IN_BASE_64);
    let told: Vec<_> = text.lines().filter(is_told).collect();
    assert!(told.is_empty(), "{told:#?}");
}
