//! TLS to the far end: who is trusted, and the handshake.

use std::{io, sync::Arc};

use lunora_core::domain::Host;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

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
pub(crate) struct Tls(TlsConnector);

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
        Ok(Self(TlsConnector::from(Arc::new(config))))
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
        let stream = self.0.connect(name, socket).await?;
        Ok(stream.into_inner())
    }
}
