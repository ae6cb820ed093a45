//! Sits between a client and ministack: sees every call, and lets some fail.

use std::{
    fmt,
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex},
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use tokio::sync::Notify;

use crate::interpose::{Answer, interpose, name_of};
pub(crate) use crate::wire::Lost;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Interlude {
    call: &'static str,
    table: String,
    work: Work,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    end_at: Option<(usize, Lost)>,
    refusals: Vec<(&'static str, &'static str, u32)>,
    interludes: Vec<Interlude>,
}

/// Counts the calls of the clients that it is put into, and breaks some.
#[derive(Clone)]
pub(crate) struct Tap {
    state: Arc<Mutex<State>>,
    ended: Arc<Notify>,
}

impl Tap {
    /// A tap, and what clients are made from that go through it.
    pub(crate) fn on(sdk: &SdkConfig) -> (Self, SdkConfig) {
        let tap = Self {
            state: Arc::default(),
            ended: Arc::default(),
        };
        let tapped = tap.clone();
        let pass = move |request, connector| tapped.clone().pass(request, connector);
        (tap, interpose(sdk, pass))
    }

    /// The names of all calls so far, such as `UpdateItem`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Asserts that no call so far wrote anything.
    pub(crate) fn assert_only_reads(&self) {
        let calls = self.calls();
        let wrote = ["PutItem", "UpdateItem", "DeleteItem", "CreateBackup"];
        let is_read = |call: &String| !wrote.contains(&call.as_str());
        assert!(calls.iter().all(is_read), "{calls:?}");
    }

    /// From that call on, counted from 0, nothing is answered, as if the process had died.
    pub(crate) fn end_at(&self, call: usize, lost: Lost) {
        self.state.lock().unwrap().end_at = Some((call, lost));
    }

    /// Returns once the process died.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The next so many calls of that name are refused with that code.
    pub(crate) fn refuse(&self, call: &'static str, code: &'static str, times: u32) {
        self.state
            .lock()
            .unwrap()
            .refusals
            .push((call, code, times));
    }

    /// Does something else just before the next call of that name on that table is sent.
    pub(crate) fn before(
        &self,
        call: &'static str,
        table: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        self.state.lock().unwrap().interludes.push(Interlude {
            call,
            table: format!("\"{table}\""),
            work: Box::pin(work),
        });
    }

    async fn pass(self, request: HttpRequest, connector: SharedHttpConnector) -> Answer {
        let name = name_of(&request);
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let body = String::from_utf8(body).unwrap();
        let (lost, refusal, work) = {
            let mut state = self.state.lock().unwrap();
            let number = state.calls.len();
            state.calls.push(name.clone());
            let lost = state.end_at.filter(|(at, _)| *at <= number);
            // What comes after the end is sent even less.
            let lost = lost.map(|(at, lost)| if at < number { Lost::Request } else { lost });
            let mut refusals = state.refusals.iter_mut();
            let refusal = refusals.find(|(call, _, times)| *call == name && 0 < *times);
            let refusal = refusal.map(|(_, code, times)| {
                *times -= 1;
                *code
            });
            let mut interludes = state.interludes.iter();
            let work = interludes
                .position(|it| it.call == name && body.contains(&it.table))
                .map(|at| state.interludes.remove(at).work);
            (lost, refusal, work)
        };
        if let Some(work) = work {
            work.await;
        }
        if lost == Some(Lost::Request) {
            self.ended.notify_one();
            return pending().await;
        }
        if let Some(code) = refusal {
            let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#);
            return Ok(HttpResponse::new(
                StatusCode::try_from(400).unwrap(),
                body.into(),
            ));
        }
        let answer = connector.call(request).await;
        if lost == Some(Lost::Reply) {
            self.ended.notify_one();
            return pending().await;
        }
        answer
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}
