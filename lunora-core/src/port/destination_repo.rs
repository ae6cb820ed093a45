use std::fmt;

use async_trait::async_trait;

use super::{Expect, Page, PageRequest, PortError, Revision, Versioned};
use crate::domain::{Destination, DestinationId};

/// Keeps [`Destination`]s.
///
/// # Contract
///
/// 1. A write is seen by every read that starts after it returned.
/// 2. A write whose [`Expect`] does not hold, and a removal of what is not at its
///    revision, change nothing and fail with [`Conflict`](super::ErrorKind::Conflict).
/// 3. Of two writes that expect the same state, at most one succeeds.
/// 4. A revision is never used twice for one id, not even after a removal.
/// 5. A listing that runs to its end returns every destination that was there
///    throughout, once each.
/// 6. A listing does not go on from a token that it did not give: it fails with
///    [`Invalid`](super::ErrorKind::Invalid).
/// 7. Every value is read back as it was written.
#[async_trait]
pub trait DestinationRepo: fmt::Debug + Send + Sync + 'static {
    /// Returns the destination, or `None` if there is none.
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError>;

    /// Stores the destination if `expect` holds, and returns the new revision.
    async fn put(&self, destination: &Destination, expect: Expect) -> Result<Revision, PortError>;

    /// Removes the destination if it is still at `revision`.
    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError>;

    /// Returns one part of all destinations, in an order of the adapter's choosing.
    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError>;
}

/// Conveniences for callers of a [`DestinationRepo`], the same over every adapter.
pub trait DestinationRepoExt: DestinationRepo {
    /// Stores a destination that must be new.
    fn create(
        &self,
        destination: &Destination,
    ) -> impl Future<Output = Result<Revision, PortError>> + Send {
        async move { self.put(destination, Expect::Absent).await }
    }

    /// Collects a listing to its end.
    fn list_all(
        &self,
    ) -> impl Future<Output = Result<Vec<Versioned<Destination>>, PortError>> + Send {
        async move {
            let mut all = Vec::new();
            let mut after = None;
            loop {
                let page = self.list(PageRequest { limit: 100, after }).await?;
                all.extend(page.items);
                match page.next {
                    Some(token) => after = Some(token),
                    None => return Ok(all),
                }
            }
        }
    }
}

impl<T: DestinationRepo + ?Sized> DestinationRepoExt for T {}
