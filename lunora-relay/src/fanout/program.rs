//! What a newcomer needs to join in: metadata, sequence headers, the current group of pictures.

use super::packet::{Packet, Role, Track};

/// The most that is kept of a group of pictures, in bytes. Of a longer one nothing is kept, and a
/// newcomer waits for the next.
const GROUP_SIZE_MAX: usize = 4 << 20;

/// The most packets that are kept of one.
pub(super) const GROUP_LEN_MAX: usize = 8_192;

/// Sound that goes on for this long without any picture is a program of its own, in milliseconds.
pub(super) const DARK_AFTER: u64 = 5_000;

/// The headers in force and the current group of pictures.
#[derive(Debug, Default)]
pub(crate) struct Program {
    headers: [Option<Header>; Track::COUNT],
    written: u64,
    group: Vec<Packet>,
    group_size: usize,
    /// How long the group before lasted, in milliseconds.
    span_before: u64,
    has_video: bool,
    /// The time of the last picture, or else of the first sound that had none.
    pictured: Option<u64>,
    /// Whether pictures stopped, so that newcomers need not wait for one.
    dark: bool,
}

/// A header and which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) packet: Packet,
    /// Another number exactly if it says something else.
    pub(crate) generation: u64,
}

impl Program {
    /// Another source begins: nothing of the last one is of use to a newcomer.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            written: self.written,
            ..Self::default()
        };
    }

    /// Takes note of what is about to be sent to all.
    pub(crate) fn take(&mut self, packet: &Packet) {
        match packet.role {
            Role::Header => self.take_header(packet),
            Role::Key => {
                self.clear_group();
                self.group.push(packet.clone());
                self.group_size = packet.size();
            }
            Role::Frame | Role::Extra if self.group.is_empty() => {}
            Role::Frame | Role::Extra => {
                self.group.push(packet.clone());
                self.group_size += packet.size();
            }
        }
        self.has_video |= packet.track == Track::Video;
        self.watch(packet);
        if GROUP_SIZE_MAX < self.group_size || GROUP_LEN_MAX < self.group.len() {
            self.clear_group();
        }
    }

    /// No picture is to be waited for until there is a keyframe.
    pub(crate) fn expect_no_picture(&mut self) {
        self.dark = true;
    }

    /// Whether there are pictures, and none of them is missing.
    fn watch(&mut self, packet: &Packet) {
        if !packet.is_frame() || !self.has_video {
            return;
        }
        if packet.track == Track::Video {
            self.pictured = Some(packet.time);
            self.dark &= packet.role != Role::Key;
            return;
        }
        let pictured = *self.pictured.get_or_insert(packet.time);
        let patience = DARK_AFTER.max(self.span_before);
        if patience < packet.time.saturating_sub(pictured) && !self.dark {
            self.dark = true;
            // Newcomers begin with the sound of now instead of the last picture.
            self.clear_group();
        }
    }

    fn take_header(&mut self, packet: &Packet) {
        let slot = &mut self.headers[packet.track.index()];
        if slot
            .as_ref()
            .is_some_and(|known| known.packet.is_same_payload(packet))
        {
            return;
        }
        // The group that is kept needs the headers before. A track that had none needs none.
        let is_change = slot.is_some();
        self.written += 1;
        *slot = Some(Header {
            packet: packet.clone(),
            generation: self.written,
        });
        if packet.track == Track::Video || (packet.track == Track::Audio && is_change) {
            self.clear_group();
        }
    }

    fn clear_group(&mut self) {
        if !self.group.is_empty() {
            self.span_before = self.kept_span();
        }
        self.group.clear();
        self.group_size = 0;
    }

    /// The headers in the order in which a receiver wants them: metadata, video, audio.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &Header> {
        let order = [Track::Data, Track::Video, Track::Audio];
        order
            .into_iter()
            .filter_map(|track| self.headers[track.index()].as_ref())
    }

    /// The header in force on a track.
    pub(crate) fn header(&self, track: Track) -> Option<&Header> {
        self.headers[track.index()].as_ref()
    }

    /// From the last keyframe on; empty if nobody can join before the next.
    pub(crate) fn group(&self) -> &[Packet] {
        &self.group
    }

    /// How long a group lasts, going by this one and the one before, in milliseconds.
    pub(crate) fn group_span(&self) -> u64 {
        self.kept_span().max(self.span_before)
    }

    fn kept_span(&self) -> u64 {
        let ends = self.group.first().zip(self.group.last());
        ends.map_or(0, |(first, last)| last.time.saturating_sub(first.time))
    }

    /// Whether a receiver that has the headers can start with this packet.
    pub(crate) fn is_entry(&self, packet: &Packet) -> bool {
        match packet.role {
            Role::Key => true,
            Role::Frame => packet.track == Track::Audio && (!self.has_video || self.dark),
            Role::Header | Role::Extra => false,
        }
    }
}
