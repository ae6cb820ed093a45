//! The receiving session, against our own client and against encoders by hand.

use bytes::Bytes;
use lunora_relay::wire::SessionError;
use lunora_relay::wire::amf0::{Amf0Error, MAX_DEPTH, Value};
use lunora_relay::wire::chunk::{CHUNK_SIZE, ChunkLimits, whole};
use lunora_relay::wire::client::{ClientEvent, ClientSession, Stage};
use lunora_relay::wire::message::{Message, MessageKind};
use lunora_relay::wire::server::{ServerEvent, ServerSession};
use secrecy::ExposeSecret;

use super::pair::{
    KEY, Peer, carry, client_events, command, config, object, payload, publishing, server_events,
    wire,
};

fn connect() -> Bytes {
    command(
        0,
        &[
            "connect".into(),
            1.0.into(),
            object(&[("app", "live/"), ("tcUrl", "rtmp://h/live")]),
        ],
    )
}

fn publish(stream_id: u32) -> Bytes {
    command(
        stream_id,
        &[
            "publish".into(),
            5.0.into(),
            Value::Null,
            KEY.into(),
            "live".into(),
        ],
    )
}

/// A server that an encoder by hand asked for a publish, with nothing left to poll.
fn asked() -> ServerSession {
    let mut server = ServerSession::new();
    server
        .handle_input(&[connect(), publish(1)].concat())
        .unwrap();
    assert_eq!(server_events(&mut server).len(), 2);
    while server.poll_output().is_some() {}
    server
}

fn accepted() -> ServerSession {
    let mut server = asked();
    server.accept_publish();
    server
}

fn code(values: &[Value]) -> &str {
    values[3].get("code").and_then(Value::as_str).unwrap()
}

#[test]
fn our_client_and_our_server_agree_on_publishing() {
    let (mut client, mut server) = (ClientSession::new(config()), ServerSession::new());
    client.start();

    let (client_saw, server_saw) = carry(&mut client, &mut server);
    assert!(matches!(&client_saw[..], [ClientEvent::Connected { fourcc }] if fourcc.is_empty()));
    let [
        ServerEvent::ConnectRequested { app, flash_ver, .. },
        ServerEvent::PublishRequested {
            app: same,
            stream_name,
        },
    ] = &server_saw[..]
    else {
        panic!("{server_saw:?}");
    };
    assert_eq!(app.expose_secret(), "live?auth=app-token-1");
    assert_eq!(same.expose_secret(), app.expose_secret());
    assert_eq!(stream_name.expose_secret(), KEY);
    assert!(flash_ver.starts_with("FMLE"));

    server.accept_publish();
    let (client_saw, _) = carry(&mut client, &mut server);
    assert!(matches!(
        client_saw[..],
        [ClientEvent::Publishing { stream_id: 1 }]
    ));

    client.close();
    let (_, server_saw) = carry(&mut client, &mut server);
    assert!(matches!(server_saw[..], [ServerEvent::Unpublished]));
}

