//! The input as a list of messages, and which of its frames arrived.

use std::{collections::BTreeMap, fmt, io, path::Path, sync::Arc};

use bytes::Bytes;
use lunora_relay::wire::{
    flv::FlvReader,
    message::{Message, MessageKind},
    tag,
};

/// The messages of an FLV file that is played in a loop.
#[derive(Debug)]
pub struct Recording {
    /// Metadata and sequence headers, which are sent once.
    pub headers: Vec<Message>,
    /// Audio and pictures.
    pub frames: Vec<Message>,
}

impl Recording {
    /// Reads a file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = Bytes::from(std::fs::read(path)?);
        let reader = FlvReader::new(file).map_err(io::Error::other)?;
        let messages = reader.collect::<Result<Vec<_>, _>>();
        let messages = messages.map_err(io::Error::other)?.into_iter();
        let is_frame = |message: &Message| match message.kind {
            MessageKind::Audio => !info(message).sequence_header,
            MessageKind::Video => is_picture(message),
            _ => false,
        };
        let is_end = |message: &Message| info(message).sequence_end;
        let (frames, headers) = messages
            .filter(|message| !is_end(message))
            .partition(is_frame);
        Ok(Self { headers, frames })
    }

    /// How long one round lasts, in milliseconds: until after its last picture.
    #[must_use]
    pub fn period(&self) -> u64 {
        let mut times = self.pictures().map(|message| u64::from(message.timestamp));
        let first = times.next().unwrap_or_default();
        let (mut previous, mut last) = (first, first);
        for time in times {
            (previous, last) = (last, time);
        }
        2 * last - previous - first
    }

    /// How its pictures are told apart.
    #[must_use]
    pub fn order(&self) -> Order {
        let lengths: Vec<_> = self
            .pictures()
            .map(|message| message.payload.len())
            .collect();
        let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, length) in lengths.iter().enumerate() {
            places.entry(*length).or_default().push(place);
        }
        Order(Arc::new(Lengths { lengths, places }))
    }

    fn pictures(&self) -> impl Iterator<Item = &Message> {
        self.frames
            .iter()
            .filter(|message| message.kind == MessageKind::Video)
    }
}

fn info(message: &Message) -> tag::TagInfo {
    tag::classify(message.kind, &message.payload)
}

fn is_picture(message: &Message) -> bool {
    let info = info(message);
    !info.sequence_header && !info.sequence_end && !info.command
}

/// In which order the lengths of pictures follow one another. Many pictures have a length that no
/// other has, so a few in a row tell where in the recording they stand.
#[derive(Clone)]
pub struct Order(Arc<Lengths>);

struct Lengths {
    lengths: Vec<usize>,
    places: BTreeMap<usize, Vec<usize>>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Order").field(&self.0.lengths.len()).finish()
    }
}

/// Follows one publish through the recording and counts what is missing.
#[derive(Clone, Debug)]
pub struct Follower {
    order: Order,
    /// Where the newest picture can stand.
    places: Vec<usize>,
    /// After which place something is missing, and how many pictures came since.
    torn: Option<(usize, usize)>,
    lost: u64,
    unknown: u64,
}

impl Follower {
    /// Follows from anywhere.
    #[must_use]
    pub const fn new(order: Order) -> Self {
        Self {
            order,
            places: Vec::new(),
            torn: None,
            lost: 0,
            unknown: 0,
        }
    }

    /// Pictures that did not come, of those between two that did. A gap of more than one round of
    /// the recording counts for less than it was.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Pictures that are not in the recording.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Takes note of the next picture.
    pub fn take(&mut self, length: usize) {
        let Lengths { lengths, places } = &*self.order.0;
        let Some(everywhere) = places.get(&length) else {
            self.unknown += 1;
            return;
        };
        let count = lengths.len();
        let next = |place: &usize| (place + 1) % count;
        let last_place = match self.places[..] {
            [place] => Some(place),
            _ => None,
        };
        self.places = self.places.iter().map(next).collect();
        self.places.retain(|place| lengths[*place] == length);
        if let Some((_, since)) = &mut self.torn {
            *since += 1;
        }
        if self.places.is_empty() {
            self.places.clone_from(everywhere);
            let before = last_place.map(|place| (place, 0));
            self.torn = self.torn.map(|(place, _)| (place, 0)).or(before);
        }
        if let (Some((before, since)), [place]) = (self.torn, &self.places[..]) {
            let step = (place + 2 * count - before - since) % count;
            self.lost += (step + count - 1) as u64 % count as u64;
            self.torn = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(pictures: &[usize]) -> (u64, u64) {
        let frame = |length: &usize| Message {
            kind: MessageKind::Video,
            timestamp: 0,
            stream_id: 1,
            payload: Bytes::from(vec![0x27; *length]),
        };
        let frames = [10, 50, 11, 50, 12, 50, 13, 14].iter().map(frame).collect();
        let recording = Recording {
            headers: Vec::new(),
            frames,
        };
        let mut follower = Follower::new(recording.order());
        pictures.iter().for_each(|length| follower.take(*length));
        (follower.lost(), follower.unknown())
    }

    #[test]
    fn a_whole_stream_loses_nothing_wherever_it_begins() {
        assert_eq!(
            follow(&[50, 11, 50, 12, 50, 13, 14, 10, 50, 11, 50]),
            (0, 0)
        );
    }

    #[test]
    fn what_is_missing_is_counted_once_it_is_clear_where_it_went_on() {
        assert_eq!(follow(&[10, 50, 12, 50]), (2, 0));
        assert_eq!(follow(&[10, 50, 50, 13]), (3, 0));
        assert_eq!(follow(&[13, 10]), (1, 0));
    }

    #[test]
    fn a_picture_of_another_source_is_told() {
        assert_eq!(follow(&[10, 99, 50]), (0, 1));
    }
}
