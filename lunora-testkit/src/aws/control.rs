//! The simulator's own HTTP API, for tests in another process. Bodies are JSON.
//!
//! | | under `/_simulator/` | |
//! | --- | --- | --- |
//! | POST | `faults` | `{fault, operation?, after?, status?, milliseconds?}`; `fault` is `request_lost`, `reply_lost`, `status` or `slow` |
//! | DELETE | `faults` | every later call goes through |
//! | POST | `crash` | `{after}`: so many more calls go through |
//! | GET, DELETE | `calls` | what was called; begins anew |
//! | GET | `events` | those since the last time, as they are delivered |
//! | GET | `violations` | what was not as AWS's model says |
//! | GET | `outputs`, `doubles` | what is there, without keys; what ran twice |
//! | PUT | `sources` | `{flow, source, signal?: {video, audio}}`: what comes in |
//! | PUT | `output-health` | `{flow, output, health}` |
//! | POST | `reset` | an empty account |

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    fault::{Fault, Matcher},
    mediaconnect::{HealthState, Signal},
    seen::{SeenCall, SeenOutput},
    simulator::{ACCOUNT, REGION, Simulator},
    wire::Event,
};

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/crash", post(crash))
        .route("/calls", get(calls).delete(forget_calls))
        .route("/events", get(take_events))
        .route("/violations", get(violations))
        .route("/outputs", get(outputs))
        .route("/doubles", get(doubles))
        .route("/sources", put(set_source))
        .route("/output-health", put(set_health))
        .route("/reset", post(reset))
}

type Answered = Result<StatusCode, (StatusCode, &'static str)>;

const DONE: Answered = Ok(StatusCode::NO_CONTENT);

fn refuse(why: &'static str) -> Answered {
    Err((StatusCode::UNPROCESSABLE_ENTITY, why))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFault {
    operation: Option<String>,
    /// How many calls that match go through before.
    #[serde(default)]
    after: usize,
    fault: FaultKind,
    status: Option<u16>,
    milliseconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    RequestLost,
    ReplyLost,
    Status,
    Slow,
}

async fn add_fault(State(simulator): State<Simulator>, Json(new): Json<NewFault>) -> Answered {
    let fault = match (new.fault, new.status, new.milliseconds) {
        (FaultKind::RequestLost, None, None) => Fault::RequestLost,
        (FaultKind::ReplyLost, None, None) => Fault::ReplyLost,
        (FaultKind::Status, Some(status @ (429 | 500 | 503)), None) => Fault::Status(status),
        (FaultKind::Slow, None, Some(ms)) => Fault::Slow(Duration::from_millis(ms)),
        _ => return refuse("a status is 429, 500 or 503; slow needs milliseconds"),
    };
    let matcher = match new.operation {
        Some(operation) => Matcher::operation(operation),
        None => Matcher::next(),
    };
    simulator.fault(matcher.after(new.after), fault);
    DONE
}

async fn clear_faults(State(simulator): State<Simulator>) -> Answered {
    simulator.clear_faults();
    DONE
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crash {
    after: usize,
}

async fn crash(State(simulator): State<Simulator>, Json(crash): Json<Crash>) -> Answered {
    simulator.crash_after(crash.after);
    DONE
}

async fn calls(State(simulator): State<Simulator>) -> Json<Vec<Value>> {
    let call = |call: SeenCall| {
        json!({
            "at": call.at.to_string(),
            "operation": call.operation,
            "is_write": call.is_write,
            "resource": call.resource,
            "items": call.items,
            "status": call.status,
        })
    };
    Json(simulator.calls().into_iter().map(call).collect())
}

async fn forget_calls(State(simulator): State<Simulator>) -> Answered {
    simulator.forget_calls();
    DONE
}

/// As `EventBridge` delivers them; each once.
async fn take_events(State(simulator): State<Simulator>) -> Json<Vec<Value>> {
    let event = |event: Event| {
        json!({
            "version": "0",
            "account": ACCOUNT,
            "region": REGION,
            "source": event.source,
            "detail-type": event.detail_type,
            "time": event.time.to_string(),
            "resources": event.resources,
            "detail": event.detail,
        })
    };
    Json(simulator.take_events().into_iter().map(event).collect())
}

async fn violations(State(simulator): State<Simulator>) -> Json<Vec<String>> {
    Json(simulator.violations())
}

/// Without stream names and applications.
async fn outputs(State(simulator): State<Simulator>) -> Json<Vec<Value>> {
    let output = |output: SeenOutput| {
        json!({
            "flow": output.flow,
            "flow_status": output.flow_status.as_str(),
            "name": output.name,
            "arn": output.arn,
            "protocol": output.protocol,
            "host": output.host,
            "port": output.port,
            "description": output.description,
            "status": output.status.as_str(),
            "health": output.health.as_str(),
            "interruptions": simulator.interruptions(&output.flow, &output.name),
        })
    };
    Json(simulator.outputs().into_iter().map(output).collect())
}

async fn doubles(State(simulator): State<Simulator>) -> Json<Vec<Value>> {
    let doubles = simulator.doubles().into_iter();
    Json(doubles.map(|it| json!([it.one, it.other])).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSource {
    flow: String,
    source: String,
    /// Absent: nothing comes in.
    signal: Option<NewSignal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSignal {
    video: String,
    audio: String,
}

async fn set_source(State(simulator): State<Simulator>, Json(new): Json<NewSource>) -> Answered {
    let signal = new.signal.map(|it| Signal {
        video: it.video,
        audio: it.audio,
    });
    match simulator.try_set_source(&new.flow, &new.source, signal) {
        Some(()) => DONE,
        None => refuse("there is no such source"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewHealth {
    flow: String,
    output: String,
    health: String,
}

async fn set_health(State(simulator): State<Simulator>, Json(new): Json<NewHealth>) -> Answered {
    let Some(health) = HealthState::from_word(&new.health) else {
        return refuse("a health is IDLE, DISCONNECTED, CONNECTED or SENDING");
    };
    match simulator.try_set_output_health(&new.flow, &new.output, health) {
        Some(()) => DONE,
        None => refuse("there is no such output"),
    }
}

async fn reset(State(simulator): State<Simulator>) -> Answered {
    simulator.reset();
    DONE
}
