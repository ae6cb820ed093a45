use std::{fmt, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

/// What one run of the migration is called, from its first write to the end of
/// its undoing: when it began and a random part, as `20260301T100000-1a2b3c4d`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MigrationId(String);

/// The text is not the id of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a migration looks like 20260301T100000-1a2b3c4d")]
pub struct MigrationIdError;

impl MigrationId {
    /// Makes the id of a migration that begins at this time.
    pub(super) fn mint(at: Timestamp, bits: u128) -> Self {
        let at = at
            .to_zoned(TimeZone::UTC)
            .strftime("%Y%m%dT%H%M%S")
            .to_string();
        Self(format!("{at}-{:08x}", bits as u32))
    }

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MigrationId {
    type Err = MigrationIdError;

    fn from_str(text: &str) -> Result<Self, MigrationIdError> {
        let digits =
            |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        let (time, random) = text.split_once('-').ok_or(MigrationIdError)?;
        let (day, time) = time.split_once('T').ok_or(MigrationIdError)?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !digits(day, 8) || !digits(time, 6) || random.len() != 8 || !random.bytes().all(hex) {
            return Err(MigrationIdError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_it_began_and_reads_back() {
        let at = "2026-03-01T10:00:00.5Z".parse().unwrap();
        let id = MigrationId::mint(at, 0x1a2b_3c4d);

        assert_eq!(id.as_str(), "20260301T100000-1a2b3c4d");
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_refused_before_anything_is_called() {
        for text in [
            "",
            "current",
            "20260301T100000",
            "20260301T100000-1A2B3C4D",
            "2026-1",
        ] {
            assert_eq!(text.parse::<MigrationId>(), Err(MigrationIdError), "{text}");
        }
    }
}
