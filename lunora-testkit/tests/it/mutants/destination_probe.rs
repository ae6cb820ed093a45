use std::{
    fmt,
    io::Write as _,
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Mutex,
};

use async_trait::async_trait;
use lunora_core::{
    ExposeSecret,
    domain::{Finding, Outcome, PushTarget},
    port::{Depth, DestinationProbe, ErrorKind, PortError},
};
use lunora_testkit::{
    memory::MemoryDestinationProbe,
    sample::{self, CANARY},
};

use super::noticed;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutation {
    Nothing,
    CallsForTheName,
    GreetsThePort,
    Stays,
    TellsTheDeeper,
    FailsWhereNobodyIs,
    IsContent,
    GoesOnAfterAFailure,
    ForgetsAnAspect,
    NamesAspectsTwice,
    GivesNoReason,
    SchemesAreInvalid,
    CallsAnybody,
    NeverEnds,
    PrintsKeys,
    FindingsTellKeys,
    ErrorsTellKeys,
}

struct Mutant {
    inner: MemoryDestinationProbe,
    mutation: Mutation,
    open: Mutex<Vec<TcpStream>>,
}

impl Mutant {
    fn new(mutation: Mutation) -> Self {
        Self {
            inner: MemoryDestinationProbe::default(),
            mutation,
            open: Mutex::default(),
        }
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed = (self.mutation == Mutation::PrintsKeys).then_some(CANARY);
        f.debug_tuple("Mutant").field(&printed).finish()
    }
}

/// Calls as if no rule held.
fn call(target: &PushTarget) -> Option<TcpStream> {
    let host = target.url.host().to_string();
    let host = host.trim_matches(['[', ']']);
    let host: IpAddr = host.parse().ok()?;
    let host = if host.to_canonical().is_unspecified() {
        "127.0.0.1".parse().ok()?
    } else {
        host
    };
    TcpStream::connect(SocketAddr::from((host, target.url.port()))).ok()
}

#[async_trait]
impl DestinationProbe for Mutant {
    async fn probe(&self, target: &PushTarget, depth: Depth) -> Result<Finding, PortError> {
        match self.mutation {
            Mutation::CallsForTheName | Mutation::CallsAnybody => drop(call(target)),
            Mutation::GreetsThePort => {
                let mut stream = call(target);
                stream.as_mut().map(|it| it.write_all(&[3]));
            }
            Mutation::Stays => {
                let mut open = self.open.lock().expect("no poison");
                open.extend(call(target));
            }
            Mutation::NeverEnds => std::future::pending().await,
            _ => (),
        }
        let key = target.key.as_ref();
        let key = key.map_or("", |it| it.as_secret().expose_secret());
        let depth = match self.mutation {
            Mutation::TellsTheDeeper => {
                self.inner.answer(None);
                Depth::Publish
            }
            _ => depth,
        };
        let mut finding = match (self.mutation, self.inner.probe(target, depth).await) {
            (Mutation::SchemesAreInvalid, Err(_)) => {
                return Err(PortError::new(ErrorKind::Invalid, "test", &target.url));
            }
            (Mutation::ErrorsTellKeys, Err(error)) => {
                return Err(PortError::new(error.kind(), "test", key));
            }
            (Mutation::FailsWhereNobodyIs, Ok(_)) => {
                return Err(PortError::new(ErrorKind::Unavailable, "test", &target.url));
            }
            (_, outcome) => outcome?,
        };
        let is_failure = |it: &Outcome| matches!(it, Outcome::Failed(_));
        match self.mutation {
            Mutation::IsContent => finding
                .checks
                .iter_mut()
                .filter(|it| is_failure(&it.outcome))
                .for_each(|it| it.outcome = Outcome::Passed),
            Mutation::GoesOnAfterAFailure => {
                let at = finding.checks.iter().position(|it| is_failure(&it.outcome));
                let after = finding.checks.iter_mut().skip(at.map_or(9, |at| at + 1));
                after.for_each(|it| it.outcome = Outcome::Passed);
            }
            Mutation::ForgetsAnAspect => drop(finding.checks.pop()),
            Mutation::NamesAspectsTwice => finding.checks.extend(finding.checks.clone()),
            Mutation::GivesNoReason => {
                let unseen = |it: &Outcome| matches!(it, Outcome::NotChecked(_));
                for it in &mut finding.checks {
                    if unseen(&it.outcome) {
                        it.outcome = Outcome::NotChecked("");
                    }
                }
            }
            Mutation::FindingsTellKeys => {
                let mut fault = sample::source_lost();
                fault.text = key.into();
                finding.checks[0].outcome = Outcome::Failed(fault);
            }
            _ => (),
        }
        Ok(finding)
    }
}

noticed! { destination_probe:
    CallsForTheName by a_look_at_the_name_calls_nobody;
    NeverEnds by a_look_at_the_name_calls_nobody;
    GreetsThePort by a_look_at_the_port_says_nothing_and_leaves;
    Stays by a_look_at_the_port_says_nothing_and_leaves;
    TellsTheDeeper by what_is_deeper_than_asked_is_not_checked;
    FailsWhereNobodyIs by what_fails_is_told_in_the_finding;
    IsContent by what_fails_is_told_in_the_finding,
        a_far_end_that_says_nothing_is_told_in_the_finding;
    GoesOnAfterAFailure by what_comes_after_a_failure_is_not_checked;
    ForgetsAnAspect by each_aspect_of_the_scheme_is_named_once;
    NamesAspectsTwice by each_aspect_of_the_scheme_is_named_once;
    GivesNoReason by each_aspect_of_the_scheme_is_named_once;
    SchemesAreInvalid by a_scheme_that_cannot_be_called_is_unsupported;
    CallsAnybody by rule_25_who_may_not_be_pushed_to_is_not_called;
    PrintsKeys by no_secret_is_printed;
    FindingsTellKeys by no_secret_is_printed;
    ErrorsTellKeys by no_secret_is_printed;
}
