use axum::{
    http::{HeaderValue, header::ETAG},
    response::{IntoResponse, Response},
};
use lunora_core::{
    domain::{
        BackupMode, Destination, DestinationId, DestinationName, Fault, FaultClass, FaultCode,
        FaultText, Leg, MASK, OutputType, Platform, PresetId, Progress, PushUrl, Severity, Status,
        StatusKind, Wanted,
    },
    service::Entry,
};
use serde::Serialize;

use crate::reply::{Iso, Success};

/// A destination, as every client reads it. No field can hold a secret.
#[derive(Serialize)]
pub(crate) struct DestinationView<'a> {
    destination_id: &'a DestinationId,
    name: &'a DestinationName,
    platform: &'a Platform,
    rtmp_url: Option<&'a PushUrl>,
    stream_key: Option<&'static str>,
    preset_id: Option<&'a PresetId>,
    enabled: bool,
    streaming_status: &'static str,
    streaming_started_at: Option<Iso>,
    created_at: Iso,
    updated_at: Iso,
    backup_rtmp_url: Option<&'a PushUrl>,
    backup_stream_key: Option<&'static str>,
    failover_enabled: bool,
    backup_mode: BackupMode,
    current_active_url: Leg,
    output_type: &'a OutputType,
    wanted: Wanted,
    generation: u64,
    state: StateView<'a>,
}

/// What a destination shows. Old clients read `streaming_status` instead.
#[derive(Serialize)]
pub(crate) struct StateView<'a> {
    status: StatusKind,
    since: Iso,
    severity: Severity,
    leg: Leg,
    fault: Option<FaultView<'a>>,
    last_fault: Option<FaultView<'a>>,
    progress: Option<ProgressView>,
}

#[derive(Serialize)]
pub(crate) struct FaultView<'a> {
    code: FaultCode,
    class: FaultClass,
    text: &'a FaultText,
    at: Iso,
    count: u32,
}

#[derive(Serialize)]
struct ProgressView {
    bytes_sent: u64,
    frames_sent: u64,
    frames_dropped: u64,
    reconnects: u32,
    bitrate_bps: Option<u64>,
    last_progress: Option<Iso>,
}

impl<'a> From<&'a Entry> for DestinationView<'a> {
    fn from(entry: &'a Entry) -> Self {
        let row = &entry.destination.value;
        let url = |leg| row.endpoint(leg).map(|endpoint| &endpoint.url);
        let mask = |leg| entry.has_key(leg).then_some(MASK);
        Self {
            destination_id: &row.id,
            name: &row.name,
            platform: &row.platform,
            rtmp_url: url(Leg::Primary),
            stream_key: mask(Leg::Primary),
            preset_id: row.preset_id.as_ref(),
            enabled: row.enabled,
            streaming_status: streaming_status(&entry.status),
            streaming_started_at: started_at(row),
            created_at: Iso(row.created_at),
            updated_at: Iso(row.updated_at),
            backup_rtmp_url: url(Leg::Backup),
            backup_stream_key: mask(Leg::Backup),
            failover_enabled: row.failover_enabled,
            backup_mode: row.backup_mode,
            current_active_url: row.active_leg,
            output_type: &row.output_type,
            wanted: row.wanted,
            generation: row.generation,
            state: StateView::from(&entry.status),
        }
    }
}

impl<'a> From<&'a Status> for StateView<'a> {
    fn from(status: &'a Status) -> Self {
        Self {
            status: status.kind,
            since: Iso(status.since),
            severity: status.severity,
            leg: status.leg,
            fault: status.fault.as_ref().map(FaultView::from),
            last_fault: status.last_fault.as_ref().map(FaultView::from),
            progress: status.progress.as_ref().map(ProgressView::from),
        }
    }
}

impl<'a> From<&'a Fault> for FaultView<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self {
            code: fault.code,
            class: fault.class,
            text: &fault.text,
            at: Iso(fault.at),
            count: fault.count,
        }
    }
}

impl From<&Progress> for ProgressView {
    fn from(progress: &Progress) -> Self {
        Self {
            bytes_sent: progress.bytes_sent,
            frames_sent: progress.frames_sent,
            frames_dropped: progress.frames_dropped,
            reconnects: progress.reconnects,
            bitrate_bps: progress.bitrate_bps,
            last_progress: progress.last_progress.map(Iso),
        }
    }
}

/// The status in the three words that old clients know: `streaming` only if
/// bytes move, `error` only if something is wrong.
pub(crate) fn streaming_status(status: &Status) -> &'static str {
    match status.kind {
        StatusKind::Live | StatusKind::FailedOver => "streaming",
        StatusKind::Reconnecting | StatusKind::Failed if status.fault.is_some() => "error",
        _ => "ready",
    }
}

/// When a destination that is meant to be live was told so.
pub(crate) fn started_at(row: &Destination) -> Option<Iso> {
    row.started_at.filter(|_| row.is_running()).map(Iso)
}

#[derive(Serialize)]
struct DestinationReply<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    destination: DestinationView<'a>,
}

/// A reply about one destination, with its generation as the `ETag` (rule 17).
pub(crate) fn reply(message: impl Into<Option<&'static str>>, entry: &Entry) -> Response {
    let body = DestinationReply {
        message: message.into(),
        destination: DestinationView::from(entry),
    };
    tagged(Success(body), entry)
}

pub(crate) fn tagged(body: impl IntoResponse, entry: &Entry) -> Response {
    let mut response = body.into_response();
    let tag = tag(entry.destination.value.generation);
    response.headers_mut().insert(ETAG, tag);
    response
}

/// The `ETag` of a generation.
pub(crate) fn tag(generation: u64) -> HeaderValue {
    let tag = HeaderValue::try_from(format!("\"{generation}\""));
    tag.expect("digits in quotes can stand in a header")
}
