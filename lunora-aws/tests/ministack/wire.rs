//! What happens on the way between an adapter and the table.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
};

use crate::interpose::{Answer, interpose, name_of};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Sees a call by its number and its name, such as `UpdateItem`.
type Watch = Arc<dyn Fn(usize, &str) -> Work + Send + Sync>;

/// Does things before and after the calls of the clients that it is put into.
#[derive(Clone)]
pub(crate) struct Wire {
    state: Arc<Mutex<State>>,
}

/// What is lost of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is never sent.
    Request,
    /// It is answered, and nobody hears.
    Reply,
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    before: Option<Watch>,
    after: Option<Watch>,
    lose: BTreeMap<usize, Lost>,
    // No later call is sent.
    end_at: Option<usize>,
}

impl Wire {
    /// A wire, and what clients are made from that are on it.
    pub(crate) fn on(sdk: &SdkConfig) -> (Self, SdkConfig) {
        let wire = Self {
            state: Arc::default(),
        };
        let on_wire = wire.clone();
        let pass = move |request, inner| on_wire.clone().pass(request, inner);
        (wire, interpose(sdk, pass))
    }

    /// The names of all calls so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Does this before each call.
    pub(crate) fn before<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl Fn(usize, &str) -> F + Send + Sync + 'static,
    ) {
        let watch: Watch = Arc::new(move |number, name| Box::pin(work(number, name)));
        self.state.lock().unwrap().before = Some(watch);
    }

    /// Does this after each call has taken effect.
    pub(crate) fn after<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl Fn(usize, &str) -> F + Send + Sync + 'static,
    ) {
        let watch: Watch = Arc::new(move |number, name| Box::pin(work(number, name)));
        self.state.lock().unwrap().after = Some(watch);
    }

    /// The reply to that call, counted from 0, does not arrive.
    pub(crate) fn lose_reply(&self, number: usize) {
        self.lose(number, Lost::Reply);
    }

    /// That call, counted from 0, is lost.
    pub(crate) fn lose(&self, number: usize, lost: Lost) {
        self.state.lock().unwrap().lose.insert(number, lost);
    }

    /// Nothing is sent after that call, counted from 0.
    pub(crate) fn end_at(&self, number: usize) {
        self.state.lock().unwrap().end_at = Some(number);
    }

    /// Counts calls from 0 again, and loses none.
    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap() = State::default();
    }

    async fn pass(self, request: HttpRequest, inner: SharedHttpConnector) -> Answer {
        let name = name_of(&request);
        let (number, before, after, lost) = {
            let mut state = self.state.lock().unwrap();
            let number = state.calls.len();
            state.calls.push(name.clone());
            let ended = state.end_at.is_some_and(|end| end < number);
            let lost = ended.then_some(Lost::Request);
            let lost = lost.or_else(|| state.lose.remove(&number));
            (number, state.before.clone(), state.after.clone(), lost)
        };
        if let Some(before) = before {
            before(number, &name).await;
        }
        if lost == Some(Lost::Request) {
            return Err(ConnectorError::io("the request is lost".into()));
        }
        let answer = inner.call(request).await;
        if let Some(after) = after {
            after(number, &name).await;
        }
        if lost == Some(Lost::Reply) {
            return Err(ConnectorError::io("the reply is lost".into()));
        }
        answer
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
