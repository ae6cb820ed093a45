//! Serves the simulator of MediaConnect and MediaLive on this machine.

use std::{
    io::{self, Write as _},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use jiff::Timestamp;
use lunora_core::port::Clock;
use lunora_testkit::aws::{Modes, Omitted, SamePlace, Simulator, StreamName, Timing, Updating};
use tokio::net::TcpListener;

/// A simulator of AWS Elemental MediaConnect and MediaLive, on 127.0.0.1 alone.
///
/// It is a strict reading of AWS's documents, not AWS: what it takes may still fail there.
/// Point a client at it with `AWS_ENDPOINT_URL_MEDIACONNECT` and `AWS_ENDPOINT_URL_MEDIALIVE`,
/// and any credentials. Under `/_simulator/` it shows what it saw, and takes orders.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The port to listen on; 0 takes any that is free, and the first line printed says which
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What becomes of a running flow after a write
    #[arg(long, value_enum, default_value_t)]
    updating: Updating,
    /// Whether two RTMP outputs of one flow may go to one host and port
    #[arg(long, value_enum, default_value_t)]
    same_place: SamePlace,
    /// Whether replies hold stream names
    #[arg(long, value_enum, default_value_t)]
    stream_name: StreamName,
    /// What becomes of the members that `UpdateFlowOutput` does not send
    #[arg(long, value_enum, default_value_t)]
    omitted: Omitted,
    /// How long each change of a status takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    transition_ms: u64,
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
        let now = Timestamp::now();
        // Whole milliseconds, by the contract of `Clock`.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let modes = Modes {
        updating: options.updating,
        same_place: options.same_place,
        stream_name: options.stream_name,
        omitted: options.omitted,
    };
    let timing = Timing::each(Duration::from_millis(options.transition_ms));
    let simulator = Simulator::with_timing(Arc::new(SystemClock), modes, timing);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    tokio::select! {
        ended = simulator.serve(listener) => ended,
        stop = tokio::signal::ctrl_c() => stop,
    }
}
