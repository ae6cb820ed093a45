use std::{sync::Arc, time::Duration};

use lunora_testkit::{
    aws::{FlowStatus, Modes, Outcome, Request, Service, Simulator, model},
    clock::ManualClock,
};
use serde_json::{Value, json};

/// A simulator, and a client that speaks to it as over the wire.
pub(crate) struct Bench {
    pub(crate) aws: Simulator,
    pub(crate) clock: ManualClock,
}

/// What a call is refused with: its status and its error.
pub(crate) type Refused = (u16, String);

pub(crate) const BAD_REQUEST: (u16, &str) = (400, "BadRequestException");
pub(crate) const NOT_FOUND: (u16, &str) = (404, "NotFoundException");

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Modes::default())
    }

    pub(crate) fn with(modes: Modes) -> Self {
        let clock = ManualClock::default();
        let aws = Simulator::new(Arc::new(clock.clone()), modes);
        Self { aws, clock }
    }

    /// Makes a call; what is said by either side has to be as AWS's model says.
    pub(crate) fn call(&self, operation: &str, input: Value) -> Result<Value, Refused> {
        let answer = self.send(&request(operation, input));
        assert_eq!(self.aws.violations(), Vec::<String>::new(), "{operation}");
        answer
    }

    /// Makes a call that may be against AWS's model.
    pub(crate) fn send(&self, request: &Request) -> Result<Value, Refused> {
        match self.aws.answer(request).outcome {
            Outcome::Lost => Err((0, "lost".to_owned())),
            Outcome::Response(response) if 300 <= response.status => {
                let header = response.headers.iter();
                let mut code = header.filter(|(name, _)| *name == "x-amzn-errortype");
                let code = code.next().expect("an error has a type").1.clone();
                Err((response.status, code))
            }
            Outcome::Response(response) if response.body.is_empty() => Ok(Value::Null),
            Outcome::Response(response) => Ok(serde_json::from_slice(&response.body).unwrap()),
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A running flow, past every update.
    pub(crate) fn flow(&self) -> String {
        self.aws.running_flow("main")
    }

    pub(crate) fn status(&self, flow: &str) -> &'static str {
        self.aws
            .flow_status(flow)
            .map_or("gone", FlowStatus::as_str)
    }

    /// Adds one output, waits until the flow is active again, and returns its ARN.
    pub(crate) fn add(&self, flow: &str, output: Value) -> Result<String, Refused> {
        let input = json!({ "FlowArn": flow, "outputs": [output] });
        let added = self.call("AddFlowOutputs", input)?;
        self.wait(3);
        Ok(added["outputs"][0]["outputArn"]
            .as_str()
            .unwrap()
            .to_owned())
    }

    pub(crate) fn update(&self, flow: &str, output: &str, change: Value) -> Result<Value, Refused> {
        let input = with(json!({ "FlowArn": flow, "OutputArn": output }), change);
        let updated = self.call("UpdateFlowOutput", input)?;
        self.wait(3);
        Ok(updated["output"].clone())
    }

    pub(crate) fn remove(&self, flow: &str, output: &str) -> Result<(), Refused> {
        let input = json!({ "FlowArn": flow, "OutputArn": output });
        self.call("RemoveFlowOutput", input)?;
        self.wait(3);
        Ok(())
    }

    pub(crate) fn describe(&self, flow: &str) -> Result<Value, Refused> {
        let described = self.call("DescribeFlow", json!({ "FlowArn": flow }))?;
        Ok(described["flow"].clone())
    }
}

/// A request as AWS's model says that it goes over the wire.
pub(crate) fn request(operation: &str, input: Value) -> Request {
    let Value::Object(input) = input else {
        panic!("an input is an object");
    };
    model::request(Service::MediaConnect, operation, &input)
}

/// An object with the members of another put in; null takes one out.
pub(crate) fn with(mut object: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    for (member, value) in changes {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(&member)),
            value => object[&member] = value,
        }
    }
    object
}

/// A fine output by RTMP, of its own name, place and key.
pub(crate) fn rtmp(name: &str) -> Value {
    json!({
        "name": name,
        "protocol": "rtmp-push",
        "destination": format!("{name}.example.com"),
        "port": 1935,
        "rtmpPushSettings": { "applicationName": "live", "streamName": format!("key-{name}") },
    })
}

/// The same by RTMPS.
pub(crate) fn rtmps(name: &str) -> Value {
    let tls = json!({ "encryptionConfiguration": { "public": {} } });
    let mut output = with(rtmp(name), json!({ "port": 443 }));
    output["rtmpPushSettings"]["tlsEncryption"] = tls;
    output
}

/// A fine source by SRT.
pub(crate) fn srt_source(name: &str, port: u16) -> Value {
    json!({ "name": name, "protocol": "srt-listener", "ingestPort": port })
}

pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refused>) -> (u16, String) {
    result.expect_err("it is refused")
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Refused>, by: (u16, &str)) {
    assert_eq!(refused(result), (by.0, by.1.to_owned()));
}
