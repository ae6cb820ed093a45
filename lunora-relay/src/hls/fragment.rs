//! Segments and their heads as fragmented MP4 (CMAF).
//!
//! The boxes are those of `mp4-atom`; this says which, and what stands in them. All of it follows
//! from the media: no clock, no number that another run would give otherwise.

use bytes::Bytes;
use mp4_atom::{
    Codec as Entry, Dinf, Dref, DrefEntry, Encode as _, Error, Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf,
    Moof, Moov, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Styp, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun,
    TrunEntry, Url, Vmhd,
};

use super::{
    sample::{Entry as SampleEntry, Kind, Sample},
    segmenter::Segment,
    tracks::{Audio, Tracks, VIDEO_TIMESCALE, Video},
};

const VIDEO: u32 = 1;
const AUDIO: u32 = 2;

/// Needs no other frame.
const SYNC: u32 = 0x0200_0000;
/// Needs others, and nobody can begin with it.
const NO_SYNC: u32 = 0x0101_0000;

/// The file that a player reads before any segment of these tracks.
pub(super) fn head(tracks: &Tracks) -> Result<Vec<u8>, Error> {
    let ftyp = Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: [b"iso6", b"cmfc", b"mp41"].map(Into::into).to_vec(),
    };
    let video = tracks.video.as_ref().map(video_track);
    let audio = tracks.audio.as_ref().map(audio_track);
    let trak: Vec<Trak> = [video, audio].into_iter().flatten().collect();
    let trex = trak.iter().map(|trak| Trex {
        track_id: trak.tkhd.track_id,
        default_sample_description_index: 1,
        ..Trex::default()
    });
    let moov = Moov {
        mvhd: Mvhd {
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: AUDIO + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: trex.collect(),
        }),
        trak,
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    ftyp.encode(&mut bytes)?;
    moov.encode(&mut bytes)?;
    Ok(bytes)
}

fn video_track(video: &Video) -> Trak {
    let tkhd = Tkhd {
        track_id: VIDEO,
        enabled: true,
        in_movie: true,
        width: video.size.0.into(),
        height: video.size.1.into(),
        ..Tkhd::default()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        ..Minf::default()
    };
    track(tkhd, *b"vide", minf, VIDEO_TIMESCALE, &video.entry)
}

fn audio_track(audio: &Audio) -> Trak {
    let tkhd = Tkhd {
        track_id: AUDIO,
        enabled: true,
        in_movie: true,
        volume: 1.into(),
        ..Tkhd::default()
    };
    let minf = Minf {
        smhd: Some(Smhd::default()),
        ..Minf::default()
    };
    track(tkhd, *b"soun", minf, audio.timescale, &audio.entry)
}

fn track(tkhd: Tkhd, handler: [u8; 4], minf: Minf, timescale: u32, entry: &Entry) -> Trak {
    let dref = Dref {
        entries: vec![DrefEntry::Url(Url::default())],
    };
    let stbl = Stbl {
        stsd: Stsd {
            codecs: vec![entry.clone()],
        },
        stco: Some(Stco::default()),
        ..Stbl::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd {
            timescale,
            language: "und".to_owned(),
            ..Mdhd::default()
        },
        hdlr: Hdlr {
            handler: handler.into(),
            name: String::new(),
        },
        minf: Minf {
            dinf: Dinf { dref },
            stbl,
            ..minf
        },
    };
    Trak {
        tkhd,
        mdia,
        ..Trak::default()
    }
}

/// A segment as a file: what comes before the media, and the media, which is shared.
#[derive(Debug)]
pub(super) struct Fragment {
    head: Vec<u8>,
    media: Vec<Bytes>,
}

