//! Secrets that a test looks for where nobody may see one.

use std::{
    fmt,
    process::id,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// All that may not be seen.
#[derive(Default)]
pub struct Secrets(Vec<String>);

/// Shows none of them.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

static MADE: AtomicU32 = AtomicU32::new(0);

impl Secrets {
    /// One that occurs nowhere by chance: 40 letters.
    pub fn mint(&mut self) -> String {
        let number = MADE.fetch_add(1, Relaxed);
        let mut seed =
            (u64::from(id()) << 32 | u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let letters = (0..40).map(|_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (seed >> 40) as u8 % 26)
        });
        let secret: String = letters.collect();
        self.keep(secret.clone());
        secret
    }

    /// Adds one that somebody else made.
    pub fn keep(&mut self, secret: impl Into<String>) {
        self.0.push(secret.into());
    }

    /// Requires that none is there, nor a half of one, which is long enough to be of use;
    /// neither as text nor as a list of bytes, as a derived `Debug` writes one.
    #[track_caller]
    pub fn are_not_in(&self, place: &str, content: &[u8]) {
        let content = String::from_utf8_lossy(content);
        for secret in &self.0 {
            let (begin, end) = secret.split_at(secret.len() / 2);
            let forms = [begin, end].map(|half| [half.to_owned(), as_list(half)]);
            let found = forms.iter().flatten().find_map(|form| content.find(form));
            if let Some(at) = found {
                let before = content[..at].chars().rev().take(200).collect::<Vec<_>>();
                let before: String = before.into_iter().rev().collect();
                panic!("a secret is in {place}: …{before}[it]");
            }
        }
    }
}

fn as_list(text: &str) -> String {
    let bytes: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
    bytes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_equals_another() {
        let mut secrets = Secrets::default();
        let minted = [secrets.mint(), secrets.mint(), secrets.mint()];
        assert!(minted.iter().all(|it| it.len() == 40));
        assert!(minted[0] != minted[1] && minted[1] != minted[2] && minted[0] != minted[2]);
    }

    #[test]
    #[should_panic(expected = "a secret is in the log: …key=[it]")]
    fn half_of_a_secret_is_found() {
        let mut secrets = Secrets::default();
        let secret = secrets.mint();
        secrets.are_not_in("the log", format!("key={}", &secret[..20]).as_bytes());
    }

    #[test]
    #[should_panic(expected = "a secret is in the log: …body: [[it]")]
    fn a_list_of_its_bytes_is_found() {
        let mut secrets = Secrets::default();
        let body = format!("body: {:?}", secrets.mint().as_bytes());
        secrets.are_not_in("the log", body.as_bytes());
    }
}
