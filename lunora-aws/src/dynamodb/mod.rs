//! What Lunora keeps in DynamoDB.
//!
//! Four tables are those of the running system, whose other clients go on to
//! read and write them; the fifth, the control table, is ours. See
//! `facts/existing-api.md` of the project for the rows.
//!
//! - [`DynamoDbDestinationRepo`], [`DynamoDbSourceRepo`], [`DynamoDbPresetRepo`],
//!   [`DynamoDbSessionRepo`]: the four, over one core, `table`. A file of the same
//!   name each says how a row is read and written.
//! - [`DynamoDbTokenRepo`], [`DynamoDbFailoverRepo`], [`DynamoDbControlStore`],
//!   [`DynamoDbEventLog`], `DynamoDbEvidence`: what stands in the control table.
//! - [`InlineSecrets`]: secrets that old clients left in rows.
//!
//! What is read is read strongly, and a listing follows all pages.
//!
//! No row is in an error, in a `Debug`, or in what is traced, by us or by the SDK,
//! but for one line: where AWS refuses a call and quotes what it was sent,
//! `aws_smithy_runtime::client::orchestrator` traces its words at `TRACE`. The
//! environment variables `LOG_SENSITIVE_BODIES` and `LOG_SIGNABLE_BODY` make the
//! SDK print bodies, and must not be set.

mod attribute;
mod change;
mod client;
mod control_repo;
mod control_store;
mod destination_repo;
mod error;
mod event_log;
#[cfg(feature = "mediaconnect")]
mod evidence_store;
mod expression;
mod inline_secrets;
mod leg;
mod page_token;
mod preset_repo;
mod revision;
mod row;
mod session_repo;
mod source_repo;
pub(crate) mod stored;
mod table;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use lunora_core::{
    domain::{
        Destination, DestinationId, FailoverHistory, HashKey, Preset, PresetId, Session, SessionId,
        Source, SourceId, Token, TokenId,
    },
    port::{Expect, Page, PageRequest, PortError, Repo, Revision, Versioned},
};

pub use control_store::DynamoDbControlStore;
pub use event_log::DynamoDbEventLog;
#[cfg(feature = "mediaconnect")]
pub use evidence_store::DynamoDbEvidence;
pub use inline_secrets::InlineSecrets;

use self::{destination_repo::DestinationCodec, table::Table};
use crate::{ParameterPrefix, TableName};

/// Makes the repo of one kind, which hides how its rows are read and written.
macro_rules! repo {
    ($(#[$doc:meta])* $name:ident, $record:ty, $id:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Table<$record>);

        #[async_trait]
        impl Repo<$record> for $name {
            async fn get(&self, id: &$id) -> Result<Option<Versioned<$record>>, PortError> {
                self.0.get(id).await
            }

            async fn put(&self, value: &$record, expect: Expect) -> Result<Revision, PortError> {
                self.0.put(value, expect).await
            }

            async fn remove(&self, id: &$id, revision: &Revision) -> Result<(), PortError> {
                self.0.remove(id, revision).await
            }

            async fn list(&self, page: PageRequest) -> Result<Page<Versioned<$record>>, PortError> {
                self.0.list(page).await
            }
        }
    };
}

repo!(
    /// Keeps destinations in their table.
    DynamoDbDestinationRepo, Destination, DestinationId
);
repo!(
    /// Keeps sources in their table.
    DynamoDbSourceRepo, Source, SourceId
);
repo!(
    /// Keeps presets in their table.
    DynamoDbPresetRepo, Preset, PresetId
);
repo!(
    /// Keeps sessions in their table.
    DynamoDbSessionRepo, Session, SessionId
);
repo!(
    /// Keeps tokens in the control table, under the `pk` `token`.
    DynamoDbTokenRepo, Token, TokenId
);
repo!(
    /// Keeps histories of failover in the control table, under the `pk` `failover`.
    DynamoDbFailoverRepo, FailoverHistory, DestinationId
);

impl DynamoDbDestinationRepo {
    /// Works on that table, with that client.
    ///
    /// A row names the parameter of its stream key, below the prefix, for other
    /// clients. Under the hash key, references to secrets, revisions and page
    /// tokens are hashed.
    #[must_use]
    pub fn new(
        client: Client,
        table: TableName,
        prefix: ParameterPrefix,
        hash_key: HashKey,
    ) -> Self {
        let codec = DestinationCodec {
            prefix,
            hash_key: hash_key.clone(),
        };
        Self(Table::new(client, table, codec, hash_key))
    }
}

macro_rules! of_one_table {
    ($($name:ident)*) => {
        $(impl $name {
            /// Works on that table, with that client. Under the hash key, references
            /// to secrets, revisions and page tokens are hashed.
            #[must_use]
            pub fn new(client: Client, table: TableName, hash_key: HashKey) -> Self {
                Self(Table::new(client, table, hash_key.clone(), hash_key))
            }
        })*
    };
}

of_one_table! {
    DynamoDbSourceRepo DynamoDbPresetRepo DynamoDbSessionRepo DynamoDbTokenRepo DynamoDbFailoverRepo
}
