//! One connection of a publisher.

use std::{future::pending, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{Behaviour, End, Keep, Moment, Shared, Words, dump::Dump, words};
use crate::wire::{
    handshake::{Progress, RANDOM_LEN, ServerHandshake},
    server::{ServerEvent, ServerSession},
};

/// How often a sink that trickles reads in a second.
const PIECES: usize = 10;

/// Takes what comes until the connection ends.
pub(super) async fn receive<S>(
    stream: S,
    shared: Arc<Shared>,
    behaviour: watch::Receiver<Behaviour>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let begun = Instant::now();
    let session = ServerSession::new();
    let mut visit = Visit {
        stream,
        session,
        shared,
        behaviour,
        begun,
        publish: None,
        dump: None,
        has_spoken: false,
    };
    let mut cut = visit.shared.cut.subscribe();
    let end = tokio::select! {
        end = visit.run() => end.unwrap_or(End::Closed),
        _ = cut.changed() => End::Ours,
    };
    let Visit {
        shared, publish, ..
    } = visit;
    if let Some(index) = publish {
        shared.update(index, |publish| publish.end = Some(end));
    }
}

struct Visit<S> {
    stream: S,
    session: ServerSession,
    shared: Arc<Shared>,
    behaviour: watch::Receiver<Behaviour>,
    begun: Instant,
    publish: Option<usize>,
    dump: Option<Dump>,
    has_spoken: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Visit<S> {
    async fn run(&mut self) -> io::Result<End> {
        let mut buffer = vec![0; 64 * 1024];
        self.willing().await;
        if let Some(end) = self.shake_hands(&mut buffer).await? {
            return Ok(end);
        }
        loop {
            while let Some(event) = self.session.poll_event() {
                if let Some(end) = self.handle(event).await? {
                    return Ok(end);
                }
            }
            self.answer().await?;
            self.willing().await;
            let piece = self.piece(buffer.len());
            let len = self.stream.read(&mut buffer[..piece]).await?;
            if len == 0 {
                return Ok(End::Closed);
            }
            let input = buffer.get(..len).unwrap_or_default();
            self.session.handle_input(input).map_err(io::Error::other)?;
        }
    }

    async fn shake_hands(&mut self, buffer: &mut [u8]) -> io::Result<Option<End>> {
        let mut random = [0; RANDOM_LEN];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut handshake = ServerHandshake::new(&random);
        loop {
            let len = self.stream.read(buffer).await?;
            let input = buffer.get(..len).filter(|input| !input.is_empty());
            let input = input.ok_or(io::ErrorKind::UnexpectedEof)?;
            if *self.behaviour.borrow() == Behaviour::Babble {
                self.stream.write_all(words::GARBAGE).await?;
                return Ok(None);
            }
            if let Some(end) = self.pass(Moment::Handshake).await? {
                return Ok(Some(end));
            }
            let progress = handshake.handle_input(input).map_err(io::Error::other)?;
            while let Some(bytes) = handshake.poll_output() {
                self.stream.write_all(&bytes).await?;
            }
            if let Progress::Done { used } = progress {
                let rest = input.get(used..).unwrap_or_default();
                self.session.handle_input(rest).map_err(io::Error::other)?;
                return Ok(None);
            }
        }
    }

    async fn handle(&mut self, event: ServerEvent) -> io::Result<Option<End>> {
        match event {
            ServerEvent::ConnectRequested { .. } => {
                if let Some(end) = self.pass(Moment::Connect).await? {
                    return Ok(Some(end));
                }
                let refusal = match &*self.behaviour.borrow() {
                    Behaviour::Refuse { code, description } => {
                        Some(words::refusal(code, description))
                    }
                    _ => None,
                };
                if let Some(refusal) = refusal {
                    self.stream.write_all(&refusal).await?;
                    self.stream.flush().await?;
                    self.part().await;
                    return Ok(Some(End::Ours));
                }
            }
            ServerEvent::PublishRequested { stream_name, .. } => {
                if let Some(end) = self.pass(Moment::Publish).await? {
                    return Ok(Some(end));
                }
                let refusal = match &*self.behaviour.borrow() {
                    Behaviour::Reject { code, description } => {
                        Some((code.clone(), description.clone()))
                    }
                    _ => None,
                };
                if let Some((code, description)) = refusal {
                    self.session.reject_publish(&code, &description);
                    self.answer().await?;
                    return Ok(Some(End::Ours));
                }
                self.session.accept_publish();
                let index = self.shared.begin(stream_name);
                if let Some(folder) = &self.shared.dump {
                    self.dump = Some(Dump::create(folder, index + 1)?);
                }
                self.publish = Some(index);
            }
            ServerEvent::Media(message) => {
                let Some(index) = self.publish else {
                    return Ok(None);
                };
                if let Some(dump) = &mut self.dump {
                    dump.write(&message)?;
                }
                let (now, keep) = (self.begun.elapsed(), self.shared.keep);
                let mut frames = 0;
                self.shared.update(index, |publish| {
                    publish.facts.take(&message, now);
                    frames = publish.facts.frames();
                    if keep == Keep::Messages {
                        publish.messages.push(message);
                    }
                });
                return self.react(frames).await;
            }
            ServerEvent::Unpublished => {
                self.part().await;
                return Ok(Some(End::Unpublished));
            }
        }
        Ok(None)
    }

    /// Does what is to be done after so many frames.
    async fn react(&mut self, frames: u64) -> io::Result<Option<End>> {
        let words = match &*self.behaviour.borrow() {
            Behaviour::CloseAfter { frames: most } | Behaviour::ResetAfter { frames: most }
                if *most <= frames =>
            {
                return Ok(Some(End::Ours));
            }
            Behaviour::SayAfter {
                frames: most,
                words,
            } if *most <= frames && !self.has_spoken => words.clone(),
            _ => return Ok(None),
        };
        self.has_spoken = true;
        let said = match &words {
            Words::Garbage => words::GARBAGE.into(),
            Words::Complaint { code, description } => words::complaint(code, description),
            Words::Elsewhere { url } => words::elsewhere(url),
            Words::ChunkSizes => words::chunk_sizes(),
        };
        self.stream.write_all(&said).await?;
        self.stream.flush().await?;
        Ok(None)
    }

    /// Hangs up or goes silent, if this is the moment for it.
    async fn pass(&mut self, now: Moment) -> io::Result<Option<End>> {
        let behaviour = self.behaviour.borrow().clone();
        match behaviour {
            Behaviour::HangUp { at } if at == now => Ok(Some(End::Ours)),
            Behaviour::Mute { at } if at == now => {
                let mut buffer = [0; 4096];
                while self.stream.read(&mut buffer).await? != 0 {}
                Ok(Some(End::Closed))
            }
            _ => Ok(None),
        }
    }

    /// How much is read at once.
    fn piece(&self, most: usize) -> usize {
        match *self.behaviour.borrow() {
            Behaviour::Trickle { bytes_per_second } if self.publish.is_some() => {
                (bytes_per_second as usize / PIECES).clamp(1, most)
            }
            _ => most,
        }
    }

    /// Listens until the publisher has closed the connection too.
    async fn part(&mut self) {
        let mut buffer = [0; 1024];
        let listening = async { while let Ok(1..) = self.stream.read(&mut buffer).await {} };
        let _ = timeout(Duration::from_secs(1), listening).await;
    }

    async fn answer(&mut self) -> io::Result<()> {
        while let Some(bytes) = self.session.poll_output() {
            self.stream.write_all(&bytes).await?;
        }
        self.stream.flush().await
    }

    /// Waits for as long as the sink is told not to read.
    async fn willing(&mut self) {
        let has_publish = self.publish.is_some();
        let reads = |behaviour: &Behaviour| match behaviour {
            Behaviour::Silence => false,
            Behaviour::Stall => !has_publish,
            _ => true,
        };
        if self.behaviour.wait_for(reads).await.is_err() {
            // The sink is gone, and this task with it.
            pending::<()>().await;
        }
        if has_publish && matches!(*self.behaviour.borrow(), Behaviour::Trickle { .. }) {
            sleep(Duration::from_secs(1) / PIECES as u32).await;
        }
    }
}
