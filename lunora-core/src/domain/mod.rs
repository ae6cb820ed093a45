//! Values that keep themselves valid.

mod destination;
mod digest;
mod edit;
mod event;
mod fault;
mod id;
mod name;
mod output;
mod platform;
mod push_url;
mod removal;
mod secret;
mod status;

pub use destination::{Destination, Endpoint, Wanted};
pub use digest::{Digest, DigestError, HashKey};
pub use edit::Edit;
pub use event::{Event, EventKind, EventSeq, NewEvent, ProgramKind};
pub use fault::{Fault, FaultClass, FaultCode, FaultText};
pub use id::{DestinationId, IdError, PresetId};
pub use name::{DestinationName, NameError};
pub use output::{
    Fingerprint, Leg, ObservedOutput, OutputHealth, OutputId, OutputSpec, OutputState, Progress,
    PushTarget, Switch,
};
pub use platform::{OtherWord, OutputType, Platform, WordError};
pub use push_url::{Host, KeyInput, PushAddress, PushUrl, PushUrlError, Scheme};
pub use removal::{Removal, RemovalCause};
pub use secret::{MASK, SecretName, SecretRef, SecretVersion, StreamKey, StreamKeyError};
pub use status::{Severity, Status, StatusKind};
