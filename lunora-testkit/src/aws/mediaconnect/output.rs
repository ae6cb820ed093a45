//! One output: what it may be told, and how it is shown.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{
    super::{
        modes::{Modes, SamePlace, StreamName},
        wire::Refusal,
    },
    health::{Health, HealthState},
    member::{Members, bad_request},
    protocol::{check_cidr, check_encryption, check_host, check_members, check_port},
};

/// The most outputs of one flow.
pub(super) const OUTPUTS_MAX: usize = 50;

#[derive(Clone)]
pub(in crate::aws) struct Output {
    pub(in crate::aws) name: String,
    pub(in crate::aws) arn: String,
    /// The members of `AddOutputRequest` but its name, its tags and its status.
    pub(super) settings: Map<String, Value>,
    pub(in crate::aws) status: OutputStatus,
    pub(in crate::aws) owner: Owner,
    pub(in crate::aws) health: Health,
    /// Counts up whenever it begins again.
    pub(in crate::aws) generation: u64,
    /// The state in its last health event.
    pub(super) told: HealthState,
}

/// Whether an output is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStatus {
    /// It sends while its flow is active.
    Enabled,
    /// It stays and does not send.
    Disabled,
}

impl OutputStatus {
    /// AWS's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
        }
    }

    pub(super) fn of(settings: &Map<String, Value>) -> Option<Self> {
        match settings.text("outputStatus")? {
            "DISABLED" => Some(Self::Disabled),
            _ => Some(Self::Enabled),
        }
    }
}

/// Who made an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The account, by a call.
    Account,
    /// MediaLive, for this input.
    MediaLive(String),
    /// The subscriber of this entitlement.
    Entitlement(String),
}

/// What `UpdateFlowOutput` and `AddFlowOutputs` have in common.
const SETTINGS: [&str; 17] = [
    "cidrAllowList",
    "description",
    "destination",
    "encryption",
    "maxLatency",
    "mediaStreamOutputConfigurations",
    "minLatency",
    "ndiProgramName",
    "ndiSpeedHqQuality",
    "port",
    "protocol",
    "remoteId",
    "rtmpPushSettings",
    "senderControlPort",
    "senderIpAddress",
    "smoothingLatency",
    "streamId",
];

/// What an input says about the settings of an output.
pub(super) fn settings(input: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    for other in [
        "mediaStreamOutputConfigurations",
        "vpcInterfaceAttachment",
        "routerIntegrationState",
        "routerIntegrationTransitEncryption",
    ] {
        if input.contains_key(other) {
            return Err(super::member::not_simulated(other));
        }
    }
    Ok(input.only(&SETTINGS))
}

/// Where an output sends: a flow may not send to one place twice.
#[derive(PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: i64,
}

impl Output {
    pub(in crate::aws) fn protocol(&self) -> &str {
        self.settings.text("protocol").unwrap_or_default()
    }

    pub(in crate::aws) fn host(&self) -> Option<&str> {
        self.settings.text("destination")
    }

    pub(in crate::aws) fn port(&self) -> Option<u16> {
        self.settings.number("port")?.try_into().ok()
    }

    pub(in crate::aws) fn description(&self) -> Option<&str> {
        self.settings.text("description")
    }

    fn rtmp(&self, member: &str) -> Option<&str> {
        self.settings.object("rtmpPushSettings")?.text(member)
    }

    pub(in crate::aws) fn application(&self) -> Option<&str> {
        self.rtmp("applicationName")
    }

    pub(in crate::aws) fn stream_name(&self) -> Option<&str> {
        self.rtmp("streamName")
    }

    pub(in crate::aws) fn has_tls(&self) -> bool {
        let settings = self.settings.object("rtmpPushSettings");
        settings.is_some_and(|it| it.contains_key("tlsEncryption"))
    }

    fn place(&self) -> Option<Place> {
        // Listeners are called; they have a port and no destination.
        let host = self.host()?.to_ascii_lowercase();
        let port = self.settings.number("port")?;
        Some(Place { host, port })
    }

    /// Whether both may be on one flow ("each output … a different destination").
    pub(super) fn gets_along_with(&self, other: &Self, modes: Modes) -> Result<(), Refusal> {
        if self.name == other.name {
            return Err(bad_request(format!(
                "an output named {} is on the flow already",
                self.name
            )));
        }
        let is_rtmp = [self, other].iter().any(|it| it.protocol() == "rtmp-push");
        let may_share = is_rtmp && modes.same_place == SamePlace::Takes;
        if self.place().is_some() && self.place() == other.place() && !may_share {
            return Err(bad_request(format!(
                "{} and {} have the same destination and port",
                self.name, other.name
            )));
        }
        Ok(())
    }

    pub(super) fn view(&self, modes: Modes, ip: &str) -> Value {
        let mut view = self
            .settings
            .only(&["description", "destination", "encryption", "port"]);
        let mut put = |member: &str, value: &str| {
            view.insert(member.to_owned(), value.into());
        };
        put("name", &self.name);
        put("outputArn", &self.arn);
        put("outputStatus", self.status.as_str());
        match &self.owner {
            Owner::Account => {}
            Owner::MediaLive(input) => put("mediaLiveInputArn", input),
            Owner::Entitlement(entitlement) => put("entitlementArn", entitlement),
        }
        if matches!(self.protocol(), "srt-listener" | "zixi-pull") {
            put("listenerAddress", ip);
        }
        if self.settings.contains_key("protocol") {
            view.insert("transport".to_owned(), self.transport(modes));
        }
        view.into()
    }

