use std::num::{NonZeroU8, NonZeroU32};

use lunora_core::domain::{
    Encryption, HealthCheck, InputClass, Priority, Protocol, ResourceId, Source, SourceCheck,
    SourceHealth, SourceName,
};
use proptest::{option, prelude::*, sample::select};

use super::{COUNT_MAX, host, id, name, secret_ref, source_id, time};

/// Any source: known to the last detail or hardly.
pub fn source() -> impl Strategy<Value = Source> {
    let identity = (source_id(), source_name(), select(Protocol::ALL));
    let secrets = (
        option::of(secret_ref()),
        option::of(secret_ref()),
        option::of(secret_ref()),
        select(Encryption::ALL),
    );
    let address = (option::of(host()), option::of(any::<u16>()));
    let intent = (priority(), any::<bool>(), health_check());
    let found = (option::of(check()), any::<u32>());
    let input = (
        option::of(resource_id()),
        option::of(resource_id()),
        select(InputClass::ALL),
    );
    let history = (0..=COUNT_MAX, time(), time());
    (identity, secrets, address, intent, found, input, history).prop_map(
        |(identity, secrets, address, intent, found, input, history)| Source {
            id: identity.0,
            name: identity.1,
            protocol: identity.2,
            connection_url: secrets.0,
            stream_id: secrets.1,
            passphrase: secrets.2,
            encryption: secrets.3,
            host: address.0,
            port: address.1,
            priority: intent.0,
            enabled: intent.1,
            health_check: intent.2,
            last_check: found.0,
            connection_attempts: found.1,
            medialive_input: input.0,
            input_security_group: input.1,
            input_class: input.2,
            generation: history.0,
            created_at: history.1,
            updated_at: history.2,
        },
    )
}

/// Any name.
pub fn source_name() -> impl Strategy<Value = SourceName> {
    name().prop_map(|text| text.parse().unwrap())
}

fn resource_id() -> impl Strategy<Value = ResourceId> {
    id().prop_map(|text| text.parse().unwrap())
}

fn priority() -> impl Strategy<Value = Priority> {
    (1..=u8::MAX).prop_map(|n| Priority(NonZeroU8::new(n).unwrap()))
}

fn health_check() -> impl Strategy<Value = HealthCheck> {
    (any::<bool>(), 1..=u32::MAX).prop_map(|(enabled, seconds)| HealthCheck {
        enabled,
        interval_seconds: NonZeroU32::new(seconds).unwrap(),
    })
}

fn check() -> impl Strategy<Value = SourceCheck> {
    (select(SourceHealth::ALL), time()).prop_map(|(health, at)| SourceCheck { health, at })
}
