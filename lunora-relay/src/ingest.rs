//! Encoders publish here: one with the relay's own key, and one with the key of each source.
//!
//! Of two with the same key, the one that is sending stays and the other is refused: if the newer
//! one won, two encoders that reconnect by themselves would throw each other out for ever. One that
//! has sent nothing for two seconds makes room, since the newcomer is most likely the same encoder
//! come back after its network broke.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use lunora_core::{
    ExposeSecret, SecretString,
    domain::{Digest, HashKey, Priority, SourceId},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::{Instant, error::Elapsed, sleep, timeout},
};
use tracing::{Instrument, debug, info, info_span, warn};

use crate::{
    air::Origin,
    fanout::{Evicted, Feed, Hub, Refused},
    lobby::{Lobby, Seat},
    lock::lock,
    wire::{
        SessionError,
        handshake::{HandshakeError, Progress, RANDOM_LEN, ServerHandshake},
        message::MessageKind,
        server::{ServerEvent, ServerSession},
    },
};

/// The application that encoders name.
pub(crate) const APP: &str = "live";
/// Within which a connection must publish.
const PUBLISH_MAX: Duration = Duration::from_secs(10);
/// A publisher that sends no sound and no picture for this long is gone, whatever else it says.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// What is read at once: about two frames of a good picture.
const BUFFER: usize = 64 * 1024;
/// The same for one that has not published, whose turns are to be short.
const EARLY_BUFFER: usize = 4 * 1024;
/// What one may say in all before it publishes.
const EARLY_MAX: usize = 256 * 1024;
/// How often refused keys are worth a line in the log.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Slows down those who guess keys.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// Tells the right keys from any other.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    hash_key: HashKey,
    /// The key of the relay itself.
    own: Digest,
    /// Those of sources that were added.
    sources: Mutex<Vec<Key>>,
    /// When a refusal was told last, and how many were not told since.
    refusals: Mutex<(Option<Instant>, u64)>,
}

/// A key under a hash, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) digest: Digest,
    pub(crate) source: SourceId,
    pub(crate) priority: Priority,
}

impl Doorkeeper {
    /// Knows this key, under a hash that is new each time: so how long a comparison takes says
    /// nothing about how much of a guess was right.
    pub(crate) fn new(key: &SecretString) -> io::Result<Self> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let hash_key = HashKey::new(random);
        let own = hash_key.digest([key.expose_secret().as_bytes()]);
        Ok(Self {
            hash_key,
            own,
            sources: Mutex::default(),
            refusals: Mutex::default(),
        })
    }

    /// The hash of a key as it is compared: what follows a `?` is the encoder's own.
    pub(crate) fn digest(&self, key: &SecretString) -> Digest {
        self.hash_key.digest([plain(key).as_bytes()])
    }

    /// Whether this is the hash of the relay's own key.
    pub(crate) fn is_own(&self, digest: Digest) -> bool {
        digest == self.own
    }

    /// Lets in the encoders of these sources, beside that with the relay's own key.
    pub(crate) fn expect(&self, sources: Vec<Key>) {
        *lock(&self.sources) = sources;
    }

    /// Counts a refusal at `now`; says how many went untold if this one is to be told.
    fn refused(&self, now: Instant) -> Option<u64> {
        let mut refusals = lock(&self.refusals);
        let (told, untold) = &mut *refusals;
        if told.is_some_and(|told| now - told < TOLD_EVERY) {
            *untold += 1;
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(untold))
    }

    /// Who publishes, and how early it is used; nobody if the key is wrong.
    fn admits(&self, app: &SecretString, stream_name: &SecretString) -> Option<(Origin, Priority)> {
        let given = self.digest(stream_name);
        if plain(app) != APP {
            return None;
        }
        if given == self.own {
            return Some((Origin::Encoder, Priority::PRIMARY));
        }
        let sources = lock(&self.sources);
        let found = sources.iter().find(|key| key.digest == given);
        found.map(|key| (Origin::Source(key.source.clone()), key.priority))
    }
}

