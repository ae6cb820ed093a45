use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use lunora_core::{ExposeSecret as _, SecretString, domain::HashKey};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The bytes of the key file. They encrypt nothing themselves.
pub(super) struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes what the key file holds.
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Draws a new one.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// What the key file holds.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    pub(super) fn hash_key(&self) -> HashKey {
        HashKey::new(*self.derive("hash key"))
    }

    pub(super) fn cipher(&self) -> Cipher {
        Cipher(XChaCha20Poly1305::new(&(*self.derive("secrets")).into()))
    }

    /// Tells whether a key is this one, and nothing else about it.
    pub(super) fn check(&self) -> [u8; 32] {
        *self.derive("key check")
    }

    /// A key for one purpose, from which neither this one nor another follows.
    fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        // HMAC pads a short key with zeros to the block of its hash, which is 64 bytes.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*self.0);
        let mut mac = Hmac::<Sha256>::new(&(*block).into());
        mac.update(b"lunora studio 1: ");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// What is stored of a secret.
pub(super) struct Sealed {
    pub(super) nonce: [u8; 24],
    pub(super) ciphertext: Vec<u8>,
}

/// Encrypts and decrypts secrets.
pub(super) struct Cipher(XChaCha20Poly1305);

/// Why a secret could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub(super) enum CipherError {
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("the text is too long to encrypt")]
    TooLong,
    #[error("it was not encrypted for this name and version under this key")]
    Altered,
    #[error("it is no text")]
    NoText(#[source] std::str::Utf8Error),
}

impl Cipher {
    pub(super) fn seal(
        &self,
        name: &str,
        version: i64,
        text: &SecretString,
    ) -> Result<Sealed, CipherError> {
        // Random nonces of 24 bytes do not repeat, however often a database is restored.
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(CipherError::Random)?;
        let payload = Payload {
            msg: text.expose_secret().as_bytes(),
            aad: &context(name, version),
        };
        let ciphertext = self.0.encrypt(&nonce.into(), payload);
        let ciphertext = ciphertext.map_err(|_| CipherError::TooLong)?;
        Ok(Sealed { nonce, ciphertext })
    }

    pub(super) fn open(
        &self,
        name: &str,
        version: i64,
        sealed: &Sealed,
    ) -> Result<SecretString, CipherError> {
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: &context(name, version),
        };
        let bytes = self.0.decrypt(&sealed.nonce.into(), payload);
        let bytes = Zeroizing::new(bytes.map_err(|_| CipherError::Altered)?);
        let text = str::from_utf8(&bytes).map_err(CipherError::NoText)?;
        Ok(SecretString::from(text))
    }
}

/// What a ciphertext belongs to, so that none can stand in for another or for a newer one.
fn context(name: &str, version: i64) -> Vec<u8> {
    let mut context = version.to_be_bytes().to_vec();
    context.extend(name.as_bytes());
    context
}
