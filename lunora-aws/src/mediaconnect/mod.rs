//! The outputs of MediaConnect flows, and the flows.
