//! The work: callers, calls, and what they send.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use secrecy::ExposeSecret;

use super::{now, outbox::Outbox, register::Register};
use crate::{
    library::{Doorway, Event, Failed, Flag, Socket, Srt, State},
    protocol::{End, FromWorker, KeyLength, MEDIA_MAX, Open, ToWorker, Way},
};

/// The longest that a command waits to be read.
const TURN_MS: i64 = 10;
/// The largest message of a live stream.
const MESSAGE_MAX: usize = 1_500;
/// How many messages of one source are taken before the others have their turn.
const BURST: usize = 64;
/// How long libsrt may take to agree about a passphrase.
const AGREE_MAX: Duration = Duration::from_secs(3);
/// After which it surely has said no, if it has not said yes.
const REFUSED_AFTER: Duration = Duration::from_millis(250);
/// Who says nothing for this long, not even that it is there, is gone.
const PEER_IDLE_MS: i32 = 5_000;
const CONNECT_MS: i32 = 3_000;
/// Those before 1.3 know no stream id.
const OLDEST_PEER: i32 = 0x01_03_00;

/// Of one that left while it came in.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// One connection.
#[derive(Debug)]
struct Link {
    source: u32,
    /// Whether it is still being called.
    is_calling: bool,
    peer: SocketAddr,
    /// The number of its last packet.
    sequence: Option<i32>,
}

/// Does the work on a thread of its own.
#[derive(Debug)]
pub(super) struct Driver {
    srt: &'static Srt,
    outbox: Arc<Outbox>,
    register: Arc<Register>,
    listener: Option<Socket>,
    links: BTreeMap<Socket, Link>,
    told: Instant,
}

impl Driver {
    pub(super) fn new(srt: &'static Srt, outbox: Arc<Outbox>) -> Self {
        Self {
            srt,
            outbox,
            register: Arc::default(),
            listener: None,
            links: BTreeMap::new(),
            told: now(),
        }
    }

