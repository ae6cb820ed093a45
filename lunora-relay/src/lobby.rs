//! Where connections wait until they publish.
//!
//! There is room for a few. When it is full the oldest goes and the newcomer stays: an encoder
//! publishes at once, so whoever has been here for long is most likely none.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use crate::lock::lock;

/// How many may wait.
const SEATS: usize = 32;
/// How many of one address, so that one cannot drive out all others.
const SEATS_OF_ONE: usize = 8;

/// The connections that have not published.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    minted: u64,
    waiting: BTreeMap<u64, (IpAddr, Arc<Notify>)>,
}

impl Lobby {
    /// Lets a connection in, and another out if need be.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Seat {
        let address = address.to_canonical();
        let mut inner = lock(&self.inner);
        let of_one = |(other, _): &(IpAddr, Arc<Notify>)| *other == address;
        let neighbours = inner.waiting.values().filter(|it| of_one(it)).count();
        let oldest = if SEATS_OF_ONE <= neighbours {
            inner.waiting.iter().find(|(_, it)| of_one(it))
        } else if SEATS <= inner.waiting.len() {
            inner.waiting.iter().next()
        } else {
            None
        };
        let oldest = oldest.map(|(number, _)| *number);
        if let Some((_, evicted)) = oldest.and_then(|number| inner.waiting.remove(&number)) {
            evicted.notify_one();
        }
        inner.minted += 1;
        let (number, evicted) = (inner.minted, Arc::new(Notify::new()));
        inner
            .waiting
            .insert(number, (address, Arc::clone(&evicted)));
        Seat {
            lobby: Arc::clone(self),
            number,
            evicted,
        }
    }
}

/// A place in the lobby, free again once dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    lobby: Arc<Lobby>,
    number: u64,
    evicted: Arc<Notify>,
}

impl Seat {
    /// Told when another gets this place; never after it was dropped.
    pub(crate) fn evicted(&self) -> Arc<Notify> {
        Arc::clone(&self.evicted)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.lobby.inner).waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(lobby: &Lobby) -> Vec<u64> {
        lock(&lobby.inner).waiting.keys().copied().collect()
    }

    #[test]
    fn the_oldest_of_an_address_makes_room_and_no_other() {
        let lobby = Arc::new(Lobby::default());
        let other = lobby.enter([10, 0, 0, 1].into());
        let many: Vec<Seat> = (0..100)
            .map(|_| lobby.enter([10, 0, 0, 2].into()))
            .collect();

        assert_eq!(waiting(&lobby), [1, 94, 95, 96, 97, 98, 99, 100, 101]);
        drop((other, many));
        assert!(waiting(&lobby).is_empty());
    }

    #[test]
    fn of_many_addresses_the_oldest_makes_room() {
        let lobby = Arc::new(Lobby::default());
        let many: Vec<Seat> = (0..100)
            .map(|n| lobby.enter([10, 0, 0, n].into()))
            .collect();

        assert_eq!(waiting(&lobby), (69..=100).collect::<Vec<u64>>());
        drop(many);
    }
}
