//! Reads what EventBridge delivers of MediaConnect.

use jiff::Timestamp;
use serde_json::Value;

use super::evidence::{Evidence, Signal, Subject, SubjectKind};

/// An event of EventBridge (facts 6.2).
#[derive(Clone, Copy, Debug)]
pub struct Event;

/// The bytes are not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Longer than any event that EventBridge delivers (256 KB).
    #[error("the event is too long")]
    TooLong,
    /// No JSON object.
    #[error("the event is not a JSON object")]
    NotJson,
    /// An event of MediaConnect whose time cannot be read.
    #[error("the event of MediaConnect has no time")]
    Time,
}

/// EventBridge's own limit.
const LEN_MAX: usize = 256 * 1024;

impl Event {
    /// What the event says of an output, a source or a flow. None if it says
    /// something else, or is of somebody else, or of a kind that is not known.
    pub fn from_json(bytes: &[u8]) -> Result<Option<Evidence>, EventError> {
        if LEN_MAX < bytes.len() {
            return Err(EventError::TooLong);
        }
        let event: Value = serde_json::from_slice(bytes).map_err(|_| EventError::NotJson)?;
        if !event.is_object() {
            return Err(EventError::NotJson);
        }
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        if text("source") != "aws.mediaconnect" {
            return Ok(None);
        }
        let detail = &event["detail"];
        let (kind, signal) = match text("detail-type") {
            "MediaConnect Output Health" => (SubjectKind::Output, output_signal(detail)),
            "MediaConnect Source Health" => (SubjectKind::Source, source_signal(detail)),
            "MediaConnect Flow Health" => (SubjectKind::Flow, source_signal(detail)),
            "MediaConnect Flow Status Change" => (SubjectKind::Flow, status_signal(detail)),
            _ => return Ok(None),
        };
        let is_status = matches!(signal, Some(Signal::FlowActive | Signal::FlowStopped));
        let resources = event["resources"].as_array();
        let mut subjects = resources.into_iter().flatten();
        let subject = subjects.find_map(|arn| {
            let subject: Subject = arn.as_str()?.parse().ok()?;
            if subject.kind() != kind {
                return None;
            }
            if is_status {
                return Subject::of_status(subject.as_str());
            }
            Some(subject)
        });
        let (Some(subject), Some(signal)) = (subject, signal) else {
            return Ok(None);
        };
        let at: Timestamp = text("time").parse().map_err(|_| EventError::Time)?;
        Ok(Some(Evidence {
            subject,
            signal,
            at,
        }))
    }
}

/// The state in `current`, in whatever case.
fn state(detail: &Value) -> Option<String> {
    let current = &detail["current"];
    // The page on flow health calls it `source_state`; that on source health both.
    let state = current["state"].as_str();
    let state = state.or_else(|| current["source_state"].as_str())?;
    (state.len() <= 32).then(|| state.to_ascii_uppercase())
}

fn output_signal(detail: &Value) -> Option<Signal> {
    Some(match state(detail)?.as_str() {
        "SENDING" => Signal::Sending,
        "CONNECTED" => Signal::Connected,
        "DISCONNECTED" => Signal::Disconnected,
        "IDLE" => Signal::Idle,
        _ => return None,
    })
}

/// Whether a flow began to run or ended. It is `UPDATING` while an output changes,
/// which says nothing of the others, and so does the end of that.
fn status_signal(detail: &Value) -> Option<Signal> {
    let word = |name: &str| detail[name].as_str().map(str::to_ascii_uppercase);
    match (
        word("currentStatus")?.as_str(),
        word("previousStatus").as_deref(),
    ) {
        ("UPDATING", _) | ("ACTIVE", Some("UPDATING" | "ACTIVE")) => None,
        ("ACTIVE", _) => Some(Signal::FlowActive),
        ("STANDBY" | "STARTING" | "STOPPING" | "DELETING" | "ERROR", _) => {
            Some(Signal::FlowStopped)
        }
        _ => None,
    }
}

