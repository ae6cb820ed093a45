//! What we believe of AWS without having seen it on an account.

/// One thing that Lunora is built on, or that its documents say, and that only an
/// account can show.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assumption {
    /// What reports and `docs/aws.md` call it.
    pub id: &'static str,
    /// What we believe.
    pub assumed: &'static str,
    /// What happens otherwise.
    pub if_wrong: &'static str,
    /// How it is found out.
    pub tested: Tested,
}

impl Assumption {
    /// Its row in the table of `docs/aws.md`.
    #[must_use]
    pub fn row(&self) -> String {
        let Self {
            id,
            assumed,
            if_wrong,
            tested,
        } = self;
        format!("| `{id}` | {assumed} | {if_wrong} | {} |", tested.as_str())
    }
}

/// How an assumption is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tested {
    /// By reading alone.
    Reads,
    /// On a test output that is off.
    TestOutput,
    /// On the test output while it is on, so only with somewhere to push to.
    FarEnd,
    /// The same, and with the table in which a deployment keeps what events told.
    Evidence,
    /// By reading the channel.
    Channel,
    /// By an update of the channel that MediaLive is told not to make (`dryRun`).
    ChannelRehearsal,
    /// Not by this command; a person looks.
    Person(&'static str),
}

impl Tested {
    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads the flow",
            Self::TestOutput => "test output, off",
            Self::FarEnd => "test output, on: `--output-to`",
            Self::Evidence => "test output, on: `--output-to` and `--evidence-table`",
            Self::Channel => "reads the channel: `--channel`",
            Self::ChannelRehearsal => "a `dryRun` update of the idle channel: `--channel`",
            Self::Person(how) => how,
        }
    }
}

macro_rules! assumptions {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $tested:expr, $assumed:literal, $if_wrong:literal;)*) => {
        $(
            $(#[$doc])*
            pub(super) static $name: Assumption = Assumption {
                id: $id,
                assumed: $assumed,
                if_wrong: $if_wrong,
                tested: $tested,
            };
        )*

        /// All of them, in the order in which they are looked at.
        pub static ASSUMPTIONS: &[&Assumption] = &[$(&$name),*];
    };
}

