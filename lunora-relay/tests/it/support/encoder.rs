//! An encoder, as far as a relay can tell.

use std::net::SocketAddr;

use lunora_relay::wire::{
    chunk::{CHUNK_SIZE, CSID_AUDIO, CSID_DATA, CSID_VIDEO, whole},
    client::{ClientConfig, ClientEvent, ClientSession},
    handshake::{ClientHandshake, Progress, RANDOM_LEN},
    message::{Message, MessageKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that publishes. Dropping it is what a crash looks like.
#[derive(Debug)]
pub(crate) struct Encoder {
    socket: TcpStream,
    session: ClientSession,
    stream_id: u32,
}

impl Encoder {
    /// Publishes, or says in the server's words why it may not.
    pub(crate) async fn publish(address: SocketAddr, key: &str) -> Result<Self, String> {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut handshake = ClientHandshake::new(&[7; RANDOM_LEN]);
        let mut session = ClientSession::new(ClientConfig {
            app: "live".into(),
            tc_url: format!("rtmp://{address}/live").into(),
            stream_name: key.into(),
            flash_ver: "test".to_owned(),
            fourcc: Vec::new(),
        });
        let mut buffer = vec![0; 8192];
        loop {
            while let Some(bytes) = handshake.poll_output() {
                socket.write_all(&bytes).await.unwrap();
            }
            let len = socket.read(&mut buffer).await.unwrap();
            assert_ne!(len, 0, "closed during the handshake");
            if let Progress::Done { used } = handshake.handle_input(&buffer[..len]).unwrap() {
                while let Some(bytes) = handshake.poll_output() {
                    socket.write_all(&bytes).await.unwrap();
                }
                session.start();
                session.handle_input(&buffer[used..len]).unwrap();
                break;
            }
        }
        loop {
            while let Some(bytes) = session.poll_output() {
                socket.write_all(&bytes).await.unwrap();
            }
            while let Some(event) = session.poll_event() {
                match event {
                    ClientEvent::Publishing { stream_id } => {
                        return Ok(Self {
                            socket,
                            session,
                            stream_id,
                        });
                    }
                    ClientEvent::Rejected {
                        code, description, ..
                    } => {
                        return Err(format!("{code}: {description}"));
                    }
                    _ => {}
                }
            }
            let len = socket.read(&mut buffer).await.unwrap();
            if len == 0 {
                return Err("closed".to_owned());
            }
            session.handle_input(&buffer[..len]).unwrap();
        }
    }

    pub(crate) async fn send(&mut self, messages: &[Message]) {
        for message in messages {
            let csid = match message.kind {
                MessageKind::Video => CSID_VIDEO,
                MessageKind::Audio => CSID_AUDIO,
                _ => CSID_DATA,
            };
            let message = Message {
                stream_id: self.stream_id,
                ..message.clone()
            };
            self.socket
                .write_all(&whole(csid, &message, CHUNK_SIZE))
                .await
                .unwrap();
        }
    }

    /// Asks whether the server is there; says whether the connection is.
    pub(crate) async fn ping(&mut self) -> bool {
        let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4];
        self.socket.write_all(&ping).await.is_ok()
    }

    /// Ends the publish in good order.
    pub(crate) async fn leave(mut self) {
        self.session.close();
        while let Some(bytes) = self.session.poll_output() {
            self.socket.write_all(&bytes).await.unwrap();
        }
        self.socket.shutdown().await.unwrap();
        while self.socket.read(&mut [0; 1024]).await.unwrap() != 0 {}
    }
}
