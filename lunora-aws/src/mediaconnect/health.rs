//! What an output is said to be, from what is seen and what was heard (rules 3 and 14).

use jiff::{SignedDuration, Timestamp};
use lunora_core::domain::{Fault, FaultClass, FaultCode, OutputHealth, OutputState, Switch};

use super::{
    evidence::{Evidence, Signal},
    view::FlowStatus,
};

/// How long an output may take before it is said that nothing is known of it.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// What is known of one output.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) switch: Switch,
    /// When it was told something last; not known of what somebody else changed.
    pub(super) changed_at: Option<Timestamp>,
    /// Its flow, or the flow that feeds that one, whichever does not run.
    pub(super) flow: FlowStatus,
    /// When that flow was last known to stop or to begin to run; what was sent before
    /// is over.
    pub(super) flow_turned_at: Option<Timestamp>,
    pub(super) output: Option<&'a Evidence>,
    /// Since when nothing comes in, if so.
    pub(super) source_lost: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Known<'_> {
    pub(super) fn health(&self) -> OutputHealth {
        let changed_at = self.changed_at.unwrap_or(self.now);
        let begun_at = self
            .flow_turned_at
            .map_or(changed_at, |it| it.max(changed_at));
        if self.switch == Switch::Off {
            return OutputHealth::new(OutputState::Off, changed_at);
        }
        if !self.flow.carries() {
            let text = "the MediaConnect flow does not run; start it";
            return waiting(
                FaultCode::FlowStopped,
                FaultClass::Actionable,
                text,
                changed_at,
            );
        }
        let heard = self.heard();
        if let Some(lost) = self.source_lost {
            let sends_since = heard.is_some_and(|it| it.signal == Signal::Sending && lost < it.at);
            if !sends_since {
                let text = "nothing comes into the MediaConnect flow";
                return waiting(FaultCode::SourceLost, FaultClass::Transient, text, lost);
            }
        }
        match heard.map(|it| (it.signal, it.at)) {
            Some((Signal::Sending, at)) => OutputHealth::new(OutputState::Live, at),
            Some((Signal::Connected, at)) => OutputHealth::new(OutputState::Connecting, at),
            Some((Signal::Disconnected, at)) => {
                let text = "the far end is not connected; MediaConnect does not say why";
                let fault = Fault::new(FaultCode::Unknown, FaultClass::Transient, text, at);
                OutputHealth {
                    last_fault: Some(fault.clone()),
                    fault: Some(fault),
                    ..OutputHealth::new(OutputState::Reconnecting, at)
                }
            }
            // `IDLE` is in the list of states and nowhere explained: it says that nothing
            // is sent and not why, which is no more than nothing heard.
            _ => self.unheard(begun_at),
        }
    }

    /// What was heard of it as it is now. Both times are in whole seconds, so in
    /// the same one it is not known which came first.
    fn heard(&self) -> Option<&Evidence> {
        let is_newer = |it: &&Evidence| {
            let before = self.changed_at.max(self.flow_turned_at);
            before.is_none_or(|before| before.as_second() < it.at.as_second())
        };
        self.output.filter(is_newer)
    }

    fn unheard(&self, changed_at: Timestamp) -> OutputHealth {
        let age = self.now.duration_since(changed_at);
        // A time that is to come is no time of ours.
        if self.changed_at.is_some() && (-GRACE..=GRACE).contains(&age) {
            return OutputHealth::new(OutputState::Connecting, changed_at);
        }
        let since = changed_at.checked_add(GRACE).unwrap_or(changed_at);
        OutputHealth::new(OutputState::Unconfirmed, since.min(self.now))
    }
}

