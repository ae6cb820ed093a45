//! Far ends that mean harm: nobody but themselves comes to any.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use lunora_core::domain::{FaultCode, OutputState};
use lunora_relay::{
    Idle, OnAir,
    wire::{
        handshake::{Progress, RANDOM_LEN, ServerHandshake},
        message::MessageKind,
        server::{ServerEvent, ServerSession},
    },
};
use tokio::sync::watch;

use crate::support::{Footage, Stage, sink, until};

/// When a server begins to send pings as fast as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    InsteadOfAccepting,
    WhilePublishing,
    /// And takes no answer.
    Deaf,
    AfterTheGoodbye,
}

/// A server that never stops talking. It has threads of its own, as it would elsewhere.
struct Flooder {
    address: SocketAddr,
    /// How often it began to.
    floods: watch::Receiver<u64>,
}

impl Flooder {
    fn start(flood: Flood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (begun, floods) = watch::channel(0);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, begun) = (socket.unwrap(), begun.clone());
                // It ends when the relay closes the connection.
                thread::spawn(move || serve(&socket, flood, &begun));
            }
        });
        Self { address, floods }
    }

    fn url(&self) -> String {
        format!("rtmp://{}/app", self.address)
    }

    async fn has_begun(&mut self) {
        self.floods.wait_for(|floods| 0 < *floods).await.unwrap();
    }
}

fn serve(mut socket: &TcpStream, flood: Flood, begun: &watch::Sender<u64>) -> io::Result<()> {
    let mut handshake = ServerHandshake::new(&[3; RANDOM_LEN]);
    let mut session = ServerSession::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut is_shaken = false;
    loop {
        let len = socket.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        let mut input = &buffer[..len];
        if !is_shaken {
            let progress = handshake.handle_input(input).unwrap();
            while let Some(bytes) = handshake.poll_output() {
                socket.write_all(&bytes)?;
            }
            let Progress::Done { used } = progress else {
                continue;
            };
            input = &input[used..];
            is_shaken = true;
        }
        session.handle_input(input).unwrap();
        while let Some(event) = session.poll_event() {
            let now = match event {
                ServerEvent::PublishRequested { .. } if flood == Flood::InsteadOfAccepting => true,
                ServerEvent::PublishRequested { .. } => {
                    session.accept_publish();
                    flood != Flood::AfterTheGoodbye
                }
                ServerEvent::Unpublished => flood == Flood::AfterTheGoodbye,
                _ => false,
            };
            while let Some(bytes) = session.poll_output() {
                socket.write_all(&bytes)?;
            }
            if now {
                begun.send_modify(|floods| *floods += 1);
                return ping(socket, flood);
            }
        }
        while let Some(bytes) = session.poll_output() {
            socket.write_all(&bytes)?;
        }
    }
}

fn ping(mut socket: &TcpStream, flood: Flood) -> io::Result<()> {
    if flood != Flood::Deaf {
        let mut answers = socket.try_clone()?;
        thread::spawn(move || while let Ok(1..) = answers.read(&mut [0; 4096]) {});
    }
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 1, 2, 3, 4];
    let pings = ping.repeat(4096);
    loop {
        socket.write_all(&pings)?;
    }
}

#[tokio::test]
async fn a_server_that_never_stops_talking_delays_nobody_else() {
    let (stage, sibling) = (Stage::start(Idle::Nothing), sink().await);
    stage
        .push(1, &format!("rtmp://{}/app", sibling.address()), "sibling")
        .await;
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    let mut pictures = 10;
    let has = |pictures| {
        until(&sibling, "sibling", move |it| {
            it.facts.video_frames == pictures
        })
    };
    has(pictures).await;
    for (n, flood) in (2..).zip([
        Flood::InsteadOfAccepting,
        Flood::WhilePublishing,
        Flood::Deaf,
        Flood::AfterTheGoodbye,
    ]) {
        let mut flooder = Flooder::start(flood);
        let id = stage.push(n, &flooder.url(), "hostile").await;
        if flood == Flood::AfterTheGoodbye {
            stage.until_state(&id, OutputState::Live).await;
            stage.detach(&id).await;
        }
        flooder.has_begun().await;

        for _ in 0..5 {
            encoder.send(&footage.group()).await;
        }

        pictures += 50;
        has(pictures).await;
        if flood != Flood::AfterTheGoodbye {
            stage.until_fault(&id, FaultCode::Provider).await;
            stage.detach(&id).await;
        }
    }
    assert_eq!(sibling.publishes().len(), 1);
    stage.relay.shutdown().await;
}

#[tokio::test]
async fn an_encoder_gets_in_past_any_number_of_idle_connections() {
    let stage = Stage::start(Idle::Nothing);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(stage.address()).unwrap());
    }

    let mut encoder = stage.encoder().await;

    // Nor does it go when more come.
    for _ in 0..100 {
        idle.push(TcpStream::connect(stage.address()).unwrap());
    }
    let sink = sink().await;
    stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    let mut footage = Footage::new(1);
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    until(&sink, "k", |publish| publish.facts.video_frames == 10).await;
}

#[tokio::test]
async fn who_has_not_published_is_not_listened_to_for_long() {
    let stage = Stage::start(Idle::Nothing);
    let address = stage.address();
    let talking = tokio::task::spawn_blocking(move || -> io::Result<usize> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&[&[3][..], &[0; 1536]].concat())?;
        let mut answer = vec![0; 1 + 2 * 1536];
        socket.read_exact(&mut answer)?;
        socket.write_all(&answer[1..=1536])?;
        let acks = [2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 1].repeat(4096);
        let mut said = 0;
        while socket.write_all(&acks).is_ok() {
            said += acks.len();
        }
        Ok(said)
    });

    let said = talking.await.unwrap().unwrap();

    // What was not read lay in the sockets.
    assert!(said < 64 << 20, "{said}");
}

#[tokio::test]
async fn an_encoder_that_only_says_that_it_is_there_is_gone() {
    let stage = Stage::start(Idle::Nothing);
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    encoder.send(&footage.headers()).await;
    encoder.send(&footage.group()).await;
    let mut pings = 0;

    while pings < 400 && encoder.ping().await {
        pings += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    assert!(pings < 400, "40 s without a picture");
    assert_eq!(stage.relay.program().on_air, OnAir::Nothing);
}

#[tokio::test]
async fn a_program_that_announces_pictures_and_has_none_is_sent_all_the_same() {
    let (stage, sink) = (Stage::start(Idle::Nothing), sink().await);
    stage
        .push(1, &format!("rtmp://{}/app", sink.address()), "k")
        .await;
    let (mut encoder, mut footage) = (stage.encoder().await, Footage::new(1));
    encoder.send(&footage.headers()).await;
    let playing = async {
        loop {
            let mut sound = footage.group();
            sound.retain(|message| message.kind == MessageKind::Audio);
            encoder.send(&sound).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };

    tokio::select! {
        () = playing => {}
        _ = until(&sink, "k", |publish| 100 < publish.facts.audio_frames) => {}
    }
}
