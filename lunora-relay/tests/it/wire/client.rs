//! The publishing session, against answers of servers good and bad.

use std::collections::BTreeSet;

use lunora_relay::wire::SessionError;
use lunora_relay::wire::amf0::Value;
use lunora_relay::wire::client::{ClientConfig, ClientEvent, ClientSession, Stage};
use lunora_relay::wire::message::MessageKind;
use secrecy::ExposeSecret;

use super::pair::{KEY, Peer, client_events, command, config, object, wire};

const CONNECT_RESULT: f64 = 1.0;
const CREATE_STREAM_RESULT: f64 = 4.0;

fn started(config: ClientConfig) -> ClientSession {
    let mut client = ClientSession::new(config);
    client.start();
    client
}

fn answer(client: &mut ClientSession, stream_id: u32, values: &[Value]) -> Vec<ClientEvent> {
    client.handle_input(&command(stream_id, values)).unwrap();
    client_events(client)
}

fn result(client: &mut ClientSession, transaction: f64, value: Value) -> Vec<ClientEvent> {
    answer(
        client,
        0,
        &["_result".into(), transaction.into(), Value::Null, value],
    )
}

fn status(client: &mut ClientSession, level: &str, code: &str, text: &str) -> Vec<ClientEvent> {
    let info = object(&[("level", level), ("code", code), ("description", text)]);
    answer(
        client,
        7,
        &["onStatus".into(), 0.0.into(), Value::Null, info],
    )
}

/// A session whose publish the server has not answered yet.
fn asking() -> ClientSession {
    let mut client = started(config());
    result(&mut client, CONNECT_RESULT, Value::Null);
    result(&mut client, CREATE_STREAM_RESULT, 7.0.into());
    client
}

fn live() -> ClientSession {
    let mut client = asking();
    status(&mut client, "status", "NetStream.Publish.Start", "");
    client
}

/// `rml_rtmp` bug 8: properties came in random order there, and `type`, `releaseStream`,
/// `FCPublish` and `FCUnpublish` not at all.
#[test]
fn commands_and_their_properties_come_in_the_order_of_obs() {
    let mut client = started(config());
    let mut peer = Peer::new();

    let connect = peer.commands(|| client.poll_output());
    let [
        Value::String(name),
        Value::Number(_),
        Value::Object(properties),
    ] = &connect[0][..]
    else {
        panic!("{connect:?}");
    };
    let names: Vec<_> = properties.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (name.as_str(), &names[..]),
        (
            "connect",
            &["app", "type", "flashVer", "swfUrl", "tcUrl"][..]
        )
    );
    assert_eq!(properties[1].1, Value::from("nonprivate"));

    result(&mut client, CONNECT_RESULT, Value::Null);
    let commands = peer.commands(|| client.poll_output());
    let name = || Value::from(KEY);
    assert_eq!(commands[0][0], Value::from("releaseStream"));
    assert_eq!(commands[0][3], name());
    assert_eq!(commands[1][0], Value::from("FCPublish"));
    assert_eq!(commands[1][3], name());
    assert_eq!(
        commands[2],
        [
            "createStream".into(),
            CREATE_STREAM_RESULT.into(),
            Value::Null
        ]
    );

    result(&mut client, CREATE_STREAM_RESULT, 7.0.into());
    let publish = peer.read(|| client.poll_output());
    assert_eq!(publish[0].stream_id, 7);

    status(&mut client, "status", "NetStream.Publish.Start", "");
    client.close();
    let commands = peer.commands(|| client.poll_output());
    let names: Vec<_> = commands
        .iter()
        .map(|values| values[0].as_str().unwrap())
        .collect();
    assert_eq!(names, ["FCUnpublish", "closeStream", "deleteStream"]);
    assert_eq!(commands[2][3], Value::Number(7.0));
}

#[test]
fn enhanced_codecs_are_announced_only_if_there_are_any_and_the_answer_is_told() {
    let mut client = started(ClientConfig {
        fourcc: vec!["hvc1".into(), "av01".into()],
        ..config()
    });
    let connect = Peer::new().commands(|| client.poll_output());
    let list = Value::StrictArray(vec!["hvc1".into(), "av01".into()]);
    assert_eq!(connect[0][2].get("fourCcList"), Some(&list));

    let known = Value::Object(vec![(
        "fourCcList".to_owned(),
        Value::StrictArray(vec!["hvc1".into(), 3.0.into(), "too long".into()]),
    )]);
    let events = answer(
        &mut client,
        0,
        &["_result".into(), 1.0.into(), known, Value::Null],
    );

    assert!(matches!(&events[..], [ClientEvent::Connected { fourcc }] if fourcc == &["hvc1"]));
}

