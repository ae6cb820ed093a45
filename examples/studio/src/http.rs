//! The HTTP server: a bounded number of connections, none of which may idle for long.
//!
//! `axum::serve` lets anybody hold as many connections as there are files, which
//! the pushes and the encoder need as well.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many connections may be open. Followers of the events stay for hours,
    /// and are fewer than this.
    pub(crate) connections: usize,
    /// How long a connection may be without the whole head of a request, at first
    /// and between two requests. An answer may take as long as it likes.
    pub(crate) head: Duration,
    /// How long a connection may take no byte of what waits for it. An answer may be silent for as
    /// long as it likes, but who asks for one has to read it.
    pub(crate) stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// Answers until it is told to stop, then as long as answers are under way.
pub(crate) async fn serve(
    mut listener: impl Listener,
    routes: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let service = TowerToHyperService::new(routes);
    let places = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        // A place first: who has none waits in the queue of the system, and takes no file.
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await.0)
        };
        let (place, io) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(limits.stall));
        let io = TokioIo::new(Box::pin(io));
        let connection = http.serve_connection(io, service.clone());
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            // A client that left, or was too slow, is its own affair.
            let _ = connection.await;
        });
    }
    drop(listener);
    open.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future, io};

    use axum::{
        body::{Body, Bytes},
        routing::get,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        sync::{mpsc, oneshot},
        task::JoinHandle,
        time::{Instant, sleep},
    };

    use super::*;

    /// Lets connections in that are made of memory, so that the time can be paused.
    struct Door(mpsc::UnboundedReceiver<DuplexStream>);

    impl Listener for Door {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.recv().await {
                Some(io) => (io, ()),
                None => future::pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Server {
        door: mpsc::UnboundedSender<DuplexStream>,
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    const LIMITS: Limits = Limits {
        connections: 256,
        head: Duration::from_secs(10),
        stall: Duration::from_secs(30),
    };
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    /// How long an answer to `/slow` is silent.
    const SILENCE: Duration = Duration::from_secs(3_600);

    impl Server {
        fn start() -> Self {
            let routes = Router::new()
                .route("/", get(async || "hello"))
                .route("/large", get(async || "x".repeat(1 << 20)))
                .route("/slow", get(slow));
            let (door, connections) = mpsc::unbounded_channel();
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(serve(Door(connections), routes, LIMITS, async {
                let _ = stopped.await;
            }));
            Self { door, stop, task }
        }

        /// Connects, and says that much.
        async fn connect(&self, said: &[u8]) -> DuplexStream {
            let (mut near, far) = tokio::io::duplex(4_096);
            near.write_all(said).await.unwrap();
            self.door.send(far).unwrap();
            near
        }
    }

    /// An answer as the events are one: it begins, and goes on after a long while.
    async fn slow() -> Body {
        let words = futures_util::stream::unfold(0, |n| async move {
            match n {
                0 => (),
                1 => sleep(SILENCE).await,
                _ => return None,
            }
            let word = Bytes::from(format!("word {n}"));
            Some((Ok::<_, Infallible>(word), n + 1))
        });
        Body::from_stream(words)
    }

    /// Everything that comes until the connection ends.
    async fn rest(mut io: DuplexStream) -> String {
        let mut text = Vec::new();
        io.read_to_end(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Waits until these words have come.
    async fn hears(io: &mut DuplexStream, words: &str) {
        let mut text = String::new();
        while !text.contains(words) {
            let mut piece = [0; 256];
            let len = io.read(&mut piece).await.unwrap();
            assert_ne!(len, 0, "it ended after {text}");
            text.push_str(std::str::from_utf8(&piece[..len]).unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_open_connections_keep_nobody_out_for_longer_than_the_limit() {
        let server = Server::start();
        let begun = Instant::now();
        let mut half_open = Vec::new();
        for said in [&REQUEST[..20], b""].iter().cycle().take(300) {
            half_open.push(server.connect(said).await);
        }

        let mut late = server.connect(REQUEST).await;
        hears(&mut late, "hello").await;

        assert_eq!(begun.elapsed().as_secs(), LIMITS.head.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_in_drop_by_drop_is_cut_off() {
        let server = Server::start();
        let (mut reader, mut writer) = tokio::io::split(server.connect(b"").await);
        let begun = Instant::now();

        let drip = async {
            for byte in REQUEST {
                sleep(Duration::from_secs(1)).await;
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            begun.elapsed()
        };
        let mut text = String::new();
        let (cut_after, read) = tokio::join!(drip, reader.read_to_string(&mut text));

        assert!(read.is_ok() && !text.contains("hello"), "{text}");
        assert!(cut_after <= LIMITS.head + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_ask_again_and_ends_once_it_asks_no_more() {
        let server = Server::start();
        let mut client = server.connect(REQUEST).await;
        hears(&mut client, "hello").await;

        sleep(LIMITS.head / 2).await;
        client.write_all(REQUEST).await.unwrap();
        hears(&mut client, "hello").await;

        assert_eq!(rest(client).await, "");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_hours() {
        let server = Server::start();
        let slow = b"GET /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

        let text = rest(server.connect(slow).await).await;

        assert!(text.contains("word 0") && text.contains("word 1"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_an_answer_is_cut_off() {
        let server = Server::start();
        let large = b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n";
        let mut client = server.connect(large).await;
        hears(&mut client, "200 OK").await;

        sleep(LIMITS.stall + Duration::from_secs(1)).await;

        let text = rest(client).await;
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    }

    #[tokio::test(start_paused = true)]
    async fn to_stop_ends_idle_connections_and_waits_for_answers() {
        let server = Server::start();
        let mut idle = server.connect(REQUEST).await;
        hears(&mut idle, "hello").await;
        let mut busy = server
            .connect(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
            .await;
        hears(&mut busy, "word 0").await;
        let begun = Instant::now();

        server.stop.send(()).unwrap();

        assert_eq!(rest(idle).await, "");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(rest(busy).await.contains("word 1"));
        server.task.await.unwrap();
    }
}
