//! What `lunora-aws` promises, without AWS or a stand-in for it.

mod config;