#[test]
fn a_refused_publish_reaches_the_client_with_its_code() {
    let (mut client, mut server) = (ClientSession::new(config()), ServerSession::new());
    client.start();
    carry(&mut client, &mut server);

    server.reject_publish("NetStream.Publish.BadName", "k9-secret-key is in use");

    let (events, _) = carry(&mut client, &mut server);
    let [
        ClientEvent::Rejected {
            stage: Stage::Publish,
            code,
            description,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (code.as_str(), description.as_str()),
        ("NetStream.Publish.BadName", "*** is in use")
    );
}

#[test]
fn media_arrives_as_it_was_sent_and_metadata_without_its_wrapper() {
    let (_client, mut server) = publishing();
    let video = Message {
        kind: MessageKind::Video,
        timestamp: 0x0123_4567,
        stream_id: 1,
        payload: Bytes::from(vec![0x17; 20_000]),
    };
    let metadata = payload(&["onMetaData".into(), object(&[("encoder", "x")])]);
    let wrapped = [&payload(&["@setDataFrame".into()])[..], &metadata].concat();
    let amf3 = [&[0], &wrapped[..]].concat();

    server.handle_input(&whole(4, &video, CHUNK_SIZE)).unwrap();
    for (kind, payload) in [
        (MessageKind::DataAmf0, wrapped),
        (MessageKind::DataAmf3, amf3),
    ] {
        let data = Message {
            kind,
            timestamp: 1,
            stream_id: 1,
            payload: payload.into(),
        };
        server.handle_input(&whole(7, &data, CHUNK_SIZE)).unwrap();
    }

    let events = server_events(&mut server);
    let [
        ServerEvent::Media(first),
        ServerEvent::Media(second),
        ServerEvent::Media(third),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(first, &video);
    assert_eq!(
        (second.kind, &second.payload[..]),
        (MessageKind::DataAmf0, &metadata[..])
    );
    assert_eq!(second, third);
}

#[test]
fn media_sent_before_the_answer_waits_for_it() {
    let early = wire(MessageKind::Video, 1, &[0x17, 0, 1]);
    let (mut kept, mut dropped) = (asked(), asked());
    kept.handle_input(&early).unwrap();
    dropped.handle_input(&early).unwrap();
    assert!(kept.poll_event().is_none());

    kept.accept_publish();
    dropped.reject_publish("NetStream.Publish.Denied", "");

    assert!(matches!(
        server_events(&mut kept)[..],
        [ServerEvent::Media(_)]
    ));
    assert!(server_events(&mut dropped).is_empty());
}

#[test]
fn media_that_waits_for_an_answer_is_bounded() {
    let mut server = asked();
    let video = wire(MessageKind::Video, 1, &[0x17; 100_000]);

    let fed = (0..100).position(|_| server.handle_input(&video).is_err());

    assert_eq!(fed, Some(41));
    assert!(matches!(
        server.handle_input(&video),
        Err(SessionError::Media(_))
    ));
}

#[test]
fn an_encoder_that_may_not_publish_yet_may_not_send_much() {
    let video = wire(
        MessageKind::Video,
        1,
        &vec![0x17; ChunkLimits::CONTROL.media + 1],
    );

    assert!(matches!(
        asked().handle_input(&video),
        Err(SessionError::Chunk(_))
    ));
    assert!(accepted().handle_input(&video).is_ok());
}

#[test]
fn media_nobody_asked_to_publish_goes_nowhere() {
    let mut server = ServerSession::new();
    let input = [wire(MessageKind::Audio, 1, &[1]), publish(1), connect()].concat();

    server.handle_input(&input).unwrap();

    assert!(matches!(
        server_events(&mut server)[..],
        [ServerEvent::ConnectRequested { .. }]
    ));
    server.accept_publish();
    server
        .handle_input(&wire(MessageKind::Audio, 1, &[1]))
        .unwrap();
    assert!(server.poll_event().is_none());
}

#[test]
fn a_connection_carries_one_publish() {
    let mut server = accepted();
    let delete = command(
        0,
        &["deleteStream".into(), 0.0.into(), Value::Null, 1.0.into()],
    );
    server.handle_input(&[delete, publish(2)].concat()).unwrap();

    server.accept_publish();

    assert!(matches!(
        server_events(&mut server)[..],
        [ServerEvent::Unpublished]
    ));
    let output: Vec<u8> = std::iter::from_fn(|| server.poll_output())
        .flatten()
        .collect();
    let refused = b"NetStream.Publish.BadName";
    assert!(
        output
            .windows(refused.len())
            .any(|window| window == refused)
    );
}

#[test]
fn the_end_of_another_stream_is_not_the_end_of_this_one() {
    let mut server = accepted();
    let delete = |id: f64| {
        command(
            0,
            &["deleteStream".into(), 0.0.into(), Value::Null, id.into()],
        )
    };

    server.handle_input(&delete(9.0)).unwrap();
    assert!(server_events(&mut server).is_empty());

    server
        .handle_input(&[delete(1.0), delete(1.0)].concat())
        .unwrap();
    assert!(matches!(
        server_events(&mut server)[..],
        [ServerEvent::Unpublished]
    ));
}

#[test]
fn what_encoders_ask_before_they_publish_is_answered() {
    let mut server = ServerSession::new();
    let mut peer = Peer::new();
    server.handle_input(&connect()).unwrap();
    let welcome = peer.read(|| server.poll_output());
    let kinds: Vec<_> = welcome.iter().map(|message| message.kind).collect();
    assert_eq!(
        kinds,
        [
            MessageKind::WindowAck,
            MessageKind::SetPeerBandwidth,
            MessageKind::Command
        ]
    );

    for (name, at) in [
        ("releaseStream", 2.0),
        ("FCPublish", 3.0),
        ("createStream", 4.0),
        ("_checkbw", 5.0),
    ] {
        server
            .handle_input(&command(0, &[name.into(), at.into(), Value::Null]))
            .unwrap();
    }
    server
        .handle_input(&command(
            0,
            &["getStreamLength".into(), 6.0.into(), Value::Null],
        ))
        .unwrap();
    server
        .handle_input(&command(
            1,
            &["play".into(), 7.0.into(), Value::Null, "x".into()],
        ))
        .unwrap();
    server.handle_input(&publish(1)).unwrap();
    server.accept_publish();

    let answers = peer.commands(|| server.poll_output());
    for (answer, at) in answers.iter().zip([2.0, 3.0, 4.0, 5.0]) {
        assert_eq!(answer[..2], ["_result".into(), Value::Number(at)]);
    }
    assert_eq!(answers[2][3], Value::Number(1.0));
    assert_eq!(
        (answers[4][0].as_str(), code(&answers[4])),
        (Some("onStatus"), "NetStream.Play.Failed")
    );
    assert_eq!(answers[5][0].as_str(), Some("onFCPublish"));
    assert_eq!(code(&answers[6]), "NetStream.Publish.Start");
    assert_eq!(answers.len(), 7);
}

/// `rml_rtmp` bug 2: both panicked there.
#[test]
fn a_command_of_one_value_and_one_said_to_be_amf3_do_no_harm() {
    let mut server = ServerSession::new();
    for short in [
        &["connect".into()][..],
        &["publish".into()],
        &[1.0.into()],
        &[],
    ] {
        server.handle_input(&command(0, short)).unwrap();
    }
    let connect = [
        &[0],
        &payload(&["connect".into(), 1.0.into(), object(&[("app", "a")])])[..],
    ]
    .concat();
    let mut other = ServerSession::new();

    other
        .handle_input(&wire(MessageKind::CommandAmf3, 0, &connect))
        .unwrap();

    let events = server_events(&mut other);
    assert!(
        matches!(&events[..], [ServerEvent::ConnectRequested { app, .. }] if app.expose_secret() == "a")
    );
}

/// `rml_rtmp` bug 3, in a message a stranger can send.
#[test]
fn a_deep_command_ends_the_session_and_not_the_process() {
    let deep = [
        &payload(&["x".into(), 0.0.into()])[..],
        &b"\x03\x00\x01a".repeat(60_000),
    ]
    .concat();
    let mut server = ServerSession::new();

    let result = server.handle_input(&wire(MessageKind::Command, 0, &deep));

    assert_eq!(
        result,
        Err(SessionError::Command(Amf0Error::TooDeep(MAX_DEPTH)))
    );
}

#[test]
fn an_aggregate_comes_out_as_its_parts() {
    let mut server = accepted();
    let tags = b"\x08\0\0\x02\0\0\x0a\0\0\0\0\xaf\x01\0\0\0\x0d\
        \x09\0\0\x03\0\0\x0b\0\0\0\0\x17\x01\x07\0\0\0\x0e";

    server
        .handle_input(&wire(MessageKind::Aggregate, 1, tags))
        .unwrap();

    let events = server_events(&mut server);
    let [ServerEvent::Media(audio), ServerEvent::Media(video)] = &events[..] else {
        panic!()
    };
    assert_eq!((audio.kind, audio.timestamp), (MessageKind::Audio, 0));
    assert_eq!((video.kind, video.timestamp), (MessageKind::Video, 1));
}

/// `rml_rtmp` bug 6, on this side.
#[test]
fn the_encoder_is_told_the_running_total_by_the_window_it_asks_for() {
    let mut server = ServerSession::new();
    let window = wire(MessageKind::WindowAck, 0, &500_u32.to_be_bytes());
    let filler = wire(MessageKind::Other(99), 0, &[0; 600]);
    let mut peer = Peer::new();

    server
        .handle_input(&[&window[..], &filler].concat())
        .unwrap();
    server.handle_input(&filler).unwrap();

    let acks = peer.read(|| server.poll_output());
    let totals: Vec<_> = acks
        .iter()
        .map(|ack| u32::from_be_bytes(ack.payload[..].try_into().unwrap()) as usize)
        .collect();
    assert_eq!(
        totals,
        [window.len() + filler.len(), window.len() + 2 * filler.len()]
    );
}

#[test]
fn nothing_a_session_shows_of_itself_is_secret() {
    let mut server = ServerSession::new();
    server
        .handle_input(&[connect(), publish(1)].concat())
        .unwrap();

    let shown = format!("{server:?} {:?}", server_events(&mut server));

    assert!(!shown.contains(KEY), "{shown}");
}

#[test]
fn codecs_the_encoder_announces_are_told_and_welcomed() {
    let mut config = config();
    config.fourcc = vec!["hvc1".to_owned()];
    let (mut client, mut server) = (ClientSession::new(config), ServerSession::new());
    client.start();

    let (client_saw, server_saw) = carry(&mut client, &mut server);

    assert!(matches!(&client_saw[0], ClientEvent::Connected { fourcc } if fourcc == &["hvc1"]));
    assert!(
        matches!(&server_saw[0], ServerEvent::ConnectRequested { fourcc, .. } if fourcc == &["hvc1"])
    );
    assert!(client_events(&mut client).is_empty());
}
