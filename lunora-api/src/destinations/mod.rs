//! `/api/destinations`.

pub(crate) mod body;
pub(crate) mod create;
pub(crate) mod failover;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod path;
pub(crate) mod remove;
pub(crate) mod retry;
pub(crate) mod start;
pub(crate) mod stop;
mod switched;
pub(crate) mod test;
pub(crate) mod update;
pub(crate) mod view;
pub(crate) mod why;
