//! Keeps secrets out of what a server says.
//!
//! Servers like to quote: "stream KEY is already publishing". What they say is shown to people and
//! written to logs, so it is cleaned first and bounded after, lest the bound cut a key where it is
//! no longer recognised.

use secrecy::{ExposeSecret, SecretString};

/// A run of a secret this long is taken out even where the rest of the secret is missing.
const RUN: usize = 6;

const LONGEST_CODE: usize = 128;
const LONGEST_DESCRIPTION: usize = 512;
/// How much of a text is looked at; the search takes time in proportion, and to each secret.
const LOOKED_AT: usize = 1024;

const MASK: &str = "***";

/// Codes that are passed as they are: a stream that is named "Publish" must not turn the code that
/// decides about reconnecting into something unknown.
const KNOWN_CODES: [&str; 16] = [
    "NetConnection.Connect.AppShutdown",
    "NetConnection.Connect.Closed",
    "NetConnection.Connect.Failed",
    "NetConnection.Connect.IdleTimeOut",
    "NetConnection.Connect.InvalidApp",
    "NetConnection.Connect.ReconnectRequest",
    "NetConnection.Connect.Rejected",
    "NetConnection.Connect.Success",
    "NetStream.Authenticate.UsherToken",
    "NetStream.Failed",
    "NetStream.Publish.BadName",
    "NetStream.Publish.Denied",
    "NetStream.Publish.Failed",
    "NetStream.Publish.Idle",
    "NetStream.Publish.Rejected",
    "NetStream.Publish.Start",
];

/// Knows what must not be said.
pub(super) struct Scrub {
    secrets: Vec<SecretString>,
}

impl Scrub {
    /// The stream name is secret as a whole; of the application and the URL, the query and what
    /// stands before an `@`.
    pub(super) fn new(
        app: &SecretString,
        tc_url: &SecretString,
        stream_name: &SecretString,
    ) -> Self {
        let name = stream_name.expose_secret();
        let (bare_name, _) = name.split_once('?').unwrap_or((name, ""));
        let mut secrets = vec![name, bare_name];
        for text in [app.expose_secret(), tc_url.expose_secret(), name] {
            let (path, query) = text.split_once('?').unwrap_or((text, ""));
            secrets.push(query);
            secrets.extend(query.split(['&', '=']).filter(|part| part.len() >= RUN));
            if let Some((userinfo, _)) = path.split_once('@') {
                secrets.push(
                    userinfo
                        .split_once("://")
                        .map_or(userinfo, |(_, user)| user),
                );
            }
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_unstable();
        secrets.dedup();
        Self {
            secrets: secrets.into_iter().map(SecretString::from).collect(),
        }
    }

    /// A server's code: letters, digits and `._-`, without secrets.
    pub(super) fn code(&self, code: &str) -> String {
        if KNOWN_CODES.contains(&code) {
            return code.to_owned();
        }
        let masked = self.mask(bounded(code, LOOKED_AT));
        let plain = |c: &char| c.is_ascii_alphanumeric() || "._-*".contains(*c);
        masked.chars().filter(plain).take(LONGEST_CODE).collect()
    }

    /// A server's words, on one line, without secrets.
    pub(super) fn description(&self, words: &str) -> String {
        let masked = self.mask(bounded(words, LOOKED_AT));
        let line = masked.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.take(LONGEST_DESCRIPTION).collect()
    }

    fn mask(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let secret = self.secret_at(rest);
            if secret == 0 {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            } else {
                out.push_str(MASK);
                rest = rest
                    .get(rest.ceil_char_boundary(secret)..)
                    .unwrap_or_default();
            }
        }
        out
    }

    /// How many bytes at the start of `text` are a secret, or a telling part of one.
    fn secret_at(&self, text: &str) -> usize {
        let text = text.as_bytes();
        let longest = self.secrets.iter().map(|secret| {
            let secret = secret.expose_secret().as_bytes();
            let telling = secret.len().min(RUN);
            let starts = 0..=secret.len() - telling;
            let runs = starts.map(|at| common_prefix(secret.get(at..).unwrap_or_default(), text));
            runs.filter(|&run| run >= telling).max().unwrap_or(0)
        });
        longest.max().unwrap_or(0)
    }
}

fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    one.iter()
        .zip(other)
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
        .count()
}

fn bounded(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub() -> Scrub {
        Scrub::new(
            &"live?auth=app-token-1&u=me".into(),
            &"rtmp://user:pass-word@host/live?auth=app-token-1&u=me".into(),
            &"k9-secret-key?sig=0123456789".into(),
        )
    }

    #[test]
    fn a_quoted_secret_is_masked_whole_or_in_part() {
        let said = scrub().description(
            "stream K9-SECRET-KEY (k9-secr...) sig 0123456789 via app-token-1, user:pass-word",
        );

        assert_eq!(said, "stream *** (***...) sig *** via ***, ***");
    }

    #[test]
    fn a_secret_at_the_bound_is_not_cut_to_something_unknown() {
        for padding in 0..LONGEST_DESCRIPTION + 20 {
            let said = scrub().description(&format!("{}k9-secret-key", "x".repeat(padding)));

            assert!(!said.contains("k9-"), "{said}");
            assert!(said.chars().count() <= LONGEST_DESCRIPTION);
        }
    }

    #[test]
    fn a_known_code_survives_a_stream_named_like_it() {
        let scrub = Scrub::new(&"live".into(), &"rtmp://h/live".into(), &"Publish".into());

        assert_eq!(
            scrub.code("NetStream.Publish.BadName"),
            "NetStream.Publish.BadName"
        );
        assert_eq!(scrub.code("My.Publish\n.Code"), "My.***.Code");
    }

    #[test]
    fn words_cannot_break_a_line() {
        assert_eq!(scrub().description("no\r\nsuch\u{7}app"), "no  such app");
    }
}