    fn transport(&self, modes: Modes) -> Value {
        let mut transport = self.settings.only(&[
            "cidrAllowList",
            "maxLatency",
            "minLatency",
            "protocol",
            "remoteId",
            "senderControlPort",
            "senderIpAddress",
            "smoothingLatency",
            "streamId",
        ]);
        if let Some(settings) = self.settings.object("rtmpPushSettings") {
            let mut settings = settings.clone();
            if modes.stream_name == StreamName::Hidden {
                // The model requires the member.
                settings.insert("streamName".to_owned(), "****".into());
            }
            if let Some(Value::Object(tls)) = settings.get_mut("tlsEncryption") {
                tls.entry("encryptionType").or_insert(json!("PUBLIC"));
            }
            transport.insert("rtmpPushOutputSettings".to_owned(), settings.into());
        }
        transport.into()
    }

    /// One that somebody else has on a flow.
    pub(super) fn managed(name: &str, arn: String, owner: Owner) -> Self {
        Self {
            name: name.to_owned(),
            arn,
            settings: Map::new(),
            status: OutputStatus::Enabled,
            owner,
            health: Health::IDLE,
            generation: 0,
            told: HealthState::Idle,
        }
    }

    /// A new one, which was told `input`.
    pub(super) fn from_input(
        input: &Map<String, Value>,
        arn: impl FnOnce(&str) -> String,
    ) -> Result<Self, Refusal> {
        let name = input.text("name").unwrap_or_default();
        if name.is_empty() {
            // AWS may make one up; whoever wants to find its output again gives one.
            return Err(bad_request("an output needs a name"));
        }
        let settings = settings(input)?;
        check(&settings)?;
        Ok(Self {
            name: name.to_owned(),
            arn: arn(name),
            settings,
            status: OutputStatus::of(input).unwrap_or(OutputStatus::Enabled),
            owner: Owner::Account,
            health: Health::IDLE,
            generation: 0,
            told: HealthState::Idle,
        })
    }
}

/// Refuses what an output cannot be.
pub(super) fn check(settings: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(protocol) = settings.text("protocol") else {
        return Err(bad_request("an output needs a protocol"));
    };
    check_members(settings, protocol)?;
    let destination = || {
        check_host(settings.text("destination"), "destination")?;
        check_port(settings.number("port"), "port")
    };
    match protocol {
        "rtmp-push" => check_rtmp(settings)?,
        "srt-caller" | "rist" | "rtp" | "rtp-fec" | "zixi-push" => {
            destination()?;
        }
        "srt-listener" | "zixi-pull" => {
            if settings.contains_key("destination") {
                return Err(bad_request(format!("{protocol} has no destination")));
            }
            if protocol == "zixi-pull" && settings.text("remoteId").is_none() {
                return Err(bad_request("zixi-pull needs a remoteId"));
            }
            if protocol == "srt-listener" {
                check_port(settings.number("port"), "port")?;
            }
        }
        "fujitsu-qos" => return Err(bad_request("fujitsu-qos is no longer supported")),
        "udp" => return Err(bad_request("udp is for the outputs of bridges")),
        "ndi-speed-hq" => return Err(bad_request("ndi-speed-hq needs a flow with NDI")),
        _ => return Err(bad_request(format!("{protocol} needs a CDI flow"))),
    }
    for cidr in settings.list("cidrAllowList") {
        check_cidr(cidr.as_str().unwrap_or_default())?;
    }
    match settings.object("encryption") {
        Some(encryption) => check_encryption(encryption, protocol),
        None => Ok(()),
    }
}

/// The rules of `RtmpPushOutputSettings` and of the console's page on RTMP outputs.
fn check_rtmp(settings: &Map<String, Value>) -> Result<(), Refusal> {
    let Some(rtmp) = settings.object("rtmpPushSettings") else {
        return Err(bad_request("rtmp-push needs rtmpPushSettings"));
    };
    check_host(settings.text("destination"), "destination")?;
    let port = check_port(settings.number("port"), "port")?;
    let has_tls = rtmp.contains_key("tlsEncryption");
    if port < 1024 && !(has_tls && port == 443) {
        return Err(bad_request(
            "the port of rtmp-push is from 1024 to 65535, or 443 with TLS",
        ));
    }
    let host = settings.text("destination").unwrap_or_default();
    if has_tls && host.parse::<IpAddr>().is_ok() {
        return Err(bad_request("RTMPS needs a domain name as destination"));
    }
    for member in ["applicationName", "streamName"] {
        let is_name = rtmp.text(member).is_some_and(is_rtmp_name);
        if !is_name {
            // What it was is not said: it may be a key.
            return Err(bad_request(format!(
                "{member} has 1 to 1024 printable ASCII characters, none of them \" or \\, \
                 and no space at either end"
            )));
        }
    }
    Ok(())
}

fn is_rtmp_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    (1..=1024).contains(&name.len()) && name.bytes().all(plain) && name.trim() == name
}