fn plain(text: &SecretString) -> String {
    let text = text.expose_secret();
    let path = text.split_once('?').map_or(text, |(path, _)| path);
    path.trim_matches('/').to_owned()
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum IngestError {
    #[error("it did not publish in time")]
    Late,
    #[error("it sent no media for {} s", IDLE_MAX.as_secs())]
    Idle,
    #[error("it said more than {EARLY_MAX} bytes before it published")]
    Verbose,
    #[error("the publish key is wrong")]
    WrongKey,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Evicted(#[from] Evicted),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    #[error("it sent what cannot be read: {0}")]
    Session(#[from] SessionError),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Lets encoders in, for ever.
pub(crate) async fn run(listener: TcpListener, doorkeeper: Arc<Doorkeeper>, hub: Arc<Hub>) {
    let lobby = Arc::new(Lobby::default());
    loop {
        let (socket, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // No file descriptor is left, most likely; some come back.
                warn!(%error, "cannot let an encoder in");
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let seat = lobby.enter(peer.ip());
        let (doorkeeper, hub) = (Arc::clone(&doorkeeper), Arc::clone(&hub));
        let serving = async move {
            let evicted = seat.evicted();
            tokio::select! {
                () = serve(socket, peer, seat, &doorkeeper, &hub) => {}
                () = evicted.notified() => debug!(%peer, "made room for another"),
            }
        };
        tokio::spawn(serving.instrument(info_span!("encoder", %peer)));
    }
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    doorkeeper: &Doorkeeper,
    hub: &Arc<Hub>,
) {
    // A failing option costs latency and nothing else.
    let _ = socket.set_nodelay(true);
    let mut visit = Visit {
        socket,
        seat: Some(seat),
        session: ServerSession::new(),
        fourcc: Vec::new(),
        buffer: vec![0; EARLY_BUFFER],
        said: 0,
    };
    let arrival = timeout(PUBLISH_MAX, visit.arrive(doorkeeper, hub));
    let feed = arrival.await.unwrap_or(Err(IngestError::Late));
    let ended = match feed {
        Ok(feed) => {
            let evicted = feed.evicted();
            let ended = tokio::select! {
                ended = visit.stay(feed) => ended,
                () = evicted.notified() => Err(Evicted.into()),
            };
            visit.part().await;
            ended
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => info!("the encoder left"),
        Err(error @ (IngestError::WrongKey | IngestError::Refused(_))) => {
            match doorkeeper.refused(Instant::now()) {
                Some(0) => warn!("refused an encoder: {error}"),
                Some(untold) => warn!(untold, "refused an encoder, as others before: {error}"),
                None => debug!("refused an encoder: {error}"),
            }
            sleep(REFUSAL_WAIT).await;
        }
        Err(IngestError::Late | IngestError::Verbose | IngestError::Handshake(_)) => {
            debug!(%peer, "not an encoder");
        }
        Err(error) => warn!("lost an encoder: {error}"),
    }
}

/// One connection of an encoder.
struct Visit {
    socket: TcpStream,
    /// Until it publishes.
    seat: Option<Seat>,
    session: ServerSession,
    fourcc: Vec<String>,
    buffer: Vec<u8>,
    /// How much it said before it published.
    said: usize,
}

impl Visit {
    /// From the handshake to the accepted publish.
    async fn arrive(
        &mut self,
        doorkeeper: &Doorkeeper,
        hub: &Arc<Hub>,
    ) -> Result<Feed, IngestError> {
        self.shake_hands().await?;
        loop {
            while let Some(event) = self.session.poll_event() {
                match event {
                    ServerEvent::ConnectRequested { fourcc, .. } => self.fourcc = fourcc,
                    ServerEvent::PublishRequested { app, stream_name } => {
                        let admitted = doorkeeper.admits(&app, &stream_name);
                        return self.admit(admitted, hub).await;
                    }
                    ServerEvent::Media(_) | ServerEvent::Unpublished => {}
                }
            }
            self.talk(PUBLISH_MAX).await?.ok_or(IngestError::Late)?;
        }
    }

    async fn admit(
        &mut self,
        admitted: Option<(Origin, Priority)>,
        hub: &Arc<Hub>,
    ) -> Result<Feed, IngestError> {
        // `BadName` is the one refusal that encoders explain to their users.
        const REFUSED: &str = "NetStream.Publish.BadName";
        let feed = match admitted {
            Some((origin, priority)) => {
                info!("{origin} publishes");
                let fourcc = std::mem::take(&mut self.fourcc);
                hub.feed(origin, priority, fourcc)
                    .map_err(IngestError::from)
            }
            None => Err(IngestError::WrongKey),
        };
        match &feed {
            Ok(_) => {
                (self.seat, self.buffer) = (None, vec![0; BUFFER]);
                self.session.accept_publish();
            }
            Err(error) => self.session.reject_publish(REFUSED, &error.to_string()),
        }
        self.answer().await?;
        feed
    }

    /// From the accepted publish to its end.
    async fn stay(&mut self, mut feed: Feed) -> Result<(), IngestError> {
        let mut heard = Instant::now();
        loop {
            while let Some(event) = self.session.poll_event() {
                match event {
                    ServerEvent::Media(message) => {
                        if matches!(message.kind, MessageKind::Audio | MessageKind::Video) {
                            heard = Instant::now();
                        }
                        feed.send(message)?;
                    }
                    ServerEvent::Unpublished => return Ok(()),
                    ServerEvent::ConnectRequested { .. } | ServerEvent::PublishRequested { .. } => {
                    }
                }
            }
            // A picture takes the sound before it along; if none comes, the sound goes alone.
            if let Some(patience) = feed.patience()
                && timeout(patience, self.socket.readable()).await.is_err()
            {
                feed.flush();
            }
            let patience = IDLE_MAX.saturating_sub(heard.elapsed());
            // With something to read at any time, no timeout would ever be looked at.
            if patience.is_zero() {
                return Err(IngestError::Idle);
            }
            if self.talk(patience).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// Listens until the encoder closes the connection: if we did so first, what it still says
    /// would come back to it as an error.
    async fn part(&mut self) {
        let listening = async { while let Ok(1..) = self.socket.read(&mut self.buffer).await {} };
        let _ = timeout(GOODBYE_MAX, listening).await;
    }

    async fn shake_hands(&mut self) -> Result<(), IngestError> {
        let mut random = [0; RANDOM_LEN];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut handshake = ServerHandshake::new(&random);
        let mut buffer = vec![0; 4096];
        loop {
            let len = self.socket.read(&mut buffer).await?;
            let input = buffer.get(..len).filter(|input| !input.is_empty());
            let input = input.ok_or(IngestError::Late)?;
            let progress = handshake.handle_input(input)?;
            while let Some(bytes) = handshake.poll_output() {
                self.socket.write_all(&bytes).await?;
            }
            if let Progress::Done { used } = progress {
                return Ok(self
                    .session
                    .handle_input(input.get(used..).unwrap_or_default())?);
            }
        }
    }

    /// Answers, then listens; `None` if the encoder has closed the connection.
    async fn talk(&mut self, patience: Duration) -> Result<Option<()>, IngestError> {
        self.answer().await?;
        let len = in_time(patience, self.socket.read(&mut self.buffer)).await??;
        if len == 0 {
            return Ok(None);
        }
        if self.seat.is_some() {
            self.said += len;
            if EARLY_MAX < self.said {
                return Err(IngestError::Verbose);
            }
            yield_now().await;
        }
        self.session
            .handle_input(self.buffer.get(..len).unwrap_or_default())?;
        Ok(Some(()))
    }

    async fn answer(&mut self) -> Result<(), IngestError> {
        while let Some(bytes) = self.session.poll_output() {
            in_time(IDLE_MAX, self.socket.write_all(&bytes)).await??;
        }
        Ok(())
    }
}

async fn in_time<T>(patience: Duration, doing: impl Future<Output = T>) -> Result<T, IngestError> {
    timeout(patience, doing)
        .await
        .map_err(|_: Elapsed| IngestError::Idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_of_a_key_do_not_fill_the_log() {
        let doorkeeper = Doorkeeper::new(&"key".into()).unwrap();
        let start = Instant::now();

        assert_eq!(doorkeeper.refused(start), Some(0));
        for _ in 0..1_000 {
            assert_eq!(doorkeeper.refused(start), None);
        }
        assert_eq!(doorkeeper.refused(start + TOLD_EVERY), Some(1_000));
    }
}
