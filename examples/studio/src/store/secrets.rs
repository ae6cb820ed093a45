use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{SecretName, SecretVersion},
    port::{ErrorKind, Forget, History, PortError, Revealed, SecretStore, Which},
};
use rusqlite::{Connection, Transaction};

use super::{
    cipher::Sealed,
    db::{Db, Failure, next},
    key::Keyring,
    row::Fields,
};

/// Secrets in SQLite, each version a row of its own, encrypted under its name and version.
///
/// While the key is lost or does not fit, `reveal` fails with
/// [`Corrupt`](ErrorKind::Corrupt) and `keep` with [`Denied`](ErrorKind::Denied), whose
/// source is the [`KeyProblem`](super::KeyProblem); `forget` and `versions` work.
#[derive(Debug)]
pub struct SqliteSecretStore {
    db: Arc<Db>,
    keyring: Arc<Keyring>,
}

impl SqliteSecretStore {
    pub(super) const fn new(db: Arc<Db>, keyring: Arc<Keyring>) -> Self {
        Self { db, keyring }
    }
}

#[async_trait]
impl SecretStore for SqliteSecretStore {
    async fn keep(
        &self,
        name: &SecretName,
        text: &SecretString,
    ) -> Result<SecretVersion, PortError> {
        let (keyring, text, row) = (Arc::clone(&self.keyring), text.clone(), name.to_string());
        let work = move |tx: &Transaction<'_>| {
            let version = next(tx, "secret_version")?;
            let cipher = keyring
                .cipher()
                .map_err(|problem| Failure::new(ErrorKind::Denied, problem))?;
            let Sealed { nonce, ciphertext } = cipher
                .seal(&row, version, &text)
                .map_err(|error| Failure::new(ErrorKind::Unexpected, error))?;
            tx.prepare_cached(
                "INSERT INTO secret (name, version, nonce, ciphertext) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((&row, version, nonce, ciphertext))?;
            Ok(SecretVersion(version.cast_unsigned()))
        };
        self.db.write("keep secret", name, work).await
    }

    async fn reveal(&self, name: &SecretName, which: Which) -> Result<Option<Revealed>, PortError> {
        let (keyring, row) = (Arc::clone(&self.keyring), name.to_string());
        let work = move |connection: &mut Connection| select(connection, &keyring, &row, which);
        self.db.run("reveal secret", name, work).await
    }

    async fn forget(&self, name: &SecretName, which: Forget) -> Result<(), PortError> {
        let row = name.to_string();
        let work = move |tx: &Transaction<'_>| {
            let all = "DELETE FROM secret WHERE name = ?1";
            match which {
                Forget::All => tx.execute(all, [&row])?,
                Forget::Before(version) => {
                    tx.execute(&format!("{all} AND version < ?2"), (&row, number(version)))?
                }
                Forget::Only(version) => {
                    tx.execute(&format!("{all} AND version = ?2"), (&row, number(version)))?
                }
            };
            Ok(())
        };
        self.db.write("forget secret", name, work).await
    }

    async fn versions(&self) -> Result<BTreeMap<SecretName, SecretVersion>, PortError> {
        let work = |connection: &mut Connection| Ok(latest_versions(connection)?);
        self.db.run("list the versions of", "secrets", work).await
    }

    fn history(&self) -> History {
        History::Cuts
    }
}

/// Names that this program does not know are a newer program's, and left alone.
fn latest_versions(
    connection: &Connection,
) -> rusqlite::Result<BTreeMap<SecretName, SecretVersion>> {
    let latest = "SELECT name, max(version) FROM secret GROUP BY name";
    let mut statement = connection.prepare_cached(latest)?;
    let mut rows = statement.query([])?;
    let mut versions = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_bytes().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let version: i64 = row.get(1)?;
        match name.parse() {
            Ok(name) => {
                versions.insert(name, SecretVersion(version.cast_unsigned()));
            }
            Err(error) => tracing::warn!(?name, %error, "a secret is left alone"),
        }
    }
    Ok(versions)
}

fn select(
    connection: &Connection,
    keyring: &Keyring,
    name: &str,
    which: Which,
) -> Result<Option<Revealed>, Failure> {
    let version = match which {
        Which::Latest => None,
        Which::Version(version) => Some(number(version)),
    };
    let mut statement = connection.prepare_cached(
        "SELECT * FROM secret WHERE name = ?1 AND version = coalesce(?2, version)
         ORDER BY version DESC LIMIT 1",
    )?;
    let mut rows = statement.query((name, version))?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let cipher = keyring
        .cipher()
        .map_err(|problem| Failure::new(ErrorKind::Corrupt, problem))?;
    let fields = Fields::new("secret", "name", row)?;
    let version: i64 = fields.get("version")?;
    let sealed = Sealed {
        nonce: fields.get("nonce")?,
        ciphertext: fields.get("ciphertext")?,
    };
    let text = cipher
        .open(name, version, &sealed)
        .map_err(|error| fields.unreadable("ciphertext", error))?;
    let version = SecretVersion(version.cast_unsigned());
    Ok(Some(Revealed { text, version }))
}

/// What the column says; no version is as high as those that it has no room for.
fn number(version: SecretVersion) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}
