use axum::{
    http::header::ETAG,
    response::{IntoResponse, Response},
};
use lunora_core::{
    domain::{
        Encryption, InputClass, MASK, ObservedIngest, Protocol, ResourceId, SecretRef,
        SourceHealth, SourceId, SourceName,
    },
    service::SourceEntry,
};
use serde::Serialize;

use crate::{
    destinations::view::{FaultView, tag},
    finding::MediaView,
    reply::{Iso, Success},
};

/// A source, as every client reads it. No field can hold a secret.
#[derive(Serialize)]
pub(crate) struct SourceView<'a> {
    source_id: &'a SourceId,
    name: &'a SourceName,
    protocol: Protocol,
    connection_url: Option<&'static str>,
    priority: u8,
    enabled: bool,
    host_ip: Option<&'a str>,
    port: Option<u16>,
    stream_id: Option<&'static str>,
    passphrase: Option<&'static str>,
    encryption_type: Encryption,
    health_check_enabled: bool,
    health_check_interval: u32,
    health_status: Option<SourceHealth>,
    last_health_check: Option<Iso>,
    connection_attempts: u32,
    medialive_input_id: Option<&'a ResourceId>,
    input_security_group_id: Option<&'a ResourceId>,
    input_class: InputClass,
    created_at: Iso,
    updated_at: Iso,
    generation: u64,
    state: StateView<'a>,
}

/// What a source shows.
#[derive(Serialize)]
struct StateView<'a> {
    status: &'static str,
    since: Option<Iso>,
    on_air: bool,
    pinned: bool,
    fault: Option<FaultView<'a>>,
    /// What was measured; null while nothing comes in.
    media: Option<MediaView>,
    /// Bytes of media that came in since it was taken in.
    bytes: Option<u64>,
}

/// The same in short.
#[derive(Serialize)]
pub(crate) struct HealthView<'a> {
    source_id: &'a SourceId,
    name: &'a SourceName,
    priority: u8,
    enabled: bool,
    status: &'static str,
    health_status: Option<SourceHealth>,
    last_health_check: Option<Iso>,
    connection_attempts: u32,
    fault: Option<FaultView<'a>>,
}

/// What was tried since it last came in: the engine knows better than the row.
fn attempts(entry: &SourceEntry) -> u32 {
    let stored = entry.source.value.connection_attempts;
    entry.seen.as_ref().map_or(stored, |it| it.attempts)
}

fn media(entry: &SourceEntry) -> Option<MediaView> {
    let seen = entry.seen.as_ref().filter(|_| entry.state.comes_in());
    seen.map(|it| MediaView::from(&it.media))
}

impl<'a> From<&'a SourceEntry> for SourceView<'a> {
    fn from(entry: &'a SourceEntry) -> Self {
        let row = &entry.source.value;
        let mask = |it: Option<SecretRef>| it.map(|_| MASK);
        Self {
            source_id: &row.id,
            name: &row.name,
            protocol: row.protocol,
            connection_url: mask(row.connection_url),
            priority: row.priority.0.get(),
            enabled: row.enabled,
            host_ip: row.host.as_deref(),
            port: row.port,
            stream_id: mask(row.stream_id),
            passphrase: mask(row.passphrase),
            encryption_type: row.encryption,
            health_check_enabled: row.health_check.enabled,
            health_check_interval: row.health_check.interval_seconds.get(),
            health_status: entry.last_check.map(|it| it.health),
            last_health_check: entry.last_check.map(|it| Iso(it.at)),
            connection_attempts: attempts(entry),
            medialive_input_id: row.medialive_input.as_ref(),
            input_security_group_id: row.input_security_group.as_ref(),
            input_class: row.input_class,
            created_at: Iso(row.created_at),
            updated_at: Iso(row.updated_at),
            generation: row.generation,
            state: StateView::from(entry),
        }
    }
}

impl<'a> From<&'a SourceEntry> for StateView<'a> {
    fn from(entry: &'a SourceEntry) -> Self {
        let seen = entry.seen.as_ref();
        Self {
            status: entry.state.as_str(),
            since: seen.map(|it| Iso(it.since)),
            on_air: entry.state == lunora_core::service::SourceState::OnAir,
            pinned: entry.pinned,
            fault: entry.fault.as_ref().map(FaultView::from),
            media: media(entry),
            bytes: seen.map(|it: &ObservedIngest| it.bytes),
        }
    }
}

impl<'a> From<&'a SourceEntry> for HealthView<'a> {
    fn from(entry: &'a SourceEntry) -> Self {
        let row = &entry.source.value;
        Self {
            source_id: &row.id,
            name: &row.name,
            priority: row.priority.0.get(),
            enabled: row.enabled,
            status: entry.state.as_str(),
            health_status: entry.last_check.map(|it| it.health),
            last_health_check: entry.last_check.map(|it| Iso(it.at)),
            connection_attempts: attempts(entry),
            fault: entry.fault.as_ref().map(FaultView::from),
        }
    }
}

#[derive(Serialize)]
struct SourceReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    source: SourceView<'a>,
}

/// A reply about one source, with its generation as the `ETag` (rule 17).
pub(crate) fn reply(message: impl Into<Option<&'static str>>, entry: &SourceEntry) -> Response {
    let body = SourceReply {
        message: message.into(),
        source: SourceView::from(entry),
    };
    let mut response = Success(body).into_response();
    let tag = tag(entry.source.value.generation);
    response.headers_mut().insert(ETAG, tag);
    response
}
