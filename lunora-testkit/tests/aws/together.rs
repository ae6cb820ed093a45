//! What MediaLive and MediaConnect do to each other.

use lunora_testkit::aws::{Outcome, Owner, Service, model};
use serde_json::{Value, json};

use crate::support::{BAD_REQUEST, Bench, assert_refused};

impl Bench {
    fn medialive(&self, operation: &str, input: Value) -> Value {
        let input = input.as_object().unwrap();
        let request = model::request(Service::MediaLive, operation, input);
        let Outcome::Response(response) = self.aws.answer(&request).outcome else {
            panic!("{operation} is lost");
        };
        let body = String::from_utf8(response.body).unwrap();
        assert!(response.status < 300, "{operation}: {body}");
        assert_eq!(self.aws.violations(), Vec::<String>::new(), "{operation}");
        serde_json::from_str(&body).unwrap()
    }
}

#[test]
fn an_input_of_medialive_has_an_output_on_its_flow() {
    let bench = Bench::new();
    let flow = bench.flow();
    let input = json!({
        "name": "from-flow",
        "type": "MEDIACONNECT",
        "mediaConnectFlows": [{ "flowArn": flow }],
        "roleArn": "arn:aws:iam::123456789012:role/MediaLiveAccessRole",
        "requestId": "once",
    });
    let created = bench.medialive("CreateInput", input.clone());
    bench.medialive("CreateInput", input);
    let outputs = bench.aws.outputs();
    assert_eq!(outputs.len(), 1, "a repeated request makes no second one");
    let arn = created["input"]["arn"].as_str().unwrap();
    assert_eq!(outputs[0].owner, Owner::MediaLive(arn.to_owned()));
    assert_refused(bench.remove(&flow, &outputs[0].arn), BAD_REQUEST);

    bench.medialive("DeleteInput", json!({ "inputId": created["input"]["id"] }));
    assert_eq!(bench.aws.outputs().len(), 0);
}
