//! One source: what it may be told, and how it is shown.

use serde_json::{Map, Value, json};

use super::{
    super::{
        modes::{Modes, StreamName},
        wire::Refusal,
    },
    member::{Members, bad_request, not_simulated},
    protocol::{check_cidr, check_encryption, check_host, check_members, check_port},
};

/// The most sources of one flow.
pub(super) const SOURCES_MAX: usize = 2;

/// What comes in, as `DescribeFlowSourceMetadata` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The codec of its picture.
    pub video: String,
    /// The codec of its sound.
    pub audio: String,
}

/// H.264 and AAC, which every destination takes.
impl Default for Signal {
    fn default() -> Self {
        Self {
            video: "H.264".to_owned(),
            audio: "AAC".to_owned(),
        }
    }
}

#[derive(Clone)]
pub(in crate::aws) struct Source {
    pub(in crate::aws) name: String,
    pub(super) arn: String,
    /// The members of `SetSourceRequest` but its name and its tags.
    pub(super) settings: Map<String, Value>,
    /// What somebody said comes in; otherwise whoever sends to it decides.
    pub(in crate::aws) by_hand: Option<Option<Signal>>,
    /// What comes in.
    pub(super) signal: Option<Signal>,
}

const SETTINGS: [&str; 18] = [
    "decryption",
    "description",
    "entitlementArn",
    "ingestPort",
    "maxBitrate",
    "maxLatency",
    "maxSyncBuffer",
    "minLatency",
    "protocol",
    "rtmpPushSettings",
    "senderControlPort",
    "senderIpAddress",
    "sourceListenerAddress",
    "sourceListenerPort",
    "streamId",
    "whitelistCidr",
    "ndiSourceSettings",
    "vpcInterfaceName",
];

/// What an input says about the settings of a source.
pub(super) fn settings(input: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    for other in [
        "gatewayBridgeSource",
        "mediaStreamSourceConfigurations",
        "ndiSourceSettings",
        "routerIntegrationState",
        "routerIntegrationTransitDecryption",
        "vpcInterfaceName",
    ] {
        if input.contains_key(other) {
            return Err(not_simulated(other));
        }
    }
    Ok(input.only(&SETTINGS))
}

impl Source {
    pub(super) fn from_input(
        input: &Map<String, Value>,
        arn: impl FnOnce(&str) -> String,
    ) -> Result<Self, Refusal> {
        let name = input.text("name").unwrap_or_default();
        if name.is_empty() {
            return Err(bad_request("a source needs a name"));
        }
        let settings = settings(input)?;
        check(&settings)?;
        Ok(Self {
            name: name.to_owned(),
            arn: arn(name),
            settings,
            by_hand: None,
            signal: None,
        })
    }

    pub(super) fn protocol(&self) -> &str {
        self.settings.text("protocol").unwrap_or_default()
    }

    pub(super) fn is_entitled(&self) -> bool {
        self.settings.contains_key("entitlementArn")
    }

    /// The port that it listens on, if it does.
    pub(super) fn port(&self) -> Option<i64> {
        match self.protocol() {
            // MediaConnect listens for these on one port.
            "rtmp-push" => Some(1935),
            "zixi-push" => Some(2088),
            "srt-caller" => None,
            _ => self.settings.number("ingestPort"),
        }
    }

    pub(super) fn view(&self, modes: Modes, ip: &str) -> Value {
        let mut view = self.settings.only(&[
            "decryption",
            "description",
            "entitlementArn",
            "senderControlPort",
            "senderIpAddress",
            "whitelistCidr",
        ]);
        view.insert("name".to_owned(), json!(self.name));
        view.insert("sourceArn".to_owned(), json!(self.arn));
        if let Some(port) = self.port() {
            view.insert("ingestIp".to_owned(), json!(ip));
            view.insert("ingestPort".to_owned(), json!(port));
        }
        if self.settings.contains_key("protocol") {
            view.insert("transport".to_owned(), self.transport(modes));
        }
        view.into()
    }

