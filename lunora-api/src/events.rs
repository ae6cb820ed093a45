use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt as _, stream};
use lunora_core::domain::{DestinationId, Event, EventKind, EventSeq};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Api, destinations::view::DestinationView, problem::Problem, program::ProgramView,
    reconcile::show::ReconcileView, reply::Iso,
};

/// `event: state`, once, to begin with: everything.
#[derive(Serialize)]
struct StateView<'a> {
    timestamp: Iso,
    /// Every change after this one follows.
    cursor: EventSeq,
    destinations: Vec<DestinationView<'a>>,
    count: usize,
    program: ProgramView,
    reconcile: ReconcileView,
}

/// `event: change`: what happened, and the destination as it is now.
#[derive(Serialize)]
struct ChangeView<'a> {
    seq: EventSeq,
    at: Iso,
    destination_id: Option<&'a DestinationId>,
    /// `type`, and what belongs to it.
    #[serde(flatten)]
    kind: &'a EventKind,
    /// `null` if it is not about one, or that one is gone.
    destination: Option<DestinationView<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<u64>,
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a client waits to be told that its connection is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many events are read from the log at a time.
const BATCH: u32 = 100;

/// Sends the state, then every change, until the client leaves or the API closes.
pub(crate) async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    place: Result<Query<Place>, QueryRejection>,
) -> Result<Response, Problem> {
    let after = asked_place(&headers, place)?;
    let mut closed = api.closed();
    let ending = || {
        let message = "The server is stopping; connect again in a moment";
        Problem::unavailable(message, Duration::from_secs(5))
    };
    if *closed.borrow() {
        return Err(ending());
    }
    let place = api.subscribers().try_acquire_owned().map_err(|_| {
        let message = "Too many clients follow the events; close one, or poll \
                       GET /api/destinations instead";
        Problem::unavailable(message, Duration::from_secs(30))
    })?;

    let last = api.parts().ports.events.last().await?;
    let feed = Feed {
        // A place that the log does not have yet is one of another log.
        cursor: after.filter(|after| *after <= last).unwrap_or(last),
        next: Next::State,
        unsent: VecDeque::new(),
        api,
        _place: place,
    };
    let events = stream::unfold(feed, Feed::step);
    let events = events.take_until(async move {
        // It fails when the API is dropped, which ends the stream as well.
        let _ = closed.wait_for(|closed| *closed).await;
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let sse = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(heartbeat);
    Ok(sse.into_response())
}

/// After which change the client wants to go on. A browser that connects again
/// says so in the header, and repeats the URL that it was given first.
fn asked_place(
    headers: &HeaderMap,
    place: Result<Query<Place>, QueryRejection>,
) -> Result<Option<EventSeq>, Problem> {
    let refuse = || Problem::invalid("`after` and `Last-Event-ID` have to be the id of an event");
    let Some(header) = headers.get(LAST_EVENT_ID) else {
        let Query(place) = place.map_err(|_| refuse())?;
        return Ok(place.after.map(EventSeq));
    };
    let place = header.to_str().ok().and_then(|text| text.parse().ok());
    place.map(|place| Some(EventSeq(place))).ok_or_else(refuse)
}

/// What one client was told, and what is next.
struct Feed {
    api: Api,
    // The last change that it was told, or that the state was told after.
    cursor: EventSeq,
    next: Next,
    unsent: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy)]
enum Next {
    State,
    Change,
}

impl Feed {
    /// The next thing to send. The stream ends when it cannot be found out; the
    /// client connects again and goes on where it was.
    async fn step(mut self) -> Option<(Sent, Self)> {
        let sent = match self.next {
            Next::State => self.state().await,
            Next::Change => self.change().await,
        };
        match sent {
            Ok(sent) => Some((sent, self)),
            Err(problem) => {
                problem.log();
                None
            }
        }
    }

    async fn state(&mut self) -> Result<Sent, Problem> {
        self.next = Next::Change;
        // Looked at after the cursor was read, so that no change falls between.
        let snapshot = self.api.look().await?;
        let destinations: Vec<_> = snapshot.entries.values().map(Into::into).collect();
        let view = StateView {
            timestamp: Iso(snapshot.at),
            cursor: self.cursor,
            count: destinations.len(),
            destinations,
            program: self.api.parts().program.program().into(),
            reconcile: ReconcileView::of(&self.api, snapshot.held).await?,
        };
        sent("state", self.cursor, &view)
    }

    async fn change(&mut self) -> Result<Sent, Problem> {
        let event = self.next_event().await?;
        let destination_id = event.event.destination.as_ref();
        let entry = match destination_id {
            Some(id) => self.api.entry(id).await?,
            None => None,
        };
        let view = ChangeView {
            seq: event.seq,
            at: Iso(event.event.at),
            destination_id,
            kind: &event.event.kind,
            destination: entry.as_ref().map(DestinationView::from),
        };
        self.cursor = event.seq;
        sent("change", event.seq, &view)
    }

    async fn next_event(&mut self) -> Result<Event, Problem> {
        let log = &self.api.parts().ports.events;
        loop {
            if let Some(event) = self.unsent.pop_front() {
                return Ok(event);
            }
            self.unsent = log.read(self.cursor, BATCH).await?.into();
            if self.unsent.is_empty() {
                log.wait(self.cursor).await?;
            }
        }
    }
}

fn sent(name: &str, id: EventSeq, view: &impl Serialize) -> Result<Sent, Problem> {
    let sent = Sent::default().event(name).id(id.to_string());
    sent.json_data(view).map_err(|_| Problem::internal())
}
