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
use lunora_core::{
    domain::{DestinationId, Event, EventKind, EventSeq, Label, Severity, StatusKind},
    service::SourceSnapshot,
};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    Api,
    destinations::view::{DestinationView, FaultView},
    problem::Problem,
    program::ProgramView,
    reconcile::show::ReconcileView,
    reply::Iso,
    sources::view::SourceView,
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
    /// Where this deployment takes sources in.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<SourceView<'a>>>,
}

/// `event: change`: what happened, and the destination as it is now.
#[derive(Serialize)]
struct ChangeView<'a> {
    seq: EventSeq,
    at: Iso,
    destination_id: Option<&'a DestinationId>,
    /// Who did it, if somebody did and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Label>,
    /// `type`, and what belongs to it.
    #[serde(flatten)]
    kind: KindView<'a>,
    /// `null` if it is not about one, or that one is gone.
    destination: Option<DestinationView<'a>>,
    /// All of them as they are now, if it is about sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<Vec<SourceView<'a>>>,
}

/// What happened, as it is recorded, but with times as clients read them.
#[derive(Serialize)]
#[serde(untagged)]
enum KindView<'a> {
    Timed(TimedView<'a>),
    Plain(&'a EventKind),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum TimedView<'a> {
    StatusChanged {
        from: Option<StatusKind>,
        to: StatusKind,
        severity: Severity,
        fault: Option<FaultView<'a>>,
        last_fault: Option<FaultView<'a>>,
    },
    ReconcilePaused {
        until: Iso,
    },
}

impl<'a> From<&'a EventKind> for KindView<'a> {
    fn from(kind: &'a EventKind) -> Self {
        Self::Timed(match kind {
            EventKind::StatusChanged {
                from,
                to,
                severity,
                fault,
                last_fault,
            } => TimedView::StatusChanged {
                from: *from,
                to: *to,
                severity: *severity,
                fault: fault.as_ref().map(FaultView::from),
                last_fault: last_fault.as_ref().map(FaultView::from),
            },
            EventKind::ReconcilePaused { until } => {
                TimedView::ReconcilePaused { until: Iso(*until) }
            }
            other => return Self::Plain(other),
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct Place {
    after: Option<u64>,
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many clients may follow the events at a time.
pub(crate) const SUBSCRIBERS_MAX: usize = 64;

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
        let sources = match &self.api.parts().sources {
            Some(sources) => Some(sources.list().await?),
            None => None,
        };
        let view = StateView {
            timestamp: Iso(snapshot.at),
            cursor: self.cursor,
            count: destinations.len(),
            destinations,
            program: self.api.parts().program.program().into(),
            reconcile: ReconcileView::of(&self.api, snapshot.held).await?,
            sources: views(sources.as_ref()),
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
        let sources = match &self.api.parts().sources {
            Some(sources) if is_of_sources(&event.event.kind) => Some(sources.list().await?),
            _ => None,
        };
        let view = ChangeView {
            seq: event.seq,
            at: Iso(event.event.at),
            destination_id,
            by: event.event.by.as_ref(),
            kind: KindView::from(&event.event.kind),
            destination: entry.as_ref().map(DestinationView::from),
            sources: views(sources.as_ref()),
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

/// Whether it is told together with all sources as they are now.
const fn is_of_sources(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::SourceCreated { .. }
            | EventKind::SourceUpdated { .. }
            | EventKind::SourceRemoved { .. }
            | EventKind::SourcePinned { .. }
            | EventKind::SourceSwitched { .. }
            | EventKind::SourceHealthChanged { .. }
    )
}

fn views(sources: Option<&SourceSnapshot>) -> Option<Vec<SourceView<'_>>> {
    sources.map(|it| it.entries.values().map(SourceView::from).collect())
}

fn sent(name: &str, id: EventSeq, view: &impl Serialize) -> Result<Sent, Problem> {
    let sent = Sent::default().event(name).id(id.to_string());
    sent.json_data(view).map_err(|_| Problem::internal())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use axum::{
        body::{Body, BodyDataStream},
        http::{Method, Request},
    };
    use futures_util::{FutureExt as _, StreamExt as _};
    use lunora_core::{
        domain::{
            EventKind, Fault, FaultClass, FaultCode, NewEvent, OutputHealth, OutputState, Severity,
            StatusKind, Wanted,
        },
        port::{Clock as _, EventLog as _, Expect, Repo as _, RepoExt as _},
    };
    use lunora_testkit::sample;
    use serde_json::{Value, json};

    use super::{HEARTBEAT, SUBSCRIBERS_MAX};
    use crate::world::{World, custom, request};

    fn events() -> Request<Body> {
        request(Method::GET, "/api/events", Body::empty())
    }

    fn events_after(id: &str) -> Request<Body> {
        let mut request = events();
        let id = id.parse().unwrap();
        request.headers_mut().insert("last-event-id", id);
        request
    }

    /// A client that follows the events.
    struct Follower(Pin<Box<BodyDataStream>>);

    #[derive(Debug, PartialEq)]
    struct Told {
        event: String,
        id: u64,
        data: Value,
    }

    impl Follower {
        async fn new(world: &World, request: Request<Body>) -> Self {
            let response = world.send(request).await;
            assert_eq!(response.status(), 200);
            let kind = &response.headers()["content-type"];
            assert_eq!(kind, "text/event-stream");
            Self(Box::pin(response.into_body().into_data_stream()))
        }

        async fn text(&mut self) -> Option<String> {
            let bytes = self.0.next().await?.unwrap();
            Some(String::from_utf8(bytes.into()).unwrap())
        }

        async fn next(&mut self) -> Told {
            let text = self.text().await.unwrap();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("no {name} in {text}"))
                    .to_owned()
            };
            Told {
                event: field("event: "),
                id: field("id: ").parse().unwrap(),
                data: serde_json::from_str(&field("data: ")).unwrap(),
            }
        }

        /// Everything that comes without waiting.
        fn rest(&mut self) -> Vec<Told> {
            let mut told = Vec::new();
            while let Some(next) = self.next().now_or_never() {
                told.push(next);
            }
            told
        }
    }

    #[tokio::test]
    async fn the_state_comes_first_and_is_all_that_there_is() {
        let world = World::new();
        world.create(custom("one")).await;
        let list = world.get("/api/destinations").await;

        let mut follower = Follower::new(&world, events()).await;
        let state = follower.next().await;

        assert_eq!((state.event.as_str(), state.id), ("state", 1));
        assert_eq!(state.data["cursor"], 1);
        assert_eq!(state.data["count"], 1);
        assert_eq!(state.data["destinations"], list.json["destinations"]);
        assert_eq!(state.data["program"]["kind"], "test_stream");
        assert_eq!(state.data["reconcile"]["paused"], false);
        assert_eq!(follower.rest(), []);
    }

    #[tokio::test]
    async fn every_change_follows_with_the_destination_as_it_is_now() {
        let world = World::new();
        let mut follower = Follower::new(&world, events()).await;
        let state = follower.next().await;

        let path = world.create(custom("one")).await;
        let created = follower.rest();
        world.put(&path, json!({"name": "new"})).await;
        let updated = follower.rest();
        world.act(&format!("{path}/start")).await;
        let started = follower.rest();
        world.call(Method::DELETE, &path).await;
        let removed = follower.rest();

        assert_eq!(state.data["count"], 0);
        let [created] = created.as_slice() else {
            panic!("{created:?}")
        };
        assert_eq!((created.event.as_str(), created.id), ("change", 1));
        let data = &created.data;
        assert_eq!(data["seq"], 1);
        assert_eq!(data["type"], "destination_created");
        assert_eq!(data["at"], "2026-01-02T03:04:05.000Z");
        assert_eq!(
            data["destination_id"],
            data["destination"]["destination_id"]
        );
        assert_eq!(data["destination"]["name"], "one");
        assert_eq!(updated[0].data["changed"], json!(["name"]));
        assert_eq!(updated[0].data["destination"]["name"], "new");
        assert_eq!(started[0].data["type"], "destination_started");
        assert_eq!(started[1].data["type"], "status_changed");
        assert_eq!(started[1].data["to"], "connecting");
        assert_eq!(removed[0].data["type"], "destination_removed");
        assert_eq!(removed[0].data["destination"], Value::Null);
        assert_eq!(removed[1].data["type"], "removal_finished");
    }

    #[tokio::test]
    async fn a_client_that_connects_again_is_told_the_state_and_what_it_missed() {
        let world = World::new();
        let path = world.create(custom("one")).await;
        let mut follower = Follower::new(&world, events()).await;
        let last = follower.next().await.id;
        drop(follower);
        world.put(&path, json!({"name": "two"})).await;
        world.put(&path, json!({"name": "three"})).await;

        let again = events_after(&last.to_string());
        let by_header = Follower::new(&world, again).await.rest();
        let query = format!("/api/events?after={last}");
        let query = request(Method::GET, &query, Body::empty());
        let by_query = Follower::new(&world, query).await.rest();

        let [state, two, three] = by_header.as_slice() else {
            panic!("{by_header:?}")
        };
        assert_eq!((state.event.as_str(), state.id), ("state", last));
        assert_eq!(state.data["destinations"][0]["name"], "three");
        assert_eq!([two.id, three.id], [last + 1, last + 2]);
        // A change never takes a client back to what is no longer so.
        assert_eq!(two.data["destination"]["name"], "three");
        assert_eq!(by_query, by_header);
    }

    #[tokio::test]
    async fn a_place_of_another_log_is_no_place_to_wait_for() {
        let world = World::new();
        world.create(custom("one")).await;

        let mut follower = Follower::new(&world, events_after("999")).await;

        assert_eq!(follower.next().await.id, 1);
        let odd = world.reply(events_after("x")).await;
        assert_eq!(odd.refusal(), (400, "invalid"));
    }

    #[tokio::test]
    async fn rule_16_what_another_process_changed_is_told_as_it_is_now() {
        let world = World::new();
        world.get("/api/destinations").await;
        let mut row = sample::destination(1);
        row.wanted = Wanted::Stopped;
        let revision = world.core.destinations.create(&row).await.unwrap();

        let mut follower = Follower::new(&world, events()).await;
        let state = follower.next().await;
        row.name = "renamed".parse().unwrap();
        row.generation += 1;
        let expect = Expect::Revision(revision);
        world.core.destinations.put(&row, expect).await.unwrap();
        let event = NewEvent {
            at: world.core.clock.now(),
            destination: Some(row.id),
            by: None,
            kind: EventKind::DestinationUpdated {
                changed: vec!["name".into()],
            },
        };
        world.core.events.append(&event).await.unwrap();
        let change = follower.next().await;

        assert_eq!(state.data["destinations"][0]["name"], "destination 1");
        assert_eq!(change.data["destination"]["name"], "renamed");
    }

    #[tokio::test]
    async fn a_failure_is_told_with_its_code_class_and_text() {
        let world = World::new();
        let mut body = custom("one");
        body["start"] = json!(true);
        world.create(body).await;
        let mut follower = Follower::new(&world, events()).await;
        follower.rest();
        let now = world.core.clock.now();
        let mut health = OutputHealth::new(OutputState::Reconnecting, now);
        let (code, class) = (FaultCode::RemoteClosed, FaultClass::Transient);
        health.fault = Some(Fault::new(code, class, "the far end hung up", now));
        world.core.router.set_health(&world.core.on()[0], health);

        world.core.reconciler.look().await.unwrap();
        let told = follower.rest();

        let [told] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!(told.data["type"], "status_changed");
        assert_eq!(told.data["to"], "reconnecting");
        assert_eq!(told.data["severity"], "self_healing");
        assert_eq!(told.data["fault"]["code"], "remote_closed");
        assert_eq!(told.data["fault"]["class"], "transient");
        assert_eq!(told.data["fault"]["text"], "the far end hung up");
        let state = &told.data["destination"]["state"];
        assert_eq!(told.data["fault"], state["fault"]);
        assert_eq!(told.data["last_fault"], state["last_fault"]);
        assert_eq!(told.data["destination"]["streaming_status"], "error");
    }

    #[tokio::test]
    async fn who_did_it_is_told_if_it_is_known() {
        let world = World::new();
        let mut follower = Follower::new(&world, events()).await;
        follower.rest();

        for by in [Some("Ada".parse().unwrap()), None] {
            let event = NewEvent {
                by,
                ..sample::new_event(1)
            };
            world.core.events.append(&event).await.unwrap();
        }
        let [known, unknown] = follower.rest().try_into().unwrap();

        assert_eq!(known.data["by"], "Ada");
        assert_eq!(unknown.data.get("by"), None);
    }

    #[tokio::test]
    async fn every_time_has_milliseconds_wherever_it_stands() {
        let world = World::new();
        let mut follower = Follower::new(&world, events()).await;
        follower.rest();
        let at = world.core.clock.now();
        let (code, class) = (FaultCode::Refused, FaultClass::Transient);
        let fault = Fault::new(code, class, "nobody listens", at);
        let kinds = [
            EventKind::ReconcilePaused { until: at },
            EventKind::StatusChanged {
                from: None,
                to: StatusKind::Reconnecting,
                severity: Severity::SelfHealing,
                fault: Some(fault.clone()),
                last_fault: Some(fault),
            },
        ];

        for kind in kinds {
            let (destination, by) = (None, None);
            let event = NewEvent {
                at,
                destination,
                by,
                kind,
            };
            world.core.events.append(&event).await.unwrap();
        }
        let [paused, changed] = follower.rest().try_into().unwrap();

        let expected = json!("2026-01-02T03:04:05.000Z");
        assert_eq!(paused.data["type"], "reconcile_paused");
        assert_eq!(paused.data["until"], expected);
        assert_eq!(changed.data["at"], expected);
        assert_eq!(changed.data["fault"]["at"], expected);
        assert_eq!(changed.data["last_fault"]["at"], expected);
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_api_closes_and_no_new_one_begins() {
        let world = World::new();
        let mut follower = Follower::new(&world, events()).await;
        follower.next().await;

        world.api.close();

        assert_eq!(follower.text().await, None);
        let refused = world.reply(events()).await;
        assert_eq!(refused.refusal(), (503, "unavailable"));
        assert_eq!(world.get("/api/health").await.status, 200);
    }

    #[tokio::test]
    async fn followers_are_bounded_and_one_that_leaves_makes_room() {
        let world = World::new();
        let mut followers = Vec::new();
        for _ in 0..SUBSCRIBERS_MAX {
            followers.push(Follower::new(&world, events()).await);
        }

        let refused = world.reply(events()).await;
        followers.pop();
        let mut admitted = Follower::new(&world, events()).await;

        assert_eq!(refused.refusal(), (503, "unavailable"));
        assert!(refused.header("retry-after").is_some());
        assert_eq!(admitted.next().await.event, "state");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_that_it_is_alive() {
        let world = World::new();
        let mut follower = Follower::new(&world, events()).await;
        follower.next().await;

        let before = tokio::time::Instant::now();
        let beat = follower.text().await;

        assert_eq!(beat.as_deref(), Some(": alive\n\n"));
        assert_eq!(before.elapsed(), HEARTBEAT);
    }
}
