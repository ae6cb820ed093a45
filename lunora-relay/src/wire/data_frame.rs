//! The `@setDataFrame` wrapper around `onMetaData`.

use bytes::Bytes;

/// Takes a leading `@setDataFrame` off a data payload; every other byte stays as it is.
#[must_use]
pub fn unwrap(payload: &Bytes) -> Bytes {
    let _ = payload;
    todo!()
}

/// Puts `@setDataFrame` before an `onMetaData` payload; any other is returned as it is.
#[must_use]
pub fn wrap(payload: &Bytes) -> Bytes {
    let _ = payload;
    todo!()
}