    fn transport(&self, modes: Modes) -> Value {
        let mut transport = self.settings.only(&[
            "maxBitrate",
            "maxLatency",
            "maxSyncBuffer",
            "minLatency",
            "protocol",
            "senderControlPort",
            "senderIpAddress",
            "sourceListenerAddress",
            "sourceListenerPort",
            "streamId",
        ]);
        let naming = self.settings.object("rtmpPushSettings");
        if let Some(naming) = naming.and_then(|it| it.object("namingConfiguration")) {
            let mut shown = match naming.object("manual") {
                Some(manual) => {
                    let mut manual = manual.clone();
                    manual.insert("namingType".to_owned(), json!("MANUAL"));
                    manual
                }
                // AWS makes the names up; these are ours.
                None => {
                    let made = json!({
                        "applicationName": "live",
                        "streamName": self.name,
                        "namingType": "AUTOMATIC",
                    });
                    made.as_object().cloned().unwrap_or_default()
                }
            };
            if modes.stream_name == StreamName::Hidden {
                shown.insert("streamName".to_owned(), json!("****"));
            }
            transport.insert("rtmpPushSourceSettings".to_owned(), shown.into());
        }
        transport.into()
    }
}

/// Refuses what a source cannot be.
pub(super) fn check(settings: &Map<String, Value>) -> Result<(), Refusal> {
    if settings.contains_key("entitlementArn") {
        return match settings.text("protocol") {
            // The originator of the flow chose it.
            Some(_) => Err(bad_request("an entitled source has no protocol of its own")),
            None => Ok(()),
        };
    }
    let Some(protocol) = settings.text("protocol") else {
        return Err(bad_request("a source needs a protocol or an entitlement"));
    };
    check_members(settings, protocol)?;
    let ingest_port = settings.number("ingestPort");
    match protocol {
        "srt-listener" | "rtp" | "rtp-fec" | "rist" => {
            check_port(ingest_port, "ingestPort")?;
        }
        "srt-caller" => {
            check_host(
                settings.text("sourceListenerAddress"),
                "sourceListenerAddress",
            )?;
            check_port(settings.number("sourceListenerPort"), "sourceListenerPort")?;
        }
        "zixi-push" if ingest_port.is_some_and(|port| port != 2088) => {
            return Err(bad_request("the ingestPort of Zixi is 2088"));
        }
        "zixi-push" => {}
        "rtmp-push" if !settings.contains_key("rtmpPushSettings") => {
            return Err(bad_request("rtmp-push needs rtmpPushSettings"));
        }
        "rtmp-push" => {}
        other => return Err(not_simulated(&format!("sources by {other}"))),
    }
    if let Some(cidr) = settings.text("whitelistCidr") {
        check_cidr(cidr)?;
    }
    match settings.object("decryption") {
        Some(decryption) => check_encryption(decryption, protocol),
        None => Ok(()),
    }
}

/// Refuses sources that cannot be together on one flow with this failover.
pub(super) fn check_together(
    sources: &[Source],
    failover: &Map<String, Value>,
) -> Result<(), Refusal> {
    if sources.is_empty() {
        return Err(bad_request("a flow needs a source"));
    }
    if SOURCES_MAX < sources.len() {
        return Err(bad_request("a flow has at most two sources"));
    }
    let is_on = failover.text("state") == Some("ENABLED");
    if !is_on && 1 < sources.len() {
        return Err(bad_request(
            "a flow has one source unless its failover is enabled",
        ));
    }
    if let [one, other] = sources {
        if one.name == other.name {
            return Err(bad_request("the sources of a flow have different names"));
        }
        if one.port().is_some() && one.port() == other.port() && one.protocol() != "rtmp-push" {
            return Err(bad_request("the sources of a flow have different ports"));
        }
    }
    let is_srt = |source: &Source| source.protocol().starts_with("srt-");
    if is_on && sources.iter().any(is_srt) && failover.text("failoverMode") != Some("FAILOVER") {
        return Err(bad_request("SRT supports the failoverMode FAILOVER only"));
    }
    let primary = failover.object("sourcePriority");
    if let Some(primary) = primary.and_then(|it| it.text("primarySource"))
        && !sources.iter().any(|source| source.name == primary)
    {
        return Err(bad_request("the primarySource is no source of the flow"));
    }
    Ok(())
}
