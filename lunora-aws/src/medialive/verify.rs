use std::{sync::Arc, time::Duration};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use jiff::Timestamp;
use lunora_core::{
    domain::{ChannelState, FeedVerdict},
    port::{ChannelController, Clock, ErrorKind, PortError, Receives},
};

/// How long apart it looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Looks, after a channel with a new feed was started, whether it runs, the flow
/// receives, and viewers are served. It changes nothing.
#[derive(Debug)]
pub struct FeedCheck {
    /// The channel that was started.
    pub channel: Arc<dyn ChannelController>,
    /// Whether the source of the flow receives.
    pub flow: Arc<dyn Receives>,
    /// Whether what makes HLS receives: that a feed was added must cost viewers nothing.
    pub viewers: Arc<dyn Receives>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Sleeps in the time of the clock.
    pub sleep: SharedAsyncSleep,
}

impl FeedCheck {
    /// Looks until all is well at one look, or for `most`. AWS calls a start of 10
    /// minutes normal.
    ///
    /// It gives up earlier where the channel does not start, or not any more. A look
    /// that is [`Unavailable`](ErrorKind::Unavailable) sees nothing, and the next may.
    pub async fn verify(&self, most: Duration) -> Result<FeedVerdict, PortError> {
        let start = self.clock.now();
        let mut verdict = FeedVerdict::default();
        loop {
            let state = self.state().await?;
            self.look(state, &mut verdict).await?;
            let waited = self.clock.now().duration_since(start);
            let is_late = Duration::try_from(waited).is_ok_and(|waited| most <= waited);
            if verdict.is_good() || is_late || state.is_some_and(is_hopeless) {
                return Ok(verdict);
            }
            self.sleep.sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn look(
        &self,
        state: Option<ChannelState>,
        verdict: &mut FeedVerdict,
    ) -> Result<(), PortError> {
        let Some(state) = state else {
            return Ok(());
        };
        let runs = state == ChannelState::Running;
        self.note(&mut verdict.running, runs);
        // Before, either could only receive what is left of an earlier run.
        let flow = runs && seen(self.flow.receives().await)?.unwrap_or(false);
        self.note(&mut verdict.flow, flow);
        let viewers = runs && seen(self.viewers.receives().await)?.unwrap_or(false);
        self.note(&mut verdict.viewers, viewers);
        Ok(())
    }

    async fn state(&self) -> Result<Option<ChannelState>, PortError> {
        let described = self.channel.describe().await;
        seen(described.map(|channel| channel.state))
    }

    fn note(&self, since: &mut Option<Timestamp>, is_so: bool) {
        *since = match (is_so, *since) {
            (false, _) => None,
            (true, None) => Some(self.clock.now()),
            (true, since) => since,
        };
    }
}

/// Waiting does not help.
fn is_hopeless(state: ChannelState) -> bool {
    matches!(
        state,
        ChannelState::Idle | ChannelState::Stopping | ChannelState::Failed | ChannelState::Deleted
    )
}

fn seen<T>(look: Result<T, PortError>) -> Result<Option<T>, PortError> {
    match look {
        Ok(it) => Ok(Some(it)),
        Err(error) if error.kind() == ErrorKind::Unavailable => Ok(None),
        Err(error) => Err(error),
    }
}
