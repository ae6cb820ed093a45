//! `/api/reconcile`: the pass that makes what is be what is wanted.

pub(crate) mod pause;
pub(crate) mod release_held;
pub(crate) mod resume;
pub(crate) mod show;