/// An unhealthy source may well go on, with errors in its transport stream; it is
/// lost if nothing comes in any longer.
fn source_signal(detail: &Value) -> Option<Signal> {
    let unhealthy = detail["unhealthy"].as_bool()?;
    let has_no_bits = detail["current"]["isBitrateZero"].as_bool() == Some(true);
    let is_away = !matches!(state(detail).as_deref(), Some("CONNECTED" | "RECEIVING"));
    Some(if unhealthy && (is_away || has_no_bits) {
        Signal::SourceLost
    } else {
        Signal::SourceFound
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const FLOW: &str = "arn:aws:mediaconnect:us-west-2:111122223333:flow:1-a:live";
    const OUTPUT: &str = "arn:aws:mediaconnect:us-west-2:111122223333:output:1-b:out";
    const SOURCE: &str = "arn:aws:mediaconnect:us-west-2:111122223333:source:1-c:in";

    fn event(kind: &str, resources: &[&str], detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": "01234567-0123-0123-0123-0123456789ab",
            "detail-type": kind,
            "source": "aws.mediaconnect",
            "account": "111122223333",
            "time": "2026-11-22T10:00:00Z",
            "region": "us-west-2",
            "resources": resources,
            "detail": detail,
        })
    }

    fn read(event: &Value) -> Result<Option<(String, Signal)>, EventError> {
        let read = Event::from_json(event.to_string().as_bytes())?;
        Ok(read.map(|it| (it.subject.to_string(), it.signal)))
    }

    fn output_health(state: &str) -> Value {
        let detail = json!({"current": {"state": state}, "previous": {"state": "IDLE"}});
        event("MediaConnect Output Health", &[FLOW, OUTPUT], &detail)
    }

    #[test]
    fn the_health_of_an_output_is_evidence() {
        for (word, signal) in [
            ("SENDING", Signal::Sending),
            ("CONNECTED", Signal::Connected),
            ("DISCONNECTED", Signal::Disconnected),
            ("IDLE", Signal::Idle),
            ("sending", Signal::Sending),
        ] {
            let expected = Some((OUTPUT.to_owned(), signal));
            assert_eq!(read(&output_health(word)), Ok(expected), "{word}");
        }
        let read = Event::from_json(output_health("IDLE").to_string().as_bytes());
        let at = read.unwrap().unwrap().at;
        assert_eq!(at.to_string(), "2026-11-22T10:00:00Z");
    }

    #[test]
    fn a_source_is_lost_if_nothing_comes_in() {
        use Signal::{SourceFound as Found, SourceLost as Lost};
        for (detail, expected) in [
            (
                json!({"unhealthy": true, "current": {"state": "DISCONNECTED"}}),
                Lost,
            ),
            (
                json!({"unhealthy": true, "current": {"source_state": "IDLE"}}),
                Lost,
            ),
            (json!({"unhealthy": true, "current": {}}), Lost),
            (
                json!({"unhealthy": true, "current": {"state": "CONNECTED", "isBitrateZero": true}}),
                Lost,
            ),
            // A continuity error is no loss.
            (
                json!({"unhealthy": true, "current": {
                    "state": "CONNECTED", "tr101": {"continuity_count_error": true}}}),
                Found,
            ),
            // The second source of a failover may be away.
            (
                json!({"unhealthy": false, "current": {"state": "IDLE"}}),
                Found,
            ),
        ] {
            let source = event("MediaConnect Source Health", &[FLOW, SOURCE], &detail);
            assert_eq!(read(&source), Ok(Some((SOURCE.to_owned(), expected))));
            let flow = event("MediaConnect Flow Health", &[FLOW], &detail);
            assert_eq!(read(&flow), Ok(Some((FLOW.to_owned(), expected))));
        }
    }

    #[test]
    fn the_page_asks_eventbridge_for_every_kind_that_is_read() {
        let page = include_str!("../../../docs/aws.md");
        let state = json!({"current": {"state": "SENDING"}, "unhealthy": false,
            "currentStatus": "STANDBY"});
        for kind in [
            "MediaConnect Output Health",
            "MediaConnect Source Health",
            "MediaConnect Flow Health",
            "MediaConnect Flow Status Change",
        ] {
            let event = event(kind, &[FLOW, OUTPUT, SOURCE], &state);
            assert!(read(&event).unwrap().is_some(), "{kind}");
            assert!(page.contains(&format!("\"{kind}\"")), "{kind}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_evidence() {
        let mut other_service = output_health("SENDING");
        other_service["source"] = json!("aws.medialive");
        for event in [
            json!({}),
            other_service,
            output_health("OF THE FUTURE"),
            output_health(&"x".repeat(100_000)),
            event(
                "MediaConnect Output Health",
                &[FLOW],
                &json!({"current": {"state": "IDLE"}}),
            ),
            event(
                "MediaConnect Output Health",
                &[],
                &json!({"current": {"state": "IDLE"}}),
            ),
            event("MediaConnect Output Health", &[OUTPUT], &json!("IDLE")),
            event(
                "MediaConnect Source Health",
                &[SOURCE],
                &json!({"current": {}}),
            ),
            event(
                "MediaConnect Alert",
                &[FLOW],
                &json!({"errored": true, "error-code": "E"}),
            ),
            event(
                "MediaConnect Flow Status Change",
                &[FLOW],
                &json!({"currentStatus": "ACTIVE", "previousStatus": "UPDATING"}),
            ),
            event(
                "MediaConnect Output Status Change",
                &[FLOW, OUTPUT],
                &json!({}),
            ),
        ] {
            assert_eq!(read(&event), Ok(None), "{event}");
        }
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        for bytes in [&b""[..], b"canary", b"[]", b"1", b"\xff", b"null"] {
            assert_eq!(Event::from_json(bytes), Err(EventError::NotJson));
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Event::from_json(deep.as_bytes()), Err(EventError::NotJson));
        let long = vec![b' '; LEN_MAX + 1];
        assert_eq!(Event::from_json(&long), Err(EventError::TooLong));
        let mut timeless = output_health("SENDING");
        timeless["time"] = json!("yesterday");
        assert_eq!(read(&timeless), Err(EventError::Time));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(Event::from_json(&bytes));
        }

        #[test]
        fn an_event_in_pieces_is_read_without_a_panic(cut in 0_usize..400, junk in ".{0,20}") {
            let text = output_health("SENDING").to_string();
            let cut = cut.min(text.len());
            drop(Event::from_json(format!("{}{junk}{}", &text[..cut], &text[cut..]).as_bytes()));
        }
    }
}
