//! Where a listing goes on.

use lunora_core::{domain::HashKey, port::PageToken};

/// Grows with every change of what a token says.
const FORM: &str = "1";

/// Makes the token that goes on after a key of the listing called `of`.
pub(super) fn after(key: &str, of: &[&str], hash_key: &HashKey) -> PageToken {
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let seal = seal(key, of, hash_key);
    PageToken::from_cursor(format_args!("{FORM}.{hex}.{seal}"))
}

/// The key that a token of this listing goes on after; `None` if it is of another.
pub(super) fn key_of(token: &PageToken, of: &[&str], hash_key: &HashKey) -> Option<String> {
    let mut parts = token.as_cursor().split('.');
    let (Some(FORM), Some(hex), Some(found), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    if hex.len() % 2 != 0 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let key = String::from_utf8(bytes?).ok()?;
    (seal(&key, of, hash_key) == found).then_some(key)
}

/// Tells a token of ours, and of this table, from every other text.
fn seal(key: &str, of: &[&str], hash_key: &HashKey) -> String {
    let of = of.iter().map(|part| part.as_bytes());
    let parts = [&b"page"[..]].into_iter().chain(of).chain([key.as_bytes()]);
    hash_key.digest(parts).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> HashKey {
        HashKey::new([7; 32])
    }

    #[test]
    fn a_token_goes_on_after_its_key_and_in_its_own_table_alone() {
        for id in ["dest_1", "no id / at all", "ä\u{1f511}", ""] {
            let token = after(id, &["table", "destination"], &key());
            let here = key_of(&token, &["table", "destination"], &key());
            assert_eq!(here.as_deref(), Some(id));
            assert_eq!(key_of(&token, &["other", "destination"], &key()), None);
            assert_eq!(key_of(&token, &["table", "source"], &key()), None);
            let other = HashKey::new([8; 32]);
            assert_eq!(key_of(&token, &["table", "destination"], &other), None);
        }
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let token = after("dest_1", &["table"], &key());
        let text = token.as_cursor();
        for n in 0..text.len() {
            let mut changed = text.to_owned();
            let to = if &text[n..=n] == "0" { "1" } else { "0" };
            changed.replace_range(n..=n, to);
            let changed = PageToken::from_cursor(changed);
            assert_eq!(key_of(&changed, &["table"], &key()), None, "{changed:?}");
        }
        for text in ["", ".", "1..", "1.0.", "1.\u{1f511}.x", "not a token"] {
            let token = PageToken::from_cursor(text);
            assert_eq!(key_of(&token, &["table"], &key()), None, "{text}");
        }
    }
}
