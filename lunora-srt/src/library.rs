//! libsrt, as far as a worker needs it. All that is unsafe in this workspace is here.
//!
//! What stands below was written from `srt.h` of libsrt 1.5; the functions, the options and the
//! beginnings of the structs are the same from 1.4.2 on, which is the oldest that is taken.

#![expect(unsafe_code, reason = "libsrt is a C library")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fmt, mem,
    net::SocketAddr,
};

use libloading::Library;
use socket2::SockAddr;

/// How libsrt is called by those who package it, the newest first.
const NAMES: [&str; 10] = [
    "libsrt.so.1.5",
    "libsrt-openssl.so.1.5",
    "libsrt-gnutls.so.1.5",
    "libsrt.so.1",
    "libsrt.so.1.4",
    "libsrt-openssl.so.1.4",
    "libsrt-gnutls.so.1.4",
    "libsrt.so",
    "libsrt.1.5.dylib",
    "libsrt.dylib",
];

/// The oldest whose structs are known.
const OLDEST: u32 = 0x01_04_02;

/// libsrt is not there, or is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing;

/// A call failed, with libsrt's own number for why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) c_int);

impl Failed {
    /// Nothing is there yet.
    pub(crate) const fn is_would_block(self) -> bool {
        const ASYNC: c_int = 6_000;
        self.0 / 1_000 * 1_000 == ASYNC
    }
}

/// A socket of libsrt. Closing it is up to its owner; a number is not used again for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Socket(c_int);

/// What can be set on a socket, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Flag {
    ReceiveBlocks = 2,
    Passphrase = 26,
    KeyLength = 27,
    ConnectTimeout = 36,
    ReceiveLatency = 43,
    OldestPeer = 45,
    StreamId = 46,
    EnforceEncryption = 53,
    PeerIdleTimeout = 55,
}

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It may become connected.
    Early,
    Connected,
    Over,
}

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) socket: Socket,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) broken: bool,
}

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) len: usize,
    /// The number of its packet, of 31 bits.
    pub(crate) sequence: i32,
}

/// Asked about everybody who calls: whether to let them in. libsrt calls it from a thread of its own.
pub(crate) trait Porter: Send + Sync + 'static {
    /// Sets up the new socket and lets it in, or says with which reject reason it is refused.
    fn admit(&self, srt: &Srt, socket: Socket, stream_id: &[u8]) -> Result<(), c_int>;
}

/// The beginning of libsrt's statistics, and room for all that newer versions put behind it.
#[repr(C)]
struct RawStats {
    ms_time_stamp: i64,
    pkt_sent_total: i64,
    pkt_recv_total: i64,
    pkt_snd_loss_total: c_int,
    pkt_rcv_loss_total: c_int,
    pkt_retrans_total: c_int,
    pkt_sent_ack_total: c_int,
    pkt_recv_ack_total: c_int,
    pkt_sent_nak_total: c_int,
    pkt_recv_nak_total: c_int,
    us_snd_duration_total: i64,
    pkt_snd_drop_total: c_int,
    pkt_rcv_drop_total: c_int,
    pkt_rcv_undecrypt_total: c_int,
    bytes_total: [u64; 7],
    pkt_sent: i64,
    pkt_recv: i64,
    pkt_snd_loss: c_int,
    pkt_rcv_loss: c_int,
    pkt_retrans: c_int,
    pkt_rcv_retrans: c_int,
    acks_and_naks: [c_int; 4],
    rates: [f64; 2],
    us_snd_duration: i64,
    pkt_reorder_distance: c_int,
    pkt_rcv_avg_belated_time: f64,
    pkt_rcv_belated: i64,
    drops: [c_int; 3],
    bytes: [u64; 7],
    us_pkt_snd_period: f64,
    windows_and_flight: [c_int; 3],
    ms_rtt: f64,
    rest: [u64; 128],
}

/// What came with a message. `SRT_MSGCTRL`, with the two fields that 1.4.2 brought.
#[repr(C)]
struct Control {
    flags: c_int,
    ttl: c_int,
    in_order: c_int,
    boundary: c_int,
    source_time: i64,
    packet_sequence: i32,
    message_number: i32,
    group_data: *mut c_void,
    group_data_size: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RawEvent {
    socket: c_int,
    events: c_int,
}

type ListenHook =
    unsafe extern "C" fn(*mut c_void, c_int, c_int, *const c_void, *const c_char) -> c_int;

/// Declares the table of functions and how it is filled.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl Functions {
            /// # Safety
            ///
            /// The library must be libsrt.
            unsafe fn find(library: &Library) -> Option<Self> {
                Some(Self {
                    $($name: {
                        // SAFETY: in libsrt, the symbol of this name is a function of this type.
                        let symbol = unsafe { library.get(concat!(stringify!($name), "\0")) };
                        *symbol.ok()?
                    },)*
                })
            }
        }
    };
}

