//! The MediaLive channel.
