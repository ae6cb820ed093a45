//! Where the relay's sources are handed over.

use std::sync::Arc;

use async_trait::async_trait;
use lunora_core::{
    SecretString,
    domain::{Aspect, Check, Fault, FaultClass, FaultCode, Finding, IngestSpec, Outcome},
    port::{Clock, ErrorKind, PortError},
};
use tokio::sync::watch;

use super::{
    Board, SrtSource, SrtWay, Supervisor, Wishes,
    source::SourceError,
    status::SrtService,
    supervisor::{NoAddress, look_up},
};
use crate::{
    config::SrtConfig,
    dial::{DialPolicy, Resolver},
    fanout::Hub,
    sources::Intake,
};

const TAKE_IN: &str = "take in source";

/// What the data plane needs to take SRT in.
#[derive(Debug)]
pub(crate) struct SrtParts {
    pub(crate) supervisor: Supervisor,
    pub(crate) intake: Arc<SrtIntake>,
}

impl SrtParts {
    /// Takes in the encoder of the relay, if it has a publish key, and nothing else yet.
    pub(crate) fn new(
        config: SrtConfig,
        publish_key: Option<&SecretString>,
        hub: Arc<Hub>,
        board: Arc<Board>,
        caller: (DialPolicy, Arc<dyn Resolver>),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let encoder = publish_key.map(|key| Arc::new(SrtSource::encoder(key)));
        let (policy, resolver) = caller;
        let supervisor = Supervisor {
            config,
            hub,
            board: Arc::clone(&board),
            policy,
            resolver: Arc::clone(&resolver),
        };
        let intake = Arc::new(SrtIntake {
            wishes: Wishes::new(encoder.iter().cloned().collect()),
            encoder,
            board,
            policy,
            resolver,
            clock,
        });
        Self { supervisor, intake }
    }
}

/// Tells the supervisor which sources are wanted.
#[derive(Debug)]
pub(crate) struct SrtIntake {
    wishes: Wishes,
    encoder: Option<Arc<SrtSource>>,
    board: Arc<Board>,
    policy: DialPolicy,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
}

impl SrtIntake {
    pub(crate) fn wishes(&self) -> watch::Receiver<Vec<Arc<SrtSource>>> {
        self.wishes.subscribe()
    }

    async fn look_up(&self, source: &SrtSource) -> Option<Check> {
        let SrtWay::Call { host, port, .. } = &source.way else {
            return None;
        };
        let found = look_up(host, *port, self.policy, &*self.resolver).await;
        let outcome = found.map_or_else(
            |why: NoAddress| Outcome::Failed(why.fault(self.clock.now())),
            |_| Outcome::Passed,
        );
        let aspect = Aspect::Name;
        Some(Check { aspect, outcome })
    }
}

#[async_trait]
impl Intake for SrtIntake {
    fn refuses(&self, spec: &IngestSpec) -> Option<PortError> {
        let refuse = |kind, reason| PortError::new(kind, TAKE_IN, &spec.id).with_reason(reason);
        let source = match SrtSource::from_spec(spec) {
            Ok(source) => source,
            Err(error) => return Some(refuse(ErrorKind::Invalid, error.to_string())),
        };
        let encoder = self.encoder.as_ref()?;
        encoder.is_like(&source).then(|| {
            let reason = "its SRT stream id is the publish key; give it one of its own";
            refuse(ErrorKind::Conflict, reason.to_owned())
        })
    }

    fn apply(&self, _hub: &Arc<Hub>, specs: &[IngestSpec]) {
        let sources = specs.iter().filter_map(|spec| {
            let source: Result<_, SourceError> = SrtSource::from_spec(spec);
            source.ok().map(Arc::new)
        });
        let wanted = self.encoder.iter().cloned().chain(sources).collect();
        self.wishes.send_replace(wanted);
    }

    async fn probe(&self, spec: &IngestSpec) -> Result<Finding, PortError> {
        const NOT_CALLED: &str =
            "SRT connects only those that are taken in: enable it, and test it again";
        let source = SrtSource::from_spec(spec).map_err(|error| {
            PortError::new(ErrorKind::Invalid, "test source", &spec.id)
                .with_reason(error.to_string())
        })?;
        let check = |aspect, outcome| Check { aspect, outcome };
        let mut checks = vec![check(Aspect::Settings, Outcome::Passed)];
        checks.extend(self.look_up(&source).await);
        let at = self.clock.now();
        let service = self.board.now();
        let connect = match service {
            SrtService::Missing | SrtService::Broken => {
                let (code, class) = (FaultCode::Provider, FaultClass::Actionable);
                Outcome::Failed(Fault::new(code, class, service.to_string(), at))
            }
            SrtService::Starting | SrtService::Running { .. } => Outcome::NotChecked(NOT_CALLED),
        };
        checks.push(check(Aspect::Connect, connect));
        checks.push(check(Aspect::Media, Outcome::NotChecked(NOT_CALLED)));
        Ok(Finding {
            at,
            checks,
            media: None,
        })
    }
}
