//! What comes before the first chunk.

use lunora_relay::wire::handshake::{
    ClientHandshake, HandshakeError, Progress, RANDOM_LEN, ServerHandshake,
};

#[test]
fn both_sides_finish_at_any_cut_and_leave_the_rest_to_the_session() {
    for piece in [1, 7, 1536, 1537, 4000] {
        let mut client = ClientHandshake::new(&[1; RANDOM_LEN]);
        let mut server = ServerHandshake::new(&[2; RANDOM_LEN]);
        let mut to_server = client.poll_output().unwrap().to_vec();
        assert_eq!(to_server.len(), 1537);

        let mut to_client = Vec::new();
        for part in to_server.chunks(piece) {
            assert_eq!(server.handle_input(part), Ok(Progress::Pending));
        }
        to_client.extend(server.poll_output().unwrap());
        to_client.extend(b"chunk");
        assert_eq!(to_client.len(), 1 + 2 * 1536 + 5);

        let mut at = 0;
        let used = loop {
            let part = &to_client[at..to_client.len().min(at + piece)];
            match client.handle_input(part).unwrap() {
                Progress::Pending => at += part.len(),
                Progress::Done { used } => break at + used,
            }
        };
        assert_eq!(&to_client[used..], b"chunk");

        to_server = client.poll_output().unwrap().to_vec();
        to_server.extend(b"connect");
        assert_eq!(
            server.handle_input(&to_server),
            Ok(Progress::Done { used: 1536 })
        );
        assert_eq!(client.poll_output(), None);
        assert_eq!(server.poll_output(), None);
    }
}

#[test]
fn each_side_echoes_the_packet_of_the_other() {
    let mut server = ServerHandshake::new(&[2; RANDOM_LEN]);
    // What a client with digests begins with: its version where zeros would be.
    let packet: Vec<u8> = [0, 0, 0, 9, 128, 0, 7, 2]
        .into_iter()
        .chain([5; RANDOM_LEN])
        .collect();

    assert_eq!(
        server.handle_input(&[&[3], &packet[..]].concat()),
        Ok(Progress::Pending)
    );
    let answer = server.poll_output().unwrap();

    assert_eq!(answer[0], 3);
    assert_eq!(
        answer[5..9],
        [0; 4],
        "no version, so no digest is looked for"
    );
    assert_eq!(&answer[1537..], packet);
}

#[test]
fn a_peer_that_speaks_something_else_is_known_by_its_first_byte() {
    let mut client = ClientHandshake::new(&[1; RANDOM_LEN]);
    let mut server = ServerHandshake::new(&[2; RANDOM_LEN]);

    assert_eq!(
        client.handle_input(b"HTTP/1.1 400"),
        Err(HandshakeError::Version(b'H'))
    );
    assert_eq!(
        server.handle_input(&[0x16, 3, 1]),
        Err(HandshakeError::Version(0x16))
    );
    assert_eq!(
        server.handle_input(&[3; 4000]),
        Err(HandshakeError::Version(0x16))
    );
    assert_eq!(server.poll_output(), None);
}
