//! Tests of a destination: as far as a push would come, by the same stages and the same words.
//!
//! It runs on the runtime of whoever asks, and shares nothing with the data plane but what it knows:
//! who may be called, whom to trust, and which names are published under.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lunora_core::{
    domain::{Aspect, Check, Fault, FaultCode, Finding, Outcome, PushTarget, Scheme},
    port::{Clock, Depth, DestinationProbe, ErrorKind, PortError},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::output::{Caller, Trouble, part};

/// So many tests go on at a time; each takes a connection.
const AT_ONCE: usize = 8;
/// How long one more waits for one of them to end. With it, the 10 s that a publish may take to be
/// accepted, and the goodbye, a test takes less than 15 s.
const SEAT_WAIT: Duration = Duration::from_secs(2);

/// Calls destinations as the relay would, without pushing to them. Cheap to clone; all clones share
/// a bound on how many tests go on at a time.
///
/// It needs a Tokio runtime with I/O and a timer, that of the caller: the data plane is no slower
/// for any number of tests.
#[derive(Clone, Debug)]
pub struct RelayProbe {
    caller: Caller,
    clock: Arc<dyn Clock>,
    seats: Arc<Semaphore>,
}

impl RelayProbe {
    pub(crate) fn new(caller: &Caller, clock: Arc<dyn Clock>) -> Self {
        Self {
            caller: caller.apart(),
            clock,
            seats: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Goes as far as it is told, or until something is wrong, and notes how far it came.
    async fn walk(
        &self,
        target: &PushTarget,
        depth: Depth,
        passed: &mut Vec<Aspect>,
    ) -> Result<Stop, Trouble> {
        let call = self.caller.call(target);
        let addresses = call.look_up().await?;
        passed.push(Aspect::Name);
        if depth == Depth::Name {
            return Ok(Stop::Asked);
        }
        let socket = call.dial(addresses).await?;
        passed.push(Aspect::Tcp);
        if depth == Depth::Tcp {
            return Ok(Stop::Asked);
        }
        let transport = call.secure(socket).await?;
        passed.extend(has_tls(target).then_some(Aspect::Tls));
        if depth == Depth::Tls {
            part(&transport).await;
            return Ok(Stop::Asked);
        }
        let connected = call.connect(transport, Vec::new()).await?;
        passed.push(Aspect::Connect);
        if depth == Depth::Connect {
            connected.leave().await;
            return Ok(Stop::Asked);
        }
        if self.caller.names.has(target) {
            connected.leave().await;
            return Ok(Stop::OnAir);
        }
        if target.stream_name().is_none() {
            connected.leave().await;
            return Err(Trouble::NoKey);
        }
        call.publish(connected).await?.leave().await;
        passed.push(Aspect::Publish);
        Ok(Stop::Asked)
    }
}

/// Why a test went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It was told to go no further.
    Asked,
    /// Something is wrong.
    Failed,
    /// The relay publishes there now, and a second publish might end that one.
    OnAir,
}

#[async_trait]
impl DestinationProbe for RelayProbe {
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        // Where to, without what may be secret in a URL.
        let refuse = |kind| PortError::new(kind, "test", target.url.host());
        if !matches!(target.url.scheme(), Scheme::Rtmp | Scheme::Rtmps) {
            let reason = "this machine pushes rtmp:// and rtmps:// alone";
            return Err(refuse(ErrorKind::Unsupported).with_reason(reason));
        }
        let seat = timeout(SEAT_WAIT, self.seats.acquire()).await;
        let Ok(Ok(_seat)) = seat else {
            let reason = "too many tests go on: try again in a few seconds";
            return Err(refuse(ErrorKind::Unavailable)
                .with_reason(reason)
                .with_retry_after(SEAT_WAIT));
        };
        let mut passed = Vec::new();
        let walked = self.walk(target, depth, &mut passed).await;
        let at = self.clock.now();
        let (mut fault, stop) = match walked {
            Ok(stop) => (None, stop),
            Err(trouble) => {
                let verdict = trouble.judge(target, self.caller.names.are_remembered(target));
                if verdict.code == FaultCode::Internal {
                    // It is this machine that is in trouble, and that says nothing of the far end.
                    return Err(refuse(ErrorKind::Unavailable)
                        .with_reason(verdict.text)
                        .with_fault(verdict.code));
                }
                let fault = Fault::new(verdict.code, verdict.class, verdict.text, at);
                (Some(fault), Stop::Failed)
            }
        };
        let checks = aspects(target).map(|aspect| {
            let outcome = if passed.contains(&aspect) {
                Outcome::Passed
            } else if let Some(fault) = fault.take() {
                Outcome::Failed(fault)
            } else {
                Outcome::NotChecked(why_not(aspect, depth, stop))
            };
            Check { aspect, outcome }
        });
        Ok(Finding {
            at,
            checks: checks.collect(),
            media: None,
        })
    }
}

fn has_tls(target: &PushTarget) -> bool {
    target.url.scheme() == Scheme::Rtmps
}

/// All that there is to test, from the outside in.
fn aspects(target: &PushTarget) -> impl Iterator<Item = Aspect> {
    let tls = has_tls(target).then_some(Aspect::Tls);
    [Aspect::Name, Aspect::Tcp]
        .into_iter()
        .chain(tls)
        .chain([Aspect::Connect, Aspect::Publish])
}

/// Why it was not looked at (rule 27).
fn why_not(aspect: Aspect, depth: Depth, stop: Stop) -> &'static str {
    if deepest(depth) < aspect {
        return match aspect {
            Aspect::Publish => {
                "a publish may begin a broadcast on a platform, so it is tested only if asked for"
            }
            _ => "it was not asked for",
        };
    }
    match stop {
        Stop::Failed => "what comes before it failed",
        Stop::OnAir => "Lunora publishes there now, and a second publish might end the first",
        Stop::Asked => "it was not reached",
    }
}

const fn deepest(depth: Depth) -> Aspect {
    match depth {
        Depth::Name => Aspect::Name,
        Depth::Tcp => Aspect::Tcp,
        Depth::Tls => Aspect::Tls,
        Depth::Connect => Aspect::Connect,
        Depth::Publish => Aspect::Publish,
    }
}
