//! Which protocol has which members: `applies only to …` in the service model.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::{
    super::wire::Refusal,
    member::{Members, bad_request},
};

/// Members of outputs and sources that some protocols have and others have not.
const MEMBERS: [(&str, &[&str]); 9] = [
    ("cidrAllowList", &["zixi-pull", "srt-listener"]),
    (
        "encryption",
        &["zixi-push", "zixi-pull", "srt-listener", "srt-caller"],
    ),
    (
        "decryption",
        &["zixi-push", "zixi-pull", "srt-listener", "srt-caller"],
    ),
    ("maxBitrate", &["rist", "rtp", "rtp-fec"]),
    ("maxLatency", &["rist", "zixi-push", "zixi-pull"]),
    ("minLatency", &["srt-listener", "srt-caller"]),
    ("remoteId", &["zixi-pull"]),
    ("smoothingLatency", &["rist", "rtp", "rtp-fec"]),
    ("streamId", &["zixi-push", "zixi-pull", "srt-caller"]),
];

/// The same, of members that one protocol alone has.
const OWN: [(&str, &str); 6] = [
    ("rtmpPushSettings", "rtmp-push"),
    ("sourceListenerAddress", "srt-caller"),
    ("sourceListenerPort", "srt-caller"),
    ("ndiProgramName", "ndi-speed-hq"),
    ("ndiSpeedHqQuality", "ndi-speed-hq"),
    ("ndiSourceSettings", "ndi-speed-hq"),
];

fn applies(member: &str, protocol: &str) -> bool {
    let shared = MEMBERS.iter().find(|(name, _)| *name == member);
    let own = OWN.iter().find(|(name, _)| *name == member);
    shared.is_none_or(|(_, those)| those.contains(&protocol))
        && own.is_none_or(|(_, only)| *only == protocol)
}

/// Refuses a member that the protocol has not.
pub(super) fn check_members(settings: &Map<String, Value>, protocol: &str) -> Result<(), Refusal> {
    match settings.keys().find(|member| !applies(member, protocol)) {
        Some(member) => Err(bad_request(format!(
            "{member} does not apply to the protocol {protocol}"
        ))),
        None => Ok(()),
    }
}

/// The settings with these changes. What the new protocol has not goes with the old one.
pub(super) fn merged(
    settings: &Map<String, Value>,
    changes: Map<String, Value>,
) -> Map<String, Value> {
    let mut merged = settings.clone();
    if let Some(protocol) = changes.text("protocol") {
        merged.retain(|member, _| applies(member, protocol));
    }
    merged.extend(changes);
    merged
}

/// SRT is encrypted by a password, the rest by a static key.
pub(super) fn check_encryption(
    encryption: &Map<String, Value>,
    protocol: &str,
) -> Result<(), Refusal> {
    let is_srt = protocol.starts_with("srt-");
    let is_password = encryption.text("keyType") == Some("srt-password");
    if is_srt != is_password {
        return Err(bad_request("the keyType does not suit the protocol"));
    }
    if encryption.text("secretArn").is_none() || encryption.text("roleArn").is_none() {
        return Err(bad_request("encryption needs a secretArn and a roleArn"));
    }
    Ok(())
}

pub(super) fn check_port(port: Option<i64>, name: &str) -> Result<i64, Refusal> {
    let port = port.ok_or_else(|| bad_request(format!("{name} is missing")))?;
    if !(1..=65535).contains(&port) {
        return Err(bad_request(format!("{name} is not from 1 to 65535")));
    }
    Ok(port)
}

pub(super) fn check_host(host: Option<&str>, name: &str) -> Result<(), Refusal> {
    let host = host.unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if host.is_empty() || 255 < host.len() || !host.bytes().all(plain) {
        return Err(bad_request(format!(
            "{name} is no address and no host name"
        )));
    }
    Ok(())
}

pub(super) fn check_cidr(cidr: &str) -> Result<(), Refusal> {
    let is_cidr = cidr.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    });
    match is_cidr {
        true => Ok(()),
        false => Err(bad_request("a CIDR block is like 10.0.0.0/16")),
    }
}
