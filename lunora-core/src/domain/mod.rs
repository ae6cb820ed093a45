//! Values that keep themselves valid.

mod advice;
mod channel;
mod destination;
mod digest;
mod edit;
mod event;
mod failover;
mod fault;
mod finding;
mod id;
mod ingest;
mod media;
mod name;
mod output;
mod platform;
mod platform_rules;
mod preset;
mod push_link;
mod push_url;
mod removal;
mod secret;
mod session;
mod source;
mod source_address;
mod status;
mod token;
pub(crate) mod word;

pub use advice::Advice;
pub use channel::{
    AttachmentName, Channel, ChannelClass, ChannelRefusal, ChannelState, Feed, FeedAddress,
    FeedAddressError, FeedChange, FeedLatency, FeedLatencyError, FeedReceipt, FeedStep,
    FeedVerdict, InputAttachment, Outage, OutputGroup, OutputGroupKind, PassphraseRef,
    PassphraseRefError, SharedEncode,
};
pub use destination::{Destination, Endpoint, Wanted};
pub use digest::{Digest, DigestError, HashKey};
pub use edit::Edit;
pub use event::{Event, EventKind, EventSeq, NewEvent, ProgramKind, SwitchCause};
pub use failover::{BackupMode, FailoverHistory, Flip};
pub use fault::{Fault, FaultClass, FaultCode, FaultText};
pub use finding::{Aspect, Check, Finding, Outcome};
pub use id::{
    DestinationId, IdError, LeaseName, PresetId, ResourceId, SessionId, SourceId, TokenId, WorkerId,
};
pub use ingest::{IngestSpec, IngestState, IngestWay, ObservedIngest};
pub use media::{AudioFacts, MediaCodec, MediaFacts, VideoFacts};
pub use name::{DestinationName, Label, NameError, SourceName};
pub use output::{
    Fingerprint, Leg, ObservedOutput, OutputHealth, OutputId, OutputSpec, OutputState, Progress,
    PushTarget, Switch,
};
pub use platform::{OtherWord, OutputType, Platform, WordError};
pub use platform_rules::{IngestRules, Limit, Standing};
pub use preset::{
    AudioPreset, PlatformSettings, Preset, PresetKind, Resolution, ResolutionError, VideoPreset,
};
pub use push_url::{Host, KeyInput, PushAddress, PushUrl, PushUrlError, Scheme};
pub use removal::{ChangeId, Leftover, Removal, RemovalCause, RemovalCauseError};
pub use secret::{
    MASK, SecretName, SecretNameError, SecretRef, SecretVersion, StreamKey, StreamKeyError,
};
pub use session::{Session, SessionStatus};
pub use source::{
    Encryption, HealthCheck, InputClass, Priority, Protocol, Source, SourceCheck, SourceHealth,
};
pub use source_address::{
    Passphrase, SourceAddressError, SourceHost, SourceUrl, SrtCall, StreamName,
};
pub use status::{Severity, Status, StatusKind};
pub use token::{Role, Token};
pub use word::UnknownWord;
