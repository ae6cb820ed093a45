use std::fmt;

use async_trait::async_trait;

use super::PortError;
use crate::domain::{IngestSpec, ObservedIngest, SourceId};

/// Takes sources in, and puts one of them on air: by itself the one of the lowest priority that
/// is good, or by hand any.
///
/// # Contract
///
/// 1. After an apply, exactly the given sources that it can take are observed, each with the
///    fingerprint that it was given. Applying the same again changes nothing.
/// 2. An apply leaves every source whose fingerprint did not change as it is, on air or not.
/// 3. Each result stands at the place of its source in the call, and a failing one stops none
///    of the others. A protocol or a way that the engine cannot take fails with
///    [`Unsupported`](super::ErrorKind::Unsupported) and a reason that names a way that works;
///    two that cannot be told apart fail with [`Conflict`](super::ErrorKind::Conflict), the later one.
/// 4. A pin on a source that is not applied fails with [`Invalid`](super::ErrorKind::Invalid)
///    and changes nothing. Pinning what is pinned, and releasing what is not, succeed and
///    change nothing.
/// 5. The pin that was set last is told, until it is released or its source is gone.
/// 6. At most one source is observed on air.
/// 7. No secret appears in what the adapter or its errors print, or is observed.
#[async_trait]
pub trait IngestController: fmt::Debug + Send + Sync + 'static {
    /// Makes exactly these be the sources that are taken in.
    async fn apply(&self, specs: &[IngestSpec]) -> Vec<Result<(), PortError>>;

    /// Returns every source that is taken in, in no order.
    async fn observe(&self) -> Result<Vec<ObservedIngest>, PortError>;

    /// Puts a source on air as soon as it has a keyframe, and keeps it there until it is
    /// released; while it is lost, the others take over. `None` releases (rule 28).
    async fn pin(&self, source: Option<&SourceId>) -> Result<(), PortError>;

    /// Which source is pinned.
    async fn pinned(&self) -> Result<Option<SourceId>, PortError>;
}
