//! How a source is reached, taken apart: what anybody may see, and what is secret (rule 21).

use std::{fmt, net::IpAddr, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::{Host, push_url::authority};

/// Why a text is no part of the address of a source. No variant repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceAddressError {
    /// It is not an SRT URL.
    #[error("expected srt://host:port, which may be followed by ?streamid=…&passphrase=…")]
    Scheme,
    /// It holds a user name or a password.
    #[error("a user name or password cannot stand in it; use streamid and passphrase")]
    Userinfo,
    /// The host is missing or malformed.
    #[error("the host is missing or malformed")]
    Host,
    /// The port is missing or out of range.
    #[error("the port is missing, or is not 1 to 65535")]
    Port,
    /// There is a path.
    #[error("an SRT URL has no path; parameters follow a `?`")]
    Path,
    /// A parameter is unknown, doubled, or has no value that is allowed.
    #[error("the parameters can be streamid, passphrase and mode=caller, each once and not empty")]
    Parameter,
    /// It is not a stream name.
    #[error("a stream id has 1 to 512 printable ASCII characters and no space")]
    StreamName,
    /// It is not a passphrase.
    #[error("a passphrase has 10 to 79 characters, none of them a control character")]
    Passphrase,
    /// It is too long, or has characters that no URL has.
    #[error("a URL of a source has 1 to 2048 printable characters")]
    Url,
}

/// The host that a source comes from or is called at: a name in lower case, or an
/// address without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceHost(String);

impl SourceHost {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Host> for SourceHost {
    fn from(host: &Host) -> Self {
        match host {
            Host::Name(name) => Self(name.clone()),
            Host::Address(address) => Self(address.to_string()),
        }
    }
}

impl From<SourceHost> for String {
    fn from(host: SourceHost) -> Self {
        host.0
    }
}

impl FromStr for SourceHost {
    type Err = SourceAddressError;

    fn from_str(text: &str) -> Result<Self, SourceAddressError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        match authority(text) {
            Ok((host, None)) if text.len() <= 255 => Ok(Self::from(&host)),
            _ => Err(SourceAddressError::Host),
        }
    }
}

// A secret text that is checked when it is made, and never printed.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// The text, for the store or the wire.
            #[must_use]
            pub const fn as_secret(&self) -> &SecretString {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SourceAddressError;

            fn from_str(text: &str) -> Result<Self, SourceAddressError> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if !is_valid(text) {
                    return Err(SourceAddressError::$error);
                }
                Ok(Self(SecretString::from(text)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    };
}

secret_text!(
    /// The name that tells one stream from others: the SRT stream id, or the key that an
    /// encoder publishes with by RTMP. It has 1 to 512 printable ASCII characters.
    StreamName,
    StreamName,
    |text| (1..=512).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
);
secret_text!(
    /// An SRT passphrase: 10 to 79 bytes, as libsrt takes them.
    Passphrase,
    Passphrase,
    |text| (10..=79).contains(&text.len()) && !text.chars().any(char::is_control)
);
secret_text!(
    /// The URL of a source, whole: any part of it may be secret. 1 to 2048 bytes.
    SourceUrl,
    Url,
    |text| (1..=2048).contains(&text.len()) && !text.chars().any(char::is_control)
);

/// An SRT URL, taken apart. We call the host that it names.
#[derive(Clone, Debug)]
pub struct SrtCall {
    /// Who is called.
    pub host: SourceHost,
    /// At which port.
    pub port: u16,
    /// What is asked for there.
    pub stream_name: Option<StreamName>,
    /// What it is encrypted with.
    pub passphrase: Option<Passphrase>,
}

impl FromStr for SrtCall {
    type Err = SourceAddressError;

    /// Reads `srt://host:port[?streamid=…&passphrase=…&mode=caller]`.
    fn from_str(text: &str) -> Result<Self, SourceAddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(SourceAddressError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("srt") {
            return Err(SourceAddressError::Scheme);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (place, rest) = rest.split_at(end);
        if place.contains('@') {
            return Err(SourceAddressError::Userinfo);
        }
        let query = match rest.strip_prefix('/').unwrap_or(rest) {
            "" => "",
            rest => rest.strip_prefix('?').ok_or(SourceAddressError::Path)?,
        };
        let bad_place = |error| match error {
            super::PushUrlError::Port => SourceAddressError::Port,
            _ => SourceAddressError::Host,
        };
        let (host, port) = authority(place).map_err(bad_place)?;
        let mut call = Self {
            host: SourceHost::from(&host),
            port: port.ok_or(SourceAddressError::Port)?,
            stream_name: None,
            passphrase: None,
        };
        let mut has_mode = false;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(SourceAddressError::Parameter)?;
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| SourceAddressError::Parameter)?;
            match name {
                "streamid" if call.stream_name.is_none() => {
                    call.stream_name = Some(value.parse()?);
                }
                "passphrase" if call.passphrase.is_none() => {
                    call.passphrase = Some(value.parse()?);
                }
                "mode" if !has_mode && value == "caller" => has_mode = true,
                // Of two, nobody knows which one is meant.
                _ => return Err(SourceAddressError::Parameter),
            }
        }
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn rule_21_stream_id_and_passphrase_are_split_off_an_srt_url() {
        let text =
            "SRT://Cam.Example:9000/?streamid=%23!::r=live&passphrase=a%26bcdefghij&mode=caller";
        let call: SrtCall = text.parse().unwrap();
        assert_eq!((call.host.as_str(), call.port), ("cam.example", 9000));
        let stream = call.stream_name.as_ref().unwrap().as_secret();
        assert_eq!(stream.expose_secret(), "#!::r=live");
        let passphrase = call.passphrase.as_ref().unwrap().as_secret();
        assert_eq!(passphrase.expose_secret(), "a&bcdefghij");
        assert!(!format!("{call:?}").contains("live"));

        let call: SrtCall = "srt://[::1]:9000".parse().unwrap();
        assert_eq!(call.host.as_str(), "::1");
    }

    #[test]
    fn what_is_no_address_of_a_source_is_refused_without_an_echo() {
        use SourceAddressError as E;
        for (text, error) in [
            ("rtmp://canary:1", E::Scheme),
            ("canary", E::Scheme),
            ("srt://user:canary@h:1", E::Userinfo),
            ("srt://h?streamid=canary", E::Port),
            ("srt://h:0", E::Port),
            ("srt://:1", E::Host),
            ("srt://h:1/canary", E::Path),
            ("srt://h:1?canary", E::Parameter),
            ("srt://h:1?latency=canary", E::Parameter),
            ("srt://h:1?mode=canary", E::Parameter),
            ("srt://h:1?streamid=a&streamid=canary", E::Parameter),
            ("srt://h:1?streamid=canary%20x", E::StreamName),
            ("srt://h:1?streamid=", E::StreamName),
            ("srt://h:1?passphrase=canary", E::Passphrase),
        ] {
            let refused = text.parse::<SrtCall>().unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!refused.to_string().contains("canary"));
        }
        for (len, is_one) in [(9, false), (10, true), (79, true), (80, false)] {
            assert_eq!("p".repeat(len).parse::<Passphrase>().is_ok(), is_one);
        }
        for host in ["a.example", "192.0.2.1", "::1", "[::1]"] {
            assert!(host.parse::<SourceHost>().is_ok(), "{host}");
        }
        for host in ["", "a b", "a:1", "user@a", "a/b"] {
            assert!(host.parse::<SourceHost>().is_err(), "{host}");
        }
    }
}
