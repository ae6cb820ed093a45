//! Times how long it takes from `POST …/start` until the first picture of that destination has
//! arrived, against a studio that is on air.
#![expect(
    clippy::print_stdout,
    reason = "its output is what the conductor reads"
)]

use std::{error::Error, io, net::SocketAddr, time::Duration};

use clap::Parser;
use lunora_bench::{
    http::Client,
    receiver::{FirstPicture, PATIENCE, Receiver},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

/// Starts destinations one after the other, and prints one line of JSON: how long each took in
/// milliseconds, and how many did not begin with a keyframe after its sequence headers.
#[derive(Debug, Parser)]
struct Args {
    /// Where the studio's API is
    #[arg(long, value_name = "ADDR")]
    api: SocketAddr,
    /// How many destinations
    #[arg(long, value_name = "N", default_value_t = 50)]
    count: u32,
    /// How long a group of pictures lasts, in milliseconds; the starts are spread evenly over it
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    group: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (receiver, mut pictures) = Receiver::telling();
    tokio::spawn(receiver.serve(listener, None));
    let mut api = Client::connect(args.api).await?;

    let (mut first_picture_ms, mut reply_ms, mut began_badly) = (Vec::new(), Vec::new(), 0);
    let begun = Instant::now();
    for number in 0..args.count {
        let key = format!("first-frame-{number}");
        let id = create(&mut api, address, &key).await?;
        // Seven and the number of tries have no divisor in common, so all phases come up.
        let phase = args.group / args.count * (number * 7 % args.count);
        let into = begun.elapsed().as_millis() as u32 % args.group;
        let wait = (args.group + phase - into) % args.group;
        sleep(Duration::from_millis(wait.into())).await;

        let start = Instant::now();
        let path = format!("/api/destinations/{id}/start");
        let (replied, picture) = tokio::join!(
            async { api.call("POST", &path, None).await.map(|_| start.elapsed()) },
            picture_of(&key, &mut pictures),
        );
        let (replied, picture) = (replied?, picture?);
        first_picture_ms.push(millis(picture.at.duration_since(start)));
        reply_ms.push(millis(replied));
        began_badly += u32::from(!picture.began_well);

        let path = format!("/api/destinations/{id}");
        api.call("DELETE", &path, None).await?;
    }
    let report = json!({
        "first_picture_ms": first_picture_ms,
        "reply_ms": reply_ms,
        "began_badly": began_badly,
    });
    println!("{report}");
    Ok(())
}

async fn create(api: &mut Client, to: SocketAddr, key: &str) -> io::Result<String> {
    let body = json!({
        "name": key,
        "platform": "custom",
        "rtmp_url": format!("rtmp://{to}/live"),
        "stream_key": key,
    });
    let reply = api.call("POST", "/api/destinations", Some(&body)).await?;
    let id = reply["destination"]["destination_id"].as_str();
    let id = id.ok_or_else(|| io::Error::other("a destination without an id"))?;
    Ok(id.to_owned())
}

async fn picture_of(
    key: &str,
    pictures: &mut mpsc::UnboundedReceiver<FirstPicture>,
) -> io::Result<FirstPicture> {
    let arrives = async {
        while let Some(picture) = pictures.recv().await {
            if picture.key == key {
                return Ok(picture);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    };
    let late = |_| io::Error::other(format!("no picture came for {key}"));
    timeout(PATIENCE, arrives).await.map_err(late)?
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
