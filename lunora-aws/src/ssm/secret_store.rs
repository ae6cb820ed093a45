use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_ssm::{
    Client,
    operation::{
        delete_parameter::DeleteParameterError, get_parameter::GetParameterError,
        put_parameter::builders::PutParameterFluentBuilder,
    },
    types::{Parameter, ParameterStringFilter, ParameterType},
};
use lunora_core::{
    ExposeSecret, SecretString,
    domain::{SecretName, SecretVersion},
    port::{Clock, ErrorKind, Forget, History, PortError, Revealed, SecretStore, Which},
};

use tokio::time::sleep;

use super::{cache::Cache, client::discreet, error::failed};
use crate::{KmsKey, ParameterPrefix};

/// How long a text is held after it was read, unless one says otherwise.
const LIFETIME: Duration = Duration::from_secs(30);
/// As many as one page of `DescribeParameters` can have.
const PAGE: i32 = 50;
/// How often a listing goes on after it was told to slow down, the attempts of the
/// SDK within each call not counted.
const RESUMPTIONS_MAX: u32 = 10;
/// How long it waits the first time; each further time twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(8);

/// Secrets in the Parameter Store, each a `SecureString` that is named
/// `<prefix>/<name>`.
///
/// Every write is a version of the parameter, and only all of them can be
/// forgotten. The store keeps the last 100.
///
/// # What is held
///
/// A text that was read or kept is held in memory for at most 30 s, for those
/// who ask for that version of it; [the latest](Which::Latest) is always asked
/// of the store. A version that another process forgets is still told here for
/// that time. And **a parameter that somebody else deletes and makes again
/// counts from version 1**: for that time this may tell the text of its former
/// life, as the store itself may tell the one of its next to a row that refers
/// to the former. So compare what is revealed with the digest in the row.
pub struct SsmSecretStore {
    client: Client,
    prefix: ParameterPrefix,
    kms_key: Option<KmsKey>,
    cache: Cache,
}

impl SsmSecretStore {
    /// Keeps secrets under the prefix, encrypted under the account's own key
    /// for parameters (`alias/aws/ssm`), also those that were under another one.
    #[must_use]
    pub fn new(client: Client, prefix: ParameterPrefix, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: discreet(&client),
            prefix,
            kms_key: None,
            cache: Cache::new(clock, LIFETIME),
        }
    }

    /// Encrypts what it keeps from now on under this key. What was kept before
    /// is read as it is.
    #[must_use]
    pub fn with_kms_key(self, key: KmsKey) -> Self {
        let kms_key = Some(key);
        Self { kms_key, ..self }
    }

    /// Holds a text for this long; [`Duration::ZERO`] holds none.
    #[must_use]
    pub fn with_cache_lifetime(self, lifetime: Duration) -> Self {
        let cache = self.cache.with_lifetime(lifetime);
        Self { cache, ..self }
    }

    /// The name of the parameter at a path under the prefix.
    ///
    /// It is always short enough: a name may have 1,011 characters with the ARN
    /// before it, of which a prefix has 512 at most and an id 128.
    pub(super) fn parameter(&self, path: impl fmt::Display) -> String {
        format!("{}/{path}", self.prefix)
    }

    /// A write of the text, which still has to say whether it may replace one.
    pub(super) fn write(&self, parameter: String, text: &str) -> PutParameterFluentBuilder {
        self.client
            .put_parameter()
            .name(parameter)
            .value(text)
            .r#type(ParameterType::SecureString)
            .set_key_id(self.kms_key.as_ref().map(ToString::to_string))
    }

    /// Reads a parameter, or one version of it where the name ends in `:<version>`.
    pub(super) async fn read(
        &self,
        operation: &'static str,
        subject: &(dyn fmt::Display + Sync),
        parameter: String,
    ) -> Result<Option<Revealed>, PortError> {
        let request = self.client.get_parameter().name(parameter);
        let answer = match request.with_decryption(true).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(is_gone) => return Ok(None),
            Err(error) => return Err(failed("GetParameter", operation, subject, &error)),
        };
        let unexpected = |problem: AnswerProblem| {
            PortError::new(ErrorKind::Unexpected, operation, subject).with_source(problem)
        };
        let Some(Parameter {
            value: Some(text),
            version,
            ..
        }) = answer.parameter
        else {
            return Err(unexpected(AnswerProblem::NoText));
        };
        Ok(Some(Revealed {
            text: SecretString::from(text),
            version: counted(version).map_err(unexpected)?,
        }))
    }
}

fn is_gone(error: &GetParameterError) -> bool {
    error.is_parameter_not_found() || error.is_parameter_version_not_found()
}

