//! Tells that something can be observed anew.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts up whenever the state or a fault of any output changes, or what is on air.
#[derive(Clone, Debug)]
pub(crate) struct News(Arc<watch::Sender<u64>>);

impl News {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }

    pub(crate) fn tell(&self) {
        self.0.send_modify(|number| *number += 1);
    }
}
