//! What is done on a connection while media goes out on it: it is emptied, answered, and parted from.

use std::io::ErrorKind;

use tokio::time::timeout;
use tracing::debug;

use super::{
    chatter::Chatter,
    classify::Trouble,
    connect::{GOODBYE_MAX, part, trouble_in},
};
use crate::{fanout::Lane, wire::client::ClientSession};

/// Empties the lane whenever its socket was full, until that fails.
pub(super) async fn drain(lane: &Lane) -> Trouble {
    loop {
        if let Err(error) = lane.drained().await {
            return match error.kind() {
                ErrorKind::TimedOut => Trouble::Wedged,
                _ => Trouble::Broken(error),
            };
        }
        lane.turned().await;
    }
}

/// Gives what the far end sent to the session, and the session's answers to the far end.
pub(super) fn answer(
    lane: &Lane,
    session: &mut ClientSession,
    chatter: &mut Chatter,
    input: &[u8],
) -> Option<Trouble> {
    let answered = chatter
        .answer(session, input)
        .and_then(|bytes| bytes.map_or(Ok(()), |bytes| lane.interject(bytes)));
    if let Err(error) = answered {
        return Some(Trouble::Session(error));
    }
    std::iter::from_fn(|| session.poll_event()).find_map(trouble_in)
}

/// Ends the publish in good order: what is half sent, unpublish, close, and wait for the far end to
/// do the same, so that the name is free when it is used next; false if it did not.
pub(super) async fn say_goodbye(lane: &Lane, session: &mut ClientSession) -> bool {
    lane.finish();
    session.close();
    if let Some(bytes) = session.take_output() {
        // With no room for it, what comes next breaks off in the middle, which is one end too.
        let _ = lane.interject(bytes);
    }
    let goodbye = async { lane.drained().await.is_ok() && part(lane.transport()).await };
    let both = timeout(GOODBYE_MAX, goodbye).await.unwrap_or(false);
    debug!(both, "ended; the far end too if both");
    both
}