    /// Until nobody commands any more.
    pub(super) fn run(mut self, commands: &Receiver<ToWorker>) {
        let mut events = Vec::new();
        loop {
            loop {
                match commands.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            events.clear();
            self.srt.wait(TURN_MS, &mut events);
            for event in &events {
                self.see(*event);
            }
            self.look_after();
        }
    }

    fn obey(&mut self, command: ToWorker) {
        match command {
            // Only the first one says so.
            ToWorker::Start { .. } => {}
            ToWorker::Listen(address) => match self.listen(address) {
                Ok(address) => self.outbox.say(&FromWorker::Listening(address)),
                Err(_) => self.outbox.say(&FromWorker::NoListener),
            },
            ToWorker::Open(open) => self.open(open),
            ToWorker::Close { source } => {
                let called = self.links.iter().find(|(_, link)| link.source == source);
                let called = called.map(|(socket, _)| *socket);
                let socket = self.register.remove(source).or(called);
                if let Some(socket) = socket {
                    self.end(socket, End::Ours);
                }
            }
            ToWorker::Ping { number } => self.outbox.say(&FromWorker::Pong { number }),
        }
    }

    fn listen(&mut self, address: SocketAddr) -> Result<SocketAddr, Failed> {
        let srt = self.srt;
        let socket = srt.create()?;
        let porter = Box::new(Arc::clone(&self.register));
        // A worker listens once or twice in its life.
        let doorway = Box::leak(Box::new(Doorway { srt, porter }));
        let listening = || {
            srt.set_number(socket, Flag::ReceiveBlocks, 0)?;
            srt.set_number(socket, Flag::EnforceEncryption, 1)?;
            srt.set_number(socket, Flag::OldestPeer, OLDEST_PEER)?;
            srt.set_number(socket, Flag::PeerIdleTimeout, PEER_IDLE_MS)?;
            srt.listen(socket, address, doorway)?;
            srt.watch(socket)
        };
        if let Err(error) = listening() {
            srt.close(socket);
            return Err(error);
        }
        if let Some(before) = self.listener.replace(socket) {
            srt.close(before);
        }
        Ok(srt.local(socket).unwrap_or(address))
    }

    fn open(&mut self, open: Open) {
        let source = open.source;
        match &open.way {
            Way::Listen { stream_id } => self.register.add(
                source,
                stream_id.clone(),
                open.passphrase,
                open.key_length,
                open.latency_ms,
            ),
            Way::Call { address, .. } => {
                if self.call(&open, *address).is_err() {
                    let why = End::Failed;
                    self.outbox.say(&FromWorker::Ended { source, why });
                }
            }
        }
    }

    fn call(&mut self, open: &Open, address: SocketAddr) -> Result<(), Failed> {
        let srt = self.srt;
        let socket = srt.create()?;
        let calling = || {
            srt.set_number(socket, Flag::ReceiveBlocks, 0)?;
            srt.set_number(socket, Flag::ConnectTimeout, CONNECT_MS)?;
            srt.set_number(socket, Flag::PeerIdleTimeout, PEER_IDLE_MS)?;
            srt.set_number(socket, Flag::ReceiveLatency, open.latency_ms.into())?;
            if let Way::Call {
                stream_id: Some(stream_id),
                ..
            } = &open.way
            {
                let stream_id = stream_id.expose_secret().as_bytes();
                srt.set(socket, Flag::StreamId, stream_id)?;
            }
            if let Some(passphrase) = &open.passphrase {
                let text = passphrase.expose_secret().as_bytes();
                srt.set(socket, Flag::Passphrase, text)?;
                if open.key_length != KeyLength::Any {
                    let bytes = open.key_length.bytes().into();
                    srt.set_number(socket, Flag::KeyLength, bytes)?;
                }
            }
            srt.watch(socket)?;
            srt.connect(socket, address)
        };
        if let Err(error) = calling() {
            srt.close(socket);
            return Err(error);
        }
        let link = Link {
            source: open.source,
            is_calling: true,
            peer: address,
            sequence: None,
        };
        self.links.insert(socket, link);
        Ok(())
    }

    fn see(&mut self, event: Event) {
        let socket = event.socket;
        if Some(socket) == self.listener {
            return self.let_in();
        }
        let Some(link) = self.links.get_mut(&socket) else {
            return self.srt.close(socket);
        };
        if link.is_calling {
            if event.broken {
                let why = self.why_refused(socket);
                return self.end(socket, why);
            }
            if !event.writable {
                return;
            }
            link.is_calling = false;
            let _ = self.srt.watch_again(socket);
            self.connected(socket);
            return;
        }
        if event.readable {
            self.receive(socket);
        }
        // What arrived before it broke is readable still.
        if event.broken && !event.readable {
            self.end(socket, End::Lost);
        }
    }

    fn let_in(&mut self) {
        let Some(listener) = self.listener else {
            return;
        };
        while let Ok(socket) = self.srt.accept(listener) {
            let Some((source, replaced)) = self.register.came_in(socket, now()) else {
                // Its source was closed meanwhile.
                self.srt.close(socket);
                continue;
            };
            if let Some(replaced) = replaced {
                self.end(replaced, End::Lost);
            }
            let link = Link {
                source,
                is_calling: false,
                peer: self.srt.peer(socket).unwrap_or(UNKNOWN),
                sequence: None,
            };
            self.links.insert(socket, link);
            let ready = self.srt.set_number(socket, Flag::ReceiveBlocks, 0);
            if ready.and_then(|()| self.srt.watch(socket)).is_err() {
                self.end(socket, End::Failed);
                continue;
            }
            self.connected(socket);
        }
    }

    fn connected(&self, socket: Socket) {
        if let Some(Link { source, peer, .. }) = self.links.get(&socket) {
            let (source, peer) = (*source, *peer);
            self.outbox.say(&FromWorker::Connected { source, peer });
        }
    }

    fn receive(&mut self, socket: Socket) {
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        let source = link.source;
        let mut bytes = Vec::with_capacity(4 * MESSAGE_MAX);
        let mut place = [0; MESSAGE_MAX];
        let mut failed = None;
        for _ in 0..BURST {
            let received = match self.srt.receive(socket, &mut place) {
                Ok(received) => received,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let follows = link
                .sequence
                .replace(received.sequence)
                .is_none_or(|last| received.sequence == last.wrapping_add(1) & i32::MAX);
            if !follows || MEDIA_MAX < bytes.len() + received.len {
                send(&self.outbox, source, &mut bytes);
            }
            if !follows {
                self.outbox.gap(source);
            }
            bytes.extend_from_slice(place.get(..received.len).unwrap_or_default());
        }
        if !bytes.is_empty() {
            self.register.heard(source, now());
        }
        send(&self.outbox, source, &mut bytes);
        if failed.is_some_and(|error| !error.is_would_block()) {
            self.end(socket, End::Lost);
        }
    }

    fn why_refused(&self, socket: Socket) -> End {
        const PEER: i32 = 2;
        const BAD_SECRET: i32 = 10;
        const UNSECURE: i32 = 11;
        const TIMEOUT: i32 = 16;
        match self.srt.reject_reason(socket) {
            BAD_SECRET | UNSECURE => End::Passphrase,
            TIMEOUT | 0 => End::NoAnswer,
            reason => End::Rejected(u16::try_from(reason).unwrap_or(PEER as u16)),
        }
    }

    fn end(&mut self, socket: Socket, why: End) {
        self.srt.close(socket);
        if let Some(link) = self.links.remove(&socket) {
            let source = link.source;
            self.register.left(source, socket);
            self.outbox.say(&FromWorker::Ended { source, why });
        }
    }

    /// What nobody tells of: who was refused by libsrt, and how connections fare.
    fn look_after(&mut self) {
        let now = now();
        for pending in self.register.pending() {
            let waited = now.duration_since(pending.since);
            let is_over = self.srt.state(pending.socket) == State::Over;
            if AGREE_MAX < waited || (is_over && REFUSED_AFTER < waited) {
                self.register.was_refused(&pending);
            }
        }
        for ((source, why), count) in self.register.refusals() {
            self.outbox.say(&FromWorker::Refused { source, why, count });
        }
        if now.duration_since(self.told) < Duration::from_secs(1) {
            return;
        }
        self.told = now;
        for (socket, link) in self.links.iter().filter(|(_, link)| !link.is_calling) {
            if let Some(stats) = self.srt.stats(*socket) {
                let source = link.source;
                self.outbox.say(&FromWorker::Stats { source, stats });
            }
        }
    }
}

fn send(outbox: &Outbox, source: u32, bytes: &mut Vec<u8>) {
    if !bytes.is_empty() {
        let bytes = std::mem::take(bytes);
        outbox.say(&FromWorker::Media { source, bytes });
    }
}
