use std::num::NonZeroU8;

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{
        Aspect, AudioFacts, Check, Encryption, Fault, FaultClass, FaultCode, Finding, Fingerprint,
        IngestSpec, IngestWay, MediaCodec, MediaFacts, Outcome, Priority, Protocol, VideoFacts,
    },
};

use super::{hash_key, source_id, time};

/// The name that the encoder of source `n` publishes with.
#[must_use]
pub fn publish_name(n: u64) -> SecretString {
    format!("publish-{n}").into()
}

/// Source `n` as a media engine is told of it: an encoder publishes to us by RTMP.
#[must_use]
pub fn ingest(n: u64) -> IngestSpec {
    let stream_name = Some(publish_name(n));
    ingest_by(n, Protocol::Rtmp, IngestWay::Listen { stream_name })
}

/// Source `n` as one that comes in otherwise, without encryption.
#[must_use]
pub fn ingest_by(n: u64, protocol: Protocol, way: IngestWay) -> IngestSpec {
    fingerprinted(IngestSpec {
        id: source_id(n),
        protocol,
        way,
        passphrase: None,
        encryption: Encryption::None,
        priority: priority(1),
        fingerprint: Fingerprint(hash_key().digest([])),
    })
}

/// The way of source `n` as one that is called at a loopback address of its own,
/// where nobody listens.
#[must_use]
pub fn nobody_there(n: u64) -> IngestWay {
    let [.., high, low] = n.to_be_bytes();
    IngestWay::Call {
        host: format!("127.7.{high}.{low}"),
        port: 9,
        stream_name: Some(publish_name(n)),
    }
}

/// A priority.
///
/// # Panics
///
/// If it is 0.
#[must_use]
pub fn priority(n: u8) -> Priority {
    Priority(NonZeroU8::new(n).unwrap())
}

/// The same with a fingerprint of all that it says.
#[must_use]
pub fn fingerprinted(spec: IngestSpec) -> IngestSpec {
    let parts = said(&spec);
    let fingerprint = Fingerprint(hash_key().digest(parts.iter().map(String::as_bytes)));
    IngestSpec {
        fingerprint,
        ..spec
    }
}

/// All that a spec says but its fingerprint; secrets in the clear.
pub(crate) fn said(spec: &IngestSpec) -> Vec<String> {
    let secret = |text: &Option<SecretString>| {
        let text = text.as_ref().map(|it| it.expose_secret().to_owned());
        format!("{text:?}")
    };
    let way = match &spec.way {
        IngestWay::Listen { stream_name } => format!("listen {}", secret(stream_name)),
        IngestWay::Call {
            host,
            port,
            stream_name,
        } => format!("call {host} {port} {}", secret(stream_name)),
    };
    vec![
        spec.id.to_string(),
        spec.protocol.to_string(),
        way,
        secret(&spec.passphrase),
        spec.encryption.to_string(),
        spec.priority.0.to_string(),
    ]
}

/// What is measured of a source that every platform takes: H.264 of 1080p30 with a
/// keyframe every 2 s, AAC in stereo at 48 kHz, together 6 Mbit/s.
#[must_use]
pub fn media_facts() -> MediaFacts {
    MediaFacts {
        bitrate_bps: Some(6_000_000),
        video: Some(VideoFacts {
            codec: MediaCodec::H264,
            size: Some((1920, 1080)),
            frame_rate_milli: Some(30_000),
            keyframe_interval_ms: Some(2_000),
        }),
        audio: Some(AudioFacts {
            codec: MediaCodec::Aac,
            sample_rate_hz: Some(48_000),
            channels: Some(2),
        }),
    }
}

/// Nothing came in within the time.
#[must_use]
pub fn source_lost() -> Fault {
    let (code, class) = (FaultCode::SourceLost, FaultClass::Transient);
    Fault::new(code, class, "nothing came in", time())
}

/// A finding that media came in, or that none did.
#[must_use]
pub fn finding_of_media(media: Option<MediaFacts>) -> Finding {
    let outcome = match media {
        Some(_) => Outcome::Passed,
        None => Outcome::Failed(source_lost()),
    };
    Finding {
        at: time(),
        checks: vec![Check {
            aspect: Aspect::Media,
            outcome,
        }],
        media,
    }
}
