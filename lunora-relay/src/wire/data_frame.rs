//! The `@setDataFrame` wrapper around `onMetaData`.
//!
//! An encoder publishes metadata as the text `@setDataFrame`, the text `onMetaData` and the values.
//! A server keeps and passes on what follows the first text.

use bytes::{Bytes, BytesMut};

/// The text `@setDataFrame` as AMF0.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// The text `onMetaData` as AMF0.
const ON_META_DATA: &[u8] = b"\x02\x00\x0aonMetaData";

/// Takes a leading `@setDataFrame` off a data payload; every other byte stays as it is.
#[must_use]
pub fn unwrap(payload: &Bytes) -> Bytes {
    if payload.starts_with(SET_DATA_FRAME) {
        payload.slice(SET_DATA_FRAME.len()..)
    } else {
        payload.clone()
    }
}

/// Puts `@setDataFrame` before an `onMetaData` payload; any other is returned as it is.
#[must_use]
pub fn wrap(payload: &Bytes) -> Bytes {
    if !payload.starts_with(ON_META_DATA) {
        return payload.clone();
    }
    let mut wrapped = BytesMut::with_capacity(SET_DATA_FRAME.len() + payload.len());
    wrapped.extend_from_slice(SET_DATA_FRAME);
    wrapped.extend_from_slice(payload);
    wrapped.freeze()
}
