use std::time::Duration;

use clap::ValueEnum;

use super::medialive::Durations;

/// How AWS behaves where nobody has written it down. Whoever writes to
/// MediaConnect has to be right under [all](Self::all) of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// What becomes of a running flow after a write.
    pub updating: Updating,
    /// Two `rtmp-push` outputs to one host and port.
    pub same_place: SamePlace,
    /// The stream name in replies.
    pub stream_name: StreamName,
    /// What a change of an output does not name.
    pub omitted: Omitted,
}

/// What becomes of a running flow after a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Updating {
    /// It is `UPDATING` for a while, and refuses writes meanwhile.
    #[default]
    Refuses,
    /// It is `UPDATING` for a while, and takes writes meanwhile.
    Takes,
    /// It stays `ACTIVE`.
    Unseen,
}

/// Whether two `rtmp-push` outputs of one flow may go to one host and port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SamePlace {
    /// They may not, as those of the other protocols.
    #[default]
    Refuses,
    /// They may.
    Takes,
}

/// Whether replies hold stream names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StreamName {
    /// They do.
    #[default]
    Echoed,
    /// Asterisks stand in their place.
    Hidden,
}

/// What becomes of the members that `UpdateFlowOutput` does not send.
///
/// That `outputStatus` stays, and that it can be sent alone, is documented, and so in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Omitted {
    /// They stay.
    #[default]
    Kept,
    /// They are reset as soon as any of them is sent: the request is the whole output.
    Reset,
}

impl Modes {
    /// Every combination.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for updating in [Updating::Refuses, Updating::Takes, Updating::Unseen] {
            for same_place in [SamePlace::Refuses, SamePlace::Takes] {
                for stream_name in [StreamName::Echoed, StreamName::Hidden] {
                    for omitted in [Omitted::Kept, Omitted::Reset] {
                        all.push(Self {
                            updating,
                            same_place,
                            stream_name,
                            omitted,
                        });
                    }
                }
            }
        }
        all
    }
}

/// How long AWS takes for what it does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// `STARTING`.
    pub flow_start: Duration,
    /// `STOPPING`.
    pub flow_stop: Duration,
    /// `UPDATING`, after the last write.
    pub flow_update: Duration,
    /// `DELETING`.
    pub flow_delete: Duration,
    /// From when an output could send until it does.
    pub output_connect: Duration,
    /// The same of MediaLive.
    pub medialive: Durations,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            flow_start: Duration::from_secs(15),
            flow_stop: Duration::from_secs(10),
            flow_update: Duration::from_secs(2),
            flow_delete: Duration::from_secs(5),
            output_connect: Duration::from_secs(1),
            medialive: Durations::default(),
        }
    }
}

impl Timing {
    /// The same for everything, for a run in real time.
    #[must_use]
    pub const fn each(duration: Duration) -> Self {
        Self {
            flow_start: duration,
            flow_stop: duration,
            flow_update: duration,
            flow_delete: duration,
            output_connect: duration,
            medialive: Durations::each(duration),
        }
    }
}
