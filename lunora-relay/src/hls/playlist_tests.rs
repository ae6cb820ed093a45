//! The playlist, read by somebody else's parser.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use m3u8_rs::MediaPlaylist;
use proptest::prelude::*;

use super::{
    name::HlsFile,
    playlist::{Entry, Playlist, Retention},
    segmenter::Continuity,
};

const RETENTION: Retention = Retention {
    listed: 4,
    kept: 3,
    bytes: 1_000,
    segment_max: 4_000,
};
const FIRST: u64 = 200_000_000;

fn entry(number: u64, head: u64, continuity: Continuity) -> Entry {
    let offset = SignedDuration::from_secs(2 * i64::try_from(number - FIRST).unwrap());
    Entry {
        number,
        head,
        continuity,
        span: 2_000,
        at: Timestamp::from_millisecond(1_764_500_000_250).unwrap() + offset,
        is_independent: true,
        bytes: 10,
    }
}

fn read(playlist: &Playlist) -> MediaPlaylist {
    let text = playlist.text();
    let (rest, read) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
    assert_eq!(rest, b"", "{text}");
    read
}

#[test]
fn the_text_says_what_a_player_needs() {
    let mut playlist = Playlist::new(RETENTION, FIRST);
    playlist.add(entry(FIRST, FIRST, Continuity::Goes));
    playlist.add(Entry {
        span: 1_960,
        ..entry(FIRST + 1, FIRST + 1, Continuity::Breaks)
    });
    playlist.add(Entry {
        is_independent: false,
        ..entry(FIRST + 2, FIRST + 1, Continuity::Goes)
    });

    assert_eq!(
        playlist.text(),
        "#EXTM3U\n\
         #EXT-X-VERSION:7\n\
         #EXT-X-TARGETDURATION:4\n\
         #EXT-X-MEDIA-SEQUENCE:200000000\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:200000000\n\
         #EXT-X-MAP:URI=\"init-200000000.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-30T10:53:20.250Z\n\
         #EXTINF:2.000,\n\
         seg-200000000.m4s\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-MAP:URI=\"init-200000001.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-30T10:53:22.250Z\n\
         #EXTINF:1.960,\n\
         seg-200000001.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2025-11-30T10:53:24.250Z\n\
         #EXTINF:2.000,\n\
         seg-200000002.m4s\n"
    );
}

#[test]
fn segments_are_independent_only_if_all_of_them_are() {
    let mut playlist = Playlist::new(RETENTION, FIRST);
    let tag = |playlist: &Playlist| playlist.text().contains("#EXT-X-INDEPENDENT-SEGMENTS");
    for n in FIRST..FIRST + 6 {
        playlist.add(Entry {
            is_independent: n != FIRST + 1,
            ..entry(n, FIRST, Continuity::Goes)
        });
        assert_eq!(tag(&playlist), n == FIRST || n == FIRST + 5, "{n}");
    }
}

#[test]
fn segments_that_somebody_took_away_are_listed_no_more_nor_any_before_them() {
    let mut playlist = Playlist::new(RETENTION, FIRST);
    for n in FIRST..FIRST + 6 {
        playlist.add(entry(n, n / 3, Continuity::Breaks));
    }

    let gone = playlist.forget_missing(|file| file != HlsFile::Segment(FIRST + 3));

    assert_eq!(
        gone.iter()
            .filter(|it| matches!(it, HlsFile::Segment(_)))
            .count(),
        4
    );
    let read = read(&playlist);
    assert_eq!((read.media_sequence, read.segments.len()), (FIRST + 4, 2));
    // Four breaks are gone with their segments.
    assert_eq!(read.discontinuity_sequence, FIRST + 4);
    playlist.forget_missing(|_| false);
    assert_eq!((playlist.listed(), playlist.bytes()), (0, 0));
    assert!(playlist.text().contains("#EXT-X-MEDIA-SEQUENCE:200000006"));
}

proptest! {
    #[test]
    fn whatever_is_added_the_list_is_contiguous_keeps_its_promises_and_is_bounded(
        added in prop::collection::vec((any::<bool>(), any::<bool>(), 1..=4_000_u64, 1..400_u64), 1..60),
    ) {
        let mut playlist = Playlist::new(RETENTION, FIRST);
        let mut there = BTreeSet::new();
        // Which break of all each segment comes after.
        let mut breaks = vec![];
        let mut head = FIRST;
        for (number, (is_break, is_new, span, bytes)) in (FIRST..).zip(added) {
            let continuity = if is_break { Continuity::Breaks } else { Continuity::Goes };
            head = if is_new { number } else { head };
            breaks.push(breaks.last().copied().unwrap_or(FIRST) + u64::from(is_break));
            there.extend([HlsFile::Segment(number), HlsFile::Head(head)].map(|it| it.to_string()));
            let entry = Entry { span, bytes, ..entry(number, head, continuity) };

            for gone in playlist.add(entry) {
                prop_assert!(there.remove(&gone.to_string()), "{} twice", gone);
            }

            let read = read(&playlist);
            let text = playlist.text();
            prop_assert_eq!(read.segments.len(), playlist.listed());
            prop_assert!(read.segments.len() <= RETENTION.listed);
            prop_assert!(playlist.bytes() <= RETENTION.bytes.max(bytes));
            let segments = there.iter().filter(|it| it.starts_with("seg")).count();
            prop_assert!(segments <= RETENTION.listed + RETENTION.kept);
            let mut discontinuity = read.discontinuity_sequence;
            let mut map = None;
            for (number, segment) in (read.media_sequence..).zip(&read.segments) {
                prop_assert_eq!(&segment.uri, &HlsFile::Segment(number).to_string());
                prop_assert!(there.contains(&segment.uri), "{}", text);
                map = segment.map.as_ref().map(|map| map.uri.clone()).or(map);
                prop_assert!(there.contains(map.as_ref().unwrap()), "{}", text);
                prop_assert!(segment.duration.round() as u64 <= read.target_duration);
                prop_assert!(segment.program_date_time.is_some());
                discontinuity += u64::from(segment.discontinuity);
                let place = usize::try_from(number - FIRST).unwrap();
                prop_assert_eq!(discontinuity, breaks[place], "{}", text);
            }
            let newest = read.media_sequence + read.segments.len() as u64 - 1;
            prop_assert_eq!(newest, number);
            prop_assert!(!read.end_list);
        }
    }
}
