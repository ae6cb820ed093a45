//! What the tests ask of the machine: addresses of their own, and patience.

use std::{
    net::Ipv4Addr,
    process::id,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};

static GIVEN: AtomicU8 = AtomicU8::new(0);

/// A loopback address that no other server has: all of 127.0.0.0/8 is this
/// machine. So every port of it is free, and stays free while its server is down.
#[must_use]
pub fn address() -> Ipv4Addr {
    let number = GIVEN.fetch_add(1, Relaxed) + 1;
    assert!(number < u8::MAX, "one process has 254 addresses");
    let [_, _, high, low] = id().to_be_bytes();
    // 127.0.0.x is left to everybody else.
    Ipv4Addr::new(127, high | 0x80, low, number)
}

/// How long something may take that is not at all meant to take long. Two cores
/// that seven tests share are slow; whoever waits this long has found a fault.
pub const PATIENCE: Duration = Duration::from_secs(40);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until there is something, and returns it.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe)
}

/// Looks for at least this long until there is something, and returns it.
pub fn within<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    let found = look(limit, probe);
    found.unwrap_or_else(|| panic!("waited {limit:?} in vain: {what}"))
}

/// Looks for at least this long whether there is something.
pub fn look<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let looks = limit.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..=looks {
        let found = probe();
        if found.is_some() {
            return found;
        }
        sleep(LOOK_EVERY);
    }
    None
}
