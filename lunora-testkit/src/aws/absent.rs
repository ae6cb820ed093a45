//! Stands for MediaLive until it is there.

use jiff::Timestamp;

use super::wire::{Call, Event, Refusal, Reply};

pub(super) struct Feed {
    pub(super) host: String,
    pub(super) port: u16,
}

pub(super) struct MediaLive;

impl MediaLive {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) fn answer(
        &mut self,
        _call: &Call,
        _now: Timestamp,
        _events: &mut Vec<Event>,
    ) -> Result<Reply, Refusal> {
        Err(Refusal {
            status: 404,
            code: "NotFoundException",
            message: "MediaLive is not there yet".to_owned(),
        })
    }

    pub(super) fn feeds(&self) -> Vec<Feed> {
        Vec::new()
    }
}
