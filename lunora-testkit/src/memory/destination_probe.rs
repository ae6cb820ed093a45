use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lunora_core::{
    domain::{Aspect, Check, Fault, FaultClass, FaultCode, Finding, Outcome, PushTarget, Scheme},
    port::{Depth, DestinationProbe, ErrorKind, PortError},
};

use crate::sample;

/// A [`DestinationProbe`] in memory, which calls nobody. It finds that nobody
/// listens anywhere, unless a test [says](Self::answer) otherwise.
#[derive(Clone, Debug)]
pub struct MemoryDestinationProbe(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    failing: Option<(Aspect, Fault)>,
    asked: Vec<Depth>,
}

impl Default for MemoryDestinationProbe {
    fn default() -> Self {
        let (code, class) = (FaultCode::Refused, FaultClass::Transient);
        let nobody = Fault::new(code, class, "nobody listens there", sample::time());
        let state = State {
            failing: Some((Aspect::Tcp, nobody)),
            asked: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl MemoryDestinationProbe {
    /// Makes every destination answer as it should, but for this.
    pub fn answer(&self, failing: Option<(Aspect, Fault)>) {
        self.with(|state| state.failing = failing);
    }

    /// How deep it was asked to look, call by call.
    #[must_use]
    pub fn asked(&self) -> Vec<Depth> {
        self.with(|state| state.asked.clone())
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The last aspect that is looked at.
const fn deepest(depth: Depth) -> Aspect {
    match depth {
        Depth::Name => Aspect::Name,
        Depth::Tcp => Aspect::Tcp,
        Depth::Tls => Aspect::Tls,
        Depth::Connect => Aspect::Connect,
        Depth::Publish => Aspect::Publish,
    }
}

#[async_trait]
impl DestinationProbe for MemoryDestinationProbe {
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        let aspects: &[Aspect] = match target.url.scheme() {
            Scheme::Rtmp => &[Aspect::Name, Aspect::Tcp, Aspect::Connect, Aspect::Publish],
            Scheme::Rtmps => &[
                Aspect::Name,
                Aspect::Tcp,
                Aspect::Tls,
                Aspect::Connect,
                Aspect::Publish,
            ],
            _ => {
                let error = PortError::new(ErrorKind::Unsupported, "test", &target.url);
                return Err(error.with_reason("only RTMP and RTMPS are tested"));
            }
        };
        let failing = self.with(|state| {
            state.asked.push(depth);
            state.failing.clone()
        });
        let mut failed = false;
        let mut check = |aspect: Aspect| {
            let outcome = if failed {
                Outcome::NotChecked("what comes before it failed")
            } else if deepest(depth) < aspect {
                Outcome::NotChecked("the test was not asked to go so deep")
            } else {
                match &failing {
                    Some((at, fault)) if *at == aspect => {
                        failed = true;
                        Outcome::Failed(fault.clone())
                    }
                    _ => Outcome::Passed,
                }
            };
            Check { aspect, outcome }
        };
        Ok(Finding {
            at: sample::time(),
            checks: aspects.iter().copied().map(&mut check).collect(),
            media: None,
        })
    }
}
