use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    check::Check,
    mutate::variants,
    mutations, parse,
    sample::{Fill, samples, value},
};
use crate::aws::{Call, Refusal, Reply, Request, Service};

const FLOW: &str = "arn:aws:mediaconnect:us-east-1:111122223333:flow:1-aaaa:studio";

fn put(path: &str, body: &Value) -> Request {
    Request {
        method: "PUT".to_owned(),
        path: path.to_owned(),
        query: None,
        body: body.to_string().into_bytes(),
    }
}

fn get(path: &str, query: Option<&str>) -> Request {
    let (method, path) = ("GET".to_owned(), path.to_owned());
    Request {
        method,
        path,
        query: query.map(str::to_owned),
        body: Vec::new(),
    }
}

fn parts(request: &Request) -> (&str, &str, Option<&str>, &[u8]) {
    (
        &request.method,
        &request.path,
        request.query.as_deref(),
        &request.body,
    )
}

#[test]
fn every_operation_has_valid_samples() {
    let mut names = BTreeSet::new();
    for (name, request) in samples() {
        let call = parse(&request).unwrap_or_else(|violation| panic!("{name}: {violation}"));

        assert_eq!(call.operation, name);
        let again = super::request(call.service, name, &call.input);
        assert_eq!(
            parts(&again),
            parts(&request),
            "{name} is not read as it was written"
        );
        names.insert((call.service, name));
    }
    assert_eq!(names.len(), 17 + 23);
}

#[test]
fn every_mutation_of_every_sample_is_refused() {
    let mut count = 0;
    for (name, sample) in small_samples() {
        for (what, mutated) in mutations(&sample) {
            assert!(parse(&mutated).is_err(), "{name}: {what} was accepted");
            assert_ne!(
                parts(&mutated),
                parts(&sample),
                "{name}: {what} changed nothing"
            );
            count += 1;
        }
    }
    assert!(count > 10_000, "only {count} mutations");
}

/// All but those with every member of everything, of which each mutation is as large.
fn small_samples() -> impl Iterator<Item = (&'static str, Request)> {
    samples()
        .into_iter()
        .filter(|(_, sample)| sample.body.len() < 8_000)
}

#[test]
fn every_member_of_every_structure_is_in_a_small_sample() {
    let mut had = BTreeSet::new();
    for (_, request) in small_samples() {
        members_of(&Value::Object(parse(&request).unwrap().input), &mut had);
    }
    let mut wanted = BTreeSet::new();
    for service in [Service::MediaConnect, Service::MediaLive] {
        let check = Check::of(service);
        for operation in check.model.operations.values() {
            members_of(
                &value(check, operation.input.as_ref().unwrap(), Fill::All),
                &mut wanted,
            );
        }
    }

    assert_eq!(
        wanted.difference(&had).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    assert!(wanted.len() > 700, "only {} members", wanted.len());
}

fn members_of(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                names.insert(name.clone());
                members_of(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members_of(item, names)),
        _ => {}
    }
}

#[test]
fn every_mutation_of_every_reply_is_refused() {
    for service in [Service::MediaConnect, Service::MediaLive] {
        let check = Check::of(service);
        for operation in check.model.operations.values() {
            let call = Call {
                service,
                operation: &operation.name,
                input: Map::new(),
            };
            let status = operation.http.response_code;
            let Some(output) = &operation.output else {
                super::check_reply(
                    &call,
                    &Reply {
                        status,
                        body: Value::Null,
                    },
                )
                .unwrap();
                super::check_reply(
                    &call,
                    &Reply {
                        status,
                        body: json!({}),
                    },
                )
                .unwrap_err();
                continue;
            };
            let body = value(check, output, Fill::All);
            super::check_reply(
                &call,
                &Reply {
                    status,
                    body: body.clone(),
                },
            )
            .unwrap();
            super::check_reply(
                &call,
                &Reply {
                    status: status + 1,
                    body: body.clone(),
                },
            )
            .unwrap_err();
            let least = value(check, output, Fill::Required);
            super::check_reply(
                &call,
                &Reply {
                    status,
                    body: least.clone(),
                },
            )
            .unwrap();
            let smaller = if body.to_string().len() < 8_000 {
                body
            } else {
                least
            };
            for (what, body) in variants(check, output, &smaller) {
                let checked = super::check_reply(&call, &Reply { status, body });

                assert!(checked.is_err(), "{}: {what} was accepted", operation.name);
            }
        }
    }
}

