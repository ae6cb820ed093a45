//! One connection of a publisher.

use std::{future::pending, io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout},
};

use super::{Behaviour, End, Keep, Shared, dump::Dump};
use crate::wire::{
    handshake::{Progress, RANDOM_LEN, ServerHandshake},
    server::{ServerEvent, ServerSession},
};

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
    };
    let end = visit.run().await.unwrap_or(End::Closed);
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
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Visit<S> {
    async fn run(&mut self) -> io::Result<End> {
        let mut buffer = vec![0; 64 * 1024];
        self.willing().await;
        self.shake_hands(&mut buffer).await?;
        loop {
            while let Some(event) = self.session.poll_event() {
                if let Some(end) = self.handle(event).await? {
                    return Ok(end);
                }
            }
            self.answer().await?;
            self.willing().await;
            let len = self.stream.read(&mut buffer).await?;
            if len == 0 {
                return Ok(End::Closed);
            }
            let input = buffer.get(..len).unwrap_or_default();
            self.session.handle_input(input).map_err(io::Error::other)?;
        }
    }

    async fn shake_hands(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut random = [0; RANDOM_LEN];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut handshake = ServerHandshake::new(&random);
        loop {
            let len = self.stream.read(buffer).await?;
            let input = buffer.get(..len).filter(|input| !input.is_empty());
            let input = input.ok_or(io::ErrorKind::UnexpectedEof)?;
            if *self.behaviour.borrow() == Behaviour::Babble {
                return self.stream.write_all(&[b'?'; 4096]).await;
            }
            let progress = handshake.handle_input(input).map_err(io::Error::other)?;
            while let Some(bytes) = handshake.poll_output() {
                self.stream.write_all(&bytes).await?;
            }
            if let Progress::Done { used } = progress {
                let rest = input.get(used..).unwrap_or_default();
                return self.session.handle_input(rest).map_err(io::Error::other);
            }
        }
    }

    async fn handle(&mut self, event: ServerEvent) -> io::Result<Option<End>> {
        match event {
            ServerEvent::ConnectRequested { .. } => {}
            ServerEvent::PublishRequested { stream_name, .. } => {
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
                let is_enough = match *self.behaviour.borrow() {
                    Behaviour::CloseAfter { frames: most } => most <= frames,
                    _ => false,
                };
                return Ok(is_enough.then_some(End::Ours));
            }
            ServerEvent::Unpublished => {
                self.part().await;
                return Ok(Some(End::Unpublished));
            }
        }
        Ok(None)
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
    }
}
