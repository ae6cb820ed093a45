//! A certificate authority that nobody knows, made by openssl.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::process::attempt;

/// The authority.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// What a server proves itself with.
#[derive(Debug)]
pub struct Identity {
    /// A PEM file.
    pub certificate: PathBuf,
    /// A PEM file.
    pub key: PathBuf,
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes one, with files that go when it is dropped.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        openssl(
            folder.path(),
            &format!(
                "req -x509 {NEW_KEY} -subj /CN=nobody -days 30 -keyout ca.key -out ca.pem \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
            ),
        );
        Self { folder }
    }

    /// Its certificate, a PEM file.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certifies the server at this address.
    #[must_use]
    pub fn certify(&self, address: Ipv4Addr) -> Identity {
        let folder = self.folder.path();
        let extensions = format!(
            "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=IP:{address}\n"
        );
        fs::write(folder.join("extensions"), extensions).unwrap();
        let (key, pem) = (format!("{address}.key"), format!("{address}.pem"));
        let request = format!("req {NEW_KEY} -subj /CN=server -keyout {key} -out request");
        openssl(folder, &request);
        let sign = format!(
            "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
             -extfile extensions -out {pem}"
        );
        openssl(folder, &sign);
        Identity {
            certificate: folder.join(pem),
            key: folder.join(key),
        }
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(folder)
        .args(arguments.split_whitespace());
    // It tells of its progress where others complain.
    let (_, told) = attempt(&mut openssl, "");
    let made = fs::exists(
        folder.join(
            arguments
                .rsplit("-out ")
                .next()
                .unwrap()
                .split(' ')
                .next()
                .unwrap(),
        ),
    );
    assert!(made.unwrap(), "openssl {arguments}: {told}");
}
