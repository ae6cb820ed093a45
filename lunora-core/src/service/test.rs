//! Testing a destination without pushing to it.

use super::{DestinationError, Destinations};
use crate::{
    domain::{
        Aspect, Check, Destination, DestinationId, Fault, FaultClass, FaultCode, Finding, Leg,
        MediaFacts, Outcome, OutputId, Switch,
    },
    plan::{Verdict, preflight, target_digest},
    port::{
        Clock as _, Depth, DestinationProbe, ErrorKind, Listing, PortError, Repo as _, RepoExt as _,
    },
};

/// What a test of a destination found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationTest {
    /// Of which leg.
    pub leg: Leg,
    /// Of reaching out.
    pub finding: Finding,
    /// Whether its platform takes what comes in.
    pub verdicts: Vec<Verdict>,
}

/// Why a destination was not tested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationTestError {
    /// It cannot be called to find out.
    #[error("{reason}")]
    Unsupported {
        /// Why.
        reason: String,
    },
    /// As with any other call on it.
    #[error(transparent)]
    Destination(#[from] DestinationError),
}

impl From<PortError> for DestinationTestError {
    fn from(error: PortError) -> Self {
        if error.kind() == ErrorKind::Unsupported {
            let reason = error.reason().unwrap_or("it cannot be tested by a call");
            let reason = reason.to_owned();
            return Self::Unsupported { reason };
        }
        Self::Destination(error.into())
    }
}

impl Destinations {
    /// Calls a destination as deep as is asked, by the leg in use unless another is
    /// named, and holds what comes in against its platform's rules.
    ///
    /// With [`Depth::Publish`], a platform may create a broadcast (rule 27); one that is
    /// running, or shares its target with one that is, is not called so deep, because
    /// that could end what is live.
    pub async fn test(
        &self,
        probe: &dyn DestinationProbe,
        id: &DestinationId,
        leg: Option<Leg>,
        depth: Depth,
        media: Option<&MediaFacts>,
    ) -> Result<DestinationTest, DestinationTestError> {
        let row = self.ports.destinations.get(id).await?;
        let row = row.ok_or_else(|| DestinationError::NotFound { id: id.clone() })?;
        let row = row.value;
        let leg = leg.unwrap_or(row.active_leg);
        let Some(endpoint) = row.endpoint(leg) else {
            let reason = "it has no push URL by that leg, so there is nothing to call";
            return Err(DestinationError::Invalid { reason }.into());
        };
        if depth == Depth::Publish && self.is_live_there(&row, leg).await? {
            let reason = "a test publish could end what is live there; stop it first, or test no \
                          deeper than `connect`";
            return Err(DestinationError::Invalid { reason }.into());
        }
        let verdicts = preflight(&row.platform, endpoint.url.scheme(), media);
        let output = OutputId {
            destination: id.clone(),
            leg,
        };
        let now = self.ports.clock.now();
        let fault = match self.reconciler.spec(&row, &output, Switch::Off).await {
            Ok(spec) => {
                let mut finding = probe.probe(&spec.target, depth).await?;
                with_settings(&mut finding, Outcome::Passed);
                return Ok(DestinationTest {
                    leg,
                    finding,
                    verdicts,
                });
            }
            Err(_) if !endpoint.has_its_key() => {
                let text = "it has no stream key; set one first";
                Fault::new(FaultCode::Invalid, FaultClass::Actionable, text, now)
            }
            Err(unreadable) => unreadable.as_fault(now),
        };
        let mut finding = Finding {
            at: now,
            checks: Vec::new(),
            media: None,
        };
        let not_checked = Outcome::NotChecked("the settings have to be mended first");
        let aspects = [Aspect::Name, Aspect::Tcp, Aspect::Connect, Aspect::Publish];
        finding.checks.extend(aspects.map(|aspect| Check {
            aspect,
            outcome: not_checked.clone(),
        }));
        with_settings(&mut finding, Outcome::Failed(fault));
        Ok(DestinationTest {
            leg,
            finding,
            verdicts,
        })
    }

    /// Whether this destination, or another that goes to the same place, is running.
    async fn is_live_there(&self, row: &Destination, leg: Leg) -> Result<bool, PortError> {
        let hash_key = self.reconciler.hash_key();
        let target = row.endpoint(leg).map(|it| target_digest(it, hash_key));
        let Listing { items, .. } = self.ports.destinations.survey().await?;
        let rows = items.into_iter().map(|it| it.value);
        let mut running = rows.filter(Destination::is_running);
        Ok(running.any(|other| {
            let legs = [Leg::Primary, Leg::Backup].into_iter();
            let mut targets = legs.filter_map(|leg| other.endpoint(leg));
            targets.any(|it| Some(target_digest(it, hash_key)) == target)
        }))
    }
}

/// Settings come first of all aspects.
fn with_settings(finding: &mut Finding, outcome: Outcome) {
    let aspect = Aspect::Settings;
    if finding.checks.iter().all(|it| it.aspect != aspect) {
        finding.checks.insert(0, Check { aspect, outcome });
    }
}
