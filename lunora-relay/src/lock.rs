//! The one way to take a lock here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock that is held for moments and never across an await.
///
/// A panic of its last holder is no reason to stop: what these locks guard is counts and queues
/// of one connection, and that connection ends with the task that panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