functions! {
    srt_startup() -> c_int;
    srt_getversion() -> u32;
    srt_setloglevel(c_int) -> ();
    srt_create_socket() -> c_int;
    srt_bind(c_int, *const c_void, c_int) -> c_int;
    srt_listen(c_int, c_int) -> c_int;
    srt_listen_callback(c_int, ListenHook, *mut c_void) -> c_int;
    srt_accept(c_int, *mut c_void, *mut c_int) -> c_int;
    srt_connect(c_int, *const c_void, c_int) -> c_int;
    srt_close(c_int) -> c_int;
    srt_getsockname(c_int, *mut c_void, *mut c_int) -> c_int;
    srt_getpeername(c_int, *mut c_void, *mut c_int) -> c_int;
    srt_setsockflag(c_int, c_int, *const c_void, c_int) -> c_int;
    srt_recvmsg2(c_int, *mut c_char, c_int, *mut Control) -> c_int;
    srt_getlasterror(*mut c_int) -> c_int;
    srt_getsockstate(c_int) -> c_int;
    srt_getrejectreason(c_int) -> c_int;
    srt_setrejectreason(c_int, c_int) -> c_int;
    srt_bstats(c_int, *mut RawStats, c_int) -> c_int;
    srt_epoll_create() -> c_int;
    srt_epoll_set(c_int, i32) -> i32;
    srt_epoll_add_usock(c_int, c_int, *const c_int) -> c_int;
    srt_epoll_remove_usock(c_int, c_int) -> c_int;
    srt_epoll_uwait(c_int, *mut RawEvent, c_int, i64) -> c_int;
}

/// libsrt, loaded and started. It stays so until the process ends.
pub(crate) struct Srt {
    call: Functions,
    epoll: c_int,
}

impl fmt::Debug for Srt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Srt({:#x})", self.version_number())
    }
}

