//! The outputs of MediaConnect flows, and the flows.
//!
//! - [`FlowRouter`]: an [`OutputRouter`](lunora_core::port::OutputRouter) over a
//!   [`FlowPool`]. [`check_target`] says beforehand what it would refuse.
//! - [`FlowControl`]: whether a flow runs, and what comes into it; [`FlowFeed`]:
//!   whether anything does.
//! - [`Event`] reads what EventBridge delivers, and an [`EvidenceStore`] keeps it.
//!
//! MediaConnect treats a stream name like any other text: it shows it to whoever
//! may call `DescribeFlow`, and the SDK would print it. Here no body is logged, and
//! no error of the SDK leaves this module.

mod calls;
mod deployment;
mod description;
mod error;
mod event;
mod evidence;
mod feed;
mod flow_control;
mod flow_router;
mod flow_source;
mod health;
mod place;
mod pool;
mod round;
mod rtmp_push;
mod source_format;
mod target;
mod view;

pub use deployment::{Deployment, DeploymentError};
pub use event::{Event, EventError};
pub use evidence::{
    Evidence, EvidenceStore, MemoryEvidence, Signal, SignalError, Subject, SubjectError,
};
pub use feed::FlowFeed;
pub use flow_control::{Failover, FailoverMode, FlowControl, FlowState, SourceState};
pub use flow_router::FlowRouter;
pub use flow_source::{
    Cidr, RoleArn, SecretArn, SourceName, SourceProblem, SourceSettings, SourceTransport,
    SrtDecryption,
};
pub use pool::{FlowPool, PoolError};
pub use source_format::{Codec, SourceFormat, StreamFormat};
pub use target::{TargetProblem, check_target};
pub use view::FlowStatus;
