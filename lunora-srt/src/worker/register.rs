//! Which sources there are, and who may come in as which.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::c_int,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    library::{Flag, Porter, Socket, Srt},
    protocol::{KeyLength, Refusal},
};

/// A source that sent nothing for this long is replaced by one that calls now: most likely it is
/// the same one, come back after its network broke.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// Reasons as SRT's access control names them.
const FORBIDDEN: c_int = 1_403;
const BAD_MODE: c_int = 1_405;
const CONFLICT: c_int = 1_409;
const INTERNAL: c_int = 1_500;

/// What the porter knows, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Register(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sources: BTreeMap<u32, Source>,
    /// By stream id. Hashed with chance, so how long a look takes says nothing about a guess.
    by_stream: HashMap<String, u32>,
    /// Takes who names no stream that is known.
    any: Option<u32>,
    pending: Vec<Pending>,
    refused: BTreeMap<(Option<u32>, Refusal), u32>,
}

/// A source that calls.
#[derive(Debug)]
struct Source {
    stream: Option<SecretString>,
    passphrase: Option<SecretString>,
    key_length: KeyLength,
    latency_ms: u16,
    link: Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Free,
    /// Let in by us; libsrt has still to agree about the passphrase.
    Pending,
    Up {
        socket: Socket,
        heard: Instant,
    },
}

/// Who was let in by us and has not come in yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) socket: Socket,
    pub(crate) source: u32,
    pub(crate) since: Instant,
}

/// What a caller names: a stream, and whether it sends.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    stream: &'a str,
    sends: bool,
}

impl<'a> Named<'a> {
    /// A stream id, plain or in the form that SRT's access control recommends.
    fn parse(stream_id: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(stream_id).ok()?;
        // The second is the first as it stands in a URL, which not every encoder decodes.
        let fields = text.strip_prefix("#!::");
        let Some(fields) = fields.or_else(|| text.strip_prefix("%23!::")) else {
            let sends = true;
            return Some(Self {
                stream: text,
                sends,
            });
        };
        let (mut stream, mut sends) = ("", true);
        for field in fields.split(',') {
            match field.split_once('=')? {
                ("r", resource) => stream = resource,
                ("m", mode) => sends = mode == "publish",
                _ => {}
            }
        }
        Some(Self { stream, sends })
    }
}

impl Register {
    /// Lets a source call from now on.
    pub(crate) fn add(
        &self,
        number: u32,
        stream: Option<SecretString>,
        passphrase: Option<SecretString>,
        key_length: KeyLength,
        latency_ms: u16,
    ) {
        let mut inner = self.lock();
        match &stream {
            Some(stream) => {
                let stream = stream.expose_secret().to_owned();
                inner.by_stream.insert(stream, number);
            }
            None => inner.any = Some(number),
        }
        let source = Source {
            stream,
            passphrase,
            key_length,
            latency_ms,
            link: Link::Free,
        };
        inner.sources.insert(number, source);
    }

    /// Lets it call no more; returns its connection.
    pub(crate) fn remove(&self, number: u32) -> Option<Socket> {
        let mut inner = self.lock();
        let source = inner.sources.remove(&number)?;
        let named = source.stream.as_ref().map(|stream| stream.expose_secret());
        if let Some(stream) = named
            && inner.by_stream.get(stream) == Some(&number)
        {
            inner.by_stream.remove(stream);
        }
        inner.any = inner.any.filter(|any| *any != number);
        match source.link {
            Link::Up { socket, .. } => Some(socket),
            Link::Free | Link::Pending => None,
        }
    }

    /// It has come in; returns as which source, and a connection that it replaces.
    pub(crate) fn came_in(&self, socket: Socket, now: Instant) -> Option<(u32, Option<Socket>)> {
        let mut inner = self.lock();
        let at = inner.pending.iter().position(|it| it.socket == socket)?;
        let number = inner.pending.swap_remove(at).source;
        let source = inner.sources.get_mut(&number)?;
        let heard = now;
        let before = std::mem::replace(&mut source.link, Link::Up { socket, heard });
        match before {
            Link::Up { socket, .. } => Some((number, Some(socket))),
            Link::Free | Link::Pending => Some((number, None)),
        }
    }

    /// It sends.
    pub(crate) fn heard(&self, number: u32, now: Instant) {
        if let Some(source) = self.lock().sources.get_mut(&number)
            && let Link::Up { heard, .. } = &mut source.link
        {
            *heard = now;
        }
    }

    /// It is not connected any more.
    pub(crate) fn left(&self, number: u32, gone: Socket) {
        if let Some(source) = self.lock().sources.get_mut(&number)
            && matches!(source.link, Link::Up { socket, .. } if socket == gone)
        {
            source.link = Link::Free;
        }
    }

    pub(crate) fn pending(&self) -> Vec<Pending> {
        self.lock().pending.clone()
    }

