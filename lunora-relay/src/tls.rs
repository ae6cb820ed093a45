//! TLS to the far end: who is trusted, and the handshake.

use std::{io, sync::Arc, time::Duration};

use lunora_core::domain::Host;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// So many agree on TLS at a time: each takes milliseconds of the one thread that media needs too.
const SEATS: usize = 8;
/// A far end that says nothing keeps its seat, and must not keep others out for longer than this.
const SEAT_WAIT: Duration = Duration::from_secs(1);

/// Why a file of certificates is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// It is not in the PEM format.
    #[error("the certificates are not in the PEM format")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// There is none in it.
    #[error("there is no certificate in it")]
    Empty,
    /// One cannot be used.
    #[error("a certificate cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// Makes TLS sessions. Certificates and host names are checked, always.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    seats: Arc<Semaphore>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts the public authorities and those in `extra`, a PEM text.
    pub(crate) fn new(extra: Option<&[u8]>) -> Result<Self, CertificatesError> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = extra {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(CertificatesError::Pem)?;
                roots
                    .add(certificate)
                    .map_err(CertificatesError::Unusable)?;
            }
            if roots.len() == before {
                return Err(CertificatesError::Empty);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificatesError::Unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            seats: Arc::new(Semaphore::new(SEATS)),
        })
    }

    /// The same trust, with seats of its own: who tests keeps nobody out who pushes.
    pub(crate) fn apart(&self) -> Self {
        Self {
            connector: self.connector.clone(),
            seats: Arc::new(Semaphore::new(SEATS)),
        }
    }

    /// Agrees with the far end, which must prove to be `host`.
    pub(crate) async fn agree(
        &self,
        socket: TcpStream,
        host: &Host,
    ) -> io::Result<(TcpStream, ClientConnection)> {
        let name = match host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let _seat = self.seat().await;
        let stream = self.connector.connect(name, socket).await?;
        Ok(stream.into_inner())
    }

    /// One of a few, or none if none is given up in time.
    async fn seat(&self) -> Option<OwnedSemaphorePermit> {
        let seat = Arc::clone(&self.seats).acquire_owned();
        timeout(SEAT_WAIT, seat).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_agree_at_a_time_and_the_silent_do_not_keep_others_out() {
        let tls = Tls::new(None).unwrap();
        let begun = Instant::now();
        for _ in 0..SEATS {
            let tls = tls.clone();
            tokio::spawn(async move {
                let _seat = tls.seat().await.unwrap();
                pending::<()>().await;
            });
        }
        tokio::task::yield_now().await;
        assert_eq!(
            (begun.elapsed(), tls.seats.available_permits()),
            (Duration::ZERO, 0)
        );

        assert!(tls.seat().await.is_none());

        assert_eq!(begun.elapsed(), SEAT_WAIT, "it waited, and then went on");
    }
}
