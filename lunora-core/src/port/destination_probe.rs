use std::fmt;

use async_trait::async_trait;

use super::PortError;
use crate::domain::{Finding, PushTarget, word::closed_word};

closed_word! {
    /// How far a test of a destination goes. Each goes as far as those before it, too.
    Depth, "name, tcp, tls, connect and publish" {
        /// Resolves its name.
        Name = "name",
        /// Opens a connection.
        Tcp = "tcp",
        /// Checks its certificate, if its URL asks for TLS.
        Tls = "tls",
        /// Names the application, as an encoder does before it publishes.
        Connect = "connect",
        /// Publishes, sends nothing, and leaves. A platform may create a broadcast for
        /// that, so nobody is asked for it who did not ask (rule 27).
        Publish = "publish",
    }
}

/// Calls a destination without pushing to it.
///
/// # Contract
///
/// 1. A probe goes as deep as it is told and no deeper, and ends what it began.
/// 2. What is wrong with the destination is in the finding; an error means that nothing was
///    found out.
/// 3. The finding names each aspect up to [`Publish`](crate::domain::Aspect::Publish) that the
///    scheme has, once, and says of those that it did not look at why (rule 27).
/// 4. A scheme that cannot be called fails with [`Unsupported`](super::ErrorKind::Unsupported).
/// 5. It calls nobody whom a push may not call (rule 25).
/// 6. No secret appears in the finding or in an error.
#[async_trait]
pub trait DestinationProbe: fmt::Debug + Send + Sync + 'static {
    /// Looks, for as long as it takes, 15 s at most.
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError>;
}
