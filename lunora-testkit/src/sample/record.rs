use std::num::NonZeroU32;

use lunora_core::{
    domain::{
        AudioPreset, Destination, Encryption, FailoverHistory, Flip, HealthCheck, InputClass, Leg,
        PlatformSettings, Preset, PresetId, PresetKind, Priority, Protocol, Role, SecretRef,
        SecretVersion, Session, SessionId, SessionStatus, Source, SourceId, SwitchCause, Token,
        TokenId, VideoPreset,
    },
    port::Record,
};
use proptest::strategy::{BoxedStrategy, Strategy as _};

use super::{destination, destination_id, hash_key, secret, time};
use crate::strategy;

/// A record of which the suites and models can make as many as they need.
pub trait Sample: Record {
    /// A small one, under an id of its own for each `n`.
    fn sample(n: u64) -> Self;

    /// The same under another id.
    ///
    /// # Panics
    ///
    /// If the text is no id.
    #[must_use]
    fn with_id(self, id: &str) -> Self;

    /// The same with a text for people in it that tells `k`, and that no sample has.
    #[must_use]
    fn changed(self, k: u64) -> Self;

    /// Any one.
    fn any() -> BoxedStrategy<Self>;
}

macro_rules! sample {
    ($record:ty, $id:ident, $sample:expr, $any:expr, $changed:expr) => {
        impl Sample for $record {
            fn sample(n: u64) -> Self {
                $sample(n)
            }

            fn with_id(mut self, id: &str) -> Self {
                self.$id = id.parse().unwrap();
                self
            }

            fn changed(mut self, k: u64) -> Self {
                let change: fn(&mut Self, String) = $changed;
                change(&mut self, format!("changed {k}"));
                self
            }

            fn any() -> BoxedStrategy<Self> {
                $any.boxed()
            }
        }
    };
}

sample!(
    Destination,
    id,
    destination,
    strategy::destination(),
    |it, text| { it.name = text.parse().unwrap() }
);
sample!(Source, id, source, strategy::source(), |it, text| {
    it.name = text.parse().unwrap();
});
sample!(Preset, id, preset, strategy::preset(), |it, text| {
    it.name = text.parse().unwrap();
});
sample!(Session, id, session, strategy::session(), |it, text| {
    it.errors = vec![text];
});
sample!(Token, id, token, strategy::token(), |it, text| {
    it.label = text.parse().unwrap();
});
sample!(
    FailoverHistory,
    destination,
    failover_history,
    strategy::failover_history(),
    |it, text| { it.flips[0].reason = text.parse().unwrap() }
);

/// The id `src-<n>`.
#[must_use]
pub fn source_id(n: u64) -> SourceId {
    format!("src-{n}").parse().unwrap()
}

/// An SRT source that calls, with the first version of its passphrase.
#[must_use]
pub fn source(n: u64) -> Source {
    Source {
        id: source_id(n),
        name: format!("source {n}").parse().unwrap(),
        protocol: Protocol::Srt,
        connection_url: None,
        stream_id: None,
        passphrase: Some(SecretRef::new(SecretVersion(1), &secret(n), &hash_key())),
        encryption: Encryption::Aes256,
        host: Some("192.0.2.1".to_owned()),
        port: Some(9000),
        priority: Priority::PRIMARY,
        enabled: true,
        health_check: HealthCheck {
            enabled: false,
            interval_seconds: NonZeroU32::MIN,
        },
        last_check: None,
        connection_attempts: 0,
        medialive_input: None,
        input_security_group: None,
        input_class: InputClass::SinglePipeline,
        generation: 1,
        created_at: time(),
        updated_at: time(),
    }
}

/// The id `preset-<n>`.
#[must_use]
pub fn preset_id(n: u64) -> PresetId {
    format!("preset-{n}").parse().unwrap()
}

/// A preset that leaves everything to the encoder.
#[must_use]
pub fn preset(n: u64) -> Preset {
    Preset {
        id: preset_id(n),
        name: format!("preset {n}").parse().unwrap(),
        platform: None,
        kind: PresetKind::Generic,
        video: VideoPreset::default(),
        audio: AudioPreset::default(),
        platform_settings: PlatformSettings::default(),
        description: None,
        is_default: false,
        is_active: true,
        created_by: None,
        created_at: time(),
        updated_at: time(),
    }
}

/// The id `session-<n>`.
#[must_use]
pub fn session_id(n: u64) -> SessionId {
    format!("session-{n}").parse().unwrap()
}

/// A session that goes on, of destination `n` alone.
#[must_use]
pub fn session(n: u64) -> Session {
    Session {
        id: session_id(n),
        started_at: time(),
        ended_at: None,
        status: SessionStatus::Active,
        destinations: vec![destination_id(n)],
        errors: Vec::new(),
    }
}

/// The id `token-<n>`.
#[must_use]
pub fn token_id(n: u64) -> TokenId {
    format!("token-{n}").parse().unwrap()
}

/// A producer's token for good, whose secret is [`secret`] `n`.
#[must_use]
pub fn token(n: u64) -> Token {
    Token {
        id: token_id(n),
        label: format!("holder {n}").parse().unwrap(),
        role: Role::Producer,
        digest: SecretRef::new(SecretVersion(1), &secret(n), &hash_key()).digest,
        created_at: time(),
        expires_at: None,
    }
}

/// The history of destination `n`: one flip to its backup.
#[must_use]
pub fn failover_history(n: u64) -> FailoverHistory {
    FailoverHistory {
        destination: destination_id(n),
        pinned: None,
        flips: vec![Flip {
            at: time(),
            to: Leg::Backup,
            reason: format!("reason {n}").parse().unwrap(),
            cause: SwitchCause::Automatic,
            waits_at: None,
        }],
        pending: None,
    }
}
