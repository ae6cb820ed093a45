//! A TCP connection, in the clear or in TLS, that never makes its user wait.
//!
//! TLS is a state machine beside the socket here and no stream around it: so the fan-out loop can
//! write into both kinds in the same way, and somebody else can read at the same time.
//!
//! What waits here also takes turns: a socket that always has something to read, or takes all that
//! is written, would otherwise keep the one thread of the data plane for itself.

use std::{
    fmt,
    io::{self, ErrorKind, IoSlice, Read, Write},
    sync::Mutex,
};

use rustls::ClientConnection;
use tokio::{net::TcpStream, task::coop::consume_budget};

use crate::lock::lock;

/// How many bytes TLS may hold that the socket does not take.
const TLS_BUFFER: usize = 64 * 1024;

/// A connection to the far end of an output.
pub(crate) struct Transport {
    socket: TcpStream,
    tls: Option<Mutex<ClientConnection>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.tls.is_some() { "Tls" } else { "Plain" };
        f.debug_struct(kind).field("socket", &self.socket).finish()
    }
}

impl Transport {
    /// In the clear.
    pub(crate) const fn plain(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// In TLS, after its handshake.
    pub(crate) fn tls(socket: TcpStream, mut session: ClientConnection) -> Self {
        session.set_buffer_limit(Some(TLS_BUFFER));
        Self {
            socket,
            tls: Some(Mutex::new(session)),
        }
    }

    /// Writes what is taken at once; `WouldBlock` if nothing is.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            return self.socket.try_write_vectored(slices);
        };
        let mut tls = lock(tls);
        self.drain(&mut tls)?;
        let len = tls.writer().write_vectored(slices)?;
        match self.drain(&mut tls) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(len),
        }
    }

    /// Writes what TLS still holds; `WouldBlock` if some remains.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        self.tls
            .as_ref()
            .map_or(Ok(()), |tls| self.drain(&mut lock(tls)))
    }

    /// Reads what is there; 0 if the far end has ended, `WouldBlock` if there is nothing yet.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            return self.socket.try_read(buffer);
        };
        let mut tls = lock(tls);
        let buffered = read_plain(&mut tls, buffer);
        if !matches!(&buffered, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            return buffered;
        }
        // Once and no more: a far end can send records without end that hold nothing.
        if tls.read_tls(&mut Unbuffered(&self.socket))? == 0 {
            return Ok(0);
        }
        tls.process_new_packets()
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        read_plain(&mut tls, buffer)
    }

    /// Reads some bytes; 0 if the far end has ended.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Before the bytes are taken: whoever drops this future must not lose any.
            consume_budget().await;
            match self.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.socket.readable().await?;
                }
                done => return done,
            }
        }
    }

    /// Writes all of it.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            consume_budget().await;
            match self.try_write(&[IoSlice::new(bytes)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.flush().await
    }

    /// Writes all that TLS still holds.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        loop {
            consume_budget().await;
            match self.try_flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.writable().await?;
                }
                done => return done,
            }
        }
    }

    /// Waits until the socket takes bytes again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Says that nothing more will come.
    pub(crate) async fn end(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            lock(tls).send_close_notify();
            self.flush().await?;
        }
        socket2::SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write)
    }

    fn drain(&self, tls: &mut ClientConnection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut Unbuffered(&self.socket))?;
        }
        Ok(())
    }
}

/// Reads what TLS has decrypted already.
fn read_plain(tls: &mut ClientConnection, buffer: &mut [u8]) -> io::Result<usize> {
    match tls.reader().read(buffer) {
        // Many servers close without TLS's own goodbye.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
        done => done,
    }
}

/// The socket as the synchronous TLS code sees it.
struct Unbuffered<'a>(&'a TcpStream);

impl Read for Unbuffered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Unbuffered<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.try_write(buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, net};

    use super::*;

    #[tokio::test]
    async fn who_always_has_something_to_read_lets_others_have_a_turn() {
        const LEN: usize = 10_000;
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        far.write_all(&[7; LEN]).unwrap();
        while near.peek(&mut [0; LEN]).unwrap() < LEN {}
        near.set_nonblocking(true).unwrap();
        let transport = Transport::plain(TcpStream::from_std(near).unwrap());
        let mut byte = [0];
        // The first may wait for the runtime to notice.
        transport.read(&mut byte).await.unwrap();

        let turns = Cell::new(0);
        let reading = async {
            for _ in 1..LEN {
                transport.read(&mut byte).await.unwrap();
            }
        };
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = reading => {}
            () = others => {}
        }

        assert!(0 < turns.get());
    }
}
