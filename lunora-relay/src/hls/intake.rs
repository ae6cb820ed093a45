//! From packets to segments: what the encoder set up, and what it sends since.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    sample::{Entry, Kind, Sample, Ticks},
    segmenter::{Limits, Segment, Segmenter},
    tracks::{Audio, Size, Tracks, Unsuitable, Video},
};
use crate::{
    fanout::{Role, TapPacket, Track},
    wire::{
        coded::{Coded, coded},
        message::MessageKind,
        tag::Codec,
    },
};

/// Reads packets, and knows what it cannot use.
#[derive(Debug)]
pub(super) struct Intake {
    limits: Limits,
    segmenter: Segmenter,
    ticks: Ticks,
    /// What decoders are set up with, by the encoder's word.
    video: Option<(Codec, Bytes)>,
    audio: Option<(Codec, Bytes)>,
    size: Option<Size>,
    tracks: Arc<Tracks>,
    unsuitable: [Option<Unsuitable>; 2],
}

impl Intake {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            segmenter: Segmenter::new(limits),
            ticks: Ticks::default(),
            video: None,
            audio: None,
            size: None,
            tracks: Arc::default(),
            unsuitable: [None; 2],
        }
    }

    /// What of the program is not in the segments.
    pub(super) fn unsuitable(&self) -> Option<Unsuitable> {
        self.unsuitable.into_iter().flatten().next()
    }

    /// Another source begins.
    pub(super) fn begin(&mut self) -> Option<Segment> {
        let finished = self.segmenter.interrupt();
        self.ticks.restart();
        (self.video, self.audio, self.size) = (None, None, None);
        self.tracks = Arc::default();
        self.unsuitable = [None; 2];
        finished
    }

    /// The source has ended, or pauses.
    pub(super) fn finish(&mut self) -> Option<Segment> {
        self.segmenter.finish()
    }

    /// Forgets what is held: it cannot be trusted.
    pub(super) fn recover(&mut self) {
        self.segmenter = Segmenter::new(self.limits);
        let _ = self.segmenter.set_tracks(&self.tracks);
        let _ = self.segmenter.interrupt();
    }

    /// Takes a packet, and returns what is finished by it.
    pub(super) fn take(&mut self, packet: &TapPacket) -> Vec<Segment> {
        let kind = match packet.track {
            Track::Video => MessageKind::Video,
            Track::Audio => MessageKind::Audio,
            Track::Data => {
                let size = Size::of_metadata(&packet.payload);
                self.size = size.or(self.size);
                return Vec::new();
            }
        };
        match coded(kind, &packet.payload) {
            Some((codec, Coded::Configuration(bytes))) if packet.role == Role::Header => self
                .set_up(packet.track, codec, bytes)
                .into_iter()
                .collect(),
            Some((codec, Coded::Frame { composition, data })) => {
                let sample = self.sample(packet, codec, composition, data);
                sample.map_or_else(Vec::new, |sample| self.segmenter.push(sample))
            }
            _ => Vec::new(),
        }
    }

    fn set_up(&mut self, track: Track, codec: Codec, bytes: Bytes) -> Option<Segment> {
        let slot = match track {
            Track::Video => &mut self.video,
            _ => &mut self.audio,
        };
        let configuration = Some((codec, bytes));
        if *slot == configuration {
            return None;
        }
        slot.clone_from(&configuration);
        let (codec, bytes) = configuration?;
        let mut tracks = Tracks::clone(&self.tracks);
        if track == Track::Video {
            let video = Video::new(codec, &bytes, self.size);
            self.unsuitable[0] = video.as_ref().err().copied();
            tracks.video = video.ok();
        } else {
            let audio = Audio::new(codec, &bytes);
            self.unsuitable[1] = audio.as_ref().err().copied();
            tracks.audio = audio.ok();
        }
        self.tracks = Arc::new(tracks);
        self.segmenter.set_tracks(&self.tracks)
    }

    /// The frame at its place, if there is a track for it.
    fn sample(
        &mut self,
        packet: &TapPacket,
        codec: Codec,
        composition: i32,
        data: Bytes,
    ) -> Option<Sample> {
        let time = packet.time;
        let is_set_up = |slot: &Option<(Codec, Bytes)>| {
            let of_codec = |(known, _): &(Codec, Bytes)| *known == codec;
            slot.as_ref().is_some_and(of_codec)
        };
        if packet.track == Track::Video {
            self.tracks
                .video
                .as_ref()
                .filter(|_| is_set_up(&self.video))?;
            let ticks = self.ticks.of_picture(time);
            let moved = i32::try_from(ticks - time).unwrap_or(0);
            let entry = match packet.role {
                Role::Key => Entry::Key,
                _ => Entry::Other,
            };
            return Some(Sample {
                kind: Kind::Video,
                entry,
                time,
                ticks,
                composition: composition.saturating_sub(moved),
                data,
            });
        }
        let track = self
            .tracks
            .audio
            .as_ref()
            .filter(|_| is_set_up(&self.audio));
        let Some(track) = track else {
            // Most codecs of sound are set up by nothing, and none of those can be in HLS.
            if self.audio.is_none() && codec != Codec::Aac && codec != Codec::Opus {
                self.unsuitable[1] = Some(Unsuitable::Codec(codec));
            }
            return None;
        };
        let ticks = self.ticks.of_sound(time, track);
        Some(Sample {
            kind: Kind::Audio,
            entry: Entry::Key,
            time,
            ticks,
            composition: 0,
            data,
        })
    }
}
