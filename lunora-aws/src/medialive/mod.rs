//! The MediaLive channel: what makes HLS for viewers, and feeds the flow.
//!
//! [`MediaLiveChannel`] describes, starts and stops it, switches its input, and does
//! the one edit that it ever needs: adding an SRT output group beside that of
//! `MediaPackage`. [`FeedCheck`] looks, after the start, whether everybody receives.
//! `SourceInputs` (with `mediaconnect`, which names deployments) has an input and its
//! security group for each source.
//!
//! # How the channel is edited
//!
//! `UpdateChannel` replaces, and what it is not told it may drop. So the edit is made
//! on the JSON that `DescribeChannel` answered, and not on the SDK's types: those
//! leave out what AWS added after they were written, and an update made from them
//! would take it away. Every member that an update takes and a description shows is
//! sent back as it was; a member that this version has never heard of is a reason
//! to refuse. Afterwards the channel is described again and compared.
//!
//! MediaLive has no condition for an update: of two people who edit the channel at
//! once, the later one wins. The time between reading and writing is one call.
//!
//! # What the role of the program needs
//!
//! `medialive:DescribeChannel`, `StartChannel`, `StopChannel`, `BatchUpdateSchedule`,
//! `DescribeSchedule` on the channel; for the edit also `UpdateChannel` on it and
//! `iam:PassRole` on the channel's role. For inputs `CreateInput`, `DeleteInput`,
//! `ListInputs`, `CreateInputSecurityGroup`, `DeleteInputSecurityGroup`,
//! `ListInputSecurityGroups` and `CreateTags`.
//!
//! # What is in logs
//!
//! A description holds stream names and stream ids. No body of a request or an answer
//! is in what the SDK traces, and no text of AWS is in an error.

mod calls;
mod channel;
mod description;
mod edit;
mod encode;
mod error;
// Deployments are named in `mediaconnect`.
#[cfg(feature = "mediaconnect")]
mod inputs;
mod json;
#[cfg(test)]
mod tests;
mod verify;

pub use channel::MediaLiveChannel;
#[cfg(all(feature = "cli", feature = "mediaconnect"))]
pub(crate) use channel::Rehearsal;
#[cfg(feature = "mediaconnect")]
pub use inputs::{
    Caller, CallerError, InputSpec, SourceInput, SourceInputs, SrtEncryption, SrtKey,
};
pub use verify::FeedCheck;
