//! Where nobody knows what AWS does: both readings.

use lunora_testkit::aws::{Modes, Omitted, SamePlace, StreamName, Updating};
use serde_json::json;

use crate::support::{BAD_REQUEST, Bench, assert_refused, rtmp, with};

#[test]
fn all_modes_are_different() {
    let all = Modes::all();
    assert_eq!(all.len(), 24);
    assert_eq!(all[0], Modes::default());
    for (index, mode) in all.iter().enumerate() {
        assert!(!all[..index].contains(mode), "{mode:?}");
    }
}

fn updating(updating: Updating) -> Bench {
    let rest = Modes::default();
    Bench::with(Modes { updating, ..rest })
}

#[test]
fn a_flow_that_updates_refuses_writes_or_takes_them() {
    for (mode, status, is_taken) in [
        (Updating::Refuses, "UPDATING", false),
        (Updating::Takes, "UPDATING", true),
        (Updating::Unseen, "ACTIVE", true),
    ] {
        let bench = updating(mode);
        let flow = bench.flow();
        let add = |name| json!({ "FlowArn": flow, "outputs": [rtmp(name)] });
        bench.call("AddFlowOutputs", add("a")).unwrap();
        assert_eq!(bench.status(&flow), status, "{mode:?}");
        let second = bench.call("AddFlowOutputs", add("b"));
        match is_taken {
            true => assert!(second.is_ok(), "{mode:?}"),
            false => assert_refused(second, BAD_REQUEST),
        }
        // What only reads is always answered.
        bench.describe(&flow).unwrap();
        bench.wait(2);
        bench.call("AddFlowOutputs", add("c")).unwrap();
    }
}

#[test]
fn one_place_takes_one_rtmp_output_or_several() {
    for same_place in [SamePlace::Refuses, SamePlace::Takes] {
        let bench = Bench::with(Modes {
            same_place,
            ..Modes::default()
        });
        let flow = bench.flow();
        bench.add(&flow, rtmp("a")).unwrap();
        let same = with(rtmp("b"), json!({ "destination": "A.example.com" }));
        let second = bench.add(&flow, same);
        match same_place {
            SamePlace::Refuses => assert_refused(second, BAD_REQUEST),
            SamePlace::Takes => assert!(second.is_ok()),
        }
    }
}

#[test]
fn a_stream_name_is_echoed_or_hidden() {
    for (stream_name, shown) in [(StreamName::Echoed, "key-a"), (StreamName::Hidden, "****")] {
        let bench = Bench::with(Modes {
            stream_name,
            ..Modes::default()
        });
        let flow = bench.flow();
        bench.add(&flow, rtmp("a")).unwrap();
        let described = bench.describe(&flow).unwrap();
        let transport = &described["outputs"][0]["transport"];
        assert_eq!(transport["rtmpPushOutputSettings"]["streamName"], shown);
    }
}

#[test]
fn what_an_update_omits_is_kept_or_reset() {
    for omitted in [Omitted::Kept, Omitted::Reset] {
        let bench = Bench::with(Modes {
            omitted,
            ..Modes::default()
        });
        let flow = bench.flow();
        let told = with(
            rtmp("a"),
            json!({ "description": "ours", "outputStatus": "DISABLED" }),
        );
        let arn = bench.add(&flow, told.clone()).unwrap();
        // A status alone is an update in both.
        let on = bench
            .update(&flow, &arn, json!({ "outputStatus": "ENABLED" }))
            .unwrap();
        assert_eq!(on["description"], "ours");
        let off = bench
            .update(&flow, &arn, json!({ "outputStatus": "DISABLED" }))
            .unwrap();
        assert_eq!(off["outputStatus"], "DISABLED");

        let part = bench.update(&flow, &arn, json!({ "port": 1936 }));
        let whole = with(
            told,
            json!({ "name": null, "description": null, "outputStatus": null }),
        );
        let whole = bench.update(&flow, &arn, whole).unwrap();
        assert_eq!(whole["outputStatus"], "DISABLED", "it stays in both");
        match omitted {
            Omitted::Kept => {
                assert_eq!(part.unwrap()["destination"], "a.example.com");
                assert_eq!(whole["description"], "ours");
            }
            Omitted::Reset => {
                assert_refused(part, BAD_REQUEST);
                assert!(whole.get("description").is_none());
            }
        }
    }
}