impl Srt {
    /// Loads this file, or else the first of the usual names that is there.
    pub(crate) fn load(file: Option<&str>) -> Result<&'static Self, Missing> {
        let found = match file {
            Some(file) => Self::open(file),
            None => NAMES.into_iter().find_map(Self::open),
        };
        // It is never unloaded: its threads run until the end.
        found.map(|srt| &*Box::leak(Box::new(srt))).ok_or(Missing)
    }

    fn open(name: &str) -> Option<Self> {
        const LOG_CRITICAL: c_int = 2;
        const MAY_BE_EMPTY: i32 = 1;
        // SAFETY: what libsrt does when it is loaded is to set up its own statics.
        let library = unsafe { Library::new(name) }.ok()?;
        // SAFETY: a library of this name with all of these symbols is libsrt.
        let call = unsafe { Functions::find(&library) }?;
        mem::forget(library);
        // SAFETY: it takes nothing and may be called at any time.
        if unsafe { (call.srt_getversion)() } < OLDEST {
            return None;
        }
        // SAFETY: as above; whatever else is called is called after it.
        if unsafe { (call.srt_startup)() } < 0 {
            return None;
        }
        // SAFETY: it takes a number. What it logs may say stream ids, and has no reader.
        unsafe { (call.srt_setloglevel)(LOG_CRITICAL) };
        // SAFETY: it takes nothing.
        let epoll = unsafe { (call.srt_epoll_create)() };
        // SAFETY: it takes the set just made, and a flag.
        unsafe { (call.srt_epoll_set)(epoll, MAY_BE_EMPTY) };
        (0 <= epoll).then_some(Self { call, epoll })
    }

    fn version_number(&self) -> u32 {
        // SAFETY: it takes nothing.
        unsafe { (self.call.srt_getversion)() }
    }

    pub(crate) fn version(&self) -> [u8; 3] {
        let [_, major, minor, patch] = self.version_number().to_be_bytes();
        [major, minor, patch]
    }

    pub(crate) fn create(&self) -> Result<Socket, Failed> {
        // SAFETY: it takes nothing.
        self.check(unsafe { (self.call.srt_create_socket)() })
            .map(Socket)
    }

    pub(crate) fn set_number(
        &self,
        socket: Socket,
        flag: Flag,
        number: c_int,
    ) -> Result<(), Failed> {
        self.set(socket, flag, &number.to_ne_bytes())
    }

    /// libsrt reads numbers as numbers, and switches as numbers too.
    pub(crate) fn set(&self, socket: Socket, flag: Flag, value: &[u8]) -> Result<(), Failed> {
        let len = c_int::try_from(value.len()).map_err(|_| Failed(0))?;
        let value = value.as_ptr().cast();
        // SAFETY: so many bytes can be read there, and libsrt copies them. Numbers have four, which
        // it asks for; it reads them by a copy of bytes or from what any allocation is aligned to.
        let result = unsafe { (self.call.srt_setsockflag)(socket.0, flag as c_int, value, len) };
        self.check(result).map(drop)
    }

    /// Binds it and listens; each caller is shown to the porter first.
    pub(crate) fn listen(
        &self,
        socket: Socket,
        address: SocketAddr,
        porter: &'static Doorway,
    ) -> Result<(), Failed> {
        const BACKLOG: c_int = 32;
        let address = SockAddr::from(address);
        let len = c_int::try_from(address.len()).map_err(|_| Failed(0))?;
        // SAFETY: the address is one of the system's, of that length.
        self.check(unsafe { (self.call.srt_bind)(socket.0, address.as_ptr().cast(), len) })?;
        let opaque = std::ptr::from_ref(porter).cast_mut().cast();
        // SAFETY: the hook is of libsrt's type, and what it is given lives for ever, is shared
        // between threads, and is only read.
        self.check(unsafe { (self.call.srt_listen_callback)(socket.0, admit, opaque) })?;
        // SAFETY: it takes numbers.
        self.check(unsafe { (self.call.srt_listen)(socket.0, BACKLOG) })
            .map(drop)
    }

    pub(crate) fn accept(&self, listener: Socket) -> Result<Socket, Failed> {
        let nowhere = std::ptr::null_mut();
        // SAFETY: both places for the address may be null.
        let result = unsafe { (self.call.srt_accept)(listener.0, nowhere, nowhere.cast()) };
        self.check(result).map(Socket)
    }

    pub(crate) fn connect(&self, socket: Socket, address: SocketAddr) -> Result<(), Failed> {
        let address = SockAddr::from(address);
        let len = c_int::try_from(address.len()).map_err(|_| Failed(0))?;
        // SAFETY: the address is one of the system's, of that length.
        let result = unsafe { (self.call.srt_connect)(socket.0, address.as_ptr().cast(), len) };
        self.check(result).map(drop)
    }

    pub(crate) fn close(&self, socket: Socket) {
        // SAFETY: it takes numbers; of sockets that it does not know it says so.
        unsafe {
            (self.call.srt_epoll_remove_usock)(self.epoll, socket.0);
            (self.call.srt_close)(socket.0);
        }
    }

    /// Where a socket listens.
    pub(crate) fn local(&self, socket: Socket) -> Option<SocketAddr> {
        self.address(socket, self.call.srt_getsockname)
    }

    /// With whom a socket is connected.
    pub(crate) fn peer(&self, socket: Socket) -> Option<SocketAddr> {
        self.address(socket, self.call.srt_getpeername)
    }

    fn address(
        &self,
        socket: Socket,
        ask: unsafe extern "C" fn(c_int, *mut c_void, *mut c_int) -> c_int,
    ) -> Option<SocketAddr> {
        let fill = |storage: *mut socket2::SockAddrStorage, len: *mut socket2::socklen_t| {
            // SAFETY: `try_init` gives a place for any address and its length, which is an
            // unsigned number of the size of libsrt's signed one.
            let result = unsafe { ask(socket.0, storage.cast(), len.cast()) };
            self.check(result)
                .map_err(|_| std::io::Error::other("libsrt does not say"))
        };
        // SAFETY: when it succeeds, libsrt has written an address and its length there.
        let (_, address) = unsafe { SockAddr::try_init(fill) }.ok()?;
        address.as_socket()
    }

    pub(crate) fn receive(&self, socket: Socket, place: &mut [u8]) -> Result<Received, Failed> {
        let mut control = Control {
            flags: 0,
            ttl: -1,
            in_order: 0,
            boundary: 0,
            source_time: 0,
            packet_sequence: -1,
            message_number: -1,
            group_data: std::ptr::null_mut(),
            group_data_size: 0,
        };
        let len = c_int::try_from(place.len()).unwrap_or(c_int::MAX);
        // SAFETY: so many bytes can be written there, and the control is one, without group data.
        let result = unsafe {
            (self.call.srt_recvmsg2)(socket.0, place.as_mut_ptr().cast(), len, &raw mut control)
        };
        let len = self.check(result)?;
        Ok(Received {
            len: usize::try_from(len).unwrap_or(0).min(place.len()),
            sequence: control.packet_sequence,
        })
    }

    pub(crate) fn state(&self, socket: Socket) -> State {
        // SAFETY: it takes a number.
        match unsafe { (self.call.srt_getsockstate)(socket.0) } {
            1..=4 => State::Early,
            5 => State::Connected,
            _ => State::Over,
        }
    }

    /// Why a call of ours was refused, by libsrt's numbers and those of the other side.
    pub(crate) fn reject_reason(&self, socket: Socket) -> c_int {
        // SAFETY: it takes a number.
        unsafe { (self.call.srt_getrejectreason)(socket.0) }
    }

    pub(crate) fn stats(&self, socket: Socket) -> Option<crate::protocol::Stats> {
        // SAFETY: all of it are numbers, for which zeros are a value.
        let mut raw: RawStats = unsafe { mem::zeroed() };
        // SAFETY: the place has the layout of libsrt's struct and is larger.
        let result = unsafe { (self.call.srt_bstats)(socket.0, &raw mut raw, 0) };
        self.check(result).ok()?;
        let count = |number: c_int| u64::try_from(number).unwrap_or(0);
        let rtt = (raw.ms_rtt * 1_000.0).clamp(0.0, f64::from(u32::MAX));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is clamped"
        )]
        Some(crate::protocol::Stats {
            received: u64::try_from(raw.pkt_recv_total).unwrap_or(0),
            lost: count(raw.pkt_rcv_loss_total),
            // Never cleared, so it counts from the beginning.
            retransmitted: count(raw.pkt_rcv_retrans),
            dropped: count(raw.pkt_rcv_drop_total),
            undecrypted: count(raw.pkt_rcv_undecrypt_total),
            rtt_us: rtt as u32,
        })
    }

    /// Tells of a socket from now on.
    pub(crate) fn watch(&self, socket: Socket) -> Result<(), Failed> {
        const IN_OUT_ERROR: c_int = 0x1 | 0x4 | 0x8;
        const IN_ERROR: c_int = 0x1 | 0x8;
        // A connected one can always be written to, which is no news.
        let events = if self.state(socket) == State::Early {
            IN_OUT_ERROR
        } else {
            IN_ERROR
        };
        // SAFETY: the place of the events is read during the call.
        let result =
            unsafe { (self.call.srt_epoll_add_usock)(self.epoll, socket.0, &raw const events) };
        self.check(result).map(drop)
    }

    /// Looks anew at a socket that is connected now.
    pub(crate) fn watch_again(&self, socket: Socket) -> Result<(), Failed> {
        // SAFETY: it takes numbers.
        unsafe { (self.call.srt_epoll_remove_usock)(self.epoll, socket.0) };
        self.watch(socket)
    }

    /// Waits for something to happen, for so many milliseconds at most.
    pub(crate) fn wait(&self, wait_ms: i64, events: &mut Vec<Event>) {
        const ROOM: usize = 64;
        let nothing = RawEvent {
            socket: -1,
            events: 0,
        };
        let mut raw = [nothing; ROOM];
        // SAFETY: there is room for so many events.
        let count = unsafe {
            (self.call.srt_epoll_uwait)(self.epoll, raw.as_mut_ptr(), ROOM as c_int, wait_ms)
        };
        let count = usize::try_from(count).unwrap_or(0);
        events.extend(raw.iter().take(count).map(|event| Event {
            socket: Socket(event.socket),
            readable: event.events & 0x1 != 0,
            writable: event.events & 0x4 != 0,
            broken: event.events & 0x8 != 0,
        }));
    }

    fn refuse(&self, socket: Socket, reason: c_int) {
        // SAFETY: it takes numbers.
        unsafe { (self.call.srt_setrejectreason)(socket.0, reason) };
    }

    fn check(&self, result: c_int) -> Result<c_int, Failed> {
        if 0 <= result {
            return Ok(result);
        }
        // SAFETY: the place of the system's own error may be null.
        Err(Failed(unsafe {
            (self.call.srt_getlasterror)(std::ptr::null_mut())
        }))
    }
}