#[async_trait]
impl SecretStore for SsmSecretStore {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        const OPERATION: &str = "keep secret";
        let value = text.expose_secret();
        TextProblem::check(value).map_err(|problem| {
            PortError::new(ErrorKind::Invalid, OPERATION, name).with_source(problem)
        })?;
        let asked = self.cache.asking();
        let write = self.write(self.parameter(name), value).overwrite(true);
        let outcome = match write.send().await {
            Ok(answer) => counted(answer.version).map_err(|problem| {
                PortError::new(ErrorKind::Unexpected, OPERATION, name).with_source(problem)
            }),
            Err(error) => Err(failed("PutParameter", OPERATION, name, &error)),
        };
        match &outcome {
            Ok(version) => self.cache.replace(asked, name, *version, text),
            // It may have been done all the same.
            Err(_) => self.cache.drop_all_of(name),
        }
        outcome
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let parameter = self.parameter(name);
        let parameter = match which {
            Which::Latest => parameter,
            Which::Version(version) => {
                if !is_countable(version) {
                    return Ok(None);
                }
                if let Some(text) = self.cache.text(name, version) {
                    return Ok(Some(Revealed { text, version }));
                }
                format!("{parameter}:{}", version.0)
            }
        };
        let asked = self.cache.asking();
        let revealed = self.read("reveal secret", name, parameter).await?;
        if let Some(Revealed { text, version }) = &revealed {
            self.cache.hold(asked, name, *version, text);
        }
        Ok(revealed)
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        match which {
            Forget::All => {}
            Forget::Before(_) | Forget::Only(_) => return Ok(()),
        }
        let request = self.client.delete_parameter().name(self.parameter(name));
        let outcome = request.send().await;
        // Also if it failed: it may have been done all the same.
        self.cache.drop_all_of(name);
        match outcome {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteParameterError::is_parameter_not_found) =>
            {
                Ok(())
            }
            Err(error) => Err(failed("DeleteParameter", "forget secret", name, &error)),
        }
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        const OPERATION: &str = "list the secrets under";
        let unexpected = |problem: AnswerProblem| {
            PortError::new(ErrorKind::Unexpected, OPERATION, &self.prefix).with_source(problem)
        };
        let below = ParameterStringFilter::builder()
            .key("Path")
            .option("Recursive")
            .values(self.prefix.as_str())
            .build()
            .map_err(|error| {
                PortError::new(ErrorKind::Unexpected, OPERATION, &self.prefix).with_source(error)
            })?;
        let request = self
            .client
            .describe_parameters()
            .parameter_filters(below)
            .max_results(PAGE);
        let mut versions = BTreeMap::new();
        let mut token = None;
        let (mut wait, mut resumptions) = (FIRST_WAIT, 0);
        // Not the SDK's paginator, which takes a token that comes twice for the end.
        loop {
            let page = request.clone().set_next_token(token.clone()).send().await;
            let page =
                page.map_err(|error| failed("DescribeParameters", OPERATION, &self.prefix, &error));
            let page = match page {
                Ok(page) => page,
                // From the beginning a long listing would never come to its end.
                Err(error)
                    if error.kind() == ErrorKind::Unavailable && resumptions < RESUMPTIONS_MAX =>
                {
                    sleep(error.retry_after().unwrap_or(wait).min(WAIT_MAX)).await;
                    wait = WAIT_MAX.min(wait * 2);
                    resumptions += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for parameter in page.parameters() {
                if let Some(name) = parameter.name().and_then(|name| self.secret(name)) {
                    let version = counted(parameter.version()).map_err(unexpected)?;
                    versions.insert(name, version);
                }
            }
            // A page may be empty and not the last.
            let next = page.next_token.filter(|next| !next.is_empty());
            match next {
                None => return Ok(versions),
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(unexpected(AnswerProblem::Circle));
                }
                Some(next) => token = Some(next),
            }
        }
    }

    fn history(&self) -> History {
        History::Stays
    }
}

impl SsmSecretStore {
    /// Which secret a parameter is; none if it is something else under the prefix.
    fn secret(&self, parameter: &str) -> Option<SecretName> {
        let below = parameter.strip_prefix(self.prefix.as_str())?;
        below.strip_prefix('/')?.parse().ok()
    }
}

impl fmt::Debug for SsmSecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmSecretStore")
            .field("prefix", &self.prefix)
            .field("kms_key", &self.kms_key)
            .finish_non_exhaustive()
    }
}

/// The store counts from 1 in 64 bits with a sign.
fn is_countable(version: SecretVersion) -> bool {
    version != SecretVersion::UNREAD && i64::try_from(version.0).is_ok()
}

fn counted(version: i64) -> Result<SecretVersion, AnswerProblem> {
    match u64::try_from(version) {
        Ok(version @ 1..) => Ok(SecretVersion(version)),
        _ => Err(AnswerProblem::NoVersion),
    }
}

/// Why a parameter cannot hold a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum TextProblem {
    #[error("a parameter holds no empty text; forget the secret to remove it")]
    Empty,
    #[error("a parameter holds 4,096 bytes, and the text is longer")]
    TooLong,
}

impl TextProblem {
    const BYTES_MAX: usize = 4_096;

    fn check(text: &str) -> Result<(), Self> {
        match text.len() {
            0 => Err(Self::Empty),
            1..=Self::BYTES_MAX => Ok(()),
            _ => Err(Self::TooLong),
        }
    }
}

/// What an answer lacks that AWS always gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum AnswerProblem {
    #[error("SSM answered without a text; is the endpoint one of AWS?")]
    NoText,
    #[error("SSM answered without a version; is the endpoint one of AWS?")]
    NoVersion,
    #[error("SSM answered the same page again; is the endpoint one of AWS?")]
    Circle,
}
