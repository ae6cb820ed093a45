//! The smaller commands.

use std::{error::Error, net::SocketAddr, path::Path};

use crate::{key_source, publish_key, store::Store, system::SystemClock, terminal::say};
use lunora_core::ExposeSecret;

type Outcome = Result<(), Box<dyn Error>>;

/// Receives publishes and prints what arrives.
pub(crate) async fn sink(rtmp: SocketAddr) -> Outcome {
    crate::sink::run(rtmp).await
}

/// Copies the state.
pub(crate) fn backup(data: &Path, file: &Path) -> Outcome {
    Store::backup(data, file)?;
    say(format_args!(
        "wrote {}; the key file {} is not in it: keep a copy of that apart",
        file.display(),
        data.join("studio.key").display()
    ));
    Ok(())
}

/// Shows the publish key, or makes a new one.
pub(crate) async fn publish_key(data: &Path, rtmp: SocketAddr, new: bool) -> Outcome {
    let store = Store::open(data, &key_source(), &SystemClock)?;
    if let Some(problem) = store.key_problem() {
        return Err(problem.clone().into());
    }
    let secrets = store.secrets();
    let key = if new {
        publish_key::make(&*secrets).await?
    } else {
        publish_key::find_or_make(&*secrets).await?
    };
    say(format_args!(
        "encoders publish to rtmp://{rtmp}/live/{}",
        key.text.expose_secret()
    ));
    Ok(())
}

/// Forgets all secrets.
pub(crate) fn reset_keys(data: &Path) -> Outcome {
    let reset = Store::reset_keys(data, &key_source(), &SystemClock)?;
    say(format_args!(
        "forgot {} secrets; type the stream keys in again",
        reset.secrets_forgotten
    ));
    if let Some(old) = reset.old_key_at {
        say(format_args!("the old key file is now {}", old.display()));
    }
    Ok(())
}
