//! Takes publishes from any RTMP client, for little CPU time.
//!
//! The relay's own session code answers until a publish is accepted. From then
//! on only [`Scanner`] reads, which looks at no payload.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::ready,
    time::Duration,
};

use lunora_core::ExposeSecret;
use lunora_relay::wire::{
    handshake::{Progress, RANDOM_LEN, ServerHandshake},
    server::{ServerEvent, ServerSession},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpListener,
    sync::mpsc,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use crate::{recording::Order, scan::Scanner, tally::Tally};

/// What is read at once: a frame of any usual size.
const BUFFER: usize = 256 * 1024;

thread_local! {
    /// One for all connections, so that a hundred of them do not empty the caches that the measured
    /// process works in.
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// What a receiver knows about all publishes, those that ended too.
#[derive(Clone, Debug)]
pub struct Receiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tallies: Mutex<Vec<Tally>>,
    order: Option<Order>,
    begun: Instant,
    first_pictures: Option<mpsc::UnboundedSender<FirstPicture>>,
}

/// The first picture of a publish has arrived.
#[derive(Clone, Debug)]
pub struct FirstPicture {
    /// Of which one.
    pub key: String,
    /// When.
    pub at: Instant,
    /// Whether it was a keyframe, after the sequence headers of video and audio.
    pub began_well: bool,
}

impl Receiver {
    /// One that knows which pictures to expect, if it is told their order.
    #[must_use]
    pub fn new(order: Option<Order>) -> Self {
        Self::with(order, None)
    }

    /// One that tells of each first picture at once.
    #[must_use]
    pub fn telling() -> (Self, mpsc::UnboundedReceiver<FirstPicture>) {
        let (tell, told) = mpsc::unbounded_channel();
        (Self::with(None, Some(tell)), told)
    }

    fn with(
        order: Option<Order>,
        first_pictures: Option<mpsc::UnboundedSender<FirstPicture>>,
    ) -> Self {
        Self(Arc::new(Shared {
            tallies: Mutex::default(),
            order,
            begun: Instant::now(),
            first_pictures,
        }))
    }

    /// All publishes so far, the oldest first.
    pub fn tallies(&self) -> MutexGuard<'_, Vec<Tally>> {
        let tallies = self.0.tallies.lock();
        tallies.unwrap_or_else(PoisonError::into_inner)
    }

    /// Receives for ever.
    pub async fn serve(self, listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let (receiver, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                // How a connection ends is the business of whoever is measured.
                let _ = match tls {
                    None => receiver.visit(socket).await,
                    Some(tls) => match tls.accept(socket).await {
                        Ok(stream) => receiver.visit(stream).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    }

    async fn visit<S>(&self, mut stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut scanner = Scanner::default();
        let index = self.admit(&mut stream, &mut scanner).await?;
        let ended = loop {
            let read = poll_fn(|context| {
                SHARED.with_borrow_mut(|buffer| {
                    let mut buffer = ReadBuf::new(buffer);
                    ready!(Pin::new(&mut stream).poll_read(context, &mut buffer))?;
                    self.take(index, &mut scanner, buffer.filled())?;
                    Ok(buffer.filled().len()).into()
                })
            });
            match read.await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.tallies()[index].ended = true;
        ended
    }

    fn take(&self, index: usize, scanner: &mut Scanner, input: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let elapsed = now.duration_since(self.0.begun);
        let mut tallies = self.tallies();
        let tally = &mut tallies[index];
        tally.bytes += input.len() as u64;
        let scanned = scanner.scan(input, |message| {
            let is_first = tally.take(message, elapsed);
            if let (true, Some(told)) = (is_first, &self.0.first_pictures) {
                // Nobody listens any more once all that was asked for is measured.
                let _ = told.send(FirstPicture {
                    key: tally.key.clone(),
                    at: now,
                    began_well: tally.began_well,
                });
            }
        });
        scanned.map_err(io::Error::other)
    }

    /// From the handshake to the accepted publish; which one it is.
    async fn admit<S>(&self, stream: &mut S, scanner: &mut Scanner) -> io::Result<usize>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut buffer = vec![0; 4096];
        let mut random = [0; RANDOM_LEN];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut handshake = ServerHandshake::new(&random);
        let mut session = ServerSession::new();
        let mut is_handshaken = false;
        loop {
            let len = stream.read(&mut buffer).await?;
            let mut input = buffer.get(..len).filter(|input| !input.is_empty());
            if !is_handshaken {
                let bytes = input.ok_or(io::ErrorKind::UnexpectedEof)?;
                let progress = handshake.handle_input(bytes).map_err(io::Error::other)?;
                while let Some(bytes) = handshake.poll_output() {
                    stream.write_all(&bytes).await?;
                }
                let Progress::Done { used } = progress else {
                    continue;
                };
                is_handshaken = true;
                input = bytes.get(used..);
            }
            let input = input.ok_or(io::ErrorKind::UnexpectedEof)?;
            session.handle_input(input).map_err(io::Error::other)?;
            let index = self.accept(&mut session);
            while let Some(bytes) = session.poll_output() {
                stream.write_all(&bytes).await?;
            }
            stream.flush().await?;
            // Both read what comes before the publish is accepted, so that the scanner knows the
            // chunk size and the headers that later ones refer to.
            match index {
                Some(index) => {
                    self.take(index, scanner, input)?;
                    return Ok(index);
                }
                None => scanner.scan(input, |_| {}).map_err(io::Error::other)?,
            }
        }
    }

    fn accept(&self, session: &mut ServerSession) -> Option<usize> {
        let mut accepted = None;
        while let Some(event) = session.poll_event() {
            if let ServerEvent::PublishRequested { stream_name, .. } = event {
                session.accept_publish();
                let key = stream_name.expose_secret().to_owned();
                let mut tallies = self.tallies();
                tallies.push(Tally::new(key, self.0.order.clone()));
                accepted = Some(tallies.len() - 1);
            }
        }
        accepted
    }
}

/// How long a step may take before a benchmark gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);
