//! A network that loses packets, both ways.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a packet takes.
const DELAY: Duration = Duration::from_millis(20);
/// How often packets are looked for; also the grain of the delay.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Stands between a caller and whom it calls.
#[derive(Debug)]
pub(crate) struct Lossy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
}

impl Lossy {
    /// Loses so many of a thousand packets, always the same ones.
    pub(crate) fn start(target: SocketAddr, per_mille: u64) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        back.connect(target).unwrap();
        front.set_nonblocking(true).unwrap();
        back.set_nonblocking(true).unwrap();
        let (address, shared) = (front.local_addr().unwrap(), Arc::<Shared>::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || pass(&front, &back, per_mille, &theirs));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Packets that were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "real packets take real time")]
fn now() -> Instant {
    Instant::now()
}

fn pass(front: &UdpSocket, back: &UdpSocket, per_mille: u64, shared: &Shared) {
    let mut caller = None;
    let mut chance: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut buffer = [0; 2_048];
    // By when they are due, and in which order they came.
    let mut waiting = BTreeMap::<(Instant, u64), (bool, Vec<u8>)>::new();
    let mut number = 0;
    while !shared.stop.load(Relaxed) {
        for is_caller in [true, false] {
            let socket = if is_caller { front } else { back };
            loop {
                let (len, from) = match socket.recv_from(&mut buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // Nobody listens there yet.
                    Err(_) => break,
                };
                if is_caller {
                    caller = Some(from);
                }
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                if chance % 1_000 < per_mille {
                    shared.lost.fetch_add(1, Relaxed);
                    continue;
                }
                shared.passed.fetch_add(1, Relaxed);
                number += 1;
                waiting.insert((now() + DELAY, number), (is_caller, buffer[..len].to_vec()));
            }
        }
        while let Some(entry) = waiting.first_entry()
            && entry.key().0 <= now()
        {
            let (is_caller, packet) = entry.remove();
            let _ = match (is_caller, caller) {
                (true, _) => back.send(&packet),
                (false, Some(caller)) => front.send_to(&packet, caller),
                (false, None) => Ok(0),
            };
        }
        thread::sleep(LOOK_EVERY);
    }
}
