//! What a source of a flow is told.

use std::{fmt, str::FromStr};

use aws_sdk_mediaconnect::types::{Encryption, KeyType, Protocol, UpdateEncryption};
use lunora_core::{ExposeSecret, SecretString};

/// A setting of a flow or of its source that MediaConnect would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceProblem(&'static str);

/// Makes a type of a text that a rule lets through.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $problem:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SourceProblem;

            fn from_str(text: &str) -> Result<Self, SourceProblem> {
                let is_so: fn(&str) -> bool = $check;
                if !is_so(text) {
                    return Err(SourceProblem($problem));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// The name of a source, unique in its flow and for ever.
    SourceName,
    "a source is named by 1 to 128 letters, digits, `_` and `-`",
    |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        (1..=128).contains(&text.len()) && text.bytes().all(plain)
    }
}
text! {
    /// A range of IPv4 addresses, as `203.0.113.0/24`.
    Cidr,
    "a range of addresses is like 203.0.113.0/24",
    |text| text.split_once('/').is_some_and(|(address, bits)| {
        let is_address = address.parse::<std::net::Ipv4Addr>().is_ok();
        is_address && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
    })
}
text! {
    /// The ARN of a secret of Secrets Manager.
    SecretArn,
    "the ARN of a secret is arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME",
    |text| is_arn(text, "secretsmanager")
}
text! {
    /// The ARN of a role that MediaConnect may assume.
    RoleArn,
    "the ARN of a role is arn:aws:iam::ACCOUNT:role/NAME",
    |text| is_arn(text, "iam")
}

fn is_arn(text: &str, service: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_of = matches!(parts[..], ["arn", partition, of, _, _, rest]
        if partition.starts_with("aws") && of == service && !rest.is_empty());
    is_of && text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// How what comes in by SRT is decrypted. The passphrase stays in Secrets Manager;
/// MediaConnect reads it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtDecryption {
    /// Where the passphrase is.
    pub secret: SecretArn,
    /// The role that may read it there.
    pub role: RoleArn,
}

/// How media comes into a flow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SourceTransport {
    /// SRT; the flow is called.
    SrtListener {
        /// The flow's port.
        port: u16,
        /// Who may call.
        allow: Cidr,
        /// In milliseconds; MediaConnect's own choice if not given.
        min_latency_ms: Option<u16>,
        /// None if it comes in the clear.
        decryption: Option<SrtDecryption>,
    },
    /// SRT; the flow calls.
    SrtCaller {
        /// A host name or an address.
        host: String,
        /// The far end's port.
        port: u16,
        /// What the far end tells streams apart by; a secret.
        stream_id: Option<SecretString>,
        /// In milliseconds; MediaConnect's own choice if not given.
        min_latency_ms: Option<u16>,
        /// None if it comes in the clear.
        decryption: Option<SrtDecryption>,
    },
    /// RTP.
    Rtp {
        /// The flow's port.
        port: u16,
        /// Who may send.
        allow: Cidr,
    },
    /// RTP with forward error correction.
    RtpFec {
        /// The flow's port; the two and four after it are for the correction.
        port: u16,
        /// Who may send.
        allow: Cidr,
    },
    /// RIST, simple profile.
    Rist {
        /// The flow's port.
        port: u16,
        /// Who may send.
        allow: Cidr,
        /// In milliseconds; MediaConnect's own choice if not given.
        max_latency_ms: Option<u16>,
    },
    /// Zixi, pushed to the flow's port 2088.
    ZixiPush {
        /// Who may push.
        allow: Cidr,
        /// What streams are told apart by; a secret.
        stream_id: Option<SecretString>,
        /// In milliseconds; MediaConnect's own choice if not given.
        max_latency_ms: Option<u16>,
    },
}

impl SourceTransport {
    /// Whether what comes in is to be decrypted.
    pub(super) const fn is_encrypted(&self) -> bool {
        matches!(
            self,
            Self::SrtListener {
                decryption: Some(_),
                ..
            } | Self::SrtCaller {
                decryption: Some(_),
                ..
            }
        )
    }
}

/// All that a source is told.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// How media comes in.
    pub transport: SourceTransport,
    /// For people.
    pub description: Option<String>,
}