impl Fragment {
    pub(super) fn new(segment: &Segment) -> Result<Self, Error> {
        let of = |kind| {
            let samples = segment.samples.iter().filter(move |it| it.kind == kind);
            samples.collect::<Vec<&Sample>>()
        };
        let (video, audio) = (of(Kind::Video), of(Kind::Audio));
        let len = |samples: &[&Sample]| samples.iter().map(|it| it.data.len()).sum::<usize>();
        let (video_len, audio_len) = (len(&video), len(&audio));

        // The offsets count from the start of the moof, whose length does not depend on them.
        let moof_len = {
            let mut bytes = Vec::new();
            moof(segment, &video, &audio, [0, 0]).encode(&mut bytes)?;
            bytes.len()
        };
        let first = moof_len + MDAT_HEAD;
        let moof = moof(segment, &video, &audio, [first, first + video_len]);

        let mut head = Vec::new();
        let styp = Styp {
            major_brand: b"msdh".into(),
            minor_version: 0,
            compatible_brands: [b"msdh", b"cmfs"].map(Into::into).to_vec(),
        };
        styp.encode(&mut head)?;
        moof.encode(&mut head)?;
        let mdat_len = u32::try_from(MDAT_HEAD + video_len + audio_len);
        let mdat_len = mdat_len.map_err(|_| Error::OutOfBounds)?;
        head.extend_from_slice(&mdat_len.to_be_bytes());
        head.extend_from_slice(b"mdat");
        let media = video.into_iter().chain(audio);
        Ok(Self {
            head,
            media: media.map(|sample| sample.data.clone()).collect(),
        })
    }

    /// The bytes of the file.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let media = self.media.iter().map(AsRef::as_ref);
        std::iter::once(self.head.as_slice()).chain(media)
    }
}

/// The length and the name of the box around the media.
const MDAT_HEAD: usize = 8;

fn moof(segment: &Segment, video: &[&Sample], audio: &[&Sample], at: [usize; 2]) -> Moof {
    let video_end = segment.end;
    let audio_frame = segment.tracks.audio.as_ref().and_then(|it| it.frame);
    let video = (VIDEO, video, at[0], Last::EndsAt(video_end));
    let audio = (
        AUDIO,
        audio,
        at[1],
        audio_frame.map_or(Last::AsBefore, Last::Takes),
    );
    let traf = [video, audio].into_iter().filter_map(fragment_of_track);
    Moof {
        mfhd: Mfhd {
            sequence_number: number(segment.start),
        },
        traf: traf.collect(),
    }
}

/// Numbers of fragments have to rise. Taken from the media, they are the same in every run.
#[expect(clippy::cast_possible_truncation, reason = "it wraps after 49 days")]
const fn number(start: u64) -> u32 {
    (start as u32).wrapping_add(1)
}

/// How long the last sample is, which no other follows.
#[derive(Clone, Copy)]
enum Last {
    EndsAt(u64),
    Takes(u32),
    AsBefore,
}

/// When nothing else is known of how long a sample is, in ticks.
const TICKS: u32 = 40;

fn fragment_of_track(
    (track_id, samples, at, last): (u32, &[&Sample], usize, Last),
) -> Option<Traf> {
    let first = samples.first()?;
    let ticks = samples.iter().map(|it| it.ticks);
    let following = ticks.clone().skip(1).map(Some).chain([None]);
    let mut before = TICKS;
    let entries = samples.iter().zip(following).map(|(sample, next)| {
        let until = |end: u64| u32::try_from(end.saturating_sub(sample.ticks)).unwrap_or(u32::MAX);
        let duration = match (next, last) {
            (Some(next), _) => until(next),
            (None, Last::EndsAt(end)) if sample.ticks < end => until(end),
            (None, Last::Takes(frame)) => frame,
            (None, Last::EndsAt(_) | Last::AsBefore) => before,
        };
        before = duration;
        TrunEntry {
            duration: Some(duration),
            size: Some(u32::try_from(sample.data.len()).unwrap_or(u32::MAX)),
            flags: (track_id == VIDEO).then_some(match sample.entry {
                SampleEntry::Key => SYNC,
                SampleEntry::Other => NO_SYNC,
            }),
            cts: (track_id == VIDEO).then_some(sample.composition.into()),
        }
    });
    let entries: Vec<TrunEntry> = entries.collect();
    Some(Traf {
        tfhd: Tfhd {
            track_id,
            default_sample_flags: (track_id == AUDIO).then_some(SYNC),
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: first.ticks,
        }),
        trun: vec![Trun {
            data_offset: Some(i32::try_from(at).unwrap_or(i32::MAX)),
            samples: entries.into(),
        }],
        ..Traf::default()
    })
}
