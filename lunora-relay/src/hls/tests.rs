//! What the tests here share.

use std::sync::Arc;

use bytes::Bytes;

use super::tracks::{Audio, Tracks, Video};
use crate::wire::{
    coded::{Coded, coded},
    flv::FlvReader,
    message::{Message, MessageKind},
    tag::{Codec, classify},
};

static STREAM: &[u8] = include_bytes!("../../assets/test-stream.flv");
/// How long the stream plays, in milliseconds.
pub(super) const LAP: u32 = 10_240;

/// Sound as most encoders send it.
pub(super) fn aac() -> Audio {
    Audio::new(Codec::Aac, &Bytes::from_static(b"\x11\x90")).unwrap()
}

/// The test stream: its headers, then its frames so many times over.
pub(super) fn stream(laps: u32) -> Vec<Message> {
    let all = FlvReader::new(Bytes::from_static(STREAM)).unwrap();
    let all: Vec<Message> = all.map(Result::unwrap).collect();
    let is_header = |message: &&Message| {
        let info = classify(message.kind, &message.payload);
        message.kind == MessageKind::DataAmf0 || info.sequence_header
    };
    let is_frame = |message: &&Message| {
        !is_header(message) && !classify(message.kind, &message.payload).sequence_end
    };
    let headers = all.iter().filter(is_header).cloned();
    let frames = (0..laps).flat_map(|lap| {
        all.iter().filter(is_frame).map(move |message| Message {
            timestamp: message.timestamp + lap * LAP,
            ..message.clone()
        })
    });
    headers.chain(frames).collect()
}

/// Only what is of one kind.
pub(super) fn only(kind: MessageKind, messages: Vec<Message>) -> Vec<Message> {
    let of_kind = messages.into_iter().filter(|it| it.kind == kind);
    of_kind.collect()
}

/// How many frames are in there.
pub(super) fn frames(messages: &[Message]) -> usize {
    let is_frame = |message: &&Message| {
        let inside = coded(message.kind, &message.payload);
        matches!(inside, Some((_, Coded::Frame { .. })))
    };
    messages.iter().filter(is_frame).count()
}

/// The tracks of the test stream.
pub(super) fn tracks() -> Arc<Tracks> {
    let mut tracks = Tracks::default();
    for message in stream(0) {
        match coded(message.kind, &message.payload) {
            Some((codec @ Codec::Avc, Coded::Configuration(bytes))) => {
                tracks.video = Some(Video::new(codec, &bytes, None).unwrap());
            }
            Some((codec, Coded::Configuration(bytes))) => {
                tracks.audio = Some(Audio::new(codec, &bytes).unwrap());
            }
            _ => {}
        }
    }
    Arc::new(tracks)
}

#[test]
fn the_size_of_pictures_is_read_from_what_their_decoder_is_set_up_with() {
    let tracks = tracks();
    let size = tracks.video.as_ref().unwrap().size;
    assert_eq!((size.0, size.1), (640, 360));
    assert_eq!(tracks.audio.as_ref().unwrap().timescale, 48_000);
}
