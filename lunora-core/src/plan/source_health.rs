use crate::domain::{
    Digest, Fingerprint, HashKey, IngestState, ObservedIngest, SecretRef, Source, SourceHealth,
};

/// The longest time between keyframes of a source that is as it should be: a switch to
/// it, and a viewer who joins, waits as long.
const KEYFRAME_INTERVAL_MAX_MS: u32 = 10_000;

/// How a source is found, by what its media engine observes.
///
/// - `FAILED`: no media comes in.
/// - `DEGRADED`: media comes in, and the engine tells a fault of it, or there are no
///   pictures in it, or a keyframe takes more than 10 s to come.
/// - `HEALTHY`: it comes in, and none of that is so. What was not measured is not held
///   against it.
#[must_use]
pub fn source_health(seen: &ObservedIngest) -> SourceHealth {
    if !matches!(seen.state, IngestState::Standby | IngestState::OnAir) {
        return SourceHealth::Failed;
    }
    let keyframes = seen.media.video.as_ref().map(|it| it.keyframe_interval_ms);
    let is_short = |ms: u32| ms <= KEYFRAME_INTERVAL_MAX_MS;
    let has_pictures = keyframes.is_some_and(|interval| interval.is_none_or(is_short));
    if seen.fault.is_none() && has_pictures {
        SourceHealth::Healthy
    } else {
        SourceHealth::Degraded
    }
}

/// The keyed hash of everything that a media engine is told about a source: equal
/// exactly if nothing of it differs.
#[must_use]
pub fn source_fingerprint(source: &Source, hash_key: &HashKey) -> Fingerprint {
    let digest = |it: Option<SecretRef>| it.map(|it: SecretRef| it.digest);
    let secrets: [Option<Digest>; 3] = [
        digest(source.connection_url),
        digest(source.stream_id),
        digest(source.passphrase),
    ];
    let mut parts: Vec<Vec<u8>> = vec![
        b"source".to_vec(),
        source.protocol.as_str().into(),
        source.encryption.as_str().into(),
        source.host.clone().unwrap_or_default().into(),
        source.port.unwrap_or_default().to_be_bytes().into(),
        vec![source.priority.0.get()],
    ];
    let bytes = |it: &Option<Digest>| it.map_or_else(Vec::new, |it| it.as_bytes().to_vec());
    parts.extend(secrets.iter().map(bytes));
    Fingerprint(hash_key.digest(parts.iter().map(Vec::as_slice)))
}