assumptions! {
    FLOW_SHOWN = "flow-shown", Tested::Reads,
        "`DescribeFlow` shows a status that we know, and a name and an ARN of each output",
        "an unknown status is shown as running; an output without a name is not ours and stays";
    NO_SUCH_FLOW = "no-such-flow", Tested::Reads,
        "a flow that is not there is a `NotFoundException` (404)",
        "a deleted flow is reported as an outage and asked again, not as a mistake in the set-up";
    CODEC_WORDS = "codec-words", Tested::Reads,
        "`DescribeFlowSourceMetadata` names H.264 and AAC in a spelling that we know",
        "an unknown word is let through: a source that RTMP cannot carry is not refused beforehand";
    CHANNEL_SHOWN = "channel-shown", Tested::Channel,
        "`DescribeChannel` shows no setting that this version has never heard of",
        "the feed edit is refused until this version is updated; the channel is not touched";
    CHANNEL_RESENT = "channel-resent", Tested::ChannelRehearsal,
        "`UpdateChannel` takes back what `DescribeChannel` showed, and `dryRun` changes nothing",
        "the feed edit is refused by MediaLive and changes nothing; add the output group by hand";
    RTMP_PUSH = "rtmp-push", Tested::TestOutput,
        "flow outputs of the protocol `rtmp-push` are enabled in the region",
        "no destination of type `mediaconnect` with RTMP can start; use the relay";
    OFF_FROM_THE_START = "off-from-the-start", Tested::TestOutput,
        "an output that is added as DISABLED does not send",
        "a stopped destination that is attached pushes until it is switched off";
    UPDATING_SEEN = "updating-seen", Tested::TestOutput,
        "a running flow is UPDATING for a while after each change",
        "nothing breaks: a wait that is never needed is never made";
    UPDATING_REFUSES = "updating-refuses", Tested::TestOutput,
        "a flow that is UPDATING refuses changes with `BadRequestException`",
        "nothing breaks if it takes them; with another code a change fails, and the next pass makes it";
    UPDATING_SHORT = "updating-short", Tested::TestOutput,
        "UPDATING lasts less than 16 s",
        "a pass makes one change a flow and gives up; the rest waits for the next passes, 10 s apart";
    STATUS_ALONE = "status-alone", Tested::TestOutput,
        "`outputStatus` can be sent alone, and changes nothing else",
        "a switch-off or a retry fails, or takes the destination away; the next pass repairs it";
    OMITTED_STAYS = "omitted-stays", Tested::TestOutput,
        "what `UpdateFlowOutput` does not send stays as it was",
        "nothing breaks: our updates send every member, and a switch sends the status alone";
    UPDATE_IN_PLACE = "update-in-place", Tested::TestOutput,
        "host, port, application, stream name and TLS of an output can be changed under the same ARN",
        "an edit fails with `invalid`; stop the destination and start it";
    DESCRIPTIONS = "descriptions", Tested::TestOutput,
        "a description of 128 characters is taken and shown unchanged",
        "every output looks changed: a needless update each pass, which interrupts it; stop the deployment";
    PLACE_SHOWN = "place-shown", Tested::TestOutput,
        "`DescribeFlow` shows protocol, host name and port as they were given",
        "every output looks moved: a needless update each pass, which interrupts it; stop the deployment";
    STREAM_NAME_SHOWN = "stream-name-shown", Tested::TestOutput,
        "`DescribeFlow` shows the stream key to whoever may call it",
        "nothing breaks: we never read it back; the warning about read access is stricter than needed";
    APPLICATION_QUERY = "application-query", Tested::TestOutput,
        "an application such as `live2?backup=1` is taken and shown unchanged",
        "a backup ingest of YouTube fails, or arrives as its primary; use a primary alone";
    TLS_SHOWN = "tls", Tested::TestOutput,
        "`tlsEncryption` with PUBLIC is taken for a host name at port 443",
        "no RTMPS destination can start, which is what Facebook and X need";
    TLS_NEEDS_NAME = "tls-needs-name", Tested::TestOutput,
        "RTMPS to an address is refused",
        "nothing breaks: we refuse beforehand what MediaConnect would take";
    LOW_PORT = "low-port", Tested::TestOutput,
        "RTMP without TLS to a port below 1024 is refused",
        "nothing breaks: we refuse beforehand what MediaConnect would take";
    DUPLICATE_NAME = "duplicate-name", Tested::TestOutput,
        "a name that the flow has already is a `BadRequestException` (400)",
        "an attach whose answer was lost and that is sent again makes a second push with one key";
    BATCH_IS_WHOLE = "batch-is-whole", Tested::TestOutput,
        "`AddFlowOutputs` adds all outputs or none",
        "nothing breaks: after a refusal the flow is looked at, and what is there is not added again";
    LONG_NAMES = "long-names", Tested::TestOutput,
        "a name of 164 characters with dots and underscores is taken and shown unchanged",
        "refused: that destination says `invalid`. Shown otherwise: it is not found, and added again and again";
    SAME_PLACE = "same-place", Tested::TestOutput,
        "two outputs to one host and port are refused, whatever their stream keys",
        "nothing breaks: more destinations fit on one flow than we say";
    SWITCH_IN_PLACE = "switch-in-place", Tested::FarEnd,
        "an output can be enabled and disabled under the same ARN",
        "start and stop fail; remove and add the output instead";
    HEALTH_EVENTS = "health-events", Tested::Evidence,
        "an `rtmp-push` output that is on tells its health by events, and SENDING within 60 s",
        "running destinations say `unconfirmed` and never `live`; look at the platform";
    REMOVED_IS_GONE = "removed-is-gone", Tested::TestOutput,
        "a removed output is gone from `DescribeFlow`, and removing it again is a `NotFoundException`",
        "a removal is tried again each pass, and said to be pending";
    OTHERS_STAY = "others-stay", Tested::TestOutput,
        "a change of one output leaves what `DescribeFlow` shows of the others as it was",
        "something else writes to the flow, or MediaConnect does; find out before going live";
    SIBLINGS_SEND = "siblings-send", Tested::Person("watch another destination while the test output changes"),
        "a change of one output does not interrupt what the others send",
        "every start, stop and edit is seen by the viewers of all destinations of that flow; spread them over more flows";
    SHOWN_AT_ONCE = "shown-at-once", Tested::Person("compare what `DescribeFlow` shows right after a change with it"),
        "`DescribeFlow` shows a change from the moment at which it was accepted",
        "a pass within seconds of another makes its changes again, which interrupts those destinations alone, or says `invalid` until the next pass";
    HEALTH_ORDER = "health-order", Tested::Person("compare the events in the log group with what was done"),
        "health events come within seconds and with the time at which it was so",
        "a status is late or, within one second, of the wrong side of a change; it never makes a change";
    RECONNECTS = "reconnects", Tested::Person("stop the far end for a minute"),
        "MediaConnect connects again by itself when a far end comes back",
        "a destination stays `reconnecting` until somebody retries it";
    QUERY_ARRIVES = "query-arrives", Tested::Person("look at what the far end is asked for"),
        "the query of an application arrives at the far end unchanged",
        "a backup ingest of YouTube arrives as its primary; use a primary alone";
    RATES = "rates", Tested::Person("not tested, for it would take calls from whoever is live"),
        "30 descriptions and 5 other calls a second, with bursts of 30; a call too many is HTTP 429",
        "calls are slower or fail as `throttled`, and the next pass makes them";
    FIFTY_OUTPUTS = "fifty-outputs", Tested::Person("not tested; the quota page of the account says it"),
        "a flow takes 50 outputs, and the next one is HTTP 420",
        "with another code a destination says `invalid`, where it should say `quota`";
    CHANNEL_KEEPS = "channel-keeps", Tested::Person("the feed edit compares the channel afterwards"),
        "an update that sends back all that was shown changes nothing else",
        "the edit says what differs, and that the channel must not be started before it is put right";
    FEED_ARRIVES = "feed-arrives", Tested::Person("start channel and flow, and look at the source"),
        "the encrypted SRT output of MediaLive is taken by an `srt-listener` source of the flow",
        "nothing comes into the flow; the channel and its HLS are as before; remove the feed again";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_assumption_has_an_id_of_its_own_and_says_what_happens() {
        let ids: BTreeSet<_> = ASSUMPTIONS.iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), ASSUMPTIONS.len());
        for it in ASSUMPTIONS {
            assert!(!it.assumed.is_empty() && !it.if_wrong.is_empty(), "{it:?}");
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(it.id.bytes().all(plain), "{}", it.id);
        }
    }
}
