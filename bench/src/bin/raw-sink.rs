//! Receives publishes and counts what arrives, for little CPU time.
#![expect(
    clippy::print_stdout,
    reason = "its output is what the conductor reads"
)]

use std::{error::Error, fs, io, net::SocketAddr, path::PathBuf, sync::Arc, thread};

use clap::Parser;
use lunora_bench::{receiver::Receiver, recording::Recording};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::PrivatePkcs8KeyDer;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Prints where it listens. Then, for each line on its input: `report` prints all publishes as one
/// line of JSON, `reset` forgets the longest gaps. It ends with its input.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The FLV file that is played, to tell which pictures are missing
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// Receive RTMPS, and write the authority that has signed the certificate
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// What the kernel may hold of each connection, in bytes
    #[arg(long, value_name = "BYTES")]
    receive_buffer: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let recording = args.recording.as_deref().map(Recording::read).transpose()?;
    let receiver = Receiver::new(recording.map(|recording| recording.order()));
    let tls = args.ca_out.as_ref().map(identify).transpose()?;
    let listener = listen(args.listen, args.receive_buffer)?;
    println!("{}", listener.local_addr()?);
    let shown = receiver.clone();
    thread::spawn(move || answer(&shown));
    receiver.serve(listener, tls).await?;
    Ok(())
}

fn listen(address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// A certificate for this machine, by an authority of its own.
fn identify(ca_out: &PathBuf) -> Result<TlsAcceptor, Box<dyn Error>> {
    let mut authority = rcgen::CertificateParams::new(Vec::new())?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    fs::write(ca_out, authority_pem)?;

    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn answer(receiver: &Receiver) -> ! {
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.trim() {
            "report" => {
                let report = serde_json::to_string(&*receiver.tallies());
                println!("{}", report.unwrap_or_default());
            }
            "reset" => {
                receiver.tallies().iter_mut().for_each(|it| it.reset());
                println!("{{}}");
            }
            other => println!("{{\"unknown\":{other:?}}}"),
        }
    }
    std::process::exit(0)
}