#[test]
fn a_violation_says_where_and_what_and_never_a_value() {
    let secret = "live_7f3a_secret";
    let path = "/v1/flows/arn%3Aaws%3Amediaconnect%3Aus-east-1%3A111122223333%3Aflow%3A1-aaaa%3Astudio/outputs/\
                arn%3Aaws%3Amediaconnect%3Aus-east-1%3A111122223333%3Aoutput%3A1-aaaa%3Aa";
    let cases = [
        (json!({ "port": secret }), "body.port: not an integer"),
        (
            json!({ "protocol": secret }),
            "body.protocol: not a value of the enum",
        ),
        (
            json!({ secret: secret }),
            "body: has a member that the model does not know",
        ),
        (
            json!({ "streamName": secret }),
            "body: has no member streamName here",
        ),
        (
            json!({ "rtmpPushSettings": { "streamName": secret } }),
            "body.rtmpPushSettings.applicationName: required, and missing",
        ),
        (
            json!({ "cidrAllowList": [secret, 7] }),
            "body.cidrAllowList[1]: not a string",
        ),
        (
            json!({ "routerIntegrationTransitEncryption": { "encryptionKeyConfiguration": { "secretsManager": {
                "roleArn": secret } } } }),
            "body.routerIntegrationTransitEncryption.encryptionKeyConfiguration.secretsManager.roleArn: does not match the pattern",
        ),
    ];
    for (body, said) in cases {
        let violation = parse(&put(path, &body)).unwrap_err();

        assert_eq!(violation.to_string(), said);
        let refusal = Refusal {
            status: 400,
            code: "BadRequestException",
            message: said.to_owned(),
        };
        assert_eq!(violation.refusal(), refusal);
    }
}

#[test]
fn what_stands_in_path_and_query_is_decoded() {
    let encoded = FLOW.replace(':', "%3A");
    let call = parse(&get(&format!("/v1/flows/{encoded}/source-metadata"), None)).unwrap();
    assert_eq!(call.operation, "DescribeFlowSourceMetadata");
    assert_eq!(Value::Object(call.input), json!({ "FlowArn": FLOW }));

    let call = parse(&get("/v1/flows", Some("maxResults=20&nextToken=a%2Fb%3D"))).unwrap();
    assert_eq!(
        Value::Object(call.input),
        json!({ "maxResults": 20, "nextToken": "a/b=" })
    );

    let sent = Request {
        method: "DELETE".to_owned(),
        path: "/prod/tags/arn%3Aaws%3Amedialive%3Aus-east-1%3A111122223333%3Achannel%3A1"
            .to_owned(),
        query: Some("tagKeys=a&tagKeys=b".to_owned()),
        body: Vec::new(),
    };
    let call = parse(&sent).unwrap();
    assert_eq!(
        (call.service, call.operation),
        (Service::MediaLive, "DeleteTags")
    );
    assert_eq!(call.input["tagKeys"], json!(["a", "b"]));
}

#[test]
fn a_request_that_is_no_operation_is_not_found() {
    for path in [
        "/",
        "/v1/flows/",
        "/v1/gateways",
        "/prod/multiplexes",
        "/prod",
        "v1/flows",
        "/v1//flows",
    ] {
        let violation = parse(&get(path, None)).unwrap_err();

        assert_eq!(violation.refusal().status, 404, "{path}");
        assert_eq!(violation.refusal().code, "NotFoundException");
    }
}

#[test]
fn a_refusal_is_one_that_the_model_has_for_the_operation() {
    let refusal = |status, code| Refusal {
        status,
        code,
        message: String::new(),
    };
    let call = |operation| Call {
        service: Service::MediaLive,
        operation,
        input: Map::new(),
    };

    super::check_refusal(&call("StartChannel"), &refusal(409, "ConflictException")).unwrap();
    super::check_refusal(&call("StartChannel"), &refusal(400, "ConflictException")).unwrap_err();
    super::check_refusal(&call("ListChannels"), &refusal(404, "NotFoundException")).unwrap_err();
    super::check_refusal(&call("UpdateChannel"), &refusal(404, "NotFoundException")).unwrap();
}

#[test]
fn bounds_that_stand_in_names_of_shapes_are_bounds() {
    let body = json!({ "encoderSettings": { "audioDescriptions": [],
        "outputGroups": [], "timecodeConfig": { "source": "EMBEDDED", "syncThreshold": 1_000_001 },
        "videoDescriptions": [] } });
    let violation = parse(&put("/prod/channels/1", &body)).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "body.encoderSettings.timecodeConfig.syncThreshold: above the maximum"
    );
}
