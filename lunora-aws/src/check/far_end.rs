use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Edit, Host, KeyInput, PushAddress, PushTarget, Scheme, StreamKey},
};

use super::shown::{Tls, Told};
use crate::mediaconnect::{TargetProblem, check_target};

/// Where the test output is to push to while it is on.
#[derive(Clone, Debug)]
pub struct FarEnd(PushTarget);

/// Why the check cannot push there. No message quotes the URL or the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FarEndError {
    /// It is no push URL.
    #[error("it is no URL like rtmps://host/application")]
    Url,
    /// A key on the command line is in the history of the shell, and in `ps`.
    #[error(
        "the URL seems to hold a stream key; give the key by the environment or standard input"
    )]
    KeyInUrl,
    /// It is no key.
    #[error("the stream key is not one")]
    Key,
    /// It is neither RTMP nor RTMPS.
    #[error("it is neither rtmp:// nor rtmps://")]
    Scheme,
    /// MediaConnect would not push there.
    #[error(transparent)]
    Target(#[from] TargetProblem),
}

impl FarEnd {
    /// Takes a URL without a key, and the key. `backup=1` may stand in the URL.
    pub fn new(url: &str, key: &SecretString) -> Result<Self, FarEndError> {
        let key = StreamKey::new(key.expose_secret()).map_err(|_| FarEndError::Key)?;
        let parsed = PushAddress::parse(url, KeyInput::Given(key.clone()));
        let parsed = parsed.map_err(|_| FarEndError::Url)?;
        if !matches!(parsed.url.scheme(), Scheme::Rtmp | Scheme::Rtmps) {
            return Err(FarEndError::Scheme);
        }
        // What follows the application may be a key, so it is none of an argument.
        if matches!(parsed.tail, Edit::Set(_)) {
            return Err(FarEndError::KeyInUrl);
        }
        let target = PushTarget {
            url: parsed.url,
            tail: None,
            key: Some(key),
        };
        check_target(&target)?;
        Ok(Self(target))
    }

    /// Where it is, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.url.origin()
    }

    pub(super) fn told(&self, description: String) -> Told {
        let url = &self.0.url;
        let host = match url.host() {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        let tls = match url.scheme() {
            Scheme::Rtmps => Tls::With,
            _ => Tls::Without,
        };
        let stream = self.0.stream_name().cloned();
        Told {
            description,
            host,
            port: url.port(),
            application: self.0.app(),
            stream: stream.unwrap_or_else(|| SecretString::from("")),
            tls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_taken_from_the_url_and_not_shown() {
        let key = SecretString::from("canary-key-1");
        let new = |url: &str| FarEnd::new(url, &key);

        let far_end = new("rtmps://a.example/live2?backup=1").unwrap();
        assert!(!format!("{far_end:?} {}", far_end.origin()).contains("canary"));
        assert_eq!(
            new("rtmp://a.example/app/canary").err(),
            Some(FarEndError::KeyInUrl)
        );
        assert_eq!(new("srt://a.example:5000").err(), Some(FarEndError::Scheme));
        assert_eq!(new("a.example/app").err(), Some(FarEndError::Url));
        let x = new("rtmp://a.example:80/app").err();
        assert_eq!(x, Some(FarEndError::Target(TargetProblem::RtmpPort)));
    }
}
