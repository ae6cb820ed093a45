//! The simulator over HTTP, on this machine alone.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request as HttpRequest, State, connect_info::Connected},
    http::{Response as HttpResponse, StatusCode},
    response::IntoResponse,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::{
    answer::{Outcome, Response},
    control,
    simulator::Simulator,
    wire::Request,
};

/// More than any request of these services.
const BODY_MAX: usize = 4 << 20;

impl Simulator {
    /// Answers whoever connects, until it is dropped; under `/_simulator/` it answers
    /// whoever wants to see or change the simulator itself.
    ///
    /// Fails if the listener is not on a loopback address: it asks nobody who he is.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        if !listener.local_addr()?.ip().is_loopback() {
            let message = "the simulator listens on a loopback address only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let router = Router::new()
            .nest("/_simulator", control::routes())
            .fallback(answer)
            .with_state(self);
        let service = router.into_make_service_with_connect_info::<Connection>();
        axum::serve(Cuttable(listener), service).await
    }
}

async fn answer(
    State(simulator): State<Simulator>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: HttpRequest,
) -> HttpResponse<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let answer = simulator.answer(&Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        body: body.into(),
    });
    tokio::time::sleep(answer.after).await;
    match answer.outcome {
        Outcome::Response(response) => to_http(response),
        Outcome::Lost => {
            connection.cut();
            // Nobody gets to see it.
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn to_http(response: Response) -> HttpResponse<Body> {
    let mut http = HttpResponse::builder().status(response.status);
    for (name, value) in response.headers {
        http = http.header(name, value);
    }
    let http = http.body(Body::from(response.body));
    http.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// A connection that can be cut from where a request is answered.
#[derive(Clone, Debug)]
struct Connection {
    is_cut: Arc<AtomicBool>,
}

impl Connection {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

struct Cuttable(TcpListener);

impl Listener for Cuttable {
    type Io = Stream;
    type Addr = Connection;

    async fn accept(&mut self) -> (Stream, Connection) {
        let (stream, _): (TcpStream, SocketAddr) = Listener::accept(&mut self.0).await;
        let is_cut = Arc::<AtomicBool>::default();
        let connection = Connection {
            is_cut: Arc::clone(&is_cut),
        };
        (Stream { stream, is_cut }, connection)
    }

    fn local_addr(&self) -> io::Result<Connection> {
        let is_cut = Arc::default();
        Ok(Connection { is_cut })
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Writes nothing more once it is cut, so that its connection ends without an answer.
struct Stream {
    stream: TcpStream,
    is_cut: Arc<AtomicBool>,
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
