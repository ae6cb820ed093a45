//! A client for one API on this machine.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that stays open from one request to the next.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
}

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream })
    }

    /// Sends a request and waits for its reply. A status that is no success is an error.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> io::Result<serde_json::Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let kind = if body.is_empty() {
            ""
        } else {
            "content-type: application/json\r\n"
        };
        let (host, len) = (self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{kind}content-length: {len}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;

        let mut reply = Vec::new();
        let (status, body) = loop {
            if self.stream.read_buf(&mut reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(parts) = parse(&reply) {
                break parts;
            }
        };
        if !status.starts_with('2') {
            return Err(io::Error::other(format!(
                "{method} {path}: {status} {body}"
            )));
        }
        serde_json::from_str(body).map_err(io::Error::other)
    }
}

/// The status and the body of a reply; `None` while it is incomplete.
fn parse(reply: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(reply).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?;
    let len = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    let len: usize = len.1.trim().parse().ok()?;
    Some((status, body.get(..len)?))
}