/// What libsrt hands back with every caller.
pub(crate) struct Doorway {
    pub(crate) srt: &'static Srt,
    pub(crate) porter: Box<dyn Porter>,
}

/// # Safety
///
/// libsrt calls it with the [`Doorway`] that it was given, and a stream id that ends with a zero.
unsafe extern "C" fn admit(
    opaque: *mut c_void,
    socket: c_int,
    _handshake: c_int,
    _peer: *const c_void,
    stream_id: *const c_char,
) -> c_int {
    // SAFETY: it is what `listen` gave, which lives for ever and is only read.
    let doorway = unsafe { &*opaque.cast_const().cast::<Doorway>() };
    let stream_id = if stream_id.is_null() {
        &[]
    } else {
        // SAFETY: libsrt ends it with a zero, and it stays while this runs.
        unsafe { CStr::from_ptr(stream_id) }.to_bytes()
    };
    let socket = Socket(socket);
    match doorway.porter.admit(doorway.srt, socket, stream_id) {
        Ok(()) => 0,
        Err(reason) => {
            doorway.srt.refuse(socket, reason);
            -1
        }
    }
}

/// Ends the process at once, without what C++ libraries do at the end: they may wait for a thread
/// that hangs.
pub(crate) fn exit_at_once(code: i32) -> ! {
    unsafe extern "C" {
        safe fn _exit(code: c_int) -> !;
    }
    _exit(code)
}