#[test]
fn a_refusal_names_its_stage() {
    let refusal = object(&[
        ("level", "error"),
        ("code", "NetConnection.Connect.Rejected"),
        ("description", "no such app"),
    ]);
    let error = |transaction: f64| {
        [
            "_error".into(),
            transaction.into(),
            Value::Null,
            refusal.clone(),
        ]
    };
    let mut connecting = started(config());
    let mut creating = started(config());
    result(&mut creating, CONNECT_RESULT, Value::Null);

    for (events, expected) in [
        (answer(&mut connecting, 0, &error(1.0)), Stage::Connect),
        (answer(&mut creating, 0, &error(4.0)), Stage::CreateStream),
        (answer(&mut asking(), 0, &error(5.0)), Stage::Publish),
        (
            status(
                &mut asking(),
                "error",
                "NetStream.Publish.BadName",
                "in use",
            ),
            Stage::Publish,
        ),
        (
            status(&mut asking(), "status", "NetStream.Publish.Denied", ""),
            Stage::Publish,
        ),
        (
            status(
                &mut started(config()),
                "error",
                "NetConnection.Connect.Failed",
                "",
            ),
            Stage::Connect,
        ),
    ] {
        let [ClientEvent::Rejected { stage, code, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(*stage, expected);
        assert!(code.starts_with("Net"), "{code}");
    }
}

#[test]
fn a_server_that_knows_no_release_stream_may_say_so() {
    let mut client = started(config());
    result(&mut client, CONNECT_RESULT, Value::Null);

    for transaction in [2.0, 3.0] {
        let error = [
            "_error".into(),
            transaction.into(),
            Value::Null,
            object(&[("code", "x.Failed")]),
        ];
        assert!(answer(&mut client, 0, &error).is_empty());
    }
    result(&mut client, CREATE_STREAM_RESULT, 7.0.into());

    let events = status(&mut client, "status", "NetStream.Publish.Start", "");
    assert!(matches!(
        events[..],
        [ClientEvent::Publishing { stream_id: 7 }]
    ));
}

#[test]
fn a_stream_id_that_cannot_be_one_is_a_refusal() {
    for id in [
        Value::Null,
        f64::NAN.into(),
        (-1.0).into(),
        1.5.into(),
        1e10.into(),
        "1".into(),
    ] {
        let mut client = started(config());
        result(&mut client, CONNECT_RESULT, Value::Null);

        let events = result(&mut client, CREATE_STREAM_RESULT, id);

        assert!(matches!(
            events[..],
            [ClientEvent::Rejected {
                stage: Stage::CreateStream,
                ..
            }]
        ));
    }
}

#[test]
fn neither_the_stream_name_nor_the_query_is_repeated_from_a_server() {
    let quote = "k9-secret-key of live?auth=app-token-1 (K9-SECRET-KEY)";
    let mut events = status(&mut asking(), "error", "Odd.k9-secret-key.Failed", quote);
    events.extend(status(&mut live(), "error", "NetStream.Failed", quote));
    events.extend(status(
        &mut live(),
        "status",
        "NetConnection.Connect.ReconnectRequest",
        quote,
    ));
    let client = live();

    assert_eq!(events.len(), 3);
    let shown = format!("{events:?} {client:?} {:?}", config()).to_lowercase();
    assert!(
        !shown.contains("k9-") && !shown.contains("token"),
        "{shown}"
    );
}

#[test]
fn texts_of_a_server_are_bounded_and_on_one_line() {
    let long = "\n".repeat(60_000);
    let events = status(&mut asking(), "error", &long, &long);

    let [
        ClientEvent::Rejected {
            code, description, ..
        },
    ] = &events[..]
    else {
        panic!()
    };
    assert!(code.is_empty());
    assert!(description.len() <= 512 && !description.contains('\n'));
}

#[test]
fn after_publishing_complaints_reconnects_and_ends_are_told() {
    let mut client = live();

    let complaint = status(
        &mut client,
        "error",
        "NetStream.Publish.BadName",
        "taken over",
    );
    assert!(
        matches!(&complaint[..], [ClientEvent::StatusError { code, .. }] if code.ends_with("BadName"))
    );
    assert!(status(&mut client, "status", "NetStream.Publish.Idle", "").is_empty());

    let elsewhere = object(&[
        ("level", "status"),
        ("code", "NetConnection.Connect.ReconnectRequest"),
        ("tcUrl", "rtmp://other.invalid/live"),
    ]);
    let request = answer(
        &mut client,
        0,
        &["onStatus".into(), 0.0.into(), Value::Null, elsewhere],
    );
    let [
        ClientEvent::ReconnectRequested {
            tc_url: Some(tc_url),
            ..
        },
    ] = &request[..]
    else {
        panic!()
    };
    assert_eq!(tc_url.expose_secret(), "rtmp://other.invalid/live");

    let closed = answer(&mut client, 0, &["close".into(), 0.0.into()]);
    assert!(matches!(closed[..], [ClientEvent::Closed]));
}

#[test]
fn pings_are_answered_with_their_own_number() {
    let mut client = live();
    let mut peer = Peer::new();
    peer.read(|| client.poll_output());

    client
        .handle_input(&wire(MessageKind::UserControl, 0, &[0, 6, 1, 2, 3, 4]))
        .unwrap();

    let pongs = peer.read(|| client.poll_output());
    assert_eq!(pongs.len(), 1);
    assert_eq!(&pongs[0].payload[..], [0, 7, 1, 2, 3, 4]);
}

/// `rml_rtmp` bug 6: the bytes since the last acknowledgement were told there.
#[test]
fn acknowledgements_carry_the_running_total() {
    let mut client = started(config());
    let mut peer = Peer::new();
    peer.read(|| client.poll_output());
    let window = wire(MessageKind::WindowAck, 0, &1000_u32.to_be_bytes());
    let filler = wire(MessageKind::Other(99), 0, &[0; 400]);
    client.handle_input(&window).unwrap();

    let mut received = window.len();
    let mut totals = Vec::new();
    for _ in 0..10 {
        client.handle_input(&filler).unwrap();
        received += filler.len();
        for ack in peer.read(|| client.poll_output()) {
            assert_eq!(ack.kind, MessageKind::Ack);
            let total = u32::from_be_bytes(ack.payload[..].try_into().unwrap());
            assert_eq!(total as usize, received);
            totals.push(total);
        }
    }

    assert_eq!(totals.len(), 3);
    assert_eq!(totals.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn many_acknowledgements_of_the_server_are_one_event() {
    let mut client = live();
    let acks: Vec<u8> = (1..=1000_u32)
        .flat_map(|total| wire(MessageKind::Ack, 0, &total.to_be_bytes()))
        .collect();

    client.handle_input(&acks).unwrap();

    assert!(matches!(
        client_events(&mut client)[..],
        [ClientEvent::Acknowledged { bytes: 1000 }]
    ));
}

#[test]
fn a_server_that_floods_with_pings_or_complaints_is_given_up() {
    let pings = wire(MessageKind::UserControl, 0, &[0, 6, 1, 2, 3, 4]).repeat(20_000);
    let info = object(&[("level", "error"), ("code", "NetStream.Failed")]);
    let complaints = command(7, &["onStatus".into(), 0.0.into(), Value::Null, info]).repeat(100);

    assert!(matches!(
        live().handle_input(&pings),
        Err(SessionError::Output(_))
    ));
    assert!(matches!(
        live().handle_input(&complaints),
        Err(SessionError::Events(_))
    ));
}

#[test]
fn commands_cut_short_or_said_to_be_amf3_do_no_harm() {
    let mut client = started(config());

    assert!(answer(&mut client, 0, &["onBWDone".into()]).is_empty());
    client
        .handle_input(&wire(MessageKind::Command, 0, &[]))
        .unwrap();
    client
        .handle_input(&wire(MessageKind::Command, 0, &[2, 0, 90, b'x']))
        .unwrap();
    let mut result = vec![0];
    result.extend(&super::pair::payload(&["_result".into(), 1.0.into(), Value::Null])[..]);
    client
        .handle_input(&wire(MessageKind::CommandAmf3, 0, &result))
        .unwrap();

    assert!(matches!(
        client_events(&mut client)[..],
        [ClientEvent::Connected { .. }]
    ));
}

#[test]
fn closing_before_there_is_a_stream_says_nothing() {
    let mut client = started(config());
    Peer::new().read(|| client.poll_output());

    client.close();

    assert!(client.poll_output().is_none());
    assert!(result(&mut client, CONNECT_RESULT, Value::Null).is_empty());
}
