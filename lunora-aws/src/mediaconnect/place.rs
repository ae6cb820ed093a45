//! Where an output goes, as far as anybody may see it.

use aws_sdk_mediaconnect::types::{Output, Protocol};
use lunora_core::domain::HashKey;

use super::rtmp_push;

/// Protocol, host and port of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) protocol: Protocol,
    /// None where the far end calls, and in what others made.
    pub(super) host: Option<String>,
    pub(super) port: Option<i32>,
}

impl Place {
    pub(super) fn new(protocol: Protocol, host: Option<String>, port: Option<i32>) -> Self {
        // A listener is told no address, whatever it may be shown with.
        let host = host.filter(|_| protocol != Protocol::SrtListener);
        let host = host.map(|host| host.to_ascii_lowercase());
        Self {
            protocol,
            host,
            port,
        }
    }

    /// As `DescribeFlow` shows it.
    pub(super) fn of(output: &Output) -> Self {
        let protocol = output.transport().and_then(|it| it.protocol()).cloned();
        // An output without a protocol is one of MediaLive or of an entitlement.
        let protocol = protocol.unwrap_or_else(|| Protocol::from(""));
        Self::new(
            protocol,
            output.destination().map(str::to_owned),
            output.port(),
        )
    }

    pub(super) fn is_rtmp(&self) -> bool {
        self.protocol.as_str() == rtmp_push::PROTOCOL
    }

    /// Whether both name one address and port, which one flow may not have twice.
    pub(super) fn shares_address_with(&self, other: &Self) -> bool {
        self.host.is_some() && (&self.host, self.port) == (&other.host, other.port)
    }

    /// Tells equal places from different ones, in 16 hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        // There is nothing secret in it, so everybody may know the key.
        let port = self.port.unwrap_or_default().to_be_bytes();
        let host = self.host.as_deref().unwrap_or_default();
        let parts = [
            b"place",
            self.protocol.as_str().as_bytes(),
            host.as_bytes(),
            &port,
        ];
        let mut digest = HashKey::new([0; 32]).digest(parts).to_string();
        digest.truncate(16);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(protocol: &str, host: &str, port: i32) -> Place {
        Place::new(Protocol::from(protocol), Some(host.to_owned()), Some(port))
    }

    #[test]
    fn each_visible_part_makes_another_place() {
        let place_of = place("rtmp-push", "a.example", 1935);
        for other in [
            place("rtp", "a.example", 1935),
            place("rtmp-push", "b.example", 1935),
            place("rtmp-push", "a.example", 443),
        ] {
            assert_ne!(place_of.digest(), other.digest(), "{other:?}");
        }
        assert_eq!(
            place_of.digest(),
            place("rtmp-push", "A.example", 1935).digest()
        );
    }

    #[test]
    fn the_digest_of_a_place_does_not_change_between_versions() {
        // It stands in descriptions; another one would make every output drift.
        let digest = place("rtmp-push", "a.example", 1935).digest();
        assert_eq!(digest, "9840995750bb491d");
    }
}
