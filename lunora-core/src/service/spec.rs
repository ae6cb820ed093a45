//! What an output is told: the row, and the secrets that it refers to.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{DestinationError, Reconciler};
use crate::{
    domain::{
        Destination, Endpoint, Fault, FaultClass, FaultCode, Leg, OutputId, OutputSpec, PushTarget,
        SecretName, SecretRef, StreamKey, Switch,
    },
    plan,
    port::{ErrorKind, PortError, SecretStore, Which},
};

/// Why an output cannot be told its secrets.
pub(super) enum Unreadable {
    Missing,
    /// The store has another text under that version than the row says.
    Changed(SecretName),
    Malformed,
    Port(PortError),
}

impl Unreadable {
    pub(super) fn as_fault(&self, at: Timestamp) -> Fault {
        let (class, text) = self.class_and_text();
        let code = match class {
            FaultClass::Transient => FaultCode::Provider,
            FaultClass::Actionable | FaultClass::Terminal => FaultCode::Invalid,
        };
        Fault::new(code, class, text, at)
    }

    fn class_and_text(&self) -> (FaultClass, &'static str) {
        match self {
            Self::Missing => (
                FaultClass::Actionable,
                "its stream key is not in the store; set it again",
            ),
            Self::Changed(_) => (
                FaultClass::Transient,
                "its stream key is being changed; it is read again",
            ),
            Self::Malformed => (
                FaultClass::Actionable,
                "its stored stream key is not a valid one; set it again",
            ),
            Self::Port(error) if error.kind() == ErrorKind::Unavailable => (
                FaultClass::Transient,
                "its stream key cannot be read just now; it is tried again",
            ),
            Self::Port(_) => (
                FaultClass::Actionable,
                "its stored stream key cannot be read; the log of the server says why",
            ),
        }
    }
}

impl From<Unreadable> for DestinationError {
    fn from(unreadable: Unreadable) -> Self {
        let (_, reason) = unreadable.class_and_text();
        match unreadable {
            Unreadable::Port(error) => Self::Port(error),
            _ => Self::Invalid { reason },
        }
    }
}

impl Reconciler {
    /// Whether a leg could be told its secrets, so that nothing is ended for one that cannot
    /// begin. What another client changed is adopted by the pass that tells it.
    pub(super) async fn check_secrets(
        &self,
        row: &Destination,
        leg: Leg,
    ) -> Result<(), Unreadable> {
        let is_unread =
            |it: &Endpoint| [it.key, it.tail].iter().flatten().any(SecretRef::is_unread);
        if row.endpoint(leg).is_some_and(is_unread) {
            return Ok(());
        }
        match self.spec(row, &row.output(leg), Switch::On).await {
            Ok(_) | Err(Unreadable::Changed(_)) => Ok(()),
            Err(unreadable) => Err(unreadable),
        }
    }

    /// Puts together what a router is told, with the secrets that the row refers to.
    pub(super) async fn spec(
        &self,
        row: &Destination,
        id: &OutputId,
        switch: Switch,
    ) -> Result<OutputSpec, Unreadable> {
        let endpoint = row.endpoint(id.leg).ok_or(Unreadable::Missing)?;
        let key = SecretName::StreamKey(id.destination.clone(), id.leg);
        let key = match endpoint.key {
            None if endpoint.has_its_key() => None,
            None => return Err(Unreadable::Missing),
            Some(key_ref) => {
                let key = self.text(&key, key_ref).await?;
                let key = StreamKey::new(key.expose_secret());
                Some(key.map_err(|_| Unreadable::Malformed)?)
            }
        };
        let tail = SecretName::UrlTail(id.destination.clone(), id.leg);
        let tail = match endpoint.tail {
            None => None,
            Some(tail_ref) => Some(self.text(&tail, tail_ref).await?),
        };
        let url = endpoint.url.clone();
        Ok(OutputSpec {
            id: id.clone(),
            target: PushTarget { url, tail, key },
            switch,
            fingerprint: plan::fingerprint(endpoint, &self.hash_key),
        })
    }

    /// Reads the version that the row refers to, and no other: a key that was
    /// kept for another row's address never gets to this one's.
    async fn text(&self, name: &SecretName, kept: SecretRef) -> Result<SecretString, Unreadable> {
        let which = Which::Version(kept.version);
        let revealed = self.ports.secrets.reveal(name, which).await;
        let revealed = revealed.map_err(Unreadable::Port)?;
        let text = revealed.ok_or(Unreadable::Missing)?.text;
        if kept.is_of(&text, &self.hash_key) {
            Ok(text)
        } else {
            Err(Unreadable::Changed(name.clone()))
        }
    }
}
