//! What this process logs, at every level.

use std::{
    io,
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing::Level;

/// What was logged since it was first asked for, by every test.
#[derive(Debug)]
pub(crate) struct Log(Mutex<Vec<u8>>);

/// Begins to log, once.
///
/// For all threads: a scoped log is not asked about what another test, on a
/// thread without one, logs first. So look for what only your test can say.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Writer)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("nobody else logs");
        Log(Mutex::default())
    })
}

impl Log {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = log().0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