fn waiting(code: FaultCode, class: FaultClass, text: &str, since: Timestamp) -> OutputHealth {
    let fault = Fault::new(code, class, text, since);
    OutputHealth {
        last_fault: Some(fault.clone()),
        fault: Some(fault),
        ..OutputHealth::new(OutputState::WaitingForSource, since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn heard(signal: Signal, seconds: i64) -> Evidence {
        let subject = "arn:aws:mediaconnect:us-west-2:111122223333:output:1-a:b";
        Evidence {
            subject: subject.parse().unwrap(),
            signal,
            at: at(seconds),
        }
    }

    /// Changed at second 0, and looked at in second 10.
    fn known(output: Option<&Evidence>) -> Known<'_> {
        Known {
            switch: Switch::On,
            changed_at: Some(at(0)),
            flow: FlowStatus::Active,
            flow_turned_at: None,
            output,
            source_lost: None,
            now: at(10),
        }
    }

    fn state(known: &Known<'_>) -> (OutputState, Option<FaultCode>) {
        let health = known.health();
        (health.state, health.fault.map(|it| it.code))
    }

    #[test]
    fn rule_3_each_signal_after_the_change_has_its_state() {
        use OutputState as S;
        for (signal, expected) in [
            (Signal::Sending, (S::Live, None)),
            (Signal::Connected, (S::Connecting, None)),
            (
                Signal::Disconnected,
                (S::Reconnecting, Some(FaultCode::Unknown)),
            ),
            (Signal::Idle, (S::Connecting, None)),
        ] {
            let heard = heard(signal, 1);
            assert_eq!(state(&known(Some(&heard))), expected, "{signal:?}");
        }
    }

    #[test]
    fn rule_3_what_was_heard_before_the_change_or_in_its_second_says_nothing() {
        for seconds in [-1, 0] {
            let heard = heard(Signal::Sending, seconds);
            let state = state(&known(Some(&heard)));
            assert_eq!(state, (OutputState::Connecting, None), "{seconds}");
        }
    }

    #[test]
    fn rule_3_without_evidence_an_output_is_connecting_and_later_unconfirmed() {
        for (now, expected) in [
            (60, OutputState::Connecting),
            (61, OutputState::Unconfirmed),
            (-3600, OutputState::Unconfirmed),
        ] {
            for output in [None, Some(&heard(Signal::Idle, 1))] {
                let known = Known {
                    now: at(now),
                    ..known(output)
                };
                assert_eq!(state(&known), (expected, None), "{now}");
            }
        }
        let stranger = Known {
            changed_at: None,
            ..known(None)
        };
        assert_eq!(state(&stranger), (OutputState::Unconfirmed, None));
    }

    #[test]
    fn rule_14_an_output_of_a_stopped_flow_waits() {
        let sending = heard(Signal::Sending, 1);
        for flow in [
            FlowStatus::Standby,
            FlowStatus::Starting,
            FlowStatus::Stopping,
        ] {
            let known = Known {
                flow,
                ..known(Some(&sending))
            };
            let expected = (OutputState::WaitingForSource, Some(FaultCode::FlowStopped));
            assert_eq!(state(&known), expected, "{flow:?}");
        }
        // Every change of another output makes a flow `UPDATING` for a moment.
        let known = Known {
            flow: FlowStatus::Updating,
            ..known(Some(&sending))
        };
        assert_eq!(state(&known), (OutputState::Live, None));
    }

    #[test]
    fn an_output_waits_for_a_lost_source_until_it_sends_again() {
        let lost = (OutputState::WaitingForSource, Some(FaultCode::SourceLost));
        for (signal, seconds, expected) in [
            (Signal::Sending, 4, lost),
            (Signal::Sending, 5, lost),
            (Signal::Disconnected, 6, lost),
            (Signal::Sending, 6, (OutputState::Live, None)),
        ] {
            let output = heard(signal, seconds);
            let known = Known {
                source_lost: Some(at(5)),
                ..known(Some(&output))
            };
            assert_eq!(state(&known), expected, "{signal:?} {seconds}");
        }
    }

    #[test]
    fn what_is_off_is_off() {
        let sending = heard(Signal::Sending, 1);
        let known = Known {
            switch: Switch::Off,
            flow: FlowStatus::Standby,
            ..known(Some(&sending))
        };
        assert_eq!(known.health().state, OutputState::Off);
    }
}