    /// libsrt has refused it after all.
    ///
    /// It does so within the handshake, and where it says why is gone with the socket. What it
    /// compares there beside passphrases is what live streams never differ in.
    pub(crate) fn was_refused(&self, refused: &Pending) {
        let mut inner = self.lock();
        inner.pending.retain(|it| it.socket != refused.socket);
        if let Some(source) = inner.sources.get_mut(&refused.source)
            && source.link == Link::Pending
        {
            source.link = Link::Free;
        }
        inner.refuse(Some(refused.source), Refusal::Passphrase);
    }

    /// Who was refused since this was asked last, and how often.
    pub(crate) fn refusals(&self) -> BTreeMap<(Option<u32>, Refusal), u32> {
        std::mem::take(&mut self.lock().refused)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn refuse(&mut self, source: Option<u32>, why: Refusal) {
        let count = self.refused.entry((source, why)).or_default();
        *count = count.saturating_add(1);
    }

    /// Which source this caller is, or why it is refused.
    fn find(&self, stream_id: &[u8], now: Instant) -> Result<u32, (Option<u32>, Refusal)> {
        let named = Named::parse(stream_id);
        let known = named
            .as_ref()
            .and_then(|it| self.by_stream.get(it.stream).copied());
        let number = known.or(self.any).ok_or((None, Refusal::UnknownStream))?;
        let refused = |why| Err((Some(number), why));
        if named.is_some_and(|it| !it.sends) {
            return refused(Refusal::Receiver);
        }
        match self.sources.get(&number).map(|it| it.link) {
            None => Err((None, Refusal::UnknownStream)),
            Some(Link::Pending) => refused(Refusal::Busy),
            Some(Link::Up { heard, .. }) if now.duration_since(heard) < SILENT_AFTER => {
                refused(Refusal::Busy)
            }
            Some(Link::Up { .. } | Link::Free) => Ok(number),
        }
    }

    /// Lets a caller in as far as it is up to us.
    fn expect(&mut self, number: u32, socket: Socket, since: Instant) {
        self.pending.push(Pending {
            socket,
            source: number,
            since,
        });
        if let Some(source) = self.sources.get_mut(&number)
            && source.link == Link::Free
        {
            source.link = Link::Pending;
        }
    }
}

impl Porter for std::sync::Arc<Register> {
    fn admit(&self, srt: &Srt, socket: Socket, stream_id: &[u8]) -> Result<(), c_int> {
        let now = super::now();
        let mut inner = self.lock();
        let number = inner.find(stream_id, now).map_err(|(source, why)| {
            inner.refuse(source, why);
            match why {
                Refusal::UnknownStream | Refusal::Passphrase => FORBIDDEN,
                Refusal::Busy => CONFLICT,
                Refusal::Receiver => BAD_MODE,
            }
        })?;
        let source = inner.sources.get(&number).ok_or(FORBIDDEN)?;
        let set = set_up(srt, socket, source);
        set.map_err(|_| INTERNAL)?;
        inner.expect(number, socket, now);
        Ok(())
    }
}

fn set_up(srt: &Srt, socket: Socket, source: &Source) -> Result<(), crate::library::Failed> {
    if let Some(passphrase) = &source.passphrase {
        let text = passphrase.expose_secret().as_bytes();
        srt.set(socket, Flag::Passphrase, text)?;
        if source.key_length != KeyLength::Any {
            // Of no effect where the caller asks for another: it chooses.
            let bytes = source.key_length.bytes().into();
            srt.set_number(socket, Flag::KeyLength, bytes)?;
        }
    }
    srt.set_number(socket, Flag::ReceiveLatency, source.latency_ms.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> Register {
        let register = Register::default();
        let latency = 120;
        register.add(1, Some("one".into()), None, KeyLength::Any, latency);
        register.add(
            2,
            Some("two".into()),
            Some("passphrase".into()),
            KeyLength::Aes256,
            latency,
        );
        register
    }

    fn find(register: &Register, stream_id: &str) -> Result<u32, (Option<u32>, Refusal)> {
        register
            .lock()
            .find(stream_id.as_bytes(), super::super::now())
    }

    #[test]
    fn the_stream_id_says_which_source_it_is() {
        let register = register();

        assert_eq!(find(&register, "one"), Ok(1));
        assert_eq!(find(&register, "#!::r=two,m=publish,u=me"), Ok(2));
        assert_eq!(find(&register, "%23!::r=two"), Ok(2));
        assert_eq!(
            find(&register, "#!::m=request,r=two"),
            Err((Some(2), Refusal::Receiver))
        );
        for unknown in ["", "on", "one ", "#!::r=tw", "#!::r", "ONE"] {
            assert_eq!(
                find(&register, unknown),
                Err((None, Refusal::UnknownStream)),
                "{unknown}"
            );
        }
        register.add(3, None, None, KeyLength::Any, 120);
        assert_eq!(find(&register, "whoever"), Ok(3));
        register.remove(3);
        register.remove(1);
        assert_eq!(find(&register, "one"), Err((None, Refusal::UnknownStream)));
    }
}