/// Where MediaConnect listens for Zixi.
const ZIXI_PORT: u16 = 2088;

/// The members of a request.
#[derive(Default)]
pub(super) struct Members {
    pub(super) protocol: Option<Protocol>,
    pub(super) ingest_port: Option<i32>,
    pub(super) allow: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<i32>,
    pub(super) stream_id: Option<String>,
    pub(super) min_latency: Option<i32>,
    pub(super) max_latency: Option<i32>,
    decryption: Option<SrtDecryption>,
}

impl Members {
    pub(super) fn of(transport: &SourceTransport) -> Self {
        use SourceTransport as T;
        let text = |secret: &Option<SecretString>| {
            let secret = secret.as_ref();
            secret.map(|it| it.expose_secret().to_owned())
        };
        let listens = |protocol, port: &u16, allow: &Cidr| Self {
            protocol: Some(protocol),
            ingest_port: Some((*port).into()),
            allow: Some(allow.to_string()),
            ..Self::default()
        };
        match transport {
            T::SrtListener {
                port,
                allow,
                min_latency_ms,
                decryption,
            } => Self {
                min_latency: min_latency_ms.map(i32::from),
                decryption: decryption.clone(),
                ..listens(Protocol::SrtListener, port, allow)
            },
            T::SrtCaller {
                host,
                port,
                stream_id,
                min_latency_ms,
                decryption,
            } => Self {
                protocol: Some(Protocol::SrtCaller),
                host: Some(host.clone()),
                port: Some((*port).into()),
                stream_id: text(stream_id),
                min_latency: min_latency_ms.map(i32::from),
                decryption: decryption.clone(),
                ..Self::default()
            },
            T::Rtp { port, allow } => listens(Protocol::Rtp, port, allow),
            T::RtpFec { port, allow } => listens(Protocol::RtpFec, port, allow),
            T::Rist {
                port,
                allow,
                max_latency_ms,
            } => Self {
                max_latency: max_latency_ms.map(i32::from),
                ..listens(Protocol::Rist, port, allow)
            },
            T::ZixiPush {
                allow,
                stream_id,
                max_latency_ms,
            } => Self {
                stream_id: text(stream_id),
                max_latency: max_latency_ms.map(i32::from),
                // Said, so that the port of what was there before does not stay.
                ..listens(Protocol::ZixiPush, &ZIXI_PORT, allow)
            },
        }
    }

    pub(super) fn encryption(&self) -> Option<Encryption> {
        let SrtDecryption { secret, role } = self.decryption.as_ref()?;
        let encryption = Encryption::builder().key_type(KeyType::SrtPassword);
        let encryption = encryption.secret_arn(secret.as_str());
        Some(encryption.role_arn(role.as_str()).build())
    }

    pub(super) fn update_encryption(&self) -> Option<UpdateEncryption> {
        let SrtDecryption { secret, role } = self.decryption.as_ref()?;
        let encryption = UpdateEncryption::builder().key_type(KeyType::SrtPassword);
        let encryption = encryption.secret_arn(secret.as_str());
        Some(encryption.role_arn(role.as_str()).build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_of_ipv4() {
        assert!("203.0.113.0/24".parse::<Cidr>().is_ok());
        for text in ["", "203.0.113.0", "203.0.113.0/33", "::1/128", "all"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn arns_are_told_apart() {
        let secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:srt-AbCdEf";
        let role = "arn:aws:iam::111122223333:role/media";
        assert!(secret.parse::<SecretArn>().is_ok());
        assert!(role.parse::<RoleArn>().is_ok());
        assert!(role.parse::<SecretArn>().is_err());
        assert!(secret.parse::<RoleArn>().is_err());
        assert!("canary".parse::<SecretArn>().is_err());
    }

    #[test]
    fn rule_21_a_stream_id_is_not_printed() {
        let transport = SourceTransport::SrtCaller {
            host: "a.example".to_owned(),
            port: 5000,
            stream_id: Some("canary".into()),
            min_latency_ms: None,
            decryption: None,
        };
        assert!(!format!("{transport:?}").contains("canary"));
    }
}
