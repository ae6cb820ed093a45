//! `/api/sources`.

pub(crate) mod activate;
pub(crate) mod body;
pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod list;
mod path;
pub(crate) mod remove;
pub(crate) mod test;
pub(crate) mod update;
pub(crate) mod view;
