//! The names of the files in the folder.

use std::{fmt, str::FromStr};

/// A file of the HLS. No name comes from outside: it is one of these, or it is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HlsFile {
    /// `live.m3u8`, which is replaced all the time.
    Playlist,
    /// `init-N.mp4`: what a player reads before segment N and those that follow.
    Head(u64),
    /// `seg-N.m4s`, where N is its media sequence number.
    Segment(u64),
}

impl HlsFile {
    /// The media type to serve it with.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Playlist => "application/vnd.apple.mpegurl",
            Self::Head(_) | Self::Segment(_) => "video/mp4",
        }
    }

    /// The number in its name.
    pub(super) const fn number(self) -> Option<u64> {
        match self {
            Self::Playlist => None,
            Self::Head(number) | Self::Segment(number) => Some(number),
        }
    }
}

impl fmt::Display for HlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Playlist => f.write_str("live.m3u8"),
            Self::Head(number) => write!(f, "init-{number}.mp4"),
            Self::Segment(number) => write!(f, "seg-{number}.m4s"),
        }
    }
}

/// No file of the HLS has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no file of the HLS has this name")]
pub struct NotHls;

impl FromStr for HlsFile {
    type Err = NotHls;

    fn from_str(name: &str) -> Result<Self, NotHls> {
        let number = |prefix, suffix| {
            let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            digits.parse().ok()
        };
        let head = number("init-", ".mp4").map(Self::Head);
        let file = head.or_else(|| number("seg-", ".m4s").map(Self::Segment));
        let file = file.unwrap_or(Self::Playlist);
        // One spelling each: a number with a sign or a zero in front is another name.
        (file.to_string() == name).then_some(file).ok_or(NotHls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_names() {
        for file in [
            HlsFile::Playlist,
            HlsFile::Head(7),
            HlsFile::Segment(0),
            HlsFile::Segment(u64::MAX),
        ] {
            assert_eq!(file.to_string().parse(), Ok(file));
        }
        for name in [
            "",
            ".",
            "..",
            "live.m3u8/",
            "seg-.m4s",
            "seg-01.m4s",
            "seg-+1.m4s",
            "seg-1.m4s.tmp",
            "../seg-1.m4s",
            "seg-1.mp4",
            "init-1.m4s",
            "seg-18446744073709551616.m4s",
            "live.M3U8",
        ] {
            assert_eq!(name.parse::<HlsFile>(), Err(NotHls), "{name}");
        }
    }
}
