//! The adapters of Lunora for AWS, one service a module and a feature.
//!
//! A binary reads an [`AwsConfig`] and makes one [`sdk_config`]; the adapters
//! take both. Nothing else here reads the environment, but for the SDK itself,
//! which finds credentials, region and endpoints in the usual places.
//!
//! - `check`: finding out on an account what nobody has written down about AWS.
//! - [`dynamodb`]: rows, and what the control half must not forget.
//! - [`mediaconnect`]: the outputs of flows, and the flows.
//! - [`medialive`]: the channel.
//! - [`migrate`]: making explicit what rows imply, and undoing it.
//! - [`ssm`]: stream keys.
//! - `Worker`: what a process does each time that a timer or an event wakes it.
//! - `AwsError`: what AWS answered. An error of the SDK goes no further than this
//!   crate, because its text can quote what was sent.

#[cfg(any(feature = "mediaconnect", feature = "medialive"))]
mod budget;
#[cfg(all(feature = "cli", feature = "mediaconnect", feature = "medialive"))]
pub mod check;
mod client;
mod config;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(any(
    feature = "dynamodb",
    feature = "mediaconnect",
    feature = "medialive",
    feature = "ssm"
))]
mod error;
#[cfg(all(feature = "dynamodb", feature = "ssm"))]
mod hash_key;
#[cfg(feature = "mediaconnect")]
pub mod mediaconnect;
#[cfg(feature = "medialive")]
pub mod medialive;
#[cfg(feature = "dynamodb")]
pub mod migrate;
#[cfg(feature = "ssm")]
pub mod ssm;
#[cfg(any(
    feature = "dynamodb",
    feature = "mediaconnect",
    feature = "medialive",
    feature = "ssm"
))]
mod unseen;
#[cfg(feature = "mediaconnect")]
mod worker;

#[cfg(any(feature = "mediaconnect", feature = "medialive"))]
pub use budget::Budget;
pub use client::sdk_config;
pub use config::{
    AccountId, AwsConfig, ChannelId, ConfigError, FlowArn, KmsKey, NameProblem, ParameterPrefix,
    TableName, Tables,
};
#[cfg(any(
    feature = "dynamodb",
    feature = "mediaconnect",
    feature = "medialive",
    feature = "ssm"
))]
pub use error::AwsError;
#[cfg(all(feature = "dynamodb", feature = "ssm"))]
pub use hash_key::deployment_hash_key;
#[cfg(feature = "mediaconnect")]
pub use worker::{Handled, Worked, Worker, WorkerError};
