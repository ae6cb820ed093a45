//! The least that N outputs can cost: one thread writes each picture of a recording, with the audio
//! that came before it, to N sockets, and does nothing else.
//!
//! All is made ready before: the bytes are those that the relay sends, eight bytes of header
//! included, and every socket shares them. The writes block.
#![expect(
    clippy::print_stdout,
    reason = "its output is what the conductor reads"
)]

use std::{
    error::Error,
    io::{self, IoSlice, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use bytes::Bytes;
use clap::Parser;
use lunora_bench::recording::Recording;
use lunora_core::SecretString;
use lunora_relay::wire::{
    chunk::{self, CHUNK_SIZE, Header},
    client::{ClientConfig, ClientEvent, ClientSession},
    handshake::{ClientHandshake, Progress, RANDOM_LEN},
    message::{Message, MessageKind},
};
use tokio::time::Instant;

/// Publishes a recording to one receiver many times over.
#[derive(Debug, Parser)]
struct Args {
    /// The receiver
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,
    /// The FLV file to play in a loop
    #[arg(long, value_name = "FILE")]
    recording: PathBuf,
    /// To how many sockets
    #[arg(long, value_name = "N")]
    outputs: usize,
    /// For how long
    #[arg(long, value_name = "S")]
    seconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let recording = Recording::read(&args.recording)?;
    let mut sockets = Vec::new();
    for number in 0..args.outputs {
        sockets.push(publish(args.to, number)?);
    }
    println!("publishing");
    play(&recording, &mut sockets, Duration::from_secs(args.seconds))?;
    Ok(())
}

/// A message without the header that tells how long after the last it comes.
struct Part {
    kind: MessageKind,
    time: u64,
    len: usize,
    body: Bytes,
}

impl Part {
    fn new(message: &Message) -> Self {
        let csid = csid(message.kind);
        Self {
            kind: message.kind,
            time: message.timestamp.into(),
            len: message.payload.len(),
            body: chunk::body(&message.payload, csid, CHUNK_SIZE),
        }
    }
}

const fn csid(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Audio => chunk::CSID_AUDIO,
        MessageKind::Video => chunk::CSID_VIDEO,
        _ => chunk::CSID_DATA,
    }
}

fn play(recording: &Recording, sockets: &mut [TcpStream], lasts: Duration) -> io::Result<()> {
    let parts = |messages: &[Message]| messages.iter().map(Part::new).collect::<Vec<_>>();
    let (headers, frames) = (parts(&recording.headers), parts(&recording.frames));
    let start = Instant::now();
    let (mut last, mut batch) = ([None; 256], Vec::new());
    for part in &headers {
        batch.push((header(part, 0, &mut last), &part.body));
    }
    for round in 0.. {
        for part in &frames {
            let time = part.time + round * recording.period();
            batch.push((header(part, time, &mut last), &part.body));
            if part.kind != MessageKind::Video {
                continue;
            }
            let due = Duration::from_millis(time);
            if lasts < due {
                return Ok(());
            }
            thread::sleep(due.saturating_sub(start.elapsed()));
            write(&batch, sockets)?;
            batch.clear();
        }
    }
    Ok(())
}

fn header(part: &Part, time: u64, last: &mut [Option<u64>; 256]) -> Header {
    let csid = csid(part.kind);
    match last[usize::from(csid)].replace(time) {
        Some(last) => {
            let delta = u32::try_from(time.saturating_sub(last)).unwrap_or_default();
            chunk::delta_header(csid, delta, part.len, part.kind)
        }
        None => {
            let time = u32::try_from(time).unwrap_or_default();
            chunk::full_header(csid, time, part.len, part.kind, STREAM)
        }
    }
}

fn write(batch: &[(Header, &Bytes)], sockets: &mut [TcpStream]) -> io::Result<()> {
    let whole: Vec<_> = batch
        .iter()
        .flat_map(|(header, body)| [IoSlice::new(header), IoSlice::new(body)])
        .collect();
    let mut scratch = whole.clone();
    for socket in sockets {
        scratch.copy_from_slice(&whole);
        let mut rest = &mut scratch[..];
        while !rest.is_empty() {
            let len = socket.write_vectored(rest)?;
            IoSlice::advance_slices(&mut rest, len);
        }
    }
    Ok(())
}

/// The message stream that the receiver gives to the first publish of a connection.
const STREAM: u32 = 1;

/// Connects, and publishes as far as to be allowed to send media.
fn publish(to: SocketAddr, number: usize) -> Result<TcpStream, Box<dyn Error>> {
    let mut socket = TcpStream::connect(to)?;
    socket.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut random = [0; RANDOM_LEN];
    getrandom::fill(&mut random)?;
    let mut handshake = ClientHandshake::new(&random);
    let mut session = ClientSession::new(ClientConfig {
        app: SecretString::from("live"),
        tc_url: SecretString::from(format!("rtmp://{to}/live")),
        stream_name: SecretString::from(format!("k{number}")),
        flash_ver: "floor".to_owned(),
        fourcc: Vec::new(),
    });
    let mut is_handshaken = false;
    loop {
        while let Some(bytes) = handshake.poll_output().or_else(|| session.poll_output()) {
            socket.write_all(&bytes)?;
        }
        while let Some(event) = session.poll_event() {
            match event {
                ClientEvent::Publishing { stream_id: STREAM } => return Ok(socket),
                ClientEvent::Connected { .. } => {}
                other => return Err(format!("the receiver said {other:?}").into()),
            }
        }
        let len = socket.read(&mut buffer)?;
        let mut input = &buffer[..len];
        if input.is_empty() {
            return Err("the receiver has closed the connection".into());
        }
        if !is_handshaken {
            let Progress::Done { used } = handshake.handle_input(input)? else {
                continue;
            };
            is_handshaken = true;
            input = &input[used..];
            session.start();
        }
        session.handle_input(input)?;
    }
}
