use std::{fmt, hash::Hash};

use async_trait::async_trait;

use super::{ErrorKind, Expect, Page, PageRequest, PortError, Revision, Unreadable, Versioned};
use crate::domain::{
    Destination, DestinationId, FailoverHistory, Preset, PresetId, Session, SessionId, Source,
    SourceId, Token, TokenId,
};

/// A value that a [`Repo`] keeps under its id.
pub trait Record: Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// What it is kept under.
    type Id: Clone + fmt::Debug + fmt::Display + Ord + Hash + Send + Sync + 'static;

    /// What it is called in messages, such as `destination`.
    const NOUN: &'static str;

    /// What it is kept under.
    fn id(&self) -> &Self::Id;
}

macro_rules! record {
    ($record:ty, $noun:literal, $id:ty, $field:ident) => {
        impl Record for $record {
            type Id = $id;

            const NOUN: &'static str = $noun;

            fn id(&self) -> &$id {
                &self.$field
            }
        }
    };
}

record!(Destination, "destination", DestinationId, id);
record!(Source, "source", SourceId, id);
record!(Preset, "preset", PresetId, id);
record!(Session, "session", SessionId, id);
record!(Token, "token", TokenId, id);
record!(
    FailoverHistory,
    "failover history of",
    DestinationId,
    destination
);

/// Keeps values of one kind.
///
/// # Contract
///
/// 1. A write is seen by every read that starts after it returned.
/// 2. A write whose [`Expect`] does not hold, and a removal of what is not at its
///    revision, change nothing and fail with [`Conflict`](ErrorKind::Conflict).
/// 3. Of two writes that expect the same state, at most one succeeds.
/// 4. A revision is never used twice for one id, not even after a removal.
/// 5. A listing that runs to its end returns every value that was there
///    throughout, once each.
/// 6. A listing does not go on from a token that it did not give: it fails with
///    [`Invalid`](ErrorKind::Invalid).
/// 7. Every value is read back as it was written.
/// 8. What is stored and cannot be read stops nothing else: a listing names it
///    among the [`unreadable`](Page::unreadable), and a get of it fails with
///    [`Corrupt`](ErrorKind::Corrupt).
#[async_trait]
pub trait Repo<R: Record>: fmt::Debug + Send + Sync + 'static {
    /// Returns the value, or `None` if there is none.
    async fn get(&self, id: &R::Id) -> Result<Option<Versioned<R>>, PortError>;

    /// Stores the value if `expect` holds, and returns the new revision.
    async fn put(&self, value: &R, expect: Expect) -> Result<Revision, PortError>;

    /// Removes the value if it is still at `revision`.
    async fn remove(&self, id: &R::Id, revision: &Revision) -> Result<(), PortError>;

    /// Returns one part of all values, in an order of the adapter's choosing.
    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<R>>, PortError>;
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $record:ty) => {
        $(#[$doc])*
        ///
        /// Everything that implements [`Repo`] for it is one.
        pub trait $name: Repo<$record> {}

        impl<T: Repo<$record> + ?Sized> $name for T {}
    };
}

named!(
    /// Keeps [`Destination`]s: what is wanted.
    DestinationRepo, Destination
);
named!(
    /// Keeps [`Source`]s: what comes in.
    SourceRepo, Source
);
named!(
    /// Keeps [`Preset`]s: the encodings that destinations ask for.
    PresetRepo, Preset
);
named!(
    /// Keeps [`Session`]s: which shows there were.
    SessionRepo, Session
);
named!(
    /// Keeps [`Token`]s: who may call the API.
    TokenRepo, Token
);
named!(
    /// Keeps [`FailoverHistory`]s: which leg is used, and why.
    FailoverRepo, FailoverHistory
);

/// Everything that a [`Repo`] keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<R> {
    /// What can be read.
    pub items: Vec<Versioned<R>>,
    /// What cannot.
    pub unreadable: Vec<Unreadable>,
}

/// Conveniences for callers of a [`Repo`], the same over every adapter.
pub trait RepoExt<R: Record>: Repo<R> {
    /// Stores a value that must be new.
    fn create(&self, value: &R) -> impl Future<Output = Result<Revision, PortError>> + Send {
        async move { self.put(value, Expect::Absent).await }
    }

    /// Collects a listing to its end.
    fn survey(&self) -> impl Future<Output = Result<Listing<R>, PortError>> + Send {
        async move {
            let (mut items, mut unreadable) = (Vec::new(), Vec::new());
            let mut after = None;
            loop {
                let page = self.list(PageRequest { limit: 500, after }).await?;
                items.extend(page.items);
                unreadable.extend(page.unreadable);
                match page.next {
                    Some(token) => after = Some(token),
                    None => return Ok(Listing { items, unreadable }),
                }
            }
        }
    }

    /// Collects a listing in which everything can be read, or fails with
    /// [`Corrupt`](ErrorKind::Corrupt).
    fn list_all(&self) -> impl Future<Output = Result<Vec<Versioned<R>>, PortError>> + Send {
        async move {
            let Listing { items, unreadable } = self.survey().await?;
            match unreadable.first() {
                None => Ok(items),
                Some(first) => Err(PortError::new(ErrorKind::Corrupt, "read", first)),
            }
        }
    }
}

impl<R: Record, T: Repo<R> + ?Sized> RepoExt<R> for T {}
