//! The studio from the outside, in one binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod store_backup;
mod store_conformance;
mod store_data;
mod store_golden;
mod store_key;
mod store_kill;
mod store_open;
mod store_presets;
mod store_rows;
mod store_unreadable;
